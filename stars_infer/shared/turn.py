"""One writer of a shared index after the other.

Databases of this kind know neither transactions nor locks. Whoever wants to write puts an entry
into the log that says so, and then looks whether others have. Of two writers, the one that looks
later sees both entries; so at most one finds itself alone, and has the turn. Who does not, takes
the entry back, and tries again when the others are done.

An entry that does not change for `LEASE` seconds, as its reader's own clock counts them, is of a
writer that is gone, and removed; while the database does not answer, no time is counted. A writer
that has not renewed its entry for half of that writes nothing more. No clocks of different machines
are compared. A writer that was killed on the same machine is told at once.
"""

from __future__ import annotations

import json
import os
import platform
import random
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from stars_infer.shared.store import Entry, Store, StoreError

LEASE = 60.0
_LOOK = 1.0
"""Seconds that pass at most, as they are counted, between two answers of the database."""
WISHES = -1
"""Number of the entries of those who want to write."""
_PAUSE, _LONGEST_PAUSE = 0.01, 0.2
_PREFIX = "turn-"


@dataclass(slots=True)
class _Seen:
    text: str
    at: float
    seconds: float = 0.0

    def again(self, text: str, now: float) -> _Seen:
        """What is known once an entry was seen once more."""
        if text != self.text:
            return _Seen(text, now)
        return _Seen(text, now, self.seconds + min(now - self.at, _LOOK))


class Turn:
    """The turn to write, while it is held.

    Args:
        store: The database.
        key: Of the entry that holds it.
    """

    def __init__(self, store: Store, key: str) -> None:
        self._store, self._key, self._beats = store, key, 0
        self._put()

    def _put(self) -> None:
        self._renewed = time.monotonic()  # before it is written: from then on others may count
        who = {
            "machine": platform.node(),
            "process": os.getpid(),
            "system": _system(),
            "life": _life(os.getpid()),
        }
        text = json.dumps({**who, "beats": self._beats})
        self._store.put_entry(Entry(key=self._key, number=WISHES, text=text))

    def check(self) -> None:
        """Make sure that the turn is still held, and that it will be for a while.

        Raises:
            StoreError: If it is not.
        """
        if time.monotonic() - self._renewed > LEASE / 2:
            raise StoreError(f"{self._store}: was too slow to write to; try again")

    def renew(self) -> None:
        """Hold the turn for longer, where that is needed.

        Raises:
            StoreError: If it has been taken.
        """
        if time.monotonic() - self._renewed < LEASE / 8:
            return
        self.check()
        if self._key not in {one.key for one in self._store.entries(WISHES, 1)}:
            raise StoreError(f"{self._store}: another writer has taken over; try again")
        self._beats += 1
        self._put()


class Turns:
    """Gives the turn to write, to one thread of one program at a time.

    Args:
        store: The database.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._seen: dict[str, _Seen] = {}

    @contextmanager
    def taken(self, wait: float) -> Iterator[Turn]:
        """Wait for the turn, and hold it.

        Args:
            wait: Seconds at most.

        Raises:
            StoreError: If others write for longer, or the database does not answer.
        """
        end = time.monotonic() + wait
        if not self._lock.acquire(timeout=wait):
            raise self._late(wait, "another part of this program")
        try:
            turn, key = self._take(end, wait)
            try:
                yield turn
            finally:
                with suppress(StoreError):  # else it runs out
                    self._store.remove_entry(key)
        finally:
            self._lock.release()

    def _take(self, end: float, wait: float) -> tuple[Turn, str]:
        pause = _PAUSE
        others: list[Entry] = []
        while True:
            if not others:
                key = f"{_PREFIX}{uuid.uuid4().hex}"
                try:
                    turn = Turn(self._store, key)
                    others = self._others(key)
                except BaseException:
                    with suppress(StoreError):
                        self._store.remove_entry(key)
                    raise
                if not others:
                    return turn, key
                self._store.remove_entry(key)
            if time.monotonic() > end:
                raise self._late(wait, _name_of(others[0]))
            time.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(2 * pause, _LONGEST_PAUSE)
            others = self._others("")

    def _others(self, own: str) -> list[Entry]:
        """Entries of others, without those of writers that are gone, which are removed."""
        now = time.monotonic()
        found = [one for one in self._store.entries(WISHES, 1) if one.key != own]
        self._seen = {
            one.key: self._seen.get(one.key, _Seen(one.text, now)).again(one.text, now)
            for one in found
        }
        gone = [one for one in found if self._seen[one.key].seconds > LEASE or _is_dead(one)]
        for one in gone:
            self._store.remove_entry(one.key)
        return [one for one in found if one not in gone]

    def _late(self, wait: float, who: str) -> StoreError:
        return StoreError(
            f"{self._store}: {who} has been writing to it for {wait:g} s; try again when it is done"
        )


def _is_dead(entry: Entry) -> bool:
    """Whether a process of this machine wrote an entry, and has ended."""
    try:
        who = json.loads(entry.text)
        process, system, life = int(who["process"]), who["system"], who["life"]
        return bool(system and life and system == _system() and _life(process) != life)
    except (ValueError, TypeError, KeyError):
        return False


def _name_of(entry: Entry) -> str:
    with suppress(ValueError, TypeError, KeyError):
        who = json.loads(entry.text)
        machine = "".join(one for one in str(who["machine"])[:64] if one.isprintable())
        return f"process {int(who['process'])} of {machine}"
    return "another program"


def _life(process: int) -> str:
    """When a process began, on Linux; empty where there is none, or that cannot be told."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace")
        return fields.rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


@cache
def _system() -> str:
    """What no other run of any system has, nor another container; empty if it cannot be told.

    Names of machines are no such thing: many have the same.
    """
    try:
        namespace = os.readlink("/proc/self/ns/pid")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
    return f"{boot} {namespace}"
