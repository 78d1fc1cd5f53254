"""Databases for tests: one in memory that fails at will, and the real ones that are installed."""

import importlib.util
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest

from stars_infer import Clip, Encoder
from stars_infer.index.index import NewExemplar
from stars_infer.shared.open import COPIES, open_index, open_shared
from stars_infer.shared.place import place_of
from stars_infer.shared.store import StoreError
from stars_infer.synthetic.actions import perform

PLACE = "milvus://nowhere:19530/stars"


class Database:
    """Holds what any number of `MemoryStore` see.

    Attributes:
        log: Entries by key.
        table: Rows by key.
        away: Whether it answers nothing.
        calls: How often it was asked to change something.
        fail_at: The number of the change that fails; None for none.
        lose_answers: Whether the change that fails is made all the same.
    """

    def __init__(self):
        self.log, self.table = {}, {}
        self.there = self.away = self.lose_answers = False
        self.calls, self.fail_at = 0, None
        self.lock = threading.Lock()


class Killed(BaseException):
    """The writer was killed here."""


class MemoryStore:
    def __init__(self, database, failure=StoreError):
        self._database, self._failure = database, failure

    def __str__(self):
        return PLACE

    @contextmanager
    def _reading(self):
        with self._database.lock:
            if self._database.away:
                raise StoreError(f"{self}: does not answer")
            yield self._database

    @contextmanager
    def _changing(self):
        with self._reading() as database:
            database.calls += 1
            fails = database.calls == database.fail_at
            if fails and not database.lose_answers:
                raise self._failure(f"{self}: failed")
            yield database
            if fails:
                raise self._failure(f"{self}: the answer was lost")

    def exists(self):
        with self._reading() as database:
            return database.there

    def create(self, width):
        with self._changing() as database:
            database.there = True

    def entries(self, first, count):
        with self._reading() as database:
            found = [e for e in database.log.values() if first <= e.number < first + count]
            return sorted(found, key=lambda entry: entry.number)

    def put_entry(self, entry):
        with self._changing() as database:
            database.log[entry.key] = entry

    def remove_entry(self, key):
        with self._changing() as database:
            database.log.pop(key, None)

    def put_rows(self, rows):
        with self._changing() as database:
            database.table |= {row.key: row for row in rows}

    def rows(self, keys):
        with self._reading() as database:
            return {key: database.table[key].text for key in keys if key in database.table}

    def remove_rows(self, numbers):
        with self._changing() as database:
            database.table = {k: r for k, r in database.table.items() if r.number not in numbers}

    def close(self):
        pass


class Hosts:
    """Opens one shared index as different machines would, each with a local copy of its own."""

    def __init__(self, kind, folder, monkeypatch):
        self.kind, self.folder, self._monkeypatch = kind, folder, monkeypatch
        self.database = Database()
        self.opened = []
        self.name = {
            "memory": PLACE,
            "milvus": f"milvus-lite:{folder}/shared.db",
            "qdrant": f"qdrant-local:{folder}/shared",
        }[kind]

    def open(self, host, model, *, create=True, failure=StoreError, **options):
        self._monkeypatch.setenv(COPIES, str(self.folder / host))
        if self.kind == "memory":
            index = open_shared(
                lambda: MemoryStore(self.database, failure),
                place_of(self.name),
                model,
                create=create,
                **options,
            )
        else:
            index = open_index(self.name, model, create=create, **options)
        self.opened.append(index)
        return index

    def close(self):
        for index in self.opened:
            index.close()


def need(kind):
    """Skip where a database is not installed."""
    packages = {"memory": [], "milvus": ["pymilvus", "milvus_lite"], "qdrant": ["qdrant_client"]}
    for package in packages[kind]:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed: pip install '.[milvus-lite,qdrant]'")


def examples(encoder, count=3, labels=("wave", "squat", "kick"), seed=0):
    """New exemplars, action by action."""
    random = np.random.default_rng(seed)
    clips = [
        (label, Clip.from_array(perform(label, random))) for label in labels for _ in range(count)
    ]
    features = encoder.encode([clip for _, clip in clips], defer_network=True)
    return [
        NewExemplar(
            label=label, features=one, source=f"{label}/{at}", content_hash=clip.content_hash
        )
        for at, ((label, clip), one) in enumerate(zip(clips, features, strict=True))
    ]


def shipped():
    """The model that every clone has; it names clips without its network."""
    return Encoder.load(device="cpu")


def soon(condition, seconds=120.0):
    """Wait until something is so, and say for how long that was."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds
        time.sleep(0.01)
    return time.monotonic() - began
