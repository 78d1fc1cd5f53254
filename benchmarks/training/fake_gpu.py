"""A GPU that computes nothing: it knows devices, shapes and who waits for whom.

Its tensors are fake ones (`torch._subclasses.fake_tensor`) of a device of its own, so that an
operation on tensors of host and device fails as on a GPU. What makes the host wait for the device
is counted: reading a number, and copying from or to memory that is not page-locked. A process that
has made one keeps it; use a process of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.backend_registration import (
    _DummyBackendModule,
    _setup_privateuseone_for_python_backend,
)

torch.utils.rename_privateuse1_backend("gpu")
DEVICE = torch.device("gpu:0")
_aten = torch.ops.aten
_READS = {
    _aten._local_scalar_dense.default: "a number is read",
    _aten.nonzero.default: "positions are counted",
    _aten.masked_select.default: "positions are counted",
    _aten.repeat_interleave.Tensor: "repetitions are counted",
    _aten.bincount.default: "the largest is read",
    _aten.equal.default: "tensors are compared",
}
_COPIES = (_aten._to_copy.default, _aten.copy_.default)
_library: torch.library.Library | None = None


class _Module(_DummyBackendModule):
    """What torch asks of a device."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]


class Waits(TorchDispatchMode):
    """Counts, by reason, how often the host waits for the device, and asynchronous copies.

    Attributes:
        reasons: Number of waits by reason.
        copies: Number of copies for which nobody waits.
        locked: Addresses of page-locked memory.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reasons: Counter[str] = Counter()
        self.copies = 0
        self.locked: set[int] = set()
        self._kept: list[Tensor] = []
        self.fakes = FakeTensorMode(allow_non_fake_inputs=True)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        given = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        here = [x for x in given if x.device.type == "cpu"]
        there = [x for x in given if x.device == DEVICE]
        if func in _READS and there:
            self.reasons[_READS[func]] += 1
        elif func in (_aten.index.Tensor, _aten.index_put_.default, _aten.index_put.default):
            indices = [x for x in tree_leaves(args[1]) if isinstance(x, Tensor)]
            if there and any(x.dtype in (torch.bool, torch.uint8) for x in indices):
                self.reasons["positions are counted"] += 1
            if args[0].device == DEVICE and any(x.device.type == "cpu" for x in indices):
                self.reasons["an index is sent"] += 1
        elif func in _COPIES:
            target = kwargs.get("device") or args[0].device
            if func is _aten.copy_.default:
                crosses = bool(here and there)
            else:
                crosses = torch.device(target) != args[0].device
            if crosses:
                source = args[1] if func is _aten.copy_.default else args[0]
                self._copy(source, kwargs.get("non_blocking") or (len(args) > 2 and args[2]))
        elif there and any(x.dim() for x in here):
            self.reasons[f"host and device meet in {func}"] += 1
        if not (there or torch.device(kwargs.get("device") or "cpu") == DEVICE):
            return func(*args, **kwargs)
        if func is _aten._local_scalar_dense.default:
            return 1.0 if args[0].is_floating_point() else 1
        if func is _aten._to_copy.default and args[0].device != DEVICE:
            kind = kwargs.get("dtype") or args[0].dtype
            return self.make(args[0].shape, args[0].stride(), kind)
        kwargs = {name: None if name == "generator" else it for name, it in kwargs.items()}
        with self.fakes:
            return func(*args, **kwargs)

    def make(self, size: Any, stride: Any, dtype: torch.dtype) -> Tensor:
        """A tensor of the device."""
        empty = torch.empty_strided(size, stride, dtype=dtype, device="meta")
        return FakeTensor(self.fakes, empty, DEVICE)

    def page_locked(self, size: int, device: torch.device) -> Tensor:
        """Stands in for page-locked memory of the host."""
        memory = torch.empty(size, dtype=torch.uint8)
        self.locked.add(memory.untyped_storage().data_ptr())
        self._kept.append(memory)  # lest another tensor gets the address
        return memory

    def _copy(self, source: Tensor, asynchronous: Any) -> None:
        locked = source.device.type == "cpu" and source.untyped_storage().data_ptr() in self.locked
        if locked and asynchronous:
            self.copies += 1
        elif source.device.type == "cpu":
            self.reasons["pageable memory is copied"] += 1
        else:
            self.reasons["a tensor is fetched"] += 1


@contextmanager
def fake_gpu() -> Iterator[Waits]:
    """Make tensors of `DEVICE` possible, and count who waits."""
    waits = Waits()
    _register(waits)
    generator = torch.Generator
    with (
        patch.object(torch, "Generator", lambda device="cpu": generator()),
        torch.autograd.set_multithreading_enabled(False),
        waits,
    ):
        yield waits


def _register(waits: Waits) -> None:
    """Let constants be sent, which does not pass the modes, and be counted."""
    global _library
    if _library is not None:
        raise RuntimeError("a process has one fake GPU")
    _setup_privateuseone_for_python_backend("gpu", backend_module=_Module())
    _library = torch.library.Library("aten", "IMPL")

    def empty_strided(size: Any, stride: Any, *, dtype: torch.dtype, **_: Any) -> Tensor:
        waits.reasons["a constant is sent"] += 1
        return waits.make(size, stride, dtype)

    _library.impl("empty_strided", empty_strided, "PrivateUse1")
    _library.impl("_copy_from", lambda source, target, _=False: target, "PrivateUse1")


def move(module: nn.Module) -> None:
    """Move a module to the device; `Module.to` swaps tensors, which fake ones do not allow."""
    for part in module.modules():
        for name, parameter in part._parameters.items():
            if parameter is not None:
                there = parameter.detach().to(DEVICE)
                part._parameters[name] = nn.Parameter(there, parameter.requires_grad)
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = buffer.to(DEVICE)
