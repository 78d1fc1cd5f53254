"""`stars search`: find the most similar clips in a collection or an index."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stars_infer.cli.options import (
    DEFAULT_INDEX,
    DeviceOption,
    IndexOption,
    ModelOption,
    existing_index,
    make_ready,
    reads_clips,
)
from stars_infer.cli.output import JsonFlag, Output, QuietFlag
from stars_infer.errors import CollectionError, ExemplarIndexError, UsageError

if TYPE_CHECKING:
    from stars_infer.classification.prediction import Neighbor
    from stars_infer.clips.convention import Convention
    from stars_infer.embedding.collection import By, Collection, Hit
    from stars_infer.encoder.encoder import Encoder
    from stars_infer.similarity.features import Features


@reads_clips
def search(
    clip: Annotated[Path, typer.Argument(help="The clip whose like is searched for.")],
    *,
    within: Annotated[
        Path | None,
        typer.Option(
            "--in",
            help="Where to search: a file made by `stars embed`, or a folder of clips.",
            show_default="the exemplar index",
        ),
    ] = None,
    k: Annotated[int, typer.Option("--k", "-k", min=1, help="Number of clips to show.")] = 10,
    by: Annotated[
        str | None,
        typer.Option(
            help="Compare by sequence (time warping) or by vector (cosine).",
            show_default="as the model does",
        ),
    ] = None,
    convention: Convention,
    index: IndexOption = DEFAULT_INDEX,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Find the clips that are most similar to a clip."""
    from stars_infer.embedding.files import embed_files
    from stars_infer.encoder.encoder import Encoder

    output = Output(json=json, quiet=quiet)
    way = _way(by)
    if within is None:
        existing_index(index, model).close()  # says what is wrong before a model is loaded
    encoder = Encoder.load(model, device=device)
    with ExitStack() as stack:
        searched = _searched(encoder, within, index, way, convention, output, stack)
        asked = embed_files(
            encoder,
            [clip],
            convention=convention,
            skip=output.failure,
            query=searched.by == "sequence",
        )
        for file in asked:
            output.clip_notes(file.source, file.notes)
            _show(searched.find(file.features, k), searched.labeled, output)
    output.finish()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Searched:
    """The clips among which to search.

    Attributes:
        find: Finds the k nearest clips to a clip.
        by: What is compared.
        labeled: Whether the actions of the clips are known.
    """

    find: Callable[[Features, int], Sequence[Hit | Neighbor]]
    by: By
    labeled: bool


def _show(hits: Sequence[Hit | Neighbor], labeled: bool, output: Output) -> None:
    if output.json:
        for rank, hit in enumerate(hits, 1):
            output.record(
                {
                    "rank": rank,
                    "similarity": hit.similarity,
                    "source": hit.source,
                    "label": hit.label,
                }
            )
        return
    output.table(
        ("rank", "similarity", *(["action"] if labeled else []), "clip"),
        [
            (rank, f"{hit.similarity:.3f}", *([hit.label] if labeled else []), hit.source)
            for rank, hit in enumerate(hits, 1)
        ],
    )


def _way(by: str | None) -> By | None:
    """The value of `--by`, checked."""
    ways: dict[str | None, By | None] = {None: None, "sequence": "sequence", "vector": "vector"}
    if by not in ways:
        raise UsageError(f"--by {by}: choose sequence or vector")
    return ways[by]


def _searched(
    encoder: Encoder,
    within: Path | None,
    index: Path,
    by: By | None,
    convention: Convention,
    output: Output,
    stack: ExitStack,
) -> _Searched:
    """The clips that the options name; an index stays open until the stack is closed."""
    from stars_infer.index.index import ExemplarIndex

    own: By = "vector" if encoder.info.comparison is None else "sequence"
    if within is None and by in (None, own):
        opened = stack.enter_context(ExemplarIndex.open(index, encoder.info, create=False))
        make_ready(opened, output)
        return _Searched(find=lambda clip, k: opened.search([clip], k)[0], by=own, labeled=True)
    collection = _collection(encoder, within, index, by, convention, output)
    return _Searched(
        find=lambda clip, k: collection.search([clip], k, by=by)[0],
        by=by or collection.default_by,
        labeled=collection.labels is not None,
    )


def _collection(
    encoder: Encoder,
    within: Path | None,
    index: Path,
    by: By | None,
    convention: Convention,
    output: Output,
) -> Collection:
    """A collection of the clips that the options name; those of a folder are embedded now."""
    from stars_infer.embedding.collection import Collection
    from stars_infer.embedding.files import embed_files
    from stars_infer.index.index import ExemplarIndex
    from stars_infer.readers.files import clip_files

    if within is None:
        with (
            ExemplarIndex.open(index, encoder.info, create=False) as opened,
            output.bar() as bar,
        ):
            task = bar.add_task("running the network", total=None, visible=False)

            def report(at: int, end: int) -> None:
                bar.update(task, completed=at, total=end, visible=True)

            kept = opened.features(encoder if by == "vector" else None, progress=report)
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
        query=by != "vector",
        workers=None,
    )
    files = list(output.progress(embedded, "embedding", len(paths)))
    if not files:
        raise CollectionError(f"{within}: no clip in this folder could be used")
    return Collection.of_files(files, encoder.info)
