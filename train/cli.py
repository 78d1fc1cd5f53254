"""`stars train`: the two stages from the shell."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import typer
from lightning_fabric import Fabric

from stars_infer.cli.output import Output, QuietFlag
from stars_infer.train.checkpoint import FILE, Checkpoint, load_checkpoint
from stars_infer.train.datasets.pack import Pack
from stars_infer.train.datasets.sources import open_training_data
from stars_infer.train.loop import Progress
from stars_infer.train.methods.mamp import MampConfig
from stars_infer.train.methods.stars import StarsConfig
from stars_infer.train.networks.encoder import EncoderConfig
from stars_infer.train.run import LoopConfig, RunConfig
from stars_infer.train.session import open_fabric, train
from stars_infer.train.views import ViewConfig

app = typer.Typer(
    help="Train an encoder: stage 1 (pretrain), then stage 2 (tune).",
    no_args_is_help=True,
    add_completion=False,
)

_LOOP, _NETWORK, _MASKING, _VIEWS, _CONTRAST = (
    "Optimisation", "Network", "Masking", "Views", "Contrast"
)  # fmt: skip

Data = Annotated[Path, typer.Argument(help="A pack, or a folder of clips.")]
Out = Annotated[Path, typer.Option("--out", help="Folder of the run: checkpoint and log.")]
Layout = Annotated[
    str | None, typer.Option(help="Joint layout of the clips in a folder.", show_default="ntu25")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on from the checkpoint in --out, with the same flags.")
]
Epochs = Annotated[float, typer.Option(help="Passes over the data.", rich_help_panel=_LOOP)]
Steps = Annotated[
    int | None, typer.Option(help="Optimiser steps, instead of --epochs.", rich_help_panel=_LOOP)
]
Batch = Annotated[int, typer.Option(help="Clips per optimiser step.", rich_help_panel=_LOOP)]
Accumulate = Annotated[
    int, typer.Option(help="Gradient steps a batch is cut into.", rich_help_panel=_LOOP)
]
Lr = Annotated[float, typer.Option(help="Peak learning rate.", rich_help_panel=_LOOP)]
FinalLr = Annotated[
    float, typer.Option(help="Learning rate at the end of the cosine.", rich_help_panel=_LOOP)
]
Warmup = Annotated[float, typer.Option(help="Epochs of warm-up.", rich_help_panel=_LOOP)]
WeightDecay = Annotated[float, typer.Option(help="AdamW weight decay.", rich_help_panel=_LOOP)]
Precision = Annotated[
    str,
    typer.Option(
        help="auto, 32-true or bf16-mixed; auto takes bf16 where it is faster.",
        rich_help_panel=_LOOP,
    ),
]
Seed = Annotated[int, typer.Option(help="Of weights, order, crops and masks.")]
CheckpointMinutes = Annotated[float, typer.Option(help="Minutes between two checkpoints.")]
LogEvery = Annotated[int, typer.Option(help="Steps between two lines of the log.")]
Accelerator = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Devices = Annotated[int, typer.Option(help="Processes, one a GPU.")]
ShortestCrop = Annotated[
    float, typer.Option(help="Smallest share of a clip kept.", rich_help_panel=_VIEWS)
]
Rotation = Annotated[
    float, typer.Option(help="Largest random angle per axis, radians.", rich_help_panel=_VIEWS)
]
AbsentBodies = Annotated[
    str,
    typer.Option(
        help="present leaves missing bodies out, zeros runs them as all zeros (MAMP on NTU-60).",
        rich_help_panel=_VIEWS,
    ),
]


@app.command(epilog="Example: stars train pretrain pack/ --out runs/mamp --epochs 400")
def pretrain(
    data: Data,
    out: Out,
    epochs: Epochs = 400,
    steps: Steps = None,
    batch: Batch = 128,
    accumulate: Accumulate = 1,
    lr: Lr = 1e-3,
    final_lr: FinalLr = 5e-4,
    warmup: Warmup = 20,
    weight_decay: WeightDecay = 0.05,
    precision: Precision = "auto",
    width: Annotated[int, typer.Option(help="D.", rich_help_panel=_NETWORK)] = 256,
    depth: Annotated[int, typer.Option(help="Encoder blocks.", rich_help_panel=_NETWORK)] = 8,
    heads: Annotated[int, typer.Option(help="Attention heads.", rich_help_panel=_NETWORK)] = 8,
    frames: Annotated[int, typer.Option(help="T.", rich_help_panel=_NETWORK)] = 120,
    segment: Annotated[int, typer.Option(help="Frames a token.", rich_help_panel=_NETWORK)] = 4,
    decoder_depth: Annotated[
        int, typer.Option(help="Decoder blocks.", rich_help_panel=_NETWORK)
    ] = 5,
    mask_ratio: Annotated[
        float, typer.Option(help="Share of tokens hidden.", rich_help_panel=_MASKING)
    ] = 0.9,
    tau: Annotated[
        float, typer.Option(help="Masking temperature.", rich_help_panel=_MASKING)
    ] = 0.80,
    motion_stride: Annotated[
        int, typer.Option(help="Frames over which motion is predicted.", rich_help_panel=_MASKING)
    ] = 1,
    decode_every: Annotated[
        int,
        typer.Option(
            help="Predict every n-th hidden token only: less work a step.",
            rich_help_panel=_MASKING,
        ),
    ] = 1,
    shortest_crop: ShortestCrop = 0.5,
    rotation: Rotation = 0.3,
    absent_bodies: AbsentBodies = "present",
    layout: Layout = None,
    seed: Seed = 0,
    checkpoint_minutes: CheckpointMinutes = 10,
    log_every: LogEvery = 10,
    accelerator: Accelerator = "auto",
    devices: Devices = 1,
    resume: Resume = False,
    quiet: QuietFlag = False,
) -> None:
    """Stage 1, MAMP: hide most of the joints, predict their motion."""
    output = Output(quiet=quiet)
    pack = _open(data, layout, output)
    fabric = open_fabric(accelerator, devices, precision)
    config = RunConfig(
        method="mamp",
        data=str(data),
        loop=_loop(
            pack,
            fabric,
            epochs=epochs,
            steps=steps,
            warmup=warmup,
            batch=batch,
            accumulate=accumulate,
            lr=lr,
            final_lr=final_lr,
            weight_decay=weight_decay,
            seed=seed,
            checkpoint_minutes=checkpoint_minutes,
            log_every=log_every,
        ),
        encoder=EncoderConfig(
            width=width, depth=depth, heads=heads, frames=frames, segment=segment
        ),
        views=ViewConfig(
            frames=frames,
            shortest_crop=shortest_crop,
            rotation=rotation,
            absent_bodies=absent_bodies,
        ),
        mamp=MampConfig(
            decoder_depth=decoder_depth,
            mask_ratio=mask_ratio,
            tau=tau,
            motion_stride=motion_stride,
            decode_every=decode_every,
        ),
    )
    _train(config, pack, out, fabric, output, resume=resume, start=None)


@app.command(epilog="Example: stars train tune pack/ --from runs/mamp --out runs/stars")
def tune(
    data: Data,
    out: Out,
    start_from: Annotated[
        Path, typer.Option("--from", help="Run or checkpoint whose encoder is tuned.")
    ],
    epochs: Epochs = 20,
    steps: Steps = None,
    batch: Batch = 128,
    accumulate: Accumulate = 1,
    lr: Lr = 1e-3,
    final_lr: FinalLr = 1e-3,
    warmup: Warmup = 0,
    weight_decay: WeightDecay = 0.01,
    layer_decay: Annotated[
        float, typer.Option(help="Rate of block i is lr * this^(N-i).", rich_help_panel=_LOOP)
    ] = 0.20,
    precision: Precision = "auto",
    queue: Annotated[
        int, typer.Option(help="Past projections searched.", rich_help_panel=_CONTRAST)
    ] = 8192,
    temperature: Annotated[
        float, typer.Option(help="Softmax temperature.", rich_help_panel=_CONTRAST)
    ] = 0.07,
    tuned_blocks: Annotated[
        int | None,
        typer.Option(
            help="Last encoder blocks that learn.",
            show_default="half of them",
            rich_help_panel=_CONTRAST,
        ),
    ] = None,
    shortest_crop: ShortestCrop = 0.5,
    rotation: Rotation = 0.0,
    absent_bodies: AbsentBodies = "present",
    layout: Layout = None,
    seed: Seed = 0,
    checkpoint_minutes: CheckpointMinutes = 10,
    log_every: LogEvery = 10,
    accelerator: Accelerator = "auto",
    devices: Devices = 1,
    resume: Resume = False,
    quiet: QuietFlag = False,
) -> None:
    """Stage 2, STARS: tune half the encoder by nearest-neighbour contrast."""
    output = Output(quiet=quiet)
    pack = _open(data, layout, output)
    start = load_checkpoint(start_from)
    encoder = RunConfig.from_json(start.config, source=str(start_from)).encoder
    fabric = open_fabric(accelerator, devices, precision)
    config = RunConfig(
        method="stars",
        data=str(data),
        loop=_loop(
            pack,
            fabric,
            epochs=epochs,
            steps=steps,
            warmup=warmup,
            batch=batch,
            accumulate=accumulate,
            lr=lr,
            final_lr=final_lr,
            weight_decay=weight_decay,
            layer_decay=layer_decay,
            seed=seed,
            checkpoint_minutes=checkpoint_minutes,
            log_every=log_every,
        ),
        encoder=encoder,
        views=ViewConfig(
            frames=encoder.frames,
            shortest_crop=shortest_crop,
            rotation=rotation,
            absent_bodies=absent_bodies,
        ),
        stars=StarsConfig(queue=queue, temperature=temperature, tuned_blocks=tuned_blocks),
        start_from=str(start_from),
    )
    _train(config, pack, out, fabric, output, resume=resume, start=start)


def _open(data: Path, layout: str | None, output: Output) -> Pack:
    pack = open_training_data(data, layout=layout, skip=output.failure)
    frames = sum(clip.frames for clip in pack.clips)
    output.note(f"{len(pack.clips):,} clips, {frames:,} frames in {data}")
    return pack


def _loop(
    pack: Pack,
    fabric: Fabric,
    *,
    epochs: float,
    steps: int | None,
    warmup: float,
    batch: int,
    **settings: Any,
) -> LoopConfig:
    """Optimisation settings with passes over the data turned into steps."""

    def in_steps(passes: float) -> int:
        return math.ceil(passes * len(pack.clips) / batch)

    return LoopConfig(
        steps=steps or in_steps(epochs),
        warmup=in_steps(warmup),
        batch=batch,
        precision=str(fabric.strategy.precision.precision),
        **settings,
    )


def _train(
    config: RunConfig,
    pack: Pack,
    out: Path,
    fabric: Fabric,
    output: Output,
    *,
    resume: bool,
    start: Checkpoint | None,
) -> None:
    """Train with a progress bar, and say how it ended."""
    output.note(
        f"{config.method}: {config.loop.steps:,} steps of {config.loop.batch} clips, "
        f"{config.loop.precision} on {fabric.device}"
    )
    columns = ("loss {task.fields[loss]:.4f}", "{task.fields[rate]:.1f} clips/s")
    with output.bar(*columns) as bar:
        task = bar.add_task(config.method, total=config.loop.steps, loss=math.nan, rate=0.0)

        def report(progress: Progress) -> None:
            bar.update(
                task,
                completed=progress.step,
                loss=progress.loss,
                rate=progress.clips_per_second,
            )

        last = train(config, pack, out, fabric=fabric, resume=resume, start=start, report=report)
    if last.step < config.loop.steps:
        output.note(f"stopped at step {last.step:,}; the same command with --resume goes on")
        raise typer.Exit(130)
    output.note(f"{out / FILE}: {last.step:,} steps in {last.history['seconds'] / 60:.1f} minutes")
