"""Build a TensorRT 10 or 11 engine of the graph in half precision, into a model directory.

The graph fixes the precision of each operator, and the network is strongly typed: TensorRT chooses
kernels, not precisions. Version 10 needs a flag for that; in version 11 it is the only mode. See
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
from stars_infer.errors import ExportError, UsageError, check_range
from stars_infer.exporters.directory import add_facts, extend_model
from stars_infer.exporters.gpu.half_graph import half_graph
from stars_infer.runtimes.forms import sha256_of
from stars_infer.runtimes.gpu.cuda_memory import current_gpu
from stars_infer.runtimes.gpu.engine import EngineInfo, write_engine
from stars_infer.runtimes.gpu.tensorrt import DEVICE, TensorRt, tensorrt_package
from stars_infer.runtimes.runtime import EXACT, FP16, RuntimeChoice

COSINE = "tensorrt_smallest_cosine"
BATCHES = (1, 8, 64)
MAX_LEVEL = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """How an engine is built.

    Attributes:
        batches: Bodies run at once: minimum, optimum (for which kernels are tuned) and maximum.
        workspace: Memory limit of a running kernel, MiB; None for all of the GPU's memory.
        level: Effort TensorRT spends on finding fast kernels, 0 to 5.
        timing_cache: File with measured times of kernels, which makes the next build faster.
    """

    batches: tuple[int, int, int] = BATCHES
    workspace: int | None = None
    level: int = 3
    timing_cache: Path | None = None

    def __post_init__(self) -> None:
        low, best, high = self.batches
        if not 1 <= low <= best <= high:
            raise UsageError(
                f"batches {low},{best},{high}: expected minimum, optimum and maximum, as in 1,8,64"
            )
        check_range("workspace in MiB", self.workspace, at_least=1, whole=True)
        check_range("optimization level", self.level, at_least=0, at_most=MAX_LEVEL, whole=True)


def add_engine(folder: Path, config: EngineConfig) -> ModelInfo:
    """Build an engine for this machine's GPU, verify it, and add it to a model directory.

    Args:
        folder: A model directory.
        config: How the engine is built.

    Raises:
        UsageError: If the model came with the installation.
        ExportError: If the graph cannot run in half precision, TensorRT refuses it, or the engine
            gives other vectors. The directory then stays as it was.
        MissingExtraError: If TensorRT or `cuda.bindings` is not installed.
        ProviderError: If there is no GPU.
    """
    with extend_model(folder, folder) as (beside, info):
        trt, gpu = tensorrt_package(), current_gpu()
        half = half_graph(onnx.load(folder / GRAPH_FILE))
        plan = build_engine(trt, half.SerializeToString(), config)
        engine = EngineInfo(
            gpu=gpu.name,
            capability=gpu.capability,
            tensorrt=trt.__version__,
            precision=FP16,
            batches=config.batches,
            graph=sha256_of((folder / GRAPH_FILE).read_bytes()),
            engine=sha256_of(plan),
        )
        write_engine(beside, engine, plan)
        cosine = _smallest_cosine(beside / GRAPH_FILE, info, config.batches)
        if not cosine >= EXACT:
            raise ExportError(
                f"{folder}: a vector of the engine has cosine {cosine:.5f} to that of float32, "
                f"less than {EXACT}; run this model in float32"
            )
        cosine = round(cosine, 7)
        write_engine(beside, replace(engine, smallest_cosine=cosine), plan)
        add_facts(beside, {COSINE: f"{cosine} on {gpu}, TensorRT {trt.__version__}"})
        return read_model_info(beside)


def check_tensorrt() -> None:
    """Check, before other work begins, that a supported TensorRT is installed.

    Raises:
        MissingExtraError: If it is not installed.
        ProviderError: If its version is not supported.
    """
    tensorrt_package()


def build_engine(trt: ModuleType, graph: bytes, config: EngineConfig) -> bytes:
    """Build a serialized engine of an ONNX graph that has one input with one free axis.

    Args:
        trt: The package `tensorrt`.
        graph: Content of the ONNX file, with the weights inside.
        config: How the engine is built.

    Raises:
        ExportError: If TensorRT refuses the graph or a setting, or cannot build the engine.
    """
    errors = _make_logger(trt)
    builder = trt.Builder(errors)
    network = builder.create_network(_strongly_typed(trt))
    parser = trt.OnnxParser(network, errors)
    if not parser.parse(graph):
        found = [parser.get_error(n).desc() for n in range(parser.num_errors)]
        raise ExportError(f"TensorRT cannot read the graph: {'; '.join(found) or errors.last}")
    settings = builder.create_builder_config()
    # TF32 would round the factors of float32 products to the ten bits of half precision.
    settings.clear_flag(trt.BuilderFlag.TF32)
    settings.builder_optimization_level = config.level
    if config.workspace is not None:
        settings.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, config.workspace << 20)
    _add_profile(builder, network, settings, config.batches)
    save_cache = _use_timing_cache(settings, config.timing_cache)
    plan = builder.build_serialized_network(network, settings)
    if plan is None:
        raise ExportError(f"TensorRT {trt.__version__} built no engine: {errors.last}")
    save_cache()
    return bytes(plan)


def _strongly_typed(trt: ModuleType) -> int:
    """Creation flags of a network that keeps the types of its graph."""
    if int(trt.__version__.partition(".")[0]) >= 11:
        return 0
    return 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)


def _add_profile(builder: Any, network: Any, settings: Any, batches: tuple[int, int, int]) -> None:
    """Tell TensorRT which batch sizes the engine takes.

    Raises:
        ExportError: If TensorRT refuses the batch sizes.
    """
    given = network.get_input(0)
    rest = tuple(given.shape)[1:]
    profile = builder.create_optimization_profile()
    profile.set_shape(given.name, *((batch, *rest) for batch in batches))
    if settings.add_optimization_profile(profile) < 0:
        raise ExportError(f"TensorRT refuses the batches {batches}")


def _use_timing_cache(settings: Any, path: Path | None) -> Callable[[], None]:
    """Let a build use a timing cache; returns a function that saves it after the build.

    A cache made for another GPU or version is replaced by an empty one.
    """
    if path is None:
        return lambda: None
    kept = path.read_bytes() if path.exists() else b""
    cache = settings.create_timing_cache(kept)
    if cache is None or not settings.set_timing_cache(cache, ignore_mismatch=False):
        settings.set_timing_cache(settings.create_timing_cache(b""), ignore_mismatch=False)

    def save() -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with written_beside(path) as beside:
                beside.write_bytes(bytes(settings.get_timing_cache().serialize()))
        except OSError as error:
            raise ExportError(f"{path}: cannot be written: {error.strerror}") from error

    return save


def _make_logger(trt: ModuleType) -> Any:
    """A logger that keeps TensorRT's last error for our own messages."""
    errors = (trt.ILogger.Severity.INTERNAL_ERROR, trt.ILogger.Severity.ERROR)

    base: Any = trt.ILogger

    class Log(base):  # type: ignore[misc]
        last = "it gave no reason"

        def __init__(self) -> None:
            base.__init__(self)  # TensorRT requires an explicit call

        def log(self, severity: Any, msg: str) -> None:
            if severity in errors:
                self.last = msg.strip()

    return Log()


def _smallest_cosine(graph: Path, info: ModelInfo, batches: tuple[int, int, int]) -> float:
    """Smallest cosine of the engine's vectors to float32 vectors, over its three batch sizes."""
    bodies = example_bodies(info)
    reference = reference_vectors(graph, bodies)
    engine = TensorRt(graph, RuntimeChoice(device=DEVICE))
    found = []
    for batch in batches:
        several = np.resize(bodies, (batch, *bodies.shape[1:]))
        expected = np.resize(reference, (batch, reference.shape[1]))
        found.append(smallest_cosine(engine.run(several), expected))
    return min(found)
