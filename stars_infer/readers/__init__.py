"""Read a clip from a file; one module per format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from stars_infer.clip import Clip
from stars_infer.errors import ClipError
from stars_infer.layouts import get_layout
from stars_infer.readers.npy import read_npy
from stars_infer.readers.npz import read_npz
from stars_infer.readers.skeleton import read_skeleton

Reader = Callable[[Path, str | None], Clip]

READERS: dict[str, Reader] = {
    ".skeleton": read_skeleton,
    ".npy": read_npy,
    ".npz": read_npz,
}
"""File ending to the function that reads it."""


def read_clip(path: str | Path, *, layout: str | None = None) -> Clip:
    """Read a clip; the format follows from the file's ending.

    Args:
        path: A `.skeleton` (NTU RGB+D), `.npy` or `.npz` file.
        layout: Name of the joint layout; what the file says, else `ntu25`, if not given.

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
        return reader(path, layout)
    except OSError as error:
        raise ClipError(str(path), f"cannot be read: {error.strerror or error}") from error
