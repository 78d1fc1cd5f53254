"""Measurements in processes of their own, so that memory is their own."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Sequence
from multiprocessing.context import SpawnContext
from typing import Any

Measured = dict[str, Any]


def in_process(what: Callable[[Any], Measured], task: object) -> Measured:
    """Run a function in a process of its own, so that memory is its own."""
    context: SpawnContext = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(what, (task,))


def each(queries: Sequence[Any], call: Callable[[Any], Any]) -> tuple[list[float], list[Any]]:
    """Seconds of each query, and answers."""
    spent, answers = [], []
    for query in queries:
        began = time.perf_counter()
        answers.append(call(query))
        spent.append(time.perf_counter() - began)
    return spent, answers


def most_memory() -> int:
    """The most bytes that this process has held in memory."""
    import resource

    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
