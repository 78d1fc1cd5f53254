"""HDF5, `.h5`: points in 3D of DeepLabCut and of SLEAP.

DeepLabCut writes a table of pandas with the columns scorer, (individual,) body part and coordinate.
SLEAP's triangulation (sleap-anipose) writes `tracks` (frames, tracks, nodes, 3), without names:
pass `--layout`. Its analysis files are in 2D.

Nothing outside the file is followed: links to other files and virtual data are refused. The names
of a table's columns are a pickle, which is read without running it.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stars_infer.clips.convention import Convention
from stars_infer.clips.zeros import presence_of
from stars_infer.errors import ClipError, MissingExtraError, StarsError
from stars_infer.readers.bounds import check_memory
from stars_infer.readers.recording import (
    MOST_JOINTS,
    Recording,
    empty_tracks,
)
from stars_infer.readers.restricted_pickle import loads_plain

DEFAULTS = Convention(units="m", up="y", handedness="right")
_AXES = ("x", "y", "z")
_SURE = "likelihood"
_COPIES = 6
"""Times that the values of an array are in memory, in one form or another."""
_FLAT = "points in 2D, but positions in 3D are needed: triangulate them"


def read_h5(path: Path) -> tuple[Recording, ...]:
    """Read the points of a file as joints.

    Raises:
        ClipError: If the file is damaged, of another program, or in 2D.
        MissingExtraError: If h5py is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError("reading .h5", "mocap", "h5py") from error
    source, size = str(path), path.stat().st_size
    try:
        with h5py.File(path, "r") as file:
            if _dataset(file, "tracks") is not None:
                return (_of_sleap(file, source, size),)
            for name in file:
                columns, values = _pandas(_member(file, name), source, size)
                if columns:
                    return (_of_deeplabcut(columns, values, source, size),)
    except ClipError:
        raise
    except StarsError as error:  # of the pickle
        raise ClipError(source, str(error).removeprefix(f"{source}: ")) from error
    except Exception as error:  # damage fails in HDF5 in many ways
        problem = (str(error).splitlines() or [type(error).__name__])[0][:100]
        raise ClipError(source, f"not a readable HDF5 file ({problem}): copy it again") from error
    raise ClipError(source, "neither a table of DeepLabCut nor tracks of SLEAP")


def _member(group: Any, name: str) -> Any:
    """A member of a group; None if it is not there or lies in another file."""
    import h5py

    link = group.get(name, getlink=True)
    return group.get(name) if isinstance(link, h5py.HardLink) else None


def _dataset(group: Any, name: str) -> Any:
    """A dataset of a group whose values lie in this file; None if there is none."""
    import h5py

    found = _member(group, name)
    if not isinstance(found, h5py.Dataset) or found.external or found.is_virtual:
        return None
    return found


def _values(dataset: Any, source: str, size: int) -> NDArray[Any]:
    """The values of a dataset.

    Raises:
        ClipError: If there are too many: a few bytes may unpack to any number.
    """
    taken = _COPIES * int(np.prod(dataset.shape, dtype=object)) * dataset.dtype.itemsize
    check_memory(taken, f"an array of the shape {dataset.shape}", source=source, size=size)
    return np.asarray(dataset[()])


def _of_sleap(file: Any, source: str, size: int) -> Recording:
    tracks = _dataset(file, "tracks")
    shape = tracks.shape
    if len(shape) == 4 and shape[3] in (2, 3):  # of a triangulation: frames first
        values = _values(tracks, source, size).swapaxes(0, 1)
    elif len(shape) == 4 and shape[1] in (2, 3):  # of an analysis: frames last
        values = _values(tracks, source, size).transpose(0, 3, 2, 1)
    else:
        raise ClipError(
            source, f"tracks of the shape {shape}: expected (frames, tracks, nodes, 3)"
        )  # fmt: skip
    axes = values.shape[3]
    joints = empty_tracks(*values.shape[:3], source=source, size=size)
    with np.errstate(over="ignore"):  # what overflows is missing
        joints[..., :axes] = values
    if axes == 2:
        joints[..., 2] = np.where(np.isfinite(joints[..., 0]), np.float32(0), np.float32(np.nan))
    return Recording(
        joints=joints,
        presence=presence_of(joints),
        source=source,
        joint_names=_node_names(_dataset(file, "node_names"), joints.shape[2], source, size),
        default=DEFAULTS,
        flat=_FLAT if axes == 2 else "",
    )


