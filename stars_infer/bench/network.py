"""How fast each runtime embeds, and whether its vectors are those of float32."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from datetime import date
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.bench.timing import Times, time_calls
from stars_infer.encoder.agreement import example_bodies, reference_vectors, smallest_cosine
from stars_infer.encoder.model import ModelInfo
from stars_infer.errors import ModelError, ProviderError, check_range
from stars_infer.machine import cpu_name, resident_memory, usable_cores
from stars_infer.parallel import ReportProgress
from stars_infer.runtimes.open import available_choices, open_runtime
from stars_infer.runtimes.runtime import EXACT, Runtime, RuntimeChoice
from stars_infer.runtimes.saved import SavedRuntime, save_runtime

BATCHES = (1, 8, 32)
_PATIENCE = 4.0
"""A batch size is left out if one run is expected to take more than this times `seconds`."""
_NEARLY = 0.95
"""A smaller batch is preferred if it reaches this share of the highest rate."""

Opener = Callable[[Path, RuntimeChoice], Runtime]
Skip = Callable[[RuntimeChoice, ProviderError | ModelError], None]
"""What to do about a runtime that does not run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One runtime, measured in one precision at one batch size.

    Attributes:
        how: The runtime, its precision and its batch size.
        times: What one batch took.
        memory: Bytes that its process held afterwards; None where the system does not say.
        agreement: Smallest cosine between its vectors and those of float32, over a few clips.
    """

    how: RuntimeChoice
    times: Times
    memory: int | None
    agreement: float

    @property
    def clips_per_second(self) -> float:
        """Clips of one body that it embeds per second."""
        return (self.how.batch or 1) / self.times.p50

    @property
    def exact(self) -> bool:
        """Whether its vectors count as those of float32, see `EXACT`."""
        return self.agreement >= EXACT


def choices_here(graph: Path) -> list[RuntimeChoice]:
    """Every way to run a graph here: each device and precision, the CPU with one thread and all.

    Args:
        graph: The graph of a model; forms of it that lie beside it, such as an engine, count too.

    Raises:
        MissingExtraError: If no runtime is installed.
    """
    choices: list[RuntimeChoice] = []
    for choice in available_choices(graph):
        if choice.device == "cpu" and usable_cores() > 1:
            choices.append(replace(choice, threads=1))
        choices.append(choice)
    return choices


def measure_runtimes(
    graph: Path,
    info: ModelInfo,
    *,
    seconds: float = 1.0,
    skip: Skip | None = None,
    progress: ReportProgress | None = None,
) -> Iterator[Measured]:
    """Measure every runtime that is installed here, each in a process of its own.

    Args:
        graph: The graph of the model.
        info: The model.
        seconds: How long each batch size is timed, s; batches that take much longer are left out.
        skip: Called for a runtime that does not run; if not given, its error is raised.
        progress: Called before each runtime and at the end, with the number done and of all.

    Yields:
        Each runtime at each batch size; `best_of` chooses among them.

    Raises:
        ProviderError: If a runtime does not run, and there is no `skip`.
        ModelError: If the graph cannot be loaded, and there is no `skip`.
        MissingExtraError: If no runtime is installed.
    """
    check_range("seconds", seconds, above=0)
    choices = choices_here(graph)
    bodies = example_bodies(info)
    reference = reference_vectors(graph, bodies)
    for done, how in enumerate(choices):
        if progress is not None:
            progress(done, len(choices))
        try:
            yield from measure_apart(graph, how, bodies, reference, seconds=seconds)
        except (ProviderError, ModelError) as error:
            if skip is None:
                raise
            skip(how, error)
    if progress is not None:
        progress(len(choices), len(choices))


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
    """Measure a runtime at several batch sizes, in this process.

    Args:
        graph: The graph of the model.
        how: The runtime; its batch size does not matter.
        bodies: Prepared bodies (N, T, 25, 3), meters.
        reference: Their float32 vectors (N, D).
        seconds: How long each batch size is timed, s; batches that take much longer are left out.
        batches: Batch sizes, ascending.
        opener: Loads the graph.

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
        times = time_calls(lambda several=several: runtime.run(several), seconds)  # type: ignore[misc]
        rows.append(
            Measured(
                how=replace(runtime.choice, batch=batch),
                times=times,
                memory=resident_memory(),
                agreement=agreement,
            )
        )
    return rows


def measure_apart(
    graph: Path, how: RuntimeChoice, bodies: FloatArray, reference: FloatArray, *, seconds: float
) -> list[Measured]:
    """Measure a runtime in a process of its own, whose memory is the runtime's alone.

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
    """The fastest runtime whose vectors are those of float32, or None if there is none.

    Where a smaller batch is nearly as fast, it is the better choice.
    """
    exact = [row for row in rows if row.exact]
    if not exact:
        return None
    good = _NEARLY * max(row.clips_per_second for row in exact)
    near = [row for row in exact if row.clips_per_second >= good]
    return min(near, key=lambda row: (row.how.batch or 1, row.times.p50))


def save_best(best: Measured, info: ModelInfo) -> Path:
    """Embed with a runtime from now on, for this model and machine.

    Returns:
        The file of settings that was written.

    Raises:
        StarsError: If it cannot be written.
    """
    return save_runtime(
        SavedRuntime(
            choice=best.how,
            model=info.name,
            fingerprint=info.fingerprint,
            cpu=cpu_name(),
            clips_per_second=round(best.clips_per_second, 3),
            measured=date.today().isoformat(),
        )
    )
