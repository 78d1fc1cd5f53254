"""Measure every kind of encoder on this CPU: weights, operations and time per body.

    python benchmarks/speed/networks.py --write docs/benchmarks.md

The networks are those of the recipes, with random weights, since values do not change the time.
Each is exported like a user's encoder. Its graph first runs a single body on ONNX Runtime in
float32, as with `stars-infer[cpu]`. Then every runtime and precision that keeps the vectors runs
eight bodies at once, and the table shows the fastest. Both times are per body.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from report import machine, report
from rich.progress import track
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from stars_infer.arrays import FloatArray
from stars_infer.bench.network import choices_here
from stars_infer.encoder.agreement import smallest_cosine
from stars_infer.exporters.int8 import write_int8
from stars_infer.exporters.onnx import write_onnx
from stars_infer.exporters.verify import synthetic_bodies
from stars_infer.runtimes.onnxruntime import CPU
from stars_infer.runtimes.open import open_runtime
from stars_infer.runtimes.runtime import EXACT, RuntimeChoice
from stars_infer.train.networks.backbone import Backbone
from stars_infer.train.networks.build import build_encoder
from stars_infer.train.networks.encoder_config import TITLES, EncoderConfig
from stars_infer.train.recipe import load_recipe

RECIPES = ("stars", "skeleton2vec", "skeattnclr", "skeattnclr-bigru", "skeattnclr-dsta")
SHIPPED = ("stars-mocap", EncoderConfig(frames=64))
PLAIN = RuntimeChoice(device=CPU)
BATCH = 8


def main() -> None:
    """Measure, print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="timed, after one that warms up")
    parser.add_argument("--write", type=Path, help="Markdown file with the marks <!-- networks -->")
    options = parser.parse_args()
    shapes = [SHIPPED, *((name, shape_of(name)) for name in RECIPES)]
    table = [
        [
            "encoder",
            "network",
            "M weights",
            "G operations",
            "ms alone",
            f"best of {BATCH}",
            "ms",
        ]
    ]
    for name, shape in track(shapes, description="measuring", transient=True):
        table.append(row(name, shape, options.rounds))
    where = machine("torch", "onnxruntime", "openvino", "numpy")
    about = f"{where}. Medians of {options.rounds} rounds; a multiply-add is two operations."
    report(about, table, options.write, "networks")


def shape_of(recipe: str) -> EncoderConfig:
    """Encoder configuration of a recipe."""
    return EncoderConfig(**load_recipe(recipe).encoder)


def row(name: str, shape: EncoderConfig, rounds: int) -> list[str]:
    """Measure one network: the cells of its row."""
    torch.manual_seed(0)
    network = build_encoder(shape).eval()
    bodies = np.resize(synthetic_bodies(frames=shape.frames), (BATCH, shape.frames, 25, 3))
    weights = sum(parameter.numel() for parameter in network.parameters())
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "encoder.onnx"
        write_onnx(network, graph, half_weights=False)
        write_int8(graph, frames=shape.frames)
        plain = open_runtime(graph, PLAIN)
        alone = seconds_of(lambda: plain.run(bodies[:1]), rounds)
        best, took = min(exact_runtimes(graph, bodies, rounds), key=lambda found: found[1])
    return [
        name,
        f"{TITLES[shape.network]}, {shape.frames} frames",
        f"{weights / 1e6:.1f}",
        f"{operations(network) / 1e9:.1f}",
        f"{1000 * alone:.0f}",
        str(best),
        f"{1000 * took / BATCH:.0f}",
    ]


def exact_runtimes(
    graph: Path, bodies: FloatArray, rounds: int
) -> Iterator[tuple[RuntimeChoice, float]]:
    """Every runtime that gives the float32 vectors, with the seconds of a batch."""
    exact = open_runtime(graph, PLAIN).run(bodies)
    for how in choices_here(graph):
        runtime = open_runtime(graph, how)
        if smallest_cosine(runtime.run(bodies), exact) >= EXACT:
            yield how, seconds_of(lambda run=runtime.run: run(bodies), rounds)  # type: ignore[misc]


def seconds_of(call: Callable[[], object], rounds: int) -> float:
    """Median seconds of a call, after a warm-up call."""
    spent: list[float] = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        call()
        spent.append(time.perf_counter() - began)
    return statistics.median(spent[1:])


def operations(network: Backbone) -> float:
    """Number of operations for one body."""
    shape = network.config
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        network.pool(torch.zeros(1, shape.frames, shape.joints, 3))
    return counter.get_total_flops() + sum(recurrent(network.modules(), shape.frames))


def recurrent(modules: Iterable[nn.Module], frames: int) -> Iterator[float]:
    """Operations of each recurrent layer, which the counter misses: two per weight and frame."""
    for module in modules:
        if isinstance(module, nn.RNNBase):
            yield 2.0 * frames * sum(weight.numel() for weight in module.parameters())


if __name__ == "__main__":
    main()
