"""Fine-tune: the whole encoder learns with labels, then names the test clips (STARS 4.3).

The figure is that of the last epoch. MAMP's public code reports the best epoch on the test clips
themselves, which flatters a little.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor

from stars_infer.arrays import FloatArray
from stars_infer.errors import StarsError, UsageError
from stars_infer.train.checkpoint import FILE, Checkpoint, load_weights
from stars_infer.train.datasets.pack import Pack
from stars_infer.train.loop import Report
from stars_infer.train.methods.classifier import Classifier
from stars_infer.train.protocols.encoders import MeasuredEncoder
from stars_infer.train.protocols.features import CROP, Track, clip_features, untracked
from stars_infer.train.protocols.results import (
    Result,
    Score,
    accuracy,
    confusion_matrix,
    make_result,
)
from stars_infer.train.protocols.task import Task, numbers_of
from stars_infer.train.recipe import Recipe, load_recipe
from stars_infer.train.run import RunConfig
from stars_infer.train.session import train

RECIPE = "finetune"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """How encoders are fine-tuned, whatever the clips.

    Attributes:
        fabric: From `open_fabric`.
        out: Folder of the checkpoints.
        recipe: Of a classifier; the papers' if not given.
        flags: Single settings that differ from the recipe, by name.
        resume: Go on from the checkpoint in `out`, if there is one.
        compiled: Run the network through `torch.compile`.
        crop: Share of the tested clips kept by the center crop.
        report: Told about each logged step.
        track: Shows progress of naming the test clips.
    """

    fabric: Fabric
    out: Path
    recipe: Recipe | None = None
    flags: Mapping[str, Any] | None = None
    resume: bool = False
    compiled: bool = False
    crop: float = CROP
    report: Report | None = None
    track: Track = untracked


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What a fine-tuned encoder named the test clips.

    Attributes:
        scores: Logits (N, C); minus infinity for actions that it was not shown.
        predictions: Class numbers of the task, (N,).
        embedding: Pooled features of the tuned encoder, (N, D).
    """

    scores: FloatArray
    predictions: NDArray[np.intp]
    embedding: FloatArray


class TrainingStoppedError(StarsError):
    """A signal ended a fine-tuning before its last step; its checkpoint is there to resume.

    Attributes:
        step: Steps done.
    """

    def __init__(self, out: Path, step: int) -> None:
        super().__init__(f"{out}: stopped at step {step:,}")
        self.step = step


def finetune(measured: MeasuredEncoder, task: Task, *, how: Tuning) -> Result:
    """Fine-tune an encoder on the training part and name the test part.

    Args:
        measured: The encoder to start from; random weights train from scratch.
        task: What to learn and to name.
        how: How.

    Raises:
        UsageError: If there is a checkpoint that was not to be resumed, or settings contradict.
        TrainingStoppedError: If a signal ended the training.
    """
    return tuned_result("finetune", measured, task, how=how)


def tuned_result(
    protocol: str, measured: MeasuredEncoder, task: Task, *, how: Tuning, source: str | None = None
) -> Result:
    """The result of fine-tuning on all labels, under the name of a protocol."""
    config = tuning_config(measured, task, task.train, how=how)
    named = tune_and_name(measured, task, task.train, config, how.out, how=how)
    labels = task.test_labels
    return make_result(
        protocol,
        measured,
        task,
        scores=(Score(setting="accuracy", accuracy=accuracy(named.predictions, labels)),),
        settings=settings_of(config, how),
        embedding=named.embedding,
        confusion=confusion_matrix(labels, named.predictions, len(task.classes)),
        predictions={"accuracy": named.predictions},
        class_scores={"accuracy": named.scores},
        source=source,
    )


def tuning_config(
    measured: MeasuredEncoder, task: Task, shown: Pack, *, how: Tuning, seed: int | None = None
) -> RunConfig:
    """The configuration of a fine-tuning on some labeled clips.

    Raises:
        UsageError: If the recipe is not one of a classifier.
    """
    recipe = how.recipe or load_recipe(RECIPE)
    if recipe.method != Classifier.name:
        raise UsageError(
            f"recipe {recipe.name}: {recipe.method} learns without labels; fine-tuning needs a "
            f"recipe of the method {Classifier.name!r}, as {RECIPE!r} is"
        )
    flags = {
        **measured.views.inherited,
        **(how.flags or {}),
        "precision": str(how.fabric.strategy.precision.precision),
        "classes": len({clip.label for clip in shown.clips}),
    }
    if seed is not None:
        flags["seed"] = seed
    return recipe.with_flags(flags).configure(
        data=str(task.folder),
        split=task.split,
        clips=len(shown.clips),
        encoder=measured.shape,
        start_from=measured.run,
    )


def tune_and_name(
    measured: MeasuredEncoder, task: Task, shown: Pack, config: RunConfig, out: Path, *, how: Tuning
) -> Named:
    """Train on some labeled clips, or go on, and name the test clips.

    Raises:
        TrainingStoppedError: If a signal ended the training.
    """
    last = train(
        config,
        shown,
        out,
        fabric=how.fabric,
        resume=how.resume and (out / FILE).exists(),
        start=measured.checkpoint,
        report=how.report,
        compiled=how.compiled,
    )
    if last.step < config.steps:
        raise TrainingStoppedError(out, last.step)
    return name_clips(last, config, task, shown, how=how, samplings=measured.samplings)


def name_clips(
    checkpoint: Checkpoint,
    config: RunConfig,
    task: Task,
    shown: Pack,
    *,
    how: Tuning,
    samplings: int = 1,
) -> Named:
    """Name the test clips by a fine-tuned encoder; `shown` are the clips it has learned from."""
    classifier = Classifier(config.encoder, config.settings)
    load_weights(classifier, checkpoint.weights, source=str(how.out))
    classifier.to(how.fabric.device).eval()
    shape = config.encoder

    def finish(features: Tensor) -> Tensor:
        """Logits and pooled features (B, classes + D) of joint features (B, V'*D)."""
        pooled = features.view(-1, shape.tokens_per_step, shape.width).mean(dim=1)
        return torch.cat((classifier.head(features).float(), pooled), dim=1)

    found = clip_features(
        task.test,
        classifier.joint_features,
        views=config.views,
        fabric=how.fabric,
        crop=how.crop,
        samplings=samplings,
        finish=finish,
        track=how.track,
        what="naming",
    )
    logits, pooled = np.split(found.cpu().numpy(), [config.settings.classes], axis=1)
    # The classifier numbers the actions it has seen; the task numbers all there are.
    scores = np.full((len(logits), len(task.classes)), -np.inf, np.float32)
    scores[:, np.unique(numbers_of(shown, task.classes))] = logits
    return Named(scores=scores, predictions=scores.argmax(axis=1), embedding=pooled)


def settings_of(config: RunConfig, how: Tuning) -> dict[str, Any]:
    """What a result says of its fine-tuning."""
    return {
        "crop": how.crop,
        "clips": config.clips,
        "steps": config.steps,
        **{part: asdict(getattr(config, part)) for part in ("loop", "views", "settings")},
    }
