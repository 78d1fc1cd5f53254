"""Train every row of the order table: each method, each seed, the same small budget.

    python benchmarks/method_comparison/train.py PACK --split pretraining --out runs/order

Runs as many jobs at once as there are cores, one thread each; started again, it goes on where it
was stopped. `report.py` beside it evaluates the runs and writes the table.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from stars_infer.train.checkpoint import FILE

NETWORK = ["--width", "128", "--depth", "4", "--heads", "4", "--frames", "60"]
STAGE_1 = [
    "--steps", "900", "--batch", "64", "--lr", "1e-3", "--final-lr", "1e-4", "--warmup", "0.5",
    "--decoder-depth", "3", "--decode-every", "4", *NETWORK,
]  # fmt: skip
STAGE_2 = ["--steps", "125", "--batch", "64"]
CONTRAST = ["--queue", "1024", "--hidden", "1024"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One run of the table: what it starts from, what differs from the recipe of its name.

    Another recipe may be named.
    """

    name: str
    start: str | None
    arguments: list[str]
    recipe: str | None = None


KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "8589934592", "MALLOC_TRIM_THRESHOLD_": "17179869184"}
"""So that the C library does not hand memory back to the system after every step."""
TEACHER = ["--momentum", "0.99"]
CLUSTERS = ["--prototypes", "1024", "--hidden", "1024"]
GRAPH = [
    "--steps", "900", "--batch", "64", "--lr", "0.03", "--queue", "1024", *TEACHER,
    "--width", "64", "--depth", "6", "--frames", "60", "--dropout", "0",
    "--predictor", "parts", "--mutual-gradient",
]  # fmt: skip
"""SkeAttnCLR's own network, so small that its steps cost about what the transformer's do, with the
one predictor that the page was measured with."""

ROWS = (
    Row(name="mamp", start=None, arguments=STAGE_1),
    Row(name="mae", start=None, arguments=STAGE_1),
    Row(name="skeleton2vec", start=None, arguments=[*STAGE_1, *TEACHER]),
    *(
        Row(
            name=f"skeattnclr-{stream}",
            start=None,
            arguments=[*GRAPH, "--stream", stream],
            recipe="skeattnclr",
        )
        for stream in ("joint", "motion", "bone")
    ),
    Row(name="head-init", start="mamp", arguments=[*STAGE_2, *CONTRAST]),
    Row(name="stars", start="mamp", arguments=[*STAGE_2, *CONTRAST]),
    Row(
        name="skeleton2vec-stars",
        start="skeleton2vec",
        arguments=[*STAGE_2, *CONTRAST],
        recipe="stars",
    ),
    Row(name="stars-3stage", start="head-init", arguments=[*STAGE_2, *CONTRAST]),
    Row(name="moco", start="mamp", arguments=[*STAGE_2, *CONTRAST, *TEACHER]),
    Row(name="dino", start="mamp", arguments=[*STAGE_2, *CLUSTERS, *TEACHER]),
)


def main() -> None:
    """Train all rows, seed by seed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pack", type=Path)
    parser.add_argument("--split", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    jobs: dict[Path, Future[None]] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for seed in range(options.seeds):
            folder = options.out / f"seed{seed}"
            for row in ROWS:
                start = jobs[folder / row.start] if row.start else None
                jobs[folder / row.name] = pool.submit(
                    train, row, options.pack, options.split, folder, after=start
                )
    for job in jobs.values():
        job.result()


def train(
    row: Row, pack: Path, split: str, folder: Path, *, after: Future[None] | None = None
) -> None:
    """Train a row, or go on with it, once the row it starts from is there."""
    if after is not None:
        after.result()
    stage, seed = "tune" if row.start else "pretrain", folder.name.removeprefix("seed")
    command = ["train", stage, str(pack), "--split", split, "--out", str(folder / row.name)]
    command += ["--recipe", row.recipe or row.name, *row.arguments, "--seed", seed]
    command += ["--checkpoint-minutes", "3", "--no-compile", "--accelerator", "cpu", "--quiet"]
    if row.start:
        command += ["--from", str(folder / row.start)]
    if (folder / row.name / FILE).exists():
        command += ["--resume"]
    subprocess.run(
        [sys.executable, "-m", "stars_infer", *command],
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **KEEP_MEMORY},
    )


if __name__ == "__main__":
    main()
