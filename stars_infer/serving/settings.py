"""What a server allows, and what its clients must show."""

from __future__ import annotations

from dataclasses import dataclass, fields

from stars_infer.errors import check_range
from stars_infer.machine import usable_cores
from stars_infer.serving.keys import NO_KEYS, Keys

MEGABYTE = 1 << 20
_MOST_READERS = 8
"""Most processes that are started by default: one that names clips takes up what these read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a request may ask for, and how much waits at once.

    Attributes:
        body: Most bytes of a request.
        files: Most files of a request, and most clips in them.
        frames: Most frames of a clip or a recording.
        joints: Most joints of a body.
        seconds: Time in which a request must be read and answered, each.
        queue: Most requests that wait or are worked on; others are told to come again.
        batch: Most requests that are named together.
        readers: Processes that read clips; None for one a core.
        memory: Bytes that a process may take to read a clip, beyond what it takes idle.
        watchers: Most streams at once.
        connections: Most connections at once.
        spool: Most bytes of bodies that are kept at once, of all requests together.
        grace: Seconds that requests in flight have to finish when the server is stopped.

    Raises:
        UsageError: If a number is out of range.
    """

    body: int = 32 * MEGABYTE
    files: int = 64
    frames: int = 36_000
    joints: int = 500
    seconds: float = 30.0
    queue: int = 32
    batch: int = 16
    readers: int | None = None
    memory: int = 1024 * MEGABYTE
    watchers: int = 8
    connections: int = 256
    spool: int = 512 * MEGABYTE
    grace: float = 30.0

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name in ("seconds", "grace"):
                check_range(one.name, value, above=0, at_most=86_400)
            elif one.name == "batch":  # the library's own bound
                check_range(one.name, value, at_least=2, whole=True)
            else:
                check_range(one.name, value, at_least=1, whole=True)

    @property
    def processes(self) -> int:
        """How many processes read clips."""
        return self.readers or min(usable_cores(), _MOST_READERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who may ask.

    Attributes:
        keys: The keys that clients show; without any, everybody may do everything.
        hosts: Names by which clients may call the server, without port; empty for any.
    """

    keys: Keys = NO_KEYS
    hosts: frozenset[str] = frozenset()
