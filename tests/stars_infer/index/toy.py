"""A model of eight numbers, one that compares sequences, and exemplars of both."""

from dataclasses import replace

import numpy as np

from stars_infer.encoder.model import PRESENT, ModelInfo
from stars_infer.index.index import NewExemplar
from stars_infer.preprocessing.prepare import Preprocessing
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.similarity.features import Features

VECTORS = ModelInfo(
    name="toy", preprocessing=Preprocessing(), width=8, absent_bodies=PRESENT, fingerprint="f" * 64
)
SEQUENCES = replace(VECTORS, fingerprint="c" * 64, comparison=SequenceConfig(steps=4))


def pointing(direction, *, tilt=0.0):
    """Features whose vector points along an axis, tilted towards the next."""
    vector = np.zeros(8, np.float32)
    vector[direction % 8] = 2.0
    vector[(direction + 1) % 8] = tilt
    return Features(vector=vector)


def moving(action, *, noise=0.0, seed=0):
    """Features whose sequence tells the action, and more or less noise."""
    shape = SEQUENCES.comparison.shape[1:]
    sequence = np.random.default_rng(action).normal(size=(1, *shape))
    sequence += noise * np.random.default_rng(1000 + seed).normal(size=sequence.shape)
    sequence /= np.sqrt(np.square(sequence).sum(axis=2).mean(axis=1))[:, None, None]
    return Features(vector=np.ones(8, np.float32), sequence=sequence.astype(np.float32))


def new(label, features, name=None):
    """A new exemplar; its name is its source and its content hash."""
    name = name or f"{label}-{np.random.default_rng().integers(2**62)}"
    return NewExemplar(label=label, features=features, source=name, content_hash=name)


def taught(index, *, actions=4, shots=3):
    """The index, with some exemplars of each action."""
    index.add(
        [
            new(f"action {action}", moving(action, noise=0.2, seed=shot), f"{action}/{shot}")
            for action in range(actions)
            for shot in range(shots)
        ]
    )
    return index
