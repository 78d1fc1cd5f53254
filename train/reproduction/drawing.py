"""The pictures of figures, from what their runs have left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn

from stars_infer.arrays import FloatArray
from stars_infer.train.checkpoint import load_checkpoint
from stars_infer.train.methods.nnclr import NeighborContrast, NnclrConfig
from stars_infer.train.protocols.pictures import (
    Projection,
    confusion_png,
    project_vectors,
    tsne_png,
)
from stars_infer.train.protocols.results import confusion_matrix
from stars_infer.train.reproduction.attention import mean_attention
from stars_infer.train.reproduction.charts import bar_chart, line_chart, map_panels, scatter_chart
from stars_infer.train.reproduction.made import read_result
from stars_infer.train.reproduction.memory import step_memory
from stars_infer.train.reproduction.places import DONE, Places
from stars_infer.train.reproduction.planning import Cell, TablePlan, training_of
from stars_infer.train.reproduction.report import Number, Report
from stars_infer.train.reproduction.runs import Evaluation, Training

Given = Mapping[tuple[str, str], float]
Draw = Callable[[Report, Places, Path, Fabric], tuple[Path, ...]]


def count_memory(plan: TablePlan) -> Given:
    """Memory of a step of each row of a table of memory, MB, by row and column."""
    (column,) = plan.table.columns
    return {
        (cells[0].row.name, column.name): step_memory(
            training_of(cells[0].row, column.train, plan.overrides).config
        )
        for cells in plan.cells
    }


def draw(report: Report, places: Places, folder: Path, *, fabric: Fabric) -> Report:
    """Draw the picture of a figure, if all of its runs are there; a table has none.

    Returns:
        The report with its pictures.
    """
    table = report.plan.table
    if table.kind not in DRAWINGS:
        return report
    missing = [
        cell.row.name
        for cells in report.plan.cells
        for cell in cells
        if cell.node is not None and places.state(cell.node) != DONE
    ]
    refused = any(number.state == "refused" for row in report.numbers for number in row)
    if missing or refused:
        why = f"it needs {', '.join(dict.fromkeys(missing))}" if missing else "a run is refused"
        return replace(report, notes=(*report.notes, f"Not drawn: {why}."))
    folder.mkdir(parents=True, exist_ok=True)
    pictures = DRAWINGS[table.kind](report, places, folder / table.id, fabric)
    return replace(report, pictures=pictures)


def title_of_figure(report: Report) -> str:
    """Headline of a picture: what it shows, and that its settings are others, if they are."""
    other = " (not the papers' settings)" if report.plan.overrides else ""
    return f"{report.plan.table.shows}{other}"


def _sweep(report: Report, places: Places, path: Path, fabric: Fabric) -> tuple[Path, ...]:
    plan, files = report.plan, (path.with_suffix(".png"), path.with_suffix(".svg"))
    ticks = [cells[0].row.x for cells in plan.cells if cells[0].row.x is not None]
    lines = []
    for place, column in enumerate(plan.columns):
        values = [_value(row[place]) for row in report.numbers]
        lines.append((column, list(zip(ticks, values, strict=True))))
    line_chart(
        lines, title=title_of_figure(report), x=plan.table.axis, y=_accuracy(report),
        log=plan.table.log, ticks=ticks, paths=files,
    )  # fmt: skip
    return files


def _curves(report: Report, places: Places, path: Path, fabric: Fabric) -> tuple[Path, ...]:
    files = (path.with_suffix(".png"), path.with_suffix(".svg"))
    lines = [
        (cells[0].row.name, [(float(cell.x or 0), _value(number))
                             for cell, number in zip(cells, numbers, strict=True)])
        for cells, numbers in zip(report.plan.cells, report.numbers, strict=True)
    ]  # fmt: skip
    line_chart(
        lines, title=title_of_figure(report), x="epoch", y=_accuracy(report), paths=files
    )  # fmt: skip
    return files


def _tsne(report: Report, places: Places, path: Path, fabric: Fabric) -> tuple[Path, ...]:
    panels: list[tuple[str, Projection]] = []
    names: list[str] = []
    for (cell,) in report.plan.cells:
        arrays, names = _arrays(cell, places)
        vectors, labels = arrays["embedding"], arrays["labels"]
        projection = project_vectors(vectors, labels, classes=report.plan.table.classes)
        panels.append((_name(cell, report), projection))
    file = path.with_suffix(".png")
    tsne_png(panels, names, file)
    return (file,)


def _projection(report: Report, places: Places, path: Path, fabric: Fabric) -> tuple[Path, ...]:
    """Vectors of an encoder, and what heads of random weights make of them (appendix A)."""
    ((cell,),) = report.plan.cells
    arrays, names = _arrays(cell, places)
    vectors, labels = arrays["embedding"], arrays["labels"]
    panels = [
        (name, project_vectors(made, labels, classes=report.plan.table.classes))
        for name, made in (
            (f"{_name(cell, report)}, before", vectors),
            (f"{_name(cell, report)}, after random heads", random_heads(vectors)),
        )
    ]
    file = path.with_suffix(".png")
    tsne_png(panels, names, file)
    return (file,)


@torch.no_grad()
def random_heads(vectors: FloatArray, *, seed: int = 0) -> FloatArray:
    """What projector and predictor of stage 2 make of vectors (N, D) before they learn."""
    torch.manual_seed(seed)
    heads = NeighborContrast(vectors.shape[1], NnclrConfig(queue=1)).train()
    network = nn.Sequential(heads.projector, heads.predictor)
    return np.asarray(network(torch.from_numpy(np.asarray(vectors, np.float32))).numpy())


def _confusion(report: Report, places: Places, path: Path, fabric: Fabric) -> tuple[Path, ...]:
    ((cell,),), ((number,),) = report.plan.cells, report.numbers
    arrays, names = _arrays(cell, places)
    labels, named = arrays["labels"], arrays[f"predictions {cell.setting}"]
    title = f"{_name(cell, report)}, {cell.column}: {number} % correct at {cell.setting}"
    file = path.with_suffix(".png")
    confusion_png(confusion_matrix(labels, named, len(names)), names, title, file)
    return (file,)


def _attention(report: Report, places: Places, path: Path, fabric: Fabric) -> tuple[Path, ...]:
    rows = []
    for (cell,) in report.plan.cells:
        if not isinstance(cell.node, Training):
            continue
        part = cell.node.part
        found = mean_attention(
            places.run(cell.node), places.pack(part.dataset), part.split, fabric=fabric
        )
        panels = [
            ("from token to token, in the order of time", found.tokens * len(found.tokens)),
            ("from joint to joint", found.joints * len(found.joints)),
        ]
        rows.append((f"{cell.row.name}, spread {found.spread:.2f}", panels))
    file = path.with_suffix(".png")
    map_panels(rows, title=title_of_figure(report), path=file)
    return (file,)


def _time(report: Report, places: Places, path: Path, fabric: Fabric) -> tuple[Path, ...]:
    points = []
    for (cell,), (number,) in zip(report.plan.cells, report.numbers, strict=True):
        if isinstance(cell.node, Evaluation) and cell.node.of is not None:
            seconds = sum(_seconds(stage, places) for stage in cell.node.of.stages)
            points.append((cell.row.name, (seconds, _value(number))))
    files = (path.with_suffix(".png"), path.with_suffix(".svg"))
    longest = max((x for _, (x, _) in points), default=0.0)
    unit, seconds = ("hours", 3600) if longest >= 0.2 * 3600 else ("seconds", 1)
    scatter_chart(
        [(name, (x / seconds, y)) for name, (x, y) in points], title=title_of_figure(report),
        x=f"{unit} of training, on the machine that ran it", y=_accuracy(report), paths=files,
    )  # fmt: skip
    return files


def _memory(report: Report, places: Places, path: Path, fabric: Fabric) -> tuple[Path, ...]:
    groups: list[tuple[str, list[float | None]]] = [
        (cells[0].row.name, [numbers[0].value, cells[0].paper])
        for cells, numbers in zip(report.plan.cells, report.numbers, strict=True)
    ]
    groups += [(name, [None, printed[0]]) for name, printed in report.plan.table.others]
    files = (path.with_suffix(".png"), path.with_suffix(".svg"))
    bar_chart(
        groups, ("here", "paper"), title=title_of_figure(report), y="MB", paths=files
    )  # fmt: skip
    return files


DRAWINGS: Mapping[str, Draw] = {
    "sweep": _sweep,
    "curves": _curves,
    "tsne": _tsne,
    "projection": _projection,
    "confusion": _confusion,
    "attention": _attention,
    "time": _time,
    "memory": _memory,
}
"""Kinds of tables that have a picture."""


def _name(cell: Cell, report: Report) -> str:
    """Name of a row, which says if its settings are not the paper's."""
    return cell.row.name + (" (other settings)" if report.plan.overrides else "")


def _arrays(cell: Cell, places: Places) -> tuple[dict[str, Any], list[str]]:
    """Arrays of a result, and the names of its actions."""
    if not isinstance(cell.node, Evaluation):
        raise TypeError(f"{cell.row.name} is no measurement")
    path = places.result(cell.node)
    with np.load(path.with_name(read_result(path)["arrays"]), allow_pickle=False) as kept:
        arrays = dict(kept)
    return arrays, [str(name) for name in arrays["classes"]]


def _seconds(training: Training, places: Places) -> float:
    return float(load_checkpoint(places.run(training), tensors=False).history["seconds"])


def _value(number: Number) -> float:
    return float("nan") if number.value is None else number.value


def _accuracy(report: Report) -> str:
    table = report.plan.table
    setting = "" if table.setting == "accuracy" else f", {table.setting}"
    return f"{table.protocol}{setting}, % correct"
