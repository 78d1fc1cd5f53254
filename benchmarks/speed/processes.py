"""Run each measurement in its own process, so that it measures only its own memory."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Sequence
from multiprocessing.context import SpawnContext
from typing import Any

Measured = dict[str, Any]


def in_process(what: Callable[[Any], Measured], task: object) -> Measured:
    """Run a function in a new process."""
    context: SpawnContext = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(what, (task,))


def time_each(queries: Sequence[Any], call: Callable[[Any], Any]) -> tuple[list[float], list[Any]]:
    """Call a function for each query: seconds and answers."""
    spent, answers = [], []
    for query in queries:
        began = time.perf_counter()
        answers.append(call(query))
        spent.append(time.perf_counter() - began)
    return spent, answers


def peak_memory() -> int:
    """Largest memory of this process so far, in bytes."""
    import resource

    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
