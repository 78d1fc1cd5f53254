"""Journaled packs: a kill at any moment loses only the unit that is being written.

The journal `unfinished.jsonl` grows beside `joints.f32`. Its first line says what is being made;
each further line is written after the data of a unit. A later call cuts both files after the last
complete line and continues. `pack.json` appears, in one rename, when the pack is complete.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from stars_infer.errors import StarsError, UsageError
from stars_infer.train.datasets.pack import (
    ROW_BYTES,
    UNFINISHED,
    PackedClip,
    SourceClip,
    Splits,
    locate_clip,
    write_facts,
)
from stars_infer.train.datasets.raw import LeftOut, Outcome, Unit

if sys.platform != "win32":
    import fcntl

_REMEDY = "--force starts anew, another --out makes a second pack"


class JournaledPack:
    """A pack that is being made, perhaps begun by an earlier process.

    Attributes:
        done: Number of units that are in the pack.
        clips: Clips of these units.
        left_out: What was left out of these units.
    """

    def __init__(
        self, folder: Path, *, run: Mapping[str, Any], units: Sequence[Unit], force: bool = False
    ) -> None:
        """Begin a pack, or continue one.

        Args:
            folder: Folder of the pack.
            run: What is being made; only a pack of the same run is continued.
            units: All units, in order.
            force: Whether to start anew, whatever the folder holds.

        Raises:
            UsageError: If the folder holds a finished pack, or the beginning of another one.
            StarsError: If the beginning is damaged.
        """
        self.done = 0
        self.clips: list[PackedClip] = []
        self.left_out: list[LeftOut] = []
        self._folder = folder
        self._rows = 0
        finished = folder / "pack.json"
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"{folder}: is a file; --out names the folder of the pack")
        folder.mkdir(parents=True, exist_ok=True)
        if finished.exists() and not force:
            (folder / UNFINISHED).unlink(missing_ok=True)  # a kill may fall just before this
            raise UsageError(f"{folder}: there is a finished pack here: {_REMEDY}")
        if not force and not (folder / UNFINISHED).exists() and _is_filled(folder / "joints.f32"):
            raise UsageError(f"{folder}: joints.f32 here is of no pack that was begun: {_REMEDY}")
        with ExitStack() as opened:
            self._journal = opened.enter_context((folder / UNFINISHED).open("a+b"))
            self._joints = opened.enter_context((folder / "joints.f32").open("ab"))
            self._lock()
            if force:
                finished.unlink(missing_ok=True)
                self._journal.truncate(0)
            kept = self._replay(dict(run), units)
            self._journal.truncate(kept)
            self._joints.truncate(self._rows * ROW_BYTES)
            if not kept:
                self._write_line(dict(run))
            self._opened = opened.pop_all()

    def add(self, unit: Unit, outcome: Outcome) -> None:
        """Append the clips of a unit: first the data, then the line of the journal."""
        lines: list[dict[str, str]] = []
        for result in outcome:
            if isinstance(result, SourceClip):
                self._joints.write(np.ascontiguousarray(result.actors, np.float32).tobytes())
                lines.append(self._append(locate_clip(result, self._rows)))
            else:
                self.left_out.append(result)
                lines.append(asdict(result))
        self._joints.flush()
        self._write_line({"unit": unit.name, "size": unit.size, "gave": lines})
        self.done += 1

    def finish(self, facts: Mapping[str, Any], splits: Splits) -> None:
        """Complete the pack."""
        clips = [asdict(clip) for clip in self.clips]
        write_facts(self._folder, {**facts, "splits": splits, "clips": clips})
        self._opened.close()
        (self._folder / UNFINISHED).unlink()

    def discard(self) -> None:
        """Delete what was written."""
        self._opened.close()
        (self._folder / UNFINISHED).unlink()
        (self._folder / "joints.f32").unlink()

    def __enter__(self) -> JournaledPack:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._opened.close()

    def _append(self, clip: PackedClip) -> dict[str, Any]:
        """Append a clip; return its entry in the journal, which lacks the first row."""
        self.clips.append(clip)
        self._rows = clip.start + clip.bodies * clip.frames
        line = asdict(clip)
        del line["start"]
        return line

    def _write_line(self, values: Mapping[str, Any]) -> None:
        self._journal.write(json.dumps(values, ensure_ascii=False).encode() + b"\n")
        self._journal.flush()

    def _lock(self) -> None:
        """Lock the pack while this process lives (Windows has no such lock)."""
        if sys.platform == "win32":
            return
        try:
            fcntl.flock(self._journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"{self._folder}: another process is making this pack: wait for it, or end it"
            ) from None

    def _replay(self, run: dict[str, Any], units: Sequence[Unit]) -> int:
        """Take over the complete lines of the journal; return their length in bytes."""
        journal, joints = self._folder / UNFINISHED, self._folder / "joints.f32"
        first, *lines = journal.read_bytes().split(b"\n")
        if not lines:  # killed within the first line, or not begun
            return 0
        written = joints.stat().st_size
        kept = len(first) + 1
        try:
            begun = json.loads(first)
            if begun != run:
                raise UsageError(
                    f"{self._folder}: holds the beginning of {_describe(begun)}, not of "
                    f"{_describe(run)}: {_REMEDY}"
                )
            for line in lines[:-1]:  # what follows the last newline is torn
                self._replay_line(json.loads(line), units)
                if self._rows * ROW_BYTES > written:
                    raise StarsError(
                        f"{joints}: {written} bytes are fewer than {UNFINISHED} vouches for: "
                        "--force starts anew"
                    )
                kept += len(line) + 1
        except (ValueError, KeyError, TypeError) as error:
            if isinstance(error, StarsError):
                raise
            raise StarsError(f"{journal}: damaged ({error}): --force starts anew") from error
        return kept

    def _replay_line(self, line: dict[str, Any], units: Sequence[Unit]) -> None:
        """Take over one unit, if it is the one that was packed."""
        if self.done == len(units) or (units[self.done].name, units[self.done].size) != (
            line["unit"],
            line["size"],
        ):
            now = "nothing"
            if self.done < len(units):
                now = f"{units[self.done].name} ({units[self.done].size} bytes)"
            raise UsageError(
                f"{self._folder}: the raw data changed since this pack was begun: where "
                f"{line['unit']} ({line['size']} bytes) was, now is {now}: {_REMEDY}"
            )
        for result in line["gave"]:
            if "reason" in result:
                self.left_out.append(LeftOut(**result))
            else:
                self._append(PackedClip(start=self._rows, **result))
        self.done += 1


def _is_filled(file: Path) -> bool:
    return file.exists() and file.stat().st_size > 0


def _describe(run: Mapping[str, Any]) -> str:
    """Describe a run in a message."""
    return " ".join(str(value) for value in run.values() if value is not None)
