"""`stars embed`: turn clips into vectors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stars_infer.cli.cluster import Cluster, embed_on_cluster, reads_clips_anywhere
from stars_infer.cli.options import DeviceOption, ModelOption, WorkersOption
from stars_infer.cli.output import JsonFlag, Output, QuietFlag

if TYPE_CHECKING:
    from stars_infer.clips.convention import Convention
    from stars_infer.embedding.files import EmbeddedFile


@reads_clips_anywhere
def embed(
    paths: Annotated[
        list[str],
        typer.Argument(help="Clip files, or folders of them; with --engine ray also s3://…"),
    ],
    *,
    out: Annotated[
        str,
        typer.Option(
            "--out", help="The .npz file to write; with --engine ray a new folder, or s3://…"
        ),
    ],
    convention: Convention,
    cluster: Cluster,
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
    if cluster.is_ray:
        from stars_infer.cluster.work import How

        how = How(model=model, device=device, convention=convention)
        embed_on_cluster(paths, out=out, how=how, cluster=cluster, workers=workers, output=output)
        return
    file = Path(out)
    check_output(file, "--out", endings=(".npz",))
    files = clip_files(map(Path, paths), skip=output.failure, note=output.note)
    refuse_inputs(file, "--out", files)
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
            out=file,
            convention=convention,
            workers=workers,
            progress=show,
        )
    if not json:
        columns = ("file", "clips", "width", "model", "run by")
        row = (out, len(collection), encoder.info.width, encoder.info.name, encoder.runtime)
        output.table(columns, [row])
    output.finish()
