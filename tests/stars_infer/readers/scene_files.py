"""Scenes as glTF and FBX files: a skeleton that moves, written by hand."""

import base64
import json
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from stars_infer.layouts import get_layout

TICKS = 46_186_158_000
LAYOUT = get_layout("lafan1")
NAMES = LAYOUT.joints
PARENTS = tuple({b: a for a, b in LAYOUT.bones}.get(joint, -1) for joint in range(len(NAMES)))


@dataclass
class Motion:
    """Turns of the joints in degrees about x, then y, then z, (T, V, 3), and the path of the root.

    The bones are those of the layout, of lengths that are drawn.
    """

    turns: np.ndarray
    path: np.ndarray
    offsets: np.ndarray
    fps: float = 25.0
    name: str = "walk"

    @property
    def times(self):
        return np.arange(len(self.turns)) / self.fps

    def positions(self):
        """Positions (T, V, 3) in meters."""
        at = np.zeros(self.turns.shape)
        turned = []
        for joint, parent in enumerate(PARENTS):
            own = Rotation.from_euler("xyz", self.turns[:, joint], degrees=True)
            if parent < 0:
                at[:, joint] = self.path
                turned.append(own)
            else:
                at[:, joint] = at[:, parent] + turned[parent].apply(self.offsets[joint])
                turned.append(turned[parent] * own)
        return at


def motion(seed=0, frames=20, name="walk"):
    random = np.random.default_rng(seed)
    waves = np.sin(np.arange(frames)[:, None, None] * random.uniform(0.1, 0.5, (len(NAMES), 3)))
    offsets = random.normal(0, 0.2, (len(NAMES), 3))
    path = np.cumsum(random.normal(0, 0.01, (frames, 3)), axis=0) + [0, 0.9, 0]
    return Motion(60 * waves, path, offsets, name=name)


class Gltf:
    """A glTF file in the making."""

    def __init__(self):
        self.facts = {
            "asset": {"version": "2.0"}, "bufferViews": [], "accessors": [], "nodes": [],
            "animations": [], "skins": [],
        }  # fmt: skip
        self.data = b""

    def accessor(self, values):
        values = np.asarray(values, "<f4")
        kind = {1: "SCALAR", 3: "VEC3", 4: "VEC4"}[1 if values.ndim == 1 else values.shape[1]]
        self.facts["bufferViews"].append(
            {"buffer": 0, "byteOffset": len(self.data), "byteLength": values.nbytes}
        )
        self.facts["accessors"].append(
            {"bufferView": len(self.facts["bufferViews"]) - 1, "componentType": 5126,
             "count": len(values), "type": kind}
        )  # fmt: skip
        self.data += values.tobytes()
        return len(self.facts["accessors"]) - 1

    def skeleton(self, move, *, prefix="mixamorig:"):
        """Add the nodes of a motion; returns the number of the first."""
        first = len(self.facts["nodes"])
        for joint, (name, parent) in enumerate(zip(NAMES, PARENTS, strict=True)):
            node = {"name": prefix + name, "translation": move.offsets[joint].tolist()}
            self.facts["nodes"].append(node)
            if parent >= 0:
                above = self.facts["nodes"][first + parent]
                above.setdefault("children", []).append(first + joint)
        self.facts["skins"].append({"joints": list(range(first, first + len(NAMES)))})
        return first

    def animate(self, move, first, *, animation=None):
        """Add a motion of a skeleton as an animation, or to one."""
        if animation is None:
            animation = {"name": move.name, "channels": [], "samplers": []}
            self.facts["animations"].append(animation)
        times = self.accessor(move.times)
        for joint in range(len(NAMES)):
            turns = Rotation.from_euler("xyz", move.turns[:, joint], degrees=True).as_quat()
            self.channel(animation, first + joint, "rotation", times, self.accessor(turns))
        self.channel(animation, first, "translation", times, self.accessor(move.path))
        return animation

    def channel(self, animation, node, path, times, values, how="LINEAR"):
        animation["samplers"].append({"input": times, "output": values, "interpolation": how})
        animation["channels"].append(
            {"sampler": len(animation["samplers"]) - 1, "target": {"node": node, "path": path}}
        )

    def binary(self):
        """As `.glb`."""
        self.facts["buffers"] = [{"byteLength": len(self.data)}]
        text = json.dumps(self.facts).encode()
        text += b" " * (-len(text) % 4)
        chunks = struct.pack("<II", len(text), 0x4E4F534A) + text
        chunks += struct.pack("<II", len(self.data), 0x004E4942) + self.data
        return b"glTF" + struct.pack("<II", 2, 12 + len(chunks)) + chunks

    def text(self, uri=None):
        """As `.gltf`, with the numbers in it, or where a URI says."""
        if uri is None:
            uri = "data:application/octet-stream;base64," + base64.b64encode(self.data).decode()
        self.facts["buffers"] = [{"byteLength": len(self.data), "uri": uri}]
        return json.dumps(self.facts).encode()


def gltf_of(*moves):
    """One skeleton, an animation for each motion."""
    made = Gltf()
    first = made.skeleton(moves[0])
    for move in moves:
        made.animate(move, first)
    return made


