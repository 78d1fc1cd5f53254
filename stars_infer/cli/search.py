"""`stars search`: the nearest clips of a collection."""

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
from stars_infer.errors import CollectionError, ExemplarIndexError, UsageError

if TYPE_CHECKING:
    from stars_infer.collection import By, Collection
    from stars_infer.convention import Convention
    from stars_infer.encoder import Encoder


@reads_clips
def search(
    clip: Annotated[Path, typer.Argument(help="Clip file to search with.")],
    *,
    within: Annotated[
        Path | None,
        typer.Option(
            "--in",
            help="What is searched: a file of `stars embed`, or a folder of clips.",
            show_default="the exemplar index",
        ),
    ] = None,
    k: Annotated[int, typer.Option("--k", "-k", min=1, help="How many clips to show.")] = 10,
    by: Annotated[
        str | None,
        typer.Option(
            help="What is compared: sequence (step by step) or vector (cosine).",
            show_default="as the model compares",
        ),
    ] = None,
    convention: Convention,
    index: IndexOption = DEFAULT_INDEX,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Find the clips that are most like one."""
    from stars_infer.encoder import Encoder
    from stars_infer.files import embed_files

    output = Output(json=json, quiet=quiet)
    way = _way(by)
    if within is None:
        existing_index(index, model).close()  # says what is wrong before a model is loaded
    encoder = Encoder.load(model, device=device)
    collection = _collection(encoder, within, index, way, convention, output)
    asked = embed_files(
        encoder,
        [clip],
        convention=convention,
        skip=output.failure,
        question=(way or collection.default_by) == "sequence",
    )
    for file in asked:
        output.clip_notes(file.source, file.notes)
        (hits,) = collection.search([file.description], k, by=way)
        if json:
            for rank, hit in enumerate(hits, 1):
                output.record(
                    {
                        "rank": rank,
                        "similarity": hit.similarity,
                        "source": hit.source,
                        "label": hit.label,
                    }
                )
            continue
        labelled = collection.labels is not None
        output.table(
            ("rank", "similarity", *(["action"] if labelled else []), "clip"),
            [
                (rank, f"{hit.similarity:.3f}", *([hit.label] if labelled else []), hit.source)
                for rank, hit in enumerate(hits, 1)
            ],
        )
    output.finish()


def _way(by: str | None) -> By | None:
    """What `--by` says."""
    ways: dict[str | None, By | None] = {None: None, "sequence": "sequence", "vector": "vector"}
    if by not in ways:
        raise UsageError(f"--by {by}: choose sequence or vector")
    return ways[by]


def _collection(
    encoder: Encoder,
    within: Path | None,
    index: Path,
    by: By | None,
    convention: Convention,
    output: Output,
) -> Collection:
    """What the options name: the index, a file, or a folder, which is embedded now."""
    from stars_infer.collection import Collection
    from stars_infer.files import clip_files, embed_files
    from stars_infer.index import ExemplarIndex

    if within is None:
        with ExemplarIndex.open(index, encoder.info, create=False) as opened:
            kept = opened.descriptions()
        if not kept:
            raise ExemplarIndexError(
                f"{index}: the index is empty; add clips with `stars fewshot add-class "
                "CLASS/*.npy`, or name a collection with --in"
            )
        return Collection.of_exemplars(kept, encoder.info)
    if not within.is_dir():
        return Collection.load(within, model=encoder.info)
    paths = clip_files([within])
    embedded = embed_files(
        encoder,
        paths,
        convention=convention,
        skip=output.failure,
        question=by != "vector",
        workers=None,
    )
    files = list(output.progress(embedded, "embedding", len(paths)))
    if not files:
        raise CollectionError(f"{within}: no clip in this folder could be used")
    return Collection.of_files(files, encoder.info)
