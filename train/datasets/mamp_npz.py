"""The `.npz` archives of the public MAMP code, read clip by clip.

`x_train` and `x_test` are (N, T, 150): two bodies, 25 joints, x y z in meters, padded with zeros to
T = 300 frames. `y_train` and `y_test` are one-hot (N, classes). The file names neither the data set
nor the split.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from stars_infer.errors import ClipError, StarsError, UsageError, brief
from stars_infer.train.datasets.ntu.actions import NTU_ACTIONS
from stars_infer.train.datasets.ntu.splits import OFFICIAL_SPLITS, with_few_shot_parts
from stars_infer.train.datasets.pack import PackedClip, SourceClip, Splits
from stars_infer.train.datasets.pku.actions import PKU_ACTIONS
from stars_infer.train.datasets.pku.splits import SPLIT_FILES
from stars_infer.train.datasets.preassigned import preassigned_actors
from stars_infer.train.datasets.raw import LeftOut, Outcome, RawSet, Unit

_NPY: Any = np.lib.format
"""Typed by some versions of NumPy only."""
ACTIONS: Mapping[str, Sequence[str]] = {
    "ntu60": NTU_ACTIONS[:60],
    "ntu120": NTU_ACTIONS,
    "pku1": PKU_ACTIONS,
    "pku2": PKU_ACTIONS,
}
"""Data set -> its classes, in the order of the one-hot labels."""

_PARTS = ("test", "train")
_BODIES = (2, 25, 3)
_VALUES = 150


def open_mamp_npz(dataset: str, path: Path, *, split: str | None) -> RawSet:
    """List the clips of an archive.

    Args:
        dataset: Data set of the archive: `ntu60`, `ntu120`, `pku1` or `pku2`.
        path: The archive.
        split: Split for which the archive was made.

    Raises:
        UsageError: If the split is not named, or the data set has no such split.
        StarsError: If the file is no such archive, or holds another data set.
    """
    known = (*OFFICIAL_SPLITS.get(dataset, ()), *SPLIT_FILES.get(dataset, ()))
    if split not in known:
        raise UsageError(
            f"{path}: an .npz does not say which split it is of: name it with --split, one of "
            f"{', '.join(known)} for {dataset}" + (f", not {split!r}" if split else "")
        )
    try:
        archive = zipfile.ZipFile(path)
        parts = {part: _Part(archive, part, dataset) for part in _PARTS}
    except StarsError:
        raise
    except Exception as error:  # damaged files raise many errors in NumPy, zipfile and zlib
        raise StarsError(
            f"{path}: not an archive of x_train, y_train, x_test and y_test ({error})"
        ) from error
    where = {
        f"{part}_{number:06}": (part, number)
        for part in _PARTS
        for number in range(len(parts[part].labels))
    }

    def read(unit: Unit) -> Outcome:
        part, number = where[unit.name]
        return (parts[part].clip(number, unit.name, f"{path}:{unit.name}"),)

    def splits(clips: Sequence[PackedClip]) -> Splits:
        sides = {
            part: [i for i, clip in enumerate(clips) if clip.source.startswith(part)]
            for part in reversed(_PARTS)
        }
        named = {str(split): sides}
        return with_few_shot_parts(named, clips) if dataset == "ntu120" else named

    return RawSet(
        units=[Unit(name=name, size=parts[part].clip_bytes) for name, (part, _) in where.items()],
        read=read,
        splits=splits,
        parallel=False,
        close=archive.close,
    )


class _Part:
    """The train or test part of an archive, read clip by clip from the open file."""

    def __init__(self, archive: zipfile.ZipFile, part: str, dataset: str) -> None:
        self._names = ACTIONS[dataset]
        self.labels = self._labels(archive, f"y_{part}", dataset)
        self._file = archive.open(f"x_{part}.npy")
        shape, fortran, self._dtype = _header(self._file)
        if len(shape) != 3 or shape[2] != _VALUES or fortran or self._dtype.kind != "f":
            raise StarsError(
                f"{archive.filename}: expected x_{part} of (N, T, {_VALUES}) numbers, got {shape} "
                f"of {self._dtype}"
            )
        if shape[0] != len(self.labels):
            raise StarsError(
                f"{archive.filename}: {shape[0]} clips in x_{part}, "
                f"but {len(self.labels)} labels in y_{part}"
            )
        self._begin = self._file.tell()
        self._frames = shape[1]
        self.clip_bytes = int(shape[1] * _VALUES * self._dtype.itemsize)

    def clip(self, number: int, name: str, source: str) -> SourceClip | LeftOut:
        """Read one clip; reading them in order is fastest."""
        try:
            self._file.seek(self._begin + number * self.clip_bytes)
            content = self._file.read(self.clip_bytes)
            if len(content) < self.clip_bytes:
                raise ClipError(source, "the archive is cut short: copy it again")
            rows = np.frombuffer(content, self._dtype).reshape(self._frames, *_BODIES)
            (classes,) = np.nonzero(self.labels[number] > 0)
            if len(classes) != 1:
                raise ClipError(source, f"its label names {len(classes)} classes, expected one")
            actors = preassigned_actors(np.moveaxis(rows, 1, 0).astype(np.float32), source=source)
        except ClipError as error:
            return LeftOut.because(name, error)
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            return LeftOut.because(name, ClipError(source, f"cannot be read: {brief(error)}"))
        return SourceClip(actors=actors, label=self._names[classes[0]], subject="", source=name)

    def _labels(self, archive: zipfile.ZipFile, member: str, dataset: str) -> NDArray[Any]:
        content = io.BytesIO(archive.read(f"{member}.npy"))
        labels: NDArray[Any] = _NPY.read_array(content, allow_pickle=False)
        if labels.ndim != 2 or labels.shape[1] != len(self._names):
            raise StarsError(
                f"{archive.filename}: expected {member} one-hot over the {len(self._names)} "
                f"classes of {dataset}, got {labels.shape}: name the set that the file is of"
            )
        return np.asarray(labels)


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read shape, order and type from the header of an `.npy` file."""
    version = _NPY.read_magic(file)
    old, new = _NPY.read_array_header_1_0, _NPY.read_array_header_2_0
    shape, fortran_order, dtype = (old if version == (1, 0) else new)(file)
    return shape, fortran_order, dtype
