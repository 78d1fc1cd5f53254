"""`stars train`: pretraining and tuning from the shell, by recipes and flags."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from lightning_fabric import Fabric

from stars_infer.atomic import check_folder
from stars_infer.cli.options import with_options
from stars_infer.cli.output import JsonFlag, Output, QuietFlag
from stars_infer.errors import UsageError
from stars_infer.train.checkpoint import FILE, TEACHER, Checkpoint
from stars_infer.train.datasets.pack import Pack
from stars_infer.train.datasets.sources import open_training_data
from stars_infer.train.exported import load_start
from stars_infer.train.forecast import Forecast
from stars_infer.train.methods import METHODS
from stars_infer.train.methods.method import PRETRAIN, STAGES, TUNE
from stars_infer.train.networks.encoder import EncoderConfig
from stars_infer.train.options import TrainingOptions, Weights, config_flags
from stars_infer.train.pools.pool import FACTS, SENSOR, Pool, PoolConfig, make_pool
from stars_infer.train.protocols.cli import app as protocols_app
from stars_infer.train.protocols.validation import make_validation
from stars_infer.train.recipe import Recipe, load_recipe, recipe_names
from stars_infer.train.recorder import StepMetrics
from stars_infer.train.reproduction.cli import register
from stars_infer.train.run import LoopConfig, RunConfig
from stars_infer.train.session import train
from stars_infer.train.trackers import check_names
from stars_infer.train.views.config import ViewConfig

app = typer.Typer(
    help="Train an encoder: stage 1 (pretrain), then stage 2 (tune).",
    epilog="Example: stars train pretrain pack/ --out runs/mamp",
    no_args_is_help=True,
    add_completion=False,
)

app.add_typer(protocols_app, name="eval")
register(app)

RecipeName = Annotated[
    str, typer.Option(help="Name of a recipe (see `stars train recipes`), or a .toml file.")
]
_COMMON = (("Optimization", (LoopConfig,)), ("Views", (ViewConfig,)))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions(TrainingOptions):
    """The clips of a run, its folder and its machines."""

    data: Annotated[Path, typer.Argument(help="A pack, or a folder of clips.")]
    out: Annotated[Path, typer.Option("--out", help="Folder of the run: checkpoint and log.")]
    split: Annotated[
        str | None,
        typer.Option(help="Split of the pack to train on.", show_default="all clips"),
    ] = None
    layout: Annotated[
        str | None,
        typer.Option(help="Joint layout of the clips in a folder.", show_default="ntu25"),
    ] = None
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on from the checkpoint in --out, with the same flags."),
    ] = False
    log: Annotated[
        list[str] | None,
        typer.Option(
            help="Show the run in tensorboard, wandb or mlflow, besides log.jsonl; wandb sends it "
            "to its server. May be repeated.",
            show_default=False,
        ),
    ] = None
    quiet: QuietFlag = False

    def __post_init__(self) -> None:
        check_folder(self.out, "--out")


def _methods(stage: str) -> tuple[str, tuple[type[Any], ...]]:
    kinds = (method.config_class for method in METHODS.values() if method.stage == stage)
    return "Method", tuple(kinds)


@app.command(epilog="Example: stars train pretrain pack/ --out runs/mamp --epochs 400")
@with_options(
    run=RunOptions,
    flags=config_flags(
        _methods(PRETRAIN),
        ("Network", (EncoderConfig,)),
        *_COMMON,
        without=("precision", "joints"),
    ),
)
def pretrain(
    run: RunOptions,
    flags: dict[str, Any],
    start_from: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Train on from the weights of this run or model, with a schedule of its own.",
        ),
    ] = None,
    recipe: RecipeName = "mamp",
) -> None:
    """Stage 1: train an encoder without labels; by default MAMP, masked motion prediction.

    Flags change single settings of the recipe; brackets show the value if the recipe is silent.
    """
    _run_stage(PRETRAIN, run, recipe, flags, start_from=start_from)


@app.command(epilog="Example: stars train tune pack/ --from runs/mamp --out runs/stars")
@with_options(
    run=RunOptions,
    flags=config_flags(_methods(TUNE), *_COMMON, without=("precision", "frames")),
)
def tune(
    run: RunOptions,
    start_from: Annotated[
        Path,
        typer.Option(
            "--from",
            help="Run, checkpoint or model directory whose encoder is tuned, or the name of a "
            "shipped model.",
        ),
    ],
    flags: dict[str, Any],
    weights: Weights = TEACHER,
    recipe: RecipeName = "stars",
    parts: Annotated[
        int | None,
        typer.Option(
            help="Parts of a clip that the last layer tells apart; it has to learn what they mean.",
            show_default="those of --from",
        ),
    ] = None,
) -> None:
    """Stage 2: tune a pretrained encoder; by default STARS, nearest-neighbor contrast.

    Flags change single settings of the recipe; brackets show the value if the recipe is silent.
    """
    _run_stage(TUNE, run, recipe, flags, start_from=start_from, weights=weights, parts=parts)


@app.command("pool", epilog="Example: stars train pool packs/mocap --out pools/mocap --clips 65536")
@with_options(flags=config_flags(("Views", (ViewConfig,)), without=("frames", "uniform_sampling")))
def make_pool_of(
    pack: Annotated[Path, typer.Argument(help="Folder of a pack.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the pool.")],
    flags: dict[str, Any],
    clips: Annotated[int, typer.Option(help="Clips of the pool; more can be added later.")] = 65536,
    split: Annotated[
        str | None, typer.Option(help="Split whose train part is used.", show_default="all clips")
    ] = None,
    width: Annotated[int, typer.Option(help="Numbers of a vector.")] = 256,
    landmarks: Annotated[
        int, typer.Option(help="Clips by whose similarity the vectors are made.")
    ] = 1024,
    borrowed: Annotated[
        float, typer.Option(help="Probability that a clip borrows limbs of another one.")
    ] = 0.4,
    seed: Annotated[int, typer.Option(help="Seed of all random numbers.")] = 0,
    workers: Annotated[int, typer.Option(help="Processes.")] = 1,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Make clips, as imperfect sensors see them, and the vectors that stage 3 teaches.

    Killed, it goes on where it stopped. Brackets show the value of views in a pack; a pool has
    values of its own, those of a depth camera.
    """
    output = Output(json=json, quiet=quiet)
    check_folder(out, "--out")
    config = PoolConfig(
        pack=str(pack),
        split=split,
        width=width,
        landmarks=landmarks,
        borrowed=borrowed,
        seed=seed,
        views=replace(SENSOR, **flags),
    )
    done = 0
    so_far = f"what is done of {out} is kept"
    with output.goes_on(lambda: so_far), output.bar() as bar:
        task = bar.add_task("landmarks", total=None)
        for done, total in make_pool(config, out, clips=clips, workers=workers):
            bar.update(task, description="clips", completed=done, total=total)
    if json:
        output.record({"pool": str(out), "clips": done})
    else:
        output.table(("pool", "clips"), [(out, done)])
    output.finish()


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


