"""Read and check a layout in a TOML file, whose format docs/layouts.md describes."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stars_infer.errors import UsageError, brief
from stars_infer.layouts.layout import NTU25_JOINTS, Layout, Mixture

_KEYS = ("name", "about", "center", "joints", "bones", "mirror", "ntu25")
_OPTIONAL = ("by_name", "also_called", "aliases", "stand_in")
_TOLERANCE = 1e-6
"""How far the weights of a mixture may be from one."""
_MOST = 100
"""Largest weight of a joint in a mixture."""
_MOST_JOINTS = 500
"""More than a body with fingers and face has."""


def read_layout(path: Path, *, name: str | None = None) -> Layout:
    """Read a layout.

    Args:
        path: A TOML file with the name of its layout.
        name: Name of the layout in the program; that in the file if not given.

    Raises:
        UsageError: If the file is missing, is not TOML, or does not describe a layout; the message
            names the key and the remedy.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{path}: no such layout file; `stars layouts` lists names") from None
    except RecursionError as error:
        raise UsageError(f"{path}: not a readable TOML file: nested too deeply") from error
    except (OSError, ValueError) as error:  # no TOML, no UTF-8, a number too long
        raise UsageError(f"{path}: not a readable TOML file: {brief(error)}") from error
    return _File(str(path), table).layout(stem=path.stem, name=name)


