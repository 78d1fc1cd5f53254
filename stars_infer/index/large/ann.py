"""Approximate nearest neighbors of unit vectors: inverted lists of 8-bit codes, in FAISS.

A vector lies in the list of its nearest centroid (k-means on the sphere), and the list holds its
difference from the centroid in 8 bits per number (Sivic and Zisserman 2003; Jégou et al. 2011). A
search looks only into the lists of the centroids nearest to the query. How many lists reach
`RECALL` is measured when they are made.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.errors import MissingExtraError
from stars_infer.parallel import ReportProgress
from stars_infer.similarity.nearest import Matches

if TYPE_CHECKING:
    import faiss

RECALL = 0.998
"""Share of the `_NEAREST` by code that a search must find."""
GPU_MOST = 2048
"""Most neighbors, and most lists, that FAISS searches on a GPU."""
_NEAREST = 5
_PROBED = 128
"""Vectors by which the number of lists to look into is measured."""
_POINTS = 40
"""Vectors a centroid is trained on."""
_ROUNDS = 8
_REACH = 100
"""Where more than so many are looked for, more lists are looked into, in proportion."""
_BLOCK = 20_000

UnitVectors = Callable[[slice], FloatArray]
"""Gives the unit vectors (N, D) at some positions."""


@dataclass(slots=True, kw_only=True, eq=False)
class IVFIndex:
    """Unit vectors, found by their positions.

    Attributes:
        index: Inverted lists of FAISS.
        probes: Lists that a search looks into.
        trained: How many vectors there were when the centroids were found.
    """

    index: faiss.IndexIVF
    probes: int
    trained: int
    _on_gpu: Any = field(default=None, init=False)
    """A copy on a GPU with its memory there; False where there is none."""

    @classmethod
    def of(
        cls,
        size: int,
        unit_vectors: UnitVectors,
        *,
        progress: ReportProgress = lambda at, end: None,
    ) -> IVFIndex:
        """Make lists of vectors.

        Args:
            size: How many vectors there are.
            unit_vectors: Gives them.
            progress: Called with how much is done, and of how much.
        """
        faiss = _faiss()
        count = max(1, min(2 ** round(np.log2(2 * size**0.5)), size // _POINTS))
        sample = _spread(size, min(size, _POINTS * count), unit_vectors)
        index = faiss.index_factory(sample.shape[1], f"IVF{count},SQ8", faiss.METRIC_INNER_PRODUCT)
        index.cp.niter, index.cp.max_points_per_centroid = _ROUNDS, _POINTS
        index.cp.min_points_per_centroid = 1  # few are no reason for a warning of FAISS
        index.train(sample)
        _add(index, size, unit_vectors, lambda at, _: progress(size + at, 2 * size))
        asked = sample[:: -(-len(sample) // _PROBED)]
        return cls(index=index, probes=_probes(index, asked), trained=size)

    @classmethod
    def load(cls, path: Path, *, probes: int, trained: int) -> IVFIndex:
        """Read what `save` wrote; lists are mapped into memory where the system can.

        Raises:
            RuntimeError: If FAISS cannot read it.
        """
        faiss = _faiss()
        try:
            index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)
        except RuntimeError:  # mapping is not there on every system
            index = faiss.read_index(str(path))
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

    def extended(
        self, path: Path, added: int, unit_vectors: UnitVectors, *, progress: ReportProgress
    ) -> IVFIndex:
        """The same lists with more vectors; the centroids stay, and so does this index.

        Args:
            path: Where it was saved.
            added: How many more vectors there are.
            unit_vectors: Gives those.
            progress: Called with how many vectors were added, and of how many.

        Raises:
            RuntimeError: If FAISS cannot read them.
        """
        index = _faiss().read_index(str(path))
        _add(index, added, unit_vectors, progress)
        return IVFIndex(index=index, probes=self.probes, trained=self.trained)

    @property
    def size(self) -> int:
        """How many vectors there are."""
        return int(self.index.ntotal)

    def nearest(
        self, unit_vectors: FloatArray, k: int, *, there: NDArray[np.uint8] | None = None
    ) -> list[Matches]:
        """The k nearest of each unit vector (N, D), by their codes.

        Args:
            unit_vectors: The queries.
            k: How many; all lists are looked into where too few are found otherwise.
            there: One bit for each position, the lowest first: whether it may be found; all may if
                None.
        """
        end = min(k, self.size if there is None else int(np.unpackbits(there).sum()))
        probes = min(self.index.nlist, self.probes * -(-end // _REACH))
        found = self._search(unit_vectors, end, probes, there)
        if any(len(positions) < end for positions, _ in found):
            found = self._search(unit_vectors, end, self.index.nlist, there)
        return found

    def _search(
        self, unit_vectors: FloatArray, k: int, probes: int, there: NDArray[np.uint8] | None
    ) -> list[Matches]:
        if not k:
            return [(np.zeros(0, np.intp), np.zeros(0, np.float32))] * len(unit_vectors)
        faiss = _faiss()
        chosen: dict[str, Any] = {} if there is None else {"sel": faiss.IDSelectorBitmap(there)}
        searched = self.index
        if there is None and max(k, probes) <= GPU_MOST:  # a GPU searches without exceptions only
            searched = self._gpu_copy(faiss) or self.index
        how = faiss.SearchParametersIVF(nprobe=probes, **chosen)
        return [
            (at[at >= 0].astype(np.intp), near[at >= 0])  # -1 where fewer were found
            for near, at in zip(*searched.search(unit_vectors, k, params=how), strict=True)
        ]

    def _gpu_copy(self, faiss: Any) -> Any:
        """The same on a GPU, made for the first search that can use it; None if there is none."""
        if self._on_gpu is None:
            self._on_gpu = False
            if hasattr(faiss, "index_cpu_to_gpu") and faiss.get_num_gpus():
                with suppress(RuntimeError, AssertionError):  # too large, or of a kind it lacks
                    memory = faiss.StandardGpuResources()
                    self._on_gpu = faiss.index_cpu_to_gpu(memory, 0, self.index), memory
        return self._on_gpu[0] if self._on_gpu else None


def _add(
    index: faiss.Index, size: int, unit_vectors: UnitVectors, progress: ReportProgress
) -> None:
    """Add vectors block by block."""
    for start in range(0, size, _BLOCK):
        end = min(size, start + _BLOCK)
        index.add(unit_vectors(slice(start, end)))
        progress(end, size)


def _spread(size: int, count: int, unit_vectors: UnitVectors) -> FloatArray:
    """Some of the vectors, evenly spread, in blocks that are read at once."""
    block = max(1, min(64, count // 64))
    starts = np.linspace(0, size - block, -(-count // block)).astype(np.intp)
    return np.concatenate([unit_vectors(slice(int(at), int(at) + block)) for at in starts])[:count]


def _probes(index: faiss.IndexIVF, asked: FloatArray) -> int:
    """The fewest lists that must be looked into for `RECALL`; each query finds itself first."""

    def found(probes: int) -> NDArray[np.int64]:
        how = _faiss().SearchParametersIVF(nprobe=probes)
        return np.asarray(index.search(asked, _NEAREST + 1, params=how)[1])

    truth, probes = found(index.nlist), 4
    while probes < index.nlist:
        pairs = zip(truth, found(probes), strict=True)
        if np.mean([np.isin(true[1:], row).mean() for true, row in pairs]) >= RECALL:
            break
        probes *= 2
    return min(probes, index.nlist)


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise MissingExtraError("searching an index", "cpu", "faiss") from error
    return faiss
