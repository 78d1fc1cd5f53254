"""Read and write the TensorRT engine of a model directory, and what it runs on."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from stars_infer.errors import ModelError, brief
from stars_infer.runtimes.forms import ENGINE_FILE, ENGINE_INFO_FILE, sha256_of
from stars_infer.runtimes.gpu.cuda_memory import Gpu
from stars_infer.runtimes.runtime import PRECISIONS

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo:
    """What an engine was built from, and where it runs.

    Attributes:
        gpu: Name of the GPU on which it was built.
        capability: Compute capability of that GPU.
        tensorrt: Version of TensorRT.
        precision: Precision of matrix products.
        batches: Bodies run at once: minimum, optimum and maximum.
        graph: SHA-256 of the model's `encoder.onnx`.
        engine: SHA-256 of the engine.
        smallest_cosine: Smallest cosine to float32 vectors, measured on that GPU; None until then.
    """

    gpu: str
    capability: str
    tensorrt: str
    precision: str
    batches: tuple[int, int, int]
    graph: str
    engine: str
    smallest_cosine: float | None = None

    def __post_init__(self) -> None:
        low, best, high = self.batches
        if not 1 <= low <= best <= high:
            raise ModelError(
                f"engine for batches {self.batches}: expected minimum, optimum and maximum"
            )
        if self.precision not in PRECISIONS:
            raise ModelError(f"engine with unknown precision {self.precision!r}")

    def why_not(self, gpu: Gpu, tensorrt: str) -> str | None:
        """Why this GPU and version of TensorRT cannot load it; None if they can."""
        if (self.gpu, self.capability) != (gpu.name, gpu.capability):
            mine = Gpu(name=self.gpu, capability=self.capability)
            return f"was built on another GPU, {mine}; here is {gpu}"
        if self.tensorrt != tensorrt:
            return f"was built by TensorRT {self.tensorrt}; here is {tensorrt}"
        return None


def engine_of(graph: Path) -> Path:
    """Path of the engine beside a graph, whether it exists or not."""
    return graph.with_name(ENGINE_FILE)


def write_engine(folder: Path, info: EngineInfo, engine: bytes) -> None:
    """Write an engine and its description."""
    (folder / ENGINE_FILE).write_bytes(engine)
    text = json.dumps({"schema": SCHEMA, **asdict(info)}, indent=2, ensure_ascii=False)
    (folder / ENGINE_INFO_FILE).write_text(text + "\n", encoding="utf-8")


def read_engine_info(folder: Path) -> EngineInfo:
    """Read and check the description of an engine.

    Raises:
        ModelError: If it is missing, damaged, or has another schema.
    """
    path = folder / ENGINE_INFO_FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict) or values.pop("schema", None) != SCHEMA:
            raise ModelError(f"{path}: unknown schema, expected {SCHEMA}; {_again(folder)}")
        low, best, high = values.pop("batches")
        cosine = values.pop("smallest_cosine", None)
        if not all(isinstance(text, str) for text in values.values()):
            raise TypeError("a number or a list where a text should be")
        if cosine is not None and not (isinstance(cosine, float) and math.isfinite(cosine)):
            raise TypeError(f"a cosine of {cosine!r}")
        return EngineInfo(batches=(low, best, high), smallest_cosine=cosine, **values)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(
            f"{path}: not a readable description of an engine ({brief(error)}); {_again(folder)}"
        ) from error


def read_engine(graph: Path, gpu: Gpu, tensorrt: str) -> tuple[EngineInfo, bytes]:
    """Read an engine that belongs to a graph and to this machine.

    Args:
        graph: The model's `encoder.onnx`; the engine lies beside it.
        gpu: The GPU here.
        tensorrt: The version of TensorRT here.

    Raises:
        ModelError: If it is missing or damaged, or was built from another graph, on another GPU
            or by another version of TensorRT.
    """
    folder, path = graph.parent, engine_of(graph)
    info = read_engine_info(folder)
    reason = info.why_not(gpu, tensorrt)
    if reason is None:
        if sha256_of(graph.read_bytes()) != info.graph:
            reason = f"was built from another {graph.name}"
        elif not path.exists():
            reason = "is missing"
    if reason is not None:
        raise ModelError(f"{path}: {reason}; {_again(folder)}")
    engine = path.read_bytes()
    if sha256_of(engine) != info.engine:
        raise ModelError(f"{path}: is damaged; {_again(folder)}")
    return info, engine


def _again(folder: Path) -> str:
    return f"make one here with `stars export --tensorrt {folder}`"
