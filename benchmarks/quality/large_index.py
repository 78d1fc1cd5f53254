"""How well a large index names clips, beside comparing them with all of its exemplars.

    python benchmarks/quality/large_index.py --data DATA --write docs/search.md

The exemplars of all known sets together, more than a thousand, make one index; clips of the other
people are asked. A large index finds candidates, warps them, and fits the classifier of small ones
to the nearest; *all* is that classifier fitted to all exemplars. A third of the actions is then
left out, in several draws. Mirror images do not count. Three minutes on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from marked import write_between_marks
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sets import known_sets

from stars_infer.arrays import FloatArray
from stars_infer.classification.classifiers import Ridge, class_numbers
from stars_infer.classification.open_set import Candidates, RidgeOpenSetClassifier, decide
from stars_infer.encoder.encoder import Encoder
from stars_infer.encoder.model import ModelInfo
from stars_infer.evaluation.open_set import auroc
from stars_infer.evaluation.reliability import reliability
from stars_infer.index.exemplar import NewExemplar
from stars_infer.index.index import ExemplarIndex
from stars_infer.similarity.features import Features
from stars_infer.similarity.pairwise import similarity_of

DRAWS, LEFT_OUT, NEAREST = 2, 1 / 3, 5
HEADER = ["", "accuracy %", "AUROC of unknown", "ECE", "recall@5"]


def main() -> None:
    """Measure, print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the known sets")
    parser.add_argument("--queries", type=int, default=400, help="clips that are asked")
    parser.add_argument("--write", type=Path, help="Markdown file with the marks")
    options = parser.parse_args()
    encoder, random = Encoder.load(device="cpu"), np.random.default_rng(0)
    clip_features, labels, asked = pooled(encoder, options.data, random)
    queries = random.permutation(np.flatnonzero(asked))[: options.queries]
    exemplars = np.flatnonzero(~asked)
    similarity = similarity_of(clip_features, ~asked, encoder.info.comparison)
    to, among = similarity(queries, exemplars), similarity(exemplars, exemplars)
    clips = [replace(clip_features[at], vector=None) for at in queries]
    names = sorted(set(labels))
    table = [HEADER]
    for title, draws in (("all actions", 1), (f"{LEFT_OUT:.0%} of the actions unknown", DRAWS)):
        found: dict[str, list[list[float]]] = {}
        for draw in range(draws):
            share = LEFT_OUT if draws > 1 else 0
            left = np.random.default_rng(draw).permutation(names)[: round(share * len(names))]
            held = np.flatnonzero(~np.isin(labels[exemplars], left))
            for name, row in measured(
                [clip_features[at] for at in exemplars[held]], labels[exemplars[held]], clips,
                labels[queries], to[:, held], among[np.ix_(held, held)], encoder.info,
            ).items():  # fmt: skip
                found.setdefault(f"{title}: {name}", []).append(row)
        table += [[name, *cells(np.mean(rows, axis=0))] for name, rows in found.items()]
    shown = Table(*HEADER)
    for line in table[1:]:
        shown.add_row(*line)
    Console().print(shown)
    if options.write:
        write_between_marks(options.write, "large index", table)


def pooled(
    encoder: Encoder, data: Path, random: np.random.Generator
) -> tuple[list[Features], NDArray[np.str_], NDArray[np.bool_]]:
    """Features of the clips of all sets, their actions, and whether they are asked."""
    encoded, labels, asked = [], [], []
    for one in known_sets(data, lambda error: None):
        query = one.query & ~(one.exemplar & (random.random(len(one.clips)) < 0.5))
        encoded += encoder.encode(one.clips)
        labels += [f"{one.name}: {label}" for label in one.labels]
        asked.append(query)
    return encoded, np.array(labels), np.concatenate(asked)


def measured(
    exemplars: Sequence[Features],
    labels: NDArray[np.str_],
    clips: Sequence[Features],
    truth: NDArray[np.str_],
    to: FloatArray,
    among: FloatArray,
    model: ModelInfo,
) -> dict[str, list[float]]:
    """By each way: accuracy, AUROC, calibration error and recall of the nearest."""
    assert model.comparison is not None
    names = sorted(set(labels.tolist()))
    classes = class_numbers(labels.tolist(), names)
    whole = RidgeOpenSetClassifier(
        among, classes, len(names), ridge=Ridge(width=model.comparison.kernel_width),
        classifier=None, prior=model.calibration.ridge,
    )  # fmt: skip
    every = np.arange(len(labels))
    scored = whole.score([Candidates(positions=every, similarities=row) for row in to])
    rows = {
        "all": judged(
            [(names[d.answer], d.chance_known, d.confidence)
             for d in decide(scored, whole.calibration)], truth, names,
        )
    }  # fmt: skip
    nearest = np.argsort(-to, axis=1, kind="stable")[:, :NEAREST].astype(str)
    with ExemplarIndex.in_memory(model) as index:
        index.add(
            [
                NewExemplar(label=label, features=one, source=str(at), content_hash=str(at))
                for at, (label, one) in enumerate(zip(labels.tolist(), exemplars, strict=True))
            ]
        )
        answers = index.classify(clips)
    rows["large index"] = judged(
        [(one.label, one.chance_known, one.confidence) for one in answers], truth, names
    )
    shown = [[near.source for near in one.neighbors] for one in answers]
    hits = [np.isin(true, row).mean() for true, row in zip(nearest, shown, strict=True)]
    rows["large index"].append(float(np.mean(hits)))
    rows["all"].append(1.0)
    return rows


def judged(
    answers: Sequence[tuple[str, float, float]], truth: NDArray[np.str_], names: Sequence[str]
) -> list[float]:
    """Accuracy of known clips, AUROC of unknown ones if there are any, and calibration error."""
    labels, chance, sure = (np.array(column) for column in zip(*answers, strict=True))
    known, right = np.isin(truth, names), labels == truth
    told = auroc(chance[known], chance[~known]) if not known.all() else np.nan
    return [float(right[known].mean()), float(told), float(reliability(sure, right).error)]


def cells(row: NDArray[np.float64]) -> list[str]:
    """The numbers of a row, as text."""
    accuracy, told, error, recall = row
    shown = "" if np.isnan(told) else f"{100 * told:.1f}"
    return [f"{100 * accuracy:.1f}", shown, f"{100 * error:.1f}", f"{recall:.3f}"]


if __name__ == "__main__":
    main()
