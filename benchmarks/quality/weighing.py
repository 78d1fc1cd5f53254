"""Do vectors get the weight that they earn, and does it hold on sets it was not measured on?

    python benchmarks/quality/weighing.py --data DATA
    python benchmarks/quality/weighing.py stars-mocap --data DATA --draws 10

Weighed on HDM05 and MSR-Action3D, judged on the other sets: a network with random weights, vectors
that know the action beside as much noise as is said, and the models that are named. Accuracy is
the mean of 1, 2 and 5 shots by the rule of `stars classify`. About two minutes on one core, and a
minute more for a thousand clips of a full-size encoder.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from run import left_out
from sets import EvaluationSet, known_sets

from stars_infer.arrays import FloatArray
from stars_infer.encoder.encoder import Encoder
from stars_infer.evaluation.weighing import LabeledFeatures, weigh
from stars_infer.preprocessing.prepare import prepare
from stars_infer.similarity.comparison import NORMALIZED, SequenceConfig
from stars_infer.similarity.features import Features
from stars_infer.similarity.sequence import sequence_of
from stars_infer.train.networks.encoder import EncoderConfig, SkeletonEncoder

WEIGHED_ON = ("HDM05", "MSR-Action3D")
KNOWING = (0.5, 1.0, 1.5)
"""Length of what a vector knows of its action, beside noise of length one."""
_WIDTH = 64
Vectors = Callable[[EvaluationSet], FloatArray]
"""Gives the vectors (N, D) of the clips of a set."""


def main() -> None:
    """Weigh and judge every encoder."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="*", help="shipped models or model directories")
    parser.add_argument("--data", type=Path, required=True, help="folder with the known sets")
    parser.add_argument("--sets", nargs="+", help="only these of the sets that judge")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--no-baselines", action="store_true", help="only the models")
    options = parser.parse_intermixed_args()
    sets = [
        data
        for data in known_sets(options.data, left_out)
        if data.name in WEIGHED_ON or not options.sets or data.name in options.sets
    ]
    how = SequenceConfig()
    sequences = {data.name: [sequence_of(clip, how) for clip in data.clips] for data in sets}
    judges = [data.name for data in sets if data.name not in WEIGHED_ON]
    table = Table(
        "vectors", "weight, by HDM05 and MSR", *(f"{name}, without → with" for name in judges)
    )
    rows = [] if options.no_baselines else list(baselines())
    for title, vectors in (*rows, *encoders(options.models)):
        labeled = {data.name: _labeled(data, sequences[data.name], vectors(data)) for data in sets}
        found = weigh([labeled[name] for name in WEIGHED_ON], how, draws=options.draws)
        cells = [
            _judged(labeled[name], how, found.weight, found.width, options.draws) for name in judges
        ]
        figures = zip(found.weights, found.accuracies, strict=True)
        table.add_row(title, f"{found.weight:g}", *cells)
        Console(stderr=True).print(
            title, ", ".join(f"{w:g}: {right:.2f}" for w, right in figures), cells
        )
    Console().print(table)


def baselines() -> Iterator[tuple[str, Vectors]]:
    """Names of vectors that know nothing, or the action, and what makes them."""
    yield "a network with random weights", _random_network
    for length in KNOWING:
        yield f"the action, {length:g} times as long as noise", _knowing(length)


def encoders(models: list[str]) -> Iterator[tuple[str, Vectors]]:
    """Names of models, and what makes their vectors."""
    for model in models:
        encoder = Encoder.load(model, device="cpu")
        yield model, lambda data, encoder=encoder: encoder.embed(data.clips)  # type: ignore[misc]


def _random_network(data: EvaluationSet) -> FloatArray:
    torch.manual_seed(0)
    network = SkeletonEncoder(EncoderConfig(frames=64, width=_WIDTH, depth=2, heads=4)).eval()
    how = replace(NORMALIZED, face_camera=True)
    with torch.no_grad():
        return np.stack(
            [
                network.pool(torch.from_numpy(np.asarray(prepare(clip, how), np.float32)))
                .mean(dim=0)
                .numpy()
                for clip in data.clips
            ]
        )


def _knowing(length: float) -> Vectors:
    def vectors(data: EvaluationSet) -> FloatArray:
        random = np.random.default_rng(0)
        names = sorted(set(data.labels))
        directions = random.normal(size=(len(names), _WIDTH)) / _WIDTH**0.5
        noise = random.normal(size=(len(data.labels), _WIDTH)) / _WIDTH**0.5
        known = directions[[names.index(label) for label in data.labels]]
        return np.asarray(length * known + noise, np.float32)

    return vectors


def _labeled(
    data: EvaluationSet, sequences: list[FloatArray], vectors: FloatArray
) -> LabeledFeatures:
    return LabeledFeatures(
        name=data.name,
        clip_features=[
            Features(vector=vector, sequence=sequence)
            for vector, sequence in zip(vectors, sequences, strict=True)
        ],
        labels=data.labels,
        exemplar=data.exemplar,
        query=data.query,
    )


def _judged(
    data: LabeledFeatures, how: SequenceConfig, weight: float, width: float, draws: int
) -> str:
    """Accuracy without vectors and with the weight, per cent, on a set that did not weigh."""
    found = weigh([data], how, weights=(0.0, weight), width=width, draws=draws, seed=1)
    return f"{found.accuracies[0]:.2f} → {found.accuracies[-1]:.2f}"


if __name__ == "__main__":
    main()
