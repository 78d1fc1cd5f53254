"""Options that the commands of `stars train eval` share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from stars_infer.atomic import check_folder
from stars_infer.cli.output import JsonFlag, QuietFlag
from stars_infer.train.checkpoint import TEACHER
from stars_infer.train.methods.classifier import ClassifierConfig
from stars_infer.train.options import (
    Accelerator,
    Precision,
    TrainingOptions,
    Weights,
    config_flags,
)
from stars_infer.train.protocols.averaging import SCORES
from stars_infer.train.protocols.linear import LinearConfig
from stars_infer.train.protocols.paper_settings import PaperSettings, paper_settings
from stars_infer.train.protocols.pictures import CLASSES
from stars_infer.train.run import LoopConfig
from stars_infer.train.views.config import ViewConfig

Plots = Annotated[
    Path | None,
    typer.Option("--plots", help="Folder for t-SNE and confusion matrix: PNG and one HTML page."),
]
Average = Annotated[
    str,
    typer.Option(
        help="What is averaged over the samplings of a tested clip: scores, as in Skeleton2vec, "
        "or features."
    ),
]
PlotClasses = Annotated[int, typer.Option(help="Actions in the t-SNE plot; more are sampled.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class _EncoderOptions:
    """The encoder that is measured, and how it sees the tested clips."""

    run: Annotated[
        str,
        typer.Argument(help="Run or checkpoint to measure; `random` measures random weights."),
    ]
    split: Annotated[
        str | None,
        typer.Option(help="Split of the pack.", show_default="the run's own, or the only one"),
    ] = None
    paper: Annotated[
        str | None,
        typer.Option(
            "--paper",
            help="Measure as a paper or its code does: stars, mamp-code, skeleton2vec, skeattnclr "
            "or skeattnclr-code. That sets crop, samplings, linear classifier and recipe; flags "
            "win.",
            show_default="center crops once",
        ),
    ] = None
    crop: Annotated[
        float | None,
        typer.Option(
            help="Share of a tested clip kept, from its middle; MAMP's code has 0.95.",
            show_default="the paper's, or 0.9",
        ),
    ] = None
    samplings: Annotated[
        int | None,
        typer.Option(
            help="Uniform samplings of a tested clip; Skeleton2vec has 10.",
            show_default="the paper's, or 1",
        ),
    ] = None
    weights: Weights = TEACHER

    @property
    def how(self) -> PaperSettings:
        """How a paper measures, or this package, with the flags that are given.

        Raises:
            UsageError: If there is no such paper.
        """
        return paper_settings(self.paper, crop=self.crop, samplings=self.samplings)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureOptions(_EncoderOptions):
    """The encoder that is measured, and the data; by default, the data it was trained on."""

    data: Annotated[
        Path | None, typer.Option("--data", help="A pack.", show_default="the run's own")
    ] = None
    like: Annotated[
        Path | None,
        typer.Option(help="Run whose shape random weights take.", show_default="the papers' shape"),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenOptions(MeasureOptions):
    """A measurement of frozen features."""

    seed: Annotated[int, typer.Option(help="Of random weights and draws.")] = 0
    accelerator: Accelerator = "auto"
    precision: Precision = "32-true"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferOptions(_EncoderOptions):
    """The encoder that is measured, and data of another data set than its own."""

    data: Annotated[Path, typer.Option("--data", help="A pack of another data set.")]
    like: ClassVar[Path | None] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneOptions(TrainingOptions):
    """A fine-tuning: its recipe, whether it is resumed, and its machines."""

    recipe: Annotated[
        str | None,
        typer.Option(
            "--recipe",
            help="Recipe of a classifier, by name or as a .toml file.",
            show_default="the paper's, or finetune",
        ),
    ] = None
    average: Average = SCORES
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on where an interrupted call with these flags ended."),
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultOptions:
    """What becomes of a result."""

    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of the results.", show_default="RUN/eval")
    ] = None
    plots: Plots = None
    plot_classes: PlotClasses = CLASSES
    json: JsonFlag = False
    quiet: QuietFlag = False

    def __post_init__(self) -> None:
        check_folder(self.out, "--out")
        check_folder(self.plots, "--plots")


LINEAR_FLAGS = config_flags(("Linear classifier", (LinearConfig,)), without=("seed",))
FINETUNE_FLAGS = config_flags(
    ("Classifier", (ClassifierConfig,)),
    ("Optimization", (LoopConfig,)),
    ("Views", (ViewConfig,)),
    without=(
        "classes",
        "precision",
        "frames",
        "local_shortest",
        "local_longest",
        "validate_every",
    ),
)
"""Every setting of a fine-tuning, as an option."""
