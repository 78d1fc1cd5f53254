"""`stars train eval`: one command per protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from stars_infer.atomic import refuse_inputs
from stars_infer.cli.options import with_options
from stars_infer.cli.output import JsonFlag, Output, QuietFlag
from stars_infer.train.protocols import fewshot as few
from stars_infer.train.protocols import semi as semi_supervised
from stars_infer.train.protocols.command import finish, measure_finetuned, measure_frozen
from stars_infer.train.protocols.finetune import finetune as tune
from stars_infer.train.protocols.fusion import fuse_results
from stars_infer.train.protocols.knn import knn as nearest
from stars_infer.train.protocols.linear import LinearConfig
from stars_infer.train.protocols.linear import linear as fit
from stars_infer.train.protocols.options import (
    FINETUNE_FLAGS,
    LINEAR_FLAGS,
    FinetuneOptions,
    FrozenOptions,
    MeasureOptions,
    PlotClasses,
    Plots,
    ResultOptions,
    TransferOptions,
)
from stars_infer.train.protocols.pictures import CLASSES
from stars_infer.train.protocols.plots import require_plots
from stars_infer.train.protocols.transfer import transfer as carry_over

app = typer.Typer(
    help="Measure an encoder by the papers' protocols.",
    epilog="Example: stars train eval knn runs/stars --data packs/ntu60 --split xsub",
    no_args_is_help=True,
    add_completion=False,
)


@app.command(epilog="Example: stars train eval knn runs/stars --data packs/ntu60 --split xsub")
@with_options(measure=FrozenOptions, results=ResultOptions)
def knn(
    measure: FrozenOptions,
    results: ResultOptions,
    k: Annotated[
        list[int] | None,
        typer.Option("--k", help="Neighbors that vote; repeatable.", show_default="1 to 40"),
    ] = None,
) -> None:
    """Nearest neighbors of frozen features, by cosine; the first k is the one plotted."""
    measure_frozen(
        lambda measured, task, fabric, track: nearest(
            measured, task, fabric=fabric, ks=k, crop=measure.how.crop, track=track
        ),
        measure,
        results,
    )


@app.command(epilog="Example: stars train eval linear runs/stars --data packs/ntu60 --split xsub")
@with_options(measure=FrozenOptions, results=ResultOptions, flags=LINEAR_FLAGS)
def linear(measure: FrozenOptions, results: ResultOptions, flags: dict[str, Any]) -> None:
    """A linear classifier on frozen features."""
    config = LinearConfig(**{**measure.how.linear, **flags}, seed=measure.seed)
    measure_frozen(
        lambda measured, task, fabric, track: fit(
            measured, task, fabric=fabric, config=config, crop=measure.how.crop, track=track
        ),
        measure,
        results,
    )


@app.command(
    epilog="Example: stars train eval fewshot runs/stars --data packs/ntu120 --split novel"
)
@with_options(measure=FrozenOptions, results=ResultOptions)
def fewshot(
    measure: FrozenOptions,
    results: ResultOptions,
    shots: Annotated[
        list[int] | None,
        typer.Option(help="Examples per action; repeatable.", show_default="1, 2 and 5"),
    ] = None,
    draws: Annotated[int, typer.Option(help="Random draws of examples.")] = few.DRAWS,
) -> None:
    """N examples of each action from the training part, test clips named by their n nearest."""
    measure_frozen(
        lambda measured, task, fabric, track: few.fewshot(
            measured,
            task,
            fabric=fabric,
            shots=shots or few.SHOTS,
            draws=draws,
            seed=measure.seed,
            crop=measure.how.crop,
            track=track,
        ),
        measure,
        results,
    )


@app.command(epilog="Example: stars train eval finetune runs/stars --data packs/ntu60 --split xsub")
@with_options(
    measure=MeasureOptions, training=FinetuneOptions, results=ResultOptions, flags=FINETUNE_FLAGS
)
def finetune(
    measure: MeasureOptions,
    training: FinetuneOptions,
    results: ResultOptions,
    flags: dict[str, Any],
) -> None:
    """The whole encoder and a head learn with all labels.

    Flags change single settings of the recipe; brackets show the value if the recipe is silent.
    """
    measure_finetuned(
        "finetune",
        lambda measured, task, how: tune(measured, task, how=how),
        measure,
        training,
        results,
        flags,
        seed=flags.get("seed", 0),
    )


@app.command(
    epilog="Example: stars train eval semi runs/stars --data packs/ntu60 --split xsub --share 0.01"
)
@with_options(
    measure=MeasureOptions, training=FinetuneOptions, results=ResultOptions, flags=FINETUNE_FLAGS
)
def semi(
    measure: MeasureOptions,
    training: FinetuneOptions,
    results: ResultOptions,
    flags: dict[str, Any],
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
            help="Draw the share of each action, at least one clip; or draw from all clips, as "
            "MAMP's code does.",
        ),
    ] = True,
) -> None:
    """Fine-tuning on a small share of the labels, several times.

    Flags change single settings of the recipe; brackets show the value if the recipe is silent.
    """
    seed = flags.pop("seed", 0)
    measure_finetuned(
        "semi",
        lambda measured, task, how: semi_supervised.semi(
            measured,
            task,
            how=how,
            shares=share or semi_supervised.SHARES,
            runs=runs,
            seed=seed,
            per_action=per_action,
        ),
        measure,
        training,
        results,
        flags,
        seed=seed,
    )


@app.command(epilog="Example: stars train eval transfer runs/stars --data packs/pku2 --split xsub")
@with_options(
    measure=TransferOptions, training=FinetuneOptions, results=ResultOptions, flags=FINETUNE_FLAGS
)
def transfer(
    measure: TransferOptions,
    training: FinetuneOptions,
    results: ResultOptions,
    flags: dict[str, Any],
) -> None:
    """Fine-tuning on another data set than the encoder's own.

    Flags change single settings of the recipe; brackets show the value if the recipe is silent.
    """
    measure_finetuned(
        "transfer",
        lambda measured, task, how: carry_over(measured, task, how=how),
        measure,
        training,
        results,
        flags,
        seed=flags.get("seed", 0),
    )


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
    """The sum of the class scores of several results, such as of joint, motion and bone."""
    if plots is not None:
        require_plots()
    shown = ResultOptions(out=out, plots=plots, plot_classes=plot_classes, json=json, quiet=quiet)
    result = fuse_results(results, weights=weight or ())
    if out is not None:
        refuse_inputs(out / f"{result.name}.json", "--out", results)
    finish(result, Output(json=json, quiet=quiet), shown, folder=out)
