"""`stars train`: both stages from the shell, by recipes and flags."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import typer
from lightning_fabric import Fabric

from stars_infer.cli.output import JsonFlag, Output, QuietFlag
from stars_infer.errors import UsageError
from stars_infer.train.checkpoint import FILE, TEACHER, Checkpoint, load_checkpoint
from stars_infer.train.datasets.pack import Pack
from stars_infer.train.datasets.sources import open_training_data
from stars_infer.train.loop import Progress
from stars_infer.train.methods import METHODS
from stars_infer.train.methods.method import PRETRAIN, STAGES, TUNE
from stars_infer.train.networks.encoder import EncoderConfig
from stars_infer.train.options import (
    Accelerator,
    Compile,
    Devices,
    Nodes,
    Precision,
    Weights,
    with_flags,
)
from stars_infer.train.protocols.cli import app as protocols_app
from stars_infer.train.protocols.validation import make_validation
from stars_infer.train.recipe import Recipe, load_recipe, recipe_names
from stars_infer.train.reproduce import TARGETS, Recipes, Sources, plan, write_report
from stars_infer.train.reproduce import reproduce as run_steps
from stars_infer.train.run import LoopConfig, RunConfig
from stars_infer.train.session import open_fabric, train
from stars_infer.train.views.config import ViewConfig

app = typer.Typer(
    help="Train an encoder: stage 1 (pretrain), then stage 2 (tune).",
    no_args_is_help=True,
    add_completion=False,
)

app.add_typer(protocols_app, name="eval")

Data = Annotated[Path, typer.Argument(help="A pack, or a folder of clips.")]
Out = Annotated[Path, typer.Option("--out", help="Folder of the run: checkpoint and log.")]
Split = Annotated[
    str | None,
    typer.Option(help="Split of the pack to train on.", show_default="all clips"),
]
Layout = Annotated[
    str | None, typer.Option(help="Joint layout of the clips in a folder.", show_default="ntu25")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on from the checkpoint in --out, with the same flags.")
]
_COMMON = (("Optimization", (LoopConfig,)), ("Views", (ViewConfig,)))


def _methods(stage: str) -> tuple[str, tuple[type[Any], ...]]:
    kinds = (method.config_class for method in METHODS.values() if method.stage == stage)
    return "Method", tuple(kinds)


@app.command(epilog="Example: stars train pretrain pack/ --out runs/mamp --epochs 400")
@with_flags(
    (_methods(PRETRAIN), ("Network", (EncoderConfig,)), *_COMMON), without=("precision", "joints")
)
def pretrain(
    data: Data,
    out: Out,
    flags: dict[str, Any],
    start_from: Annotated[
        Path | None,
        typer.Option(
            "--from", help="Train on from the weights of this run, with a schedule of its own."
        ),
    ] = None,
    recipe: Annotated[
        str, typer.Option(help="Name of a recipe (see `stars train recipes`), or a .toml file.")
    ] = "mamp",
    split: Split = None,
    layout: Layout = None,
    resume: Resume = False,
    precision: Precision = "auto",
    accelerator: Accelerator = "auto",
    devices: Devices = 1,
    nodes: Nodes = 1,
    compiled: Compile = None,
    quiet: QuietFlag = False,
) -> None:
    """Stage 1: train an encoder without labels; by default MAMP, masked motion prediction.

    Flags change single settings of the recipe; in brackets, what a recipe that is silent means.
    """
    chosen = _recipe(recipe, PRETRAIN)
    start = None if start_from is None else load_checkpoint(start_from)
    before = None if start is None else RunConfig.from_json(start.config, source=str(start_from))
    fabric = open_fabric(accelerator, devices, precision, nodes)
    output = _voice(fabric, quiet)
    pack = _open(data, layout, split, output)
    inherited = {} if before is None else before.views.inherited
    config = chosen.with_flags({**inherited, **flags, "precision": _precision(fabric)}).configure(
        data=str(data),
        split=split,
        clips=len(pack.clips),
        encoder=None if before is None else before.encoder,
        start_from=None if start_from is None else str(start_from),
    )
    _train(config, pack, out, fabric, output, resume=resume, start=start, compiled=compiled)


@app.command(epilog="Example: stars train tune pack/ --from runs/mamp --out runs/stars")
@with_flags((_methods(TUNE), *_COMMON), without=("precision", "frames"))
def tune(
    data: Data,
    out: Out,
    start_from: Annotated[
        Path, typer.Option("--from", help="Run or checkpoint whose encoder is tuned.")
    ],
    flags: dict[str, Any],
    weights: Weights = TEACHER,
    recipe: Annotated[
        str, typer.Option(help="Name of a recipe (see `stars train recipes`), or a .toml file.")
    ] = "stars",
    split: Split = None,
    layout: Layout = None,
    resume: Resume = False,
    precision: Precision = "auto",
    accelerator: Accelerator = "auto",
    devices: Devices = 1,
    nodes: Nodes = 1,
    compiled: Compile = None,
    quiet: QuietFlag = False,
) -> None:
    """Stage 2: tune a pretrained encoder; by default STARS, nearest-neighbor contrast.

    Flags change single settings of the recipe; in brackets, what a recipe that is silent means.
    """
    chosen = _recipe(recipe, TUNE)
    start = load_checkpoint(start_from).with_weights(weights, source=str(start_from))
    before = RunConfig.from_json(start.config, source=str(start_from))
    fabric = open_fabric(accelerator, devices, precision, nodes)
    output = _voice(fabric, quiet)
    pack = _open(data, layout, split, output)
    inherited = {**before.views.inherited, "precision": _precision(fabric)}
    config = chosen.with_flags({**inherited, **flags}).configure(
        data=str(data),
        split=split,
        clips=len(pack.clips),
        encoder=before.encoder,
        start_from=str(start_from),
    )
    _train(config, pack, out, fabric, output, resume=resume, start=start, compiled=compiled)


@app.command(epilog="Example: stars train recipes")
def recipes(
    name: Annotated[str | None, typer.Argument(help="Show what one says of itself.")] = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """List the papers' recipes."""
    output = Output(json=json, quiet=quiet)
    found = [load_recipe(each) for each in ([name] if name else recipe_names())]
    found.sort(key=lambda recipe: (STAGES.index(recipe.stage), recipe.name))
    if json:
        for each in found:
            about = {"recipe": each.name, "stage": each.stage, "method": each.method}
            output.record({**about, "about": each.about})
    elif name:
        typer.echo(found[0].about)
    else:
        rows = [
            (each.name, each.stage, each.method, each.about.partition("\n")[0]) for each in found
        ]
        output.table(("recipe", "stage", "method", "what"), rows)


