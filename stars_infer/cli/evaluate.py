"""`stars fewshot eval`: how far a few examples go."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stars_infer.cli.options import (
    DEFAULT_CLASSIFIER,
    DEFAULT_MIRROR,
    OWN,
    ClassifierOption,
    DeviceOption,
    FalseAcceptOption,
    MirrorOption,
    ModelOption,
    ProtocolOption,
    WorkersOption,
    classify_options,
    is_paper,
    reads_clips,
)
from stars_infer.cli.output import JsonFlag, Output, QuietFlag
from stars_infer.errors import UsageError

if TYPE_CHECKING:
    from stars_infer.clips.convention import Convention
    from stars_infer.embedding.files import EmbeddedFile
    from stars_infer.evaluation.fewshot import Accuracy, LabeledClips
    from stars_infer.evaluation.open_set import OpenSetAccuracy
    from stars_infer.evaluation.reliability import Reliability

_BAR = 24
"""Width of the bars that show accuracy, characters."""


@reads_clips
def evaluate(
    root: Annotated[Path, typer.Argument(help="Folder of ROOT/CLASS/clip files.")],
    *,
    shots: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Examples per class.", show_default="1, 2 and 5"),
    ] = None,
    draws: Annotated[int, typer.Option(min=1, help="Number of random draws of examples.")] = 10,
    exemplars: Annotated[
        str, typer.Option(help="Pattern over CLASS/clip of the clips that may be examples.")
    ] = "*",
    queries: Annotated[
        str, typer.Option(help="Pattern over CLASS/clip of the clips that are named.")
    ] = "*",
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 0,
    unknown_classes: Annotated[
        list[str] | None,
        typer.Option(help="Pattern of classes that are kept out of the index, to be unknown."),
    ] = None,
    unknown: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=100,
            help="Per cent of the classes that are kept out of the index, drawn anew each time.",
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Write a reliability plot, .svg, .png or .pdf.")
    ] = None,
    protocol: ProtocolOption = OWN,
    classifier: ClassifierOption = DEFAULT_CLASSIFIER,
    false_accept: FalseAcceptOption = None,
    mirror: MirrorOption = DEFAULT_MIRROR,
    convention: Convention,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    workers: WorkersOption = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Measure few-shot accuracy on a folder of labeled clips."""
    from stars_infer.atomic import check_output
    from stars_infer.classification.classifiers import Ridge
    from stars_infer.encoder.encoder import Encoder
    from stars_infer.evaluation.fewshot import SHOTS, usual_shots
    from stars_infer.evaluation.fewshot import evaluate as evaluate_shots
    from stars_infer.evaluation.folder import find_labeled_files, read_labeled_clips
    from stars_infer.evaluation.open_set import class_chooser, evaluate_open_set
    from stars_infer.evaluation.reliability import (
        PLOT_ENDINGS,
        require_plots,
        save_reliability_plot,
    )

    output = Output(json=json, quiet=quiet)
    options = classify_options(classifier, None, false_accept, mirror)
    some_unknown = bool(unknown_classes) or unknown is not None
    by_paper = is_paper(protocol, classifier, false_accept, mirror)
    if some_unknown and by_paper:
        raise UsageError("--protocol paper knows no unknown clips: leave one of the two out")
    if some_unknown and classifier != DEFAULT_CLASSIFIER:
        raise UsageError(
            f"unknown clips need {DEFAULT_CLASSIFIER}: leave --classifier {classifier} out"
        )
    if plot is not None and not some_unknown:
        raise UsageError(
            "--plot shows how well unknown clips are told: give --unknown or --unknown-classes"
        )
    files = find_labeled_files(root, exemplars=exemplars, queries=queries)
    check_output(plot, "--plot", endings=PLOT_ENDINGS, inputs=files.paths)
    if plot is not None:
        require_plots()
    encoder = Encoder.load(model, device=device)
    with output.bar() as bar:
        task = bar.add_task("embedding", total=len(files.paths))

        def show(clip: EmbeddedFile) -> None:
            output.clip_notes(clip.source, clip.notes)
            bar.advance(task)

        clips = read_labeled_clips(
            files,
            encoder=encoder,
            classifier=classifier,
            mirror=mirror,
            as_papers=by_paper,
            convention=convention,
            skip=output.failure,
            progress=show,
            workers=workers,
        )
    info = encoder.info
    wanted = sorted(set(shots or usual_shots(clips)))
    left_out = [] if shots else [str(n) for n in SHOTS if n not in wanted]
    if left_out:
        numbers = " and ".join(left_out)
        output.note(f"not measured with {numbers} examples per class: there are too few clips")
    if not some_unknown:
        accuracies = evaluate_shots(clips, shots=wanted, draws=draws, seed=seed)
        _show_accuracies(accuracies, clips, info.name, draws, output)
    else:
        results = evaluate_open_set(
            clips,
            shots=wanted,
            unknown=class_chooser(
                clips.labels,
                patterns=unknown_classes or (),
                share=None if unknown is None else unknown / 100,
            ),
            prior=info.calibration.ridge,
            ridge=Ridge(width=None if info.comparison is None else info.comparison.kernel_width),
            false_accept_rate=options.false_accept_rate,
            draws=draws,
            seed=seed,
        )
        _show_open_set(results, info.name, output)
        if plot is not None:
            save_reliability_plot({n: one.reliability for n, one in results.items()}, plot)
            output.note(f"wrote {plot}")
    output.finish()


