"""Arrays in NumPy's format, from a file of their own or from an archive.

Sizes are checked against the bytes that are there before memory is taken, and nothing is mapped: a
file that is cut short while it is read is refused, and does not end the process.
"""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from stars_infer.readers.bounds import BESIDE, TIMES

MAGIC = b"\x93NUMPY"
"""With which an array in NumPy's format begins."""
_PLAIN = "fiubcSU"
_SHARE = 4
"""Of the memory that an archive may take, one part in so many is for its arrays as they are."""


def read_array(file: IO[bytes], *, most: int) -> NDArray[np.generic]:
    """Read an array of numbers or text.

    Args:
        file: Where it begins.
        most: Bytes it may have.

    Raises:
        ValueError: If it is none, is cut short or too large, or holds Python objects.
    """
    shape, fortran, kind = read_header(file)
    size = kind.itemsize
    for length in shape:
        size *= length
    if size > most:
        raise ValueError(f"an array {shape} of {kind} has {size:,} bytes, but {most:,} can be here")
    content = np.empty(size, np.uint8)
    view, at = memoryview(content.data), 0
    while at < size:
        got = file.readinto(view[at : at + (1 << 24)])  # type: ignore[attr-defined]
        if not got:
            raise ValueError(f"the file ends within an array {shape} of {kind}")
        at += got
    array = content.view(kind).reshape(shape, order="F" if fortran else "C")
    if kind.kind == "U" and array.size:
        letters = content.view(kind.byteorder.replace("|", "=") + "u4")
        if (letters > sys.maxunicode).any():
            raise ValueError("no Unicode text")
    return array


def read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    """Read the shape of an array, whether it is in the order of Fortran, and its type.

    Raises:
        ValueError: If no array begins here, or one of Python objects.
    """
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, kind = read(file)
    if kind.hasobject:
        raise ValueError("objects")
    if kind.kind not in _PLAIN or not kind.itemsize or min(shape, default=0) < 0:
        raise ValueError(f"an array {shape} of {kind}")
    return shape, bool(fortran), kind


class Archive:
    """The arrays of a `.npz` file, read one by one, and together no more than fit its size.

    Attributes:
        names: Names of the members, in order.
    """

    def __init__(self, path: Path) -> None:
        """Open an archive.

        Raises:
            zipfile.BadZipFile: If it is none.
        """
        self._zip = zipfile.ZipFile(path)
        self._left = (TIMES * path.stat().st_size + BESIDE) // _SHARE
        self._files = {name.removesuffix(".npy"): name for name in self._zip.namelist()}
        self.names = tuple(self._files)

    def array(self, name: str) -> NDArray[np.generic]:
        """Read an array.

        Raises:
            ValueError: If it is no array, is cut short, or is too large for this archive.
        """
        with self._zip.open(self._files[name]) as member, io.BufferedReader(member) as file:  # type: ignore[type-var]
            if not file.peek(len(MAGIC)).startswith(MAGIC):
                raise ValueError(f"{name!r} is no array")
            try:
                array = read_array(file, most=self._left)
            except ValueError as error:
                raise ValueError(f"{name!r}: {error}") from error
        self._left -= array.nbytes
        return array

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()
