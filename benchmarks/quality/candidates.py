"""How well candidates for warping are found: by coarse descriptors, or by a model's vectors.

    python benchmarks/quality/candidates.py stars-mocap-small --data DATA --write docs/search.md

For every clip of a set, the five that are nearest to it by the whole comparison, and which share
of them is among the 2, 5 and 20 % of all clips that the short form finds nearest. About a minute a
model.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from marked import write_between_marks
from rich.console import Console
from rich.table import Table
from sets import EvaluationSet, known_sets

from stars_infer.arrays import FloatArray
from stars_infer.encoder.encoder import Encoder
from stars_infer.similarity.features import sequences_of, vectors_of
from stars_infer.similarity.nearest import coarse_descriptor, unit
from stars_infer.similarity.pairwise import pairwise

NEAREST, SHARES = 5, (0.02, 0.05, 0.2)


def main() -> None:
    """Measure, print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="+", help="shipped models or model directories")
    parser.add_argument("--data", type=Path, required=True, help="folder with the known sets")
    parser.add_argument("--write", type=Path, help="Markdown file with the marks")
    options = parser.parse_args()
    sets = list(known_sets(options.data, lambda error: None))
    rows: dict[str, list[str]] = {}
    for data in sets:
        for name, shares in found_shares(data, options.models).items():
            cell = " / ".join(f"{share:.1%}".rstrip("%") for share in shares)
            rows.setdefault(name, []).append(cell)
    header = ["found %, among the nearest 2 / 5 / 20 %", *(data.name for data in sets)]
    table = [header, *([name, *cells] for name, cells in rows.items())]
    shown = Table(*header)
    for row in table[1:]:
        shown.add_row(*row)
    Console().print(shown)
    if options.write:
        write_between_marks(options.write, "candidates", table)


def found_shares(data: EvaluationSet, models: list[str]) -> dict[str, list[float]]:
    """By each short form, the shares of the nearest that are among its nearest."""
    forms: dict[str, FloatArray] = {}
    nearest = None
    for model in models:
        encoder = Encoder.load(model, device="cpu")
        features = encoder.encode(data.clips)
        if nearest is None:
            nearest = first(pairwise(features, encoder.info.comparison), NEAREST)
            sequences = sequences_of(features)
            forms["coarse descriptors"] = np.stack([coarse_descriptor(one) for one in sequences])
        forms[f"vectors of {encoder.info.name}"] = vectors_of(features)
    assert nearest is not None
    return {
        name: [hits(nearest, form, max(NEAREST, round(share * len(form)))) for share in SHARES]
        for name, form in forms.items()
    }


def hits(nearest: FloatArray, form: FloatArray, count: int) -> float:
    """Share of the nearest (N, 5) that are among the `count` nearest by a short form (N, W)."""
    vectors = unit(form)
    likely = first(vectors @ vectors.T, count)
    pairs = zip(nearest, likely, strict=True)
    return float(np.mean([np.isin(few, many).mean() for few, many in pairs]))


def first(similarities: FloatArray, count: int) -> FloatArray:
    """Positions of the most similar others, (N, count)."""
    others = similarities.copy()
    np.fill_diagonal(others, -np.inf)
    return np.argsort(-others, axis=1)[:, :count]


if __name__ == "__main__":
    main()
