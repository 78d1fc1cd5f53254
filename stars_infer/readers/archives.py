"""NumPy archives, `.npz`: which of the known forms one has, by the names of its arrays."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path

from stars_infer.errors import ClipError
from stars_infer.readers import ctrgcn, smpl
from stars_infer.readers.arrays import read_npz
from stars_infer.readers.recording import Recording


def read_archive(path: Path) -> Iterable[Recording | ClipError]:
    """Read the clip or the clips of an archive.

    Raises:
        ClipError: If it is damaged, or holds no arrays of a known form.
    """
    names = _names_in(path)
    if ctrgcn.is_many(names):
        return ctrgcn.read_many(path)
    if smpl.is_motion(names):
        return smpl.read_motion(path)
    return read_npz(path)


def is_many_in_npz(path: Path) -> bool:
    """Whether an archive holds many clips; false if there is no such archive."""
    return ctrgcn.is_many(_names_in(path))


def _names_in(path: Path) -> frozenset[str]:
    """Names of the arrays; none if the file is no archive, which `read_npz` tells."""
    try:
        with zipfile.ZipFile(path) as archive:
            return frozenset(name.removesuffix(".npy") for name in archive.namelist())
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return frozenset()
