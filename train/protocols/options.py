"""Options that the commands of `stars train eval` share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stars_infer.train.methods.classifier import ClassifierConfig
from stars_infer.train.options import with_flags
from stars_infer.train.run import LoopConfig
from stars_infer.train.views.config import ViewConfig

Run = Annotated[
    str, typer.Argument(help="Run or checkpoint to measure; `random` measures random weights.")
]
Data = Annotated[Path | None, typer.Option("--data", help="A pack.", show_default="the run's own")]
OtherData = Annotated[Path, typer.Option("--data", help="A pack of another data set.")]
Split = Annotated[
    str | None,
    typer.Option(help="Split of the pack.", show_default="the run's own, or the only one"),
]
Crop = Annotated[
    float,
    typer.Option(help="Share of a tested clip kept, from its middle; MAMP's code has 0.95."),
]
Samplings = Annotated[
    int,
    typer.Option(
        help="Uniform samplings of a tested clip whose features are averaged; Skeleton2vec has 10."
    ),
]
Like = Annotated[
    Path | None,
    typer.Option(help="Run whose shape random weights take.", show_default="the papers' shape"),
]
Seed = Annotated[int, typer.Option(help="Of random weights and draws.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", help="Folder of the results.", show_default="RUN/eval"),
]
Plots = Annotated[
    Path | None,
    typer.Option("--plots", help="Folder for t-SNE and confusion matrix: PNG and one HTML page."),
]
PlotClasses = Annotated[int, typer.Option(help="Actions in the t-SNE plot; more are sampled.")]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on where an interrupted call with these flags ended.")
]
RecipeName = Annotated[
    str, typer.Option("--recipe", help="Recipe of a classifier, by name or as a .toml file.")
]
tuning_flags = with_flags(
    (
        ("Classifier", (ClassifierConfig,)),
        ("Optimization", (LoopConfig,)),
        ("Views", (ViewConfig,)),
    ),
    without=(
        "classes",
        "precision",
        "frames",
        "local_shortest",
        "local_longest",
        "validate_every",
    ),
)
"""Every setting of a fine-tuning, as a flag."""
