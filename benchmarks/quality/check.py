"""How much of what is wrong with an index `stars fewshot check` finds.

    python benchmarks/quality/check.py --data DATA --write docs/search.md

n exemplars of every action are drawn, and some are spoilt: given another label at random, replaced
by clips of actions that the index does not have, or added again after a change. Sixteen draws a
row; a minute on one core.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from marked import write_between_marks
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from run import left_out
from sets import EvaluationSet, known_sets

from stars_infer.arrays import BoolArray, FloatArray
from stars_infer.classification.classifiers import class_numbers
from stars_infer.clips.clip import Clip
from stars_infer.curation.check import Finding, findings, fit_of, twins
from stars_infer.curation.neighbors import Neighborhood
from stars_infer.encoder.encoder import Encoder
from stars_infer.errors import StarsError
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.similarity.pairwise import pairwise

DRAWS, COPIES = 16, 60
Positions = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Known:
    """A set with all its similarities, (N, N), and its actions, (N,)."""

    data: EvaluationSet
    table: FloatArray
    classes: Positions


def drawn(known: Known, actions: Positions, n: int, random: np.random.Generator) -> Positions:
    """Clips of each action, n of each, those of an action together."""
    return np.concatenate(
        [random.permutation(np.flatnonzero(known.classes == one))[:n] for one in actions]
    )


def auroc(score: FloatArray, bad: BoolArray) -> float:
    """Chance that a bad one scores higher than a good one, per cent."""
    above = score[bad][:, None] - score[~bad]
    return 100 * float(np.mean((above > 0) + 0.5 * (above == 0)))


def mislabeled(known: Known, n: int, share: float) -> str:
    """AUROC of the lead of other actions; precision and recall of `mislabeled`, in all findings.

    The third figure counts those too that are named in a `disagreement` or as outlier.
    """
    actions = np.unique(known.classes)
    rows = []
    for seed in range(DRAWS):
        random = np.random.default_rng([seed, n])
        positions = drawn(known, actions, n, random)
        labels = known.classes[positions].copy()
        bad = np.zeros(len(labels), np.bool_)
        bad[random.choice(len(labels), max(1, round(share * len(labels))), replace=False)] = True
        labels[bad] = (labels[bad] + random.integers(1, len(actions), bad.sum())) % len(actions)
        near = Neighborhood.of_table(known.table[np.ix_(positions, positions)])
        lead = np.nan_to_num(fit_of(near, labels, twins(near, labels)).lead, nan=0.0)
        found = findings(near, [str(one) for one in labels])
        named, any_ = (
            _named(found, len(labels), kinds)
            for kinds in (("mislabeled",), ("mislabeled", "disagreement", "outlier"))
        )
        rows.append(
            (
                auroc(lead, bad),
                100 * float(bad[named].mean()) if named.any() else np.nan,
                100 * float(named[bad].mean()),
                100 * float(any_[bad].mean()),
            )
        )
    rank, precision, recall, somehow = np.nanmean(rows, axis=0)
    return f"{rank:.1f} / {precision:.0f} / {recall:.0f} / {somehow:.0f}"


def good(known: Known, n: int) -> str:
    """Share of exemplars that are named although nothing was spoilt: mislabeled, outlier."""
    actions = np.unique(known.classes)
    counts = []
    for seed in range(DRAWS):
        positions = drawn(known, actions, n, np.random.default_rng([seed, n]))
        near = Neighborhood.of_table(known.table[np.ix_(positions, positions)])
        found = findings(near, [str(one) for one in known.classes[positions]])
        counts.append(
            [
                100 * _named(found, len(positions), (kind,)).mean()
                for kind in ("mislabeled", "outlier", "duplicate")
            ]
        )
    return " / ".join(f"{share:.1f}" for share in np.mean(counts, axis=0))


def unknown(known: Known, n: int) -> str:
    """Recall of clips of actions that are not in the index, 5 % of it: by any finding."""
    rows = []
    for seed in range(DRAWS):
        random = np.random.default_rng([seed, n])
        actions = random.permutation(np.unique(known.classes))
        out, kept = np.split(actions, [len(actions) // 4])
        positions = drawn(known, kept, n, random)
        labels = [str(one) for one in known.classes[positions]]
        bad = random.choice(len(positions), max(1, round(0.05 * len(positions))), replace=False)
        positions[bad] = random.choice(np.flatnonzero(np.isin(known.classes, out)), len(bad))
        near = Neighborhood.of_table(known.table[np.ix_(positions, positions)])
        found = findings(near, labels)
        rows.append(
            [
                100 * _named(found, len(positions), kinds)[bad].mean()
                for kinds in (("outlier",), ("outlier", "mislabeled", "disagreement"))
            ]
        )
    return " / ".join(f"{share:.0f}" for share in np.mean(rows, axis=0))


def _named(found: Sequence[Finding], size: int, kinds: Sequence[str]) -> BoolArray:
    """Which exemplars findings of some kinds are about."""
    named = np.zeros(size, np.bool_)
    for one in found:
        if one.kind in kinds:
            positions = one.positions if one.kind == "disagreement" else one.positions[:1]
            named[list(positions)] = True
    return named


def _turned(clip: Clip) -> Clip:
    """Seen from 40 degrees further round, 1 m further off."""
    cos, sin = np.cos(0.7), np.sin(0.7)
    round_ = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]], np.float32)
    moved = np.where(clip.presence[..., None, None], clip.bodies @ round_ + [0, 0, 1], 0)
    return replace(clip, bodies=moved.astype(np.float32))


def _half_rate(clip: Clip) -> Clip:
    return replace(
        clip, bodies=clip.bodies[:, ::2], presence=clip.presence[:, ::2], fps=clip.fps / 2
    )


def _cut(clip: Clip) -> Clip:
    """Three frames shorter at either end."""
    return replace(clip, bodies=clip.bodies[:, 3:-3], presence=clip.presence[:, 3:-3])


COPIERS: dict[str, Callable[[Clip], Clip]] = {
    "moved and turned": _turned,
    "every other frame": _half_rate,
    "three frames cut off at either end": _cut,
}


def num_views(known: Known, encoder: Encoder, copier: Callable[[Clip], Clip]) -> str:
    """Share of changed copies that are found, in an index of 10 exemplars an action."""
    random = np.random.default_rng(0)
    positions = drawn(known, np.unique(known.classes), 10, random)
    copied = random.choice(positions, min(COPIES, len(positions)), replace=False)
    clips = [known.data.clips[int(position)] for position in positions]
    clips += [copier(known.data.clips[int(position)]) for position in copied]
    labels = [str(known.classes[position]) for position in [*positions, *copied]]
    order = np.argsort(labels, kind="stable")  # as an index gives them, by label and then by age
    encoded = encoder.encode([clips[int(position)] for position in order], query=True)
    near = Neighborhood.of_table(pairwise(encoded, compared_by(encoder)))
    found = findings(near, [labels[int(position)] for position in order])
    named = _named(found, len(order), ("duplicate",))
    return f"{100 * named[order >= len(positions)].mean():.0f}"


def compared_by(encoder: Encoder) -> SequenceConfig | None:
    """As `stars fewshot check` compares."""
    how = encoder.info.comparison
    return None if how is None else how.in_any_direction()


def main() -> None:
    """Measure, print, and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the known sets")
    parser.add_argument("--model", help="name or directory; the shipped encoder if not given")
    parser.add_argument("--write", type=Path, help="Markdown file whose tables are replaced")
    options = parser.parse_args()
    try:
        encoder = Encoder.load(options.model, device="cpu")
        sets = [
            Known(
                data=data,
                table=pairwise(encoder.encode(data.clips, query=True), compared_by(encoder)),
                classes=class_numbers(data.labels, sorted(set(data.labels))),
            )
            for data in known_sets(options.data, left_out)
        ]
        rows = [["", *(known.data.name for known in sets)]]
        for n in (3, 5, 10):
            for share in (0.05, 0.1):
                cells = (mislabeled(known, n, share) for known in sets)
                rows.append([f"{100 * share:.0f} % wrong labels, {n} an action", *cells])
        for n in (3, 5, 10):
            rows.append([f"5 % unknown clips, {n} an action", *(unknown(one, n) for one in sets)])
        for n in (3, 5, 10):
            rows.append([f"nothing wrong, {n} an action", *(good(known, n) for known in sets)])
        for name, copier in COPIERS.items():
            rows.append([f"copies: {name}", *(num_views(one, encoder, copier) for one in sets)])
    except StarsError as error:
        sys.exit(f"error: {error}")
    table = Table(*rows[0])
    for row in rows[1:]:
        table.add_row(*row)
    Console().print(table)
    if options.write:
        write_between_marks(options.write, "check", rows)


if __name__ == "__main__":
    main()
