"""What every command of `stars train eval` does first and last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from lightning_fabric import Fabric

from stars_infer.cli.output import Output
from stars_infer.errors import UsageError
from stars_infer.train.loop import Progress
from stars_infer.train.protocols.encoders import MeasuredEncoder, load_encoder
from stars_infer.train.protocols.finetune import TrainingStoppedError, Tuning
from stars_infer.train.protocols.plots import require_plots, write_plots
from stars_infer.train.protocols.results import Result, save_result
from stars_infer.train.protocols.task import Task, open_task
from stars_infer.train.recipe import load_recipe
from stars_infer.train.views.batch import Batch


def opened(
    run: str,
    data: Path | None,
    split: str | None,
    like: Path | None,
    seed: int,
    plots: Path | None,
    *,
    weights: str,
    samplings: int,
) -> tuple[MeasuredEncoder, Task]:
    """The encoder and the task, and the certainty that plots can be made."""
    if plots is not None:
        require_plots()
    measured = load_encoder(run, like=like, seed=seed, weights=weights, samplings=samplings)
    if data is None:
        own = measured.config.split if measured.config else None
        return measured, open_task(measured.default_data(), split or own)
    return measured, open_task(data, split)


@contextmanager
def tuning(
    protocol: str,
    task: Task,
    results: Path | None,
    fabric: Fabric,
    output: Output,
    recipe: str,
    flags: dict[str, Any],
    crop: float,
    resume: bool,
    compiled: bool | None,
) -> Iterator[Tuning]:
    """How to fine-tune, with a progress bar; of several processes, the first speaks."""
    if results is None:
        raise UsageError("random weights have no folder of their own: name one with --out")
    if not fabric.is_global_zero:
        output.quiet, output.json = True, False
    with output.bar("{task.fields[course]}") as bar:
        task_of_bar = bar.add_task(protocol, total=None, course="")

        def report(progress: Progress) -> None:
            course = f"loss {progress.loss:.4f} {progress.clips_per_second:.1f} clips/s"
            bar.update(task_of_bar, completed=progress.step, course=course)

        def track(items: Iterable[Batch], what: str, total: int) -> Iterator[Batch]:
            following = bar.add_task(what, total=total, course="")
            for item in items:
                yield item
                bar.advance(following)
            bar.remove_task(following)

        try:
            yield Tuning(
                fabric=fabric,
                out=results / f"{protocol}-{task.data}-{task.split}",
                recipe=load_recipe(recipe),
                flags=flags,
                resume=resume,
                compiled=fabric.device.type == "cuda" if compiled is None else compiled,
                crop=crop,
                report=report,
                track=track,
            )
        except TrainingStoppedError as stopped:
            output.note(f"{stopped}; the same command with --resume goes on")
            raise typer.Exit(130) from stopped


def finish(
    result: Result,
    output: Output,
    folder: Path | None,
    plots: Path | None,
    plot_classes: int,
    fabric: Fabric | None = None,
) -> None:
    """Write and show a result."""
    if fabric is not None and not fabric.is_global_zero:
        return
    written = [save_result(result, folder)] if folder else []
    if plots is not None:
        written += write_plots(result, plots, classes=plot_classes)
    if output.json:
        output.record({**result.to_json(), "files": [str(path) for path in written]})
        return
    if output.quiet:
        deviations = ("" if s.deviation is None else f"{s.deviation:.2f}" for s in result.scores)
        output.table(
            (),
            [
                (score.setting, f"{score.accuracy:.2f}", deviation)
                for score, deviation in zip(result.scores, deviations, strict=True)
            ],
        )
        return
    columns, rows = result.rows()
    output.note(f"{result.title}: {len(result.labels):,} clips, {len(result.classes)} actions")
    output.table(columns, rows)
    for note in (*result.notes, *map(str, written)):
        output.note(note)
    if not result.paper:
        output.note("the papers have no figures for this protocol on this data and split")
