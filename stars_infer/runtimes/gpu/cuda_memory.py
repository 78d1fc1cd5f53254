"""Allocate and copy memory of a CUDA GPU and page-locked host memory, by `cuda.bindings`."""

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
        capability: Compute capability, such as 9.0.
    """

    name: str
    capability: str

    def __str__(self) -> str:
        """Name and compute capability."""
        return f"{self.name} (compute capability {self.capability})"


def is_installed() -> bool:
    """Whether `cuda.bindings` is installed; it is not imported."""
    try:
        return find_spec("cuda.bindings.runtime") is not None
    except (ImportError, ValueError):
        return False


def current_gpu() -> Gpu:
    """The GPU on which CUDA runs here.

    Raises:
        ProviderError: If there is no GPU.
        MissingExtraError: If `cuda.bindings` is not installed.
    """
    cuda = _cuda()
    properties = unwrap(cuda.cudaGetDeviceProperties(unwrap(cuda.cudaGetDevice())))
    name = bytes(properties.name).partition(b"\0")[0].decode()
    return Gpu(name=name, capability=f"{properties.major}.{properties.minor}")


def unwrap(answer: tuple[Any, ...]) -> Any:
    """The result of a CUDA call, without the error code that `cuda.bindings` puts before it.

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
    """Page-locked host memory, which a GPU reads and writes at full speed.

    Attributes:
        array: The memory as an array of float32.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        cuda = _cuda()
        size = int(np.prod(shape))
        address = int(unwrap(cuda.cudaMallocHost(4 * size)))
        numbers = ctypes.cast(address, ctypes.POINTER(ctypes.c_float))
        self.array: FloatArray = np.ctypeslib.as_array(numbers, (size,)).reshape(shape)
        self.array[:] = 0
        weakref.finalize(self, cuda.cudaFreeHost, address)


class Transfers:
    """A CUDA stream, with GPU memory for one input and one output.

    Attributes:
        stream: Handle of the stream.
        input: GPU address of the input.
        output: GPU address of the output.
    """

    def __init__(self, *, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> None:
        """Allocate the memory, for arrays of float32.

        Raises:
            ProviderError: If the GPU has too little memory.
            MissingExtraError: If `cuda.bindings` is not installed.
        """
        self._cuda = cuda = _cuda()
        self._given, self._made = HostBuffer(input_shape), HostBuffer(output_shape)
        self.stream = int(unwrap(cuda.cudaStreamCreate()))
        weakref.finalize(self, cuda.cudaStreamDestroy, self.stream)
        self.input = self._allocate(self._given.array.nbytes)
        self.output = self._allocate(self._made.array.nbytes)

    def send(self, numbers: FloatArray) -> None:
        """Copy an array to the input; the stream runs the copy later."""
        self._given.array[: len(numbers)] = numbers
        source = self._given.array.ctypes.data
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
        unwrap(self._cuda.cudaMemcpyAsync(self.input, source, numbers.nbytes, kind, self.stream))

    def fetch(self, count: int) -> FloatArray:
        """Wait for the stream, then return a copy of the first rows of the output."""
        rows = self._made.array[:count]
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        target = rows.ctypes.data
        unwrap(self._cuda.cudaMemcpyAsync(target, self.output, rows.nbytes, kind, self.stream))
        unwrap(self._cuda.cudaStreamSynchronize(self.stream))
        return rows.copy()

    def _allocate(self, size: int) -> int:
        address = int(unwrap(self._cuda.cudaMalloc(size)))
        weakref.finalize(self, self._cuda.cudaFree, address)
        return address


def _cuda() -> ModuleType:
    try:
        from cuda.bindings import runtime
    except ImportError as error:
        raise MissingExtraError("device 'tensorrt'", "tensorrt", PACKAGE) from error
    module: ModuleType = runtime
    return module
