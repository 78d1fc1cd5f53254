"""FBX, `.fbx`: scenes of Mixamo, MotionBuilder, Rokoko, Blender, Unreal and many more.

A file holds any number of takes (animation stacks); each is a clip. Of several layers the first one
that moves a property counts. What places a node within its parent is described at
https://help.autodesk.com/view/FBX/2020/ENU/?guid=FBX_Developer_Help_nodes_and_scene_graph_fbx_nodes_computing_transformation_matrix_html;
scales that are not inherited are taken to be.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stars_infer.clips.convention import Convention
from stars_infer.errors import ClipError, brief
from stars_infer.readers.fbx_tree import Record, read_records
from stars_infer.readers.recording import Recording
from stars_infer.readers.scene import (
    USUAL_FPS,
    Float64Array,
    Local,
    Node,
    Take,
    hermite,
    keys_around,
    recordings_of,
    sampling_rate,
)

DEFAULTS = Convention(units="cm", up="y", handedness="right")
_TICKS = 46_186_158_000
"""Of a second."""
_ORDERS = ("xyz", "xzy", "yzx", "yxz", "zxy", "zyx", "xyz")
"""Axes of turns, the first of which is applied first."""
_RATES = (
    30,
    120,
    100,
    60,
    50,
    48,
    30,
    30,
    29.97,
    29.97,
    25,
    24,
    1000,
    23.976,
    0,
    96,
    72,
    59.94,
    119.88,
)
"""Frames per second of each `TimeMode`; 0 for `CustomFrameRate`."""
_NO_JOINTS = frozenset(("Mesh", "Camera", "Light", "CameraSwitcher", "Marker"))
_LIMB = frozenset(("LimbNode", "Limb", "Root"))
_CONSTANT, _CUBIC = 0x2, 0x8
_ANIMATED = ("Lcl Translation", "Lcl Rotation", "Lcl Scaling")
_MOST_NODES = 20_000


@dataclass(slots=True)
class _Model:
    """A node: its name, kind, properties and parent."""

    name: str
    kind: str
    properties: dict[str, list[Any]]
    parent: int = 0


@dataclass(slots=True)
class _Scene:
    """The objects of a file, by their numbers."""

    models: dict[int, _Model] = field(default_factory=dict)
    stacks: dict[int, tuple[str, dict[str, list[Any]]]] = field(default_factory=dict)
    curves: dict[int, _Curve] = field(default_factory=dict)
    inside: dict[int, list[tuple[int, str]]] = field(default_factory=lambda: defaultdict(list))
    """What is connected to an object, and to which of its properties."""


@np.errstate(over="ignore", invalid="ignore")  # what is not finite is missing
def read_fbx(path: Path) -> list[Recording | ClipError]:
    """Read the takes of a file as recordings of its skeletons.

    Raises:
        ClipError: If the file is damaged, too old, or holds no animated skeleton.
    """
    source = str(path)
    root = read_records(path)
    try:
        scene = _scene(root, source)
        settings = _properties(root.first("GlobalSettings"))
        nodes, order = _nodes(scene, source)
        return recordings_of(
            nodes,
            [_take(scene, number, order, settings) for number in scene.stacks],
            source=source,
            size=path.stat().st_size,
            default=DEFAULTS,
            stated=_convention(settings),
        )
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        raise ClipError(source, f"damaged ({brief(error)}): export it again") from error


def has_several(path: Path) -> bool:
    """Whether a file holds several takes; false if it cannot be read."""
    try:
        return len(read_fbx(path)) > 1
    except (ClipError, OSError):
        return False


def _convention(settings: dict[str, list[Any]]) -> Convention:
    """Units and axes of a file."""
    centimeters = float(_first(settings, "UnitScaleFactor", 1))
    up, sign = int(_first(settings, "UpAxis", 1)), int(_first(settings, "UpAxisSign", 1))
    known = up in range(3) and 1e-4 <= centimeters <= 1e6
    if not known:
        return Convention()
    return Convention(units=centimeters / 100, up=("-" if sign < 0 else "") + "xyz"[up])


def _first(properties: dict[str, list[Any]], name: str, default: float) -> Any:
    values = properties.get(name)
    return values[0] if values else default


def _properties(record: Record) -> dict[str, list[Any]]:
    """The values of each property of an object."""
    return {
        str(one.values[0]): one.values[4:]
        for one in record.first("Properties70").all("P")
        if len(one.values) > 4
    }


def _name(text: object) -> str:
    r"""The name of an object, without its kind: `Hips\0\1Model` or `Model::Hips`."""
    return str(text).partition("\x00")[0].rpartition("::")[2][:200]


def _scene(root: Record, source: str) -> _Scene:
    scene = _Scene()
    for one in root.first("Objects").inner:
        number = int(one.values[0])
        if one.name == "Model":
            name, kind = _name(one.values[1]), str(one.values[2])
            scene.models[number] = _Model(name, kind, _properties(one))
        elif one.name == "AnimationStack":
            scene.stacks[number] = _name(one.values[1]), _properties(one)
        elif one.name == "AnimationCurve":
            scene.curves[number] = _Curve(one, source)
    if len(scene.models) > _MOST_NODES:
        raise ClipError(source, f"{len(scene.models):,} nodes, more than {_MOST_NODES:,}")
    for link in root.first("Connections").all("C"):
        child, parent = int(link.values[1]), int(link.values[2])
        scene.inside[parent].append((child, str(link.values[3]) if len(link.values) > 3 else ""))
        if child in scene.models and parent in scene.models:
            scene.models[child].parent = parent
    return scene


def _nodes(scene: _Scene, source: str) -> tuple[list[Node], list[int]]:
    """The nodes, each after its parent, and the number of each in the file."""
    below: dict[int, list[int]] = defaultdict(list)
    for number, model in scene.models.items():
        below[model.parent].append(number)
    order = list(below[0])
    for number in order:
        if len(order) > len(scene.models):
            break
        order.extend(below[number])
    if len(order) != len(scene.models):
        raise ClipError(source, "its nodes hang on each other in a circle")
    limbs = any(model.kind in _LIMB for model in scene.models.values())
    place = {number: at for at, number in enumerate(order)}
    return [
        Node(
            name=model.name or f"node {place[number]}",
            parent=place[model.parent] if model.parent else -1,
            joint=model.kind in _LIMB if limbs else model.kind not in _NO_JOINTS,
        )
        for number, model in ((number, scene.models[number]) for number in order)
    ], order


class _Curve:
    """A number over time."""

    def __init__(self, record: Record, source: str) -> None:
        arrays = [np.asarray(record.first(name).values[0]) for name in ("KeyTime", "KeyValueFloat")]
        self.times = arrays[0].astype(np.float64) / _TICKS
        self.values = arrays[1].astype(np.float64)
        if len(self.times) != len(self.values) or (np.diff(self.times) < 0).any():
            raise ClipError(source, "the keys of a curve do not fit its times: export it again")
        self.flags, self.slopes = self._shapes(record)

    def _shapes(self, record: Record) -> tuple[NDArray[np.int64], Float64Array]:
        """How the curve goes on from each key (K,), and its slopes up to the next (K, 2)."""
        keys = len(self.times)
        flags, data, counts = (
            np.asarray(record.first(name).values[0]) if record.first(name).values else np.zeros(0)
            for name in ("KeyAttrFlags", "KeyAttrDataFloat", "KeyAttrRefCount")
        )
        straight = np.zeros(keys, np.int64), np.zeros((keys, 2))
        if not len(flags) == len(counts) == len(data) // 4 or counts.sum() != keys:
            return straight
        if data.dtype.kind != "f":  # four bytes of a float, as a whole number
            return straight
        which = np.repeat(np.arange(len(flags)), counts.astype(np.int64))
        return flags.astype(np.int64)[which], data.reshape(-1, 4)[which, :2].astype(np.float64)

    def at(self, when: Float64Array) -> Float64Array:
        """Values at some times, (T,)."""
        left, right, step, share = keys_around(self.times, when)
        one, other, flags = self.values[left], self.values[right], self.flags[left]
        value = one + share * (other - one)
        if (flags & _CUBIC).any():
            leaves, arrives = self.slopes[left].T
            bent = hermite((one, other), (leaves, arrives), step, share)
            value = np.where(flags & _CUBIC, bent, value)
        return np.where((flags & _CONSTANT > 0) & (share < 1), one, value)


def _take(scene: _Scene, stack: int, order: list[int], settings: dict[str, list[Any]]) -> Take:
    name, properties = scene.stacks[stack]
    moves: dict[tuple[int, str], dict[int, _Curve]] = {}
    targets = defaultdict(list)
    for number in scene.models:
        for child, prop in scene.inside[number]:
            if prop in _ANIMATED:
                targets[child].append((number, prop))
    for layer, _ in scene.inside[stack]:
        for curve_node, _ in scene.inside[layer]:
            curves = {
                "XYZ".index(axis[-1]): scene.curves[curve]
                for curve, axis in scene.inside[curve_node]
                if curve in scene.curves and axis[-1:] in ("X", "Y", "Z")
                and len(scene.curves[curve].times)
            }  # fmt: skip
            for target in targets[curve_node] if curves else ():
                moves.setdefault(target, curves)
    times = [curve.times for curves in moves.values() for curve in curves.values()]
    start, end = (float(_first(properties, f"Local{end}", 0)) / _TICKS for end in ("Start", "Stop"))
    first = float(min((one[0] for one in times), default=0))
    last = float(max((one[-1] for one in times), default=0))
    within = max(start, first), min(end, last)  # before and after its keys nothing moves
    start, end = within if within[0] < within[1] else (first, last)
    rate = sampling_rate(times)
    mode = int(_first(settings, "TimeMode", 0))
    if rate == USUAL_FPS and mode in range(len(_RATES)):
        rate = _RATES[mode] or float(_first(settings, "CustomFrameRate", USUAL_FPS))
        rate = rate if 1 <= rate <= 240 else USUAL_FPS

    def local(at: int, when: Float64Array) -> Local:
        number = order[at]
        return _place(scene.models[number].properties, when,
                      {prop: moves.get((number, prop), {}) for prop in _ANIMATED})  # fmt: skip

    return Take(name=name, start=start, end=end, fps=rate, local=local)


def _place(
    properties: dict[str, list[Any]], when: Float64Array, moves: dict[str, dict[int, _Curve]]
) -> Local:
    """Where a node is within its parent."""

    def still(name: str, default: float = 0.0) -> Float64Array:
        values = properties.get(name, ())[:3]
        return np.array(values if len(values) == 3 else [default] * 3, np.float64)

    def moved(name: str, default: float = 0.0) -> Float64Array:
        values = np.tile(still(name, default), (len(when), 1))
        for axis, curve in moves[name].items():
            values[:, axis] = curve.at(when)
        return values

    turn = np.tile(np.eye(3), (len(when), 1, 1))
    order = "xyz"
    after = np.eye(3)
    if _first(properties, "RotationActive", 0):
        which = int(_first(properties, "RotationOrder", 0))
        order = _ORDERS[which] if which in range(len(_ORDERS)) else order
        turn = turn @ _turn(still("PreRotation")[None], "xyz")
        after = _turn(still("PostRotation")[None], "xyz")[0].T
    turn = turn @ _turn(moved("Lcl Rotation"), order) @ after
    scale = moved("Lcl Scaling", 1.0)
    pivot, scaled_about = still("RotationPivot"), still("ScalingPivot")
    offset = scale * -scaled_about + scaled_about + still("ScalingOffset") - pivot
    at = (
        moved("Lcl Translation") + still("RotationOffset") + pivot
        + np.einsum("tij,tj->ti", turn, offset)
    )  # fmt: skip
    return turn * scale[:, None, :], at


def _turn(degrees: Float64Array, order: str) -> Float64Array:
    """Rotations (T, 3, 3) of turns about x, y and z (T, 3), applied in an order."""
    turn = np.tile(np.eye(3), (len(degrees), 1, 1))
    for axis in ("xyz".index(letter) for letter in order):
        one, two = (axis + 1) % 3, (axis + 2) % 3
        cos, sin = np.cos(np.deg2rad(degrees[:, axis])), np.sin(np.deg2rad(degrees[:, axis]))
        step = np.tile(np.eye(3), (len(degrees), 1, 1))
        step[:, one, one] = step[:, two, two] = cos
        step[:, two, one], step[:, one, two] = sin, -sin
        turn = step @ turn
    return turn
