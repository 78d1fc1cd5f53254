"""Recipes: files with the settings of a method, of which flags change single ones.

A recipe is a TOML file that opens with the command that runs it, its expected time and its expected
score. The folder `train/recipes/` holds those of the papers.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any

from stars_infer.errors import UsageError, brief
from stars_infer.train.methods import METHODS
from stars_infer.train.methods.method import PRETRAIN
from stars_infer.train.networks.encoder import EncoderConfig
from stars_infer.train.run import LoopConfig, RunConfig
from stars_infer.train.views.config import ViewConfig

_SECTIONS: Mapping[str, type[Any]] = {
    "loop": LoopConfig,
    "encoder": EncoderConfig,
    "views": ViewConfig,
}

_FREE = {
    "absent_bodies", "accumulate", "checkpoint_minutes", "classes", "log_every", "precision",
    "keep", "seed", "validate_every",
}  # fmt: skip
"""Settings in which runs of a recipe may differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The settings of a run, without its data.

    Attributes:
        name: Name of the file, without its ending.
        about: Comment at the beginning of the file.
        method: Name of the method.
        stage: `pretrain` or `tune`.
        loop: Settings that differ from the defaults of `LoopConfig`.
        encoder: Settings that differ from the defaults of `EncoderConfig`.
        views: Settings that differ from the defaults of `ViewConfig`.
        settings: Settings that differ from the defaults of the method's configuration.
    """

    name: str
    about: str
    method: str
    loop: Mapping[str, Any]
    encoder: Mapping[str, Any]
    views: Mapping[str, Any]
    settings: Mapping[str, Any]

    @property
    def stage(self) -> str:
        """Stage of the method, one of `STAGES`."""
        return METHODS[self.method].stage

    def with_flags(self, flags: Mapping[str, Any]) -> Recipe:
        """Change single settings, by the names of their fields.

        Raises:
            UsageError: If the method has no such setting.
        """
        sections: dict[str, dict[str, Any]] = {}
        for key, value in flags.items():
            section = self._section_of(key)
            sections.setdefault(section, dict(getattr(self, section)))[key] = value
        if "epochs" in flags and "steps" not in flags:
            sections["loop"].pop("steps", None)
        changed: Any = sections
        return replace(self, **changed)

    def _section_of(self, key: str) -> str:
        """The section that has a setting; that of the method comes first."""
        kinds = {"settings": METHODS[self.method].config_class, **_SECTIONS}
        for section, kind in kinds.items():
            if key in _names(kind):
                return section
        raise UsageError(
            f"--{key.replace('_', '-')} does not go with the method {self.method!r}; "
            f"its own settings are {', '.join(_names(kinds['settings'])) or 'none'}"
        )

    def differences(self, config: RunConfig) -> dict[str, tuple[Any, Any]]:
        """Settings of a run that are not this recipe's: by name, the recipe's and the run's value.

        What depends on the data or the machine (absent bodies, number of classes, seed, precision,
        gradient steps) and what is only kept or logged is not compared. Nor is the network of a
        recipe that takes that of another run.
        """
        if config.method != self.method:
            return {"method": (self.method, config.method)}
        shape = EncoderConfig(**self.encoder) if self.stage == PRETRAIN else config.encoder
        expected = self.configure(
            data=config.data, clips=config.clips, encoder=None if self.encoder else shape
        )
        return {
            field.name: (own, other)
            for section in ("loop", "encoder", "views", "settings")
            for field in fields(getattr(expected, section))
            if field.name not in _FREE
            and (own := getattr(getattr(expected, section), field.name))
            != (other := getattr(getattr(config, section), field.name))
        }

    def configure(
        self,
        *,
        data: str,
        clips: int,
        split: str | None = None,
        encoder: EncoderConfig | None = None,
        start_from: str | None = None,
    ) -> RunConfig:
        """Make the configuration of a run.

        Args:
            data: Path of the pack.
            clips: Number of clips to train on.
            split: Split of the pack whose train part they are.
            encoder: Encoder of the run to start from, which replaces that of the recipe.
            start_from: Path of that run.

        Raises:
            UsageError: If settings contradict each other.
        """
        if encoder is not None and self.encoder:
            raise UsageError(
                f"recipe {self.name}: the network is that of the run it starts from; "
                f"{', '.join(self.encoder)} cannot be set"
            )
        shape = encoder or EncoderConfig(**self.encoder)
        return RunConfig(
            method=self.method,
            data=data,
            split=split,
            clips=clips,
            loop=LoopConfig(**self.loop),
            encoder=shape,
            views=ViewConfig(**{**self.views, "frames": shape.frames}),
            settings=METHODS[self.method].config_class(**self.settings),
            start_from=start_from,
        )


def recipe_names() -> list[str]:
    """Names of the recipes that come with the package."""
    names = (file.name for file in _folder().iterdir())
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


def load_recipe(name: str) -> Recipe:
    """Read a recipe of the package by its name, or any recipe by its path.

    Raises:
        UsageError: If there is no such recipe, or it has unknown or impossible entries; the message
            names them.
    """
    own = Path(name)
    if own.suffix == ".toml":
        try:
            text = own.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{own}: no readable recipe: {brief(error)}") from error
    elif name in recipe_names():
        text = (_folder() / f"{name}.toml").read_text(encoding="utf-8")
    else:
        raise UsageError(
            f"no recipe {name!r}{_suggest(name, recipe_names())}; `stars train recipes` lists "
            "them, a path to one of your own ends in .toml"
        )
    return _parse(own.stem, text, source=name)


def _parse(name: str, text: str, *, source: str) -> Recipe:
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        raise UsageError(f"recipe {source}: {brief(error)}") from error
    method = table.pop("method", None)
    if not isinstance(method, str) or method not in METHODS:
        raise UsageError(
            f"recipe {source}: method is one of {', '.join(METHODS)}, not {str(method)[:40]!r}"
        )
    kinds = {**_SECTIONS, "settings": METHODS[method].config_class}
    for section, values in table.items():
        if section not in kinds or not isinstance(values, dict):
            raise UsageError(
                f"recipe {source}: unknown entry {section!r}{_suggest(section, kinds)}; "
                f"a recipe has method and the sections {', '.join(kinds)}"
            )
        for key in values:
            if key not in _names(kinds[section]):
                raise UsageError(
                    f"recipe {source}: unknown key {key!r} in [{section}] of method "
                    f"{method}{_suggest(key, _names(kinds[section]))}"
                )
    recipe = Recipe(
        name=name,
        about=_opening_comment(text),
        method=method,
        **{section: table.get(section, {}) for section in kinds},
    )
    try:
        recipe.configure(data="", clips=1)
    except (TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise UsageError(f"recipe {source}: {brief(error)}") from error
    return recipe


def _opening_comment(text: str) -> str:
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    return "\n".join(lines)


def _names(kind: type[Any]) -> list[str]:
    return [field.name for field in fields(kind)]


def _suggest(wrong: str, known: Mapping[str, Any] | list[str]) -> str:
    close = get_close_matches(wrong, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _folder() -> Any:
    return files("stars_infer.train") / "recipes"
