"""How fast each runtime embeds, and whether it gives the vectors of float32."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.bench.timing import Times, timed
from stars_infer.encoder.agreement import smallest_cosine
from stars_infer.errors import ProviderError
from stars_infer.machine import resident_memory, usable_cores
from stars_infer.runtimes.open import available_choices, open_runtime
from stars_infer.runtimes.runtime import EXACT, Runtime, RuntimeChoice

BATCHES = (1, 8, 32)
_PATIENCE = 4.0
"""A batch is left out if it is expected to run longer than this, times the seconds asked for."""
_NEARLY = 0.95
"""Share of the highest rate that is as good, if its batch is smaller."""

Opener = Callable[[Path, RuntimeChoice], Runtime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One runtime in one precision at one batch.

    Attributes:
        how: What ran.
        times: Of a batch.
        memory: Bytes that its process held after it; None where the system does not say.
        agreement: Smallest cosine of its vectors to those of float32, over some clips.
    """

    how: RuntimeChoice
    times: Times
    memory: int | None
    agreement: float

    @property
    def clips_per_second(self) -> float:
        """Clips of one body."""
        return (self.how.batch or 1) / self.times.p50

    @property
    def exact(self) -> bool:
        """Whether it gives the vectors of float32."""
        return self.agreement >= EXACT


def choices_here(graph: Path) -> list[RuntimeChoice]:
    """What can be measured of a graph: every device and precision, the CPU with one thread and all.

    Args:
        graph: Of a model; what its directory has files for is among them.

    Raises:
        MissingExtraError: If no runtime is installed.
    """
    choices: list[RuntimeChoice] = []
    for choice in available_choices(graph):
        if choice.device == "cpu" and usable_cores() > 1:
            choices.append(replace(choice, threads=1))
        choices.append(choice)
    return choices


def measure(
    graph: Path,
    how: RuntimeChoice,
    bodies: FloatArray,
    reference: FloatArray,
    *,
    seconds: float,
    batches: Sequence[int] = BATCHES,
    opener: Opener = open_runtime,
) -> list[Measured]:
    """Measure a runtime at all batches, in this process.

    Args:
        graph: The encoder.
        how: The runtime; its batch does not matter.
        bodies: Prepared bodies (N, T, 25, 3).
        reference: Their float32 vectors (N, D).
        seconds: Of timing for each batch; one that would take much longer is left out.
        batches: Bodies run at once, ascending.
        opener: What loads the graph.

    Raises:
        ProviderError: If the runtime does not run here.
        ModelError: If the graph cannot be loaded.
    """
    runtime = opener(graph, how)
    vectors = np.concatenate([runtime.run(bodies[at : at + 1]) for at in range(len(bodies))])
    agreement = smallest_cosine(vectors, reference)
    rows: list[Measured] = []
    for batch in batches:
        if rows:
            last = rows[-1]
            if batch / last.clips_per_second > _PATIENCE * seconds:
                break
        several = np.ascontiguousarray(np.resize(bodies, (batch, *bodies.shape[1:])))
        times = timed(lambda several=several: runtime.run(several), seconds)  # type: ignore[misc]
        rows.append(
            Measured(
                how=replace(runtime.how, batch=batch),
                times=times,
                memory=resident_memory(),
                agreement=agreement,
            )
        )
    return rows


def measure_apart(
    graph: Path, how: RuntimeChoice, bodies: FloatArray, reference: FloatArray, *, seconds: float
) -> list[Measured]:
    """`measure` in a process of its own, so that memory is the runtime's alone.

    Raises:
        ProviderError: If the runtime does not run here, or ends its process.
        ModelError: If the graph cannot be loaded.
    """
    try:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            return pool.submit(measure, graph, how, bodies, reference, seconds=seconds).result()
    except BrokenProcessPool as error:
        raise ProviderError(f"{how} ended its process: do not use it on this machine") from error


def best_of(rows: Sequence[Measured]) -> Measured | None:
    """The fastest that gives the vectors of float32; of nearly as fast ones the smallest batch.

    None if none gives them.
    """
    exact = [row for row in rows if row.exact]
    if not exact:
        return None
    good = _NEARLY * max(row.clips_per_second for row in exact)
    near = [row for row in exact if row.clips_per_second >= good]
    return min(near, key=lambda row: (row.how.batch or 1, row.times.p50))
