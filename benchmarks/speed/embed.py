"""Compare embedding on a CPU with a plain eager float32 network, in one run on the same clips.

    python benchmarks/speed/embed.py                               # the papers' network, 120 frames
    python benchmarks/speed/embed.py --frames 64 --rounds 9        # the shape of stars-mocap
    python benchmarks/speed/embed.py --write docs/benchmarks.md

The reference (`benchmarks/training/reference.py`) is written from the formulas and always runs both
body slots, as the public code does. Both networks have the same random weights, so their vectors
must agree. Each round runs everything once; the table shows medians over the rounds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from onnx import TensorProto, helper, numpy_helper
from rich.progress import track

sys.path.append(str(Path(__file__).parents[1] / "training"))

import reference
from report import machine, report
from steps import block_operations, matrix_rate

from stars_infer.arrays import FloatArray
from stars_infer.bench.network import choices_here
from stars_infer.clips.clip import Clip
from stars_infer.encoder.agreement import smallest_cosine
from stars_infer.encoder.encoder import Encoder
from stars_infer.encoder.model import PRESENT, ModelInfo
from stars_infer.exporters.int8 import write_int8
from stars_infer.exporters.onnx import OPSET, write_onnx
from stars_infer.preprocessing.prepare import Preprocessing, prepare
from stars_infer.runtimes.onnxruntime import onnxruntime_package
from stars_infer.runtimes.open import open_runtime
from stars_infer.runtimes.runtime import BF16, FP32, INT8
from stars_infer.synthetic.actions import ACTIONS, perform
from stars_infer.train.networks.encoder import EncoderConfig, SkeletonEncoder

PLAIN = "plain eager PyTorch, both body slots"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """Something that embeds prepared clips, each (1 or 2, T, 25, 3), to (N, D)."""

    name: str
    embed: Callable[[list[FloatArray]], FloatArray]
    precision: str
    both_slots: bool = False


def main() -> None:
    """Measure, print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--depth", type=int, default=8)
    parser.add_argument("--batch", type=int, action="append", help="clips at once; default 1, 8")
    parser.add_argument("--rounds", type=int, default=3, help="timed, after one that warms up")
    parser.add_argument("--write", type=Path, help="Markdown file with the marks <!-- embed -->")
    options = parser.parse_args()
    torch.manual_seed(0)
    network = SkeletonEncoder(EncoderConfig(frames=options.frames, depth=options.depth)).eval()
    rates = {
        FP32: matrix_rate("cpu", "32-true"),
        BF16: matrix_rate("cpu", "bf16-mixed"),
        INT8: int8_rate(),
    }
    rows: list[list[str]] = []
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "encoder.onnx"
        write_onnx(network, graph, half_weights=False)
        write_int8(graph, frames=options.frames)
        contenders = [plain(network), *ours(graph, network.config)]
        for bodies in (1, 2):
            for batch in options.batch or (1, 8):
                clips = example_clips(bodies, batch, options.frames)
                medians, vectors = interleaved(contenders, clips, options.rounds)
                for contender in contenders:
                    took = medians[contender.name]
                    run = 2 * batch if contender.both_slots else bodies * batch
                    rate = run * operations(network.config) / took
                    same = smallest_cosine(vectors[contender.name], vectors[PLAIN])
                    ratio = f"{medians[PLAIN] / took:.1f}"
                    share = f"{rate / rates[contender.precision]:.0%}"
                    row = [str(bodies), str(batch), contender.name, f"{1000 * took / batch:.0f}"]
                    rows.append([*row, ratio, share, f"{same:.5f}"])
    where = machine("torch", "onnxruntime", "openvino", "numpy")
    about = facts(options, rates, where, network.config)
    table = [["bodies", "clips at once", "run by", "ms a clip", "ratio", "share", "cosine"], *rows]
    report(about, table, options.write, "embed")


def plain(network: SkeletonEncoder) -> Contender:
    """The reference with the weights of `network`."""
    model = reference.Encoder(network.config.depth, network.config.frames).eval()
    model.load_state_dict(plain_weights(network))

    def embed(clips: list[FloatArray]) -> FloatArray:
        slots = np.zeros((len(clips), 2, *clips[0].shape[1:]), np.float32)
        for slot, clip in zip(slots, clips, strict=True):
            slot[: len(clip)] = clip
        with torch.no_grad():
            tokens = model.encode(model.tokens(torch.from_numpy(slots).flatten(0, 1)))
            pooled = tokens.mean(dim=1).view(len(clips), 2, -1).numpy()
        pairs = zip(pooled, clips, strict=True)
        return np.stack([both[: len(clip)].mean(axis=0) for both, clip in pairs])

    return Contender(name=PLAIN, embed=embed, precision=FP32, both_slots=True)


