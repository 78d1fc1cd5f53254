"""Few-shot quality of models beside what needs no learning.

    python benchmarks/quality/run.py stars-mocap --data DATA --write docs/quality.md
    python benchmarks/quality/run.py --ablation --data DATA --write docs/quality.md
    python benchmarks/quality/run.py stars-mocap --set my-clips --layout ntu25 \
        --exemplars '*/anna_*' --queries '*/ben_*' '*/eve_*'

n exemplars a class, n in 1, 2, 5, drawn ten times; where a row names no rule, a query is named by
its n nearest. A model is a shipped name, a model directory, or a run or checkpoint of
`stars train`. Sets marked "untuned" came after the comparison had been chosen on the others. The
baselines need `pip install 'stars-infer[bench]'`. About ten minutes a model on one core.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from ablation import ablation
from baselines import baselines
from marked import write_between_marks
from methods import Method, of_model
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text
from sets import EvaluationSet, Split, folder_set, known_sets

from stars_infer.errors import ClipError, StarsError
from stars_infer.evaluation.fewshot import Accuracy, evaluate

SHOTS, DRAWS = (1, 2, 5), 10
CORNER = "accuracy %, 1 / 2 / 5 shots"
Row = dict[str, dict[int, Accuracy]]
"""By set and shots."""


def main() -> None:
    """Measure, print, and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="*", help="shipped models, model directories, runs")
    parser.add_argument("--data", type=Path, help="folder with the known sets")
    parser.add_argument("--ablation", action="store_true", help="the comparison, choice by choice")
    parser.add_argument("--no-baselines", action="store_true", help="leave the baselines out")
    parser.add_argument("--set", type=Path, action="append", default=[], help="own ROOT/CLASS/clip")
    parser.add_argument("--layout", help="joint layout of own sets, if their files do not say")
    parser.add_argument("--exemplars", nargs="+", default=["*"], help="patterns over CLASS/clip")
    parser.add_argument("--queries", nargs="+", default=["*"], help="patterns over CLASS/clip")
    parser.add_argument("--table", help="marks of the table to write, if not the usual ones")
    parser.add_argument("--write", type=Path, help="Markdown file whose table is replaced")
    options = parser.parse_intermixed_args()
    if options.data is None and not options.set:
        parser.error("no evaluation set: name the folder with the known ones, --data, or an own "
                     "one, --set")  # fmt: skip
    try:
        sets = list(known_sets(options.data, left_out)) if options.data else []
        sets += [
            folder_set(
                Split(
                    name=folder.resolve().name,
                    folder=folder,
                    layout=options.layout,
                    exemplars=options.exemplars,
                    queries=options.queries,
                ),
                left_out,
            )
            for folder in options.set
        ]
        sets.sort(key=lambda data: data.untuned)
        methods = [] if options.no_baselines or options.ablation else list(baselines())
        methods += list(ablation()) if options.ablation else []
        methods += [row for name in options.models for row in of_model(name)]
        rows = measured(methods, sets)
    except StarsError as error:
        sys.exit(f"error: {error}")
    Console().print(shown(rows, sets))
    if options.write:
        which = options.table or ("ablation" if options.ablation else "models")
        replace_table(options.write, which, rows, sets)


def left_out(error: ClipError) -> None:
    """Name a clip that is left out."""
    Console(stderr=True, soft_wrap=True).print(Text(f"left out: {error}", style="yellow"))


def measured(methods: Iterable[Method], sets: Sequence[EvaluationSet]) -> dict[str, Row]:
    """Accuracies of every method on every set, for the shots that its smallest class allows."""
    jobs = [(method, data) for method in methods for data in sets]
    rows: dict[str, Row] = {}
    with Progress(
        SpinnerColumn(), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"),
        console=Console(stderr=True), transient=True,
    ) as bar:  # fmt: skip
        task = bar.add_task("", total=len(jobs))
        for method, data in jobs:
            bar.update(task, description=f"{method.name.strip('*')}, {data.name}")
            shots = [n for n in SHOTS if n <= data.most_shots] or SHOTS[:1]
            scores = evaluate(method.on(data), shots=shots, draws=DRAWS)
            rows.setdefault(method.name, {})[data.name] = scores
            bar.advance(task)
    return rows


def shown(rows: dict[str, Row], sets: Sequence[EvaluationSet]) -> Table:
    """The table for the terminal."""
    table = Table(CORNER, *(data.title for data in sets))
    for name, row in rows.items():
        table.add_row(name.strip("*"), *(cell(row[data.name]) for data in sets))
    return table


def cell(scores: dict[int, Accuracy]) -> str:
    """Means, and the largest deviation; a dash where a class has too few exemplars."""
    means = " / ".join(f"{scores[n].mean:.1f}" if n in scores else "–" for n in SHOTS)
    return f"{means} (± {max(score.std for score in scores.values()):.1f})"


def replace_table(
    file: Path, which: str, rows: dict[str, Row], sets: Sequence[EvaluationSet]
) -> None:
    """Put the table between its marks in a Markdown file."""
    table = [[CORNER, *(data.title for data in sets)]]
    table += [[name, *(cell(row[data.name]) for data in sets)] for name, row in rows.items()]
    write_between_marks(file, which, table)


if __name__ == "__main__":
    main()
