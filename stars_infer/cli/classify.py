"""`stars classify`: name clips."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stars_infer.cli.conventions import reads_clips
from stars_infer.cli.options import (
    DEFAULT_INDEX,
    DeviceOption,
    IndexOption,
    ModelOption,
    existing_index,
)
from stars_infer.cli.output import JsonFlag, Output, QuietFlag

if TYPE_CHECKING:
    from stars_infer.convention import Convention


@reads_clips
def classify(
    clips: Annotated[list[Path], typer.Argument(help="Clip files, or folders of them.")],
    *,
    k: Annotated[
        int | None,
        typer.Option(
            "--k",
            min=1,
            help="Exemplars that vote.",
            show_default="size of the smallest class, at most 5",
        ),
    ] = None,
    convention: Convention,
    index: IndexOption = DEFAULT_INDEX,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Name the action of each clip by its nearest exemplars."""
    from stars_infer.encoder import Encoder
    from stars_infer.files import clip_files, embed_files

    output = Output(json=json, quiet=quiet)
    paths = clip_files(clips)
    with existing_index(index, model) as exemplars:
        encoder = Encoder.load(model, device=device)
        rows: list[tuple[object, ...]] = []
        embedded = embed_files(
            encoder, paths, convention=convention, skip=output.failure, question=True
        )
        for file in output.progress(embedded, "classifying", len(paths)):
            output.clip_notes(file.source, file.notes)
            (answer,) = exemplars.classify([file.description], k=k)
            if json:
                neighbours = [
                    {"label": n.label, "similarity": n.similarity, "source": n.source}
                    for n in answer.neighbours
                ]
                output.record(
                    {
                        "source": file.source,
                        "label": answer.label,
                        "similarity": answer.similarity,
                        "margin": answer.margin,
                        "neighbours": neighbours,
                        "bodies": file.bodies,
                        "frames": file.frames,
                        "notes": file.notes,
                    }
                )
            margin = "–" if answer.margin is None else f"{answer.margin:+.3f}"
            nearest = answer.neighbours[0].source
            rows.append((file.source, answer.label, f"{answer.similarity:.3f}", margin, nearest))
        if rows and not json:
            output.table(("clip", "action", "similarity", "margin", "nearest exemplar"), rows)
    output.finish()
