"""glTF 2.0, `.glb` and `.gltf`: scenes of Blender, Mixamo, avatars and capture by phone.

A file holds any number of animations; each is a clip. Keys are interpolated as the format says
(https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html, appendix C); numbers may lie in the file
or in a file beside it. Positions are in meters, y up.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from stars_infer.clips.convention import Convention
from stars_infer.errors import ClipError, brief
from stars_infer.readers.bounds import check_memory
from stars_infer.readers.recording import Recording
from stars_infer.readers.scene import (
    Float64Array,
    Local,
    Node,
    Take,
    hermite,
    keys_around,
    quaternion_matrices,
    recordings_of,
    sampling_rate,
)

DEFAULTS = Convention(units="m", up="y", handedness="right")
_MAGIC, _JSON, _BINARY = b"glTF", 0x4E4F534A, 0x004E4942
_TYPES = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
_PATHS = {"translation": 3, "rotation": 4, "scale": 3}
_AT_REST = {"translation": (0.0, 0.0, 0.0), "rotation": (0.0, 0.0, 0.0, 1.0),
            "scale": (1.0, 1.0, 1.0)}  # fmt: skip
_MOST_NODES = 20_000


@np.errstate(over="ignore", invalid="ignore")  # what is not finite is missing
def read_gltf(path: Path) -> list[Recording | ClipError]:
    """Read the animations of a file as recordings of its skeletons.

    Raises:
        ClipError: If the file is damaged, compressed, or holds no animated skeleton.
    """
    file = _File(path)
    try:
        nodes, order = file.nodes()
        takes = [_take(file, animation, nodes, order) for animation in file.items("animations")]
        return recordings_of(nodes, takes, source=file.source, size=file.size, default=DEFAULTS)
    except (LookupError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise ClipError(file.source, f"damaged ({brief(error)}): export it again") from error


def has_several(path: Path) -> bool:
    """Whether a file holds several animations; false if it cannot be read."""
    try:
        return len(_File(path).items("animations")) > 1
    except (ClipError, OSError):
        return False


class _File:
    """The parts of a file: its description, and its numbers."""

    def __init__(self, path: Path) -> None:
        self.path, self.source = path, str(path)
        data = path.read_bytes()
        self.size = len(data)
        self.taken = 0
        self._buffers: dict[int, bytes] = {}
        self._items: dict[str, list[dict[str, Any]]] = {}
        text: bytes = data
        if data[:4] == _MAGIC:
            chunks = self._chunks(data)
            text = chunks.get(_JSON, b"")
            if _BINARY in chunks:
                self._buffers[0] = chunks[_BINARY]
        try:
            facts = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ClipError(
                self.source, f"not a readable glTF file ({brief(error)}): export it again"
            ) from error
        if not isinstance(facts, dict) or not isinstance(facts.get("asset"), dict):
            raise ClipError(self.source, "not a glTF file: it has no 'asset'")
        version = str(facts["asset"].get("version"))[:8]
        if not version.startswith("2."):
            raise ClipError(self.source, f"glTF {version}: export it as glTF 2.0")
        self.facts: dict[str, Any] = facts

    def items(self, name: str) -> list[dict[str, Any]]:
        """A list of the description; empty if there is none.

        Raises:
            ClipError: If it is no list of objects.
        """
        if name in self._items:
            return self._items[name]
        found = self.facts.get(name, [])
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise ClipError(self.source, f"{name!r} is no list of objects: export it again")
        self._items[name] = found
        return found

    def nodes(self) -> tuple[list[Node], list[int]]:
        """The nodes, each after its parent, and the number in the file of each.

        Raises:
            ClipError: If they are no tree.
        """
        facts = self.items("nodes")
        if len(facts) > _MOST_NODES:
            raise ClipError(self.source, f"{len(facts):,} nodes, more than {_MOST_NODES:,}")
        parents = [-1] * len(facts)
        for number, node in enumerate(facts):
            for child in node.get("children", ()):
                if parents[child] >= 0 or child < 0:
                    raise ClipError(self.source, f"node {child} has two parents: export it again")
                parents[child] = number
        joints = {joint for skin in self.items("skins") for joint in skin["joints"]}
        if not joints:  # a skeleton without a mesh
            joints = {number for number, node in enumerate(facts) if "mesh" not in node}
        order = [number for number, parent in enumerate(parents) if parent < 0]
        for number in order:
            order.extend(facts[number].get("children", ()))
        if len(order) != len(facts):
            raise ClipError(self.source, "its nodes hang on each other in a circle")
        place = {number: at for at, number in enumerate(order)}
        return [
            Node(
                name=str(facts[number].get("name") or f"node {number}")[:200],
                parent=place[parents[number]] if parents[number] >= 0 else -1,
                joint=number in joints,
            )
            for number in order
        ], order

    def rest(self, number: int) -> dict[str, Float64Array]:
        """Place, turn and scale of a node that is not animated; or its `matrix`."""
        node = self.items("nodes")[number]
        if "matrix" in node:
            return {"matrix": np.array(node["matrix"], np.float64).reshape(4, 4).T}
        return {
            path: np.array(node.get(path, rest), np.float64).reshape(len(rest))
            for path, rest in _AT_REST.items()
        }

    def values(self, number: int, width: int) -> Float64Array:
        """The numbers of an accessor, (K, width).

        Raises:
            ClipError: If they are compressed or lie outside their buffer.
        """
        accessor = self.items("accessors")[number]
        count, found = int(accessor["count"]), _WIDTHS[accessor["type"]]
        if found != width or count < 0:
            raise ClipError(self.source, f"accessor {number}: {count} values of {found} numbers, "
                            f"but of {width} are needed")  # fmt: skip
        self.taken += 40 * count * width
        check_memory(self.taken, "its keys", source=self.source, size=self.size)
        kind = np.dtype(_TYPES[accessor["componentType"]])
        if "bufferView" in accessor:
            raw = self._view(
                accessor["bufferView"], accessor.get("byteOffset", 0), count, width, kind
            )
        else:
            raw = np.zeros((count, width), kind)
        if sparse := accessor.get("sparse"):
            raw, changed = raw.copy(), int(sparse["count"])
            where, what = sparse["indices"], sparse["values"]
            at = self._view(where["bufferView"], where.get("byteOffset", 0), changed, 1,
                            np.dtype(_TYPES[where["componentType"]]))  # fmt: skip
            raw[at[:, 0].astype(np.intp)] = self._view(
                what["bufferView"], what.get("byteOffset", 0), changed, width, kind
            )
        values = raw.astype(np.float64)
        if accessor.get("normalized") and kind.kind in "iu":
            values = np.maximum(values / np.iinfo(kind).max, -1)
        return values

    def _view(
        self, number: int, offset: int, count: int, width: int, kind: np.dtype[Any]
    ) -> NDArray[Any]:
        view = self.items("bufferViews")[number]
        if "EXT_meshopt_compression" in view.get("extensions", {}):
            raise ClipError(self.source, "compressed by meshopt: export it without compression")
        start = int(view.get("byteOffset", 0)) + int(offset)
        stride = int(view.get("byteStride", width * kind.itemsize))
        data = self._buffer(int(view["buffer"]))
        end = start + (count - 1) * stride + width * kind.itemsize if count else start
        if min(start, offset, count) < 0 or stride < width * kind.itemsize or end > len(data):
            raise ClipError(self.source, "cut short: keys lie outside of its data; copy it again")
        return np.ndarray((count, width), kind, data, offset=start, strides=(stride, kind.itemsize))

    def _buffer(self, number: int) -> bytes:
        if number not in self._buffers:
            self._buffers[number] = self._read_buffer(self.items("buffers")[number])
        return self._buffers[number]

    def _read_buffer(self, buffer: dict[str, Any]) -> bytes:
        uri = str(buffer.get("uri", ""))
        if uri.startswith("data:"):
            try:
                return base64.b64decode(uri.partition(",")[2], validate=True)
            except binascii.Error as error:
                raise ClipError(self.source, f"damaged data ({brief(error)})") from error
        name = unquote(uri)
        beside = self.path.parent / name
        if not name or ":" in name or Path(name).is_absolute() or ".." in Path(name).parts:
            raise ClipError(self.source, f"its numbers lie in {name[:60]!r}, not in a file beside "
                            "it: export it as .glb")  # fmt: skip
        try:
            size = beside.stat().st_size
            data = beside.read_bytes() if beside.is_file() else b""
        except OSError as error:
            raise ClipError(
                self.source, f"{name[:60]!r}, where its numbers lie, cannot be read "
                f"({error.strerror}): put it beside, or export a .glb"
            ) from error  # fmt: skip
        self.size += size
        return data

    def _chunks(self, data: bytes) -> dict[int, bytes]:
        """The chunks of a binary file, the first of each kind."""
        chunks: dict[int, bytes] = {}
        at = 12
        while at + 8 <= len(data):
            length, kind = struct.unpack_from("<II", data, at)
            if at + 8 + length > len(data):
                raise ClipError(self.source, "cut short: copy or export it again")
            chunks.setdefault(kind, data[at + 8 : at + 8 + length])
            at += 8 + length
        return chunks


class _Curve:
    """One property of one node over time."""

    def __init__(self, times: Float64Array, values: Float64Array, how: str, path: str) -> None:
        self.times, self.how, self.turns = times, how, path == "rotation"
        self.values = values.reshape(len(times), -1, values.shape[1])
        if self.turns and how != "CUBICSPLINE":  # the shorter way round
            flips = (np.diff(self.values[:, 0], axis=0, prepend=0) ** 2).sum(axis=1) > 2
            flips[:1] = False
            self.values = self.values * np.where(np.cumsum(flips) % 2, -1, 1)[:, None, None]

    def at(self, when: Float64Array) -> Float64Array:
        """Values at some times, (T, 3) or (T, 4)."""
        left, right, seconds, shares = keys_around(self.times, when)
        step, share = seconds[:, None], shares[:, None]
        if self.how == "STEP":
            return np.asarray(np.where(share < 1, self.values[left, 0], self.values[right, 0]))
        if self.how == "CUBICSPLINE":
            # Each key has the slope before it, its value, and the slope after it.
            here, there = self.values[left], self.values[right]
            return hermite((here[:, 1], there[:, 1]), (here[:, 2], there[:, 0]), step, share)
        one, other = self.values[left, 0], self.values[right, 0]
        if not self.turns:
            return np.asarray(one + share * (other - one))
        angle = np.arccos(np.clip((one * other).sum(axis=1, keepdims=True), -1, 1))
        wide = np.where(angle > 1e-4, np.sin(angle), 1)
        weights = (np.sin((1 - share) * angle) / wide, np.sin(share * angle) / wide)
        near = angle <= 1e-4
        first, second = np.where(near, 1 - share, weights[0]), np.where(near, share, weights[1])
        return np.asarray(first * one + second * other)


def _take(file: _File, animation: dict[str, Any], nodes: list[Node], order: list[int]) -> Take:
    place = {number: at for at, number in enumerate(order)}
    curves: dict[tuple[int, str], _Curve] = {}
    for channel in animation["channels"]:
        target = channel["target"]
        path, number = target.get("path"), target.get("node")
        if path not in _PATHS or number is None:
            continue  # weights of faces, or a pointer
        sampler = animation["samplers"][channel["sampler"]]
        how = str(sampler.get("interpolation", "LINEAR"))
        times = file.values(sampler["input"], 1)[:, 0]
        values = file.values(sampler["output"], _PATHS[path])
        if not len(times) or len(values) != len(times) * (3 if how == "CUBICSPLINE" else 1):
            raise ClipError(file.source, f"{len(values)} values for {len(times)} keys")
        if not np.isfinite(times).all() or (np.diff(times) < 0).any():
            raise ClipError(file.source, "the times of its keys do not rise: export it again")
        curves[place[number], path] = _Curve(times, values, how, path)
    keys = [curve.times for curve in curves.values()]

    def local(at: int, when: Float64Array) -> Local:
        rest = file.rest(order[at])
        if "matrix" in rest:
            matrix = rest["matrix"]
            return (
                np.tile(matrix[:3, :3], (len(when), 1, 1)),
                np.tile(matrix[:3, 3], (len(when), 1)),
            )
        moved, turned, scaled = (
            curves[at, path].at(when) if (at, path) in curves
            else np.tile(rest[path], (len(when), 1)) for path in _PATHS
        )  # fmt: skip
        return quaternion_matrices(turned) * scaled[:, None, :], moved

    return Take(
        name=str(animation.get("name", ""))[:200],
        start=float(min((one[0] for one in keys), default=0)),
        end=float(max((one[-1] for one in keys), default=0)),
        fps=sampling_rate(keys),
        local=local,
    )
