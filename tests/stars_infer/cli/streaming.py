"""Synthetic people who act one thing after the other, and what names them in tests."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import numpy as np

from stars_infer.classification.prediction import ClassifyOptions, Prediction
from stars_infer.clips.clip import Clip
from stars_infer.index.index import ExemplarIndex, NewExemplar
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.similarity.features import Features
from stars_infer.similarity.sequence import sequence_of
from stars_infer.synthetic.actions import perform

FPS = 30.0
ACTED = ("wave", "squat", "clap", "kick")
STRANGE = "jump"
STILL_SECONDS = 1.5


@dataclass
class FakeEncoder:
    """Describes clips by their sequences, without a network."""

    encoded: int = 0
    info: SimpleNamespace = field(
        default_factory=lambda: SimpleNamespace(comparison=SequenceConfig())
    )

    def encode(self, clips, *, query=False):
        self.encoded += len(clips)
        return [
            Features(vector=None, sequence=sequence_of(clip, SequenceConfig())) for clip in clips
        ]


@dataclass
class FakeIndex:
    """Says the same of every clip."""

    label: str = "wave"
    similarity: float = 0.97
    margin: float | None = 0.2
    asked: list = field(default_factory=list)
    mirrors: set = field(default_factory=set)

    def options(self):
        return ClassifyOptions(false_accept_rate=0.03)

    def classify(self, queries, options):
        self.asked.append(len(queries))
        self.mirrors.add(options.mirror)
        assert options == replace(self.options(), mirror=options.mirror, fit=True)
        return [
            Prediction(
                label=self.label,
                known=True,
                chance_known=0.9,
                confidence=0.9,
                second=None,
                similarity=self.similarity,
                margin=self.margin,
                neighbors=(),
            )
            for _ in queries
        ]


def filled_index(path, encoder, *, exemplars=5):
    """An index of everything in ACTED, by several performers."""
    index = ExemplarIndex.open(path, encoder.info)
    random = np.random.default_rng(1)
    for action in ACTED:
        clips = [Clip.from_array(perform(action, random)) for _ in range(exemplars)]
        index.add(
            [
                NewExemplar(
                    label=action, features=item, source=action, content_hash=clip.content_hash
                )
                for clip, item in zip(clips, encoder.encode(clips), strict=True)
            ]
        )
    return index


def recording(*actions, seed=7):
    """Joints (T, 25, 3) of actions with pauses between, and (start, end, label) in seconds."""
    random = np.random.default_rng(seed)
    parts, truth, at = [], [], 0
    for action in actions:
        joints = perform(action, random)[0]
        joints = joints - joints[0, :1] + np.float32([0, 0, 3])
        truth.append((at / FPS, (at + len(joints)) / FPS, action))
        still = joints[-1] + random.normal(0, 0.003, (round(STILL_SECONDS * FPS), 25, 3))
        parts += [joints, still.astype(np.float32)]
        at += len(joints) + len(still)
    return np.concatenate(parts), truth