class Fbx:
    """Objects and connections of an FBX file in the making; lengths in meters."""

    def __init__(self, *, unit=100.0, up=1):
        self.objects, self.links = [], []
        self.settings = [("UnitScaleFactor", unit), ("UpAxis", up), ("UpAxisSign", 1)]
        self.number = 1000

    def add(self, kind, name, what, properties=(), records=()):
        self.number += 1
        self.objects.append((kind, self.number, name, what, list(properties), list(records)))
        return self.number

    def skeleton(self, move, *, prefix="mixamorig:", properties=lambda joint: ()):
        numbers = []
        for joint, (name, parent) in enumerate(zip(NAMES, PARENTS, strict=True)):
            place = ("Lcl Translation", *map(float, move.offsets[joint]))
            number = self.add("Model", prefix + name, "LimbNode", [place, *properties(joint)])
            self.links.append(("OO", number, numbers[parent] if parent >= 0 else 0))
            numbers.append(number)
        return numbers

    def take(self, move, numbers, *, turns=None):
        times = np.round(move.times * TICKS).astype(np.int64)
        stack = self.add("AnimationStack", move.name, "", [("LocalStop", int(times[-1]))])
        layer = self.add("AnimationLayer", "base", "")
        self.links.append(("OO", layer, stack))
        turns = move.turns if turns is None else turns
        for joint, number in enumerate(numbers):
            self.curves(layer, number, "Lcl Rotation", times, turns[:, joint])
        self.curves(layer, numbers[0], "Lcl Translation", times, move.path)

    def curves(self, layer, number, what, times, values, *, shape=()):
        node = self.add("AnimationCurveNode", what[4:5], "")
        self.links += [("OO", node, layer), ("OP", node, number, what)]
        for axis in range(3):
            arrays = [("KeyTime", times), ("KeyValueFloat", values[:, axis].astype("<f4")), *shape]
            curve = self.add("AnimationCurve", "", "", (), arrays)
            self.links.append(("OP", curve, node, "d|" + "XYZ"[axis]))

    def text(self):
        """The text form."""
        lines = ["; FBX 7.4.0 project file", "FBXHeaderExtension:  {", "\tFBXVersion: 7400", "}"]
        lines += ["GlobalSettings:  {", *_property_lines(self.settings), "}", "Objects:  {"]
        for kind, number, name, what, properties, records in self.objects:
            lines.append(f'\t{kind}: {number}, "{kind}::{name}", "{what}" {{')
            lines += _property_lines(properties)
            for title, array in records:
                parts = [",".join(map(str, part)) for part in np.array_split(array.tolist(), 3)]
                lines += [
                    f"\t\t{title}: *{len(array)} {{",
                    "\t\t\ta: " + ",\n".join(parts),
                    "\t\t}",
                ]
            lines.append("\t}")
        lines += ["}", "Connections:  {"]
        for kind, child, parent, *what in self.links:
            lines.append(f'\tC: "{kind}",{child},{parent}' + "".join(f', "{w}"' for w in what))
        return "\n".join([*lines, "}", ""]).encode()

    def binary(self, version=7500):
        """The binary form."""
        settings = [_record("Properties70", [], [_property(*one) for one in self.settings])]
        objects = [
            _record(kind, [number, f"{name}\x00\x01{kind}", what], [
                _record("Properties70", [], [_property(*one) for one in properties]),
                *(_record(title, [array], []) for title, array in records),
            ])
            for kind, number, name, what, properties, records in self.objects
        ]  # fmt: skip
        links = [_record("C", list(link), []) for link in self.links]
        parts = [("GlobalSettings", settings), ("Objects", objects), ("Connections", links)]
        data = b"Kaydara FBX Binary  \x00\x1a\x00" + struct.pack("<I", version)
        for name, inner in parts:
            data += _pack(_record(name, [], inner), len(data), version)
        return data + bytes(25)


def fbx_of(*moves, **settings):
    """One skeleton, a take for each motion."""
    made = Fbx(**settings)
    numbers = made.skeleton(moves[0])
    for move in moves:
        made.take(move, numbers)
    return made


def _property_lines(properties):
    rows = (f'\t\tP: "{name}", "", "", "A",{",".join(map(str, values))}'
            for name, *values in properties)  # fmt: skip
    return ["\tProperties70:  {", *rows, "\t}"]


def _property(name, *values):
    return _record("P", [name, "", "", "A", *values], [])


def _record(name, values, inner):
    return name, values, inner


def _pack(record, at, version):
    name, values, inner = record
    head = struct.Struct("<QQQB" if version >= 7500 else "<IIIB")
    body = b"".join(map(_packed_value, values))
    begin = at + head.size + len(name)
    after = b""
    for one in inner:
        after += _pack(one, begin + len(body) + len(after), version)
    after += bytes(head.size) if inner else b""
    end = begin + len(body) + len(after)
    return head.pack(end, len(values), len(body), len(name)) + name.encode() + body + after


def _packed_value(value):
    if isinstance(value, str):
        return b"S" + struct.pack("<I", len(value.encode())) + value.encode()
    if isinstance(value, float):
        return b"D" + struct.pack("<d", value)
    if isinstance(value, int):
        return b"L" + struct.pack("<q", value)
    raw = zlib.compress(value.tobytes())
    code = {"<f4": b"f", "<f8": b"d", "<i8": b"l", "<i4": b"i"}[value.dtype.str]
    return code + struct.pack("<III", len(value), 1, len(raw)) + raw
