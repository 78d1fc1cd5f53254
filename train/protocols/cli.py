"""`stars train eval`: one command a protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from stars_infer.atomic import refuse_inputs
from stars_infer.cli.output import JsonFlag, Output, QuietFlag
from stars_infer.train.checkpoint import TEACHER
from stars_infer.train.options import (
    Accelerator,
    Compile,
    Devices,
    Nodes,
    Precision,
    Weights,
    with_flags,
)
from stars_infer.train.protocols import fewshot as few
from stars_infer.train.protocols import semi as semi_supervised
from stars_infer.train.protocols.command import finish, opened, tuning
from stars_infer.train.protocols.features import CROP
from stars_infer.train.protocols.finetune import RECIPE
from stars_infer.train.protocols.finetune import finetune as tune
from stars_infer.train.protocols.fusion import fused
from stars_infer.train.protocols.knn import knn as nearest
from stars_infer.train.protocols.linear import LinearConfig
from stars_infer.train.protocols.linear import linear as fit
from stars_infer.train.protocols.options import (
    Crop,
    Data,
    Like,
    OtherData,
    Out,
    PlotClasses,
    Plots,
    RecipeName,
    Resume,
    Run,
    Samplings,
    Seed,
    Split,
    tuning_flags,
)
from stars_infer.train.protocols.plots import CLASSES, require_plots
from stars_infer.train.protocols.transfer import transfer as carry_over
from stars_infer.train.session import open_fabric

app = typer.Typer(
    help="Measure an encoder by the papers' protocols.",
    no_args_is_help=True,
    add_completion=False,
)


@app.command(epilog="Example: stars train eval knn runs/stars --data packs/ntu60 --split xsub")
def knn(
    run: Run,
    data: Data = None,
    split: Split = None,
    k: Annotated[
        list[int] | None,
        typer.Option("--k", help="Neighbors that vote; repeatable.", show_default="1 to 40"),
    ] = None,
    crop: Crop = CROP,
    samplings: Samplings = 1,
    weights: Weights = TEACHER,
    like: Like = None,
    seed: Seed = 0,
    out: Out = None,
    plots: Plots = None,
    plot_classes: PlotClasses = CLASSES,
    accelerator: Accelerator = "auto",
    precision: Precision = "32-true",
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Nearest neighbors of frozen features, by cosine; the first k is the one plotted."""
    output = Output(json=json, quiet=quiet)
    measured, task = opened(
        run, data, split, like, seed, plots, weights=weights, samplings=samplings
    )
    fabric = open_fabric(accelerator, 1, precision)
    result = nearest(measured, task, fabric=fabric, ks=k, crop=crop, track=output.progress)
    finish(result, output, out or measured.results, plots, plot_classes)


