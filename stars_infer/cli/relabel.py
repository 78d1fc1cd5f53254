"""`stars fewshot rename` and `relabel`: other names for what the index holds."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stars_infer.cli.options import (
    DEFAULT_INDEX,
    IndexOption,
    ModelOption,
    existing_index,
    reads_clips,
)
from stars_infer.cli.output import JsonFlag, Output, QuietFlag, count_in_words
from stars_infer.cli.tables import PathCell
from stars_infer.errors import ExemplarIndexError, UsageError

if TYPE_CHECKING:
    from stars_infer.clips.convention import Convention
    from stars_infer.index.index import Exemplar


def rename(
    old: Annotated[str, typer.Argument(help="The action.")],
    new: Annotated[str, typer.Argument(help="Its new name; that of another action joins both.")],
    index: IndexOption = DEFAULT_INDEX,
    model: ModelOption = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Rename an action, or make two actions one."""
    from stars_infer.index.labels import check_label, normalize_label

    output = Output(json=json, quiet=quiet)
    old, new = normalize_label(old), check_label(new)
    with existing_index(index, model) as opened:
        before = opened.counts()
        renamed = opened.rename(old, new)
        after = opened.counts()
    if not renamed and old == new:
        raise UsageError(f"{index}: {old!r} has that name already")
    if not renamed:
        raise no_example(index, old, before)
    joined = before.get(new, 0)
    if json:
        output.record({"label": new, "renamed": renamed, "examples": after.get(new, 0)})
    else:
        output.table(("action", "renamed", "examples"), [(new, renamed, after.get(new, 0))])
    if joined:
        output.note(f"{old!r} and {new!r} are one action now: {joined} examples had that name")
    else:
        note_confusable([new], after, output)


def no_example(index: Path, label: str, labels: Iterable[str]) -> UsageError:
    """The error that an index holds no example of an action.

    Args:
        index: File of the index.
        label: The action.
        labels: Those that the index holds.
    """
    close = get_close_matches(label, list(labels), n=1)
    meant = f"; did you mean {close[0]!r}?" if close else ";"
    return UsageError(f"{index}: no example of {label!r}{meant} `stars fewshot list` shows all")


@reads_clips
def relabel(
    label: Annotated[str, typer.Argument(help="The action that the clips show.")],
    clips: Annotated[
        list[str],
        typer.Argument(help="Examples: their sources as `list` shows them, or their clip files."),
    ],
    *,
    convention: Convention,
    index: IndexOption = DEFAULT_INDEX,
    model: ModelOption = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Give single examples another action."""
    from stars_infer.index.labels import check_label

    output = Output(json=json, quiet=quiet)
    label = check_label(label)
    with existing_index(index, model) as opened:
        before = opened.labels
        chosen = _chosen_exemplars(opened.exemplars(), clips, index, model, convention, output)
        changed = opened.relabel([one.id for one in chosen], label)
        labels = opened.labels
    for one in chosen:
        if json:
            output.record({"id": one.id, "source": one.source, "label": label, "before": one.label})
    if not json:
        output.table(
            ("id", "source", "was", "is"),
            [(one.id, PathCell(one.source), one.label, label) for one in chosen],
        )
    has = "has" if changed == 1 else "have"
    output.note(f"{count_in_words(changed, 'example')} {has} another action now")
    if label not in before:
        close = get_close_matches(label, list(before), n=1)
        meant = f"; if {close[0]!r} is meant, relabel once more" if close else ""
        output.note(f"note: {label!r} is a new action{meant}")
        note_confusable([label], labels, output)


def _chosen_exemplars(
    exemplars: Sequence[Exemplar],
    clips: Sequence[str],
    index: Path,
    model: str | None,
    convention: Convention,
    output: Output,
) -> list[Exemplar]:
    """The exemplars that a command names, by their sources or by what the files hold.

    Raises:
        UsageError: If one is not in the index.
    """
    from stars_infer.embedding.files import embed_files
    from stars_infer.encoder.encoder import Encoder
    from stars_infer.readers.files import clip_files

    by_source: dict[str, list[Exemplar]] = {}
    for one in exemplars:
        by_source.setdefault(one.source, []).append(one)
    by_content = {one.content_hash: one for one in exemplars}
    chosen = [one for clip in clips for one in by_source.get(clip, ())]
    others = [Path(clip) for clip in clips if clip not in by_source]
    if others:
        paths = clip_files(others)
        files = embed_files(
            Encoder.load(model),
            paths,
            convention=convention,
            skip=output.failure,
            query=True,
            workers=None,
        )
        for file in output.progress(files, "reading", len(paths)):
            if file.content_hash not in by_content:
                raise UsageError(
                    f"{file.source}: not in {index}; `stars fewshot list` shows what is, "
                    "and `stars fewshot add-class --label` adds it"
                )
            chosen.append(by_content[file.content_hash])
        if output.failures:
            raise ExemplarIndexError(f"{index}: not all clips could be read; nothing was relabeled")
    return list({one.id: one for one in chosen}.values())


def note_confusable(new: Sequence[str], others: Iterable[str], output: Output) -> None:
    """Say which new labels are easily taken for others."""
    from stars_infer.index.labels import confusable_labels

    for label in new:
        for other in confusable_labels(label, {*others, *new}):
            output.note(
                f"note: {label!r} and {other!r} are two actions; to make them one: "
                f"stars fewshot rename {shlex.quote(label)} {shlex.quote(other)}"
            )
