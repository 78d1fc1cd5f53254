"""Motions of the SMPL body models as `.npz`: the turns of the joints, as in AMASS.

`poses` (T, 66 or more) holds the turn of each joint as an axis times an angle, the pelvis first;
`trans` (T, 3) where the body is; `betas` its shape. The joints follow from a body model, which is
not free to be shipped: name its file (SMPL-H or SMPL-X, `.npz`) or the folder of its files in
`STARS_SMPL_MODEL`. Without it, the turns move a skeleton of mean lengths in the same rest pose: an
upright body that faces +z, the arms out. The lengths are means over eight people of CMU Motion
Capture.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Set
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stars_infer.clips.convention import LEAST_FPS, MOST_FPS, Convention
from stars_infer.clips.zeros import presence_of
from stars_infer.errors import ClipError, UsageError
from stars_infer.layouts import get_layout
from stars_infer.readers.members import Archive
from stars_infer.readers.recording import Recording, convention_in, empty_tracks

LAYOUT = "smpl22"
MODEL = "STARS_SMPL_MODEL"
DEFAULTS = Convention(units="m", up="z", handedness="right")
_POSES = ("poses", "smpl_poses", "fullpose")
_PARTS = (("root_orient", "pose_body"), ("global_orient", "body_pose"))
_PLACES = ("trans", "smpl_trans", "transl")
_RATES = ("mocap_framerate", "mocap_frame_rate", "framerate", "fps")
_JOINTS = 22
_CHUNK = 4096
"""Frames that are computed at a time."""

MEAN_OFFSETS = np.array([
    (0, 0, 0), (0.09, -0.09, 0), (-0.09, -0.09, 0), (0, 0.115, 0), (0, -0.384, 0), (0, -0.384, 0),
    (0, 0.115, 0), (0, -0.429, 0), (0, -0.429, 0), (0, 0.115, 0), (0, -0.055, 0.12),
    (0, -0.055, 0.12), (0, 0.15, 0), (0.08, 0.075, 0), (-0.08, 0.075, 0), (0, 0.1, 0.02),
    (0.096, 0, 0), (-0.096, 0, 0), (0.29, 0, 0), (-0.29, 0, 0), (0.27, 0, 0), (-0.27, 0, 0),
])  # fmt: skip
"""From the joint before to each joint of `smpl22` at rest, meters."""


def is_motion(names: Set[str]) -> bool:
    """Whether the arrays of an archive have names of such a motion."""
    whole = any(name in names for name in _POSES) and any(name in names for name in _PLACES)
    return "joints" not in names and (whole or any(set(part) <= names for part in _PARTS))


def read_motion(path: Path) -> Iterator[Recording]:
    """Read the joints of a motion, in the layout `smpl22`.

    Raises:
        ClipError: If an array is damaged or has another shape.
        UsageError: If `STARS_SMPL_MODEL` names no body model.
    """
    source = str(path)
    arrays = _arrays(path, (*_POSES, *sum(_PARTS, ()), *_PLACES, *_RATES, "betas", "gender"))
    poses = _poses(arrays, source)
    frames = len(poses)
    place = next((arrays[name] for name in _PLACES if name in arrays), np.zeros((frames, 3)))
    if place.shape != (frames, 3):
        raise ClipError(source, f"{frames} poses, but places of the shape {place.shape}: expected "
                        f"({frames}, 3)")  # fmt: skip
    betas = arrays.get("betas", np.zeros(0)).reshape(-1).astype(np.float64)[:16]
    rest, told = rest_joints(betas, str(arrays.get("gender", "neutral")).strip("b'").lower())
    joints = empty_tracks(1, frames, _JOINTS, source=source, size=path.stat().st_size)
    for start in range(0, frames, _CHUNK):
        part = slice(start, start + _CHUNK)
        moved = _move(rest, poses[part].astype(np.float64)) + place[part, None].astype(np.float64)
        with np.errstate(over="ignore"):  # what is not finite is missing
            joints[0, part] = moved
    rate = next((arrays[name] for name in _RATES if name in arrays), np.zeros(1))
    fps = float(rate.reshape(-1)[0]) if rate.size == 1 and rate.dtype.kind in "fiu" else 0.0
    yield Recording(
        joints=joints,
        presence=presence_of(joints),
        source=source,
        joint_names=get_layout(LAYOUT).joints,
        stated=convention_in(source, fps=fps if LEAST_FPS <= fps <= MOST_FPS else None,
                             layout=LAYOUT),
        default=DEFAULTS,
        notes=(told,),
        computed=True,
    )  # fmt: skip


def _arrays(path: Path, wanted: tuple[str, ...]) -> dict[str, NDArray[np.generic]]:
    """The arrays of an archive that have one of these names.

    Raises:
        ClipError: If the archive is damaged, or one of them is too large or no plain array.
    """
    try:
        with Archive(path) as archive:
            arrays = {name: archive.array(name) for name in wanted if name in archive.names}
    except OSError:
        raise
    except Exception as error:  # damage fails in NumPy, zip and zlib in many ways
        problem = (str(error).splitlines() or [type(error).__name__])[0][:100]
        raise ClipError(
            str(path), f"not a readable .npz archive of plain arrays ({problem}); objects are "
            "never unpickled"
        ) from error  # fmt: skip
    odd = [name for name, array in arrays.items() if array.dtype.kind not in "fiuUS"]
    if odd:
        raise ClipError(str(path), f"{odd[0]} is no array of numbers")
    return arrays


def _poses(arrays: dict[str, NDArray[np.generic]], source: str) -> NDArray[np.generic]:
    """The turns of the first 22 joints, (T, 22, 3)."""
    found = next((arrays[name] for name in _POSES if name in arrays), None)
    if found is None:
        parts = next(part for part in _PARTS if set(part) <= arrays.keys())
        flat = [_rows(arrays[name]) for name in parts]
        if len(flat[0]) != len(flat[1]) or flat[0].shape[1] != 3:
            raise ClipError(
                source, f"{parts[0]} {flat[0].shape} and {parts[1]} {flat[1].shape} do not fit: "
                "expected (T, 3) and (T, 63)"
            )  # fmt: skip
        found = np.concatenate(flat, axis=1)
    width = int(np.prod(found.shape[1:])) if found.ndim in (2, 3) else 0
    if width < 3 * _JOINTS or width % 3 or found.dtype.kind not in "fiu":
        raise ClipError(source, f"poses of the shape {found.shape}: expected (T, 66), (T, 72), "
                        "(T, 156) or (T, 165), three numbers a joint")  # fmt: skip
    return _rows(found)[:, : 3 * _JOINTS].reshape(len(found), _JOINTS, 3)


def _rows(array: NDArray[np.generic]) -> NDArray[np.generic]:
    """An array with one row a frame."""
    frames = len(array) if array.ndim else 1
    return array.reshape(frames, array.size // frames if frames else 0)


def _move(rest: NDArray[np.float64], poses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Joints (T, 22, 3) of a skeleton at rest (22, 3) after the turns (T, 22, 3) of its joints."""
    angle = np.linalg.norm(poses, axis=2, keepdims=True)
    x, y, z = np.moveaxis(poses / np.where(angle > 0, angle, 1), 2, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=2).reshape(*x.shape, 3, 3)
    sin, cos = np.sin(angle)[..., None], np.cos(angle)[..., None]
    turns = np.eye(3) + sin * cross + (1 - cos) * (cross @ cross)  # Rodrigues' formula
    whole = np.empty_like(turns)
    joints = np.empty_like(poses)
    for joint, parent in enumerate(get_layout(LAYOUT).parents):
        if joint == parent:
            whole[:, joint], joints[:, joint] = turns[:, joint], rest[joint]
            continue
        whole[:, joint] = whole[:, parent] @ turns[:, joint]
        joints[:, joint] = joints[:, parent] + whole[:, parent] @ (rest[joint] - rest[parent])
    return joints