@app.command(epilog="Example: stars train eval linear runs/stars --data packs/ntu60 --split xsub")
@with_flags((("Linear classifier", (LinearConfig,)),), without=("seed",))
def linear(
    run: Run,
    flags: dict[str, Any],
    data: Data = None,
    split: Split = None,
    crop: Crop = CROP,
    samplings: Samplings = 1,
    weights: Weights = TEACHER,
    like: Like = None,
    seed: Seed = 0,
    out: Out = None,
    plots: Plots = None,
    plot_classes: PlotClasses = CLASSES,
    accelerator: Accelerator = "auto",
    precision: Precision = "32-true",
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """A linear classifier on frozen features."""
    output = Output(json=json, quiet=quiet)
    config = LinearConfig(**flags, seed=seed)
    measured, task = opened(
        run, data, split, like, seed, plots, weights=weights, samplings=samplings
    )
    fabric = open_fabric(accelerator, 1, precision)
    result = fit(measured, task, fabric=fabric, config=config, crop=crop, track=output.progress)
    finish(result, output, out or measured.results, plots, plot_classes)


@app.command(
    epilog="Example: stars train eval fewshot runs/stars --data packs/ntu120 --split novel"
)
def fewshot(
    run: Run,
    data: Data = None,
    split: Split = None,
    shots: Annotated[
        list[int] | None,
        typer.Option(help="Exemplars per action; repeatable.", show_default="1, 2 and 5"),
    ] = None,
    draws: Annotated[int, typer.Option(help="Random draws of exemplars.")] = few.DRAWS,
    crop: Crop = CROP,
    samplings: Samplings = 1,
    weights: Weights = TEACHER,
    like: Like = None,
    seed: Seed = 0,
    out: Out = None,
    plots: Plots = None,
    plot_classes: PlotClasses = CLASSES,
    accelerator: Accelerator = "auto",
    precision: Precision = "32-true",
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """N exemplars of each action from the training part, test clips named by their n nearest."""
    output = Output(json=json, quiet=quiet)
    measured, task = opened(
        run, data, split, like, seed, plots, weights=weights, samplings=samplings
    )
    fabric = open_fabric(accelerator, 1, precision)
    result = few.fewshot(
        measured,
        task,
        fabric=fabric,
        shots=shots or few.SHOTS,
        draws=draws,
        seed=seed,
        crop=crop,
        track=output.progress,
    )
    finish(result, output, out or measured.results, plots, plot_classes)


@app.command(epilog="Example: stars train eval finetune runs/stars --data packs/ntu60 --split xsub")
@tuning_flags
def finetune(
    run: Run,
    flags: dict[str, Any],
    data: Data = None,
    split: Split = None,
    recipe: RecipeName = RECIPE,
    crop: Crop = CROP,
    samplings: Samplings = 1,
    weights: Weights = TEACHER,
    like: Like = None,
    out: Out = None,
    resume: Resume = False,
    plots: Plots = None,
    plot_classes: PlotClasses = CLASSES,
    precision: Precision = "auto",
    accelerator: Accelerator = "auto",
    devices: Devices = 1,
    nodes: Nodes = 1,
    compiled: Compile = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """The whole encoder and a head learn with all labels.

    Flags change single settings of the recipe; in brackets, what a recipe that is silent means.
    """
    output = Output(json=json, quiet=quiet)
    measured, task = opened(
        run, data, split, like, flags.get("seed", 0), plots, weights=weights, samplings=samplings
    )
    results, fabric = (
        out or measured.results,
        open_fabric(accelerator, devices, precision, nodes),
    )
    with tuning(
        "finetune", task, results, fabric, output, recipe, flags, crop, resume, compiled
    ) as how:
        result = tune(measured, task, how=how)
    finish(result, output, results, plots, plot_classes, fabric)


@app.command(
    epilog="Example: stars train eval semi runs/stars --data packs/ntu60 --split xsub --share 0.01"
)
@tuning_flags
def semi(
    run: Run,
    flags: dict[str, Any],
    data: Data = None,
    split: Split = None,
    share: Annotated[
        list[float] | None,
        typer.Option(
            help="Share of the labels that are known; repeatable.", show_default="0.01 and 0.1"
        ),
    ] = None,
    runs: Annotated[int, typer.Option(help="Draws of labels.")] = semi_supervised.RUNS,
    per_action: Annotated[
        bool,
        typer.Option(
            "--per-action/--any-action",
            help="Draw the share of each action, at least one clip; or of all clips alike, as "
            "MAMP's code.",
        ),
    ] = True,
    recipe: RecipeName = RECIPE,
    crop: Crop = CROP,
    samplings: Samplings = 1,
    weights: Weights = TEACHER,
    like: Like = None,
    out: Out = None,
    resume: Resume = False,
    plots: Plots = None,
    plot_classes: PlotClasses = CLASSES,
    precision: Precision = "auto",
    accelerator: Accelerator = "auto",
    devices: Devices = 1,
    nodes: Nodes = 1,
    compiled: Compile = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Fine-tuning on a small share of the labels, several times.

    Flags change single settings of the recipe; in brackets, what a recipe that is silent means.
    """
    output = Output(json=json, quiet=quiet)
    seed = flags.pop("seed", 0)
    measured, task = opened(
        run, data, split, like, seed, plots, weights=weights, samplings=samplings
    )
    results, fabric = (
        out or measured.results,
        open_fabric(accelerator, devices, precision, nodes),
    )
    with tuning(
        "semi", task, results, fabric, output, recipe, flags, crop, resume, compiled
    ) as how:
        result = semi_supervised.semi(
            measured,
            task,
            how=how,
            shares=share or semi_supervised.SHARES,
            runs=runs,
            seed=seed,
            per_action=per_action,
        )
    finish(result, output, results, plots, plot_classes, fabric)


@app.command(epilog="Example: stars train eval transfer runs/stars --data packs/pku2 --split xsub")
@tuning_flags
def transfer(
    run: Run,
    data: OtherData,
    flags: dict[str, Any],
    split: Split = None,
    recipe: RecipeName = RECIPE,
    crop: Crop = CROP,
    samplings: Samplings = 1,
    weights: Weights = TEACHER,
    out: Out = None,
    resume: Resume = False,
    plots: Plots = None,
    plot_classes: PlotClasses = CLASSES,
    precision: Precision = "auto",
    accelerator: Accelerator = "auto",
    devices: Devices = 1,
    nodes: Nodes = 1,
    compiled: Compile = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Fine-tuning on another data set than the encoder's own.

    Flags change single settings of the recipe; in brackets, what a recipe that is silent means.
    """
    output = Output(json=json, quiet=quiet)
    measured, task = opened(
        run, data, split, None, flags.get("seed", 0), plots, weights=weights, samplings=samplings
    )
    results, fabric = (
        out or measured.results,
        open_fabric(accelerator, devices, precision, nodes),
    )
    with tuning(
        "transfer", task, results, fabric, output, recipe, flags, crop, resume, compiled
    ) as how:
        result = carry_over(measured, task, how=how)
    finish(result, output, results, plots, plot_classes, fabric)


@app.command(
    epilog="Example: stars train eval fuse runs/joint/eval/linear-ntu60-xsub.json "
    "runs/motion/eval/linear-ntu60-xsub.json runs/bone/eval/linear-ntu60-xsub.json"
)
def fuse(
    results: Annotated[
        list[Path],
        typer.Argument(help="Results (.json) of one protocol on the same clips, two or more."),
    ],
    weight: Annotated[
        list[float] | None,
        typer.Option(help="Of a result's scores; one for each, in order.", show_default="1 each"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder of the result.", show_default="not written"),
    ] = None,
    plots: Plots = None,
    plot_classes: PlotClasses = CLASSES,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """The summed class scores of several results, as of the streams joint, motion and bone."""
    if plots is not None:
        require_plots()
    result = fused(results, weights=weight or ())
    if out is not None:
        refuse_inputs(out / f"{result.name}.json", "--out", results)
    finish(result, Output(json=json, quiet=quiet), out, plots, plot_classes)
