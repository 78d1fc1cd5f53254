"""Fine-tuning: the whole encoder learns with labels and classifies the test clips.

STARS, section 4.3. The figure is that of the last epoch. MAMP's public code reports the best epoch
on the test clips, which flatters the figure a little.
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
from stars_infer.train.methods.classifier import Classifier
from stars_infer.train.protocols.averaging import SCORES, classify_samplings
from stars_infer.train.protocols.encoders import MeasuredEncoder
from stars_infer.train.protocols.features import CROP, Track, clip_features, untracked
from stars_infer.train.protocols.paper_settings import FINETUNE
from stars_infer.train.protocols.results import (
    Result,
    Score,
    accuracy,
    confusion_matrix,
    make_result,
)
from stars_infer.train.protocols.task import Task, numbers_of
from stars_infer.train.protocols.validation import make_validation
from stars_infer.train.recipe import Recipe, load_recipe
from stars_infer.train.recorder import Report
from stars_infer.train.run import RunConfig
from stars_infer.train.session import train


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneSettings:
    """How encoders are fine-tuned, independent of the clips.

    Attributes:
        fabric: From `open_fabric`.
        out: Folder of the checkpoints.
        recipe: Recipe of a classifier; by default, that of the papers.
        flags: Single settings that differ from the recipe, by name.
        resume: Continue from the checkpoint in `out`, if there is one.
        compiled: Run the network through `torch.compile`.
        crop: Share of a test clip that the center crop keeps.
        average: What is averaged over the samplings of a test clip, `scores` or `features`.
        report: Called with the metrics of each logged step.
        track: Shows the progress of classifying the test clips.
    """

    fabric: Fabric
    out: Path
    recipe: Recipe | None = None
    flags: Mapping[str, Any] | None = None
    resume: bool = False
    compiled: bool = False
    crop: float = CROP
    average: str = SCORES
    report: Report | None = None
    track: Track = untracked


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScores:
    """The classification of the test clips by a fine-tuned encoder.

    Attributes:
        scores: Logits (N, C); minus infinity for actions without a training clip.
        predictions: Predicted class numbers, (N,).
        embedding: Pooled features of the tuned encoder, (N, D).
    """

    scores: FloatArray
    predictions: NDArray[np.intp]
    embedding: FloatArray


class TrainingStoppedError(StarsError):
    """A signal ended a fine-tuning before its last step; its checkpoint is there to resume.

    Attributes:
        step: Number of steps that are done.
    """

    def __init__(self, out: Path, step: int) -> None:
        super().__init__(f"{out}: stopped at step {step:,}")
        self.step = step


def finetune(measured: MeasuredEncoder, task: Task, *, how: FinetuneSettings) -> Result:
    """Fine-tune an encoder on the training part and classify the test part.

    Args:
        measured: The encoder to start from; random weights train from scratch.
        task: Clips to learn from and clips to classify.
        how: Recipe, folder and machine of the fine-tuning.

    Raises:
        UsageError: If there is a checkpoint and `resume` is false, or settings contradict each
            other.
        TrainingStoppedError: If a signal ended the training.
    """
    return finetune_result("finetune", measured, task, how=how)


def finetune_result(
    protocol: str,
    measured: MeasuredEncoder,
    task: Task,
    *,
    how: FinetuneSettings,
    source: str | None = None,
) -> Result:
    """Fine-tune on all labels, for the protocols `finetune` and `transfer`."""
    config = finetune_config(measured, task, task.train, how=how)
    named = finetune_and_classify(measured, task, task.train, config, how.out, how=how)
    labels = task.test_labels
    return make_result(
        protocol,
        measured,
        task,
        scores=(Score(setting="accuracy", accuracy=accuracy(named.predictions, labels)),),
        settings=describe_settings(config, how),
        embedding=named.embedding,
        confusion=confusion_matrix(labels, named.predictions, len(task.classes)),
        predictions={"accuracy": named.predictions},
        class_scores={"accuracy": named.scores},
        source=source,
    )


def finetune_config(
    measured: MeasuredEncoder,
    task: Task,
    shown: Pack,
    *,
    how: FinetuneSettings,
    seed: int | None = None,
) -> RunConfig:
    """Configure a fine-tuning on labeled clips.

    Raises:
        UsageError: If the recipe is not that of a classifier.
    """
    recipe = how.recipe or load_recipe(FINETUNE)
    if recipe.method != Classifier.name:
        raise UsageError(
            f"recipe {recipe.name}: {recipe.method} learns without labels; fine-tuning needs a "
            f"recipe of the method {Classifier.name!r}, as {FINETUNE!r} is"
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


def finetune_and_classify(
    measured: MeasuredEncoder,
    task: Task,
    shown: Pack,
    config: RunConfig,
    out: Path,
    *,
    how: FinetuneSettings,
) -> ClassScores:
    """Train on labeled clips, or resume that, and classify the test clips.

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
        make_validation=make_validation,
    )
    if last.step < config.steps:
        raise TrainingStoppedError(out, last.step)
    return classify_clips(last, config, task, shown, how=how, samplings=measured.samplings)


def classify_clips(
    checkpoint: Checkpoint,
    config: RunConfig,
    task: Task,
    shown: Pack,
    *,
    how: FinetuneSettings,
    samplings: int = 1,
) -> ClassScores:
    """Classify the test clips by a fine-tuned encoder; `shown` are the clips it learned from."""
    classifier = Classifier(config.encoder, config.settings)
    load_weights(classifier, checkpoint.weights, source=str(how.out))
    classifier.to(how.fabric.device).eval()
    shape = config.encoder

    def finish(features: Tensor) -> Tensor:
        """Logits, then pooled features (B, classes + D), of joint features (B, S, V'*D)."""
        joints = features.mean(dim=1).view(len(features), -1, shape.width)
        logits = classify_samplings(classifier.classify, features, how.average)
        return torch.cat((logits, joints.mean(dim=1)), dim=1)

    found = clip_features(
        task.test,
        classifier.joint_features,
        views=config.views,
        fabric=how.fabric,
        crop=how.crop,
        samplings=samplings,
        finish=finish,
        track=how.track,
        what="classifying",
    )
    logits, pooled = np.split(found.cpu().numpy(), [config.settings.classes], axis=1)
    # The classifier numbers the actions it was shown; the task numbers all actions.
    scores = np.full((len(logits), len(task.classes)), -np.inf, np.float32)
    scores[:, np.unique(numbers_of(shown, task.classes))] = logits
    return ClassScores(scores=scores, predictions=scores.argmax(axis=1), embedding=pooled)


def describe_settings(config: RunConfig, how: FinetuneSettings) -> dict[str, Any]:
    """The settings of a fine-tuning that a result keeps."""
    return {
        "crop": how.crop,
        "average": how.average,
        "clips": config.clips,
        "steps": config.steps,
        **{part: asdict(getattr(config, part)) for part in ("loop", "views", "settings")},
    }
