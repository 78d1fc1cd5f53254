"""What the commands of `stars train eval` have in common: open, measure, write and show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer
from lightning_fabric import Fabric
from rich.progress import Progress

from stars_infer.cli.output import Output
from stars_infer.errors import UsageError
from stars_infer.train.protocols.encoders import MeasuredEncoder, load_encoder
from stars_infer.train.protocols.features import Track
from stars_infer.train.protocols.finetune import FinetuneSettings, TrainingStoppedError
from stars_infer.train.protocols.options import (
    FinetuneOptions,
    FrozenOptions,
    MeasureOptions,
    ResultOptions,
    TransferOptions,
)
from stars_infer.train.protocols.plots import require_plots, write_plots
from stars_infer.train.protocols.results import Result, save_result
from stars_infer.train.protocols.task import Task, open_task
from stars_infer.train.recipe import load_recipe
from stars_infer.train.recorder import StepMetrics
from stars_infer.train.session import open_fabric
from stars_infer.train.views.batch import Batch

FrozenProtocol = Callable[[MeasuredEncoder, Task, Fabric, Track], Result]
FinetuneProtocol = Callable[[MeasuredEncoder, Task, FinetuneSettings], Result]


def measure_frozen(
    protocol: FrozenProtocol, options: FrozenOptions, results: ResultOptions
) -> None:
    """Measure the frozen features of an encoder, then write and show the result."""
    output = Output(json=results.json, quiet=results.quiet)
    measured, task = open_measurement(options, results, seed=options.seed)
    fabric = open_fabric(options.accelerator, 1, options.precision)
    result = protocol(measured, task, fabric, output.progress)
    finish(result, output, results, folder=results.out or measured.results)


def measure_finetuned(
    name: str,
    protocol: FinetuneProtocol,
    options: MeasureOptions | TransferOptions,
    training: FinetuneOptions,
    results: ResultOptions,
    flags: dict[str, Any],
    *,
    seed: int,
) -> None:
    """Fine-tune an encoder with a progress bar, then write and show the result.

    Args:
        name: Name of the protocol.
        protocol: Fine-tunes and measures.
        options: The encoder and the data.
        training: Recipe and machines.
        results: Where the result goes.
        flags: Settings that differ from the recipe, by name.
        seed: Seed of random weights.
    """
    output = Output(json=results.json, quiet=results.quiet)
    measured, task = open_measurement(options, results, seed=seed)
    folder = results.out or measured.results
    fabric = training.open_fabric()
    if folder is None:
        raise UsageError("random weights have no folder of their own: name one with --out")
    if not fabric.is_global_zero:  # only the first of several processes speaks
        output.quiet, output.json = True, False
    how = FinetuneSettings(
        fabric=fabric,
        out=folder / f"{name}-{task.data}-{task.split}",
        recipe=load_recipe(training.recipe or options.how.finetune),
        flags=flags,
        resume=training.resume,
        compiled=training.compiles(fabric),
        crop=options.how.crop,
        average=training.average,
    )
    with output.bar("{task.fields[course]}") as bar:
        try:
            result = protocol(measured, task, show_progress(how, bar, name))
        except TrainingStoppedError as stopped:
            output.note(f"{stopped}; the same command with --resume goes on")
            raise typer.Exit(130) from stopped
    if fabric.is_global_zero:
        finish(result, output, results, folder=folder)


def open_measurement(
    options: MeasureOptions | TransferOptions, results: ResultOptions, *, seed: int
) -> tuple[MeasuredEncoder, Task]:
    """Open the encoder and the task, after making sure that plots can be made."""
    if results.plots is not None:
        require_plots()
    measured = load_encoder(
        options.run,
        like=options.like,
        seed=seed,
        weights=options.weights,
        samplings=options.how.samplings,
    )
    if options.data is None:
        own = measured.config.split if measured.config else None
        return measured, open_task(measured.default_data(), options.split or own)
    return measured, open_task(options.data, options.split)


def show_progress(how: FinetuneSettings, bar: Progress, name: str) -> FinetuneSettings:
    """Let a fine-tuning show its steps, and the classification of the test clips, in a bar."""
    training = bar.add_task(name, total=None, course="")

    def report(metrics: StepMetrics) -> None:
        course = f"loss {metrics.loss:.4f} {metrics.clips_per_second:.1f} clips/s"
        bar.update(training, completed=metrics.step, course=course)

    def track(items: Iterable[Batch], what: str, total: int) -> Iterator[Batch]:
        task = bar.add_task(what, total=total, course="")
        for item in items:
            yield item
            bar.advance(task)
        bar.remove_task(task)

    return replace(how, report=report, track=track)


def finish(result: Result, output: Output, results: ResultOptions, *, folder: Path | None) -> None:
    """Write a result into a folder, if there is one, and show it."""
    written = [save_result(result, folder)] if folder else []
    if results.plots is not None:
        written += write_plots(result, results.plots, classes=results.plot_classes)
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
