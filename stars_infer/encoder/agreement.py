"""Compare the vectors of two runtimes on example clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.encoder.model import ModelInfo
from stars_infer.preprocessing.prepare import prepare
from stars_infer.runtimes.open import available_devices, open_runtime
from stars_infer.runtimes.runtime import RuntimeChoice

_CLIPS = 8


def example_bodies(info: ModelInfo) -> FloatArray:
    """Prepared bodies (N, T, 25, 3) of synthetic clips, some of which show two people."""
    from stars_infer.clips.clip import Clip
    from stars_infer.synthetic.actions import ACTIONS, perform

    clips = [
        Clip.from_array(perform(ACTIONS[n % len(ACTIONS)], np.random.default_rng(n)))
        for n in range(_CLIPS)
    ]
    return np.concatenate([prepare(clip, info.preprocessing) for clip in clips])


def reference_vectors(graph: Path, bodies: FloatArray) -> FloatArray:
    """Float32 vectors (N, D) by ONNX Runtime on the CPU, or by OpenVINO if only that is installed.

    Raises:
        MissingExtraError: If no runtime is installed.
    """
    device = "cpu" if "cpu" in available_devices() else "openvino"
    runtime = open_runtime(graph, RuntimeChoice(device=device))
    return np.concatenate([runtime.run(bodies[at : at + 1]) for at in range(len(bodies))])


def smallest_cosine(vectors: FloatArray, reference: FloatArray) -> float:
    """Smallest cosine of vectors (N, D) to their references; -1 if a vector is not finite."""
    if vectors.shape != reference.shape or not np.isfinite(vectors).all():
        return -1.0
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(reference, axis=1)
    cosines = np.einsum("nd,nd->n", vectors, reference) / np.maximum(lengths, 1e-12)
    return float(cosines.min())