def _show_accuracies(
    accuracies: dict[int, Accuracy], clips: LabeledClips, model: str, draws: int, output: Output
) -> None:
    classes, queries = len(set(clips.labels)), int(clips.query.sum())
    if output.json:
        output.record(
            {
                "model": model,
                "classes": classes,
                "queries": queries,
                "draws": draws,
                "shots": {str(n): _rounded(score) for n, score in accuracies.items()},
                "labels": sorted(set(clips.labels)),
                "confusion": {str(n): score.confusion for n, score in accuracies.items()},
            }
        )
        return
    output.note(f"{model}: {classes} classes, {queries} queries, {draws} draws")
    output.table(
        ("shots", "accuracy %", "95 % interval", "deviation"),
        [
            (n, f"{score.mean:.1f}", "–".join(f"{end:.1f}" for end in score.interval or ()),
             f"{score.std:.1f}")
            for n, score in accuracies.items()
        ],
    )  # fmt: skip


def _rounded(score: Accuracy) -> dict[str, float]:
    low, high = score.interval or (score.mean, score.mean)
    values = {"mean": score.mean, "std": score.std, "low": low, "high": high}
    return {name: round(value, 2) for name, value in values.items()}


def _show_open_set(results: dict[int, OpenSetAccuracy], model: str, output: Output) -> None:
    rows = []
    for n, result in results.items():
        values = {
            "auroc": result.auroc,
            "fpr_at_95": result.fpr_at_95,
            "unknown_named": result.unknown_named,
            "known_named": result.known_named,
            "right_of_named": result.right_of_named,
            "calibration_error": 100 * result.reliability.error,
        }
        if output.json:
            rounded = {name: round(value, 2) for name, value in values.items()}
            output.record({"model": model, "shots": n, **rounded, **_curves(result)})
        rows.append((n, *(f"{value:.1f}" for value in values.values())))
    if output.json:
        return
    columns = ("AUROC", "FPR@95", "unknown named %", "known named %", "right of named %", "ECE")
    output.table(("shots", *columns), rows)
    output.note(
        "FPR@95: share of unknown clips named where 95 % of the known are; ECE: expected "
        "calibration error, %"
    )
    for n, result in results.items():
        output.paragraph(f"confidence and accuracy, {n} shots", _lines(result.reliability))


def _curves(result: OpenSetAccuracy) -> dict[str, Any]:
    """What a report draws; an empty bin has no confidence."""
    curve = result.reliability
    there = curve.count > 0
    return {
        "reliability": {
            "confidence": [round(value, 4) for value in curve.confidence[there].tolist()],
            "right": [round(value, 4) for value in curve.right[there].tolist()],
            "count": curve.count[there].tolist(),
        },
        "curve": [[round(value, 4) for value in point] for point in result.curve],
    }


def _lines(curve: Reliability) -> list[str]:
    """One line for each bin that is not empty: confidence, accuracy, number of answers."""
    lines = []
    for confidence, right, count in zip(curve.confidence, curve.right, curve.count, strict=True):
        if count:
            bar = "█" * round(_BAR * float(right))
            lines.append(f"{confidence:6.0%} said, {right:6.0%} right  {bar:<{_BAR}} {count:6,}")
    return lines