def _run_stage(
    stage: str,
    run: RunOptions,
    recipe: str,
    flags: dict[str, Any],
    *,
    start_from: Path | None,
    weights: str = TEACHER,
    parts: int | None = None,
) -> None:
    """Configure a run by recipe, flags and the run it starts from, and train it."""
    chosen = _load_recipe(recipe, stage)
    check_names(run.log or ())
    start = before = None
    if start_from is not None:
        start = load_start(start_from).with_weights(weights, source=str(start_from))
        before = RunConfig.from_json(start.config, source=str(start_from))
    fabric = run.open_fabric()
    output = Output(quiet=run.quiet or not fabric.is_global_zero)  # only the first process speaks
    if start is not None and "license" in start.history:
        output.note(f"weights of {start_from}: license {start.history['license']}")
    pack = _open_data(run, output)
    inherited = {} if before is None else before.views.inherited
    if isinstance(pack, Pool):
        inherited = pack.views.inherited
    encoder = None if before is None else before.encoder
    if encoder is not None and parts is not None:
        encoder = replace(encoder, parts=parts)
    precision = str(fabric.strategy.precision.precision)
    config = chosen.with_flags({**inherited, **flags, "precision": precision}).configure(
        data=str(run.data),
        split=run.split,
        clips=len(pack.clips),
        encoder=encoder,
        start_from=None if start_from is None else str(start_from),
    )
    _train(config, pack, run, fabric, output, start=start)


def _load_recipe(name: str, stage: str) -> Recipe:
    recipe = load_recipe(name)
    if recipe.stage != stage:
        raise UsageError(
            f"recipe {recipe.name}: {recipe.method} is no method to {stage} with; "
            f"run it with `stars train {recipe.stage}`"
        )
    return recipe


def _open_data(run: RunOptions, output: Output) -> Pack | Pool:
    """Open a pool, a pack, or a part of one.

    Raises:
        UsageError: If a part of a pool is asked for.
    """
    if (run.data / FACTS).exists():
        if run.split is not None:
            raise UsageError(f"{run.data}: a pool has no splits; `stars train pool` takes --split")
        made = Pool.open(run.data)
        output.note(f"{len(made.clips):,} clips in the pool {run.data}")
        return made
    pack = open_training_data(run.data, layout=run.layout, skip=output.failure)
    if run.split is not None:
        pack = pack.part(run.split, "train")
    frames = sum(clip.frames for clip in pack.clips)
    output.note(f"{len(pack.clips):,} clips, {frames:,} frames in {run.data}")
    return pack


def _train(
    config: RunConfig,
    pack: Pack | Pool,
    run: RunOptions,
    fabric: Fabric,
    output: Output,
    *,
    start: Checkpoint | None,
) -> None:
    """Train with a progress bar, and say how it ended."""
    output.note(
        f"{config.method}: {config.steps:,} steps of {config.loop.batch} clips, "
        f"{config.loop.precision} on {fabric.world_size} x {fabric.device.type}"
    )
    columns = ("loss {task.fields[loss]:.4f}", "{task.fields[rate]:.1f} clips/s")
    with output.bar(*columns) as bar:
        task = bar.add_task(config.method, total=config.steps, loss=math.nan, rate=0.0)

        def foretell(expected: Forecast) -> None:
            output.note(expected.in_words())

        def report(metrics: StepMetrics) -> None:
            bar.update(
                task, completed=metrics.step, loss=metrics.loss, rate=metrics.clips_per_second
            )

        last = train(
            config,
            pack,
            run.out,
            fabric=fabric,
            resume=run.resume,
            start=start,
            report=report,
            compiled=run.compiles(fabric),
            make_validation=make_validation,
            trackers=run.log or (),
            foretell=None if run.quiet else foretell,
        )
    if last.step < config.steps:
        output.note(f"stopped at step {last.step:,}; the same command with --resume goes on")
        raise typer.Exit(130)
    minutes = last.history["seconds"] / 60
    output.note(f"{run.out / FILE}: {last.step:,} steps in {minutes:.1f} minutes")
