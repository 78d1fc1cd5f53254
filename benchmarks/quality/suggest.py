"""What labeling suggested clips gives beside labeling as many random ones.

    python benchmarks/quality/suggest.py --data DATA --write docs/search.md

The pool is a random 80 % of the clips that may be exemplars, without labels; ten of them are chosen
and labeled at a time, and the set's queries are named as `stars classify` does. Two beginnings: no
label at all, and one example of every other action. Half a minute on one core.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from marked import write_between_marks
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from run import left_out
from sets import EvaluationSet, known_sets

from stars_infer.arrays import FloatArray
from stars_infer.classification.classifiers import Ridge, class_numbers
from stars_infer.curation.suggest import choose, explain_choices, novelty_threshold
from stars_infer.encoder.encoder import Encoder
from stars_infer.errors import ClipError, StarsError
from stars_infer.similarity.pairwise import pairwise

BUDGETS, STEP, SEEDS = (10, 20, 30, 50, 80), 10, 10
Positions = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pool:
    """A set with all its similarities, and what may be labeled.

    Attributes:
        table: Similarity of all clips to each other, (N, N).
        classes: Their actions, (N,).
        pool: Clips that may be labeled.
        queries: Clips that are named.
        width: Of the kernel that names queries.
    """

    table: FloatArray
    classes: Positions
    pool: Positions
    queries: Positions
    width: float | None


Rule = Callable[[Pool, Positions, int, np.random.Generator], Positions]
"""Chooses n clips of a pool to label, given those that are labeled."""


def at_random(data: Pool, labeled: Positions, n: int, random: np.random.Generator) -> Positions:
    """Any n."""
    return random.choice(np.setdiff1d(data.pool, labeled), n, replace=False)


def smallest_margin(
    data: Pool, labeled: Positions, n: int, random: np.random.Generator
) -> Positions:
    """Those between two actions (uncertainty sampling)."""
    free = np.setdiff1d(data.pool, labeled)
    if len(set(data.classes[labeled])) < 2:
        return at_random(data, labeled, n, random)
    best = np.sort(by_action(data, free, labeled), axis=1)
    return free[np.argsort(best[:, -1] - best[:, -2], kind="stable")[:n]]


def farthest(data: Pool, labeled: Positions, n: int, random: np.random.Generator) -> Positions:
    """The least alike to all labeled, one after the other (k-center)."""
    chosen: list[int] = []
    for _ in range(n):
        known = np.concatenate([labeled, np.array(chosen, np.intp)])
        free = np.setdiff1d(data.pool, known)
        near = data.table[np.ix_(free, known)]
        chosen.append(int(free[near.max(axis=1).argmin()] if len(known) else random.choice(free)))
    return np.array(chosen, np.intp)


def facility(*, doubt: bool) -> Rule:
    """As `stars fewshot suggest`, or with all clips counting alike."""

    def rule(data: Pool, labeled: Positions, n: int, random: np.random.Generator) -> Positions:
        free = np.setdiff1d(data.pool, labeled)
        near = data.table[np.ix_(free, labeled)]
        names = [str(one) for one in data.classes[labeled]] if doubt else ["any"] * len(labeled)
        return free[choose(data.table[np.ix_(free, free)], near, names, n).positions]

    return rule


RULES: dict[str, Rule] = {
    "random": at_random,
    "smallest margin": smallest_margin,
    "farthest from all (k-center)": farthest,
    "facility location": facility(doubt=False),
    "**the same, doubtful clips count more (shipped)**": facility(doubt=True),
}


def by_action(data: Pool, clips: Positions, labeled: Positions) -> FloatArray:
    """Similarity of clips to the nearest labeled one of each action that has any."""
    classes = data.classes[labeled]
    near = data.table[np.ix_(clips, labeled)]
    return np.stack([near[:, classes == one].max(axis=1) for one in np.unique(classes)], axis=1)


def accuracy(data: Pool, labeled: Positions) -> float:
    """Share of queries named right, per cent."""
    names, classes = np.unique(data.classes[labeled], return_inverse=True)
    ridge = Ridge(width=data.width).fit(data.table[np.ix_(labeled, labeled)], classes, len(names))
    scores = ridge.scores(data.table[np.ix_(data.queries, labeled)])
    return 100 * float(np.mean(names[scores.argmax(axis=1)] == data.classes[data.queries]))


def pools(data: EvaluationSet, table: FloatArray, width: float | None) -> list[Pool]:
    """A pool for each seed; where no people are known, half of the clips are asked."""
    classes = class_numbers(data.labels, sorted(set(data.labels)))
    result = []
    for seed in range(SEEDS):
        random = np.random.default_rng(seed)
        may = random.permutation(np.flatnonzero(data.exemplar))
        share = 0.5 if (data.exemplar & data.query).any() else 0.8
        pool, rest = np.split(may, [int(share * len(may))])
        queries = rest if share == 0.5 else np.flatnonzero(data.query)
        result.append(Pool(table=table, classes=classes, pool=pool, queries=queries, width=width))
    return result


def beginning(data: Pool, random: np.random.Generator) -> Positions:
    """One labeled clip of every other action."""
    actions = random.permutation(np.unique(data.classes[data.pool]))
    return np.array(
        [random.choice(data.pool[data.classes[data.pool] == one]) for one in actions[::2]], np.intp
    )


def curve(data: Pool, rule: Rule, seed: int, *, begun: bool) -> list[float]:
    """Accuracies after each budget of labels beyond the beginning."""
    random = np.random.default_rng([seed, 1])
    labeled = beginning(data, random) if begun else np.zeros(0, np.intp)
    start, accuracies = len(labeled), []
    while len(labeled) - start < BUDGETS[-1]:
        labeled = np.concatenate([labeled, rule(data, labeled, STEP, random)])
        if len(labeled) - start in BUDGETS:
            accuracies.append(accuracy(data, labeled))
    return accuracies


def reasons(several: Sequence[Pool]) -> list[str]:
    """How true the reasons are of ten suggestions to one example of every other action.

    Returns:
        Per cent that show an action which the index lacks; that are called new, and of these how
        many are; that are between two actions, and of these how many are one of the two.
    """
    lacking, reason, one_of_two = [], [], []
    for seed, data in enumerate(several):
        labeled = beginning(data, np.random.default_rng([seed, 1]))
        free = np.setdiff1d(data.pool, labeled)
        near = data.table[np.ix_(free, labeled)]
        names = [str(one) for one in data.classes[labeled]]
        chosen = choose(data.table[np.ix_(free, free)], near, names, STEP)
        threshold = novelty_threshold(data.table[np.ix_(labeled, labeled)], names)
        for one in explain_choices(chosen, np.arange(len(free)), near, names, threshold):
            label = str(data.classes[free[one.position]])
            lacking.append(label not in names)
            reason.append(one.reason)
            one_of_two.append(label in one.labels)
    new, pair = (np.array([one == kind for one in reason]) for kind in ("new", "between"))
    true = np.array(lacking)
    return [
        f"{100 * true.mean():.0f}",
        f"{100 * new.mean():.0f} / {100 * true[new].mean():.0f}",
        f"{100 * pair.mean():.0f} / {100 * np.array(one_of_two)[pair].mean():.0f}",
    ]


def main() -> None:
    """Measure, print, and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the known sets")
    parser.add_argument("--model", help="name or directory; the shipped encoder if not given")
    parser.add_argument("--write", type=Path, help="Markdown file whose tables are replaced")
    options = parser.parse_args()
    try:
        encoder = Encoder.load(options.model, device="cpu")
        how = encoder.info.comparison
        sets = {
            data.name: pools(
                data,
                pairwise(encoder.encode(data.clips, query=True), how),
                how.kernel_width if how else None,
            )
            for data in known_sets(options.data, left_out)
            if _is_large_enough(data)
        }
    except StarsError as error:
        sys.exit(f"error: {error}")
    for begun, which in ((False, "suggest from nothing"), (True, "suggest from half")):
        rows = [[f"accuracy %, after {' / '.join(map(str, BUDGETS))} labels", *sets]]
        for name, rule in RULES.items():
            cells = []
            for several in sets.values():
                curves = [curve(data, rule, seed, begun=begun) for seed, data in enumerate(several)]
                cells.append(" / ".join(f"{mean:.0f}" for mean in np.mean(curves, axis=0)))
            rows.append([name, *cells])
        show(rows, which, options.write)
    heads = ("of an action that the index lacks", "called new / of these, it lacks",
             "between two / of these, one of the two")  # fmt: skip
    cells = zip(*(reasons(several) for several in sets.values()), strict=True)
    rows = [[head, *row] for head, row in zip(heads, cells, strict=True)]
    show([["ten suggestions, %", *sets], *rows], "suggest why", options.write)


def _is_large_enough(data: EvaluationSet) -> bool:
    """Whether half of the possible exemplars are enough for all budgets; says so if not."""
    half = int(data.exemplar.sum()) // 2
    if half < BUDGETS[-1]:
        left_out(ClipError(data.name, f"too few possible exemplars for {BUDGETS[-1]} labels"))
    return half >= BUDGETS[-1]


def show(rows: Sequence[Sequence[str]], which: str, write: Path | None) -> None:
    """Print a table, and write it where asked."""
    table = Table(*(cell.strip("*") for cell in rows[0]), title=which)
    for row in rows[1:]:
        table.add_row(*(cell.strip("*") for cell in row))
    Console().print(table)
    if write:
        write_between_marks(write, which, rows)


if __name__ == "__main__":
    main()
