"""How long a run will take on this machine and how much memory, by two small steps."""

from __future__ import annotations

import copy
import os
import time
from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from torch import Tensor

from stars_infer.machine import resident_memory
from stars_infer.train.methods.method import Method
from stars_infer.train.optimizer import make_optimizer
from stars_infer.train.pools.batches import PoolBatches
from stars_infer.train.run import RunConfig
from stars_infer.train.views.views import Views

PROBED = 8
"""Clips of the steps that are measured."""
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_MOST_OF_THE_MEMORY = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a run will need.

    Attributes:
        steps: Steps that are to come.
        step_seconds: Seconds of one of them.
        memory: Bytes of memory at the peak, about.
        there: Bytes of memory of this machine; None if the system does not tell.
        accumulate: Gradient steps of the run.
    """

    steps: int
    step_seconds: float
    memory: int
    there: int | None
    accumulate: int

    @property
    def seconds(self) -> float:
        """Seconds of all of them."""
        return self.steps * self.step_seconds

    def in_words(self) -> str:
        """A sentence for people."""
        words = (
            f"about {duration(self.seconds)} to go: {self.steps:,} steps of "
            f"{duration(self.step_seconds)}; about {self.memory / 1e9:.1f} GB of memory"
        )
        if self.there is None:
            return words
        words += f" of {self.there / 1e9:.1f}"
        if self.memory > _MOST_OF_THE_MEMORY * self.there:
            words += f", which is too little: --accumulate {4 * self.accumulate} needs less"
        return words


def forecast(
    method: Method, views: Views | PoolBatches, config: RunConfig, *, fabric: Fabric, first: int
) -> Forecast:
    """Measure two steps of a few clips with a copy of a method; the run is not changed.

    Args:
        method: The method, before its first step.
        views: Its batches.
        config: The configuration of the run.
        fabric: From `open_fabric`, with one process.
        first: Step from which the run goes on.
    """
    part = config.loop.batch // config.loop.accumulate
    clips = min(PROBED, part)
    probe = copy.deepcopy(method).to(fabric.device).train()
    learning = [p for p in probe.parameters() if p.requires_grad]
    optimizer = make_optimizer(probe, config.loop, depth=probe.layers, betas=probe.betas)
    for _ in range(2):  # the first one is slow
        kept = _Kept(probe)
        began = time.perf_counter()
        with torch.autograd.graph.saved_tensors_hooks(kept.add, lambda x: x):
            drawn = views.draw(first, slice(0, clips))
            with fabric.autocast():
                output = probe(*drawn)
        torch.autograd.backward(output.loss)
        drew = time.perf_counter()
        optimizer.step()
        ended = time.perf_counter()
    moments = 1 if isinstance(optimizer, torch.optim.SGD) else 2
    weights = sum(map(_bytes, probe.state_dict().values()))
    gradients = (1 + moments) * sum(map(_bytes, learning))
    return Forecast(
        steps=config.steps - first,
        step_seconds=(drew - began) * config.loop.batch / clips + ended - drew,
        memory=(resident_memory() or 0) + weights + gradients + kept.size * part // clips,
        there=machine_memory(),
        accumulate=config.loop.accumulate,
    )


class _Kept:
    """Counts the memory that a forward pass keeps for the backward one, besides the weights."""

    def __init__(self, method: Method) -> None:
        self._seen = {p.untyped_storage().data_ptr() for p in method.parameters()}
        self._seen |= {b.untyped_storage().data_ptr() for b in method.buffers()}
        self.size = 0

    def add(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self._seen:
            self._seen.add(storage.data_ptr())
            self.size += storage.nbytes()
        return tensor


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def machine_memory() -> int | None:
    """Bytes of memory of this machine; None if the system does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def duration(seconds: float) -> str:
    """A time in the units that people use for it."""
    for unit, name in ((_DAY, "days"), (_HOUR, "hours"), (_MINUTE, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.2g} s"
