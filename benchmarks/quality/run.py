"""Few-shot quality of models beside what needs no learning.

    python benchmarks/quality/run.py DATA stars-mocap --write docs/quality.md
    python benchmarks/quality/run.py DATA --ablation --write docs/quality.md
    python benchmarks/quality/run.py --set my-clips --layout ntu25 stars-mocap

n exemplars a class, n in 1, 2, 5, drawn ten times; every query is named by its n nearest. A model
is a shipped name, a model directory, or a run or checkpoint of `stars train`. Time warping of the
baseline needs `pip install aeon`.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from methods import Method, ablation, baselines, of_model
from rich.console import Console
from rich.progress import track
from rich.table import Table
from sets import EvaluationSet, folder_set, known_sets, matching

from stars_infer.fewshot import Accuracy, evaluate

SHOTS, DRAWS = (1, 2, 5), 10
Row = dict[str, dict[int, Accuracy]]
"""By set and shots."""


def main() -> None:
    """Measure, print, and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path, nargs="?", help="folder with the known sets")
    parser.add_argument("models", nargs="*", help="shipped models, model directories, runs")
    parser.add_argument("--ablation", action="store_true", help="the comparison, choice by choice")
    parser.add_argument("--no-baselines", action="store_true", help="leave the baselines out")
    parser.add_argument("--set", type=Path, action="append", default=[], help="own ROOT/CLASS/clip")
    parser.add_argument("--layout", default="ntu25", help="joint layout of own sets")
    parser.add_argument("--exemplars", default="*", help="pattern over CLASS/clip, own sets")
    parser.add_argument("--queries", default="*", help="pattern over CLASS/clip, own sets")
    parser.add_argument("--write", type=Path, help="Markdown file whose table is replaced")
    options = parser.parse_args()
    console = Console()
    sets = list(known_sets(options.data, console)) if options.data else []
    sets += [
        folder_set(
            folder.name, folder, options.layout,
            matching(options.exemplars), matching(options.queries), console,
        )
        for folder in options.set
    ]  # fmt: skip
    if not sets:
        parser.error("no evaluation set: name the folder with the known ones, or an own one, --set")
    methods = [] if options.no_baselines or options.ablation else list(baselines())
    methods += list(ablation()) if options.ablation else []
    methods += [method for model in options.models for method in of_model(model)]
    rows = measured(methods, sets)
    console.print(shown(rows, sets))
    if options.write:
        replace_table(options.write, "ablation" if options.ablation else "models", rows, sets)


def measured(methods: Iterable[Method], sets: Sequence[EvaluationSet]) -> dict[str, Row]:
    """Accuracies of every method on every set."""
    jobs = [(method, data) for method in methods for data in sets]
    rows: dict[str, Row] = {}
    for method, data in track(jobs, "measuring"):
        scores = evaluate(method.on(data), shots=SHOTS, draws=DRAWS)
        rows.setdefault(method.name, {})[data.name] = scores
    return rows


def shown(rows: dict[str, Row], sets: Sequence[EvaluationSet]) -> Table:
    """The table for the terminal."""
    table = Table("accuracy %, 1 / 2 / 5 shots", *(data.name for data in sets))
    for name, row in rows.items():
        table.add_row(name.strip("*"), *(cell(row[data.name]) for data in sets))
    return table


def cell(scores: dict[int, Accuracy]) -> str:
    """Means and the largest deviation."""
    means = " / ".join(f"{scores[n].mean:.1f}" for n in SHOTS)
    return f"{means} (± {max(score.std for score in scores.values()):.1f})"


def replace_table(
    file: Path, which: str, rows: dict[str, Row], sets: Sequence[EvaluationSet]
) -> None:
    """Put the table between its marks in a Markdown file."""
    lines = [
        "| accuracy %, 1 / 2 / 5 shots | " + " | ".join(data.name for data in sets) + " |",
        "| --- |" + " --- |" * len(sets),
        *(
            f"| {name} | " + " | ".join(cell(row[data.name]) for data in sets) + " |"
            for name, row in rows.items()
        ),
    ]
    marks = rf"(<!-- {which} -->\n).*?(\n<!-- end of {which} -->)"
    text = file.read_text(encoding="utf-8")
    replaced, found = re.subn(
        marks, lambda m: m[1] + "\n".join(lines) + m[2], text, flags=re.DOTALL
    )
    if not found:
        raise SystemExit(f"{file}: no marks <!-- {which} --> to write between")
    file.write_text(replaced, encoding="utf-8")


if __name__ == "__main__":
    main()
