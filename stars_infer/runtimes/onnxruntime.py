"""Graphs run by ONNX Runtime, on any of its execution providers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stars_infer.clip import FloatArray
from stars_infer.errors import MissingExtraError, ModelError, ProviderError
from stars_infer.runtimes.runtime import FP32, INT8, RuntimeChoice, digest_of, int8_graph

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
"""What `--device` calls ONNX Runtime's execution providers."""

CPU_BATCH, BATCH = 4, 64
"""Bodies run at once; on a CPU 16 were slower than 1 to 4 and take more memory."""


MADE_FROM = "made_from"
"""Where an int8 graph keeps the digest of the graph that it was made from."""


class OnnxRuntime:
    """A graph in a session of ONNX Runtime."""

    def __init__(self, graph: Path, how: RuntimeChoice) -> None:
        """Load the graph.

        Raises:
            ProviderError: If the provider is not there, falls back to another, or the precision is
                not one that the graph is run in.
            ModelError: If the graph cannot be loaded.
            MissingExtraError: If ONNX Runtime is not installed.
        """
        file = _graph_in(graph, how)
        self._session = open_session(file, how.device, threads=how.threads)
        if file != graph:
            _check_origin(self._session, graph, file)
        self._input = self._session.get_inputs()[0].name
        usual = CPU_BATCH if how.device == CPU else BATCH
        self.how = replace(how, batch=how.batch or usual)

    def run(self, bodies: FloatArray) -> FloatArray:
        """Vectors (B, D) of bodies (B, T, 25, 3)."""
        return np.asarray(self._session.run(None, {self._input: bodies})[0])


def _graph_in(graph: Path, how: RuntimeChoice) -> Path:
    """The file of a graph in a precision.

    Raises:
        ProviderError: If there is none.
    """
    if how.precision == FP32:
        return graph
    if how.precision != INT8 or how.device != CPU:
        raise ProviderError(
            f"device {how.device!r} is not run in {how.precision}: leave it out, or name another "
            "device; `stars bench` measures what is there"
        )
    file = int8_graph(graph)
    if not file.exists():
        raise ProviderError(
            f"{graph.parent}: no int8 form of this model here; make one with "
            f"`stars export --int8 {graph.parent}`"
        )
    return file


def _check_origin(session: onnxruntime.InferenceSession, graph: Path, file: Path) -> None:
    """Make sure that a session's graph was made from another.

    Raises:
        ModelError: If it was not.
    """
    if session.get_modelmeta().custom_metadata_map.get(MADE_FROM) != digest_of(graph):
        raise ModelError(
            f"{file}: was not made from {graph.name} as it is now; make it again with "
            f"`stars export --int8 {graph.parent}`"
        )


def available_providers() -> list[str]:
    """Names of the providers that this build of ONNX Runtime has.

    Raises:
        MissingExtraError: If ONNX Runtime is not installed.
    """
    there = _onnxruntime().get_available_providers()
    return [name for name, provider in PROVIDERS.items() if provider in there]


def open_session(
    graph: Path, device: str, *, threads: int | None = None
) -> onnxruntime.InferenceSession:
    """Open a session that really runs on a device.

    Raises:
        ProviderError: If its provider is not there or falls back to another.
        ModelError: If the graph cannot be loaded.
        MissingExtraError: If ONNX Runtime is not installed.
    """
    ort = _onnxruntime()
    provider = PROVIDERS[device]
    options = ort.SessionOptions()
    options.log_severity_level = 3  # errors only: falling back is checked below
    if threads is not None:
        options.intra_op_num_threads = threads
    try:
        session = ort.InferenceSession(graph, options, providers=[provider])
    except Exception as error:  # ONNX Runtime's own exceptions share no useful base
        raise ModelError(f"{graph}: ONNX Runtime cannot load it on {device}: {error}") from error
    running = session.get_providers()
    if running[0] != provider:
        raise ProviderError(
            f"device {device!r} does not run here, ONNX Runtime fell back to {', '.join(running)}; "
            "`stars doctor` says what is missing"
        )
    return session


def _onnxruntime() -> onnxruntime:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("running a model", "cpu", "onnxruntime") from error
    if hasattr(onnxruntime, "preload_dlls") and "CUDAExecutionProvider" in (
        onnxruntime.get_available_providers()
    ):
        onnxruntime.preload_dlls()  # finds CUDA and cuDNN where pip put them
    return onnxruntime
