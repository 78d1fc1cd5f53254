"""A thread that brings the local copy of a shared index up to date, again and again."""

from __future__ import annotations

import threading
import time

from stars_infer.errors import StarsError
from stars_infer.shared.mirror import LOGGER, Mirror

INTERVAL = 0.25
"""Seconds between two looks at the database."""
_LONGEST = 5.0
"""The same while it does not answer."""


class Follower:
    """Follows a shared index until it is stopped.

    Args:
        mirror: The copy.
        name: Of the index, for the log.
        reached: Whether the database answered last.
    """

    def __init__(self, mirror: Mirror, name: str, *, reached: bool) -> None:
        self._mirror, self._name = mirror, name
        self._pause = INTERVAL
        self._away_since = None if reached else time.time()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"follow {name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop, once what is begun is done."""
        self._stopped.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=_LONGEST)

    def _run(self) -> None:
        while not self._stopped.wait(self._pause):
            try:
                self._mirror.catch_up()
            except StarsError as error:
                self._fail(error)
            except Exception as error:  # whatever the database's client raises: follow on
                self._fail(error)
            else:
                if self._away_since is not None:
                    LOGGER.warning("%s: can be reached again", self._name)
                self._away_since, self._pause = None, INTERVAL

    def _fail(self, error: Exception) -> None:
        """Say so once, and ask less often."""
        if self._stopped.is_set():
            return
        if self._away_since is None:
            self._away_since = time.time()
            since = time.strftime("%H:%M:%S", time.localtime(self._away_since))
            LOGGER.warning("%s; answers are those of %s, and nothing can be changed", error, since)
        self._pause = min(2 * self._pause, _LONGEST)
