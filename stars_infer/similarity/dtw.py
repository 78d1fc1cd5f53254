"""Similarity of sequences by dynamic time warping, of one query to many exemplars at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.machine import single_threaded


class WarpingGallery:
    """Sequences of exemplars, arranged in memory for fast warping.

    Args:
        sequences: The sequence of each exemplar, (1 or 2 bodies, S, F); S and F are the same for
            all.
    """

    def __init__(self, sequences: Sequence[FloatArray]) -> None:
        self.size = len(sequences)
        counts = np.array([len(sequence) for sequence in sequences])
        self._positions = {n: np.flatnonzero(counts == n) for n in sorted(set(counts.tolist()))}
        self._bodies = {
            n: [
                _Bodies(np.stack([sequences[int(at)][body] for at in positions]))
                for body in range(n)
            ]
            for n, positions in self._positions.items()
        }

    def similarities(self, query: FloatArray) -> FloatArray:
        """Similarity of a query to every exemplar, (E,).

        It is 1 for equal sequences and about 0 for two that have nothing in common. Where both have
        two bodies, the better of the two pairings counts; where only one of them has two, its other
        body counts as similarity 0.

        Args:
            query: A sequence, (1 or 2, S, F).
        """
        result = np.zeros(self.size, np.float32)
        with single_threaded():
            for count, positions in self._positions.items():
                table = [
                    [bodies.similarities(body) for bodies in self._bodies[count]] for body in query
                ]
                result[positions] = _best_pairing(table)
        return result


def similarities_once(query: FloatArray, sequences: Sequence[FloatArray]) -> FloatArray:
    """Similarity of a query to exemplars that are needed for this query only, (E,).

    The result is that of `WarpingGallery.similarities`, without arranging the exemplars in memory,
    which would take longer than comparing them once.

    Args:
        query: A sequence, (1 or 2, S, F).
        sequences: The sequence of each exemplar, (1 or 2, S, F).
    """
    counts = np.array([len(sequence) for sequence in sequences])
    result = np.zeros(len(sequences), np.float32)
    with single_threaded():
        for count in np.unique(counts):
            positions = np.flatnonzero(counts == count)
            exemplars = np.stack([sequences[int(at)] for at in positions]).astype(np.float32)
            table = [
                [_similar_once(body, exemplars[:, other]) for other in range(count)]
                for body in np.asarray(query, np.float32)
            ]
            result[positions] = _best_pairing(table)
    return result


def _similar_once(query: FloatArray, exemplars: FloatArray) -> FloatArray:
    """1 - d / 2S, (E,), where d is the warping distance of a body (S, F) to others (E, S, F)."""
    pairs, steps, width = exemplars.shape
    products = np.matmul(exemplars.reshape(-1, width), (-2 * query).T).reshape(pairs, -1)
    costs = np.ascontiguousarray(products.T).reshape(steps, len(query), pairs)
    costs += np.einsum("esf,esf->se", exemplars, exemplars)[:, None]
    costs += np.square(query).sum(axis=1)[None, :, None]
    return np.asarray(1 - warping_distances(costs) / (2 * steps))


class _Bodies:
    """One body of each of E exemplars."""

    def __init__(self, sequences: FloatArray) -> None:
        exemplars = np.asarray(sequences, np.float32)
        self._steps = exemplars.shape[1]
        self._by_step = np.ascontiguousarray(exemplars.transpose(1, 2, 0))  # (S, F, E)
        self._squares = np.square(self._by_step).sum(axis=1)  # (S, E)

    def similarities(self, query: FloatArray) -> FloatArray:
        """1 - d / 2S, (E,), where d is the warping distance to a body (S, F)."""
        query = np.asarray(query, np.float32)
        costs = np.matmul(-2 * query, self._by_step)  # (S', S, E): exemplar's step, query's step
        costs += self._squares[:, None]
        costs += np.square(query).sum(axis=1)[:, None]
        return np.asarray(1 - warping_distances(costs) / (2 * self._steps))


def warping_distances(costs: FloatArray) -> FloatArray:
    """Dynamic time warping of many pairs: the cost of the cheapest path from corner to corner.

    A path advances by one step in either sequence or in both (Sakoe and Chiba, "Dynamic programming
    algorithm optimization for spoken word recognition", 1978, symmetric form without weights). All
    pairs advance together, one diagonal of their tables after the other.

    Args:
        costs: Cost of matching step i of one sequence with step j of the other, (S, S, E).

    Returns:
        The cost for each pair, (E,).
    """
    steps, _, pairs = costs.shape
    flat = costs.reshape(steps * steps, pairs)
    # Element column + 1 is the cost of the path to that column of the diagonal.
    before, last, here = np.full((3, steps + 1, pairs), np.inf, costs.dtype)
    for diagonal in range(2 * steps - 1):
        first, end = max(0, diagonal - steps + 1), min(diagonal, steps - 1) + 1
        start = (diagonal - first) * steps + first
        along = flat[start :: -(steps - 1)][: end - first] if steps > 1 else flat
        here[:] = np.inf
        reached = here[first + 1 : end + 1]
        if diagonal:
            np.minimum(last[first:end], last[first + 1 : end + 1], out=reached)
            np.minimum(reached, before[first:end], out=reached)
            reached += along
        else:
            reached[:] = along
        before, last, here = last, here, before
    return np.asarray(last[steps])


def _best_pairing(table: list[list[FloatArray]]) -> FloatArray:
    """Mean similarity of the better pairing, from the similarities of bodies [query][exemplar]."""
    if len(table) == 1:
        return np.asarray(np.max(table[0], axis=0) / len(table[0]))
    if len(table[0]) == 1:
        return np.asarray(np.maximum(table[0][0], table[1][0]) / 2)
    straight, crossed = table[0][0] + table[1][1], table[0][1] + table[1][0]
    return np.asarray(np.maximum(straight, crossed) / 2)
