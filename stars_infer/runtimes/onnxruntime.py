"""Run a graph by ONNX Runtime, on any of its execution providers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.errors import MissingExtraError, ModelError, ProviderError
from stars_infer.machine import usable_cores
from stars_infer.runtimes.forms import check_made_from, form_of
from stars_infer.runtimes.runtime import BF16, FP16, FP32, INT8, RuntimeChoice
from stars_infer.telemetry import switch_off

if TYPE_CHECKING:
    import onnxruntime

CPU = "cpu"
PROVIDERS = {
    CPU: "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
    "rocm": "ROCMExecutionProvider",
}
"""ONNX Runtime's execution providers, by their names in `--device`."""

BODIES = "bodies"
"""Name of the free axis of every graph's input."""
_PRECISIONS = {CPU: (FP32, INT8)}
"""Precisions that a plain session offers on a device; the other devices offer float32 alone."""
_DEVICES_OF = {
    BF16: "openvino: pip install 'stars-infer[openvino]'",
    FP16: "cuda and tensorrt",
    INT8: "cpu and openvino",
}
_SPINNING = "session.intra_op.allow_spinning"
CPU_BATCH, BATCH = 4, 64
"""Bodies run at once. On a CPU, 16 were slower than 1 to 4 and took more memory."""


class OnnxRuntime:
    """A graph run by a session of ONNX Runtime."""

    def __init__(self, graph: Path, choice: RuntimeChoice) -> None:
        """Load the graph.

        Raises:
            ProviderError: If the provider is missing or falls back to another, or if the device
                does not run graphs in that precision.
            ModelError: If the graph cannot be loaded.
            MissingExtraError: If ONNX Runtime is not installed.
        """
        if choice.precision not in _PRECISIONS.get(choice.device, (FP32,)):
            raise ProviderError(
                f"device {choice.device!r} does not run in {choice.precision}, which is for "
                f"{_DEVICES_OF[choice.precision]}"
            )
        form = form_of(graph, choice.precision)
        self._session = open_session(form, choice.device, threads=choice.threads)
        check_made_from(self._session, form, graph)
        self._input = self._session.get_inputs()[0].name
        default = CPU_BATCH if choice.device == CPU else BATCH
        self.choice = replace(choice, batch=choice.batch or default)

    def run(self, bodies: FloatArray) -> FloatArray:
        """Vectors (B, D) of bodies (B, T, 25, 3)."""
        return np.asarray(self._session.run(None, {self._input: bodies})[0])


def available_providers() -> list[str]:
    """Names in `--device` of the providers that this build of ONNX Runtime has.

    Raises:
        MissingExtraError: If ONNX Runtime is not installed.
    """
    there = onnxruntime_package().get_available_providers()
    return [name for name, provider in PROVIDERS.items() if provider in there]


def open_session(
    graph: Path,
    device: str,
    *,
    threads: int | None = None,
    settings: Mapping[str, str] | None = None,
    batch: int | None = None,
) -> onnxruntime.InferenceSession:
    """Open a session that really runs on a device.

    Args:
        graph: The ONNX file.
        device: A name of `PROVIDERS`.
        threads: Threads of one run on a CPU; if None, ONNX Runtime decides, or there is one for
            each core if this process may not use all of the machine's.
        settings: Options of the provider.
        batch: Number of bodies in every run; any number if None.

    Raises:
        ProviderError: If the device's provider is missing or falls back to another.
        ModelError: If the graph cannot be loaded.
        MissingExtraError: If ONNX Runtime is not installed.
    """
    ort = onnxruntime_package()
    provider = PROVIDERS[device]
    options = ort.SessionOptions()
    options.log_severity_level = 3  # errors only: falling back is checked below
    _share_cores(options, threads)
    if batch is not None:
        options.add_free_dimension_override_by_name(BODIES, batch)
    try:
        session = ort.InferenceSession(graph, options, providers=[(provider, dict(settings or {}))])
    except Exception as error:  # ONNX Runtime's own exceptions share no useful base
        raise ModelError(f"{graph}: ONNX Runtime cannot load it on {device}: {error}") from error
    running = session.get_providers()
    if running[0] != provider:
        raise ProviderError(
            f"device {device!r} does not run here, ONNX Runtime fell back to {', '.join(running)}; "
            "`stars doctor` says what is missing"
        )
    return session


def _share_cores(options: onnxruntime.SessionOptions, threads: int | None) -> None:
    """Set the threads of one run, and let them sleep while they wait where cores are few.

    ONNX Runtime counts the cores of the machine, not those that this process may use, and its
    threads wait by spinning: more of them than cores take the time in which another would work.
    """
    cores = usable_cores()
    if threads is None and cores < (os.cpu_count() or cores):
        threads = cores
    if threads is not None:
        options.intra_op_num_threads = threads
        if threads > cores:
            options.add_session_config_entry(_SPINNING, "0")


def onnxruntime_package() -> onnxruntime:
    """Import ONNX Runtime and the CUDA libraries that it needs.

    Raises:
        MissingExtraError: If it is not installed.
    """
    switch_off()  # a program may have changed the variable after importing stars_infer
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("running a model", "cpu", "onnxruntime") from error
    if hasattr(onnxruntime, "preload_dlls") and "CUDAExecutionProvider" in (
        onnxruntime.get_available_providers()
    ):
        onnxruntime.preload_dlls()  # finds CUDA and cuDNN where pip put them
    return onnxruntime
