"""Packs: the actors of many clips in one memory-mapped file.

A pack is a folder with `joints.f32`, the tracks (T, 25, 3) of all actors one after the other as
float32 positions in meters, and `pack.json`, the position, label, subject and source of each clip.
Each actor has a track of its own, so that an absent second body takes no space. The positions are
float32 because stage 1 predicts the motion between frames, which the steps of half precision (1 mm
at 1 m) would drown. Where a pack is replaced, `pack.json` names another file instead of
`joints.f32`, so that a kill leaves the old pack or the new one, and never parts of both.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.atomic import write_text, written_beside
from stars_infer.errors import StarsError, UsageError, brief
from stars_infer.layouts import NTU25_JOINTS

SCHEMA = 1
_ROW = (len(NTU25_JOINTS), 3)
JOINTS = "joints.f32"
_OF_PACK = ("pack.json", JOINTS)
_OTHER_JOINTS = re.compile(r"joints-[0-9a-f]{16}\.f32")
UNFINISHED = "unfinished.jsonl"
"""File in the folder of a pack that `stars data prepare` has begun and not finished."""
ROW_BYTES = 4 * len(NTU25_JOINTS) * 3
"""Bytes of one frame of one actor in `joints.f32`."""

Splits = Mapping[str, Mapping[str, Sequence[int]]]
"""The splits of a pack: name -> part (`train` or `test`) -> numbers of the clips."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedClip:
    """One clip of a pack.

    Attributes:
        start: First row of the track of its first actor.
        frames: Number of rows of each track, T.
        bodies: Number of actors, whose tracks follow each other.
        label: Action; may be empty.
        subject: Performer; may be empty.
        source: Origin of the clip, which splits by pattern match.
    """

    start: int
    frames: int
    bodies: int
    label: str
    subject: str
    source: str

    def __post_init__(self) -> None:
        numbers, texts = (self.start, self.frames, self.bodies), (self.label, self.subject)
        if not all(type(number) is int and 0 <= number < 1 << 48 for number in numbers):
            raise ValueError(f"a clip of {numbers} rows, frames and bodies")
        if not all(isinstance(text, str) for text in (*texts, self.source)):
            raise TypeError("label, subject and source of a clip must be texts")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceClip:
    """A clip on its way into a pack: actors (M, T, 25, 3) as `center_actors` gives them."""

    actors: FloatArray
    label: str
    subject: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """Training clips: rows of joints, and the position of each clip in them."""

    joints: FloatArray
    """(rows, 25, 3), meters."""
    clips: tuple[PackedClip, ...]
    facts: dict[str, Any]
    """How the pack was made: sources, windows, frame rate."""
    splits: Splits = field(default_factory=dict)
    """The clips that each split trains on and tests."""

    def __post_init__(self) -> None:
        if not self.clips:
            raise UsageError("there is no clip to train on")

    def part(self, split: str, part: str) -> Pack:
        """Select the clips of one part of a split; they share the joints of this pack.

        Args:
            split: Name of a split, such as `xsub`.
            part: `train` or `test`.

        Raises:
            UsageError: If the pack has no such split or part.
        """
        try:
            numbers = self.splits[split][part]
        except KeyError:
            known = ", ".join(f"{name} ({', '.join(self.splits[name])})" for name in self.splits)
            raise UsageError(
                f"the pack has no {part!r} part of a split {split!r}; it has {known or 'none'}: "
                "`stars data split` adds one"
            ) from None
        clips = tuple(self.clips[number] for number in numbers)
        facts = {**self.facts, "split": split, "part": part}
        return Pack(joints=self.joints, clips=clips, facts=facts)

    @classmethod
    def from_clips(cls, clips: Iterable[SourceClip]) -> Pack:
        """Make a pack of clips in memory."""
        rows: list[FloatArray] = []
        packed: list[PackedClip] = []
        start = 0
        for clip in clips:
            packed.append(locate_clip(clip, start))
            rows.append(clip.actors.reshape(-1, *_ROW))
            start += len(rows[-1])
        joints = np.concatenate(rows) if rows else np.zeros((0, *_ROW), np.float32)
        return cls(joints=joints, clips=tuple(packed), facts={})

    @classmethod
    def open(cls, folder: Path) -> Pack:
        """Open a pack on disk; positions are read when they are used.

        Raises:
            StarsError: If the folder is no pack, or its files do not fit together.
        """
        if (folder / UNFINISHED).exists() and not (folder / "pack.json").exists():
            raise StarsError(
                f"{folder}: this pack is not finished: run `stars data prepare` again, it goes on "
                "where it stopped"
            )
        try:
            facts = json.loads((folder / "pack.json").read_text(encoding="utf-8"))
            if not isinstance(facts, dict):
                raise TypeError(f"expected an object, found a {type(facts).__name__}")
            if facts.get("schema") != SCHEMA:
                raise StarsError(
                    f"{folder}: pack of schema {str(facts.get('schema'))[:24]}, expected {SCHEMA}: "
                    "make it again with `stars data`"
                )
            clips = tuple(PackedClip(**clip) for clip in facts.pop("clips"))
            splits = _splits(facts.pop("splits", {}), len(clips))
            name = _joints_name(facts.pop("joints", JOINTS))
            joints = np.memmap(folder / name, np.float32, "c").reshape(-1, *_ROW)
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise StarsError(
                f"{folder}: not a readable pack ({brief(error)}): make it again with `stars data`"
            ) from error
        rows = max((clip.start + clip.bodies * clip.frames for clip in clips), default=0)
        if rows != len(joints):
            raise StarsError(
                f"{folder}: {name} holds {len(joints)} rows, pack.json speaks of {rows}: "
                "make it again with `stars data`"
            )
        return cls(joints=joints, clips=clips, facts=facts, splits=splits)


