"""How a run was made: a run that was made in another way than a row says is no such row.

Precision, device and gradient steps may differ, and what is only logged or kept. Recipe, epochs,
views, network, data, split and the run that it starts from may not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stars_infer.errors import StarsError, brief
from stars_infer.train.checkpoint import TEACHER, load_checkpoint
from stars_infer.train.reproduction.runs import TUNED, Evaluation, Training
from stars_infer.train.run import RunConfig
from stars_infer.train.tables.table import Part


def run_differences(training: Training, folder: Path) -> list[str]:
    """What a run in a folder has otherwise than a training says; empty if it is that training.

    Raises:
        ModelError: If there is no readable checkpoint.
    """
    checkpoint = load_checkpoint(folder, tensors=False)
    return list(_differing(training, checkpoint.config, checkpoint.history, folder))


def is_complete(folder: Path) -> bool:
    """Whether the last checkpoint of a run is that of its last step."""
    checkpoint = load_checkpoint(folder, tensors=False)
    return checkpoint.step >= RunConfig.from_json(checkpoint.config, source=str(folder)).steps


def result_differences(evaluation: Evaluation, facts: Mapping[str, Any]) -> list[str]:
    """What a result of `stars train eval` has otherwise than a measurement says."""
    found: dict[str, Any] = {
        "protocol": facts.get("protocol"),
        "data": f"{facts.get('dataset')}-{facts.get('split')}",
        "weights": facts.get("weights", TEACHER),
        "samplings": facts.get("samplings", 1),
        "crop": facts.get("settings", {}).get("crop"),
    }
    expected: dict[str, Any] = {
        "protocol": evaluation.protocol,
        "data": str(evaluation.part),
        "weights": evaluation.weights,
        "samplings": evaluation.how.samplings if evaluation.of else found["samplings"],
        "crop": evaluation.how.crop,
    }
    settings = facts.get("settings", {})
    if evaluation.recipe is not None and evaluation.protocol in TUNED:
        for section in ("loop", "views", "settings"):
            for name, value in getattr(evaluation.recipe, section).items():
                expected[name], found[name] = value, settings.get(section, {}).get(name)
    elif evaluation.protocol == "linear":
        own = {k: v for k, v in evaluation.flags.items() if k in settings}
        for name, value in {**evaluation.how.linear, **own}.items():
            expected[name], found[name] = value, settings.get(name)
    return [_differ(name, expected[name], found[name]) for name in expected
            if expected[name] != found[name]]  # fmt: skip


def read_result(path: Path) -> dict[str, Any]:
    """The JSON of a result.

    Raises:
        StarsError: If it cannot be read.
    """
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(facts, dict):
            raise TypeError(f"a {type(facts).__name__}")
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise StarsError(
            f"{path}: no readable result ({brief(error)}); remove it to measure again"
        ) from (error)
    return facts


def _differing(
    training: Training, values: dict[str, Any], history: Mapping[str, Any], source: Path
) -> Iterator[str]:
    config = RunConfig.from_json(values, source=str(source))
    part = _part_of(config, history)
    if part != str(training.part):
        yield _differ("data", training.part, part)
    changed = training.recipe.differences(config)
    for name, (expected, found) in changed.items():
        yield _differ(name, expected, found)
    expected, found = training.config.views.absent_bodies, config.views.absent_bodies
    if expected != found and "method" not in changed:
        yield _differ("absent_bodies", expected, found)
    if asdict(training.config.encoder) != asdict(config.encoder) and not changed:
        yield _differ("network", training.config.encoder.in_words(), config.encoder.in_words())
    before = history.get("start")
    if (before is None) != (training.start is None):
        yield _differ("start", training.start and training.start.title,
                      before and before["config"]["method"])  # fmt: skip
    elif training.start is not None and before is not None:
        for line in _differing(training.start, before["config"], before, source):
            yield f"the run it starts from: {line}"
        steps = RunConfig.from_json(before["config"], source=str(source)).steps
        if before["step"] != steps:
            yield _differ("step of the run it starts from", steps, before["step"])


def _part_of(config: RunConfig, history: Mapping[str, Any]) -> str:
    dataset = history.get("pack", {}).get("dataset", config.data)
    try:
        return str(Part.of(f"{dataset}-{config.split}"))
    except StarsError:
        return f"{dataset}, split {config.split}"


def _differ(name: str, expected: Any, found: Any) -> str:
    return f"{name} {_word(found)} instead of {_word(expected)}"


def _word(value: Any) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
