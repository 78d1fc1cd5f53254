"""Clips that are encoded once and searched often: an `.npz` file, or the exemplars of an index."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Unpack

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.atomic import written_beside
from stars_infer.clips.clip import Clip
from stars_infer.embedding.collection_file import AGAIN, FORMAT, parts_of, read_arrays
from stars_infer.embedding.files import EmbeddedFile, EmbedOptions, embed_files
from stars_infer.encoder.encoder import Encoder
from stars_infer.encoder.model import ModelInfo
from stars_infer.errors import CollectionError, UsageError
from stars_infer.index.index import Exemplar
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.similarity.features import Features, sequences_of, vectors_of
from stars_infer.similarity.nearest import Searcher, SequenceSearcher, VectorSearcher

NO_WEIGHT = "the model gives vectors no weight beside sequences: search by sequence or by vector"
By = Literal["sequence", "vector", "both"]
"""What is compared: sequences by time warping, vectors by their cosine, or both, by the weights
that the model gives them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A clip that was found.

    Attributes:
        source: Where it comes from.
        similarity: Of the sequences, or the cosine of the vectors; at most 1.
        label: Its action; None if it is not known.
    """

    source: str
    similarity: float
    label: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Collection:
    """N clips, encoded by one model.

    Attributes:
        sources: Where they come from.
        clip_features: From `Encoder.encode`; all have a vector or none, and all a sequence or none.
        labels: Their actions; None if they are not known.
        content_hashes: `Clip.content_hash` of each; may be left out.
        model: Name of the model; None if it is not known.
        fingerprint: Its fingerprint; None if it is not known.
        comparison: How the model compares sequences; None if clips have none.
    """

    sources: Sequence[str]
    clip_features: Sequence[Features]
    labels: Sequence[str] | None = None
    content_hashes: Sequence[str] = ()
    model: str | None = None
    fingerprint: str | None = None
    comparison: SequenceConfig | None = None
    _searchers: dict[tuple[By, bool], tuple[NDArray[np.intp], Searcher]] = field(
        default_factory=dict, init=False, repr=False
    )

    def __post_init__(self) -> None:
        size = len(self.clip_features)
        counts = [len(self.sources)]
        counts += [] if self.labels is None else [len(self.labels)]
        counts += [len(self.content_hashes)] if self.content_hashes else []
        if not size or set(counts) != {size}:
            raise UsageError(
                f"a collection has at least one clip, and as many sources, labels and hashes: got "
                f"{size} clips and {counts}"
            )

    @classmethod
    def of_files(cls, files: Sequence[EmbeddedFile], model: ModelInfo) -> Collection:
        """The clips of files, from `embed_files`.

        Raises:
            UsageError: If there are none.
        """
        return cls(
            sources=[file.source for file in files],
            clip_features=[file.features for file in files],
            content_hashes=[file.content_hash for file in files],
            model=model.name,
            fingerprint=model.fingerprint,
            comparison=model.comparison,
        )

    @classmethod
    def of_exemplars(
        cls, exemplars: Iterable[tuple[Exemplar, Features]], model: ModelInfo
    ) -> Collection:
        """The exemplars of an index, from `ExemplarIndex.clip_features`.

        Raises:
            UsageError: If there are none.
        """
        kept = list(exemplars)
        return cls(
            sources=[exemplar.source for exemplar, _ in kept],
            clip_features=[features for _, features in kept],
            labels=[exemplar.label for exemplar, _ in kept],
            content_hashes=[exemplar.content_hash for exemplar, _ in kept],
            model=model.name,
            fingerprint=model.fingerprint,
            comparison=model.comparison,
        )

    @classmethod
    def load(cls, path: str | Path, *, model: ModelInfo | None = None) -> Collection:
        """Read a file that `save` or `stars embed` wrote.

        Args:
            path: The `.npz` file.
            model: The model that is to search it; a file of another one is refused.

        Raises:
            CollectionError: If the file is missing, damaged, no collection, or another model's.
        """
        path = Path(path)
        arrays = read_arrays(path)
        try:
            found = cls(**parts_of(path, arrays))
        except (ValueError, TypeError, KeyError, UsageError) as error:
            raise CollectionError(f"{path}: damaged collection ({error}); {AGAIN}") from error
        if model is not None:
            _check_model(path, found, model)
        return found

    def save(self, path: str | Path) -> None:
        """Write the collection as `.npz`; if it is interrupted, the old file stays.

        `docs/search.md` says what the file holds.

        Raises:
            UsageError: If the file has another ending, or clips have no vector.
        """
        path = Path(path)
        if path.suffix != ".npz":
            raise UsageError(f"{path}: a collection is a NumPy archive, give it the ending .npz")
        arrays: dict[str, Any] = {
            "format": np.array(FORMAT),
            "embeddings": vectors_of(self.clip_features),
            "sources": np.array(self.sources, np.str_),
        }
        for name, values in (("labels", self.labels), ("content_hashes", self.content_hashes)):
            if values:
                arrays[name] = np.array(values, np.str_)
        if any(one.flat for one in self.clip_features):
            arrays["flat"] = np.array([one.flat for one in self.clip_features])
        if self.model is not None and self.fingerprint is not None:
            arrays["model"] = np.array(self.model)
            arrays["fingerprint"] = np.array(self.fingerprint)
        if self.default_by != "vector":
            sequences = sequences_of(self.clip_features)
            arrays["comparison"] = np.array(json.dumps(self._comparison().to_json()))
            arrays["sequences"] = np.concatenate(sequences).astype("<f2")
            arrays["bodies"] = np.array([len(sequence) for sequence in sequences], "u1")
        with written_beside(path) as beside:
            np.savez(beside, **arrays)

    def __len__(self) -> int:
        return len(self.clip_features)

    @property
    def default_by(self) -> By:
        """What `search` compares by default: what the model compares, where all clips have it."""
        if any(one.sequence is None for one in self.clip_features):
            return "vector"
        return "both" if own_way(self.comparison) == "both" else "sequence"

    def search(
        self, queries: Sequence[Features], k: int = 10, *, by: By | None = None
    ) -> list[list[Hit]]:
        """The k nearest clips of each query, nearest first; clips in 2D find clips in 2D only.

        Args:
            queries: From `Encoder.encode`.
            k: How many.
            by: What is compared; `default_by` if not given.

        Raises:
            UsageError: If the collection or a query lacks what is to be compared, a query's form
                is another, or all clips of the collection are in 3D and a query is in 2D, or the
                other way around.
        """
        by = by or self.default_by
        if k < 1:
            raise UsageError(f"k is the number of clips to find, at least 1; got {k}")
        kinds = {one.flat for one in self.clip_features}
        for query in queries:
            self._check_query(query, by)
            if query.flat not in kinds:
                asked, held = ("2D", "3D") if query.flat else ("3D", "2D")
                raise UsageError(f"the clip is in {asked}, but all of the collection in {held}")
        hits: list[list[Hit]] = [[] for _ in queries]
        for flat in kinds:
            at = [number for number, query in enumerate(queries) if query.flat == flat]
            positions, searcher = self._searcher(by, flat)
            near = searcher.nearest([queries[number] for number in at], k) if at else []
            for number, (found, similarities) in zip(at, near, strict=True):
                hits[number] = self._hits(positions[found], similarities)
        return hits

    def _hits(self, positions: NDArray[np.intp], similarities: FloatArray) -> list[Hit]:
        return [
            Hit(
                source=self.sources[position],
                similarity=float(similarity),
                label=None if self.labels is None else self.labels[position],
            )
            for position, similarity in zip(positions.tolist(), similarities, strict=True)
        ]

    def _check_query(self, query: Features, by: By) -> None:
        if by == "both":
            if own_way(self.comparison) != "both":
                raise UsageError(NO_WEIGHT)
            self._check_query(query, "sequence")
            self._check_query(query, "vector")
            return
        example = self.clip_features[0]
        known, asked = (
            (one.vector if by == "vector" else one.sequence) for one in (example, query)
        )
        if known is None:
            raise UsageError(
                f"the collection holds no {by}s: search it by "
                + ("vector" if by == "sequence" else "sequence")
            )
        if asked is None:
            raise UsageError(f"a query has no {by}: encode it without query=True")
        form = slice(None) if by == "vector" else slice(1, None)
        if asked.shape[form] != known.shape[form] or not np.isfinite(asked).all():
            raise UsageError(
                f"query: expected a finite {by} {known.shape[form]}, got {asked.shape[form]}: "
                "encode it with the collection's model"
            )

    def _searcher(self, by: By, flat: bool) -> tuple[NDArray[np.intp], Searcher]:
        """Positions of the clips in 2D, or of those in 3D, and what searches them."""
        if (by, flat) not in self._searchers:
            alike = np.array([one.flat == flat for one in self.clip_features])
            positions = np.flatnonzero(alike)
            some = [self.clip_features[position] for position in positions.tolist()]
            self._searchers[by, flat] = positions, self._make_searcher(some, by)
        return self._searchers[by, flat]

    def _make_searcher(self, some: Sequence[Features], by: By) -> Searcher:
        if by == "vector":
            return VectorSearcher(vectors_of(some))
        how = self._comparison() if by == "both" else self._comparison().without_vectors()
        return SequenceSearcher(some, how)

    def _comparison(self) -> SequenceConfig:
        if self.comparison is None:
            raise UsageError("a collection of sequences needs its model's comparison")
        return self.comparison


def own_way(how: SequenceConfig | None) -> By:
    """What a model compares, from `ModelInfo.comparison`."""
    if how is None:
        return "vector"
    return "both" if how.vector_weight else "sequence"


def embed_collection(
    encoder: Encoder,
    paths: Sequence[Path | Clip],
    *,
    out: Path | None = None,
    query: bool = False,
    progress: Callable[[EmbeddedFile], None] = lambda file: None,
    **reading: Unpack[EmbedOptions],
) -> Collection:
    """Embed the clips of files as a collection.

    Args:
        encoder: The model.
        paths: As in `stars_infer.embedding.files.embed_files`.
        out: The file to write it to; none if not given.
        query: As in `embed_files`: a collection that is not searched by vectors needs none.
        progress: Called with each clip once it is embedded.
        reading: Further options of `embed_files`.

    Raises:
        CollectionError: If no clip can be used; nothing is written then.
        StarsError: As for `embed_files` and `Collection.save`.
    """
    files = []
    for file in embed_files(encoder, paths, query=query, **reading):
        files.append(file)
        progress(file)
    if not files:
        raise CollectionError(
            "no clip could be used" + ("" if out is None else "; nothing was written")
        )
    collection = Collection.of_files(files, encoder.info)
    if out is not None:
        collection.save(out)
    return collection


def _check_model(path: Path, found: Collection, model: ModelInfo) -> None:
    """Make sure that a model can search a collection.

    Raises:
        CollectionError: If it is another model's; both are named.
    """
    if found.fingerprint is not None and found.fingerprint != model.fingerprint:
        raise CollectionError(
            f"{path}: made by the model {found.model!r} ({found.fingerprint[:12]}), but this is "
            f"{model.name!r} ({model.fingerprint[:12]}); use that model, or embed the clips again"
        )
    vector = found.clip_features[0].vector
    if vector is not None and len(vector) != model.width:
        raise CollectionError(
            f"{path}: vectors of {len(vector)} numbers, but {model.name!r} makes {model.width}; "
            "use the model that made it, or embed the clips again"
        )
