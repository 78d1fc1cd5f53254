"""The clips that are most similar to those of a file: in an index, a collection or a folder."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from stars_infer.clips.clip import Clip
from stars_infer.clips.convention import Convention
from stars_infer.embedding.collection import By, Collection, Hit, embed_collection
from stars_infer.embedding.files import Skip, embed_files
from stars_infer.encoder.encoder import Encoder
from stars_infer.errors import ExemplarIndexError
from stars_infer.index.index import ExemplarIndex
from stars_infer.parallel import ReportProgress
from stars_infer.readers.files import clip_files
from stars_infer.similarity.features import Features


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A clip, and those that are most similar to it.

    Attributes:
        source: Where the clip comes from.
        notes: What was mended in it, and what is odd about it, in words.
        hits: The clips that were found, the most similar first.
    """

    source: str
    notes: tuple[str, ...]
    hits: Sequence[Hit]


def search_files(
    encoder: Encoder,
    paths: Sequence[Path | Clip],
    within: Path,
    *,
    skip: Skip,
    k: int = 10,
    by: By | None = None,
    convention: Convention | None = None,
    workers: int | None = 1,
    progress: ReportProgress = lambda at, end: None,
) -> list[Found]:
    """Find the k clips that are most similar to each clip of files.

    Args:
        encoder: The model.
        paths: As in `stars_infer.embedding.files.embed_files`.
        within: Where to search: a folder of clips, a collection (`.npz`), or else an index.
        skip: As in `embed_files`, also of the clips of the folder.
        k: How many.
        by: What is compared; if not given, what the model or the collection compares.
        convention: As in `embed_files`, also of the clips of the folder.
        workers: Processes that read the clips of the folder, as in `embed_files`.
        progress: Called with how much of what is searched is ready, and of how much.

    Returns:
        The clips that could be used, in order, and what was found.

    Raises:
        CollectionError: If the collection cannot be read, or no clip of the folder can be used.
        ExemplarIndexError: If there is no such index, or it is empty.
        UsageError: If what is to be compared is not there.
    """
    own: By = "vector" if encoder.info.comparison is None else "sequence"
    with ExitStack() as stack:
        if _is_index(within) and by in (None, own):
            index = stack.enter_context(ExemplarIndex.open(within, encoder.info, create=False))
            index.prepare(progress)
            compared = own

            def find(query: Features) -> list[Hit]:
                return [
                    Hit(source=near.source, similarity=near.similarity, label=near.label)
                    for near in index.search([query], k)[0]
                ]
        else:
            collection = _open_collection(
                encoder, within, by, skip, convention=convention, workers=workers, progress=progress
            )
            compared = by or collection.default_by

            def find(query: Features) -> list[Hit]:
                return collection.search([query], k, by=compared)[0]

        queries = embed_files(
            encoder, paths, convention=convention, skip=skip, query=compared == "sequence"
        )
        return [
            Found(source=file.source, notes=file.notes, hits=find(file.features))
            for file in queries
        ]


def _is_index(path: Path) -> bool:
    return path.suffix != ".npz" and not path.is_dir()


def _open_collection(
    encoder: Encoder,
    path: Path,
    by: By | None,
    skip: Skip,
    *,
    convention: Convention | None,
    workers: int | None,
    progress: ReportProgress,
) -> Collection:
    """A collection of what is at a path; the clips of a folder are embedded now."""
    if path.suffix == ".npz":
        return Collection.load(path, model=encoder.info)
    if _is_index(path):
        with ExemplarIndex.open(path, encoder.info, create=False) as index:
            kept = index.features(encoder if by == "vector" else None, progress=progress)
        if not kept:
            raise ExemplarIndexError(
                f"{path}: the index is empty; add clips with `stars fewshot add-class CLASS/*.npy`"
            )
        return Collection.of_exemplars(kept, encoder.info)
    paths, done = clip_files([path]), count(1)
    return embed_collection(
        encoder,
        paths,
        skip=skip,
        convention=convention,
        query=by != "vector",
        workers=workers,
        progress=lambda file: progress(next(done), len(paths)),
    )
