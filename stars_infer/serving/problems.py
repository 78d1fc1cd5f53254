"""What a client is told when something is wrong: a status, and the sentence of the command line."""

from __future__ import annotations

import math
import sqlite3
from typing import Any

from stars_infer.errors import (
    ClipError,
    ExemplarIndexError,
    MissingExtraError,
    ProviderError,
    ServerError,
    StarsError,
    UsageError,
)
from stars_infer.shared.store import StoreError

KINDS: dict[type[StarsError], str] = {
    ClipError: "clip",
    UsageError: "usage",
    ExemplarIndexError: "index",
    MissingExtraError: "extra",
}
"""Names of errors, by which a client raises the same ones; all others are `server`."""


def come_again(problem: str, seconds: float, *, status: int = 503) -> ServerError:
    """The refusal of a request that may be answered later.

    Args:
        problem: One sentence.
        seconds: After how many seconds.
        status: 503, or 429 if there are too many requests.
    """
    return ServerError(status, problem, retry_after=max(1, math.ceil(seconds)))


def status_of(error: StarsError) -> int:
    """The status of HTTP that an error has."""
    if isinstance(error, ServerError):
        return error.status
    if isinstance(error, UsageError):
        return 400
    if isinstance(error, ClipError):
        return 422
    if isinstance(error, StoreError):  # the database of a shared index is away
        return 503
    if isinstance(error, ExemplarIndexError):
        # Busy or damaged; without a cause, it does not fit what is asked.
        return 503 if isinstance(error.__cause__, sqlite3.Error) else 409
    if isinstance(error, ProviderError):  # what runs the network, such as a Triton server, is gone
        return 503
    return 501 if isinstance(error, MissingExtraError) else 500


def headers_of(error: StarsError) -> dict[str, str]:
    """Further headers of the answer to a request that failed."""
    if isinstance(error, ServerError):
        if error.retry_after is not None:
            return {"Retry-After": str(error.retry_after)}
        if error.status == 401:
            return {"WWW-Authenticate": "Bearer"}
    return {"Retry-After": "5"} if isinstance(error, StoreError) else {}


def body_of(error: StarsError) -> dict[str, Any]:
    """What is said of an error, in JSON."""
    kind = next((kind for cls, kind in KINDS.items() if isinstance(error, cls)), "server")
    said: dict[str, Any] = {"error": str(error), "kind": kind}
    if isinstance(error, ClipError):
        said |= {"source": error.source, "problem": error.problem}
    return said
