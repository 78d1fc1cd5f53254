"""Memory of a training step with one clip, as in STARS, Table 14.

Counted is the largest sum of all tensors that exist at once during a step: weights, gradients,
moments of the optimizer, queues, activations and what the step makes on its way. That is the same
on every device. Buffers inside a kernel, and what an allocator rounds up, are not counted.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from stars_infer.train.datasets.pack import Pack, SourceClip
from stars_infer.train.optimizer import make_optimizer
from stars_infer.train.run import RunConfig, build_method
from stars_infer.train.session import open_fabric, open_views

MEGABYTE = 1e6
_STEPS = 2
"""The first step makes the moments of the optimizer, the second has them from the start."""


def step_memory(config: RunConfig) -> float:
    """Largest sum of tensors of a training step of one clip with one body, in MB (1e6 bytes)."""
    loop = replace(config.loop, batch=1, accumulate=1, epochs=1, steps=_STEPS, keep=0, warmup=0)
    alone = replace(config, loop=loop, clips=1, data="one clip")
    fabric = open_fabric("cpu", 1, "32-true")
    fabric.seed_everything(0, verbose=False)
    method = build_method(alone)
    method.before_first_step()
    method.train()
    for module in method.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()  # a batch of one has no variance; the memory is the same
    views: Any = open_views(method, _one_clip(config.views.frames), alone, device="cpu")
    optimizer = make_optimizer(method, loop, depth=method.layers, betas=method.betas)
    with LiveTensors((*method.parameters(), *method.buffers())) as alive:
        for step in range(_STEPS):
            optimizer.zero_grad()
            output = method(*views.draw(step))
            torch.autograd.backward(output.loss)
            optimizer.step()
            method.after_step(output.keys)
            del output
    return float(alive.most) / MEGABYTE


def _one_clip(frames: int) -> Pack:
    random = np.random.default_rng(0)
    joints = random.normal(scale=0.3, size=(1, frames, 25, 3)).astype(np.float32)
    return Pack.from_clips([SourceClip(actors=joints, label="", subject="", source="one")])


class LiveTensors(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of all tensors that exist.

    Attributes:
        bytes: Their number now.
        most: The largest number so far.
    """

    def __init__(self, there: tuple[Tensor, ...]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.most = self.bytes = 0
        self._seen: set[int] = set()
        for tensor in there:
            self._see(tensor)

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        for each in tree_iter(made):
            if isinstance(each, Tensor):
                self._see(each)
        return made

    def _see(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._seen:
            return
        self._seen.add(key)
        self.bytes += size
        self.most = max(self.most, self.bytes)
        weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self.bytes -= size
