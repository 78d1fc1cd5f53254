"""Similarity of sequences by dynamic time warping, of one query to many exemplars at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, cached_property
from typing import TYPE_CHECKING

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.machine import single_threaded
from stars_infer.similarity.comparison import Kernel, SequenceConfig
from stars_infer.similarity.contents import content_of, part_of
from stars_infer.similarity.sequence import mirror_sequence

if TYPE_CHECKING:
    from stars_infer.similarity.compiled import CompiledBodies

FREE_SHARE = 4
"""One step in so many may be left out at either end of either sequence."""
FREE_PRICE = 0.3
"""What a step costs that is left out; two steps that have nothing in common cost 2."""
BAND_SHARE = 0.375
"""Steps are matched that are at most this share of all steps apart (the band of Sakoe and Chiba):
more freedom changes no accuracy, and less costs time."""
_BLOCK = 128
"""Exemplars that are compared at once with NumPy: with more, their costs leave the cache."""
_PATIENCE = 100_000
"""Pairs of bodies that are compared with NumPy before Numba is loaded, which takes about as long as
comparing them. Small indexes never wait for it."""
_PAIRS_PER_CALL = 200
"""What one call with NumPy takes at least, in pairs."""

Contents = Callable[[str, str], FloatArray]
"""Gives a content of a part of some sequences."""


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

    def whole_similarities(self, query: FloatArray) -> FloatArray:
        """The same without kernels of halves, (E,); low where one clip shows half of the other."""
        return self._compare(query, self._how.whole_kernels)

    def mirrored_similarities(self, query: FloatArray) -> FloatArray:
        """Similarity of the mirror image of a query to every exemplar, (E,)."""
        return self._compare(mirror_sequence(query), (self._how.mirror,))

    def _compare(self, query: FloatArray, kernels: tuple[Kernel, ...]) -> FloatArray:
        result = np.zeros(self.size, np.float32)
        form = _compiled_form(self._how) if _compiling_pays(self.size * len(query)) else None
        with single_threaded():
            asked = [_Asked(body, kernels, self._how, form) for body in query]
            for count, positions in self._positions.items():
                table = [
                    [bodies.similarities(body) for bodies in self._bodies[count]] for body in asked
                ]
                result[positions] = _best_pairing(table)
        return result


class _Asked:
    """One body of a query, (S, F), by which kernels it is compared, and in which form."""

    def __init__(
        self,
        sequence: FloatArray,
        kernels: tuple[Kernel, ...],
        how: SequenceConfig,
        form: type[CompiledBodies] | None,
    ) -> None:
        sequences = np.asarray(sequence[None], np.float32)
        self.kernels = kernels
        self._steps = how.steps
        self.contents = contents_of(sequences)
        self.compiled = None if form is None else form(sequences, how)
        if self.compiled is None:
            self.gap = self_gaps(sequences, kernels, how.kernel_width, self.contents)
        else:
            self.gap = 1 - _mean_of_kernels(self.compiled_distances(self.compiled), kernels, how)

    def compiled_distances(self, bodies: CompiledBodies) -> FloatArray:
        """Warping distances to other bodies, (K, E), in the compiled form."""
        assert self.compiled is not None
        return bodies.distances(
            self.compiled,
            self.kernels,
            free=self._steps // FREE_SHARE,
            price=FREE_PRICE,
            band=band_of(self._steps),
        )


class _Bodies:
    """One body of each of E exemplars, (E, S, F); arranged for a form when that is first used."""

    def __init__(self, sequences: FloatArray, how: SequenceConfig) -> None:
        self._sequences = np.asarray(sequences, np.float32)
        self._how = how
        self._gaps: dict[tuple[Kernel, ...], FloatArray] = {}

    def similarities(self, asked: _Asked) -> FloatArray:
        """Similarity of a body to each of these, (E,); 1 where they are equal."""
        if asked.compiled is None:
            distances = self._distances(asked)
        else:
            distances = asked.compiled_distances(self._compiled)
        similar = _mean_of_kernels(distances, asked.kernels, self._how)
        return np.asarray(similar + (asked.gap + self._self_gaps(asked.kernels)) / 2)

    def _distances(self, asked: _Asked) -> FloatArray:
        """Warping distances to each of these, (K, E), with NumPy."""
        # Parts of the clip that meet the same part of the exemplars are multiplied at once.
        groups: dict[tuple[str, str], list[int]] = {}
        for number, one in enumerate(asked.kernels):
            groups.setdefault((one.content, one.exemplar), []).append(number)
        clips = {
            (content, exemplar): np.stack(
                [_query_side(asked.contents(content, asked.kernels[n].clip)[0]) for n in group]
            )
            for (content, exemplar), group in groups.items()
        }
        order = [number for group in groups.values() for number in group]
        steps, count = self._sequences.shape[1], len(self._sequences)
        band = band_of(steps)
        result = np.empty((len(order), count), np.float32)
        for start in range(0, count, _BLOCK):
            block = slice(start, min(start + _BLOCK, count))
            costs = np.empty((steps, len(order), steps, block.stop - start), np.float32)
            done = 0
            for which, group in clips.items():
                exemplars = self._by_step[which]
                for j in range(steps):
                    near = slice(max(0, j - band), j + band + 1)
                    np.matmul(
                        group[:, near],
                        exemplars[j, :, block],
                        out=costs[j, done : done + len(group), near],
                    )
                done += len(group)
            result[order, block] = warping_distances(
                costs.swapaxes(1, 2), free=steps // FREE_SHARE, band=band
            )
        return result

    @cached_property
    def _by_step(self) -> dict[tuple[str, str], FloatArray]:
        """What queries are multiplied by with NumPy."""
        contents = contents_of(self._sequences)
        for some in (self._how.kernels, (self._how.mirror,)):
            self._self_gaps(some, contents)
        return {
            (content, part): _exemplar_side(contents(content, part))
            for content, part in {
                (one.content, one.exemplar) for one in (*self._how.kernels, self._how.mirror)
            }
        }

    @cached_property
    def _compiled(self) -> CompiledBodies:
        """What queries of the compiled form are compared with."""
        form = _compiled_form(self._how)
        assert form is not None
        vars(self).pop("_by_step", None)  # will not be needed any more
        return form(self._sequences, self._how)

    def _self_gaps(
        self, kernels: tuple[Kernel, ...], contents: Contents | None = None
    ) -> FloatArray:
        """See `self_gaps`."""
        if kernels not in self._gaps:
            width = self._how.kernel_width
            self._gaps[kernels] = self_gaps(self._sequences, kernels, width, contents)
        return self._gaps[kernels]


def _mean_of_kernels(
    distances: FloatArray, kernels: Sequence[Kernel], how: SequenceConfig
) -> FloatArray:
    """1 + width * log of the weighted mean of the kernels, (E,), from distances (K, E)."""
    total = np.zeros(distances.shape[1])
    for one, row in zip(kernels, distances, strict=True):
        total += one.weight * np.exp(row / (-2 * how.steps * one.width))
    mean = total / sum(one.weight for one in kernels)
    return np.asarray(1 + how.kernel_width * np.log(mean), np.float32)


_pairs_compared = 0


def expect_many_pairs() -> None:
    """Load Numba, if it is installed, with the next comparison: for programs that run for long."""
    global _pairs_compared
    _pairs_compared = max(_pairs_compared, _PATIENCE)


def _compiling_pays(pairs: int) -> bool:
    """Count what is compared, and say whether it is enough for Numba to be worth loading."""
    global _pairs_compared
    _pairs_compared += pairs + _PAIRS_PER_CALL
    return _pairs_compared > _PATIENCE


@cache
def _compiled_form(how: SequenceConfig) -> type[CompiledBodies] | None:
    """The compiled form, if Numba is installed and these kernels can be compared by it."""
    try:
        from stars_infer.similarity.compiled import CompiledBodies
    except ImportError:
        return None
    return CompiledBodies if CompiledBodies.can_compare(how) else None


def contents_of(sequences: FloatArray) -> Contents:
    """Contents of parts of sequences (N, S, F), each of which is computed once."""
    return cache(lambda content, part: content_of(part_of(sequences, part), content))


def self_gaps(
    sequences: FloatArray,
    kernels: Sequence[Kernel],
    width: float,
    contents: Contents | None = None,
) -> FloatArray:
    """What the similarity of sequences to themselves lacks to 1, (N,).

    Halves of a sequence are not like the whole of it, so that the mean of the kernels is below 1
    also for equal sequences. The mean of two sequences is therefore divided by the root of what it
    is for each of them alone.

    Args:
        sequences: One body of each, (N, S, F).
        kernels: What is compared.
        width: `SequenceConfig.kernel_width`.
        contents: Of the sequences, if they are known.
    """
    contents = contents or contents_of(sequences)
    total = np.zeros(len(sequences))
    found = _own_dissimilarities(contents, kernels)
    for one in kernels:
        dissimilar = found.get((one.content, frozenset((one.clip, one.exemplar))), np.zeros(1))
        total += one.weight * np.exp(dissimilar / -one.width)
    mean = total / sum(one.weight for one in kernels)
    return np.asarray(-width * np.log(mean), np.float32)


def _own_dissimilarities(
    contents: Contents, kernels: Sequence[Kernel]
) -> dict[tuple[str, frozenset[str]], FloatArray]:
    """Dissimilarities (N,) of different parts of the same sequences, by content and parts."""
    pairs = dict.fromkeys(
        (one.content, frozenset((one.clip, one.exemplar)))
        for one in kernels
        if one.clip != one.exemplar
    )
    if not pairs:
        return {}
    costs = []
    for content, parts in pairs:
        one, other = (contents(content, part) for part in sorted(parts))
        between = one @ (-2 * other).transpose(0, 2, 1)
        between += np.einsum("nsc,nsc->ns", one, one)[:, :, None]
        between += np.einsum("nsc,nsc->ns", other, other)[:, None]
        costs.append(between.transpose(1, 2, 0))
    by_pair = np.stack(costs, axis=2)
    steps = len(by_pair)
    distances = warping_distances(by_pair, free=steps // FREE_SHARE, band=band_of(steps))
    return dict(zip(pairs, distances / (2 * steps), strict=True))


def _query_side(steps: FloatArray) -> FloatArray:
    """Steps (S, C) as (S, C + 2), whose products with those of exemplars are squared distances."""
    squares = np.square(steps).sum(axis=1, keepdims=True)
    return np.concatenate((-2 * steps, squares, np.ones_like(squares)), axis=1)


def _exemplar_side(steps: FloatArray) -> FloatArray:
    """The same of exemplars (E, S, C), as (S, C + 2, E)."""
    count, length, width = steps.shape
    sides = np.ones((length, width + 2, count), np.float32)
    sides[:, :width] = steps.transpose(1, 2, 0)
    sides[:, -1] = np.einsum("nsc,nsc->sn", steps, steps)
    return sides


def band_of(steps: int) -> int:
    """How far apart steps may be that are matched, of sequences of so many."""
    return int(BAND_SHARE * steps)


def warping_distances(
    costs: FloatArray, *, free: int = 0, price: float = FREE_PRICE, band: int | None = None
) -> FloatArray:
    """Dynamic time warping of many pairs: the cost of the cheapest path from end to end.

    A path advances by one step in either sequence or in both (Sakoe and Chiba, "Dynamic programming
    algorithm optimization for spoken word recognition", 1978, symmetric form without weights). At
    either end, some steps of one of the sequences may be left out, for a price. All pairs advance
    together, one diagonal of their tables after the other.

    Args:
        costs: Cost of matching step i of one sequence with step j of the other, (S, S, ...).
        free: How many steps may be left out at either end.
        price: Cost of a step that is left out.
        band: How far apart steps may be that are matched, at least `free`; any if not given. Costs
            of those that are further apart are not read.

    Returns:
        The cost for each pair, in the shape of the further axes.
    """
    steps, _, *pairs = costs.shape
    band = steps if band is None else max(band, free)
    end_diagonal = 2 * steps - 2
    best = np.full(pairs, np.inf, costs.dtype)
    # Element column + 1 is the cost of the path to that column of the diagonal.
    before, last, here = np.full((3, steps + 1, *pairs), np.inf, costs.dtype)
    for diagonal in range(end_diagonal + 1):
        first = max(0, diagonal - steps + 1, (diagonal - band + 1) // 2)
        end = min(diagonal, steps - 1, (diagonal + band) // 2) + 1
        upwards = costs[::-1][steps - 1 - diagonal + first :]
        along = np.einsum("ii...->i...", upwards[: end - first, first:end])
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
