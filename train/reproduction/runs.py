"""The runs that tables need: trainings, measurements and fusions, addressed by their content.

The key of a run is a hash of what decides its numbers: recipe with all settings, data, the run that
it starts from. Two tables that need the same encoder therefore share its folder.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from stars_infer.train.checkpoint import BEST, FILE, TEACHER
from stars_infer.train.methods.method import PRETRAIN
from stars_infer.train.protocols.linear import LinearConfig
from stars_infer.train.protocols.paper_settings import PaperSettings, paper_settings
from stars_infer.train.protocols.titles import title_of
from stars_infer.train.recipe import Recipe, load_recipe
from stars_infer.train.run import RunConfig
from stars_infer.train.tables.table import Part

TUNED = ("finetune", "semi", "transfer")
"""Protocols that train the encoder."""
_FREE = {"precision", "checkpoint_minutes", "log_every", "validate_every", "keep", "accumulate"}
"""Settings of a training that do not decide what it is."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Training:
    """An encoder that a table needs.

    Attributes:
        part: What it is trained on.
        recipe: Its recipe, with all settings that differ.
        flags: The settings that differ from the recipe of this name, for the command.
        config: Its configuration, but for its data.
        start: The run that it starts from.
        validate: Epochs between two validations; the best checkpoint is measured if there are any.
        keep: Number of checkpoints that are kept.
        key: Hash of its content.
        title: Name of its method, as `stars train eval` gives it.
    """

    part: Part
    recipe: Recipe
    flags: Mapping[str, Any]
    config: RunConfig
    start: Training | None
    validate: float
    keep: int
    key: str
    title: str

    @property
    def name(self) -> str:
        """Name of its folder."""
        return f"{_slug(self.title)}-{self.part}-{self.key}"

    @property
    def measured(self) -> str:
        """Name of the checkpoint that is measured."""
        return BEST if self.validate else FILE

    @property
    def stages(self) -> tuple[Training, ...]:
        """This run and those before it, the first one first."""
        return (*(self.start.stages if self.start else ()), self)