class _File:
    """Checks the table of one file."""

    def __init__(self, source: str, table: Mapping[str, Any]) -> None:
        self.source = source
        self.table = table

    def layout(self, *, stem: str, name: str | None) -> Layout:
        self.check_keys()
        said, about = self.text("name"), self.text("about")
        if said != stem:
            raise self.error("name", f"is {said!r}, but the file is called {stem!r}: make them one")
        joints = self.joints()
        place = {joint: index for index, joint in enumerate(joints)}
        bones = self.pairs("bones", place)
        self.check_tree(joints, bones)
        mirror = self.pairs("mirror", place)
        self.check_mirror(joints, mirror)
        return Layout(
            name=name or said,
            about=about,
            joints=joints,
            bones=bones,
            mirror=mirror,
            center=self.mixture("center", self.table["center"], place),
            ntu25=self.ntu25(place),
            by_name=self.table.get("by_name", False),
            also_called=self.texts("also_called", self.table.get("also_called", [])),
            aliases=self.aliases(place),
            stand_in={
                joint: self.mixture(f"stand_in.{joint!r}", made, place)
                for joint, made in self.named("stand_in", place).items()
            },
        )

    def check_keys(self) -> None:
        missing = [key for key in _KEYS if key not in self.table]
        if missing:
            raise self.error(missing[0], f"is missing; a layout has {', '.join(_KEYS)}")
        unknown = [key for key in self.table if key not in _KEYS + _OPTIONAL]
        if unknown:
            known = ", ".join(_KEYS + _OPTIONAL)
            raise self.error(unknown[0], f"is not known; a layout has {known}")
        if not isinstance(self.table.get("by_name", False), bool):
            raise self.error("by_name", "must be true or false")

    def text(self, key: str) -> str:
        value = self.table[key]
        if not isinstance(value, str) or not value.strip() or "\n" in value:
            raise self.error(key, "must be one line of text in quotes")
        return value

    def joints(self) -> tuple[str, ...]:
        names = self.table["joints"]
        if not isinstance(names, list) or not all(isinstance(n, str) and n for n in names):
            raise self.error("joints", "must be a list of names in quotes, in file order")
        if len(names) > _MOST_JOINTS:
            raise self.error("joints", f"has {len(names):,} names; a body has up to {_MOST_JOINTS}")
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise self.error("joints", f"names {twice[0]!r} twice: every joint has its own name")
        if len(names) < 2:
            raise self.error("joints", "must name two joints or more")
        return tuple(names)

    def texts(self, key: str, value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(n, str) and n for n in value):
            raise self.error(key, "must be a list of names in quotes")
        return tuple(value)

    def named(self, key: str, place: Mapping[str, int]) -> Mapping[str, Any]:
        table = self.table.get(key, {})
        if not isinstance(table, dict):
            raise self.error(key, f"must be a table [{key}] of joints")
        for joint in table:
            self.check_joint(key, joint, place)
        return table

    def aliases(self, place: Mapping[str, int]) -> Mapping[str, tuple[str, ...]]:
        return {
            joint: self.texts(f"aliases.{joint!r}", names)
            for joint, names in self.named("aliases", place).items()
        }

    def pairs(self, key: str, place: Mapping[str, int]) -> tuple[tuple[int, int], ...]:
        value = self.table[key]
        if not isinstance(value, list):
            raise self.error(key, 'must be a list of pairs of joints, as [["neck", "head"]]')
        if len(value) > _MOST_JOINTS:
            raise self.error(key, f"has {len(value):,} pairs; a body has up to {_MOST_JOINTS}")
        for pair in value:
            if not isinstance(pair, list) or len(pair) != 2:
                raise self.error(key, f"has {str(pair)[:60]}, which is not a pair of joints")
            for joint in pair:
                self.check_joint(key, joint, place)
        return tuple((place[one], place[two]) for one, two in value)

    def check_joint(self, key: str, joint: object, place: Mapping[str, int]) -> None:
        if not isinstance(joint, str) or joint not in place:
            raise self.error(
                key, f"names {str(joint)[:60]!r}, which is not in 'joints': add it there"
            )

    def check_tree(self, joints: tuple[str, ...], bones: tuple[tuple[int, int], ...]) -> None:
        children = [child for _, child in bones]
        for child in children:
            if children.count(child) > 1:
                raise self.error("bones", f"gives {joints[child]!r} two parents: leave one out")
        roots = [joint for joint in range(len(joints)) if joint not in children]
        if len(roots) != 1:
            shown = " and ".join(repr(joints[root]) for root in roots[:3]) or "none"
            raise self.error("bones", f"must join all joints from one root; roots are {shown}")
        reached = set(roots)
        while fresh := {child for parent, child in bones if parent in reached} - reached:
            reached |= fresh
        if len(reached) < len(joints):
            lost = next(name for joint, name in enumerate(joints) if joint not in reached)
            raise self.error("bones", f"run in a circle at {lost!r}: every bone leads outwards")

    def check_mirror(self, joints: tuple[str, ...], mirror: tuple[tuple[int, int], ...]) -> None:
        paired = [joint for pair in mirror for joint in pair]
        for joint in paired:
            if paired.count(joint) > 1:
                raise self.error("mirror", f"names {joints[joint]!r} twice: a joint has one pair")

    def ntu25(self, place: Mapping[str, int]) -> Mapping[str, Mixture]:
        table = self.table["ntu25"]
        if not isinstance(table, dict):
            raise self.error("ntu25", "must be a table [ntu25] of all 25 joints")
        missing = [joint for joint in NTU25_JOINTS if joint not in table]
        if missing:
            raise self.error("ntu25", f"lacks {missing[0]!r}: say which joints it is made of")
        unknown = [joint for joint in table if joint not in NTU25_JOINTS]
        if unknown:
            raise self.error(
                "ntu25", f"has {unknown[0]!r}, which is no joint of NTU-25 (`stars layouts ntu25`)"
            )
        return {
            joint: self.mixture(f"ntu25.{joint!r}", table[joint], place) for joint in NTU25_JOINTS
        }

    def mixture(self, key: str, value: object, place: Mapping[str, int]) -> Mixture:
        if isinstance(value, str):
            value = {value: 1.0}
        if not isinstance(value, dict) or not value:
            raise self.error(key, "must be a joint in quotes, or a table of joints and weights")
        for joint, weight in value.items():
            self.check_joint(key, joint, place)
            usual = isinstance(weight, int | float) and not isinstance(weight, bool)
            if not usual or not -_MOST <= weight <= _MOST:
                shown = (
                    "…" if isinstance(weight, int) and abs(weight) > _MOST else repr(weight)[:24]
                )
                raise self.error(
                    key, f"gives {joint!r} the weight {shown}: expected a number up to {_MOST}"
                )
        total = sum(value.values())
        if not abs(total - 1) <= _TOLERANCE:
            raise self.error(key, f"has weights that sum to {total:g}: they must sum to 1")
        return {joint: float(weight) for joint, weight in value.items()}

    def error(self, key: str, problem: str) -> UsageError:
        return UsageError(f"{self.source}: {key} {problem}")