def plain_weights(network: SkeletonEncoder) -> dict[str, torch.Tensor]:
    """Weights with the names and shapes of the reference."""
    weights = {
        "time": network.position.time,
        "joint": network.position.joint,
        "embed.bias": network.embed.bias,
        "embed.weight": network.embed.weight.view(-1, reference.SEGMENT, 3)
        .transpose(1, 2)
        .unsqueeze(3),
    }
    renamed = (("attention.", ""), ("mlp.0.", "fc1."), ("mlp.2.", "fc2."))
    for name, value in network.state_dict().items():
        if name.startswith(("blocks.", "norm.")):
            for old, new in renamed:
                name = name.replace(old, new)
            weights[name] = value
    return weights


def ours(graph: Path, shape: EncoderConfig) -> list[Contender]:
    """Every installed runtime in every precision."""
    info = ModelInfo(
        name="random weights",
        preprocessing=Preprocessing(frames=shape.frames),
        width=shape.width,
        absent_bodies=PRESENT,
        fingerprint="",
    )
    return [
        Contender(
            name=str(how),
            embed=Encoder(info, partial(open_runtime, graph, how)).embed_prepared,
            precision=how.precision,
        )
        for how in choices_here(graph)
    ]


def example_clips(bodies: int, count: int, frames: int) -> list[FloatArray]:
    """Prepared synthetic clips (bodies, T, 25, 3), all different."""
    random = np.random.default_rng(bodies)
    fitting = [action for action in ACTIONS if len(perform(action, random)) == bodies]
    return [
        prepare(
            Clip.from_array(perform(fitting[number % len(fitting)], random)),
            Preprocessing(frames=frames),
        )
        for number in range(count)
    ]


def interleaved(
    contenders: list[Contender], clips: list[FloatArray], rounds: int
) -> tuple[dict[str, float], dict[str, FloatArray]]:
    """Median seconds of each contender, and its vectors."""
    times: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    vectors = {}
    for _ in track(range(rounds + 1), description="measuring", transient=True):
        for contender in contenders:
            began = time.perf_counter()
            vectors[contender.name] = contender.embed(clips)
            times[contender.name].append(time.perf_counter() - began)
    return {name: statistics.median(spent[1:]) for name, spent in times.items()}, vectors


def operations(shape: EncoderConfig) -> float:
    """Operations for one body: blocks and token embedding; a multiply-add counts as two."""
    embedding = 2 * shape.tokens * shape.segment * 3 * shape.width
    return shape.depth * block_operations(shape.tokens, shape.width) + embedding


def int8_rate(size: int = 2048) -> float:
    """Operations per second of a product of large int8 matrices in ONNX Runtime."""
    node = helper.make_node("MatMulInteger", ["a", "b"], ["c"])
    random = np.random.default_rng(0)
    values = [
        helper.make_tensor_value_info(name, kind, [size, size])
        for name, kind in (("a", TensorProto.UINT8), ("c", TensorProto.INT32))
    ]
    weights = random.integers(-64, 65, (size, size), np.int8)
    graph = helper.make_graph(
        [node], "product", values[:1], values[1:], [numpy_helper.from_array(weights, "b")]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    runtime = onnxruntime_package()
    session = runtime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    tokens = random.integers(0, 256, (size, size), np.uint8)
    fastest = np.inf
    for _ in range(8):
        began = time.perf_counter()
        session.run(None, {"a": tokens})
        fastest = min(fastest, time.perf_counter() - began)
    return 2 * size**3 / fastest


def facts(
    options: argparse.Namespace, rates: dict[str, float], where: str, shape: EncoderConfig
) -> str:
    """Line above the table: machine, operations, rates."""
    measured = ", ".join(f"{rate / 1e12:.3g} T/s in {name}" for name, rate in rates.items())
    return (
        f"{where}. {options.frames} frames, {options.depth} blocks: "
        f"{operations(shape) / 1e9:.1f} G operations a body; a product of large matrices reaches "
        f"{measured}. Medians of {options.rounds} rounds."
    )


if __name__ == "__main__":
    main()
