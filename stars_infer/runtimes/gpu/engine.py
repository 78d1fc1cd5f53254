"""An engine of TensorRT in a model directory: `encoder.engine`, and what it runs on."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from stars_infer.errors import ModelError
from stars_infer.runtimes.forms import sha256_of
from stars_infer.runtimes.gpu.cuda_memory import Gpu
from stars_infer.runtimes.runtime import PRECISIONS

ENGINE_FILE, ENGINE_INFO_FILE = "encoder.engine", "engine.json"
SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo:
    """What an engine was made for and from.

    Attributes:
        gpu: Name of the GPU that it was built on.
        capability: Compute capability of it.
        tensorrt: Version of TensorRT.
        precision: In which products of matrices are computed.
        batches: Bodies run at once: least, usual and most.
        graph: SHA-256 of the model's `encoder.onnx`.
        engine: SHA-256 of the engine.
        smallest_cosine: To float32 vectors, measured on that GPU; None until it is measured.
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
        least, usual, most = self.batches
        if not 1 <= least <= usual <= most:
            raise ModelError(f"engine for batches {self.batches}: expected least, usual and most")
        if self.precision not in PRECISIONS:
            raise ModelError(f"engine of unknown precision {self.precision!r}")

    def why_not(self, gpu: Gpu, tensorrt: str) -> str | None:
        """Why it cannot be loaded on a GPU by a version of TensorRT; None if it can."""
        if (self.gpu, self.capability) != (gpu.name, gpu.capability):
            mine = Gpu(name=self.gpu, capability=self.capability)
            return f"was built on another GPU, {mine}; here is {gpu}"
        if self.tensorrt != tensorrt:
            return f"was built by TensorRT {self.tensorrt}; here is {tensorrt}"
        return None


def engine_of(graph: Path) -> Path:
    """Where the engine of a model directory is, there or not."""
    return graph.with_name(ENGINE_FILE)


def write_engine(folder: Path, info: EngineInfo, engine: bytes) -> None:
    """Write an engine and its description."""
    (folder / ENGINE_FILE).write_bytes(engine)
    text = json.dumps({"schema": SCHEMA, **asdict(info)}, indent=2, ensure_ascii=False)
    (folder / ENGINE_INFO_FILE).write_text(text + "\n", encoding="utf-8")


def read_engine_info(folder: Path) -> EngineInfo:
    """Read and check the description of an engine.

    Raises:
        ModelError: If it is missing, damaged, or of another schema.
    """
    path = folder / ENGINE_INFO_FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values.pop("schema", None) != SCHEMA:
            raise ModelError(f"{path}: unknown schema, expected {SCHEMA}; {_again(folder)}")
        least, usual, most = values.pop("batches")
        return EngineInfo(batches=(least, usual, most), **values)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{path}: not a readable description of an engine ({error}); {_again(folder)}"
        ) from error


def read_engine(graph: Path, gpu: Gpu, tensorrt: str) -> tuple[EngineInfo, bytes]:
    """An engine that belongs to a graph and to this machine.

    Args:
        graph: The model's `encoder.onnx`; the engine is beside it.
        gpu: The GPU here.
        tensorrt: The version of TensorRT here.

    Raises:
        ModelError: If it is missing, damaged, or was made of another graph, on another GPU or by
            another version of TensorRT.
    """
    folder, path = graph.parent, engine_of(graph)
    info = read_engine_info(folder)
    reason = info.why_not(gpu, tensorrt)
    if reason is None:
        if sha256_of(graph.read_bytes()) != info.graph:
            reason = f"was made of another {graph.name}"
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
