"""A stand-in for `cuda.bindings.runtime`: only documented calls, on memory of this process.

Copies in a stream run when the stream is synchronized, as on a GPU, and must stay within memory
that was allocated.
"""

# ruff: noqa: N801, N802, N803, N815

from __future__ import annotations

import ctypes
import enum
import importlib.machinery
import types
from collections.abc import Callable


class cudaError_t(enum.IntEnum):
    cudaSuccess = 0
    cudaErrorInvalidValue = 1
    cudaErrorMemoryAllocation = 2
    cudaErrorNoDevice = 100


class cudaMemcpyKind(enum.IntEnum):
    cudaMemcpyHostToHost = 0
    cudaMemcpyHostToDevice = 1
    cudaMemcpyDeviceToHost = 2
    cudaMemcpyDeviceToDevice = 3
    cudaMemcpyDefault = 4


class cudaStream_t:
    """A handle: an integer only by `int`."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def __int__(self) -> int:
        return self._handle


class cudaDeviceProp:
    def __init__(self, name: bytes, major: int, minor: int) -> None:
        self.name, self.major, self.minor = name.ljust(256, b"\0"), major, minor


class StrictCuda:
    """State of the stand-in; `module` is what a test imports."""

    def __init__(self, name: str = "NVIDIA H200", capability: tuple[int, int] = (9, 0)) -> None:
        self.gpu: tuple[str, tuple[int, int]] | None = (name, capability)
        self.memory_left = 1 << 30
        self.device: dict[int, ctypes.Array[ctypes.c_char]] = {}
        self.host: dict[int, ctypes.Array[ctypes.c_char]] = {}
        self.streams: dict[int, list[Callable[[], None]]] = {}
        self.module = types.ModuleType("cuda.bindings.runtime")
        self.module.__spec__ = importlib.machinery.ModuleSpec("cuda.bindings.runtime", None)
        for given in (cudaError_t, cudaMemcpyKind, cudaStream_t):
            setattr(self.module, given.__name__, given)
        for call in (
            self.cudaGetDevice, self.cudaGetDeviceProperties, self.cudaMalloc, self.cudaFree,
            self.cudaMallocHost, self.cudaFreeHost, self.cudaStreamCreate,
            self.cudaStreamDestroy, self.cudaStreamSynchronize, self.cudaMemcpyAsync,
        ):  # fmt: skip
            setattr(self.module, call.__name__, call)

    def packages(self) -> dict[str, types.ModuleType]:
        """Entries for `sys.modules`."""
        outer, inner = types.ModuleType("cuda"), types.ModuleType("cuda.bindings")
        outer.__path__ = inner.__path__ = []
        outer.bindings, inner.runtime = inner, self.module
        names = ("cuda", "cuda.bindings", "cuda.bindings.runtime")
        return dict(zip(names, (outer, inner, self.module), strict=True))

    def cudaGetDevice(self):
        if self.gpu is None:
            return cudaError_t.cudaErrorNoDevice, None
        return cudaError_t.cudaSuccess, 0

    def cudaGetDeviceProperties(self, device: int):
        assert device == 0
        name, (major, minor) = self.gpu
        return cudaError_t.cudaSuccess, cudaDeviceProp(name.encode(), major, minor)

    def cudaMalloc(self, size: int):
        if size > self.memory_left:
            return cudaError_t.cudaErrorMemoryAllocation, None
        self.memory_left -= size
        return cudaError_t.cudaSuccess, self._take(self.device, size)

    def cudaMallocHost(self, size: int):
        return cudaError_t.cudaSuccess, self._take(self.host, size)

    def cudaFree(self, devPtr: int):
        self.memory_left += len(self.device.pop(int(devPtr)))
        return (cudaError_t.cudaSuccess,)

    def cudaFreeHost(self, ptr: int):
        del self.host[int(ptr)]
        return (cudaError_t.cudaSuccess,)

    def cudaStreamCreate(self):
        handle = 0x5000 + len(self.streams)
        self.streams[handle] = []
        return cudaError_t.cudaSuccess, cudaStream_t(handle)

    def cudaStreamDestroy(self, stream):
        del self.streams[int(stream)]
        return (cudaError_t.cudaSuccess,)

    def cudaStreamSynchronize(self, stream):
        waiting = self.streams[int(stream)]
        while waiting:
            waiting.pop(0)()
        return (cudaError_t.cudaSuccess,)

    def cudaMemcpyAsync(self, dst, src, count: int, kind, stream):
        assert isinstance(kind, cudaMemcpyKind)
        down = kind == cudaMemcpyKind.cudaMemcpyHostToDevice
        to, source = (self.device, self.host) if down else (self.host, self.device)
        if not (_holds(to, dst, count) and _holds(source, src, count)):
            return (cudaError_t.cudaErrorInvalidValue,)
        self.streams[int(stream)].append(lambda: ctypes.memmove(dst, src, count))
        return (cudaError_t.cudaSuccess,)

    def _take(self, where, size: int) -> int:
        block = ctypes.create_string_buffer(b"\xff" * size, size)
        where[ctypes.addressof(block)] = block
        return ctypes.addressof(block)


def _holds(where, address: int, count: int) -> bool:
    return any(at <= address and address + count <= at + len(block) for at, block in where.items())
