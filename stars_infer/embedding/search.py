"""The clips that are most similar to those of a file: in an index, a collection or a folder."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Unpack

from stars_infer.clips.clip import Clip
from stars_infer.embedding.collection import (
    NO_WEIGHT,
    By,
    Collection,
    Hit,
    embed_collection,
    own_way,
)
from stars_infer.embedding.files import EmbeddedFile, EmbedOptions, embed_files
from stars_infer.embedding.shards import is_job, load_job
from stars_infer.encoder.encoder import Encoder
from stars_infer.errors import ExemplarIndexError, UsageError
from stars_infer.parallel import ReportProgress
from stars_infer.readers.files import clip_files
from stars_infer.shared.open import open_index


def search_files(
    encoder: Encoder,
    paths: Sequence[Path | Clip],
    within: Path,
    *,
    k: int = 10,
    by: By | None = None,
    progress: ReportProgress = lambda at, end: None,
    **reading: Unpack[EmbedOptions],
) -> list[tuple[EmbeddedFile, list[Hit]]]:
    """Find the k clips that are most similar to each clip of files.

    Args:
        encoder: The model.
        paths: As in `stars_infer.embedding.files.embed_files`.
        within: Where to search: a folder of clips, a collection (`.npz`, or the folder that
            `stars embed --engine ray` wrote), or else an index.
        k: How many.
        by: What is compared; if not given, what the model or the collection compares.
        progress: Called with how much of what is searched is ready, and of how much.
        reading: Further options of `embed_files`, also for the clips of the folder.

    Returns:
        The clips, in order, and what was found for each, the most similar first.

    Raises:
        CollectionError: If the collection cannot be read, or no clip of the folder can be used.
        ExemplarIndexError: If there is no such index, or it is empty.
        UsageError: If what is to be compared is not there.
    """
    own = own_way(encoder.info.comparison)
    if by == "both" and own != "both":
        raise UsageError(NO_WEIGHT)
    if _is_index(within) and by in (None, own):
        with open_index(within, encoder.info, create=False) as index:
            index.prepare(progress)
            queries = list(embed_files(encoder, paths, query=True, **reading))
            found = index.search([file.features for file in queries], k)
        hits = [
            [Hit(source=one.source, similarity=one.similarity, label=one.label) for one in near]
            for near in found
        ]
    else:
        collection = _open_collection(encoder, within, by, progress, reading)
        by = by or collection.default_by
        queries = list(embed_files(encoder, paths, query=by == "sequence", **reading))
        hits = collection.search([file.features for file in queries], k, by=by)
    return list(zip(queries, hits, strict=True))


def _is_index(path: Path) -> bool:
    return path.suffix != ".npz" and not path.is_dir()


def _open_collection(
    encoder: Encoder, path: Path, by: By | None, progress: ReportProgress, reading: EmbedOptions
) -> Collection:
    """A collection of what is at a path; the clips of a folder are embedded now."""
    if is_job(path):
        return load_job(path, model=encoder.info)
    if path.is_dir():
        paths, done = clip_files([path]), count(1)
        return embed_collection(
            encoder,
            paths,
            query=by in (None, "sequence"),
            progress=lambda file: progress(next(done), len(paths)),
            **reading,
        )
    if not _is_index(path):
        return Collection.load(path, model=encoder.info)
    with open_index(path, encoder.info, create=False) as index:
        kept = index.features(None if by == "sequence" else encoder, progress=progress)
    if not kept:
        raise ExemplarIndexError(
            f"{path}: the index is empty; add clips with `stars fewshot add-class CLASS/*.npy`"
        )
    return Collection.of_exemplars(kept, encoder.info)
