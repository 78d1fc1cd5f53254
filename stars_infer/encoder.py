"""From clips to vectors, by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stars_infer.clip import Clip, FloatArray
from stars_infer.description import Description
from stars_infer.errors import MissingExtraError, ModelError, ProviderError
from stars_infer.model import (
    GRAPH_FILE,
    ModelInfo,
    check_fingerprint,
    find_model,
    read_model_info,
)
from stars_infer.motion import motion_sequence, sequence_of
from stars_infer.preparation import prepare

if TYPE_CHECKING:
    import onnxruntime

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
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


class Encoder:
    """A model directory: clips in, vectors out.

    The network is loaded when first needed: clips that are compared by their sequences are named
    without it.

    Attributes:
        info: The model's description.
    """

    def __init__(
        self, info: ModelInfo, open_network: Callable[[], tuple[onnxruntime.InferenceSession, str]]
    ) -> None:
        self.info = info
        self._open_network = open_network

    @classmethod
    def load(cls, model: str | Path | None = None, *, device: str = "auto") -> Encoder:
        """Load a model.

        Args:
            model: A shipped model's name or a model directory; the default model if not given.
            device: `auto` (a CUDA GPU if it runs, else the CPU) or a name of `PROVIDERS`, which is
                opened at once.

        Raises:
            ModelError: If there is no such model, or its files do not belong together.
            ProviderError: If the asked-for provider does not run here.
            MissingExtraError: If ONNX Runtime is not installed.
        """
        folder = find_model(model)
        info = read_model_info(folder)
        check_fingerprint(folder, info)
        encoder = cls(info, partial(open_session, folder / GRAPH_FILE, device))
        if device != "auto":
            encoder.open()
        return encoder

    def open(self) -> None:
        """Load the network now.

        Raises:
            ProviderError: If the provider does not run here.
            ModelError: If the graph cannot be loaded.
            MissingExtraError: If ONNX Runtime is not installed.
        """
        _ = self._network

    @cached_property
    def _network(self) -> tuple[onnxruntime.InferenceSession, str]:
        return self._open_network()

    @property
    def device(self) -> str:
        """Name of the execution provider that runs it, as in `PROVIDERS`."""
        return self._network[1]

    @property
    def batch(self) -> int:
        """Bodies run at once."""
        return CPU_BATCH if self.device == "cpu" else BATCH

    def embed(self, clips: Sequence[Clip]) -> FloatArray:
        """Vectors of clips, (N, D), not normalised.

        Raises:
            ClipError: If a clip cannot be prepared.
        """
        return self.embed_prepared([prepare(clip, self.info.preprocessing) for clip in clips])

    def describe(self, clips: Sequence[Clip], *, question: bool = False) -> list[Description]:
        """What an index holds of clips, and what it is asked with.

        Args:
            clips: The clips.
            question: Leave out what naming them does not need: the network does not run where
                clips are compared by their sequences.

        Raises:
            ClipError: If a clip cannot be prepared.
        """
        if question and self.info.comparison is not None:
            return [Description(vector=None, sequence=self.prepare(clip)[1]) for clip in clips]
        prepared = [self.prepare(clip) for clip in clips]
        vectors = self.embed_prepared([bodies for bodies, _ in prepared])
        return [
            Description(vector=vector, sequence=sequence)
            for vector, (_, sequence) in zip(vectors, prepared, strict=True)
        ]

    def prepare(self, clip: Clip) -> tuple[FloatArray, FloatArray | None]:
        """Bodies for the network, and the sequence if clips are compared by one.

        Bodies are (1 or 2, T, 25, 3); where the model averages samplings, these follow each other
        along T.

        Raises:
            ClipError: If fewer than two frames show a body.
        """
        bodies, how = prepare(clip, self.info.preprocessing), self.info.comparison
        if how is None:
            return bodies, None
        if how.preprocessing == self.info.preprocessing:
            return bodies, motion_sequence(bodies, how)
        return bodies, sequence_of(clip, how)

    def embed_prepared(self, clips: Sequence[FloatArray]) -> FloatArray:
        """Vectors (N, D) of clips as `prepare` gives them, each (1 or 2, samplings * T, 25, 3).

        The bodies of all clips run together; an absent second body is never run, its constant
        vector is mixed in where the model asks for it. The vector of a body is the mean of those
        of its samplings.
        """
        if not clips:
            return np.zeros((0, self.info.width), np.float32)
        how = self.info.preprocessing
        bodies = np.concatenate(clips)
        runs = bodies.reshape(len(bodies) * how.samplings, how.frames, *bodies.shape[2:])
        vectors = self.embed_bodies(runs).reshape(len(bodies), how.samplings, -1).mean(axis=1)
        ends = np.cumsum([len(clip) for clip in clips])
        parts = np.split(vectors, ends[:-1])
        return np.stack([self.info.clip_vector(part) for part in parts])

    def embed_bodies(self, bodies: FloatArray) -> FloatArray:
        """Vectors (N, D) of single bodies (N, T, 25, 3)."""
        bodies = np.ascontiguousarray(bodies, np.float32)
        session, batch = self._network[0], self.batch
        name = session.get_inputs()[0].name
        batches: Iterable[FloatArray] = (
            session.run(None, {name: bodies[at : at + batch]})[0]
            for at in range(0, len(bodies), batch)
        )
        return np.concatenate(list(batches))


def open_session(graph: Path, device: str = "auto") -> tuple[onnxruntime.InferenceSession, str]:
    """Open an ONNX Runtime session, and say on which device it really runs.

    Raises:
        ProviderError: If the asked-for provider is not there or falls back to another.
        ModelError: If the graph cannot be loaded.
    """
    ort = _onnxruntime()
    there = [
        name for name, provider in PROVIDERS.items() if provider in ort.get_available_providers()
    ]
    if device == "auto":
        device = "cuda" if "cuda" in there else "cpu"
        try:
            return _session(ort, graph, device), device
        except ProviderError:
            return _session(ort, graph, "cpu"), "cpu"
    if device not in there:
        raise ProviderError(
            f"device {device!r} is not available here; there is: {', '.join(there)} "
            "(`stars doctor` says what is installed)"
        )
    return _session(ort, graph, device), device


def _session(ort: onnxruntime, graph: Path, device: str) -> onnxruntime.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 3  # errors only: falling back is checked below
    provider = PROVIDERS[device]
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
