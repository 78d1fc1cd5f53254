"""`stars classify`: name the action of clips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypedDict

import typer
from rich.text import Text

from stars_infer.cli.acceptance import note_few
from stars_infer.cli.cluster import (
    BulkOutOption,
    Cluster,
    classify_on_cluster,
    reads_clips_anywhere,
)
from stars_infer.cli.options import (
    DEFAULT_CLASSIFIER,
    DEFAULT_INDEX,
    DEFAULT_MIRROR,
    DEFAULT_PEOPLE,
    OWN,
    ClassifierOption,
    DeviceOption,
    FalseAcceptOption,
    IndexOption,
    KOption,
    MirrorOption,
    ModelOption,
    PeopleOption,
    ProtocolOption,
    WorkersOption,
    classify_options,
    is_paper,
    ready_index,
)
from stars_infer.cli.output import JsonFlag, Output, QuietFlag
from stars_infer.cli.tables import PathCell
from stars_infer.errors import ClipError, MissingExtraError, UsageError

if TYPE_CHECKING:
    from stars_infer.classification.prediction import ClassifyOptions, Prediction
    from stars_infer.clips.convention import Convention
    from stars_infer.encoder.encoder import Encoder
    from stars_infer.index.index import ExemplarIndex
    from stars_infer.similarity.features import Features

_SURE = 0.9


class _Reading(TypedDict):
    """What both ways of naming clips take."""

    skip: Callable[[ClipError], None]
    convention: Convention | None
    people: str
    views: Sequence[str]
    read: Callable[[], None]
    workers: int | None


@reads_clips_anywhere
def classify(
    clips: Annotated[
        list[str],
        typer.Argument(help="Clip files, or folders of them; with --engine ray also s3://…"),
    ],
    *,
    false_accept: FalseAcceptOption = None,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Explain each answer: the nearest examples, the runner-up, what sequences alone, "
            "vectors alone and the papers' vote would have answered, and what would help. The "
            "vectors are made for it.",
        ),
    ] = False,
    protocol: ProtocolOption = OWN,
    classifier: ClassifierOption = DEFAULT_CLASSIFIER,
    k: KOption = None,
    mirror: MirrorOption = DEFAULT_MIRROR,
    people: PeopleOption = DEFAULT_PEOPLE,
    views: Annotated[
        list[str] | None,
        typer.Option(
            help="Also compare changed copies of a clip; the most similar one counts: mirror, for "
            "left-handed people (left and right are then no longer told apart); crops. Each costs "
            "one more comparison.",
        ),
    ] = None,
    convention: Convention,
    cluster: Cluster,
    out: BulkOutOption = None,
    index: IndexOption = DEFAULT_INDEX,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    workers: WorkersOption = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Name the action of each clip by its nearest examples, or say that it is unknown."""
    from stars_infer.embedding.classify import classify_files
    from stars_infer.embedding.parts import classify_as_papers
    from stars_infer.encoder.encoder import Encoder
    from stars_infer.readers.files import clip_files

    output = Output(json=json, quiet=quiet)
    options = classify_options(classifier, k, false_accept, mirror)
    by_paper = is_paper(protocol, classifier, false_accept, mirror)
    if cluster.is_ray:
        if explain or by_paper:
            raise UsageError("--engine ray leaves --explain and --protocol paper out")
        from stars_infer.cluster.work import How

        classify_on_cluster(
            clips,
            out=out,
            index=index,
            options=options,
            how=How(
                model=model,
                device=device,
                convention=convention,
                people=people,
                views=tuple(views or ()),
            ),
            cluster=cluster,
            workers=workers,
            output=output,
        )
        return
    if out is not None:
        raise UsageError("--out is of --engine ray; else answers go to stdout")
    paths = clip_files(map(Path, clips), skip=output.failure, note=output.note)
    kept: list[Prediction] = []  # a table is as wide as its widest answer
    with ready_index(index, model, output) as exemplars:
        note_few(len(exemplars.labels), output)
        if mirror == "on" and not (mirroring := exemplars.mirroring(mirror)).weight:
            output.note(mirroring.in_words())
        encoder = Encoder.load(model, device=device)
        parts = _parts(exemplars, encoder, options, output) if explain and not by_paper else None
        with output.bar() as bar:
            task = bar.add_task("classifying", total=len(paths))
            reading = _Reading(
                skip=output.failure,
                convention=convention,
                people=people,
                views=views or (),
                read=lambda: bar.advance(task),
                workers=workers,
            )
            if by_paper:
                answers = classify_as_papers(exemplars, encoder, paths, k=k, **reading)
            else:
                options = replace(options, together=True)
                answers = classify_files(
                    exemplars, encoder, paths, options=options, parts=parts, **reading
                )
            for answer in answers:
                output.clip_notes(answer.source, answer.notes)
                if json:
                    output.record(answer.to_dict() | _parts_of(answer))
                elif quiet:
                    output.table((), [_fields(answer)])
                else:
                    kept.append(answer)
    if kept:
        columns = ("clip", "action", "confidence", "similarity", "nearest example")
        output.table(columns, map(_row, kept))
    for answer in kept if explain else ():
        output.paragraph(answer.source, explanation(answer))
    output.finish()


def _parts(
    index: ExemplarIndex, encoder: Encoder, options: ClassifyOptions, output: Output
) -> Callable[[Features], tuple[tuple[str, str], ...]] | None:
    """Says what each part would have answered; None, with a note, where that cannot be told."""
    from stars_infer.embedding.parts import Parts
    from stars_infer.similarity.nearest import EXHAUSTIVE_LIMIT

    if len(index) > EXHAUSTIVE_LIMIT:
        output.note(
            f"what each part alone would have answered is told of at most {EXHAUSTIVE_LIMIT:,} "
            f"examples; the index holds {len(index):,}"
        )
        return None
    try:
        with output.counter("making vectors of the examples") as progress:
            return Parts(index, encoder, options, progress=progress).answers
    except MissingExtraError as error:
        output.note(f"what each part alone would have answered cannot be told: {error}")
        return None


def _parts_of(answer: Prediction) -> dict[str, object]:
    return {"parts": dict(answer.parts)} if answer.parts else {}


def _fields(answer: Prediction) -> tuple[str, ...]:
    """What `--quiet` prints."""
    return (
        answer.source,
        answer.answer,
        f"{answer.confidence:.2f}",
        f"{answer.neighbors[0].similarity:.3f}",
        answer.neighbors[0].source,
    )


def _row(answer: Prediction) -> tuple[object, ...]:
    """What the table shows: of an unknown clip, the chance that it is unknown."""
    return (
        PathCell(answer.source),
        _color(answer),
        f"{answer.confidence if answer.known else 1 - answer.chance_known:.2f}",
        f"{answer.neighbors[0].similarity:.3f}",
        PathCell(answer.neighbors[0].source),
    )


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
    lines.append(f"nearest examples: {near}")
    if answer.second is not None and answer.margin is not None:
        lines.append(f"next best: {answer.second}; {_lead(answer.label, answer.margin)}")
    if answer.parts:
        told = "; ".join(f"by {part}: {label}" for part, label in answer.parts)
        lines.append(f"each part alone: {told}")
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
        return (
            f"the nearest {label} is {margin:.3f} more similar than the nearest example of any "
            "other action"
        )
    return (
        f"an example of another action is nearer by {-margin:.3f}, "
        f"but all examples together speak for {label}"
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