@app.command(
    epilog="Example: stars train reproduce ntu60-xsub --raw nturgb+d_skeletons/ --out ntu60"
)
def reproduce(
    target: Annotated[str, typer.Argument(help=f"One of {', '.join(TARGETS)}.")],
    raw: Annotated[Path, typer.Option(help="The data set as it was downloaded.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of packs, runs and report.")],
    ntu120: Annotated[
        Path | None, typer.Option(help="Raw NTU-120, for the few-shot protocol.")
    ] = None,
    pku2: Annotated[
        Path | None, typer.Option(help="Raw PKU-MMD II, for the transfer protocol.")
    ] = None,
    pretrain_recipe: Annotated[
        str | None, typer.Option(help="For stage 1.", show_default="the papers'")
    ] = None,
    tune_recipe: Annotated[
        str | None, typer.Option(help="For stage 2.", show_default="the papers'")
    ] = None,
    finetune_recipe: Annotated[
        str | None, typer.Option(help="For fine-tuning.", show_default="the papers'")
    ] = None,
    accelerator: Accelerator = "auto",
    devices: Devices = 1,
    nodes: Nodes = 1,
    quiet: QuietFlag = False,
) -> None:
    """Prepare, both stages, all protocols, one report; called again, it goes on."""
    output = Output(quiet=quiet)
    steps = plan(
        target,
        Sources(raw=raw, ntu120=ntu120, pku2=pku2),
        out,
        recipes=Recipes(pretrain=pretrain_recipe, tune=tune_recipe, finetune=finetune_recipe),
        machine=("--accelerator", accelerator, "--devices", str(devices), "--nodes", str(nodes)),
    )
    run_steps(steps, say=output.note)
    report = write_report(target, out)
    output.note(f"{report}:")
    typer.echo(report.read_text(encoding="utf-8"), nl=False)


def _recipe(name: str, stage: str) -> Recipe:
    recipe = load_recipe(name)
    if recipe.stage != stage:
        raise UsageError(
            f"recipe {recipe.name}: {recipe.method} is no method to {stage} with; "
            f"run it with `stars train {recipe.stage}`"
        )
    return recipe


def _voice(fabric: Fabric, quiet: bool) -> Output:
    """Of several processes, the first speaks."""
    return Output(quiet=quiet or not fabric.is_global_zero)


def _open(data: Path, layout: str | None, split: str | None, output: Output) -> Pack:
    pack = open_training_data(data, layout=layout, skip=output.failure)
    if split is not None:
        pack = pack.part(split, "train")
    frames = sum(clip.frames for clip in pack.clips)
    output.note(f"{len(pack.clips):,} clips, {frames:,} frames in {data}")
    return pack


def _precision(fabric: Fabric) -> str:
    return str(fabric.strategy.precision.precision)


def _train(
    config: RunConfig,
    pack: Pack,
    out: Path,
    fabric: Fabric,
    output: Output,
    *,
    resume: bool,
    start: Checkpoint | None,
    compiled: bool | None,
) -> None:
    """Train with a progress bar, and say how it ended."""
    output.note(
        f"{config.method}: {config.steps:,} steps of {config.loop.batch} clips, "
        f"{config.loop.precision} on {fabric.world_size} x {fabric.device.type}"
    )
    columns = ("loss {task.fields[loss]:.4f}", "{task.fields[rate]:.1f} clips/s")
    with output.bar(*columns) as bar:
        task = bar.add_task(config.method, total=config.steps, loss=math.nan, rate=0.0)

        def report(progress: Progress) -> None:
            bar.update(
                task,
                completed=progress.step,
                loss=progress.loss,
                rate=progress.clips_per_second,
            )

        last = train(
            config,
            pack,
            out,
            fabric=fabric,
            resume=resume,
            start=start,
            report=report,
            compiled=fabric.device.type == "cuda" if compiled is None else compiled,
            make_validation=make_validation,
        )
    if last.step < config.steps:
        output.note(f"stopped at step {last.step:,}; the same command with --resume goes on")
        raise typer.Exit(130)
    output.note(f"{out / FILE}: {last.step:,} steps in {last.history['seconds'] / 60:.1f} minutes")
