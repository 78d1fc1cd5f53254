"""Verify that an exported graph computes the same vectors as the trained encoder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch

from stars_infer.arrays import FloatArray
from stars_infer.errors import ExportError, StarsError
from stars_infer.preprocessing.prepare import center
from stars_infer.preprocessing.resample import resize
from stars_infer.runtimes.onnxruntime import open_session
from stars_infer.synthetic.actions import SOLO_ACTIONS, perform
from stars_infer.train.networks.backbone import Backbone

BATCHES = (1, 2, 7)
MAX_RELATIVE_ERROR = 1e-4
MIN_DISTANCE = 1e-5
"""Smallest allowed relative distance between the vectors of different clips."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """Result of a verification.

    Attributes:
        relative_error: Largest |graph - torch| / |torch| over all vectors, Euclidean norms.
        smallest_distance: Smallest relative distance between vectors of different inputs.
    """

    relative_error: float
    smallest_distance: float


def verify_onnx(graph: Path, encoder: Backbone) -> Verification:
    """Check the graph, run it at batch 1, 2 and 7, and compare it with torch in float32.

    Args:
        graph: The ONNX file.
        encoder: The exported network, in evaluation mode, on the CPU.

    Raises:
        ExportError: As for `verify_graph`.
    """

    @torch.no_grad()
    def embed(bodies: FloatArray) -> FloatArray:
        vectors: FloatArray = encoder.pool(torch.from_numpy(bodies)).numpy()
        return vectors

    return verify_graph(graph, embed, frames=encoder.config.frames, source="torch")


def verify_graph(
    graph: Path, expect: Callable[[FloatArray], FloatArray], *, frames: int, source: str
) -> Verification:
    """Check a graph, run it at batch 1, 2 and 7, and compare it with its source.

    Args:
        graph: The ONNX file.
        expect: The source: expected vectors (N, D) of bodies (N, T, 25, 3).
        frames: Frames of the input, T.
        source: Name of the source for error messages.

    Raises:
        ExportError: If the checker refuses the graph, it does not run, a vector differs by more
            than `MAX_RELATIVE_ERROR`, or different inputs give the same vector.
    """
    try:
        onnx.checker.check_model(graph, full_check=True)
        session = open_session(graph, "cpu")
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, StarsError) as error:
        raise ExportError(f"the exported graph is not valid: {error}") from error
    name = session.get_inputs()[0].name
    difference, distance = 0.0, np.inf
    for batch in BATCHES:
        bodies = synthetic_bodies(batch, frames=frames)
        expected = expect(bodies)
        try:
            got = session.run(None, {name: bodies})[0]
        except Exception as failure:
            raise ExportError(f"the graph does not run at batch {batch}: {failure}") from failure
        if got.shape != expected.shape or not np.isfinite(got).all():
            raise ExportError(f"batch {batch}: expected finite {expected.shape}, got {got.shape}")
        difference = max(difference, float(_relative(got - expected, expected).max()))
        if batch > 1:
            distance = min(distance, float(_relative(got[1:] - got[:-1], got[1:]).min()))
    if not difference <= MAX_RELATIVE_ERROR:
        raise ExportError(
            f"the graph differs from {source} by {difference:.1e} (relative), "
            f"more than {MAX_RELATIVE_ERROR:.0e}"
        )
    if not distance > max(10 * difference, MIN_DISTANCE):
        raise ExportError(
            f"different clips give the same vector (relative distance {distance:.1e}, "
            f"error {difference:.1e}): "
            "is the encoder trained?"
        )
    return Verification(relative_error=difference, smallest_distance=distance)


def rounding_error(exact: Backbone, rounded: Backbone) -> float:
    """Largest relative change of a vector caused by rounding the weights."""
    bodies = torch.from_numpy(synthetic_bodies(frames=exact.config.frames))
    with torch.no_grad():
        a, b = exact.pool(bodies).numpy(), rounded.pool(bodies).numpy()
    return float(_relative(b - a, a).max())


def synthetic_bodies(count: int = max(BATCHES), *, frames: int) -> FloatArray:
    """Distinct bodies (N, T, 25, 3) of synthetic performers, ready for the network."""
    names = list(SOLO_ACTIONS)
    return np.concatenate(
        [
            resize(center(perform(names[n % len(names)], np.random.default_rng(n))), frames)
            for n in range(count)
        ]
    )


def _relative(difference: FloatArray, reference: FloatArray) -> FloatArray:
    lengths = np.maximum(np.linalg.norm(reference, axis=1), 1e-12)
    return np.asarray(np.linalg.norm(difference, axis=1) / lengths)
