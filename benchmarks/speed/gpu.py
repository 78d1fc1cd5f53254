"""Measure a CUDA GPU: embedding by each runtime, training steps, and their share of its peak.

    python benchmarks/speed/gpu.py                                 # the papers' network, 120 frames
    python benchmarks/speed/gpu.py --write docs/benchmarks.md

The peak is the rate of a plain product of large matrices in bf16, measured in the same run.
Operations are those of the network for one-body clips; a multiply-add counts as two. Embedding
starts with prepared clips in host memory and ends with vectors there. If TensorRT is installed, an
engine is built. Without a GPU the script exits with 1. It has not run on a GPU yet.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "training"))

import torch
from embed import example_clips, operations
from report import machine, report
from rich.progress import track
from steps import clips, mamp_operations, matrix_rate, own_step, seconds, stars_operations

from stars_infer.arrays import FloatArray
from stars_infer.bench.timing import time_calls
from stars_infer.encoder.agreement import reference_vectors, smallest_cosine
from stars_infer.encoder.encoder import Encoder
from stars_infer.encoder.model import (
    GRAPH_FILE,
    PRESENT,
    ModelInfo,
    contract_of,
    fingerprint_of,
    read_model_info,
)
from stars_infer.errors import StarsError
from stars_infer.exporters.directory import write_description
from stars_infer.exporters.gpu.tensorrt import EngineConfig, add_engine
from stars_infer.exporters.onnx import write_onnx
from stars_infer.exporters.precision import add_half
from stars_infer.preprocessing.prepare import Preprocessing
from stars_infer.runtimes.gpu import tensorrt
from stars_infer.runtimes.open import available_choices, open_runtime
from stars_infer.runtimes.runtime import RuntimeChoice
from stars_infer.train.networks.encoder import EncoderConfig, SkeletonEncoder

DEVICES = ("cuda", "tensorrt")
NTU60_CLIPS, EPOCHS = 40_091, {"mamp": 400, "stars": 20}
"""The papers' schedule on NTU-60 cross-subject."""
TIMED = 2.0
"""Seconds of timing for each batch of each runtime."""


def main() -> None:
    """Measure, print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--batch", type=int, action="append", help="clips; default 1, 8, 64, 256")
    parser.add_argument("--train-batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=20, help="timed training steps of each kind")
    parser.add_argument("--write", type=Path, help="Markdown file with the marks <!-- gpu -->")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("error: no CUDA GPU runs here: these rows are measured on a machine that has one")
    rate = matrix_rate("cuda", "bf16-mixed")
    where = f"{torch.cuda.get_device_name()}; " + machine(
        "torch", "onnxruntime-gpu", "tensorrt-cu12", "tensorrt", "numpy"
    )
    about = f"{where}. A product of large matrices reaches {rate / 1e12:.0f} T/s in bf16"
    batches = options.batch or [1, 8, 64, 256]
    shape = EncoderConfig(frames=options.frames)
    try:
        with tempfile.TemporaryDirectory() as folder:
            model = papers_model(shape, Path(folder), batches)
            choices = [how for how in available_choices(model / GRAPH_FILE) if on_gpu(how)]
            rows = embedding_rows(model, shape, choices, batches, rate)
    except StarsError as error:
        sys.exit(f"error: {error}")
    each = f"{about}; {options.frames} frames, {operations(shape) / 1e9:.1f} G operations a clip."
    report(each, [["run by", "clips at once", "clips/s", "share", "cosine"], *rows],
           options.write, "gpu")  # fmt: skip
    steps = training_rows("cuda", "bf16-mixed", options.train_batch, options.steps, rate)
    head = ["step", "bodies", "clips/s", "share", "hours of NTU-60"]
    each = f"{about}; batch {options.train_batch}, compiled."
    report(each, [head, *steps], options.write, "gpu training")


def on_gpu(how: RuntimeChoice) -> bool:
    """Whether a runtime runs on the GPU."""
    return how.device in DEVICES


def papers_model(shape: EncoderConfig, folder: Path, batches: Sequence[int]) -> Path:
    """Write a model with random weights, a half-precision graph and, with TensorRT, an engine."""
    torch.manual_seed(0)
    plain, model = folder / "plain", folder / "model"
    plain.mkdir()
    write_onnx(SkeletonEncoder(shape).eval(), plain / GRAPH_FILE, half_weights=False)
    how = Preprocessing(frames=shape.frames)
    contract = contract_of(how, PRESENT, None)
    info = ModelInfo(
        name="random weights",
        preprocessing=how,
        width=shape.width,
        absent_bodies=PRESENT,
        fingerprint=fingerprint_of((plain / GRAPH_FILE).read_bytes(), contract),
    )
    write_description(plain, info, "")
    add_half(plain, model)
    if tensorrt.is_installed():
        least, most = min(batches), max(batches)
        add_engine(model, EngineConfig(batches=(least, most, most)))
    return model


def embedding_rows(
    model: Path,
    shape: EncoderConfig,
    choices: Sequence[RuntimeChoice],
    batches: Sequence[int],
    rate: float,
) -> list[list[str]]:
    """Measure each runtime at each batch: rate, share of the peak, cosine to float32."""
    graph, info = model / GRAPH_FILE, read_model_info(model)
    rows = []
    for how in track(choices, description="embedding", transient=True):
        runtime = open_runtime(graph, RuntimeChoice(
            device=how.device, precision=how.precision, batch=max(batches)
        ))  # fmt: skip
        encoder = Encoder(info, lambda runtime=runtime: runtime)  # type: ignore[misc]
        for batch in batches:
            several = example_clips(1, batch, shape.frames)
            spent = time_calls(partial(encoder.embed_prepared, several), TIMED)
            cosine = _agreement(graph, several[:8], encoder)
            done = batch / spent.p50
            share = f"{done * operations(shape) / rate:.1%}"
            rows.append([str(runtime.choice), str(batch), f"{done:,.0f}", share, f"{cosine:.6f}"])
    return rows


def training_rows(
    device: str, precision: str, batch: int, steps: int, rate: float
) -> list[list[str]]:
    """Measure each stage with both body slots and with present bodies, then add up the schedule."""
    pack, timing = clips(), argparse.Namespace(steps=steps, device=device)
    rows, hours = [], {"zeros": 0.0, "present": 0.0}
    for recipe, needed in (("mamp", mamp_operations()), ("stars", stars_operations())):
        for absent in hours:
            compiled = device == "cuda"
            step = own_step(recipe, pack, batch, device, precision, absent, compiled=compiled)
            done = batch / seconds(step, timing)
            slots = 2 if absent == "zeros" else 1
            took = projected_hours(recipe, done)
            hours[absent] += took
            share = f"{slots * needed * done / rate:.1%}"
            rows.append([recipe, _slots(absent), f"{done:,.0f}", share, f"{took:.2f}"])
    return rows + [
        ["both", _slots(absent), "", "", f"{all_:.2f}"] for absent, all_ in hours.items()
    ]


def projected_hours(recipe: str, clips_per_second: float) -> float:
    """Hours of one stage of the papers' schedule on NTU-60, counting only its steps."""
    return EPOCHS[recipe] * NTU60_CLIPS / clips_per_second / 3600


def _slots(absent: str) -> str:
    return "both slots" if absent == "zeros" else "present"


def _agreement(graph: Path, several: list[FloatArray], encoder: Encoder) -> float:
    expected = [reference_vectors(graph, clip).mean(axis=0) for clip in several]
    return min(
        smallest_cosine(encoder.embed_prepared([clip]), vector[None])
        for clip, vector in zip(several, expected, strict=True)
    )


if __name__ == "__main__":
    main()
