"""Settings that replace the papers' in every run of a reproduction: `--set` of `reproduce`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from stars_infer.errors import UsageError
from stars_infer.train.methods import METHODS
from stars_infer.train.methods.classifier import ClassifierConfig
from stars_infer.train.methods.method import PRETRAIN
from stars_infer.train.networks.encoder import EncoderConfig
from stars_infer.train.protocols.linear import LinearConfig
from stars_infer.train.recipe import Recipe
from stars_infer.train.reproduction.runs import TUNED
from stars_infer.train.run import LoopConfig
from stars_infer.train.views.config import ViewConfig

STAGES = ("pretrain", "tune", "knn", "linear", "fewshot", "finetune", "semi", "transfer")
_OWN = {"semi": ("share", "runs", "per_action"), "fewshot": ("draws", "shots"), "knn": ()}
_MEASURED = ("crop", "samplings")


@dataclass(frozen=True, slots=True)
class Overrides:
    """Settings by name, or by stage and name: `steps`, `pretrain.width`, `semi.runs`.

    A name without a stage holds for every training and every linear classifier that has such a
    setting.
    """

    values: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, words: Sequence[str]) -> Overrides:
        """Read `KEY=VALUE` and `STAGE.KEY=VALUE`.

        Raises:
            UsageError: If there is no such setting.
        """
        known = {name for stage in STAGES for name in _names(stage)}
        values = {}
        for word in words:
            key, equals, value = word.partition("=")
            stage, dot, name = key.rpartition(".")
            if not equals or (dot and stage not in STAGES):
                raise UsageError(
                    f"--set {word}: KEY=VALUE, or STAGE.KEY=VALUE with a stage of "
                    f"{', '.join(STAGES)}"
                )
            if name not in (_names(stage) if dot else known):
                raise UsageError(f"--set {word}: there is no setting {name!r} of {stage or 'runs'}")
            values[key] = _value(value)
        return cls(values)

    def __bool__(self) -> bool:
        return bool(self.values)

    def __str__(self) -> str:
        return ", ".join(f"{key} = {value}" for key, value in self.values.items())

    def of_training(self, recipe: Recipe) -> dict[str, Any]:
        """Those that a recipe has; the shape of the network only where it is made."""
        kinds: list[type[Any]] = [LoopConfig, ViewConfig, METHODS[recipe.method].config_class]
        if recipe.stage == PRETRAIN:
            kinds.append(EncoderConfig)
        return self._of(recipe.stage, {each.name for kind in kinds for each in fields(kind)})

    def of_protocol(self, protocol: str) -> dict[str, Any]:
        """Those that a protocol has."""
        everywhere = _names(protocol) - set(_MEASURED) - set(_OWN.get(protocol, ()))
        return self._of(protocol, everywhere)

    def _of(self, stage: str, names: set[str]) -> dict[str, Any]:
        own = {
            key.removeprefix(f"{stage}."): value
            for key, value in self.values.items()
            if key.startswith(f"{stage}.")
        }
        return {key: value for key, value in self.values.items() if key in names} | own


def _names(stage: str) -> set[str]:
    """Names of the settings of a stage."""
    if stage in ("pretrain", "tune"):
        kinds = [LoopConfig, ViewConfig] + ([EncoderConfig] if stage == PRETRAIN else [])
        kinds += [method.config_class for method in METHODS.values() if method.stage == stage]
    elif stage in TUNED:
        kinds = [LoopConfig, ViewConfig, ClassifierConfig]
    else:
        kinds = [LinearConfig] if stage == "linear" else []
    names = {each.name for kind in kinds for each in fields(kind)}
    if stage in ("pretrain", "tune"):
        return names
    return names | {*_MEASURED, *_OWN.get(stage, ())}


def _value(text: str) -> Any:
    """A TOML value; text that is none is a string."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
