"""NumPy files: `.npy` with one array of positions, `.npz` with positions and their convention."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stars_infer.clips.convention import STANDARD, Convention
from stars_infer.errors import ClipError
from stars_infer.readers.bounds import size_of
from stars_infer.readers.members import MAGIC, Archive, read_array
from stars_infer.readers.recording import Recording, convention_in

DEFAULTS = Convention(layout="ntu25").over(STANDARD)
_DESCRIPTION = ("layout", "units", "up", "handedness", "fps")
_BESIDE = ("joint_names", "confidence")
_LONGEST = 1_000
"""Bytes of a value of the description, at most."""


def read_npy(path: Path) -> tuple[Recording, ...]:
    """Read positions (T, V, 3), (M, T, V, 3) or (3, T, V, M), as for `Clip.from_array`.

    Pickled arrays are never loaded.

    Raises:
        ClipError: If the file is not a plain array, or is cut short.
    """
    source = str(path)
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise ClipError(source, "not a NumPy array file (pickled data is never loaded)")
        file.seek(0)
        try:
            joints = read_array(file, most=size_of(file))
        except OSError:
            raise
        except Exception as error:  # a damaged header fails in NumPy's parser in many ways
            raise ClipError(source, _explain(str(error)[:200])) from error
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
        with Archive(path) as archive:
            others = [name for name in archive.names if name not in (*_DESCRIPTION, *_BESIDE)]
            if "joints" not in others and len(others) != 1:
                raise ClipError(
                    source, f"expected an array 'joints', found {sorted(others)[:8] or 'none'}"
                )
            wanted = "joints" if "joints" in others else others[0]
            named = {name: archive.array(name) for name in archive.names
                     if name in (wanted, *_DESCRIPTION, *_BESIDE)}  # fmt: skip
        joints = named[wanted]
        stated = {name: _stated(name, named[name]) for name in _DESCRIPTION if name in named}
    except (ClipError, OSError):
        raise
    except Exception as error:  # damage fails in NumPy, zip and zlib in many ways
        raise ClipError(
            source, f"not a readable .npz archive of plain arrays ({str(error)[:200]}); objects "
            "are never unpickled: save it again with numpy.savez"
        ) from error  # fmt: skip
    names, confidence = (named.get(name) for name in _BESIDE)
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


def _stated(name: str, value: NDArray[np.generic]) -> object:
    """A value of the description; None if it is empty text or a frame rate of 0.

    Raises:
        ValueError: If it is too long to be one.
    """
    if value.nbytes > _LONGEST:
        raise ValueError(f"{name!r} is too long")
    if name != "fps":
        return str(value) or None
    return (value.item() or None) if value.size == 1 else value


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
