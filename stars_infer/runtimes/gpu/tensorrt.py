"""Run an engine by TensorRT 10 or 11, on the GPU on which it was built."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.errors import MissingExtraError, ModelError, ProviderError
from stars_infer.runtimes.gpu.cuda_memory import Transfers, current_gpu
from stars_infer.runtimes.gpu.engine import engine_of, read_engine
from stars_infer.runtimes.runtime import FP32, RuntimeChoice

DEVICE = "tensorrt"
VERSIONS = (10, 11)
"""Supported major versions."""


class TensorRt:
    """An engine of a model directory, with its memory on the GPU."""

    def __init__(self, graph: Path, choice: RuntimeChoice) -> None:
        """Load the engine beside a graph.

        Raises:
            ModelError: If it is damaged, or does not belong to the graph, this GPU and this
                version of TensorRT.
            ProviderError: If there is no GPU, too little memory, or the engine has another
                precision than requested.
            MissingExtraError: If TensorRT or `cuda.bindings` is not installed.
        """
        trt = tensorrt_package()
        gpu = current_gpu()
        info, plan = read_engine(graph, gpu, trt.__version__)
        if choice.precision not in (FP32, info.precision):
            raise ProviderError(
                f"device '{DEVICE}:{choice.precision}': the engine computes in {info.precision}"
            )
        path = engine_of(graph)
        self._runtime = trt.Runtime(trt.Logger(trt.Logger.ERROR))
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise ModelError(f"{path}: TensorRT {trt.__version__} cannot load it on {gpu}")
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise ProviderError(f"{path}: TensorRT cannot allocate its memory on {gpu}")
        self._input, self._output = self._names(trt)
        self._least, _, self._most = info.batches
        shape = tuple(self._engine.get_tensor_profile_shape(self._input, 0)[2])
        width = int(self._engine.get_tensor_shape(self._output)[-1])
        self._memory = Transfers(input_shape=shape, output_shape=(self._most, width))
        self._context.set_tensor_address(self._input, self._memory.input)
        self._context.set_tensor_address(self._output, self._memory.output)
        batch = min(choice.batch or self._most, self._most)
        self.choice = replace(choice, precision=info.precision, batch=batch)

    def run(self, bodies: FloatArray) -> FloatArray:
        """Vectors (B, D) of bodies (B, T, 25, 3), run in batches that the engine takes."""
        parts = [
            self._run(bodies[at : at + self._most]) for at in range(0, len(bodies), self._most)
        ]
        return np.concatenate(parts)

    def _run(self, bodies: FloatArray) -> FloatArray:
        """Vectors of at most as many bodies as the engine takes; too few are padded.

        Raises:
            ProviderError: If TensorRT refuses the bodies.
        """
        count = len(bodies)
        if count < self._least:
            bodies = np.resize(bodies, (self._least, *bodies.shape[1:]))
        if not self._context.set_input_shape(self._input, tuple(bodies.shape)):
            raise ProviderError(
                f"the engine does not take bodies of shape {bodies.shape}, only {self._least} to "
                f"{self._most} bodies of the shape for which it was built"
            )
        self._memory.send(bodies)
        if not self._context.execute_async_v3(self._memory.stream):
            raise ProviderError(f"TensorRT failed on bodies of shape {bodies.shape}")
        return self._memory.fetch(count)

    def _names(self, trt: ModuleType) -> tuple[str, str]:
        """Names of the input and the output."""
        names = [self._engine.get_tensor_name(n) for n in range(self._engine.num_io_tensors)]
        mode = trt.TensorIOMode.INPUT
        (given,) = (name for name in names if self._engine.get_tensor_mode(name) == mode)
        (made,) = (name for name in names if name != given)
        return given, made


def is_installed() -> bool:
    """Whether TensorRT is installed; it is not imported."""
    return find_spec("tensorrt") is not None


def tensorrt_package() -> ModuleType:
    """Import the package `tensorrt`.

    Raises:
        MissingExtraError: If it is not installed.
        ProviderError: If its version is not supported.
    """
    try:
        import tensorrt as found
    except ImportError as error:
        needed = " or ".join(map(str, VERSIONS))
        raise MissingExtraError(
            "device 'tensorrt'", "tensorrt", f"tensorrt {needed} (tensorrt-cu12)"
        ) from error
    if int(found.__version__.partition(".")[0]) not in VERSIONS:
        raise ProviderError(
            f"TensorRT {found.__version__} is installed; versions "
            f"{' and '.join(map(str, VERSIONS))} are supported: pip install 'stars-infer[tensorrt]'"
        )
    module: ModuleType = found
    return module
