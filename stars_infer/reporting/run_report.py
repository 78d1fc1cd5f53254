"""The report of a training run: of the log in its folder."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stars_infer.errors import UsageError
from stars_infer.reporting.charts import Line, Point, line_chart
from stars_infer.reporting.page import Report, Section

LOG = "log.jsonl"
MOST_POINTS = 300
"""Points of a curve at most; of more, neighbors are averaged."""
_FLAT, _FALLING = 0.002, 0.02
"""Change of the loss over the last fifth, as a share, that counts as none, and as much."""


def run_report(folder: Path) -> Report:
    """Put the log of a run on a page.

    Args:
        folder: The folder that `stars train` wrote, whole or while it trains.

    Raises:
        UsageError: If there is no log in it, or nothing in the log.
    """
    path = folder / LOG
    if not path.is_file():
        raise UsageError(f"{folder}: there is no {LOG}: name the folder of a run of `stars train`")
    steps, validated, damaged = _read(path)
    if not steps:
        raise UsageError(f"{path}: it holds no step yet: wait, or name the folder of another run")
    last = steps[-1]
    hours = float(last.get("seconds", 0)) / 3600
    speeds = [float(one["clips_per_second"]) for one in steps if "clips_per_second" in one]
    facts = [
        ("steps", f"{int(last['step']):,}"),
        ("loss", _said(float(last["loss"]))),
        ("time", f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.0f} min"),
    ]
    if speeds:
        facts.append(("clips per second, median", f"{float(np.median(speeds)):,.0f}"))
    if validated:
        best = max(validated, key=lambda one: one[1])
        facts.insert(0, ("best validation, step", f"{best[1]:.1f} %, {best[0]:,.0f}"))
    sections = [
        _chart("Loss", "loss", [(s["step"], s["loss"]) for s in steps], "Lower is better; how low "
               "it can be depends on the method, so that runs of one method only can be compared."),
    ]  # fmt: skip
    if validated:
        sections.append(
            _chart(
                "Validation",
                "10-NN accuracy, %",
                validated,
                "Accuracy of the ten nearest neighbors on the test part of the split; the best "
                "encoder is kept as best.safetensors.",
                marks=True,
            )
        )
    if any("lr" in one for one in steps):
        rates = [(one["step"], one["lr"]) for one in steps if "lr" in one]
        sections.append(_chart("Learning rate", "learning rate", rates, ""))
    if len(speeds) > 1:
        paced = [(s["step"], s["clips_per_second"]) for s in steps if "clips_per_second" in s]
        sections.append(_chart("Speed", "clips per second", paced, ""))
    return Report(
        title=f"Training run {folder.resolve().name}",
        facts=facts,
        advice=_advice(steps, validated, damaged),
        sections=sections,
    )


def _read(path: Path) -> tuple[list[dict[str, Any]], list[Point], int]:
    """Logged steps in order, validations, and how many lines are none (the last may be cut off)."""
    steps: list[dict[str, Any]] = []
    validated: list[Point] = []
    damaged = 0
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            values = json.loads(line)
            step = int(values["step"])
            if "validation" in values:
                validated.append((step, float(values["validation"])))
            else:
                steps.append({key: float(value) for key, value in values.items()} | {"step": step})
                float(values["loss"])
        except (ValueError, KeyError, TypeError, RecursionError):
            damaged += 1
    return [one for one in steps if "loss" in one], validated, damaged


def _chart(
    title: str, y: str, points: Sequence[Point], lead: str, *, marks: bool = False
) -> Section:
    finite = [(x, value) for x, value in points if math.isfinite(value)]
    if not finite:
        return Section(title=title, lead="No finite number was logged.")
    shown = _thinned(finite)
    first, last = finite[0], finite[-1]
    said = (
        f"From {_said(first[1])} at step {first[0]:,.0f} to {_said(last[1])} at step {last[0]:,.0f}"
    )
    line = Line(name=title, points=shown, marks=marks and len(shown) <= 60)
    chart = line_chart([line], title=title, said=said, x="step", y=y)
    return Section(title=title, lead=lead, body=chart)


def _thinned(points: Sequence[Point]) -> list[Point]:
    if len(points) <= MOST_POINTS:
        return list(points)
    parts = np.array_split(np.array(points, np.float64), MOST_POINTS)
    return [(float(x), float(y)) for x, y in (part.mean(axis=0) for part in parts)]


def _said(value: float) -> str:
    return f"{value:.4g}"


def _advice(steps: Sequence[dict[str, Any]], validated: Sequence[Point], damaged: int) -> list[str]:
    """Say what the curves mean."""
    advice = []
    losses = np.array([one["loss"] for one in steps], np.float64)
    if not np.isfinite(losses).all():
        at = int(steps[int(np.argmin(np.isfinite(losses)))]["step"])
        advice.append(
            f"The loss is no number from step {at:,} on: the run diverged. Train again with a "
            "lower --lr or a longer --warmup."
        )
    elif len(losses) >= 20:
        fifth = len(losses) // 5
        before, after = losses[-2 * fifth : -fifth].mean(), losses[-fifth:].mean()
        change = float((before - after) / max(abs(before), 1e-9))
        if change > _FALLING:
            advice.append(
                f"The loss still fell by {100 * change:.1f} % over the last fifth: more --epochs "
                "are likely to help."
            )
        elif change < -_FALLING:
            advice.append(
                f"The loss rose by {-100 * change:.1f} % over the last fifth: try a lower --lr, or "
                "take an earlier checkpoint."
            )
        elif abs(change) < _FLAT:
            advice.append("The loss has settled: more --epochs are unlikely to help.")
    if len(validated) > 2:
        best = max(validated, key=lambda one: one[1])
        behind = best[1] - validated[-1][1]
        if best[0] < 0.8 * validated[-1][0] and behind > 0.5:
            advice.append(
                f"The best encoder was that of step {best[0]:,.0f}, {behind:.1f} points above the "
                "last: use best.safetensors."
            )
    elif not validated:
        advice.append(
            "Nothing was validated while it trained: --validate-every measures accuracy and keeps "
            "the best encoder."
        )
    if damaged:
        advice.append(f"{damaged} line(s) of the log could not be read and are left out.")
    return advice
