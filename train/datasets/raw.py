"""The common form of raw data sets for `stars data prepare`: units that are read one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stars_infer.errors import ClipError, NobodyError
from stars_infer.train.datasets.pack import PackedClip, SourceClip, Splits

MISSING = "on the list of missing skeletons"
NO_NAME = "no official name"
OTHER_SET = "of another set"
TWICE = "found twice"
NOBODY = "no body"
NO_LABELS = "no label file"
BROKEN_INTERVAL = "broken interval"
UNKNOWN_CLASS = "unknown class"
UNUSABLE = "cannot be used"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A piece of a raw data set that is read at once: a file, or an entry of an archive.

    Attributes:
        name: Name, unique in the data set; units are packed in the order of their names.
        size: Size in bytes, by which a later call notices that the unit has changed.
        paths: Files of the unit, if it has files of its own.
    """

    name: str
    size: int
    paths: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A file or entry that is left out of the pack.

    Attributes:
        name: Path or name, relative to the raw folder.
        reason: One of the constants of this module.
        problem: What exactly is wrong, if there is more to say.
    """

    name: str
    reason: str
    problem: str = ""

    @classmethod
    def because(cls, name: str, error: ClipError) -> LeftOut:
        """Leave out what could not be read."""
        reason = NOBODY if isinstance(error, NobodyError) else UNUSABLE
        return cls(name=name, reason=reason, problem=error.problem)


Outcome = Sequence[SourceClip | LeftOut]
"""The clips of a unit, and what was left out."""


def _nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawSet:
    """A raw data set that is listed but not yet read.

    Attributes:
        units: Units to read, in the order of the pack.
        read: Reads a unit; runs in worker processes if `parallel`.
        splits: Makes the official splits of the packed clips.
        parallel: Whether several processes can read units.
        chunk: Number of units that a process receives at a time.
        left_out: Units that are left out without being read.
        not_found: Number of official samples that the raw data lacks; None if unknown.
        close: Called when all units are read.
    """

    units: Sequence[Unit]
    read: Callable[[Unit], Outcome]
    splits: Callable[[Sequence[PackedClip]], Splits]
    parallel: bool = True
    chunk: int = 8
    left_out: Sequence[LeftOut] = ()
    not_found: int | None = None
    close: Callable[[], None] = field(default=_nothing)
