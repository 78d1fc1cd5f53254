"""Acclaim skeletons, `.asf`: the bones of a person, to which `.amc` files give the motion.

Lengths are in inches times the `length` of the units, 0.45 in the files of CMU and HDM05, so that a
unit is 1 in / 0.45 = 5.64 cm (mocap.cs.cmu.edu, FAQ).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stars_infer.errors import ClipError
from stars_infer.readers.recording import MOST_JOINTS

INCH = 0.0254
ROOT = "root"
_ORDER = "XYZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bone:
    """A bone, whose end is a joint; the root has no length.

    Attributes:
        name: As in the file.
        parent: Number of the bone it starts from, which comes before it; -1 for the root.
        offset: From its start to its end, in the file's units and in the axes of the body.
        axes: Its own axes, a rotation (3, 3).
        order: In which the turns about its axes are applied, such as `XYZ`.
        channels: What a line of the motion gives: `RX`, `RY`, `RZ`, `TX`, `TY`, `TZ` or `L`.
    """

    name: str
    parent: int
    offset: tuple[float, float, float]
    axes: NDArray[np.float64]
    order: str
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Skeleton:
    """A skeleton.

    Attributes:
        bones: The root, then the others, each after its parent.
        meters: Length of a unit of the file.
        degrees: Whether angles are in degrees, not in radians.
    """

    bones: tuple[Bone, ...]
    meters: float
    degrees: bool


def rotation_of(angles: NDArray[np.float64], order: str) -> NDArray[np.float64]:
    """Rotations (..., 3, 3) by angles (..., 3) about x, y and z, in radians, in an order."""
    made = np.broadcast_to(np.eye(3), (*angles.shape[:-1], 3, 3))
    for letter in order:
        axis = _ORDER.index(letter)
        one, two = (axis + 1) % 3, (axis + 2) % 3
        cos, sin = np.cos(angles[..., axis]), np.sin(angles[..., axis])
        turn = np.zeros_like(made)
        turn[..., axis, axis] = 1
        turn[..., one, one] = turn[..., two, two] = cos
        turn[..., one, two], turn[..., two, one] = -sin, sin
        made = turn @ made
    return made


def read_asf(path: Path) -> Skeleton:
    """Read a skeleton.

    Raises:
        ClipError: If the file is damaged; the message names the line.
    """
    return _Parser(path).skeleton()


class _Parser:
    """Reads the sections of one file."""

    def __init__(self, path: Path) -> None:
        self.source = str(path)
        text = path.read_text(encoding="utf-8-sig", errors="replace")
        self.lines = [
            (number, words)
            for number, line in enumerate(text.splitlines(), start=1)
            if (words := line.split("#")[0].split())
        ]
        self.at = 0
        self.length, self.degrees = 1.0, True
        self.root: list[str] = ["TX", "TY", "TZ", "RX", "RY", "RZ"]
        self.root_order, self.root_turn = _ORDER, (0.0, 0.0, 0.0)
        self.data: dict[str, dict[str, list[str]]] = {}
        self.children: dict[str, list[str]] = {}

    def skeleton(self) -> Skeleton:
        sections = {
            ":units": self.units, ":root": self.read_root, ":bonedata": self.bones,
            ":hierarchy": self.hierarchy,
        }  # fmt: skip
        while self.at < len(self.lines):
            words = self.lines[self.at][1]
            self.at += 1
            if words[0].lower() in sections:
                sections[words[0].lower()]()
        if not self.data or not self.children:
            raise ClipError(self.source, "no bones and their hierarchy in it: not an ASF skeleton, "
                            "or cut short")  # fmt: skip
        turn = rotation_of(np.radians(self.root_turn), self.root_order)
        made = [Bone(name=ROOT, parent=-1, offset=(0, 0, 0), axes=turn, order=self.root_order,
                     channels=tuple(self.root))]  # fmt: skip
        waiting = [(0, name) for name in reversed(self.children.get(ROOT, []))]
        done = {ROOT}
        while waiting:
            parent, name = waiting.pop()
            if name in done or name not in self.data:
                raise ClipError(self.source, f"bone {name[:24]!r} has no data, or comes twice")
            done.add(name)
            waiting += [(len(made), child) for child in reversed(self.children.get(name, []))]
            made.append(self.bone(name, parent))
        return Skeleton(bones=tuple(made), meters=INCH / self.length, degrees=self.degrees)

    def bone(self, name: str, parent: int) -> Bone:
        data = self.data[name]
        direction = np.array(self.numbers(data, "direction", 3, name))
        with np.errstate(over="ignore"):
            size = float(np.linalg.norm(direction))
        (length,) = self.numbers(data, "length", 1, name)
        angles = np.array(self.numbers(data, "axis", 3, name))
        order = (data["axis"][3:] or [_ORDER])[0].upper()
        if sorted(order) != list(_ORDER) or not 0 < size < np.inf:
            raise ClipError(
                self.source, f"bone {name[:24]!r}: a direction of no length, or axes in the order "
                f"{order[:24]!r}"
            )  # fmt: skip
        x, y, z = (direction / size * length).tolist()
        axes = rotation_of(np.radians(angles) if self.degrees else angles, order)
        channels = tuple(word.upper() for word in data.get("dof", []))
        return Bone(name=name, parent=parent, offset=(x, y, z), axes=axes, order=order,
                    channels=channels)  # fmt: skip

    def section(self) -> list[list[str]]:
        """The lines up to the next section."""
        found = []
        while self.at < len(self.lines) and not self.lines[self.at][1][0].startswith(":"):
            found.append(self.lines[self.at][1])
            self.at += 1
        return found

    def units(self) -> None:
        said = {words[0].lower(): words[1:] for words in self.section()}
        self.degrees = not (said.get("angle") or ["deg"])[0].lower().startswith("rad")
        if "length" in said:
            (self.length,) = self.numbers(said, "length", 1, "units")
            if not 1e-3 < self.length < 1e3:
                raise ClipError(self.source, f"units: a length of {self.length:g} cannot be right")

    def read_root(self) -> None:
        said = {words[0].lower(): words[1:] for words in self.section()}
        self.root = [word.upper() for word in said.get("order", self.root)]
        order = (said.get("axis") or [_ORDER])[0].upper()
        if sorted(order) != list(_ORDER) or set(self.root) - {"TX", "TY", "TZ", "RX", "RY", "RZ"}:
            raise ClipError(self.source, "the root has an unknown order of axes")
        self.root_order = order
        if "orientation" in said:
            x, y, z = self.numbers(said, "orientation", 3, ROOT)
            self.root_turn = (x, y, z) if self.degrees else tuple(np.degrees((x, y, z)).tolist())

    def bones(self) -> None:
        current: dict[str, list[str]] = {}
        for words in self.section():
            word = words[0].lower()
            if word == "begin":
                current = {}
            elif word == "end":
                name = " ".join(current.get("name", []))
                if not name or name in self.data or len(self.data) >= MOST_JOINTS:
                    raise ClipError(self.source, f"bone {name[:24]!r} has no name of its own, or "
                                    f"there are more than {MOST_JOINTS} bones")  # fmt: skip
                self.data[name] = current
            else:
                current.setdefault(word, words[1:])

    def hierarchy(self) -> None:
        for parent, *children in self.section():
            if parent.lower() not in ("begin", "end"):
                self.children.setdefault(parent, []).extend(children)

    def numbers(self, data: dict[str, list[str]], key: str, count: int, name: str) -> list[float]:
        """The numbers of a line.

        Raises:
            ClipError: If it is not there, or holds no numbers.
        """
        try:
            values = [float(word) for word in data[key][:count]]
        except (KeyError, ValueError):
            values = []
        if len(values) < count or not np.isfinite(values).all():
            raise ClipError(self.source, f"{name[:24]}: expected {count} number(s) after {key!r}")
        return values
