"""Conventions of a source of clips: joint layout, units, axes and frame rate.

A clip is in meters, y up, right-handed. What a file is in, its reader's caller knows best; else the
file may say it, or its format may settle it. An array says nothing of itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stars_infer.errors import UsageError

UNITS: Mapping[str, float] = {"m": 1.0, "cm": 0.01, "mm": 0.001, "in": 0.0254}
"""Meters in a unit."""
_SPELLINGS = {
    "m": ("meter", "meters", "metre", "metres"),
    "cm": ("centimeter", "centimeters", "centimetre", "centimetres"),
    "mm": ("millimeter", "millimeters", "millimetre", "millimetres"),
    "in": ("inch", "inches"),
}
_UNIT_OF = {word: unit for unit, words in _SPELLINGS.items() for word in (unit, *words)}

_TURNS: Mapping[str, tuple[tuple[int, int, int], tuple[int, int, int]]] = {
    "y": ((0, 1, 2), (1, 1, 1)),
    "-y": ((0, 1, 2), (-1, -1, 1)),
    "z": ((0, 2, 1), (1, 1, -1)),
    "-z": ((0, 2, 1), (1, -1, 1)),
    "x": ((1, 0, 2), (-1, 1, 1)),
    "-x": ((1, 0, 2), (1, -1, 1)),
}
"""For each up axis the rotation that brings it to +y: which axes to take, and their signs.

From -y, that of a camera whose y points down, it is the half turn about z, which keeps depth."""
UP_AXES = tuple(_TURNS)
HANDS = ("right", "left")
AUTO = "auto"
"""The axis that points up follows from the bodies: `stars_infer.clips.upright`."""
LEAST_UNIT, MOST_UNIT = 1e-7, 1e7
"""Meters in the smallest and in the largest unit that is taken for one."""


def _unit(said: object) -> str | float:
    """Check the name of a unit, or a number of meters.

    Raises:
        UsageError: If it is neither.
    """
    if isinstance(said, str):
        word = said.strip().lower()
        if (unit := _UNIT_OF.get(word)) is not None:
            return unit
        try:
            said = float(word)
        except ValueError:
            raise UsageError(
                f"units {said!r}: known are {', '.join(UNITS)}, or the meters in a unit as a "
                "number, such as 0.0564"
            ) from None
    if isinstance(said, bool) or not isinstance(said, Real):
        raise UsageError(f"units must be text or a number of meters, not {said!r}")
    if not LEAST_UNIT <= (meters := float(said)) <= MOST_UNIT:
        raise UsageError(
            f"units {meters:g}: a unit has {LEAST_UNIT:g} to {MOST_UNIT:g} meters, above 0"
        )
    return meters


def meters_in_unit(convention: Convention) -> float:
    """How many meters the unit of positions has."""
    units = convention.units
    return units if isinstance(units, float) else UNITS[units or "m"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Convention:
    """What positions mean; whatever is None is left to the file, and then to its format.

    Attributes:
        layout: Name of the joint layout, or the path of its TOML file.
        units: `m`, `cm`, `mm` or `in`, or the number of meters in a unit.
        up: The axis that points up: `x`, `y`, `z`, `-x`, `-y` or `-z`; or `auto`, which finds it
            from the bodies.
        handedness: Of the axes, `right` or `left`.
        fps: Frames per second.
        flat: Whether clips are in 2D, or are to be taken so: their depth is set to zero, and their
            size to a person's.

    Raises:
        UsageError: If a value is none of these.
    """

    layout: str | None = None
    units: str | float | None = None
    up: str | None = None
    handedness: str | None = None
    fps: float | None = None
    flat: bool | None = None

    def __post_init__(self) -> None:
        # Callers without a type checker may give anything.
        layout: object = self.layout
        fps: object = self.fps
        if isinstance(layout, os.PathLike):
            object.__setattr__(self, "layout", os.fspath(layout))
        for name in ("layout", "up", "handedness"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise UsageError(f"{name} must be text, not {value!r}")
        if self.units is not None:
            object.__setattr__(self, "units", _unit(self.units))
        if self.up is not None:
            up = self.up.strip().lower().removeprefix("+")
            if up not in (*_TURNS, AUTO):
                raise UsageError(
                    f"up axis {self.up!r}: expected one of {', '.join(_TURNS)}, or {AUTO}"
                )
            object.__setattr__(self, "up", up)
        if self.handedness is not None and self.handedness not in HANDS:
            raise UsageError(f"handedness {self.handedness!r}: expected {' or '.join(HANDS)}")
        flat: object = self.flat
        if flat is not None and not isinstance(flat, bool):
            raise UsageError(f"flat {flat!r}: expected True or False")
        if fps is not None and (isinstance(fps, bool) or not isinstance(fps, Real)):
            raise UsageError(f"frame rate {fps!r}: expected a number of frames per second")
        if self.fps is not None and not LEAST_FPS <= self.fps <= MOST_FPS:
            raise UsageError(
                f"frame rate {self.fps:g}: expected {LEAST_FPS:g} to {MOST_FPS:g} frames per second"
            )

    def over(self, other: Convention) -> Convention:
        """This convention, and the other's where this one says nothing."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        said: dict[str, Any] = {name: value for name, value in values if value is not None}
        return replace(other, **said) if said else other


LEAST_FPS, MOST_FPS = 0.1, 1_000.0
"""A slower rate shows no motion, and no motion capture is faster: either is damage."""
STANDARD = Convention(units="m", up="y", handedness="right", fps=30.0)
"""What a clip is in. A rate that nobody knows counts as a sensor's 30 Hz."""


def to_standard(joints: NDArray[Any], convention: Convention) -> NDArray[Any]:
    """Bring positions (..., 3) to meters, y up, right-handed axes.

    Args:
        joints: Numbers; NaN and zero stay what they are.
        convention: What they are in; what it leaves open is as it should be.

    Returns:
        The same array if nothing is to be done, else a float32 copy. Axes that are left-handed are
        mirrored in x, after the up axis has been turned to +y. Where the up axis is to be found,
        neither is done. The depth of clips in 2D becomes zero.
    """
    axes, signs = turn_of(convention)
    scale = meters_in_unit(convention)
    if scale == 1 and axes == (0, 1, 2) and signs == (1, 1, 1) and not convention.flat:
        return joints
    factors = np.array(signs, np.float64) * scale
    if convention.flat:
        factors[2] = 0
    return np.asarray(joints[..., list(axes)] * factors, np.float32)


def option(name: str, value: str | float) -> str:
    """How to pass part of a convention on the command line and in Python, for messages.

    Args:
        name: An attribute of `Convention`.
        value: What it should be.
    """
    if name == "flat":
        return "--flat (in Python flat=True)"
    if not isinstance(value, str):
        return f"--{name} {value:.3g} (in Python {name}={value:.3g})"
    python = f'{name}="{value}"'
    if name == "handedness":
        return f"--left-handed (in Python {python})"
    joined = "=" if value.startswith("-") else " "  # a value like -y would read as an option
    return f"--{name}{joined}{value} (in Python {python})"


def turn_of(convention: Convention) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """For x, y and z of a clip: the axis of the source that it is, and its sign."""
    if convention.up == AUTO:
        return _TURNS["y"]
    axes, signs = _TURNS[convention.up or "y"]
    if convention.handedness == "left":
        signs = (-signs[0], signs[1], signs[2])
    return axes, signs