def _node_names(dataset: Any, nodes: int, source: str, size: int) -> tuple[str, ...]:
    if dataset is None or dataset.shape != (nodes,):
        return ()
    return tuple(_decode(name) for name in _values(dataset, source, size).tolist())


def _decode(text: object) -> str:
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)


def _pandas(group: Any, source: str, size: int) -> tuple[list[tuple[str, ...]], NDArray[Any]]:
    """The columns of a table of pandas and its values (rows, columns); no columns if it is none."""
    import h5py

    nothing: tuple[list[tuple[str, ...]], NDArray[Any]] = ([], np.zeros((0, 0)))
    if not isinstance(group, h5py.Group):
        return nothing
    table = _dataset(group, "table")
    if table is not None and "values_block_0" in (table.dtype.names or ()):
        kind = table.attrs.get("values_block_0_kind", b"")
        named = loads_plain(kind.encode() if isinstance(kind, str) else bytes(kind), source)
        values = _values(table, source, size)["values_block_0"]
    elif (block := _dataset(group, "block0_values")) is not None:
        named, values = _levels(group, source, size), _values(block, source, size)
    else:
        return nothing
    columns = [tuple(map(str, one)) for one in named if isinstance(one, tuple)]
    if values.ndim != 2 or len(columns) != values.shape[1] or values.dtype.kind not in "fiu":
        raise ClipError(source, f"a table of the shape {values.shape} with {len(columns)} names of "
                        "columns: save it again with DeepLabCut")  # fmt: skip
    return columns, values


def _levels(group: Any, source: str, size: int) -> list[tuple[str, ...]]:
    """The names of the columns of a table in the form `fixed`, level by level."""
    names: list[list[str]] = []
    for level in range(8):
        texts = _dataset(group, f"block0_items_level{level}")
        codes = _dataset(group, f"block0_items_label{level}")
        if texts is None or codes is None:
            break
        known = [_decode(text) for text in _values(texts, source, size).tolist()]
        names.append([known[code] for code in _values(codes, source, size).tolist()])
    return list(zip(*names, strict=True))


def _of_deeplabcut(
    columns: list[tuple[str, ...]], values: NDArray[Any], source: str, size: int
) -> Recording:
    kinds = Counter(column[-1].lower() for column in columns)
    if not {"x", "y"} <= kinds.keys() or any(len(column) < 3 for column in columns):
        raise ClipError(source, "no columns of scorer, body part and x, y, z")
    flat = "z" not in kinds
    bodies: dict[tuple[str, ...], int] = {}
    joints: dict[str, int] = {}
    for column in columns:
        bodies.setdefault(column[1:-2], len(bodies))
        joints.setdefault(column[-2], len(joints))
    if len(joints) > MOST_JOINTS:
        raise ClipError(source, f"{len(joints)} body parts, more than {MOST_JOINTS}")
    tracks = empty_tracks(len(bodies), len(values), len(joints), source=source, size=size)
    sure = np.ones(tracks.shape[:3], np.float32)
    for at, column in enumerate(columns):
        body, joint, kind = bodies[column[1:-2]], joints[column[-2]], column[-1].lower()
        with np.errstate(over="ignore"):  # what overflows is missing
            if kind in _AXES:
                tracks[body, :, joint, _AXES.index(kind)] = values[:, at]
            elif kind == _SURE:
                sure[body, :, joint] = values[:, at]
    if flat:
        tracks[..., 2] = np.where(np.isfinite(tracks[..., 0]), np.float32(0), np.float32(np.nan))
    return Recording(
        joints=tracks,
        presence=presence_of(tracks),
        confidence=sure if _SURE in kinds else None,
        source=source,
        joint_names=tuple(joints),
        default=DEFAULTS,
        flat=_FLAT if flat else "",
    )
