"""Threads of NumPy's linear algebra."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache

from threadpoolctl import ThreadpoolController


def single_threaded() -> AbstractContextManager[object]:
    """Run small matrix products on one thread.

    Several threads win nothing on matrices of some hundred rows, and where other processes use the
    cores they wait for each other, up to forty times as long as one takes alone.
    """
    limited: AbstractContextManager[object] = _controller().limit(limits=1, user_api="blas")
    return limited


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()
