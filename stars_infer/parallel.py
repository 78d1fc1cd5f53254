"""Apply a function to many items in several processes, with results in order and few in flight."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from importlib import import_module
from multiprocessing import get_context, parent_process
from typing import TypeVar

from stars_infer.errors import StarsError
from stars_infer.machine import single_threaded

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

ReportProgress = Callable[[int, int], None]
"""Is called with how much of a long piece of work is done, and of how much."""

_AHEAD = 3
"""Chunks in flight for each process; memory holds no more results than theirs."""
_LOOK = 0.05
"""Seconds of work from which the time for the rest is estimated."""


def ordered_map(
    function: Callable[[_Item], _Result],
    items: Sequence[_Item],
    *,
    workers: int,
    chunk: int,
    patience: float | None = None,
    remedy: str = "run the command again with fewer --workers",
) -> Iterator[_Result]:
    """Apply a function to items, and yield the results in the order of the items.

    Processes are spawned and not forked, since libraries that run threads do not survive a fork.

    Args:
        function: The function, which is pickled; an error that it raises ends the iteration.
        items: The items, which are pickled a few at a time.
        workers: Number of processes. With 1, or with few items, this process does the work.
        chunk: Number of items that a process is handed at a time.
        patience: Other processes start only if the rest of the work would take more seconds than
            this. Until they have started, this process does the work. With None, they start at once
            and do all of it.
        remedy: Advice in the message when a process was killed.

    Raises:
        StarsError: If a process is killed from outside.
    """
    workers = min(workers, -(-len(items) // chunk))
    if workers <= 1:
        yield from map(function, items)
        return
    done = 0
    if patience is not None:
        for result in _until_too_long(function, items, patience):
            done += 1
            yield result
        if len(items) - done <= chunk:
            yield from map(function, items[done:])
            return
    pool = ProcessPoolExecutor(workers, get_context("spawn"), begin_worker)
    try:
        with _uninterrupted():
            there = [pool.submit(_nothing) for _ in range(workers)]
        if patience is not None:
            while done < len(items) and not all(future.done() for future in there):
                done += 1
                yield function(items[done - 1])
        rest = items[done:]
        chunks = [rest[start : start + chunk] for start in range(0, len(rest), chunk)]
        yield from _by_processes(pool, function, chunks, ahead=_AHEAD * workers)
    except BrokenProcessPool as error:
        raise StarsError(
            f"a worker process was killed, perhaps for want of memory: {remedy}"
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let Ctrl-C wait, here and in processes that are started, which ignore it once they run."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _until_too_long(
    function: Callable[[_Item], _Result], items: Sequence[_Item], patience: float
) -> Iterator[_Result]:
    """Yield results until the rest is estimated to take longer than `patience` seconds."""
    spent = 0.0
    for number, item in enumerate(items, start=1):
        began = time.perf_counter()
        result = function(item)
        spent += time.perf_counter() - began
        yield result
        if spent >= _LOOK and spent / number * (len(items) - number) > patience:
            return


def _by_processes(
    pool: ProcessPoolExecutor,
    function: Callable[[_Item], _Result],
    chunks: Sequence[Sequence[_Item]],
    *,
    ahead: int,
) -> Iterator[_Result]:
    waiting: deque[Future[list[_Result]]] = deque()
    for part in chunks:
        waiting.append(pool.submit(_apply, function, part))
        if len(waiting) >= ahead:
            yield from waiting.popleft().result()
    while waiting:
        yield from waiting.popleft().result()


def _apply(function: Callable[[_Item], _Result], items: Sequence[_Item]) -> list[_Result]:
    return [function(item) for item in items]


def _nothing() -> None:
    """Do nothing; that it was done shows that a process has started."""


def begin_worker() -> None:
    """Set up a process: use one core, ignore Ctrl-C, and end when the parent is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    import_module("numpy")  # the limit applies only to libraries that are loaded
    single_threaded().__enter__()
    parent = parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
