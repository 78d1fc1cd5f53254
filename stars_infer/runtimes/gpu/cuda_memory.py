"""Memory of a CUDA GPU and page-locked memory of the host, by NVIDIA's `cuda.bindings`."""

from __future__ import annotations

import ctypes
import weakref
from dataclasses import dataclass
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.errors import MissingExtraError, ProviderError

PACKAGE = "cuda-bindings"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A CUDA GPU.

    Attributes:
        name: As NVIDIA calls it.
        capability: Compute capability, as 9.0.
    """

    name: str
    capability: str

    def __str__(self) -> str:
        """For people."""
        return f"{self.name} (compute capability {self.capability})"


def installed() -> bool:
    """Whether `cuda.bindings` can be imported; it is not loaded."""
    try:
        return find_spec("cuda.bindings.runtime") is not None
    except (ImportError, ValueError):
        return False


def current_gpu() -> Gpu:
    """The GPU that CUDA runs on here.

    Raises:
        ProviderError: If there is none.
        MissingExtraError: If `cuda.bindings` is not installed.
    """
    cuda = _cuda()
    properties = done(cuda.cudaGetDeviceProperties(done(cuda.cudaGetDevice())))
    name = bytes(properties.name).partition(b"\0")[0].decode()
    return Gpu(name=name, capability=f"{properties.major}.{properties.minor}")


def done(answer: tuple[Any, ...]) -> Any:
    """What a call of the CUDA runtime gave: `cuda.bindings` puts an error code before it.

    Raises:
        ProviderError: If the call failed.
    """
    error, *values = answer
    if int(error) != 0:
        raise ProviderError(
            f"CUDA failed with {getattr(error, 'name', error)}; `nvidia-smi` says whether the "
            "driver and the GPU are there"
        )
    return values[0] if values else None


class HostBuffer:
    """Page-locked memory of the host, which a GPU copies from and to at full speed.

    Attributes:
        array: The memory as an array of float32.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        cuda = _cuda()
        size = int(np.prod(shape))
        address = int(done(cuda.cudaMallocHost(4 * size)))
        numbers = ctypes.cast(address, ctypes.POINTER(ctypes.c_float))
        self.array: FloatArray = np.ctypeslib.as_array(numbers, (size,)).reshape(shape)
        self.array[:] = 0
        weakref.finalize(self, cuda.cudaFreeHost, address)


class Transfers:
    """A stream, and memory of the GPU for one input and one output.

    Attributes:
        stream: Handle of the stream.
        input: Address of the input.
        output: Address of the output.
    """

    def __init__(self, *, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> None:
        """Take the memory, for arrays of float32.

        Raises:
            ProviderError: If the GPU has not so much memory.
            MissingExtraError: If `cuda.bindings` is not installed.
        """
        self._cuda = cuda = _cuda()
        self._given, self._made = HostBuffer(input_shape), HostBuffer(output_shape)
        self.stream = int(done(cuda.cudaStreamCreate()))
        weakref.finalize(self, cuda.cudaStreamDestroy, self.stream)
        self.input = self._take(self._given.array.nbytes)
        self.output = self._take(self._made.array.nbytes)

    def send(self, numbers: FloatArray) -> None:
        """Copy an array to the input, in the stream."""
        self._given.array[: len(numbers)] = numbers
        source = self._given.array.ctypes.data
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
        done(self._cuda.cudaMemcpyAsync(self.input, source, numbers.nbytes, kind, self.stream))

    def fetch(self, count: int) -> FloatArray:
        """The first rows of the output, a copy, when all that is in the stream has run."""
        rows = self._made.array[:count]
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        target = rows.ctypes.data
        done(self._cuda.cudaMemcpyAsync(target, self.output, rows.nbytes, kind, self.stream))
        done(self._cuda.cudaStreamSynchronize(self.stream))
        return rows.copy()

    def _take(self, size: int) -> int:
        address = int(done(self._cuda.cudaMalloc(size)))
        weakref.finalize(self, self._cuda.cudaFree, address)
        return address


def _cuda() -> ModuleType:
    try:
        from cuda.bindings import runtime
    except ImportError as error:
        raise MissingExtraError("device 'tensorrt'", "tensorrt", PACKAGE) from error
    module: ModuleType = runtime
    return module
