"""`stars fewshot eval`: how far a few examples go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stars_infer.cli.options import (
    DEFAULT_CLASSIFIER,
    ClassifierOption,
    DeviceOption,
    FalseAcceptOption,
    ModelOption,
    WorkersOption,
    reads_clips,
)
from stars_infer.cli.output import JsonFlag, Output, QuietFlag
from stars_infer.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    import numpy as np

    from stars_infer.evaluation.open_set import Reliability, Trial

if TYPE_CHECKING:
    from stars_infer.clips.convention import Convention
    from stars_infer.encoder.encoder import Encoder
    from stars_infer.evaluation.fewshot import Accuracy, LabeledClips


@reads_clips
def evaluate(
    root: Annotated[Path, typer.Argument(help="Folder of ROOT/CLASS/clip files.")],
    *,
    shots: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Examples per class.", show_default="1, 2 and 5"),
    ] = None,
    draws: Annotated[int, typer.Option(min=1, help="Random draws of examples.")] = 10,
    exemplars: Annotated[
        str, typer.Option(help="Which clips may be examples: a pattern over CLASS/clip.")
    ] = "*",
    queries: Annotated[
        str, typer.Option(help="Which clips are named: a pattern over CLASS/clip.")
    ] = "*",
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    unknown_classes: Annotated[
        list[str] | None,
        typer.Option(help="Keep classes of this pattern out of the index: they are unknown clips."),
    ] = None,
    unknown: Annotated[
        float | None,
        typer.Option(
            min=0, max=100, help="The same with so many per cent of the classes, drawn anew."
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Write a reliability plot, .svg, .png or .pdf.")
    ] = None,
    classifier: ClassifierOption = DEFAULT_CLASSIFIER,
    false_accept: FalseAcceptOption = None,
    convention: Convention,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    workers: WorkersOption = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Measure few-shot accuracy on a folder of labeled clips."""
    import numpy as np

    from stars_infer.atomic import check_output
    from stars_infer.classification.classifiers import Ridge, classifier_named
    from stars_infer.embedding.files import embed_files
    from stars_infer.encoder.encoder import Encoder
    from stars_infer.evaluation.fewshot import LabeledClips
    from stars_infer.evaluation.fewshot import evaluate as measure
    from stars_infer.evaluation.open_set import Trial, open_set_trials
    from stars_infer.readers.files import clip_files
    from stars_infer.similarity.pairwise import similarity_of

    output = Output(json=json, quiet=quiet)
    if not root.is_dir():
        raise UsageError(f"{root}: not a folder of CLASS/clip files")
    if plot is not None and not (unknown_classes or unknown):
        raise UsageError(
            "--plot shows how unknown clips are told: give --unknown or --unknown-classes"
        )
    named = {path: path.relative_to(root).as_posix() for path in clip_files([root])}
    check_output(plot, "--plot", endings=PLOT_ENDINGS, inputs=named)
    if plot is not None:
        require_plots()
    used = [
        path
        for path, name in named.items()
        if name.count("/") == 1 and (fnmatch(name, exemplars) or fnmatch(name, queries))
    ]
    if not used:
        raise UsageError(f"{root}: no CLASS/clip file matches --exemplars or --queries")
    encoder = Encoder.load(model, device=device)
    embedded = embed_files(
        encoder, used, convention=convention, skip=output.failure, query=True, workers=workers
    )
    files = list(output.progress(embedded, "embedding", len(used)))
    for file in files:
        output.clip_notes(file.source, file.notes)
    if not files:
        raise UsageError(f"{root}: no clip could be used")
    names = [named[file.path] for file in files]
    possible = np.array([fnmatch(name, exemplars) for name in names])
    comparison = encoder.info.comparison
    temperature, width = None, None
    if comparison is not None:
        temperature, width = comparison.temperature, comparison.kernel_width
    clips = LabeledClips(
        similarity=similarity_of([file.features for file in files], possible),
        labels=[file.path.parent.name for file in files],
        exemplar=possible,
        query=np.array([fnmatch(name, queries) for name in names]),
        classifier=lambda n: classifier_named(
            classifier, n=n, temperature=temperature, width=width
        ),
    )
    wanted = sorted(set(shots or (1, 2, 5)))
    if unknown_classes or unknown:
        if classifier != DEFAULT_CLASSIFIER:
            raise UsageError(
                f"unknown clips need {DEFAULT_CLASSIFIER}: leave --classifier {classifier} out"
            )
        trials = {
            n: Trial.joined(
                open_set_trials(
                    clips,
                    n,
                    unknown=chooser(clips.labels, unknown_classes, unknown),
                    ridge=Ridge(width=width),
                    prior=encoder.info.calibration.ridge,
                    false_accept_rate=None if false_accept is None else false_accept / 100,
                    draws=draws,
                    seed=seed,
                )
            )
            for n in wanted
        }
        report_open_set(trials, encoder.info.name, plot, output)
    else:
        _report(clips, measure(clips, shots=wanted, draws=draws, seed=seed), encoder, draws, output)
    output.finish()


def _report(
    clips: LabeledClips,
    results: dict[int, Accuracy],
    encoder: Encoder,
    draws: int,
    output: Output,
) -> None:
    summary = {
        "model": encoder.info.name,
        "classes": len(set(clips.labels)),
        "queries": int(clips.query.sum()),
        "shots": {
            str(n): {"mean": round(score.mean, 2), "std": round(score.std, 2)}
            for n, score in results.items()
        },
    }
    if output.json:
        output.record(summary)
        return
    output.note(
        f"{summary['model']}: {summary['classes']} classes, {summary['queries']} queries, "
        f"{draws} draws"
    )
    output.table(
        ("shots", "accuracy %", "deviation"),
        [(n, f"{score.mean:.1f}", f"{score.std:.1f}") for n, score in results.items()],
    )


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


def report_open_set(
    trials: dict[int, Trial], model: str, plot: Path | None, output: Output
) -> None:
    """Print what the trials show, by shots."""
    from stars_infer.evaluation.open_set import auroc, false_accept_at_recall, reliability

    rows = []
    curves = {n: reliability(trial.confidence, trial.right) for n, trial in trials.items()}
    for n, trial in trials.items():
        known, false_accept = trial.chance_known[trial.known], trial.chance_known[~trial.known]
        answered = trial.named
        values = {
            "shots": n,
            "auroc": 100 * auroc(known, false_accept),
            "fpr_at_95": 100 * false_accept_at_recall(known, false_accept),
            "unknown_named": 100 * float(answered[~trial.known].mean()),
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
                "FPR@95",
                "unknown clips named %",
                "known named %",
                "right of named %",
                "ECE",
            ),
            rows,
        )
        output.note(
            "FPR@95: unknown clips named % when 95 % of the known are; ECE: calibration error %"
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
