"""A function over many items by several processes: results in order, few in flight."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from typing import TypeVar

from stars_infer.errors import StarsError

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_AHEAD = 3
"""Chunks in flight per process: their results are all the memory that is needed."""


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def ordered_map(
    function: Callable[[_Item], _Result], items: Sequence[_Item], *, workers: int, chunk: int
) -> Iterator[_Result]:
    """Apply a function to items, yielding the results in the order of the items.

    Args:
        function: Pickled to the processes; what it raises ends the iteration.
        items: Pickled, a few at a time.
        workers: Processes; with 1, or with few items, the work is done in this one.
        chunk: Items that a process is handed at a time.

    Raises:
        StarsError: If a process is killed from outside.
    """
    workers = min(workers, -(-len(items) // chunk))
    if workers <= 1:
        yield from map(function, items)
        return
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _live_with_parent)
    waiting: deque[Future[list[_Result]]] = deque()
    chunks = (items[start : start + chunk] for start in range(0, len(items), chunk))
    try:
        for part in chunks:
            waiting.append(pool.submit(_apply, function, part))
            if len(waiting) >= _AHEAD * workers:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    except BrokenProcessPool as error:
        raise StarsError(
            "a worker process was killed, perhaps for want of memory: run the command again with "
            "fewer --workers; it goes on where it stopped"
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _apply(function: Callable[[_Item], _Result], items: Sequence[_Item]) -> list[_Result]:
    return [function(item) for item in items]


def _live_with_parent() -> None:
    """End this process when its parent is killed; leave Ctrl-C to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
