"""Run a graph by ONNX Runtime on a CUDA GPU, with fixed memory and launches in a CUDA graph.

A CUDA graph is recorded for one batch size. Batches are therefore padded to the next of a few
sizes, each with its own session, opened when first needed. Float32 is exact: TF32, which rounds
factors to ten bits, is off. Use `cuda:fp16` for speed.
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
    """A graph on a CUDA GPU, in several batch sizes."""

    def __init__(self, graph: Path, choice: RuntimeChoice, *, device: str = DEVICE) -> None:
        """Load the graph for the smallest batch size.

        Args:
            graph: The model's `encoder.onnx`; for `fp16`, `encoder.fp16.onnx` lies beside it.
            choice: Batch size and precision.
            device: `cpu` runs the same code without a GPU, for tests.

        Raises:
            ProviderError: If there is no CUDA GPU, or no graph in that precision.
            ModelError: If the graph cannot be loaded, or was made from another graph.
            MissingExtraError: If ONNX Runtime is not installed.
        """
        if choice.precision not in (FP32, FP16):
            raise ProviderError(
                f"device {DEVICE!r} runs in {FP32} and {FP16}, not {choice.precision}"
            )
        self._graph = form_of(graph, choice.precision)
        self._device = device
        batch = choice.batch or BATCH
        self.choice = replace(choice, batch=batch)
        self._sizes = batch_sizes(batch)
        self._open: dict[int, FixedBatch] = {}
        check_made_from(self._at(self._sizes[0]).session, self._graph, graph)

    @property
    def recorded(self) -> bool:
        """Whether all batch sizes opened so far record their launches as a CUDA graph."""
        return all(batch.recorded for batch in self._open.values())

    def run(self, bodies: FloatArray) -> FloatArray:
        """Vectors (B, D) of bodies (B, T, 25, 3), run in batches of the largest size or less."""
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
    """A graph for one batch size, with input and output at fixed addresses on the device.

    Attributes:
        session: The session of ONNX Runtime.
        recorded: Whether the launches are recorded as a CUDA graph.
    """

    def __init__(self, graph: Path, *, batch: int, device: str) -> None:
        """Open a session and allocate its memory.

        Raises:
            ProviderError: If the device does not run here.
            ModelError: If the graph cannot be loaded.
            MissingExtraError: If ONNX Runtime is not installed.
        """
        self._graph, self._batch, self._device = graph, batch, device
        session, self.recorded = _open_recorded(graph, batch=batch, device=device)
        self._use(session)
        self._seen = False

    def _use(self, session: onnxruntime.InferenceSession) -> None:
        """Give a session its memory."""
        self.session, device = session, self._device
        (given,), (made,) = session.get_inputs(), session.get_outputs()
        shape = (self._batch, *given.shape[1:])
        self._input = _on_device(shape, device)
        self._output = _on_device((self._batch, *made.shape[1:]), device)
        self._binding = session.io_binding()
        self._binding.bind_ortvalue_input(given.name, self._input)
        self._binding.bind_ortvalue_output(made.name, self._output)
        # ONNX Runtime copies faster from page-locked memory, but cannot allocate it.
        locked = device == DEVICE and cuda_memory.is_installed()
        self._host = HostBuffer(shape) if locked else None
        self._given = self._host.array if self._host else np.zeros(shape, np.float32)

    def run(self, bodies: FloatArray) -> FloatArray:
        """Vectors (B, D) of at most one batch of bodies (B, T, 25, 3); a smaller one is padded.

        The first run records the launches. If that fails, it is done again without recording.
        """
        try:
            found = self._run(bodies)
        except Exception:  # ONNX Runtime's own exceptions share no useful base
            if self._seen or not self.recorded:
                raise
            self.recorded = False
            self._use(open_session(self._graph, self._device, batch=self._batch, settings=SETTINGS))
            found = self._run(bodies)
        self._seen = True
        return found

    def _run(self, bodies: FloatArray) -> FloatArray:
        self._given[: len(bodies)] = bodies
        self._input.update_inplace(self._given)
        self._binding.synchronize_inputs()
        self.session.run_with_iobinding(self._binding)
        self._binding.synchronize_outputs()
        return np.array(self._output.numpy()[: len(bodies)])


def batch_sizes(most: int) -> tuple[int, ...]:
    """Batch sizes up to `most`, ascending: 1, then each `STEP` times the one before."""
    sizes = [1]
    while sizes[-1] < most:
        sizes.append(min(sizes[-1] * STEP, most))
    return tuple(sizes)


def available_precisions(graph: Path) -> tuple[str, ...]:
    """Precisions for which the model directory of a graph has files."""
    return (FP32, FP16) if has_form(graph, FP16) else (FP32,)


def _open_recorded(
    graph: Path, *, batch: int, device: str
) -> tuple[onnxruntime.InferenceSession, bool]:
    """Open a session that records its launches; one that does not where recording is impossible."""
    if device != DEVICE:
        return open_session(graph, device, batch=batch), False
    try:
        return open_session(graph, device, batch=batch, settings=RECORDED), True
    except ModelError:  # one of its operators runs on the CPU, so nothing can be recorded
        return open_session(graph, device, batch=batch, settings=SETTINGS), False


def _on_device(shape: tuple[int, ...], device: str) -> onnxruntime.OrtValue:
    make = onnxruntime_package().OrtValue.ortvalue_from_shape_and_type
    return make(list(shape), np.float32, device, 0)
