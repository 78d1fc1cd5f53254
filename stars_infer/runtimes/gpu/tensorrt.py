"""Engines run by TensorRT itself, versions 10 and 11, on the GPU that they were built on."""

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
"""Major versions whose Python interface is used here."""


class TensorRt:
    """An engine of a model directory, with its memory on the GPU."""

    def __init__(self, graph: Path, how: RuntimeChoice) -> None:
        """Load the engine beside a graph.

        Raises:
            ModelError: If it is damaged, or does not belong to the graph, this GPU and this
                version of TensorRT.
            ProviderError: If there is no GPU, too little memory, or the engine is of another
                precision than was asked for.
            MissingExtraError: If TensorRT or `cuda.bindings` is not installed.
        """
        trt = tensorrt()
        gpu = current_gpu()
        info, plan = read_engine(graph, gpu, trt.__version__)
        if how.precision not in (FP32, info.precision):
            raise ProviderError(
                f"device '{DEVICE}:{how.precision}': the engine computes in {info.precision}"
            )
        path = engine_of(graph)
        self._runtime = trt.Runtime(trt.Logger(trt.Logger.ERROR))
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise ModelError(f"{path}: TensorRT {trt.__version__} cannot load it on {gpu}")
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise ProviderError(f"{path}: TensorRT gave it no memory on {gpu}")
        self._input, self._output = self._names(trt)
        self._least, _, self._most = info.batches
        shape = tuple(self._engine.get_tensor_profile_shape(self._input, 0)[2])
        width = int(self._engine.get_tensor_shape(self._output)[-1])
        self._memory = Transfers(input_shape=shape, output_shape=(self._most, width))
        self._context.set_tensor_address(self._input, self._memory.input)
        self._context.set_tensor_address(self._output, self._memory.output)
        batch = min(how.batch or self._most, self._most)
        self.how = replace(how, precision=info.precision, batch=batch)

    def run(self, bodies: FloatArray) -> FloatArray:
        """Vectors (B, D) of bodies (B, T, 25, 3); more than fit at once follow each other."""
        parts = [
            self._run(bodies[at : at + self._most]) for at in range(0, len(bodies), self._most)
        ]
        return np.concatenate(parts)

    def _run(self, bodies: FloatArray) -> FloatArray:
        """Vectors of up to so many bodies as the engine takes; fewer than it takes are filled up.

        Raises:
            ProviderError: If TensorRT refuses them.
        """
        count = len(bodies)
        if count < self._least:
            bodies = np.resize(bodies, (self._least, *bodies.shape[1:]))
        if not self._context.set_input_shape(self._input, tuple(bodies.shape)):
            raise ProviderError(
                f"the engine does not take bodies of shape {bodies.shape}, only {self._least} to "
                f"{self._most} of the shape that it was built for"
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


def installed() -> bool:
    """Whether TensorRT can be imported; it is not loaded."""
    return find_spec("tensorrt") is not None


def tensorrt() -> ModuleType:
    """The package `tensorrt`.

    Raises:
        MissingExtraError: If it is not installed.
        ProviderError: If it is of a version that is not known here.
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
            f"{' and '.join(map(str, VERSIONS))} are known: pip install 'stars-infer[tensorrt]'"
        )
    module: ModuleType = found
    return module
