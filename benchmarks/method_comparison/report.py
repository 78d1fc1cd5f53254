"""Evaluate the runs of train.py and write the order table.

    python benchmarks/method_comparison/report.py runs/order --data utd msr hdm --write
    docs/method-comparison.md

Each data argument is a pack with one split. An encoder's features are made once and kept beside
its run; random weights of the same shape are a row of their own.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from rich.console import Console
from rich.progress import track
from rich.table import Table

from stars_infer.evaluation.fewshot import LabeledClips, evaluate
from stars_infer.similarity.pairwise import cosine_of
from stars_infer.train.checkpoint import FILE, load_checkpoint
from stars_infer.train.protocols.encoders import MeasuredEncoder, load_encoder
from stars_infer.train.protocols.features import pooled_features
from stars_infer.train.protocols.knn import nearest_votes
from stars_infer.train.protocols.linear import LinearConfig, fit_linear
from stars_infer.train.protocols.results import accuracy
from stars_infer.train.protocols.task import Task, open_task
from stars_infer.train.run import RunConfig
from train import ROWS

RANDOM = "random"
TITLES = {
    RANDOM: "random weights",
    "mae": "MAE",
    "mamp": "MAMP",
    "skeleton2vec": "Skeleton2vec",
    "skeleton2vec-stars": "Skeleton2vec → STARS",
    "skeattnclr-joint": "SkeAttnCLR joint",
    "skeattnclr-motion": "SkeAttnCLR motion",
    "skeattnclr-bone": "SkeAttnCLR bone",
    "skeattnclr-three": "SkeAttnCLR three-stream",
    "stars": "STARS",
    "stars-3stage": "STARS-3stage",
    "moco": "MoCo tuning",
    "dino": "DINO tuning",
}
CLAIMS = (("mamp", "mae"), ("stars", "mamp"), ("stars", "stars-3stage"))
"""The papers' order, as pairs of a better and a worse row."""
FUSED = {"skeattnclr-three": ("skeattnclr-joint", "skeattnclr-motion", "skeattnclr-bone")}
"""Rows of several encoders: their features side by side, as `stars model fuse` makes one of them;
for the linear score the sum of their classifiers' scores, as `stars train eval fuse`."""
SHOTS = (1, 2, 5)
COLUMNS = ("KNN", "linear", *(f"{n}-shot" for n in SHOTS))
LINEAR = LinearConfig(batch=32)
"""The papers' classifier; their batch of 256 would be two steps an epoch here."""


def main() -> None:
    """Evaluate all rows, print the tables and write them if asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", type=Path, help="folder that train.py wrote")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="packs with one split")
    parser.add_argument("--write", type=Path, help="Markdown file whose tables are replaced")
    options = parser.parse_args()
    fabric = Fabric(accelerator="cpu", devices=1)
    tasks = [open_task(folder, None) for folder in options.data]
    seeds = sorted(options.runs.glob("seed*"))
    todo = [(task, row, seed) for task in tasks for row in TITLES for seed in seeds]
    found: dict[tuple[str, str], list[list[float]]] = {}
    for task, row, seed in track(todo, description="evaluating", transient=True):
        if is_trained(row, seed):
            scores = scores_of(row, seed, task, fabric)
            found.setdefault((task.data, row), []).append(scores)
    tables = [(task.data, list(rows_of(found, task.data))) for task in tasks]
    for name, rows in tables:
        shown = Table("method", *COLUMNS, "seeds", title=name)
        for cells in rows:
            shown.add_row(*cells)
        Console().print(shown)
    if options.write:
        write(options.write, tables)
    missing = [
        f"{seed.name}/{row}" for seed in seeds for row in TITLES if not is_trained(row, seed)
    ]
    if missing:
        Console().print(f"not trained yet: {', '.join(missing)}")


def is_trained(row: str, seed: Path) -> bool:
    """Whether the runs of a row are there, and have come to their end."""
    return row == RANDOM or all(is_finished(seed / part) for part in FUSED.get(row, (row,)))


def is_finished(run: Path) -> bool:
    """Whether a run has taken all its steps; while it trains, its checkpoint is of fewer."""
    if not (run / FILE).exists():
        return False
    checkpoint = load_checkpoint(run)
    return checkpoint.step >= RunConfig.from_json(checkpoint.config, source=str(run)).steps


def scores_of(row: str, seed: Path, task: Task, fabric: Fabric) -> list[float]:
    """KNN, linear and few-shot accuracy of one encoder, measured once."""
    kept = seed / row / f"order-{task.data}.json"
    if kept.exists():
        scores: list[float] = json.loads(kept.read_text(encoding="utf-8"))
        return scores
    encoders = [encoder_of(part, seed) for part in FUSED.get(row, (row,))]
    train, test = (
        [pooled_features(encoder, part, fabric=fabric) for encoder in encoders]
        for part in (task.train, task.test)
    )
    scores = list(measure(train, test, task))
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(scores), encoding="utf-8")
    return scores


def encoder_of(row: str, seed: Path) -> MeasuredEncoder:
    """The encoder of a row, or random weights of MAMP's shape."""
    if row == RANDOM:
        number = int(seed.name.removeprefix("seed"))
        return load_encoder(RANDOM, like=seed / "mamp", seed=number)
    return load_encoder(str(seed / row))


