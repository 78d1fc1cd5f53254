"""How the encoders of the tables are made: recipe, settings, start, and how they are measured."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from stars_infer.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderPlan:
    """How an encoder of the tables is made; an entry of `encoders.toml`.

    Attributes:
        key: Name of the entry.
        title: Name in reports.
        recipe: Recipe of its training; empty for random weights.
        flags: Settings that differ from the recipe.
        start: Entry of the encoder that it starts from.
        like: Entry whose shape random weights take.
        bodies: `mamp` if a missing second body is treated as in MAMP's preparation.
        validate: Epochs between two validations; where there are any, the best checkpoint is
            measured, otherwise the last.
        keep: Number of checkpoints that are kept, evenly over the run.
        measure: Flags of every protocol.
        protocols: Flags of one protocol, by its name.
    """

    key: str
    title: str
    recipe: str = ""
    flags: Mapping[str, Any] = field(default_factory=dict)
    start: str = ""
    like: str = ""
    bodies: str = ""
    validate: float = 0
    keep: int = 0
    measure: Mapping[str, Any] = field(default_factory=dict)
    protocols: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def encoder_plan(key: str, dataset: str) -> EncoderPlan:
    """The entry of an encoder that is trained on a data set.

    Raises:
        UsageError: If there is no such entry.
    """
    entries = _entries()
    if key not in entries:
        raise UsageError(f"no encoder {key!r} in encoders.toml, which has {', '.join(entries)}")
    entry = dict(entries[key])
    differing = entry.pop("on", {})
    return EncoderPlan(key=key, **{**entry, **differing.get(dataset, {})})


def encoder_keys() -> tuple[str, ...]:
    """Keys of all entries."""
    return tuple(_entries())


@cache
def _entries() -> dict[str, dict[str, Any]]:
    text = (files("stars_infer.train") / "tables" / "encoders.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
