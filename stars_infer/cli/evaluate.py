"""`stars fewshot eval`: how far a few examples go."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stars_infer.cli.conventions import reads_clips
from stars_infer.cli.options import (
    DEFAULT_CLASSIFIER,
    ClassifierOption,
    DeviceOption,
    ModelOption,
    StrangersOption,
    WorkersOption,
)
from stars_infer.cli.output import JsonFlag, Output, QuietFlag
from stars_infer.cli.strangers import PLOT_ENDINGS, chooser, report_strangers, require_plots
from stars_infer.errors import UsageError

if TYPE_CHECKING:
    from stars_infer.convention import Convention
    from stars_infer.encoder import Encoder
    from stars_infer.fewshot import Accuracy, LabelledClips


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
        typer.Option(help="Keep classes of this pattern out of the index: they are strangers."),
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
    strangers: StrangersOption = None,
    convention: Convention,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    workers: WorkersOption = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Measure few-shot accuracy on a folder of labelled clips."""
    import numpy as np

    from stars_infer.atomic import check_output
    from stars_infer.classifiers import Ridge, classifier_named
    from stars_infer.encoder import Encoder
    from stars_infer.fewshot import LabelledClips
    from stars_infer.fewshot import evaluate as measure
    from stars_infer.files import clip_files, embed_files
    from stars_infer.likeness import likeness_of
    from stars_infer.rejection import Trial, stranger_trials

    output = Output(json=json, quiet=quiet)
    if not root.is_dir():
        raise UsageError(f"{root}: not a folder of CLASS/clip files")
    if plot is not None and not (unknown_classes or unknown):
        raise UsageError("--plot shows how strangers are told: give --unknown or --unknown-classes")
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
        encoder, used, convention=convention, skip=output.failure, question=True, workers=workers
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
    clips = LabelledClips(
        likeness=likeness_of([file.description for file in files], possible),
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
                f"strangers are told by {DEFAULT_CLASSIFIER}: leave --classifier {classifier} out"
            )
        trials = {
            n: Trial.joined(
                stranger_trials(
                    clips,
                    n,
                    unknown=chooser(clips.labels, unknown_classes, unknown),
                    ridge=Ridge(width=width),
                    prior=encoder.info.calibration.ridge,
                    strangers=None if strangers is None else strangers / 100,
                    draws=draws,
                    seed=seed,
                )
            )
            for n in wanted
        }
        report_strangers(trials, encoder.info.name, plot, output)
    else:
        _report(clips, measure(clips, shots=wanted, draws=draws, seed=seed), encoder, draws, output)
    output.finish()


def _report(
    clips: LabelledClips,
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
