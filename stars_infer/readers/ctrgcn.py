"""Archives of NTU RGB+D as CTR-GCN prepares them: many clips in one `.npz` (`NTU60_CS.npz`).

`x_train` and `x_test` are (N, T, 150): two bodies of 25 joints in each frame, zero where absent and
after the end of a clip. `y_train` and `y_test` (N, classes) are one-hot. Clips are called by part,
number and class, as `test_000012_A031`. They are read one after the other, since such a file may be
larger than memory.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Set
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from stars_infer.clips.convention import STANDARD, Convention
from stars_infer.errors import ClipError
from stars_infer.readers.bounds import check_memory, check_points
from stars_infer.readers.members import read_header
from stars_infer.readers.recording import Recording

_PARTS = ("train", "test")
_JOINTS, _AXES = 25, 3


def is_many(names: Set[str]) -> bool:
    """Whether the arrays of an archive have these names."""
    return any(f"x_{part}" in names and f"y_{part}" in names for part in _PARTS)


def read_many(path: Path) -> Iterator[Recording | ClipError]:
    """Read the clips of an archive; one in which nobody is seen gives its error.

    Raises:
        ClipError: If the archive is damaged or cut short, or its arrays have other shapes.
    """
    source = str(path)
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            for part in _PARTS:
                if f"x_{part}.npy" in names and f"y_{part}.npy" in names:
                    yield from _part(archive, part, source, path.stat().st_size)
    except ClipError:
        raise
    except Exception as error:  # damage fails in NumPy, zip and zlib in many ways
        problem = (str(error).splitlines() or [type(error).__name__])[0][:100]
        raise ClipError(source, f"damaged or cut short ({problem}): copy it again") from error


def _part(
    archive: zipfile.ZipFile, part: str, source: str, packed: int
) -> Iterator[Recording | ClipError]:
    classes = _classes(archive, part, source, packed)
    with archive.open(f"x_{part}.npy") as file:
        shape, dtype = _header(file, f"x_{part}", source)
        if len(shape) != 3 or shape[2] not in (150, 75) or shape[0] != len(classes):
            raise ClipError(
                source, f"x_{part} has the shape {shape} and y_{part} {len(classes):,} labels: "
                "expected (N, T, 150) and N"
            )  # fmt: skip
        clips, frames, width = shape
        check_points(frames * width // _AXES, source=source, size=packed)
        size = frames * width * dtype.itemsize
        for number in range(clips):
            content = file.read(size)
            if len(content) < size:
                raise ClipError(source, f"cut short in clip {number} of {part}: copy it again")
            values = np.frombuffer(content, dtype).reshape(frames, -1, _JOINTS, _AXES)
            name = f"{part}_{number:06d}_A{classes[number] + 1:03d}"
            seen = np.flatnonzero(values.any(axis=(1, 2, 3)))
            end = int(seen[-1]) + 1 if len(seen) else 0
            if end < 2:
                yield ClipError(f"{source}#{name}", "fewer than two frames with a body")
                continue
            people = values[:end, values.any(axis=(0, 2, 3))]
            yield Recording(
                joints=np.ascontiguousarray(people.swapaxes(0, 1), np.float32),
                source=f"{source}#{name}",
                default=Convention(layout="ntu25").over(STANDARD),
                name=name,
            )


def _classes(archive: zipfile.ZipFile, part: str, source: str, packed: int) -> NDArray[np.intp]:
    """The class of each clip, from 0."""
    with archive.open(f"y_{part}.npy") as file:
        shape, dtype = _header(file, f"y_{part}", source)
        size = int(np.prod(shape, dtype=object)) * dtype.itemsize
        if len(shape) not in (1, 2) or not size:
            raise ClipError(source, f"y_{part} has the shape {shape}: expected (N, classes)")
        check_memory(4 * size, f"y_{part} of the shape {shape}", source=source, size=packed)
        labels = np.frombuffer(file.read(size), dtype).reshape(shape)
    if len(shape) == 2:
        return np.asarray(labels.argmax(axis=1), np.intp)
    return np.asarray(labels, np.intp)


def _header(
    file: IO[bytes], name: str, source: str
) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    """The shape and the type of an array, whose values follow in the file."""
    shape, fortran, dtype = read_header(file)
    if fortran or dtype.kind not in "fiub":
        raise ClipError(source, f"{name} is no plain array of numbers: save it again")
    return shape, dtype
