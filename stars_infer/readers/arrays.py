"""NumPy files: `.npy` with one array of positions, `.npz` with positions and their convention."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stars_infer.clips.convention import STANDARD, Convention
from stars_infer.clips.shapes import as_tracks
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
    `joint_names` (V,), and `confidence` (M, T, V) or (T, V), or with its axes in the order of those
    of the positions.

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
    listed = () if names is None else _names(names, source)
    count = len(listed) if names is not None or confidence is None else _last(confidence.shape)
    bodies, order, notes = as_tracks(joints, count=count, names=listed, source=source)
    tracks = np.ascontiguousarray(bodies, np.float32)
    return (
        Recording(
            joints=tracks,
            presence=np.asarray(tracks.any(axis=(2, 3))),  # NaN is not zero
            confidence=None
            if confidence is None
            else _confidence_of(confidence, order, tracks, source),
            joint_names=listed,
            notes=notes,
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


def _last(shape: tuple[int, ...]) -> int:
    return shape[-1] if shape else 0


def _names(names: NDArray[np.generic], source: str) -> tuple[str, ...]:
    if names.ndim != 1:
        raise ClipError(source, f"'joint_names' has the shape {names.shape}: list one a joint")
    return tuple(str(name) for name in names)


def _confidence_of(
    confidence: NDArray[np.generic], order: str, tracks: NDArray[np.float32], source: str
) -> NDArray[np.float32]:
    """Confidence (M, T, V): without bodies, or with its axes in the order of those of positions."""
    if confidence.ndim == 2:
        confidence = confidence[None]
    own = order.replace("C", "")
    if confidence.shape != tracks.shape[:3] and confidence.ndim == 3 and sorted(own) == list("MTV"):
        confidence = np.transpose(confidence, [own.index(axis) for axis in "MTV"])
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
