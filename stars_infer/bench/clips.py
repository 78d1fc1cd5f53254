"""How fast this machine reads, prepares and compares clips."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.bench.timing import Times, time_calls
from stars_infer.clips.clip import Clip
from stars_infer.encoder.model import ModelInfo
from stars_infer.errors import check_range
from stars_infer.preprocessing.prepare import prepare
from stars_infer.readers.files import read_clip
from stars_infer.similarity.features import Features
from stars_infer.similarity.nearest import searcher_of
from stars_infer.similarity.sequence import sequence_of
from stars_infer.synthetic.actions import perform
from stars_infer.synthetic.files import skeleton_text

EXEMPLARS = 1000
STEPS = 4
_ACTION = "wave"
_NEIGHBORS = 5
_JITTER = 0.01
"""Noise by which the sequences of exemplars differ, standard deviation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipStep:
    """A step on the way from a file to a name, measured on one clip.

    Attributes:
        name: The step.
        times: How long it took.
        frames: Frames of the clip that was read or prepared; None where they do not matter.
    """

    name: str
    times: Times
    frames: int | None


def measure_clip_steps(info: ModelInfo, *, seconds: float = 1.0) -> Iterator[ClipStep]:
    """Measure reading, preparing, and comparing with `EXEMPLARS` exemplars.

    Args:
        info: The model, which decides how clips are prepared and compared.
        seconds: How long each step is timed, s.

    Yields:
        The `STEPS` steps, each once it is measured.
    """
    check_range("seconds", seconds, above=0)
    joints = perform(_ACTION, np.random.default_rng(0))
    frames = joints.shape[1]
    with tempfile.TemporaryDirectory(prefix="stars-bench-") as folder:
        skeleton, array = Path(folder) / "clip.skeleton", Path(folder) / "clip.npy"
        skeleton.write_text(skeleton_text(joints), encoding="ascii")
        np.save(array, joints)
        for file in (skeleton, array):
            times = time_calls(lambda file=file: read_clip(file), seconds)  # type: ignore[misc]
            yield ClipStep(name=f"read {file.suffix}", times=times, frames=frames)
    clip = Clip.from_array(joints)
    yield ClipStep(
        name="prepare", times=time_calls(_prepare_call(info, clip), seconds), frames=frames
    )
    yield ClipStep(
        name=f"compare with {EXEMPLARS:,}",
        times=time_calls(_compare_call(info), seconds),
        frames=None,
    )


def _prepare_call(info: ModelInfo, clip: Clip) -> Callable[[], object]:
    how = info.comparison
    if how is None:
        return lambda: prepare(clip, info.preprocessing)
    return lambda: sequence_of(clip, how)


def _compare_call(info: ModelInfo) -> Callable[[], object]:
    """Search as `stars classify` does; what the exemplars show makes no difference to the cost."""
    random = np.random.default_rng(0)
    exemplars = [
        Features(vector=vector, sequence=_add_jitter(sequence, random))
        for vector, sequence in _example_features(info, random)
    ]
    searcher, query = searcher_of(exemplars, info.comparison), exemplars[0]
    return lambda: searcher.nearest([query], _NEIGHBORS)


def _example_features(
    info: ModelInfo, random: np.random.Generator
) -> Iterator[tuple[FloatArray, FloatArray | None]]:
    sequence = None
    if info.comparison is not None:
        sequence = sequence_of(Clip.from_array(perform(_ACTION, random)), info.comparison)
    for _ in range(EXEMPLARS):
        yield random.normal(size=info.width).astype(np.float32), sequence


def _add_jitter(sequence: FloatArray | None, random: np.random.Generator) -> FloatArray | None:
    if sequence is None:
        return None
    return sequence + random.normal(0, _JITTER, sequence.shape).astype(np.float32)
