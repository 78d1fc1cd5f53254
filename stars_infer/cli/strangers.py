"""What `stars fewshot eval` says of strangers: who is told apart, and what confidence is worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from stars_infer.cli.output import Output
from stars_infer.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    import numpy as np

    from stars_infer.rejection import Reliability, Trial

PLOT_ENDINGS = (".svg", ".png", ".pdf")
_BAR = 24


def chooser(
    labels: Sequence[str], patterns: Sequence[str] | None, share: float | None
) -> Callable[[np.random.Generator], Sequence[int]]:
    """What draws the classes that an index is not to hold.

    Args:
        labels: Of all clips.
        patterns: Over class names; those that fit are out.
        share: Or so many per cent of the classes, another draw each time.

    Raises:
        UsageError: If both are given, or no class fits.
    """
    names = sorted(set(labels))
    if patterns and share:
        raise UsageError("--unknown-classes and --unknown exclude each other")
    if patterns:
        out = [at for at, name in enumerate(names) if any(fnmatch(name, p) for p in patterns)]
        if not out:
            raise UsageError(
                f"no class fits {' or '.join(patterns)}; there are: {', '.join(names[:12])}"
            )
        return lambda random: out
    count = round(len(names) * (share or 0) / 100)
    return lambda random: [int(at) for at in random.permutation(len(names))[:count]]


def report_strangers(
    trials: dict[int, Trial], model: str, plot: Path | None, output: Output
) -> None:
    """Print what the trials show, by shots."""
    from stars_infer.rejection import auroc, false_accept, reliability

    rows = []
    curves = {n: reliability(trial.confidence, trial.right) for n, trial in trials.items()}
    for n, trial in trials.items():
        known, strangers = trial.chance_known[trial.known], trial.chance_known[~trial.known]
        answered = trial.named
        values = {
            "shots": n,
            "auroc": 100 * auroc(known, strangers),
            "false_accept_at_95": 100 * false_accept(known, strangers),
            "strangers_named": 100 * float(answered[~trial.known].mean()),
            "known_named": 100 * float(answered[trial.known].mean()),
            "right_of_named": 100 * float(trial.right[answered].mean()) if answered.any() else 0.0,
            "calibration_error": 100 * curves[n].error,
        }
        if output.json:
            output.record({"model": model, **{k: round(v, 2) for k, v in values.items()}})
        rows.append((n, *(f"{value:.1f}" for value in list(values.values())[1:])))
    if not output.json:
        output.table(
            (
                "shots",
                "AUROC",
                "FA95",
                "strangers named %",
                "known named %",
                "right of named %",
                "ECE",
            ),
            rows,
        )
        output.note(
            "FA95: strangers named % when 95 % of the known are; ECE: expected calibration error %"
        )
        for n, curve in curves.items():
            output.paragraph(f"confidence and truth, {n} shots", _lines(curve))
    if plot is not None:
        save_reliability_plot(curves, plot)
        output.note(f"wrote {plot}")


def _lines(curve: Reliability) -> list[str]:
    """A line a bin: what was promised, what was true, how many answers."""
    lines = []
    for confidence, right, count in zip(curve.confidence, curve.right, curve.count, strict=True):
        if count:
            bar = "█" * round(_BAR * float(right))
            lines.append(f"{confidence:6.0%} said, {right:6.0%} right  {bar:<{_BAR}} {count:6,}")
    return lines


def require_plots() -> None:
    """Make sure that plots can be drawn, before what they show is measured.

    Raises:
        MissingExtraError: If Matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise MissingExtraError("--plot", "plots", "matplotlib")


def save_reliability_plot(curves: dict[int, Reliability], path: Path) -> None:
    """Draw confidence against truth, a line for each number of shots; ending of `PLOT_ENDINGS`."""
    from matplotlib.figure import Figure

    from stars_infer.atomic import written_beside

    figure = Figure(figsize=(4.5, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=1, linestyle="--")
    for n, curve in curves.items():
        there = curve.count > 0
        axes.plot(curve.confidence[there], curve.right[there], marker="o", label=f"{n} shots")
    axes.set(xlabel="confidence", ylabel="share of right answers", xlim=(0, 1), ylim=(0, 1))
    axes.set_aspect("equal")
    axes.legend(frameon=False)
    with written_beside(path) as beside:
        figure.savefig(beside)