def side_by_side(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """Features of several encoders, each of length 1; those of one as they are."""
    if len(parts) == 1:
        return parts[0]
    return torch.cat([torch.nn.functional.normalize(part, dim=1) for part in parts], dim=1)


def measure(
    train: Sequence[torch.Tensor], test: Sequence[torch.Tensor], task: Task
) -> Iterator[float]:
    """All scores of one or more encoders' features (N, D), in the order of `COLUMNS`."""
    learned, asked = side_by_side(train), side_by_side(test)
    named = nearest_votes(learned, task.train_labels, asked, ks=[1])[1]
    yield accuracy(named, task.test_labels)
    each = [class_scores(*pair, task) for pair in zip(train, test, strict=True)]
    yield accuracy(torch.stack(each).sum(dim=0).argmax(dim=1).numpy(), task.test_labels)
    exemplar = np.repeat([True, False], [len(learned), len(asked)])
    clips = LabeledClips(
        similarity=cosine_of(torch.cat((learned, asked)).numpy()),
        labels=[clip.label for part in (task.train, task.test) for clip in part.clips],
        exemplar=exemplar,
        query=~exemplar,
    )
    for result in evaluate(clips, shots=SHOTS, draws=10).values():
        yield result.mean


def class_scores(train: torch.Tensor, test: torch.Tensor, task: Task) -> torch.Tensor:
    """What a linear classifier says of tested clips, (N, C)."""
    classes, device = len(task.classes), torch.device("cpu")
    head = fit_linear(train[None], task.train_labels, classes=classes, config=LINEAR, device=device)
    with torch.no_grad():
        return head(test)


def rows_of(found: dict[tuple[str, str], list[list[float]]], data: str) -> Iterator[list[str]]:
    """Table rows of a data set: mean and deviation over seeds, then gains within a seed."""
    for row, title in TITLES.items():
        scores = np.array(found.get((data, row), []))
        if len(scores):
            cells = (
                f"{mean:.1f} ± {std:.1f}"
                for mean, std in zip(scores.mean(0), scores.std(0), strict=True)
            )
            yield [title, *cells, str(len(scores))]
    for better, worse in CLAIMS:
        pairs = [np.array(found.get((data, row), [])) for row in (better, worse)]
        both = min(map(len, pairs))
        if both:
            gains = pairs[0][:both] - pairs[1][:both]
            cells = (
                f"{mean:+.1f} ({int(wins)} of {both})"
                for mean, wins in zip(gains.mean(0), (gains > 0).sum(0), strict=True)
            )
            yield [f"{TITLES[better]} − {TITLES[worse]}", *cells, str(both)]


def write(path: Path, tables: list[tuple[str, list[list[str]]]]) -> None:
    """Put the tables between the marks of a Markdown file."""
    lines: list[Any] = []
    for name, rows in tables:
        lines += [f"### {name}", "", "| " + " | ".join(("method", *COLUMNS, "seeds")) + " |"]
        lines += ["| --- " * (len(COLUMNS) + 2) + "|"]
        lines += ["| " + " | ".join(cells) + " |" for cells in rows]
        lines += [""]
    begin, end = "<!-- tables -->", "<!-- end of tables -->"
    text = path.read_text(encoding="utf-8")
    before, after = text.split(begin)[0], text.split(end)[1]
    path.write_text(before + begin + "\n\n" + "\n".join(lines) + end + after, encoding="utf-8")


if __name__ == "__main__":
    assert {row.name for row in ROWS} <= {*TITLES, "head-init"}
    main()
