"""Approximate nearest neighbors of unit vectors: inverted lists of 8-bit codes, in FAISS.

A vector lies in the list of its nearest centroid (k-means on the sphere), and the list holds its
difference from the centroid in 8 bits per number (Sivic and Zisserman 2003; Jégou et al. 2011). A
search looks only into the lists of the centroids nearest to the query. How many lists reach
`RECALL` is measured when they are made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.errors import MissingExtraError
from stars_infer.index.large.gpu import GpuCopy
from stars_infer.parallel import ReportProgress
from stars_infer.similarity.nearest import Matches

if TYPE_CHECKING:
    import faiss

FLAT_LIMIT = 20_000
"""Most vectors of which all are compared: some ten milliseconds a search on one core."""
RECALL = 0.998
"""Share of the truly nearest `_NEAREST` that must be found among `RERANKED`."""
RERANKED = 32
"""So many of the nearest by their codes are ranked again by their vectors; for each, a row is read,
perhaps from the disk."""
_NEAREST = 5
_PROBED = 128
"""Vectors by which the number of lists to look into is measured."""
_POINTS = 40
"""Vectors a centroid is trained on."""
_ROUNDS = 8
_REACH = 100
"""Where more than so many are looked for, more lists are looked into, in proportion."""
_WIDER = 4
"""Factor by which the number of lists grows where too few were found."""
_BLOCK = 20_000

UnitVectors = Callable[[slice], FloatArray]
"""Gives the unit vectors (N, D) at some positions."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IVFIndex:
    """Unit vectors, found by their positions.

    Attributes:
        index: The index of FAISS, flat or of inverted lists.
        probes: Lists that a search looks into; None where all vectors are compared.
        trained: How many vectors there were when the centroids were found.
        gpu: The same on a GPU, if there is one.
    """

    index: faiss.Index
    probes: int | None
    trained: int
    gpu: GpuCopy = field(default_factory=GpuCopy)

    @classmethod
    def of(
        cls,
        size: int,
        unit_vectors: UnitVectors,
        *,
        progress: ReportProgress = lambda at, end: None,
    ) -> IVFIndex:
        """Make lists of vectors; up to `FLAT_LIMIT` of them stay as they are.

        Args:
            size: How many vectors there are.
            unit_vectors: Gives them.
            progress: Called with how much is done, and of how much.
        """
        faiss = _faiss()
        width, end = unit_vectors(slice(0, 1)).shape[1], 2 * size
        if size <= FLAT_LIMIT:
            index = faiss.IndexFlatIP(width)
            _add(index, size, unit_vectors, progress)
            return cls(index=index, probes=None, trained=size)
        count = min(2 ** round(np.log2(2 * size**0.5)), size // _POINTS)
        index = faiss.IndexIVFScalarQuantizer(
            faiss.IndexFlatIP(width),
            width,
            count,
            faiss.ScalarQuantizer.QT_8bit,
            faiss.METRIC_INNER_PRODUCT,
        )
        sample = _spread(size, min(size, _POINTS * count), unit_vectors)
        index.quantizer.add(
            _centroids(sample, count, lambda at: progress(size * at // _ROUNDS, end))
        )
        index.train(sample)  # the codes; the centroids are there
        asked = _spread(size, _PROBED, unit_vectors)
        truth = _add(index, size, unit_vectors, lambda at, _: progress(size + at, end), asked)
        return cls(index=index, probes=_probes(index, count, asked, truth), trained=size)

    @classmethod
    def load(cls, path: Path, *, probes: int | None, trained: int) -> IVFIndex:
        """Read what `save` wrote; lists are mapped into memory where the system can.

        Raises:
            RuntimeError: If FAISS cannot read it.
        """
        faiss = _faiss()
        try:
            index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)
        except RuntimeError:  # mapping is not there on every system
            index = faiss.read_index(str(path))
        if probes is not None and hasattr(index, "invlists"):
            lists = faiss.downcast_InvertedLists(index.invlists)
            if hasattr(lists, "prefetch_nthread"):
                lists.prefetch_nthread = 0  # threads a search would cost more than they bring
        return cls(index=index, probes=probes, trained=trained)

    def save(self, path: Path) -> None:
        """Write them.

        Raises:
            RuntimeError: If FAISS cannot write there.
        """
        _faiss().write_index(self.index, str(path))

    @property
    def size(self) -> int:
        """How many vectors there are."""
        return int(self.index.ntotal)

    @property
    def width(self) -> int:
        """D."""
        return int(self.index.d)

    def nearest(
        self, unit_vectors: FloatArray, k: int, *, there: NDArray[np.uint8] | None = None
    ) -> list[Matches]:
        """The k nearest of each unit vector (N, D), by their codes.

        Args:
            unit_vectors: The queries.
            k: How many; more lists are looked into until so many are found, if there are so many.
            there: One bit for each position, the lowest first: whether it may be found; all may if
                None.
        """
        faiss = _faiss()
        how: dict[str, Any] = {} if there is None else {"sel": faiss.IDSelectorBitmap(there)}
        end = min(k, self.size if there is None else int(np.unpackbits(there).sum()))
        if not end:
            return [(np.zeros(0, np.intp), np.zeros(0, np.float32))] * len(unit_vectors)
        if self.probes is None:
            copy = self.gpu.of(self.index, faiss, most=end, chosen=bool(how))
            if copy is not None:
                return _without_gaps(*copy.search(unit_vectors, end))
            parameters = faiss.SearchParameters(**how)
            return _without_gaps(*self.index.search(unit_vectors, end, params=parameters))
        probes = self.probes * -(-end // _REACH)
        while True:
            parameters = faiss.SearchParametersIVF(nprobe=probes, **how)
            most, chosen = max(end, probes), bool(how)
            searched = self.gpu.of(self.index, faiss, most=most, chosen=chosen) or self.index
            found = _without_gaps(*searched.search(unit_vectors, end, params=parameters))
            lists = faiss.extract_index_ivf(self.index).nlist
            if probes >= lists or all(len(positions) == end for positions, _ in found):
                return found
            probes *= _WIDER


def _without_gaps(cosines: FloatArray, positions: NDArray[np.int64]) -> list[Matches]:
    """Without the gaps where fewer were found."""
    return [
        (at[at >= 0].astype(np.intp), near[at >= 0])
        for at, near in zip(positions, cosines, strict=True)
    ]


def extend_lists(
    path: Path, old: IVFIndex, added: int, unit_vectors: UnitVectors, *, progress: ReportProgress
) -> IVFIndex:
    """Add vectors to lists that were saved; the centroids stay.

    Raises:
        RuntimeError: If FAISS cannot read them.

    Args:
        path: Where they were saved.
        old: The same, loaded, which stay as they are.
        added: How many more vectors there are.
        unit_vectors: Gives those.
        progress: Called with how many vectors were added, and of how many.
    """
    index = _faiss().read_index(str(path))
    _add(index, added, unit_vectors, progress)
    return IVFIndex(index=index, probes=old.probes, trained=old.trained)


def _add(
    index: faiss.Index,
    size: int,
    unit_vectors: UnitVectors,
    progress: ReportProgress,
    asked: FloatArray | None = None,
) -> NDArray[np.intp]:
    """Add vectors block by block, and say which are truly nearest to some queries, (Q, N)."""
    faiss = _faiss()
    positions, near = [], []
    for start in range(0, size, _BLOCK):
        block = unit_vectors(slice(start, min(size, start + _BLOCK)))
        index.add(block)
        if asked is not None:
            cosines, found = faiss.knn(asked, block, _NEAREST + 1, faiss.METRIC_INNER_PRODUCT)
            positions.append(found + start)
            near.append(cosines)
        progress(min(size, start + _BLOCK), size)
    if asked is None:
        return np.zeros((0, 0), np.intp)
    order = np.argsort(-np.concatenate(near, axis=1), axis=1, kind="stable")
    best = np.take_along_axis(np.concatenate(positions, axis=1), order, axis=1)
    return np.asarray(best[:, : _NEAREST + 1], np.intp)


def _centroids(sample: FloatArray, count: int, progress: Callable[[int], None]) -> FloatArray:
    """Spherical k-means (count, D), round after round."""
    centroids = None
    for number in range(_ROUNDS):
        means = _faiss().Kmeans(
            sample.shape[1], count, niter=1, spherical=True, seed=0, max_points_per_centroid=2**20
        )
        means.train(sample, init_centroids=centroids)
        centroids = means.centroids
        progress(number + 1)
    return np.asarray(centroids, np.float32)


def _spread(size: int, count: int, unit_vectors: UnitVectors) -> FloatArray:
    """Some of the vectors, evenly spread, in blocks that are read at once."""
    block = max(1, min(64, count // 64))
    starts = np.linspace(0, size - block, -(-count // block)).astype(np.intp)
    return np.concatenate([unit_vectors(slice(int(at), int(at) + block)) for at in starts])[:count]


def _probes(index: faiss.Index, lists: int, asked: FloatArray, truth: NDArray[np.intp]) -> int:
    """The fewest lists that must be looked into for `RECALL`; each query finds itself first."""
    probes = 4
    while probes < lists:
        how = _faiss().SearchParametersIVF(nprobe=probes)
        _, found = index.search(asked, RERANKED, params=how)
        hit = [np.isin(true[1:], row).mean() for true, row in zip(truth, found, strict=True)]
        if np.mean(hit) >= RECALL:
            break
        probes *= 2
    return min(probes, lists)


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise MissingExtraError("searching an index", "cpu", "faiss") from error
    return faiss
