"""Long recordings of known content: one person's real clips in a row, with pauses and unknown ones.

Between two pieces the body goes from the last posture of one to the first of the next in half a
second. Truth is when each clip of a known action begins and ends; pauses, blends and clips of
actions that the index does not hold are background.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sets import EvaluationSet

from stars_infer.arrays import FloatArray
from stars_infer.clips.clip import Clip

KNOWN, STRANGE, PAUSES = 10, 3, 3
"""Pieces of a recording: clips of known actions, of others, and standing about."""
BLEND = 0.5
"""Seconds from one piece to the next."""
PAUSE = (0.5, 3.0)
"""Shortest and longest pause, seconds."""
SWAY = 0.004
"""Deviation of every joint while somebody stands about, meters: a sensor's noise."""
LONGEST = 10.0
"""Seconds of a piece: one of a minute is a recording itself."""
UNKNOWN_SHARE = 0.25
"""Share of the actions that the index does not hold."""
EXEMPLARS = 5
"""Of each action in the index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """When an action takes place.

    Attributes:
        start: Seconds from the beginning of the recording.
        end: The same.
        label: The action.
    """

    start: float
    end: float
    label: str

    def overlap(self, start: float, end: float) -> float:
        """Intersection over union with another interval."""
        inside = max(0.0, min(self.end, end) - max(self.start, start))
        return inside / (max(self.end, end) - min(self.start, start))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """What is in the index, and recordings with their truth.

    Attributes:
        exemplars: Places of the exemplars in the set.
        recordings: Each with the intervals that are to be found in it.
    """

    exemplars: NDArray[np.intp]
    recordings: list[tuple[Clip, list[Interval]]]


def performer(clip: Clip) -> str:
    """Who performs a clip, by its file name `s3_...`; one person for all where names do not say."""
    said = re.match(r"s(\d+)_", Path(clip.source).name)
    return said[1] if said else "somebody"


def stitched(data: EvaluationSet, *, recordings: int, seed: int) -> Task:
    """Draw actions, exemplars and recordings from a set.

    Args:
        data: The set; exemplars come from clips that may be exemplars, all pieces of recordings
            from those that may be queries, and those of a recording from one person.
        recordings: How many.
        seed: Of all that is drawn.
    """
    random = np.random.default_rng(seed)
    labels = np.array(data.labels)
    who = np.array([performer(clip) for clip in data.clips])
    classes = sorted(set(data.labels))
    unknown = set(
        random.choice(classes, round(UNKNOWN_SHARE * len(classes)), replace=False).tolist()
    )
    known = np.array([label not in unknown for label in labels])
    drawn = [
        random.choice(np.flatnonzero(data.exemplar & (labels == label)), EXEMPLARS, replace=False)
        for label in classes
        if label not in unknown
    ]
    exemplars = np.concatenate(drawn)
    whole = np.array(
        [len(clip.bodies) == 1 and clip.frames <= LONGEST * clip.fps for clip in data.clips]
    )
    asked = data.query & whole & ~np.isin(np.arange(len(labels)), exemplars)
    performers = sorted(set(who[asked].tolist()))
    made = []
    for number in range(recordings):
        present = asked & (who == performers[number % len(performers)])
        pieces = [
            *random.choice(np.flatnonzero(present & known), KNOWN, replace=False).tolist(),
            *random.choice(np.flatnonzero(present & ~known), STRANGE, replace=False).tolist(),
            *[None] * PAUSES,
        ]
        random.shuffle(pieces)
        made.append(_recording(data, pieces, known, random))
    return Task(exemplars=exemplars, recordings=made)


def _recording(
    data: EvaluationSet,
    pieces: Sequence[int | None],
    known: NDArray[np.bool_],
    random: np.random.Generator,
) -> tuple[Clip, list[Interval]]:
    """Lay pieces, places of clips or None for a pause, one after the other."""
    first = data.clips[next(piece for piece in pieces if piece is not None)]
    fps, here = first.fps, first.bodies[0, 0]
    parts: list[FloatArray] = []
    truth = []
    at = 0
    for piece in pieces:
        if piece is None:
            shape = (round(random.uniform(*PAUSE) * fps), *here.shape)
            joints = (here + random.normal(0, SWAY, shape)).astype(np.float32)
        else:
            joints = data.clips[piece].bodies[0]
        if parts and piece is not None:
            share = np.linspace(0, 1, round(BLEND * fps) + 2, dtype=np.float32)[1:-1, None, None]
            parts.append(here + share * (joints[0] - here))
            at += len(share)
        if piece is not None and known[piece]:
            ends = at / fps, (at + len(joints)) / fps
            truth.append(Interval(start=ends[0], end=ends[1], label=data.labels[piece]))
        parts.append(joints)
        at += len(joints)
        here = joints[-1]
    joints = np.concatenate(parts)[None]
    presence = np.ones(joints.shape[:2], np.bool_)
    return Clip(bodies=joints, presence=presence, layout=first.layout, fps=fps), truth
