"""Read a clip from a file; one module per format."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from stars_infer.clip import Clip
from stars_infer.errors import ClipError
from stars_infer.layouts import get_layout
from stars_infer.readers.npy import read_npy
from stars_infer.readers.npz import read_npz
from stars_infer.readers.skeleton import read_skeleton


class Reader(Protocol):
    """Reads one format."""

    def __call__(self, path: Path, layout: str | None = None, *, recording: bool = False) -> Clip:
        """Read a file; `recording` as in `Clip.from_tracks`."""


READERS: dict[str, Reader] = {
    ".skeleton": read_skeleton,
    ".npy": read_npy,
    ".npz": read_npz,
}
"""File ending to the function that reads it."""


def read_clip(path: str | Path, *, layout: str | None = None, recording: bool = False) -> Clip:
    """Read a clip; the format follows from the file's ending.

    Args:
        path: A `.skeleton` (NTU RGB+D), `.npy` or `.npz` file.
        layout: Name of the joint layout; what the file says, else `ntu25`, if not given.
        recording: The clip is to be cut into actions: it may be hours long, and a body of which a
            joint is missing for long is absent meanwhile.

    Raises:
        ClipError: If the file is missing, damaged, of another format, or holds no usable motion.
        UsageError: If there is no such layout.
    """
    path = Path(path)
    if layout is not None:
        get_layout(layout)
    if path.is_dir():
        raise ClipError(str(path), "is a directory, not a clip: name the files in it")
    if not path.exists():
        raise ClipError(str(path), "no such file")
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        known = ", ".join(READERS)
        raise ClipError(str(path), f"unknown file ending {path.suffix!r}; known: {known}")
    try:
        if path.stat().st_size == 0:
            raise ClipError(str(path), "the file is empty")
        return reader(path, layout, recording=recording)
    except OSError as error:
        raise ClipError(str(path), f"cannot be read: {error.strerror or error}") from error
