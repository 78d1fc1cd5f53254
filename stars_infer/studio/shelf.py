"""Clips that the studio can play: those that are asked about, and those of examples.

What is only asked about is held in memory and gone when the studio ends. The clip of an example
that was taught here is kept in a folder beside the index, under its hash.
"""

from __future__ import annotations

import re
import threading
import zipfile
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stars_infer.atomic import written_beside
from stars_infer.clips.clip import Clip
from stars_infer.embedding.files import PreparedClip
from stars_infer.errors import StarsError, UsageError
from stars_infer.serving.logs import LOGGER

ENDING = ".clips"
"""Of the folder, after the name of the index."""
MOST_HELD = 512 * 2**20
"""Bytes of clips that are held in memory; the oldest go first."""
_KEY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Held:
    """A clip in memory.

    Attributes:
        clip: The clip.
        prepared: The same, ready to be compared; None for a recording, which is cut first.
    """

    clip: Clip
    prepared: PreparedClip | None

    @property
    def key(self) -> str:
        """By which it is asked for."""
        return self.clip.content_hash


class Shelf:
    """Clips by their hashes.

    Args:
        folder: Where the clips of examples are kept; made with the first of them.
        most: Bytes of clips that are held in memory.

    Attributes:
        folder: As given.
    """

    def __init__(self, folder: Path, *, most: int = MOST_HELD) -> None:
        self.folder = folder
        self._most = most
        self._held: OrderedDict[str, Held] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def hold(self, clip: Clip, prepared: PreparedClip | None) -> Held:
        """Take a clip into memory."""
        one = Held(clip=clip, prepared=prepared)
        with self._lock:
            key = one.key
            before = self._held.pop(key, None)
            if before is not None:
                self._bytes -= before.clip.bodies.nbytes
                if prepared is None and before.prepared is not None:
                    one = before
            self._held[key] = one
            self._bytes += clip.bodies.nbytes
            while self._bytes > self._most and len(self._held) > 1:
                _, gone = self._held.popitem(last=False)
                self._bytes -= gone.clip.bodies.nbytes
        return one

    def held(self, key: str) -> Held:
        """A clip in memory, or one of an example.

        Raises:
            UsageError: If there is none of that hash.
        """
        with self._lock:
            found = self._held.get(key)
            if found is not None:
                self._held.move_to_end(key)
                return found
        clip = self.kept(key)
        if clip is None:
            raise UsageError("this clip is no longer held: drop its file once more")
        return Held(clip=clip, prepared=None)

    def keep(self, clip: Clip) -> bool:
        """Keep the clip of an example in the folder.

        Returns:
            Whether it is kept; where the folder cannot be written, the log says why, and the
            example is drawn as the index holds it.
        """
        path = self._path(clip.content_hash)
        if path.exists():
            return True
        joints = np.where(clip.presence[:, :, None, None], clip.bodies, np.float32(np.nan))
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            with written_beside(path) as beside, beside.open("wb") as file:
                np.savez_compressed(
                    file, joints=joints, layout=clip.layout, fps=clip.fps, flat=clip.flat
                )
        except OSError as error:
            LOGGER.warning("%s: clips cannot be kept there: %s", self.folder, error.strerror)
            return False
        return True

    def kept(self, key: str) -> Clip | None:
        """The clip of an example; None where there is none, or it is not as it was written."""
        path = self._path(key)
        try:
            with np.load(path, allow_pickle=False) as data:
                joints = np.asarray(data["joints"], np.float32)
                clip = Clip(
                    bodies=np.nan_to_num(joints),
                    presence=np.asarray(np.isfinite(joints).any(axis=(2, 3))),
                    layout=str(data["layout"]),
                    fps=float(data["fps"]),
                    flat=bool(data["flat"]),
                    source=path.name,
                )
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, StarsError):
            return None
        return clip if clip.content_hash == key else None

    def forget(self, key: str) -> Clip | None:
        """Delete the kept clip of an example, and give it."""
        clip = self.kept(key)
        with suppress(OSError):
            self._path(key).unlink(missing_ok=True)
        return clip

    def count(self) -> int:
        """How many clips are kept."""
        return sum(1 for _ in self.folder.glob("*.npz")) if self.folder.is_dir() else 0

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise UsageError(f"{key[:20]!r} is no hash of a clip")
        return self.folder / f"{key}.npz"


def clips_folder(index: Path) -> Path:
    """The folder of the clips of an index, beside it."""
    return index.with_name(index.name + ENDING)
