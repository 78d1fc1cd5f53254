"""`stars embed`: turn clips into vectors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stars_infer.cli.options import DeviceOption, ModelOption, WorkersOption, reads_clips
from stars_infer.cli.output import JsonFlag, Output, QuietFlag

if TYPE_CHECKING:
    from stars_infer.clips.convention import Convention
    from stars_infer.embedding.files import EmbeddedFile


@reads_clips
def embed(
    paths: Annotated[list[Path], typer.Argument(help="Clip files, or folders of them.")],
    *,
    out: Annotated[Path, typer.Option("--out", help="The .npz file to write.")],
    convention: Convention,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    workers: WorkersOption = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Encode clips and write their vectors and sequences to a file that `stars search` searches."""
    from stars_infer.atomic import check_output, refuse_inputs
    from stars_infer.embedding.collection import embed_collection
    from stars_infer.encoder.encoder import Encoder
    from stars_infer.readers.files import clip_files

    output = Output(json=json, quiet=quiet)
    check_output(out, "--out", endings=(".npz",))
    files = clip_files(paths, skip=output.failure, note=output.note)
    refuse_inputs(out, "--out", files)
    encoder = Encoder.load(model, device=device)
    with output.bar() as bar:
        task = bar.add_task("embedding", total=len(files))

        def show(file: EmbeddedFile) -> None:
            bar.advance(task)
            output.clip_notes(file.source, file.notes)
            if json:
                output.record(
                    {
                        "source": file.source,
                        "bodies": file.bodies,
                        "frames": file.frames,
                        "notes": file.notes,
                    }
                )

        collection = embed_collection(
            encoder,
            files,
            skip=output.failure,
            out=out,
            convention=convention,
            workers=workers,
            progress=show,
        )
    if not json:
        columns = ("file", "clips", "width", "model", "run by")
        row = (out, len(collection), encoder.info.width, encoder.info.name, encoder.runtime)
        output.table(columns, [row])
    output.finish()
