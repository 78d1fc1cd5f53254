"""MATLAB, `.mat`: positions, alone or within structures; exports of Qualisys; UTD-MHAD.

A file is searched for arrays of positions, at any depth: numbers with an axis of x, y, z, in any
order of axes that fits a body. `joint_names` (or `names`, `labels`) beside them name the joints,
`fps` (or `FrameRate`, `rate`) gives the frame rate. Files of version 7.3 are HDF5.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stars_infer.clips.convention import Convention
from stars_infer.clips.zeros import presence_of
from stars_infer.errors import ClipError, MissingExtraError, brief
from stars_infer.layouts import layouts_with
from stars_infer.readers.bounds import check_memory
from stars_infer.readers.mat_tree import read_variables
from stars_infer.readers.points import recording_of_points
from stars_infer.readers.recording import Recording, convention_in

DEFAULTS = Convention(units="m", up="y", handedness="right")
_OF_QUALISYS = Convention(units="mm", up="z", handedness="right")
_HDF5 = b"MATLAB 7.3 MAT-file"
_POSITIONS = ("joints", "d_skel", "skeleton", "skel", "positions", "xyz")
"""Names that say which of several arrays is meant."""
_NAMES = frozenset(("joint_names", "jointnames", "names", "labels"))
_RATES = frozenset(("fps", "framerate", "frame_rate", "rate"))
_DEEPEST = 6
_MOST_PARTS = 10_000


_Around = ChainMap[str, Any]
"""The variables of a structure, and of those that it lies in."""
_Found = list[tuple[str, NDArray[Any], _Around]]
"""Arrays of positions, with their names and what lies beside them."""


def read_mat(path: Path) -> tuple[Recording, ...]:
    """Read the positions of a file.

    Raises:
        ClipError: If the file is damaged, holds no positions, or several and none has a name that
            says which.
        MissingExtraError: If it is of version 7.3, and h5py is not installed.
    """
    source = str(path)
    found: _Found = []
    contents = _contents(path)
    for name, value, beside in _walk(contents, source):
        if isinstance(value, dict) and (points := _qualisys(value, beside, source)) is not None:
            return (points,)
        if isinstance(value, np.ndarray) and _may_be_positions(value):
            found.append((name, value, beside))
    named = [one for one in found if one[0].rpartition(".")[2].lower() in _POSITIONS]
    found = named if len(named) == 1 else found
    if len(found) != 1:
        names = ", ".join(name for name, _, _ in found[:8])
        several = f"several arrays may be positions ({names}): name one 'joints'"
        none = "no array of positions, such as (joints, 3, frames)"
        if any(_holds_positions(value) for value in contents.values()):
            none = "arrays of positions lie in cells: save each as a file of its own"
        raise ClipError(source, several if found else none)
    name, array, beside = found[0]
    stated = convention_in(source, fps=_rate(beside))
    if name == "d_skel" and array.ndim == 3 and array.shape[:2] == (20, 3):
        return (_of_utd(array, source, stated),)
    labels = _labels(beside)
    if (axis := _axis_of(array, len(labels))) is not None:
        joints = np.moveaxis(array, (axis, array.shape.index(3)), (1, 2))[None].astype(np.float32)
        return (
            Recording(joints=joints, presence=presence_of(joints), source=source, stated=stated,
                      joint_names=labels, default=DEFAULTS),
        )  # fmt: skip
    sizes = [size for size in array.shape if size != 3 and layouts_with(size)]
    default = DEFAULTS if 25 not in sizes else Convention(layout="ntu25").over(DEFAULTS)
    if array.ndim > 2 and sizes and default.layout is None:
        array = np.moveaxis(array, (array.shape.index(sizes[0]), array.shape.index(3)), (-2, -1))
    return (Recording(joints=array, source=source, stated=stated, default=default),)


def _contents(path: Path) -> dict[str, Any]:
    """The variables of a file; structures are dictionaries, cells are lists.

    Raises:
        ClipError: If it cannot be read, or would take too much memory.
        MissingExtraError: If h5py is needed and not installed.
    """
    with path.open("rb") as file:
        head = file.read(len(_HDF5))
    if head == _HDF5:
        return _of_hdf5(path)
    return read_variables(path)


def _of_hdf5(path: Path) -> dict[str, Any]:
    """The variables of a file of version 7.3; those within structures are left out."""
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError("reading .mat of version 7.3", "mocap", "h5py") from error
    source, size = str(path), path.stat().st_size
    values: dict[str, Any] = {}
    try:
        with h5py.File(path, "r") as file:
            for name in file:
                link = file.get(name, getlink=True)
                value = file.get(name) if isinstance(link, h5py.HardLink) else None
                if not isinstance(value, h5py.Dataset) or value.external or value.is_virtual:
                    continue
                if value.dtype.kind not in "fiu" or "MATLAB_empty" in value.attrs:
                    continue
                taken = 6 * int(np.prod(value.shape, dtype=object)) * value.dtype.itemsize
                check_memory(taken, f"the array {name!r}", source=source, size=size)
                read = np.asarray(value[()]).T  # MATLAB's order of axes
                values[name] = read.item() if read.size == 1 else read
    except ClipError:
        raise
    except Exception as error:  # damage fails in HDF5 in many ways
        raise ClipError(
            source, f"not a readable .mat file ({brief(error)}): save it again with -v7"
        ) from error
    return values


def _walk(values: dict[str, Any], source: str) -> Iterator[tuple[str, Any, _Around]]:
    """All parts of the variables: their names, values, and what is beside and above them."""
    top = ChainMap(values)
    waiting: list[tuple[str, Any, _Around, int]] = [
        (name, value, top, 0) for name, value in values.items()
    ]
    for count, (name, value, beside, depth) in enumerate(waiting):
        if count > _MOST_PARTS:
            raise ClipError(source, "too many variables to be a recording")
        yield name, value, beside
        if isinstance(value, dict) and depth < _DEEPEST:
            within = beside.new_child(value)
            waiting += [(f"{name}.{inner}", one, within, depth + 1) for inner, one in value.items()]
        elif isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
            waiting += [(f"{name}.{inner}", one, beside, depth + 1)
                        for inner, one in _stacked(value).items()]  # fmt: skip


def _stacked(frames: list[dict[str, Any]]) -> dict[str, Any]:
    """A structure for each frame as one structure, of those fields that are alike in all."""
    stacked: dict[str, Any] = {}
    for name, first in frames[0].items():
        if not isinstance(first, np.ndarray) or first.dtype.kind not in "fiu":
            continue
        parts = [frame.get(name) for frame in frames]
        if all(isinstance(one, np.ndarray) and one.shape == first.shape for one in parts):
            stacked[name] = np.stack(parts)  # type: ignore[arg-type]
    return stacked


def _may_be_positions(array: NDArray[Any]) -> bool:
    return array.dtype.kind in "fiu" and 3 <= array.ndim <= 4 and 3 in array.shape


def _holds_positions(value: Any) -> bool:
    """Whether a value is a cell of arrays that may each be a recording."""
    return isinstance(value, list) and any(
        isinstance(one, np.ndarray) and _may_be_positions(one) for one in value
    )


def _rate(beside: _Around) -> Any:
    """The frame rate that is said beside an array, or above it."""
    return next((value for name, value in beside.items() if name.lower() in _RATES), None)


def _labels(beside: _Around) -> tuple[str, ...]:
    """Names that are listed beside an array; none if there are none."""
    for name, value in beside.items():
        if name.lower() in _NAMES and isinstance(value, list | np.ndarray):
            names = tuple(value)
            if names and all(isinstance(one, str) for one in names):
                return tuple(str(one).strip() for one in names)
    return ()


def _axis_of(array: NDArray[Any], names: int) -> int | None:
    """The axis of the joints of an array (T, V, 3) in any order; None if that is not clear."""
    axes = [axis for axis, size in enumerate(array.shape) if size == names]
    return axes[0] if array.ndim == 3 and len(axes) == 1 and names != 3 else None


def _of_utd(array: NDArray[Any], source: str, stated: Convention) -> Recording:
    joints = np.moveaxis(array, 2, 0)[None].astype(np.float32)
    order = [3, 2, 1, 0, *range(4, 20)]
    if np.nanmedian(joints[..., 0, 1]) > np.nanmedian(joints[..., 3, 1]):  # the head is first
        joints = joints[:, :, order]
    return Recording(joints=joints, presence=presence_of(joints), source=source, stated=stated,
                     default=Convention(layout="kinect20").over(DEFAULTS))  # fmt: skip


def _qualisys(value: dict[str, Any], beside: _Around, source: str) -> Recording | None:
    """Labeled trajectories: `Labels`, and `Data` (P, 4, T) of x, y, z and a residual."""
    labels, data = value.get("Labels"), value.get("Data")
    if labels is None or not isinstance(data, np.ndarray) or data.dtype.kind not in "fiu":
        return None
    names = [str(one) for one in np.atleast_1d(labels)]
    if data.ndim != 3 or data.shape[:2] != (len(names), 4):
        return None
    return recording_of_points(
        names, np.moveaxis(data[:, :3], 2, 0).astype(np.float32), source=source,
        stated=convention_in(source, fps=_rate(beside)), default=_OF_QUALISYS,
    )  # fmt: skip
