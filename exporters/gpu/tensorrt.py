"""An engine of TensorRT 10 or 11 in a model directory, of its graph in half precision.

The graph says in which precision each operator runs, and the network is strongly typed: TensorRT
chooses kernels, not precisions. Version 10 needs a flag for that, 11 knows nothing else. See
https://docs.nvidia.com/deeplearning/tensorrt/, "Migrating Python Code from TensorRT 10.x to 11.x".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx

from stars_infer.atomic import written_beside
from stars_infer.encoder.agreement import example_bodies, reference_vectors, smallest_cosine
from stars_infer.encoder.model import GRAPH_FILE, ModelInfo, read_model_info
from stars_infer.errors import ExportError, UsageError
from stars_infer.exporters.gpu.half_graph import half_graph
from stars_infer.exporters.precision import add_facts, copied_beside
from stars_infer.runtimes.forms import sha256_of
from stars_infer.runtimes.gpu.cuda_memory import current_gpu
from stars_infer.runtimes.gpu.engine import EngineInfo, write_engine
from stars_infer.runtimes.gpu.tensorrt import DEVICE, TensorRt, tensorrt
from stars_infer.runtimes.runtime import EXACT, FP16, RuntimeChoice

COSINE = "tensorrt_smallest_cosine"
BATCHES = (1, 8, 64)
LEVELS = range(6)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """How an engine is built.

    Attributes:
        batches: Bodies run at once: least, usual (what it is tuned for) and most.
        workspace: Most memory that a kernel may take while it runs, MiB; all there is if None.
        level: How long TensorRT looks for fast kernels, 0 to 5.
        timing_cache: File that keeps measured times of kernels, so that a second build is quick.
    """

    batches: tuple[int, int, int] = BATCHES
    workspace: int | None = None
    level: int = 3
    timing_cache: Path | None = None

    def __post_init__(self) -> None:
        least, usual, most = self.batches
        if not 1 <= least <= usual <= most:
            raise UsageError(
                f"batches {least},{usual},{most}: expected least, usual and most, as 1,8,64"
            )
        if self.workspace is not None and self.workspace < 1:
            raise UsageError(f"workspace {self.workspace} MiB: expected at least 1")
        if self.level not in LEVELS:
            raise UsageError(f"optimization level {self.level}: expected 0 to {LEVELS[-1]}")


def add_engine(folder: Path, how: EngineConfig) -> ModelInfo:
    """Build an engine for this machine's GPU into a model directory, and prove it there.

    Args:
        folder: A model directory.
        how: Choices.

    Raises:
        UsageError: If the model came with the installation.
        ExportError: If the graph cannot be run in half precision, TensorRT refuses it, or the
            engine gives other vectors; the directory stays as it was.
        MissingExtraError: If TensorRT or `cuda.bindings` is not installed.
        ProviderError: If there is no GPU.
    """
    with copied_beside(folder, folder) as (beside, info):
        trt, gpu = tensorrt(), current_gpu()
        half = half_graph(onnx.load(folder / GRAPH_FILE))
        plan = build_engine(trt, half.SerializeToString(), how)
        engine = EngineInfo(
            gpu=gpu.name,
            capability=gpu.capability,
            tensorrt=trt.__version__,
            precision=FP16,
            batches=how.batches,
            graph=sha256_of((folder / GRAPH_FILE).read_bytes()),
            engine=sha256_of(plan),
        )
        write_engine(beside, engine, plan)
        cosine = _cosine(beside / GRAPH_FILE, info, how.batches)
        if not cosine >= EXACT:
            raise ExportError(
                f"{folder}: a vector of the engine has cosine {cosine:.5f} to that of float32, "
                f"less than {EXACT}; run this model in float32"
            )
        cosine = round(cosine, 7)
        write_engine(beside, replace(engine, smallest_cosine=cosine), plan)
        add_facts(beside, {COSINE: f"{cosine} on {gpu}, TensorRT {trt.__version__}"})
        return read_model_info(beside)


def build_engine(trt: ModuleType, graph: bytes, how: EngineConfig) -> bytes:
    """A serialized engine of an ONNX graph with one input and one free axis.

    Args:
        trt: The package `tensorrt`.
        graph: The ONNX file, its weights inside.
        how: Choices.

    Raises:
        ExportError: If TensorRT refuses the graph, a choice, or cannot build.
    """
    errors = _log_of(trt)
    builder = trt.Builder(errors)
    network = builder.create_network(_strongly_typed(trt))
    parser = trt.OnnxParser(network, errors)
    if not parser.parse(graph):
        found = [parser.get_error(n).desc() for n in range(parser.num_errors)]
        raise ExportError(f"TensorRT cannot read the graph: {'; '.join(found) or errors.last}")
    config = builder.create_builder_config()
    # Islands of float32 are float32: TF32 rounds factors to the ten bits of half precision.
    config.clear_flag(trt.BuilderFlag.TF32)
    config.builder_optimization_level = how.level
    if how.workspace is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, how.workspace << 20)
    _add_profile(builder, network, config, how.batches)
    keep = _use_timing_cache(config, how.timing_cache)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise ExportError(f"TensorRT {trt.__version__} built no engine: {errors.last}")
    keep()
    return bytes(plan)


def _strongly_typed(trt: ModuleType) -> int:
    """Flags of a network that keeps the types of its graph."""
    if int(trt.__version__.partition(".")[0]) >= 11:
        return 0
    return 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)


def _add_profile(builder: Any, network: Any, config: Any, batches: tuple[int, int, int]) -> None:
    """Say for how many bodies the engine is.

    Raises:
        ExportError: If TensorRT refuses the numbers.
    """
    given = network.get_input(0)
    rest = tuple(given.shape)[1:]
    profile = builder.create_optimization_profile()
    profile.set_shape(given.name, *((batch, *rest) for batch in batches))
    if config.add_optimization_profile(profile) < 0:
        raise ExportError(f"TensorRT refuses the batches {batches}")


def _use_timing_cache(config: Any, path: Path | None) -> Callable[[], None]:
    """Let a build use a timing cache; what is returned keeps it afterwards.

    A cache of another GPU or version is begun anew.
    """
    if path is None:
        return lambda: None
    kept = path.read_bytes() if path.exists() else b""
    cache = config.create_timing_cache(kept)
    if cache is None or not config.set_timing_cache(cache, ignore_mismatch=False):
        config.set_timing_cache(config.create_timing_cache(b""), ignore_mismatch=False)

    def keep() -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with written_beside(path) as beside:
                beside.write_bytes(bytes(config.get_timing_cache().serialize()))
        except OSError as error:
            raise ExportError(f"{path}: cannot be written: {error.strerror}") from error

    return keep


def _log_of(trt: ModuleType) -> Any:
    """A logger that keeps TensorRT's last error, for messages of ours."""
    errors = (trt.ILogger.Severity.INTERNAL_ERROR, trt.ILogger.Severity.ERROR)

    base: Any = trt.ILogger

    class Log(base):  # type: ignore[misc]
        last = "it gave no reason"

        def __init__(self) -> None:
            base.__init__(self)  # as TensorRT asks for

        def log(self, severity: Any, msg: str) -> None:
            if severity in errors:
                self.last = msg.strip()

    return Log()


def _cosine(graph: Path, info: ModelInfo, batches: tuple[int, int, int]) -> float:
    """Smallest cosine of the engine's vectors to those of float32, at each of its batches."""
    bodies = example_bodies(info)
    reference = reference_vectors(graph, bodies)
    engine = TensorRt(graph, RuntimeChoice(device=DEVICE))
    found = []
    for batch in batches:
        several = np.resize(bodies, (batch, *bodies.shape[1:]))
        expected = np.resize(reference, (batch, reference.shape[1]))
        found.append(smallest_cosine(engine.run(several), expected))
    return min(found)
