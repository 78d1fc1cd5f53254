"""`stars fewshot verify` and `repair`: what is damaged in an index, and what can be saved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stars_infer.cli.options import DEFAULT_INDEX, IndexOption, ModelOption
from stars_infer.cli.output import JsonFlag, Output, QuietFlag, count_in_words
from stars_infer.cli.tables import PathCell
from stars_infer.errors import UsageError
from stars_infer.shared.place import place_of

if TYPE_CHECKING:
    from stars_infer.encoder.model import ModelInfo
    from stars_infer.index.salvage import Verification


def verify(
    index: IndexOption = DEFAULT_INDEX,
    model: ModelOption = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Read all that an index holds and list what is damaged; exit code 1 if anything is."""
    from stars_infer.index.salvage import verify_index

    output = Output(json=json, quiet=quiet)
    _check_file(index)
    with output.counter("reading examples") as progress:
        found = verify_index(index, _model(model), progress=progress)
    _show(found, {"index": str(index), "sound": found.sound}, output)
    output.note(
        f"{index}: {count_in_words(found.sound, 'example')} as written; "
        + (
            "save what can be saved with `stars fewshot repair --out NEW.db`"
            if found.problems
            else "nothing is damaged"
        )
    )
    if found.problems:
        raise typer.Exit(1)


def repair(
    out: Annotated[Path, typer.Option("--out", help="The new file; nothing is replaced.")],
    index: IndexOption = DEFAULT_INDEX,
    model: ModelOption = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Save what can be saved of a damaged index to a new file, and list the rest.

    The damaged file stays as it is.
    """
    from stars_infer.atomic import check_output
    from stars_infer.index.salvage import repair_index

    output = Output(json=json, quiet=quiet)
    _check_file(index)
    check_output(out, "--out", inputs=[index])
    with output.counter("reading examples") as progress:
        found = repair_index(index, out, _model(model), progress=progress)
    _show(found, {"index": str(index), "out": str(out), "saved": found.sound}, output)
    output.note(
        f"{out}: {count_in_words(found.sound, 'example')} saved"
        + ("; what is listed is lost" if found.problems else "; nothing was damaged")
    )


def _check_file(index: Path) -> None:
    """Raise a `UsageError` where an index is no file."""
    if place_of(index) is not None:
        raise UsageError(
            f"{index}: is checked whenever it is read; `stars fewshot copy {index} NEW.db` saves "
            "to a file what its database still holds"
        )


def _model(model: str | None) -> ModelInfo:
    from stars_infer.encoder.model import find_model, read_model_info

    return read_model_info(find_model(model))


def _show(found: Verification, summary: dict[str, Any], output: Output) -> None:
    if output.json:
        problems = [
            {"place": one.place, "label": one.label, "source": one.source, "problem": one.problem}
            for one in found.problems
        ]
        output.record({**summary, "problems": problems})
    elif found.problems:
        rows = [(one.place, one.label, PathCell(one.source), one.problem) for one in found.problems]
        output.table(("what", "action", "source", "problem"), rows)