def make_training(
    part: Part,
    recipe: str,
    flags: Mapping[str, Any],
    *,
    start: Training | None = None,
    validate: float = 0,
    keep: int = 0,
) -> Training:
    """Describe a training by its recipe and the settings that differ.

    Raises:
        UsageError: If there is no such recipe or setting, or settings contradict each other.
    """
    inherited = {} if start is None else start.config.views.inherited
    changed = load_recipe(recipe).with_flags({**inherited, **flags})
    encoder = None if start is None or changed.stage == PRETRAIN else start.config.encoder
    config = changed.configure(data="", clips=1, split=part.split, encoder=encoder)
    content = {
        **_decisive(config),
        "encoder": asdict(config.encoder),
        "part": str(part),
        "start": None if start is None else start.key,
    }
    return Training(
        part=part,
        recipe=changed,
        flags=flags,
        config=config,
        start=start,
        validate=validate,
        keep=keep,
        key=_hash(content),
        title=title_of(config, _history(start)),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """A measurement that a table needs.

    Attributes:
        of: The run; None for random weights.
        like: The run whose shape random weights have.
        checkpoint: File of the run that is measured.
        weights: `teacher` or `student`.
        protocol: Name of the protocol.
        part: The data.
        flags: Settings, for the command.
        how: Crop, samplings and what else the paper's measurements have.
        recipe: Recipe of a fine-tuning, with all settings.
        key: Hash of its content.
    """

    of: Training | None
    like: Training | None
    checkpoint: str
    weights: str
    protocol: str
    part: Part
    flags: Mapping[str, Any]
    how: PaperSettings
    recipe: Recipe | None
    key: str

    @property
    def title(self) -> str:
        """Name of the encoder."""
        if self.of is None:
            return "random weights"
        whose = "" if self.weights == TEACHER else f", {self.weights}"
        which = self.checkpoint.partition(".")[0] if self.checkpoint not in (FILE, BEST) else ""
        return self.of.title + whose + (f", {which}" if which else "")

    @property
    def name(self) -> str:
        """Name of its folder."""
        return f"{_slug(self.title)}-{self.protocol}-{self.part}-{self.key}"

    @property
    def trained(self) -> Training | None:
        """The run that must be there before."""
        return self.of or self.like


def make_evaluation(
    protocol: str,
    part: Part,
    *,
    of: Training | None,
    like: Training | None = None,
    checkpoint: str = "",
    weights: str = TEACHER,
    flags: Mapping[str, Any],
) -> Evaluation:
    """Describe a measurement; `checkpoint` is by default the one that its training says."""
    given = dict(flags)
    how = paper_settings(
        given.get("paper"), crop=given.get("crop"), samplings=given.get("samplings")
    )
    recipe = None
    content: dict[str, Any] = {"crop": how.crop, "samplings": how.samplings}
    own = {k: v for k, v in given.items() if k not in ("paper", "crop", "samplings", "recipe")}
    if protocol == "linear":
        content |= asdict(LinearConfig(**{**how.linear, **own}))
    elif protocol in TUNED:
        names = [name for name in ("share", "runs", "per_action", "average") if name in own]
        outside = {name: own.pop(name) for name in names}
        recipe = load_recipe(given.get("recipe", how.finetune)).with_flags(own)
        content |= outside | _decisive(recipe.configure(data="", clips=1))
    else:
        content |= own
    trained = of or like
    file = checkpoint or (of.measured if of else "")
    content |= {
        "protocol": protocol,
        "part": str(part),
        "random": of is None,
        "run": None if trained is None else trained.key,
        "checkpoint": file,
        "weights": weights,
    }
    return Evaluation(
        of=of,
        like=like,
        checkpoint=file,
        weights=weights,
        protocol=protocol,
        part=part,
        flags=flags,
        how=how,
        recipe=recipe,
        key=_hash(content),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fusion:
    """The sum of the class scores of several measurements, as the papers fuse streams."""

    parts: tuple[Evaluation, ...]

    @property
    def protocol(self) -> str:
        """Name of the protocol."""
        return self.parts[0].protocol

    @property
    def part(self) -> Part:
        """The data."""
        return self.parts[0].part

    @property
    def key(self) -> str:
        """Hash of its content."""
        return _hash([part.key for part in self.parts])

    @property
    def title(self) -> str:
        """Name of the encoders."""
        return f"{self.parts[0].title} three-stream"

    @property
    def name(self) -> str:
        """Name of its folder."""
        return f"{_slug(self.title)}-{self.protocol}-{self.part}-{self.key}"


Measurement = Evaluation | Fusion
Node = Training | Evaluation | Fusion


def with_needs(nodes: Sequence[Node]) -> list[Node]:
    """The nodes and all that they need, each once and behind what it needs.

    Of trainings with one key, the one that keeps and validates most is taken.
    """
    found: dict[str, Node] = {}
    for node in nodes:
        _collect(node, found)
    return list(found.values())


def _collect(node: Node, found: dict[str, Node]) -> None:
    for need in _needs(node):
        _collect(need, found)
    there = found.get(node.key)
    if there is None or (
        isinstance(node, Training) and isinstance(there, Training) and _demand(node, there)
    ):
        found[node.key] = node


def _demand(one: Training, other: Training) -> bool:
    return (one.keep, bool(one.validate)) > (other.keep, bool(other.validate))


def _needs(node: Node) -> tuple[Node, ...]:
    if isinstance(node, Fusion):
        return node.parts
    need = node.start if isinstance(node, Training) else node.trained
    return () if need is None else (need,)


def _history(start: Training | None) -> dict[str, Any]:
    """What `title_of` reads of the history of a run that starts from this one."""
    if start is None:
        return {}
    return {"start": {"config": {"method": start.config.method}, **_history(start.start)}}


def _decisive(config: RunConfig) -> dict[str, Any]:
    """What decides the numbers of a run, but for network and data."""
    return {
        "method": config.method,
        "loop": {k: v for k, v in asdict(config.loop).items() if k not in _FREE},
        "views": asdict(config.views),
        "settings": asdict(config.settings),
    }


def _hash(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", title.lower()).strip("-")