def rest_joints(betas: NDArray[np.float64], gender: str) -> tuple[NDArray[np.float64], str]:
    """The joints at rest (22, 3), from the user's body model if there is one; and a note.

    Raises:
        UsageError: If `STARS_SMPL_MODEL` names no body model.
    """
    named = os.environ.get(MODEL)
    if not named:
        rest = np.zeros((_JOINTS, 3))
        for joint, parent in enumerate(get_layout(LAYOUT).parents):
            rest[joint] = rest[parent] + MEAN_OFFSETS[joint]
        return rest, (
            "a skeleton of mean lengths was moved: for this person's own, name the file of the "
            f"body model in {MODEL}"
        )
    file = _model_file(Path(named), gender)
    mean, shapes = _model(file)
    count = min(len(betas), shapes.shape[2])
    return mean + shapes[..., :count] @ betas[:count], f"joints of the body model {file.name}"


def _model_file(path: Path, gender: str) -> Path:
    """The model of a gender, or else the neutral one, in a folder; a file stands for itself."""
    if path.is_file():
        return path
    there = sorted(path.rglob("*.npz")) if path.is_dir() else []
    for wanted in (gender, "neutral"):
        for file in there:
            if wanted in (file.stem.lower().rpartition("_")[2], file.parent.name.lower()):
                return file
    raise UsageError(f"{MODEL}={path}: no file of a body model (.npz) for {gender[:24]!r} there")


@lru_cache(maxsize=4)
def _model(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The joints (22, 3) of a body model at rest, and how each shape moves them, (22, 3, S).

    Raises:
        UsageError: If the file is no body model.
    """
    try:
        arrays = _arrays(path, ("J_regressor", "v_template", "shapedirs"))
        regressor = arrays["J_regressor"][:_JOINTS].astype(np.float64)
        mean = regressor @ arrays["v_template"].astype(np.float64)
        shapes = np.einsum(
            "jv,vcs->jcs", regressor, arrays["shapedirs"][..., :16].astype(np.float64)
        )
    except (ClipError, KeyError, ValueError, IndexError) as error:
        raise UsageError(
            f"{MODEL}={path}: no body model with plain arrays J_regressor, v_template and "
            f"shapedirs ({str(error)[:100]}): use the .npz files of SMPL-H or SMPL-X"
        ) from error
    if mean.shape != (_JOINTS, 3):
        raise UsageError(f"{MODEL}={path}: a body model of another shape, {mean.shape}")
    return mean, np.asarray(shapes, np.float64)
