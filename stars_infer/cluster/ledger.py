"""Who embeds which clip, and which files end the processes that read them: one book for all nodes.

A clip that lies in two places is embedded by the shard that asks first. A shard that was not
finished keeps its claims when it is done again; those of finished shards are read from them when a
job goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

_BLAMED = 2
"""Processes that must have ended while they read a file before it is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """How a shard is to be done.

    Attributes:
        careful: Whether a process ended at it before, so that each file is told before it is read.
        left_out: Files at which processes ended again and again.
    """

    careful: bool
    left_out: frozenset[str]


class Book(Protocol):
    """A ledger, or what stands for one on another machine."""

    def begin(self, shard: int) -> Start:
        """Note that a shard is begun."""

    def at(self, shard: int, source: str) -> None:
        """Note that a file is about to be read."""

    def claim(self, shard: int, hashes: Sequence[str]) -> list[bool]:
        """Say which clips a shard is to embed."""


class Ledger:
    """The book itself.

    Args:
        kept: For clips that are embedded already, by `Clip.content_hash`, the shard that holds
            them.
    """

    def __init__(self, kept: Mapping[str, int] | None = None) -> None:
        self._owner = {bytes.fromhex(one): shard for one, shard in (kept or {}).items()}
        self._begun: set[int] = set()
        self._at: dict[int, str] = {}
        self._ended: Counter[str] = Counter()

    def claims(self) -> dict[str, int]:
        """For each clip that somebody embeds, by content hash, the shard."""
        return {one.hex(): shard for one, shard in self._owner.items()}

    def begin(self, shard: int) -> Start:
        """Note that a shard is begun; if it was begun before, a process ended at it."""
        careful = shard in self._begun
        self._begun.add(shard)
        if (last := self._at.pop(shard, None)) is not None:
            self._ended[last] += 1
        left_out = frozenset(name for name, times in self._ended.items() if times >= _BLAMED)
        return Start(careful=careful, left_out=left_out)

    def at(self, shard: int, source: str) -> None:
        """Note that a file of a shard is about to be read."""
        self._at[shard] = source

    def claim(self, shard: int, hashes: Sequence[str]) -> list[bool]:
        """Say which clips a shard is to embed: those that no other shard has asked for."""
        return [self._owner.setdefault(bytes.fromhex(one), shard) == shard for one in hashes]
