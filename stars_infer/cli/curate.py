"""`stars fewshot suggest` and `check`: what to label next, and what to look at again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stars_infer.cli.options import (
    DEFAULT_INDEX,
    DeviceOption,
    IndexOption,
    ModelOption,
    WorkersOption,
    existing_index,
    reads_clips,
)
from stars_infer.cli.output import JsonFlag, Output, QuietFlag, count_in_words
from stars_infer.cli.tables import PathCell
from stars_infer.curation.words import what

if TYPE_CHECKING:
    from stars_infer.clips.convention import Convention
    from stars_infer.curation.check import Finding
    from stars_infer.curation.suggest import Suggestion
    from stars_infer.index.index import Exemplar


@reads_clips
def suggest(
    paths: Annotated[list[Path], typer.Argument(help="Unlabeled clip files, or folders of them.")],
    *,
    n: Annotated[int, typer.Option("--n", "-n", min=1, help="How many clips to suggest.")] = 10,
    seed: Annotated[int, typer.Option(help="Seed of the draw from more than 3,000 clips.")] = 0,
    convention: Convention,
    index: IndexOption = DEFAULT_INDEX,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    workers: WorkersOption = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Suggest clips worth labeling next, and say why."""
    from stars_infer.curation.suggest import MAX_CLIPS
    from stars_infer.embedding.suggest import suggest_files
    from stars_infer.encoder.encoder import Encoder
    from stars_infer.readers.files import clip_files

    output = Output(json=json, quiet=quiet)
    files = clip_files(paths, skip=output.failure, note=output.note)
    with output.counter("reading and comparing") as progress:
        found = suggest_files(
            Encoder.load(model, device=device),
            files,
            skip=output.failure,
            n=n,
            index=index,
            seed=seed,
            convention=convention,
            workers=workers,
            progress=progress,
        )
    if found.known:
        output.note(f"{found.known} clips are in {index} already and left out")
    if found.clips > MAX_CLIPS:
        output.note(f"of {found.clips:,} clips, {MAX_CLIPS:,} were drawn at random (--seed)")
    rows = found.suggestions
    if json:
        for source, one in rows:
            output.record(
                {
                    "source": source,
                    "reason": one.reason,
                    "labels": list(one.labels),
                    "similarity": one.similarity,
                    "stands_for": one.stands_for,
                }
            )
    elif rows:
        output.table(
            ("clip", "why", "stands for"),
            [(PathCell(source), why(one), one.stands_for) for source, one in rows],
        )
    output.finish()


def why(one: Suggestion) -> str:
    """Say for people why a clip is suggested."""
    match one.reason:
        case "representative":
            return "typical of many"
        case "new":
            return "nothing like it in the index"
        case "between":
            return f"between {one.labels[0]} and {one.labels[1]}"
        case "variant":
            return f"probably {one.labels[0]}, unlike its examples"


def check(
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 if anything is found.")] = (
        False
    ),
    index: IndexOption = DEFAULT_INDEX,
    model: ModelOption = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Find twins, contradictions, wrong labels and outliers among the examples."""
    from stars_infer.curation.check import check as examine
    from stars_infer.curation.neighbors import ALL_PAIRS_LIMIT, NEIGHBORS

    output = Output(json=json, quiet=quiet)
    with existing_index(index, model) as opened:
        kept = opened.features()
    exemplars = [exemplar for exemplar, _ in kept]
    if len(kept) > ALL_PAIRS_LIMIT:
        output.note(
            f"{len(kept):,} examples: each was compared with the {NEIGHBORS} likely nearest, "
            f"not with all (up to {ALL_PAIRS_LIMIT:,} are)"
        )
    with output.counter("comparing") as progress:
        findings = examine(
            [features for _, features in kept],
            [exemplar.label for exemplar in exemplars],
            how=opened.model.comparison,
            progress=progress,
        )
    advice = [(one, what(one, exemplars), remedy(one, exemplars)) for one in findings]
    if json:
        for one, found, cure in advice:
            output.record(
                {
                    "kind": one.kind,
                    "ids": [exemplars[position].id for position in one.positions],
                    "labels": list(one.labels),
                    "sources": [exemplars[position].source for position in one.positions],
                    "similarity": one.similarity,
                    "what": found,
                    "remedy": cure,
                }
            )
    elif advice:
        output.table(
            ("id", "action", "source", "what", "remedy"),
            [
                (number, label, PathCell(source), found, cure)
                for one, found, cure in advice
                for number, label, source in [_who(one, exemplars)]
            ],
        )
    output.note(
        f"{index}: {count_in_words(len(exemplars), 'example')} of "
        f"{count_in_words(len({one.label for one in exemplars}), 'action')}, "
        + (f"findings: {len(advice)}" if advice else "nothing found")
    )
    if strict and advice:
        raise typer.Exit(1)


_OF_ACTIONS = ("disagreement", "overlap", "few")


def _who(one: Finding, exemplars: Sequence[Exemplar]) -> tuple[str, str, str]:
    """Id, action and source of the exemplar that a finding is about, or those of an action."""
    if one.kind in _OF_ACTIONS:
        ids = ", ".join(str(exemplars[position].id) for position in one.positions)
        return ids, " / ".join(one.labels), "–"
    exemplar = exemplars[one.positions[0]]
    return str(exemplar.id), exemplar.label, exemplar.source


def remedy(one: Finding, exemplars: Sequence[Exemplar]) -> str:
    """Say for people what to do about a finding.

    Args:
        one: The finding.
        exemplars: The exemplars that were checked, in order.
    """
    removal = f"stars fewshot remove --id {exemplars[one.positions[0]].id}"
    source = shlex.quote(exemplars[one.positions[0]].source)
    match one.kind:
        case "contradiction":
            other = f"stars fewshot remove --id {exemplars[one.positions[1]].id}"
            return f"keep the right one: {removal}, or {other}"
        case "mislabeled":
            return f"look; then stars fewshot relabel {shlex.quote(one.labels[1])} {source}"
        case "duplicate":
            return removal
        case "outlier":
            return f"look; then {removal}, or add more like it"
        case "disagreement":
            return (
                f"look at them; stars fewshot add-class CLIPS --label {shlex.quote(one.labels[0])}"
            )
        case "overlap":
            return "add examples of both, or give both one label"
        case "few":
            return f"stars fewshot add-class CLIPS --label {shlex.quote(one.labels[0])}"
