"""`stars fewshot copy`: from one index to another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stars_infer.cli.options import ModelOption
from stars_infer.cli.output import JsonFlag, Output, QuietFlag, count_in_words
from stars_infer.shared.place import IndexPath


def copy(
    source: Annotated[Path, typer.Argument(parser=IndexPath, help="The index to copy.")],
    target: Annotated[
        Path, typer.Argument(parser=IndexPath, help="Where to; made if there is none.")
    ],
    model: ModelOption = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Copy the examples of an index to another: a file, or one that several machines share.

    What the target holds already stays as it is.
    """
    from stars_infer.encoder.model import find_model, read_model_info
    from stars_infer.shared.copying import copy_index
    from stars_infer.shared.open import open_index

    output = Output(json=json, quiet=quiet)
    info = read_model_info(find_model(model))
    done = end = 0

    def tell(at: int, of: int) -> None:
        nonlocal done, end
        done, end = at, of
        progress(at, of)

    with (
        output.goes_on(lambda: f"{done:,} of {count_in_words(end, 'example')} are in {target}"),
        open_index(source, info, create=False) as old,
        open_index(target, info) as new,
        output.counter("copying") as progress,
    ):
        copied = copy_index(old, new, progress=tell)
    if json:
        output.record(
            {
                "source": str(source),
                "target": str(target),
                "added": copied.added,
                "known": copied.known,
                "settings": copied.settings,
            }
        )
    output.note(
        f"{target}: {count_in_words(copied.added, 'example')} copied, {copied.known} were there"
    )
