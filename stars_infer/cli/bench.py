"""`stars bench`: which runtime is best on this machine, and how fast everything else is."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from stars_infer.cli.options import ModelOption
from stars_infer.cli.output import JsonFlag, Output, QuietFlag
from stars_infer.errors import StarsError

if TYPE_CHECKING:
    from stars_infer.bench.clips import ClipStep
    from stars_infer.bench.network import Measured

_COLUMNS = ("runtime", "batch", "clips/s", "p50 ms", "p95 ms", "MiB", "cosine")


def bench(
    *,
    seconds: Annotated[
        float, typer.Option(min=0.01, max=600, help="How long each measurement lasts, seconds.")
    ] = 1.0,
    save: Annotated[
        bool,
        typer.Option(
            "--save", help="Embed with the best runtime from now on, for this model and machine."
        ),
    ] = False,
    model: ModelOption = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Measure every installed runtime and precision, and how fast clips are read and compared.

    A runtime whose vectors differ from those of float32 is never chosen as the best. A batch size
    is left out if one batch would take more than four times `--seconds`.
    """
    from stars_infer.bench.clips import STEPS, measure_clip_steps
    from stars_infer.bench.network import best_of, measure_runtimes, save_best
    from stars_infer.encoder.model import GRAPH_FILE, check_fingerprint, find_model, read_model_info
    from stars_infer.machine import cpu_name, usable_cores

    output = Output(json=json, quiet=quiet)
    folder = find_model(model)
    info = read_model_info(folder)
    check_fingerprint(folder, info)
    rows = []
    with output.counter("measuring runtimes") as progress:
        for row in measure_runtimes(
            folder / GRAPH_FILE,
            info,
            seconds=seconds,
            skip=lambda how, error: output.error(str(error), source=str(how), problem=str(error)),
            progress=progress,
        ):
            rows.append(row)
            if json:
                output.record(_record(row))
    best = best_of(rows)
    if not json:
        output.note(f"{info.name} on {cpu_name()}, {usable_cores()} cores")
        output.table(_COLUMNS, [_cells(row, best) for row in rows])
    steps = []
    measuring = measure_clip_steps(info, seconds=seconds)
    for step in output.progress(measuring, "measuring clips", STEPS):
        steps.append(step)
        if json:
            output.record(_step_record(step))
    if not json:
        output.table(("step", "clips/s", "p50 ms", "p95 ms"), [_step_cells(step) for step in steps])
    if best is None:
        raise StarsError(
            f"{info.name}: no runtime here gives the vectors of float32; `stars doctor` says what "
            "is installed"
        )
    if json:
        output.record({"best": asdict(best.how), "clips_per_second": best.clips_per_second})
    else:
        output.note(f"best: {best.how}, {best.how.batch} at once")
    if save:
        output.note(f"kept in {save_best(best, info)}; --device or STARS_DEVICE overrule it")
    output.finish()


def _step_record(step: ClipStep) -> dict[str, object]:
    return {
        "step": step.name,
        "clips_per_second": 1 / step.times.p50,
        "frames": step.frames,
        **_milliseconds(step.times.p50, step.times.p95, step.times.calls),
    }


def _record(row: Measured) -> dict[str, object]:
    return {
        "runtime": asdict(row.how),
        "clips_per_second": row.clips_per_second,
        **_milliseconds(row.times.p50, row.times.p95, row.times.calls),
        "memory_bytes": row.memory,
        "agreement": row.agreement,
        "exact": row.exact,
    }


def _milliseconds(p50: float, p95: float, calls: int) -> dict[str, object]:
    return {"p50_ms": 1000 * p50, "p95_ms": 1000 * p95, "calls": calls}


def _cells(row: Measured, best: Measured | None) -> list[object]:
    memory = "" if row.memory is None else f"{row.memory / 2**20:,.0f}"
    agreement = f"{row.agreement:.5f}"
    exact = Text(agreement) if row.exact else Text(f"{agreement} not exact", style="yellow")
    name = Text(str(row.how), style="bold green" if row is best else "")
    return [
        name,
        row.how.batch,
        _short(row.clips_per_second),
        _short(1000 * row.times.p50),
        _short(1000 * row.times.p95),
        memory,
        exact,
    ]


def _step_cells(step: ClipStep) -> list[object]:
    return [
        step.name,
        _short(1 / step.times.p50),
        _short(1000 * step.times.p50),
        _short(1000 * step.times.p95),
    ]


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
