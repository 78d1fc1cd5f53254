"""How many requests are worked on at once; others are told to come again, and when."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from stars_infer.serving.problems import come_again

_WEIGHT = 0.1
"""Of the latest request in the mean time of requests."""


class Gate:
    """Lets in so many requests at once.

    Args:
        most: How many.

    Attributes:
        inside: How many are inside.
        refused: How many were not let in so far.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._mean = 0.0
        self.inside = self.refused = 0

    def check(self) -> None:
        """Refuse a request if there is no room.

        Raises:
            ServerError: 429; it may come again after the time that a request takes now.
        """
        if self.inside >= self._most:
            self.refused += 1
            raise come_again(
                f"{self.inside} requests are being answered, which is all that wait here: come "
                "again later",
                self._mean,
                status=429,
            )

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Take a place for a while.

        Raises:
            ServerError: If there is none.
        """
        self.check()
        began = time.monotonic()
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1
            self._mean += _WEIGHT * (time.monotonic() - began - self._mean)
