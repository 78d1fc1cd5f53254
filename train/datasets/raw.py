"""What every raw data set looks like to `stars data prepare`: units that are read one by one."""

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
    """A piece of a raw data set that is read at once: a file, an entry of an archive.

    Attributes:
        name: Its name, unique in the set; units are packed in the order of their names.
        size: Bytes, by which a resumed run notices that the unit has changed.
        paths: Its files, if it has files of its own.
    """

    name: str
    size: int
    paths: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Something that does not enter the pack.

    Attributes:
        name: File or entry, from the raw folder on.
        reason: One of the constants of this module.
        problem: What exactly is wrong, if more is to be said.
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
"""What a unit gives."""


def _nothing() -> None:
    """Nothing is to be closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawSet:
    """A raw data set, listed but not yet read.

    Attributes:
        units: What is to be read, in the order of the pack.
        read: Reads a unit; runs in worker processes where `parallel`.
        splits: The official splits over the clips that were packed.
        parallel: Whether units can be read by several processes at once.
        chunk: Units that a process is handed at a time.
        left_out: What is left out without being read.
        not_found: How many official samples the raw data lacks; `None` where nobody can say.
        close: Called when all is read.
    """

    units: Sequence[Unit]
    read: Callable[[Unit], Outcome]
    splits: Callable[[Sequence[PackedClip]], Splits]
    parallel: bool = True
    chunk: int = 8
    left_out: Sequence[LeftOut] = ()
    not_found: int | None = None
    close: Callable[[], None] = field(default=_nothing)