class PackWriter:
    """Writes a pack clip by clip; use it as a context manager.

    The joints are written beside their final place. An existing pack is replaced when the context
    ends without an error, and not before.
    """

    def __init__(self, folder: Path, *, force: bool = False, **facts: Any) -> None:
        """Begin a pack.

        Args:
            folder: Folder of the pack.
            force: Whether an existing pack, or the beginning of one, is replaced.
            facts: How the pack is made.

        Raises:
            UsageError: If the folder is a file, or holds a pack and `force` is false.
        """
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"{folder}: is a file; --out names the folder of the pack")
        there = [name for name in (*_OF_PACK, UNFINISHED) if (folder / name).exists()]
        if there and not force:
            raise UsageError(
                f"{folder}: there is a pack here, or the beginning of one ({there[0]}): --force "
                "replaces it, another --out makes a second pack"
            )
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._facts = facts
        if (folder / "pack.json").exists():
            self._facts["joints"] = f"joints-{secrets.token_hex(8)}.f32"
        self._writing = written_beside(folder / self._facts.get("joints", JOINTS))
        self._file = self._writing.__enter__().open("wb")
        self._rows = 0
        self.clips: list[PackedClip] = []
        self.splits: dict[str, dict[str, list[int]]] = {}

    def add(self, clip: SourceClip) -> None:
        """Append a clip."""
        self.clips.append(locate_clip(clip, self._rows))
        self._file.write(np.ascontiguousarray(clip.actors, np.float32).tobytes())
        self._rows += clip.actors.shape[0] * clip.actors.shape[1]

    def __enter__(self) -> PackWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        if error is None and not self.clips:
            error = StarsError(f"{self._folder}: no clip could be packed; nothing written")
        self._writing.__exit__(None if error is None else type(error), error, trace)
        if error is not None:
            raise error
        clips = [asdict(clip) for clip in self.clips]
        write_facts(self._folder, {**self._facts, "splits": self.splits, "clips": clips})
        (self._folder / UNFINISHED).unlink(missing_ok=True)
        for file in self._folder.iterdir():
            other = file.name == JOINTS or _OTHER_JOINTS.fullmatch(file.name)
            if other and file.name != self._facts.get("joints", JOINTS):
                file.unlink(missing_ok=True)


def _joints_name(said: object) -> str:
    """Check the name of the file of joints.

    Raises:
        ValueError: If it can be none.
    """
    if said != JOINTS and not (isinstance(said, str) and _OTHER_JOINTS.fullmatch(said)):
        raise ValueError("it names a file of joints that is none")
    return str(said)


def _splits(found: Any, clips: int) -> Splits:
    """Check the splits of a pack.

    Raises:
        ValueError: If they name clips that are not there, or are no splits.
    """
    parts = [part for split in found.values() for part in split.values()] \
        if isinstance(found, dict) and all(isinstance(one, dict) for one in found.values()) \
        else [None]  # fmt: skip
    for part in parts:
        if not isinstance(part, list) or not all(
            type(number) is int and 0 <= number < clips for number in part
        ):
            raise ValueError("its splits do not number its clips")
    splits: Splits = found
    return splits


def write_facts(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write `pack.json` in one rename, so that a kill leaves the old or the new file."""
    write_text(folder / "pack.json", json.dumps({"schema": SCHEMA, **facts}))


def locate_clip(clip: SourceClip, start: int) -> PackedClip:
    """Describe a clip in a pack whose first row is `start`."""
    bodies, frames = clip.actors.shape[:2]
    return PackedClip(
        start=start,
        frames=frames,
        bodies=bodies,
        label=clip.label,
        subject=clip.subject,
        source=clip.source,
    )
