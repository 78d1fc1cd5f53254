"""NumPy files: `.npy` with one array of positions, `.npz` with positions and their convention."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stars_infer.clips.convention import STANDARD, Convention
from stars_infer.errors import ClipError
from stars_infer.readers.recording import Recording, convention_in

DEFAULTS = Convention(layout="ntu25").over(STANDARD)
_MAGIC = b"\x93NUMPY"
_DESCRIPTION = ("layout", "units", "up", "handedness", "fps")


def read_npy(path: Path) -> tuple[Recording, ...]:
    """Read positions (T, V, 3), (M, T, V, 3) or (3, T, V, M), as for `Clip.from_array`.

    Pickled arrays are never loaded.

    Raises:
        ClipError: If the file is not a plain array, or is cut short.
    """
    source = str(path)
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise ClipError(source, "not a NumPy array file (pickled data is never loaded)")
    try:
        # Mapping the file makes a header that promises too much fail before memory is taken.
        joints = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a damaged header fails in NumPy's parser in many ways
        raise ClipError(source, _explain(str(error))) from error
    return (Recording(joints=joints, source=source, default=DEFAULTS),)


def read_npz(path: Path) -> tuple[Recording, ...]:
    """Read the array `joints` of an archive, or its only array.

    The archive may also hold `layout`, `units`, `up` and `handedness` (text), `fps` (a number),
    `joint_names` (V,), and `confidence` (M, T, V) or (T, V).

    Raises:
        ClipError: If the file is not an archive or is damaged, or if it holds several arrays and
            none of them is `joints`.
    """
    source = str(path)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            named = {name: _plain(name, archive[name]) for name in archive.files}
    except Exception as error:  # damage fails in NumPy, zip and zlib in many ways
        raise ClipError(
            source, f"not a readable .npz archive of plain arrays ({error}); objects are never "
            "unpickled: save it again with numpy.savez"
        ) from error  # fmt: skip
    stated = {
        name: _stated(name, value)
        for name in _DESCRIPTION
        if (value := named.pop(name, None)) is not None
    }
    names, confidence = named.pop("joint_names", None), named.pop("confidence", None)
    if "joints" in named:
        joints = named["joints"]
    elif len(named) == 1:
        (joints,) = named.values()
    else:
        raise ClipError(source, f"expected an array 'joints', found {sorted(named) or 'none'}")
    convention = convention_in(source, **stated)
    if names is None and confidence is None:
        return (Recording(joints=joints, source=source, stated=convention, default=DEFAULTS),)
    tracks = _tracks(joints, source)
    return (
        Recording(
            joints=tracks,
            presence=np.asarray(tracks.any(axis=(2, 3))),  # NaN is not zero
            confidence=None if confidence is None else _confidence_of(confidence, tracks, source),
            joint_names=() if names is None else _names(names, tracks, source),
            source=source,
            stated=convention,
            default=DEFAULTS,
        ),
    )


def _plain(name: str, value: object) -> NDArray[np.generic]:
    """A member of an archive.

    Raises:
        ValueError: If it is no array, or text that no character has.
    """
    if not isinstance(value, np.ndarray):  # NumPy gives the bytes of files that are none
        raise ValueError(f"{name!r} is no array")
    if value.dtype.kind == "U":
        letters = np.frombuffer(value.tobytes(), value.dtype.byteorder.replace("|", "=") + "u4")
        if (letters > sys.maxunicode).any():
            raise ValueError(f"{name!r} is no Unicode text")
    return value


def _stated(name: str, value: NDArray[np.generic]) -> object:
    """A value of the description; None if it is empty text or a frame rate of 0."""
    if name != "fps":
        return str(value) or None
    return value if value.size != 1 or value else None


def _tracks(joints: NDArray[np.generic], source: str) -> NDArray[np.float32]:
    if joints.ndim == 3:
        joints = joints[None]
    if joints.ndim != 4 or joints.shape[3] != 3 or not np.issubdtype(joints.dtype, np.number):
        raise ClipError(
            source, "with 'joint_names' or 'confidence', expected numbers (T, V, 3) or "
            f"(M, T, V, 3), got {joints.shape} of {joints.dtype}"
        )  # fmt: skip
    return np.ascontiguousarray(joints, np.float32)


def _names(names: NDArray[np.generic], tracks: NDArray[np.float32], source: str) -> tuple[str, ...]:
    if names.shape != tracks.shape[2:3]:
        raise ClipError(
            source, f"{tracks.shape[2]} joints, but 'joint_names' has the shape {names.shape}"
        )
    return tuple(str(name) for name in names)


def _confidence_of(
    confidence: NDArray[np.generic], tracks: NDArray[np.float32], source: str
) -> NDArray[np.float32]:
    if confidence.ndim == 2:
        confidence = confidence[None]
    if confidence.shape != tracks.shape[:3] or confidence.dtype.kind not in "fiub":
        raise ClipError(
            source, f"expected numbers 'confidence' {tracks.shape[:3]}, got {confidence.shape} of "
            f"{confidence.dtype}"
        )  # fmt: skip
    return confidence.astype(np.float32)


def _explain(problem: str) -> str:
    if "object" in problem.lower():
        return "holds Python objects, which are never unpickled: save a plain float array"
    return f"damaged or cut short ({problem}): save it again"
