"""Speed of training steps beside a plain eager float32 loop, in one run on the same clips.

    python benchmarks/training/steps.py                                 # this CPU
    python benchmarks/training/steps.py --device cuda --batch 128 --write docs/training-speed.md

Reports clips/s of pretrain and tune steps, the ratio to `reference.py`, and the share of the matrix
rate that this machine reaches in a plain product of large matrices. Operations are those that the
method needs (a multiply-add is two), whoever runs them.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from reference import Pretraining, Tuning, crop_and_resize, rotate
from rich.console import Console
from rich.progress import track
from rich.table import Table

from stars_infer.machine import cpu_name
from stars_infer.train.datasets.pack import Pack, SourceClip
from stars_infer.train.optimizer import make_optimizer
from stars_infer.train.recipe import load_recipe
from stars_infer.train.run import build_method
from stars_infer.train.session import best_precision, open_fabric, open_views

CLIPS, FRAMES = 256, 85
"""One-body clips of the mean length of NTU-60's."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """What was measured of one kind of step."""

    name: str
    clips_per_second: float
    ratio: float
    share: float


def main() -> None:
    """Measure all kinds of steps and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=5, help="timed steps of each kind")
    parser.add_argument("--compile", action="store_true", help="torch.compile, on CUDA the default")
    parser.add_argument("--write", type=Path, help="Markdown file to write the table to")
    options = parser.parse_args()
    torch.manual_seed(0)
    pack = clips()
    precision = best_precision(options.device)
    compiled = options.compile or options.device == "cuda"
    precisions = list(dict.fromkeys(["32-true", precision]))
    rates = {each: matrix_rate(options.device, each) for each in precisions}
    rows: list[Row] = []
    for recipe, operations in (("mamp", mamp_operations()), ("stars", stars_operations())):
        plain = seconds(plain_step(recipe, pack, options.batch, options.device), options)
        kinds = [(f"{recipe}, plain eager loop, 32-true", plain, "32-true")]
        for each in precisions:
            for absent in ("zeros", "present"):
                step = own_step(
                    recipe, pack, options.batch, options.device, each, absent, compiled=compiled
                )
                bodies = "both body slots" if absent == "zeros" else "present bodies"
                kinds.append((f"{recipe}, {bodies}, {each}", seconds(step, options), each))
        for name, took, each in kinds:
            slots = 1 if "present" in name else 2
            done = slots * operations * options.batch / took
            rows.append(
                Row(
                    name=name,
                    clips_per_second=options.batch / took,
                    ratio=plain / took,
                    share=done / rates[each],
                )
            )
    show(rows, rates, options, compiled)


def clips() -> Pack:
    """Clips of random positions: their values do not matter for speed."""
    random = np.random.default_rng(0)
    return Pack.from_clips(
        SourceClip(
            actors=random.normal(size=(1, FRAMES, 25, 3)).astype(np.float32),
            label="",
            subject="",
            source=str(number),
        )
        for number in range(CLIPS)
    )


def plain_step(recipe: str, pack: Pack, batch: int, device: str) -> Callable[[int], None]:
    """A step of the reference: clips prepared one by one, then forward, backward, AdamW."""
    model: Any = (Pretraining() if recipe == "mamp" else Tuning()).to(device).train()
    learning = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=1e-3, betas=(0.9, 0.95))
    joints = torch.from_numpy(np.array(pack.joints))

    def step(number: int) -> None:
        prepared = []
        for place in range(batch):
            clip = pack.clips[(number * batch + place) % CLIPS]
            view = crop_and_resize(joints[clip.start : clip.start + clip.frames])
            bodies = torch.stack((view, torch.zeros_like(view)))
            prepared.append(rotate(bodies) if recipe == "mamp" else bodies)
        bodies = torch.cat(prepared).to(device)
        optimizer.zero_grad()
        if recipe == "mamp":
            loss = model(bodies, torch.rand(len(bodies), 750, device=device))
        else:
            loss = model(bodies)
        loss.backward()
        optimizer.step()

    return step


def own_step(
    recipe: str,
    pack: Pack,
    batch: int,
    device: str,
    precision: str,
    absent: str,
    *,
    compiled: bool,
) -> Callable[[int], None]:
    """The same step by the library."""
    fabric = open_fabric(device, 1, precision)
    flags = {"batch": batch, "absent_bodies": absent, "precision": precision}
    config = load_recipe(recipe).with_flags(flags).configure(data="", clips=CLIPS)
    method = build_method(config)
    method.before_first_step()
    views = open_views(method, pack, config, device=str(fabric.device))
    optimizer = make_optimizer(method, config.loop, depth=config.encoder.depth)
    trained: Any = torch.compile(method, dynamic=True) if compiled else method
    module, wrapped = fabric.setup(trained, optimizer)
    module.train()

    def step(number: int) -> None:
        wrapped.zero_grad()
        output = module(*views.draw(number))
        fabric.backward(output.loss)
        wrapped.step()
        method.after_step(output.keys)

    return step


def seconds(step: Callable[[int], None], options: argparse.Namespace) -> float:
    """Median time of a step, after two that warm up."""
    times = []
    for number in track(range(options.steps + 2), description="measuring", transient=True):
        began = time.perf_counter()
        step(number)
        if options.device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return statistics.median(times[2:])


_ENOUGH = 2.0
"""Seconds of plain products after which no more are timed."""


def matrix_rate(device: str, precision: str) -> float:
    """Operations a second of a plain product of large matrices."""
    kind = torch.bfloat16 if precision.startswith("bf16") else torch.float32
    size = 8192 if device == "cuda" else 2048
    a, b = (torch.randn(size, size, device=device, dtype=kind) for _ in range(2))
    times: list[float] = []
    # Where a processor only emulates bf16, one product takes many seconds.
    while len(times) < 8 and sum(times) < _ENOUGH:
        began = time.perf_counter()
        a @ b
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return 2 * size**3 / min(times)


def block_operations(tokens: int, width: int = 256) -> float:
    """Of one block over one sequence, forward: projections and MLP, then attention."""
    return 2 * (12 * width**2 * tokens + 2 * tokens**2 * width)


def mamp_operations() -> float:
    """Of a pretraining step for one body; backward is twice forward."""
    return 3 * (8 * block_operations(74) + 5 * block_operations(750))


def stars_operations() -> float:
    """Of a tuning step for one body; the frozen half has no backward."""
    return (8 + 2 * 4) * block_operations(750)


def show(
    rows: list[Row], rates: dict[str, float], options: argparse.Namespace, compiled: bool
) -> None:
    """Print the table, and write it if asked."""
    machine = torch.cuda.get_device_name() if options.device == "cuda" else cpu_name()
    facts = (
        f"{machine}, {torch.get_num_threads()} threads, torch {torch.__version__}, "
        f"batch {options.batch}, {'compiled' if compiled else 'not compiled'}, {date.today()}; "
        + ", ".join(f"{rate / 1e12:.3g} T/s in {name}" for name, rate in rates.items())
        + " for a product of large matrices"
    )
    columns = ("step", "clips/s", "ratio", "share of matrix rate")
    table = Table(*columns, title=facts)
    cells = [
        (r.name, f"{r.clips_per_second:.2f}", f"{r.ratio:.2f}", f"{r.share:.0%}") for r in rows
    ]
    for row in cells:
        table.add_row(*row)
    Console().print(table)
    if options.write:
        lines = [facts, "", "| " + " | ".join(columns) + " |", "| --- " * len(columns) + "|"]
        lines += ["| " + " | ".join(row) + " |" for row in cells]
        options.write.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
