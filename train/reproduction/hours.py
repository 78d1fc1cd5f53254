"""Hours of a run on one H200: its steps times their clips, by the rates of `speed.toml`.

These are estimates: no rate is measured. Reading, checkpoints and starting are not counted.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

from stars_infer.train.networks.encoder_config import EncoderConfig
from stars_infer.train.protocols.linear import LinearConfig
from stars_infer.train.protocols.semi import RUNS, SHARES
from stars_infer.train.reproduction.runs import TUNED, Evaluation, Fusion, Node, Training
from stars_infer.train.run import LoopConfig
from stars_infer.train.tables.table import Part


def hours_of(node: Node) -> float:
    """Estimated hours of a run alone, without what it needs."""
    if isinstance(node, Fusion):
        return 0.0
    if isinstance(node, Training):
        return _training(node) / 3600
    return _evaluation(node) / 3600


def clips_of(part: Part) -> tuple[int, int]:
    """Clips of the train and of the test part of an official split."""
    train, test = _speeds()["clips"][str(part)]
    return train, test


def _training(training: Training) -> float:
    loop = training.config.loop
    train, test = clips_of(training.part)
    seconds = _seen(loop, train) / _rate(training)
    if training.validate:
        seconds += loop.epochs / training.validate * (train + test) / _encoding(training)
    return seconds


def _evaluation(evaluation: Evaluation) -> float:
    train, test = clips_of(evaluation.part)
    trained = evaluation.trained
    encoding = _encoding(trained)
    tested = test * evaluation.how.samplings / encoding
    if evaluation.recipe is not None and evaluation.protocol in TUNED:
        network = _shape(trained).network
        seen = _seen(LoopConfig(**evaluation.recipe.loop), train) / _speeds()["finetune"][network]
        if evaluation.protocol != "semi":
            return float(seen + tested)
        shares = evaluation.flags.get("share", SHARES)
        runs = evaluation.flags.get("runs", RUNS)
        return float(runs * (sum(shares) * seen + len(shares) * tested))
    if evaluation.protocol == "linear":
        own = {k: v for k, v in evaluation.flags.items() if k in LinearConfig.__slots__}
        config = LinearConfig(**{**evaluation.how.linear, **own})
        return max(1, min(config.crops, config.epochs)) * train / encoding + tested
    return train * evaluation.how.samplings / encoding + tested


def _seen(loop: LoopConfig, clips: int) -> float:
    """Clips of all steps of a run."""
    return loop.steps * loop.batch if loop.steps else loop.epochs * clips


def _rate(training: Training) -> float:
    """Clips a second of a training; the baseline of SkeAttnCLR has four of its seven passes."""
    method, rates = training.config.method, _speeds()["train"]
    name = method if method in rates else f"{method}-{training.config.encoder.network}"
    local = getattr(training.config.settings, "local", True)
    views = 1 + getattr(training.config.settings, "local_views", 0) / 2
    return float(rates[name]) * (1.0 if local else 7 / 4) / views


def _encoding(training: Training | None) -> float:
    return float(_speeds()["encode"][_shape(training).network])


def _shape(training: Training | None) -> EncoderConfig:
    return EncoderConfig() if training is None else training.config.encoder


@cache
def _speeds() -> dict[str, Any]:
    text = (files("stars_infer.train") / "tables" / "speed.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
