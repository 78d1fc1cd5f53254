"""`stars fewshot expect`, `confirm` and `deny`: how many unknown clips are asked."""

from __future__ import annotations

from collections.abc import Callable
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
from stars_infer.errors import ExemplarIndexError, UsageError, check_range

if TYPE_CHECKING:
    from stars_infer.classification.unknown_share import UnknownShare
    from stars_infer.clips.convention import Convention
    from stars_infer.index.index import ExemplarIndex

_AUTO = "auto"

_Clips = Annotated[list[Path], typer.Argument(help="Clip files, or folders of them.")]


def expect(
    unknown: Annotated[
        str | None,
        typer.Option(
            help="Per cent of the clips you ask about whose action the index does not hold, or "
            f"{_AUTO}: learn it from your answers and from the clips of each call.",
            show_default="as it is",
        ),
    ] = None,
    forget: Annotated[
        bool, typer.Option("--forget", help="Forget what `confirm` and `deny` have counted.")
    ] = False,
    index: IndexOption = DEFAULT_INDEX,
    model: ModelOption = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Say how many unknown clips to expect; confidence follows from it."""
    output = Output(json=json, quiet=quiet)
    said = None if unknown in (None, _AUTO) else _share(str(unknown))
    with existing_index(index, model) as opened:
        if forget:
            opened.forget_feedback()
        if unknown is not None:
            opened.expect_unknown(said)
        share = opened.unknown_share()
    _show(share, output)


@reads_clips
def confirm(
    clips: _Clips,
    *,
    convention: Convention,
    index: IndexOption = DEFAULT_INDEX,
    model: ModelOption = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Tell of clips that their action is in the index, whatever the answers were."""
    _tell(
        clips,
        convention,
        index,
        model,
        lambda opened: opened.confirm,
        Output(json=json, quiet=quiet),
    )


@reads_clips
def deny(
    clips: _Clips,
    *,
    convention: Convention,
    index: IndexOption = DEFAULT_INDEX,
    model: ModelOption = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Tell of clips that they show none of the actions of the index."""
    _tell(
        clips, convention, index, model, lambda opened: opened.deny, Output(json=json, quiet=quiet)
    )


def _tell(
    clips: list[Path],
    convention: Convention,
    index: Path,
    model: str | None,
    call: Callable[[ExemplarIndex], Callable[[int], None]],
    output: Output,
) -> None:
    """Count the clips of files that are no examples of the index themselves, all or none."""
    from stars_infer.readers.files import clip_files, read_clips

    hashes: dict[str, str] = {}
    files = clip_files(clips)
    for path in output.progress(files, "reading", len(files)):
        for clip in read_clips(path, convention=convention, skip=output.failure):
            hashes.setdefault(clip.content_hash, clip.source)
    with existing_index(index, model) as opened:
        if output.failures:
            raise ExemplarIndexError(f"{index}: not all clips could be read; nothing was counted")
        examples = {one.content_hash for one in opened.exemplars()}
        told = [source for content, source in hashes.items() if content not in examples]
        if not told:
            raise UsageError(
                "these clips are examples of the index, which say nothing about the clips that are "
                "asked"
            )
        call(opened)(len(told))
        share = opened.unknown_share()
    if len(told) < len(hashes):
        output.note(
            f"{count_in_words(len(hashes) - len(told), 'clip')} did not count: examples of the "
            "index say nothing about the clips that are asked"
        )
    _show(share, output)


def _show(share: UnknownShare, output: Output) -> None:
    if output.json:
        output.record(expected_record(share))
    elif output.quiet:
        output.table((), [(f"{share.expected:.4f}", share.source)])
    output.note(expected_in_words(share))


def expected_record(share: UnknownShare) -> dict[str, object]:
    """What is expected, for `--json`."""
    return {
        "unknown_share": share.expected,
        "unknown_share_from": share.source,
        "confirmed": share.known,
        "denied": share.unknown,
    }


def expected_in_words(share: UnknownShare) -> str:
    """What is expected, and where that comes from, in one sentence."""
    why = {
        "said": "as `stars fewshot expect` said",
        "feedback": f"after {share.known} confirmed and {share.unknown} denied; the clips of one "
        "call correct it",
        "assumed": "assumed; the clips of one call correct it, and so do `stars fewshot confirm` "
        "and `deny`",
    }[share.source]
    return f"unknown clips expected: {share.expected:.0%} ({why})"


def _share(unknown: str) -> float:
    """Per cent as a share.

    Raises:
        UsageError: If it is no number from 1 to 99.
    """
    try:
        percent = float(unknown)
    except ValueError:
        raise UsageError(f"--unknown takes per cent or {_AUTO}, not {unknown!r}") from None
    if 0 < percent < 1:
        raise UsageError(
            f"--unknown takes per cent: {100 * percent:g} for a share of {percent:g}; at least 1"
        )
    check_range("--unknown (per cent)", percent, at_least=1, at_most=99)
    return percent / 100
