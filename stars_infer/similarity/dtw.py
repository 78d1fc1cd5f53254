"""Similarity of sequences by dynamic time warping, of one query to many exemplars at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.machine import single_threaded
from stars_infer.similarity.comparison import Kernel, SequenceConfig
from stars_infer.similarity.contents import content_of, part_of
from stars_infer.similarity.sequence import mirror_sequence

_FREE_SHARE = 4
"""One step in so many may be left out at either end of either sequence."""
_FREE_PRICE = 0.3
"""What a step costs that is left out; two steps that have nothing in common cost 2."""


class WarpingGallery:
    """Sequences of exemplars, arranged in memory for fast warping.

    Args:
        sequences: The sequence of each exemplar, (1 or 2 bodies, S, F); S and F are the same for
            all.
        how: How sequences are compared.
    """

    def __init__(self, sequences: Sequence[FloatArray], how: SequenceConfig) -> None:
        self.size = len(sequences)
        self._how = how
        counts = np.array([len(sequence) for sequence in sequences])
        self._positions = {n: np.flatnonzero(counts == n) for n in sorted(set(counts.tolist()))}
        self._bodies = {
            n: [
                _Bodies(np.stack([sequences[int(at)][body] for at in positions]), how)
                for body in range(n)
            ]
            for n, positions in self._positions.items()
        }

    def similarities(self, query: FloatArray) -> FloatArray:
        """Similarity of a query to every exemplar, (E,).

        It is 1 for equal sequences, and the less, the less they have in common; about 0.6 is usual
        for different actions. Where both have two bodies, the better of the two pairings counts;
        where only one of them has two, its other body counts as similarity 0.

        Args:
            query: A sequence, (1 or 2, S, F).
        """
        return self._compare(query, self._how.kernels)

    def mirrored_similarities(self, query: FloatArray) -> FloatArray:
        """Similarity of the mirror image of a query to every exemplar, (E,)."""
        return self._compare(mirror_sequence(query), (self._how.mirror,))

    def _compare(self, query: FloatArray, kernels: Sequence[Kernel]) -> FloatArray:
        result = np.zeros(self.size, np.float32)
        query = np.asarray(query, np.float32)
        with single_threaded():
            gaps = self_gaps(query, kernels, self._how.kernel_width)
            for count, positions in self._positions.items():
                table = [
                    [
                        bodies.similarities(body, kernels) + (gap + bodies.gaps(kernels)) / 2
                        for bodies in self._bodies[count]
                    ]
                    for body, gap in zip(query, gaps, strict=True)
                ]
                result[positions] = _best_pairing(table)
        return result


class _Bodies:
    """One body of each of E exemplars, (E, S, F)."""

    def __init__(self, sequences: FloatArray, how: SequenceConfig) -> None:
        sequences = np.asarray(sequences, np.float32)
        self._size = len(sequences)
        self._width = how.kernel_width
        self._gaps = {
            kernels: self_gaps(sequences, kernels, how.kernel_width)
            for kernels in (how.kernels, (how.mirror,))
        }
        self._by_step = {
            (content, part): _exemplar_side(content_of(part_of(sequences, part), content))
            for content, part in {(one.content, one.exemplar) for one in (*how.kernels, how.mirror)}
        }

    def gaps(self, kernels: Sequence[Kernel]) -> FloatArray:
        """What `similarities` lacks to 1 where an exemplar is compared with itself, (E,)."""
        return self._gaps[tuple(kernels)]

    def similarities(self, query: FloatArray, kernels: Sequence[Kernel]) -> FloatArray:
        """1 + width * log of the weighted mean of the kernels, (E,), for a body (S, F)."""
        asked = {
            (content, part): _query_side(content_of(part_of(query[None], part), content)[0])
            for content, part in {(one.content, one.clip) for one in kernels}
        }
        total = np.zeros(self._size)
        for steps in sorted({len(side) for side in asked.values()}):
            some = [one for one in kernels if len(asked[one.content, one.clip]) == steps]
            costs = np.empty((steps, steps, len(some), self._size), np.float32)
            for number, one in enumerate(some):
                clip, exemplar = (one.content, one.clip), (one.content, one.exemplar)
                np.matmul(asked[clip], self._by_step[exemplar], out=costs[:, :, number])
            distances = warping_distances(
                costs.reshape(steps, steps, -1), free=steps // _FREE_SHARE
            )
            for one, row in zip(some, distances.reshape(len(some), -1), strict=True):
                total += one.weight * np.exp(row / (-2 * steps * one.width))
        mean = total / sum(one.weight for one in kernels)
        return np.asarray(1 + self._width * np.log(mean), np.float32)


def self_gaps(sequences: FloatArray, kernels: Sequence[Kernel], width: float) -> FloatArray:
    """What the similarity of sequences to themselves lacks to 1, (N,).

    Halves of a sequence are not like the whole of it, so that the mean of the kernels is below 1
    also for equal sequences. The mean of two sequences is therefore divided by the root of what it
    is for each of them alone.

    Args:
        sequences: One body of each, (N, S, F).
        kernels: What is compared.
        width: `SequenceConfig.kernel_width`.
    """
    total = np.zeros(len(sequences))
    found: dict[tuple[str, frozenset[str]], FloatArray] = {}
    for one in kernels:
        key = one.content, frozenset((one.clip, one.exemplar))
        if key not in found:
            found[key] = _dissimilarities(sequences, one)
        total += one.weight * np.exp(found[key] / -one.width)
    mean = total / sum(one.weight for one in kernels)
    return np.asarray(-width * np.log(mean), np.float32)


def _dissimilarities(sequences: FloatArray, kernel: Kernel) -> FloatArray:
    """Dissimilarity of two parts of each sequence (N, S, F), (N,)."""
    if kernel.clip == kernel.exemplar:
        return np.zeros(len(sequences), np.float32)
    one, other = (
        content_of(part_of(sequences, part), kernel.content)
        for part in (kernel.clip, kernel.exemplar)
    )
    costs = np.square(one).sum(axis=2)[:, :, None] + np.square(other).sum(axis=2)[:, None]
    costs -= 2 * one @ other.transpose(0, 2, 1)
    steps = one.shape[1]
    by_pair = np.ascontiguousarray(costs.transpose(1, 2, 0))
    distances = warping_distances(by_pair, free=steps // _FREE_SHARE)
    return np.asarray(distances / (2 * steps))


def _query_side(steps: FloatArray) -> FloatArray:
    """Steps (S, C) as (S, C + 2), whose products with those of exemplars are squared distances."""
    squares = np.square(steps).sum(axis=1, keepdims=True)
    return np.concatenate((-2 * steps, squares, np.ones_like(squares)), axis=1)


def _exemplar_side(steps: FloatArray) -> FloatArray:
    """The same of exemplars (E, S, C), as (S, C + 2, E)."""
    squares = np.square(steps).sum(axis=2, keepdims=True)
    sides = np.concatenate((steps, np.ones_like(squares), squares), axis=2)
    return np.ascontiguousarray(sides.transpose(1, 2, 0))


def warping_distances(
    costs: FloatArray, *, free: int = 0, price: float = _FREE_PRICE
) -> FloatArray:
    """Dynamic time warping of many pairs: the cost of the cheapest path from end to end.

    A path advances by one step in either sequence or in both (Sakoe and Chiba, "Dynamic programming
    algorithm optimization for spoken word recognition", 1978, symmetric form without weights). At
    either end, some steps of one of the sequences may be left out, for a price. All pairs advance
    together, one diagonal of their tables after the other.

    Args:
        costs: Cost of matching step i of one sequence with step j of the other, (S, S, E).
        free: How many steps may be left out at either end.
        price: Cost of a step that is left out.

    Returns:
        The cost for each pair, (E,).
    """
    steps, _, pairs = costs.shape
    flat = costs.reshape(steps * steps, pairs)
    end_diagonal = 2 * steps - 2
    best = np.full(pairs, np.inf, costs.dtype)
    # Element column + 1 is the cost of the path to that column of the diagonal.
    before, last, here = np.full((3, steps + 1, pairs), np.inf, costs.dtype)
    for diagonal in range(end_diagonal + 1):
        first, end = max(0, diagonal - steps + 1), min(diagonal, steps - 1) + 1
        start = (diagonal - first) * steps + first
        along = flat[start :: -(steps - 1)][: end - first] if steps > 1 else flat
        here[first] = np.inf
        here[end + 1 :][:1] = np.inf
        reached = here[first + 1 : end + 1]
        np.minimum(last[first:end], last[first + 1 : end + 1], out=reached)
        np.minimum(reached, before[first:end], out=reached)
        if diagonal <= free:  # a path may begin here, at the first step of one of the sequences
            np.minimum(reached[0], price * diagonal, out=reached[0])
            np.minimum(reached[-1], price * diagonal, out=reached[-1])
        reached += along
        left_out = end_diagonal - diagonal
        if left_out <= free:  # a path may end here, at the last step of one of the sequences
            np.minimum(best, reached[0] + price * left_out, out=best)
            np.minimum(best, reached[-1] + price * left_out, out=best)
        before, last, here = last, here, before
    return best


def _best_pairing(table: list[list[FloatArray]]) -> FloatArray:
    """Mean similarity of the better pairing, from the similarities of bodies [query][exemplar]."""
    if len(table) == 1:
        return np.asarray(np.max(table[0], axis=0) / len(table[0]))
    if len(table[0]) == 1:
        return np.asarray(np.maximum(table[0][0], table[1][0]) / 2)
    straight, crossed = table[0][0] + table[1][1], table[0][1] + table[1][0]
    return np.asarray(np.maximum(straight, crossed) / 2)
