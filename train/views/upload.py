"""What the host has drawn for a step goes to the GPU in one copy for which nobody waits.

The tensors of a step are laid end to end in page-locked memory. The copy runs on a stream of its
own, beside the computing of the step before; `Ahead` lets another thread draw in the meantime.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from stars_infer.train.views.batch import Batch

_ALIGNED = 16
"""Bytes of which every tensor begins at a multiple."""
_AHEAD = 2
"""Steps that are drawn before they are needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """Tensors on their way.

    Attributes:
        tensors: Parts of `packed`, or the tensors themselves where nothing had to be sent.
        packed: All of them.
        ready: Recorded when they have arrived.
    """

    tensors: Sequence[Tensor]
    packed: Tensor | None = None
    ready: Any = None

    def receive(self) -> Sequence[Tensor]:
        """The tensors; what this thread computes from now on waits for them, the host does not."""
        if self.ready is not None and self.packed is not None:
            stream = torch.cuda.current_stream(self.packed.device)
            stream.wait_event(self.ready)
            self.packed.record_stream(stream)
        return self.tensors


class Upload:
    """Sends the tensors of a step to a device.

    Args:
        device: Where they go; a CPU takes them as they are.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        make: Any = torch.cuda.Stream  # untyped
        self._stream = make(device) if device.type == "cuda" else None

    def send(self, tensors: Sequence[Tensor]) -> Sent:
        """Begin to copy tensors of the host, of any types."""
        if self._device.type == "cpu":
            return Sent(tensors=tensors)
        host, places = lay_out(tensors, self._device)
        with torch.cuda.stream(self._stream):  # does nothing where there is no stream
            packed = host.to(self._device, non_blocking=True)
            ready = self._stream.record_event() if self._stream is not None else None
        return Sent(tensors=take_apart(packed, places, tensors), packed=packed, ready=ready)


def lay_out(tensors: Sequence[Tensor], device: torch.device) -> tuple[Tensor, list[slice]]:
    """Copy tensors end to end into memory that a device reads by itself, and say where they lie."""
    sizes = [tensor.numel() * tensor.element_size() for tensor in tensors]
    starts = [0]
    for size in sizes:
        starts.append(starts[-1] + -(-size // _ALIGNED) * _ALIGNED)
    host = page_locked(starts[-1], device)
    places = [slice(at, at + size) for at, size in zip(starts, sizes, strict=False)]
    for part, tensor in zip(take_apart(host, places, tensors), tensors, strict=True):
        part.copy_(tensor)
    return host, places


def take_apart(packed: Tensor, places: Sequence[slice], like: Sequence[Tensor]) -> list[Tensor]:
    """The parts of packed bytes, in the types and shapes of other tensors."""
    return [
        packed[place].view(one.dtype).view(one.shape)
        for place, one in zip(places, like, strict=True)
    ]


def page_locked(size: int, device: torch.device) -> Tensor:
    """Bytes of the host that a device reads by itself; torch keeps them until it has done so."""
    return torch.empty(size, dtype=torch.uint8, pin_memory=device.type == "cuda")


class Source(Protocol):
    """Makes the batches of a run, in two parts; `draw` does both."""

    device: torch.device

    def prepare(self, step: int, part: slice = ...) -> Any:
        """Draw on the host, and begin to send; any thread may do so."""

    def finish(self, drawn: Any) -> tuple[Batch, ...]:
        """Compute on the device."""


def draw_ahead(
    source: Source, wanted: Iterable[tuple[int, slice]], *, ahead: int = _AHEAD
) -> Generator[tuple[Batch, ...], None, None]:
    """Make batches, of which another thread prepares the next ones while the device computes.

    On a CPU, which would have to do both, nothing is prepared ahead.

    Args:
        source: Makes them.
        wanted: Steps, and their parts, in order.
        ahead: Batches that are prepared before they are needed.
    """
    if source.device.type == "cpu":
        ahead = 0
    waiting: deque[Future[Any]] = deque()
    with ThreadPoolExecutor(max_workers=1) as thread:
        for each in wanted:
            if not ahead:
                yield source.finish(source.prepare(*each))
                continue
            waiting.append(thread.submit(source.prepare, *each))
            if len(waiting) > ahead:
                yield source.finish(waiting.popleft().result())
        while waiting:
            yield source.finish(waiting.popleft().result())
