"""Graphs run by ONNX Runtime on a CUDA GPU: memory kept there, launches recorded as a CUDA graph.

A CUDA graph is recorded for one batch, so a batch is filled up to the next of a few sizes, each
with a session of its own, opened when it is first needed. Float32 is float32 here: TF32, which
rounds factors to ten bits, is switched off; `cuda:fp16` is the way to speed.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.errors import ModelError, ProviderError
from stars_infer.runtimes.forms import check_made_from, form_of, has_form
from stars_infer.runtimes.gpu import cuda_memory
from stars_infer.runtimes.gpu.cuda_memory import HostBuffer
from stars_infer.runtimes.onnxruntime import BATCH, onnxruntime_package, open_session
from stars_infer.runtimes.runtime import FP16, FP32, RuntimeChoice

if TYPE_CHECKING:
    import onnxruntime

DEVICE = "cuda"
SETTINGS = {"use_tf32": "0"}
RECORDED = {**SETTINGS, "enable_cuda_graph": "1"}
STEP = 8
"""Ratio of one batch size to the next."""


class Cuda:
    """A graph on a CUDA GPU, at one batch or several."""

    def __init__(self, graph: Path, how: RuntimeChoice, *, device: str = DEVICE) -> None:
        """Load the graph for the smallest batch.

        Args:
            graph: The model's `encoder.onnx`; for `fp16`, its form in half precision is beside it.
            how: Batch and precision.
            device: Where it runs; `cpu` for trying the same without a GPU.

        Raises:
            ProviderError: If there is no such GPU, or no graph of that precision.
            ModelError: If the graph cannot be loaded, or was made of another.
            MissingExtraError: If ONNX Runtime is not installed.
        """
        if how.precision not in (FP32, FP16):
            raise ProviderError(
                f"device {DEVICE!r} is run in {FP32} and {FP16}, not {how.precision}"
            )
        self._graph = form_of(graph, how.precision)
        self._device = device
        self.how = replace(how, batch=how.batch or BATCH)
        self._sizes = batch_sizes(self.how.batch or BATCH)
        self._open: dict[int, FixedBatch] = {}
        check_made_from(self._at(self._sizes[0]).session, self._graph, graph)

    @property
    def recorded(self) -> bool:
        """Whether launches are recorded as a CUDA graph, in all sizes opened so far."""
        return all(batch.recorded for batch in self._open.values())

    def run(self, bodies: FloatArray) -> FloatArray:
        """Vectors (B, D) of bodies (B, T, 25, 3); more than fit at once follow each other."""
        most = self._sizes[-1]
        parts = (bodies[at : at + most] for at in range(0, len(bodies), most))
        return np.concatenate([self._at(self._size(len(part))).run(part) for part in parts])

    def _size(self, count: int) -> int:
        return next(size for size in self._sizes if size >= count)

    def _at(self, size: int) -> FixedBatch:
        if size not in self._open:
            self._open[size] = FixedBatch(self._graph, batch=size, device=self._device)
        return self._open[size]


class FixedBatch:
    """A graph for one number of bodies, its input and output at fixed places on the device.

    Attributes:
        session: The session of ONNX Runtime.
        recorded: Whether its launches are recorded as a CUDA graph.
    """

    def __init__(self, graph: Path, *, batch: int, device: str) -> None:
        """Open a session and take its memory.

        Raises:
            ProviderError: If the device does not run here.
            ModelError: If the graph cannot be loaded.
            MissingExtraError: If ONNX Runtime is not installed.
        """
        self.session, self.recorded = _open_recorded(graph, batch=batch, device=device)
        (given,), (made,) = self.session.get_inputs(), self.session.get_outputs()
        self._input = _on_device((batch, *given.shape[1:]), device)
        self._output = _on_device((batch, *made.shape[1:]), device)
        self._binding = self.session.io_binding()
        self._binding.bind_ortvalue_input(given.name, self._input)
        self._binding.bind_ortvalue_output(made.name, self._output)
        shape = (batch, *given.shape[1:])
        # ONNX Runtime copies faster from page-locked memory, which it cannot take itself.
        locked = device == DEVICE and cuda_memory.installed()
        self._host = HostBuffer(shape) if locked else None
        self._given = self._host.array if self._host else np.zeros(shape, np.float32)

    def run(self, bodies: FloatArray) -> FloatArray:
        """Vectors (B, D) of up to so many bodies (B, T, 25, 3); what is left over runs along."""
        self._given[: len(bodies)] = bodies
        self._input.update_inplace(self._given)
        self._binding.synchronize_inputs()
        self.session.run_with_iobinding(self._binding)
        self._binding.synchronize_outputs()
        return np.array(self._output.numpy()[: len(bodies)])


def batch_sizes(most: int) -> tuple[int, ...]:
    """Batches that are filled up to, ascending: 1, then each `STEP` times the one before."""
    sizes = [1]
    while sizes[-1] < most:
        sizes.append(min(sizes[-1] * STEP, most))
    return tuple(sizes)


def available_precisions(graph: Path) -> tuple[str, ...]:
    """Precisions that a graph's model directory has files for."""
    return (FP32, FP16) if has_form(graph, FP16) else (FP32,)


def _open_recorded(
    graph: Path, *, batch: int, device: str
) -> tuple[onnxruntime.InferenceSession, bool]:
    """A session whose launches are recorded, or one without where a graph cannot be."""
    if device != DEVICE:
        return open_session(graph, device, batch=batch), False
    try:
        return open_session(graph, device, batch=batch, settings=RECORDED), True
    except ModelError:  # an operator of it runs on the CPU: nothing can be recorded
        return open_session(graph, device, batch=batch, settings=SETTINGS), False


def _on_device(shape: tuple[int, ...], device: str) -> onnxruntime.OrtValue:
    make = onnxruntime_package().OrtValue.ortvalue_from_shape_and_type
    return make(list(shape), np.float32, device, 0)
