"""A map of all examples, on which those that the model finds similar lie together.

t-SNE (van der Maaten and Hinton, "Visualizing data using t-SNE", 2008), as scikit-learn has it, of
the similarity that names clips. It is kept beside the index; when examples come or go, the others
stay about where they were.
"""

from __future__ import annotations

import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.atomic import written_beside
from stars_infer.curation.neighbors import Neighborhood
from stars_infer.errors import MissingExtraError

FILE = "map.npz"
_FORM = 1
_PERPLEXITY = 30.0
_FEWEST = 5
"""Fewer examples are laid out by their distances alone."""
_KNOWN_SHARE = 0.5
"""A map of which so many places are known is carried on."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EmbeddingMap:
    """Where examples lie.

    Attributes:
        ids: Their numbers, (N,).
        places: Across and up, -1 to 1, (N, 2).
        final: Whether these are the places that were looked for, not a first draft.
    """

    ids: NDArray[np.int64]
    places: FloatArray
    final: bool = True


def draft(ids: NDArray[np.int64], descriptors: FloatArray) -> EmbeddingMap:
    """A first map by the two principal components of what examples are looked up by, (N, W)."""
    centered = descriptors.astype(np.float64) - descriptors.mean(axis=0)
    if len(ids) < 3:
        places = np.stack((np.linspace(-0.5, 0.5, len(ids)), np.zeros(len(ids))), axis=1)
    else:
        _, axes = np.linalg.eigh(centered.T @ centered)
        places = centered @ axes[:, -1:-3:-1]
    return EmbeddingMap(ids=ids, places=_fit(places), final=False)


def lay_out(
    ids: NDArray[np.int64], near: Neighborhood, first: EmbeddingMap, before: EmbeddingMap | None
) -> EmbeddingMap:
    """Find the places of examples.

    Args:
        ids: Their numbers, (N,).
        near: Their neighbors.
        first: From `draft`.
        before: An earlier map, perhaps of other examples.

    Raises:
        MissingExtraError: If scikit-learn is not installed.
    """
    if len(ids) < _FEWEST:
        return EmbeddingMap(ids=ids, places=first.places)
    try:
        from scipy.sparse import csr_matrix
        from sklearn.manifold import TSNE
    except ImportError as error:
        raise MissingExtraError("the map", "studio", "scikit-learn") from error
    size = len(ids)
    perplexity = min(_PERPLEXITY, (size - 1) / 3)
    wanted = min(near.positions.shape[1], round(3 * perplexity) + 1)
    gaps = np.maximum(1 - near.similarities[:, :wanted].astype(np.float64), 1e-6)
    columns = np.concatenate((np.arange(size)[:, None], near.positions[:, :wanted]), axis=1)
    values = np.concatenate((np.zeros((size, 1)), gaps), axis=1)
    starts = np.arange(0, columns.size + 1, wanted + 1)
    distances = csr_matrix((values.ravel(), columns.ravel(), starts), shape=(size, size))
    known = None if before is None else _carried_on(ids, near, before)
    start = first.places if known is None else known
    tsne = TSNE(
        metric="precomputed",
        method="barnes_hut",
        perplexity=min(perplexity, (wanted - 1) / 3 or 1),
        init=np.asarray(start / max(float(start[:, 0].std()), 1e-9) * 1e-4, np.float32)
        if known is None
        else np.asarray(start * _SPAN, np.float32),
        early_exaggeration=12.0 if known is None else 1.0,
        max_iter=750 if known is None else 300,
        random_state=0,
        n_jobs=1,
    )
    return EmbeddingMap(ids=ids, places=_fit(tsne.fit_transform(distances)))


_SPAN = 30.0
"""About how wide a map is before it is fitted."""


def _carried_on(
    ids: NDArray[np.int64], near: Neighborhood, before: EmbeddingMap
) -> FloatArray | None:
    """Places of before, and new ones amid their neighbors; None where few are known."""
    place_of = {int(number): place for number, place in zip(before.ids, before.places, strict=True)}
    known = np.array([int(number) in place_of for number in ids])
    if known.mean() < _KNOWN_SHARE:
        return None
    places = np.zeros((len(ids), 2), np.float64)
    places[known] = [place_of[int(number)] for number in ids[known]]
    for position in np.flatnonzero(~known):
        beside = [one for one in near.positions[position] if known[one]][:3]
        places[position] = places[beside].mean(axis=0) if beside else 0.0
    return np.asarray(places)


def _fit(places: NDArray[Any]) -> FloatArray:
    """Move and scale places into -1 to 1, with the same scale across and up."""
    low, high = places.min(axis=0), places.max(axis=0)
    span = max(float((high - low).max()), 1e-9)
    return np.asarray((places - (low + high) / 2) * (1.9 / span), np.float32)


def read_map(folder: Path, digest: str) -> EmbeddingMap | None:
    """The map that was kept; None where there is none of this comparison."""
    try:
        with np.load(folder / FILE, allow_pickle=False) as data:
            if int(data["form"]) != _FORM or str(data["digest"]) != digest:
                return None
            ids, places = np.asarray(data["ids"], np.int64), np.asarray(data["places"], np.float32)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    if places.shape != (len(ids), 2) or not np.isfinite(places).all():
        return None
    return EmbeddingMap(ids=ids, places=places)


def write_map(folder: Path, digest: str, made: EmbeddingMap) -> None:
    """Keep a map, unless the folder cannot be written."""
    with suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        with written_beside(folder / FILE) as beside, beside.open("wb") as file:
            np.savez_compressed(file, form=_FORM, digest=digest, ids=made.ids, places=made.places)
