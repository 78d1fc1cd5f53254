"""`stars classify`: name the action of clips."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from stars_infer.cli.options import (
    DEFAULT_CLASSIFIER,
    DEFAULT_INDEX,
    ClassifierOption,
    DeviceOption,
    FalseAcceptOption,
    IndexOption,
    KOption,
    ModelOption,
    WorkersOption,
    classify_options,
    reads_clips,
    ready_index,
)
from stars_infer.cli.output import JsonFlag, Output, QuietFlag

if TYPE_CHECKING:
    from stars_infer.classification.prediction import Prediction
    from stars_infer.clips.convention import Convention
    from stars_infer.embedding.files import EmbeddedFile

_SURE = 0.9


@reads_clips
def classify(
    clips: Annotated[list[Path], typer.Argument(help="Clip files, or folders of them.")],
    *,
    false_accept: FalseAcceptOption = None,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Explain each answer: the nearest examples, the runner-up, and what would help.",
        ),
    ] = False,
    classifier: ClassifierOption = DEFAULT_CLASSIFIER,
    k: KOption = None,
    people: Annotated[
        str,
        typer.Option(
            help="One answer per clip (pooled), per person (each), or per two people (pairs).",
        ),
    ] = "pooled",
    views: Annotated[
        list[str] | None,
        typer.Option(
            help="Other views of a clip to compare too, of which the most similar counts: mirror, "
            "for left-handed people (left and right are then no longer told apart); crops. Each "
            "costs one more comparison.",
        ),
    ] = None,
    convention: Convention,
    index: IndexOption = DEFAULT_INDEX,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    workers: WorkersOption = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Name the action of each clip by its nearest examples, or say that it is unknown."""
    from stars_infer.clips.people import check_way
    from stars_infer.embedding.files import embed_files
    from stars_infer.encoder.encoder import Encoder
    from stars_infer.preprocessing.views import check_views
    from stars_infer.readers.files import clip_files

    output = Output(json=json, quiet=quiet)
    options = classify_options(classifier, k, false_accept)
    check_way(people)
    check_views(views or ())
    paths = clip_files(clips)
    with ready_index(index, model, output) as exemplars:
        if options.false_accept_rate is None:
            options = replace(options, false_accept_rate=exemplars.options().false_accept_rate)
        encoder = Encoder.load(model, device=device)
        answers: list[tuple[EmbeddedFile, Prediction]] = []
        embedded = embed_files(
            encoder,
            paths,
            convention=convention,
            skip=output.failure,
            query=True,
            people=people,
            views=views or (),
            workers=workers,
        )
        for file in output.progress(embedded, "classifying", len(paths)):
            output.clip_notes(file.source, file.notes)
            (answer,) = exemplars.classify([file.features], options)
            answer = replace(
                answer,
                source=file.source,
                bodies=file.bodies,
                frames=file.frames,
                notes=file.notes,
            )
            if json:
                output.record(answer.to_dict())
            answers.append((file, answer))
    if answers and not json:
        output.table(
            ("clip", "action", "confidence", "similarity", "nearest exemplar"),
            [
                (
                    file.source,
                    _color(answer),
                    f"{answer.confidence:.2f}",
                    f"{answer.similarity:.3f}",
                    answer.neighbors[0].source,
                )
                for file, answer in answers
            ],
        )
        if explain:
            for file, answer in answers:
                output.paragraph(file.source, explanation(answer))
    output.finish()


def _color(answer: Prediction) -> Text:
    if not answer.known:
        return Text(answer.answer, style="yellow")
    return Text(answer.answer, style="green" if answer.confidence >= _SURE else "")


_SHOWN = 3
"""Number of nearest exemplars that an explanation names."""
_CLOSE = 0.02
"""Lead in similarity below which two actions are called close."""


def explanation(answer: Prediction) -> list[str]:
    """Explain an answer in lines of text: the evidence, the runner-up, and what would help."""
    lines = [_verdict(answer)]
    nearest = answer.neighbors[:_SHOWN]
    near = ", ".join(f"{n.label} {n.similarity:.3f} ({n.source})" for n in nearest)
    lines.append(f"nearest exemplars: {near}")
    if answer.second is not None and answer.margin is not None:
        lines.append(f"next best: {answer.second}; {_lead(answer.label, answer.margin)}")
    lines += _remedies(answer)
    return lines


def _verdict(answer: Prediction) -> str:
    if answer.known:
        return f"{answer.label}, {answer.confidence:.0%} sure"
    return (
        f"unknown: the chance that its action is in the index is {answer.chance_known:.0%}; "
        f"if it is, {answer.label} fits best"
    )


def _lead(label: str, margin: float) -> str:
    if margin >= 0:
        return f"the nearest {label} is {margin:.3f} more alike than any other action"
    return (
        f"an exemplar of another action is nearer by {-margin:.3f}, "
        f"but all exemplars together speak for {label}"
    )


def _remedies(answer: Prediction) -> list[str]:
    if not answer.known:
        return [
            "if it is a new action, add it: `stars fewshot add-class CLIP --label NAME`; if it is "
            f"{answer.label}, add it as an example of that"
        ]
    if answer.second is not None and answer.margin is not None and answer.margin < _CLOSE:
        return [
            f"{answer.label} and {answer.second} are close: more examples of both would help, and "
            "`stars fewshot check` looks for ones that contradict each other"
        ]
    return []
