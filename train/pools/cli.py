"""`stars train pool`: make the clips and vectors that stage 3 learns from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from stars_infer.cli.options import with_options
from stars_infer.cli.output import JsonFlag, Output, QuietFlag
from stars_infer.train.options import config_flags
from stars_infer.train.pools.pool import SENSOR, PoolConfig, make_pool
from stars_infer.train.views.config import ViewConfig


@with_options(flags=config_flags(("Views", (ViewConfig,)), without=("frames", "uniform_sampling")))
def pool(
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
    with output.bar() as bar:
        task = bar.add_task("landmarks", total=None)
        for done, total in make_pool(config, out, clips=clips, workers=workers):
            bar.update(task, description="clips", completed=done, total=total)
    if json:
        output.record({"pool": str(out), "clips": done})
    else:
        output.table(("pool", "clips"), [(out, done)])
    output.finish()
