"""Compare a clip with a thousand exemplars by time warping, in three forms.

    python benchmarks/speed/warping.py

The reference is one kernel of plain warping over steps of 120 numbers, which is what models were
compared by before there were several kernels. The forms take turns on one core, and only the time
for which they have it counts.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from report import machine, report

from stars_infer.arrays import FloatArray
from stars_infer.machine import single_threaded
from stars_infer.similarity import dtw
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.similarity.dtw import WarpingGallery

EXEMPLARS = 1000
REFERENCE_NUMBERS = 120
REFERENCE, NUMPY, COMPILED = "one kernel, NumPy", "all kernels, NumPy", "all kernels, compiled"


class PlainWarping:
    """One kernel: 1 - d / 2S for the warping distance d from end to end.

    Args:
        sequences: Of the exemplars, (E, S, F).
    """

    def __init__(self, sequences: FloatArray) -> None:
        self._steps = sequences.shape[1]
        self._by_step = np.ascontiguousarray(sequences.transpose(1, 2, 0))
        self._squares = np.square(self._by_step).sum(axis=1)

    def similarities(self, query: FloatArray) -> FloatArray:
        """Similarity of a sequence (S, F) to each, (E,)."""
        with single_threaded():
            costs = np.matmul(-2 * query, self._by_step)
            costs += self._squares[:, None]
            costs += np.square(query).sum(axis=1)[:, None]
            return np.asarray(1 - plain_distances(costs) / (2 * self._steps))


def plain_distances(costs: FloatArray) -> FloatArray:
    """Cost of the cheapest path from end to end of each table of costs (S, S, E), (E,)."""
    steps, _, pairs = costs.shape
    flat = costs.reshape(steps * steps, pairs)
    before, last, here = np.full((3, steps + 1, pairs), np.inf, costs.dtype)
    for diagonal in range(2 * steps - 1):
        first, end = max(0, diagonal - steps + 1), min(diagonal, steps - 1) + 1
        start = (diagonal - first) * steps + first
        here[:] = np.inf
        reached = here[first + 1 : end + 1]
        if diagonal:
            np.minimum(last[first:end], last[first + 1 : end + 1], out=reached)
            np.minimum(reached, before[first:end], out=reached)
            reached += flat[start :: -(steps - 1)][: end - first]
        else:
            reached[:] = flat[:1]
        before, last, here = last, here, before
    return np.asarray(last[steps])


def main() -> None:
    """Measure, print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--write", type=Path, help="Markdown file with the marks <!-- warping -->")
    options = parser.parse_args()
    how = SequenceConfig()
    random = np.random.default_rng(0)
    plain = PlainWarping(wandering(random, EXEMPLARS, how.steps, REFERENCE_NUMBERS))
    plain_query = wandering(random, 1, how.steps, REFERENCE_NUMBERS)[0]
    bodies = wandering(random, EXEMPLARS + 1, *how.shape[1:])
    gallery, query = WarpingGallery(list(bodies[1:, None]), how), bodies[:1]
    forms = {
        REFERENCE: lambda: plain.similarities(plain_query),
        NUMPY: lambda: in_form(gallery, query, compiled=False),
        COMPILED: lambda: in_form(gallery, query, compiled=True),
    }
    if dtw._compiled_form(how) is None:
        sys.exit("error: the compiled form needs Numba: pip install 'stars-infer[fast]'")
    apart = np.abs(forms[NUMPY]() - forms[COMPILED]()).max()
    spent: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(options.rounds):
        for name, form in forms.items():
            form()  # what the last one left in the cache is not this one's
            began = time.process_time()
            form()
            spent[name].append(1000 * (time.process_time() - began))
    medians = {name: statistics.median(times) for name, times in spent.items()}
    table = [["form", "ms", "of the reference"]]
    table += [
        [name, f"{taken:.2f}", f"{taken / medians[REFERENCE]:.2f}"]
        for name, taken in medians.items()
    ]
    about = f"A clip against {EXEMPLARS:,} exemplars, one core; the forms differ by {apart:.0e} "
    about += f"at most; {machine('numpy', 'numba')}."
    report(about, table, options.write, "warping")


def wandering(random: np.random.Generator, count: int, steps: int, numbers: int) -> FloatArray:
    """Sequences (count, steps, numbers) that go on smoothly."""
    first = random.normal(0, 0.3, (count, 1, numbers))
    changes = random.normal(0, 0.03, (count, steps, numbers))
    return np.asarray(first + changes.cumsum(axis=1), np.float32)


def in_form(gallery: WarpingGallery, query: FloatArray, *, compiled: bool) -> FloatArray:
    """Compare by one of the two forms, whatever was compared before."""
    dtw._pairs_compared = dtw._PATIENCE if compiled else 0
    return gallery.similarities(query)


if __name__ == "__main__":
    main()
