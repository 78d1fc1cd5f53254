"""Encode clips as vectors and sequences."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.clips.clip import Clip
from stars_infer.encoder.hub import HubModel, publish
from stars_infer.encoder.model import (
    GRAPH_FILE,
    HUB_FILES,
    INFO_FILE,
    ModelInfo,
    check_fingerprint,
    fetch_model,
    find_model,
    read_model_info,
    shipped_models,
)
from stars_infer.errors import UsageError
from stars_infer.preprocessing.prepare import prepare
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.similarity.features import Features
from stars_infer.similarity.sequence import sequence_of

if TYPE_CHECKING:
    from stars_infer.runtimes.runtime import Runtime, RuntimeChoice

AUTO = "auto"
_LEFT: list[Runtime | None] = []
"""Networks of the process from which this one was forked off."""


class Encoder:
    """A loaded model that turns clips into vectors.

    The network is loaded when first needed: a model that compares sequences classifies clips
    without it.

    Attributes:
        info: The model's description.
        folder: The model directory; None if its description was changed since.

    Example:
        >>> import numpy as np
        >>> from stars_infer import Clip, Encoder
        >>> from stars_infer.synthetic.actions import perform
        >>> random = np.random.default_rng(0)
        >>> clips = [Clip.from_array(perform(action, random)) for action in ("wave", "squat")]
        >>> encoder = Encoder.load(device="cpu")
        >>> vectors = encoder.embed(clips)
        >>> vectors.shape == (2, encoder.info.width)
        True
    """

    def __init__(
        self, info: ModelInfo, open_network: Callable[[], Runtime], folder: Path | None = None
    ) -> None:
        self.info = info
        self.folder = folder
        self._open_network = open_network
        self._loading = os.getpid(), threading.Lock()
        self._loaded: Runtime | None = None

    @classmethod
    def load(cls, model: str | Path | None = None, *, device: str = AUTO) -> Encoder:
        """Load a model.

        Args:
            model: Name of a shipped model, a model directory, or `hf://USER/MODEL`; the default
                model if None.
            device: `auto` (the runtime that `stars bench --save` saved, else a CUDA GPU if one
                runs, else the CPU), or one of `runtimes.open.DEVICES`, optionally followed by a
                precision such as `:int8`, or a model on a server, such as `triton://host:8001/name`.
                A named device loads the network immediately.

        Raises:
            ModelError: If there is no such model, or its files do not belong together.
            ProviderError: If the named device does not run here.
            MissingExtraError: If no runtime is installed.
            UsageError: If the precision is unknown.
        """
        folder = find_model(model)
        info = read_model_info(folder)
        check_fingerprint(folder, info)
        graph = folder / GRAPH_FILE
        encoder = cls(info, partial(_open_network, graph, info.fingerprint, device), folder)
        if device != AUTO:
            encoder.open()
        return encoder

    @classmethod
    def from_pretrained(
        cls, name: str, *, revision: str | None = None, refresh: bool = False, device: str = AUTO
    ) -> Encoder:
        """Load a model of the Hugging Face Hub, of which a copy is kept.

        A shipped model or a model directory of that name is taken instead, unless the name begins
        with `hf://` or a revision is given.

        Args:
            name: `USER/MODEL`.
            revision: Branch, tag or commit; the main branch if None.
            refresh: Ask the Hub whether the revision has changed since it was fetched.
            device: As for `load`.

        Raises:
            StarsError: As for `load`; also if the Hub has no such model or cannot be reached.
            MissingExtraError: If `huggingface_hub` is not installed.
        """
        if revision is None and (name in shipped_models() or (Path(name) / INFO_FILE).exists()):
            return cls.load(name, device=device)
        return cls.load(fetch_model(HubModel.parse(name, revision), refresh=refresh), device=device)

    def push_to_hub(
        self,
        name: str,
        *,
        private: bool = True,
        revision: str | None = None,
        message: str = "Model",
    ) -> str:
        """Copy this model to the Hugging Face Hub: graph, description, card and smaller forms.

        Args:
            name: `USER/MODEL`, made if it is not there.
            private: Whether a new model is shown to its owner only.
            revision: Branch; the main one if None.
            message: What the commit says.

        Returns:
            Address of the commit.

        Raises:
            UsageError: If there is no folder to copy, or it is no name.
            ModelError: If the model's files do not belong together, or the Hub refuses them.
            MissingExtraError: If `huggingface_hub` is not installed.
        """
        if self.folder is None:
            raise UsageError("this encoder compares in another way than its files: load them again")
        check_fingerprint(self.folder, read_model_info(self.folder))
        return publish(
            self.folder, name, HUB_FILES, private=private, revision=revision, message=message
        )

    def comparing(self, how: SequenceConfig | None) -> Encoder:
        """The same network, whose clips are compared in another way.

        Args:
            how: How sequences are compared; None to compare vectors alone.
        """
        info = replace(self.info, comparison=how, own_calibration=None)
        return Encoder(info, self._open_network)

    def __reduce__(self) -> tuple[object, ...]:
        """It is pickled without the network, which another process loads when it needs it."""
        return Encoder, (self.info, self._open_network, self.folder)

    def open(self) -> None:
        """Load the network now.

        Raises:
            ProviderError: If the device does not run here.
            ModelError: If the graph cannot be loaded.
            MissingExtraError: If no runtime is installed.
        """
        _ = self._network

    @property
    def _network(self) -> Runtime:
        """The loaded network. A process that was forked off loads its own: threads stay behind."""
        if self._loading[0] != os.getpid():
            _LEFT.append(self._loaded)  # which must not be ended here
            self._loading, self._loaded = (os.getpid(), threading.Lock()), None
        with self._loading[1]:
            if self._loaded is None:
                self._loaded = self._open_network()
            return self._loaded

    @property
    def runtime(self) -> RuntimeChoice:
        """How the network really runs, defaults filled in."""
        return self._network.choice

    @property
    def device(self) -> str:
        """Device that runs the network, one of `runtimes.open.DEVICES`."""
        return self.runtime.device

    @property
    def batch(self) -> int:
        """Bodies run at once."""
        return self.runtime.batch or 1

    def embed(self, clips: Sequence[Clip]) -> FloatArray:
        """Vectors of clips, (N, D), not normalized.

        Raises:
            ClipError: If a clip cannot be prepared.
        """
        _check_clips(clips)
        return self.embed_prepared([prepare(clip, self.info.preprocessing) for clip in clips])

    def encode(
        self, clips: Sequence[Clip], *, query: bool = False, defer_network: bool = False
    ) -> list[Features]:
        """Features of clips: what an index stores, and what it is searched with.

        Args:
            clips: The clips.
            query: Compute only what a search needs. If the model compares sequences alone, the
                network does not run.
            defer_network: There, keep the bodies for the network instead of running it, so that an
                index can make the vectors when somebody asks for them.

        Raises:
            ClipError: If a clip cannot be prepared.
        """
        _check_clips(clips)
        how = self.info.comparison
        by_sequence_alone = how is not None and not self.info.compares_vectors
        if query and how is not None and by_sequence_alone:
            return [
                Features(vector=None, sequence=sequence_of(clip, how), flat=clip.flat)
                for clip in clips
            ]
        prepared = [self.prepare(clip) for clip in clips]
        if defer_network and by_sequence_alone:
            return [
                Features(vector=None, sequence=sequence, bodies=bodies, flat=clip.flat)
                for clip, (bodies, sequence) in zip(clips, prepared, strict=True)
            ]
        vectors = self.embed_prepared([bodies for bodies, _ in prepared])
        return [
            Features(vector=vector, sequence=sequence, flat=clip.flat)
            for clip, vector, (_, sequence) in zip(clips, vectors, prepared, strict=True)
        ]

    def prepare(self, clip: Clip) -> tuple[FloatArray, FloatArray | None]:
        """Bodies for the network, and the sequence if the model compares sequences.

        Bodies are (1 or 2, T, 25, 3). If the model averages samplings, they follow each other along
        the time axis.

        Raises:
            ClipError: If fewer than two frames show a body.
        """
        bodies, how = prepare(clip, self.info.preprocessing), self.info.comparison
        return bodies, None if how is None else sequence_of(clip, how)

    def embed_prepared(self, clips: Sequence[FloatArray]) -> FloatArray:
        """Vectors (N, D) of clips as `prepare` gives them, each (1 or 2, samplings * T, 25, 3).

        The bodies of all clips run together. An absent second body never runs; models that average
        over two bodies use its constant vector. The vector of a body is the mean over its
        samplings.
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
        run, batch = self._network.run, self.batch
        return np.concatenate([run(bodies[at : at + batch]) for at in range(0, len(bodies), batch)])


def _check_clips(clips: Sequence[Clip]) -> None:
    """Raise a `UsageError` for one clip, or something else, in the place of a list of clips."""
    if isinstance(clips, Clip | str | bytes) or not isinstance(clips, Iterable):
        raise UsageError(f"expected a list of clips, got {type(clips).__name__}: pass [clip]")


def _open_network(graph: Path, fingerprint: str, device: str) -> Runtime:
    """Load a graph as `Encoder.load` describes; only here are the runtimes imported."""
    from stars_infer.runtimes.open import open_runtime
    from stars_infer.runtimes.runtime import RuntimeChoice
    from stars_infer.runtimes.saved import open_default

    if device == AUTO:
        return open_default(graph, fingerprint)
    return open_runtime(graph, RuntimeChoice.parse(device))
