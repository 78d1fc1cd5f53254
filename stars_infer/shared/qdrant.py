"""A shared index in Qdrant, or in Qdrant's local mode within this program."""

from __future__ import annotations

import os
import threading
import uuid
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from stars_infer.errors import MissingExtraError
from stars_infer.shared.place import QDRANT, Place, secret_variable
from stars_infer.shared.store import LONG_SECONDS, Entry, StoredRow, StoreError

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

_PAGE = 256
_ALL: dict[str, Any] = {"consistency": "all"}
"""All copies of a cluster agree on what is read."""
_LOCAL: dict[str, tuple[QdrantClient, threading.RLock, int]] = {}
"""Clients of folders, the lock of each, and how many stores use it."""
_GUARD = threading.Lock()


class QdrantStore:
    """Two collections: one of exemplars, and the log, whose name ends in `_log`.

    It connects when it is first asked, which raises a `MissingExtraError` if Qdrant's client is not
    installed.

    Args:
        place: Where.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._table, self._log = place.collection, f"{place.collection}_log"
        self._secret = os.environ.get(secret_variable(QDRANT), "")
        self._connected: QdrantClient | None = None
        self._lock = threading.RLock()
        self._closed = False

    def __str__(self) -> str:
        return str(self._place)

    def exists(self) -> bool:
        """Whether both collections are there."""
        with self._calls() as client:
            return all(client.collection_exists(name) for name in (self._table, self._log))

    def create(self, width: int) -> None:
        """Make the collections, unless they are there; others may do so at once."""
        from qdrant_client import models

        vectors = models.VectorParams(size=width, distance=models.Distance.COSINE)
        with self._calls() as client:
            for name, config in ((self._table, vectors), (self._log, {})):
                if client.collection_exists(name):
                    continue
                try:
                    client.create_collection(name, vectors_config=config)
                    if self._place.path is None:  # local mode keeps no such index
                        client.create_payload_index(name, "number", "integer", wait=True)
                except Exception:
                    if not client.collection_exists(name):
                        raise

    def entries(self, first: int, count: int) -> list[Entry]:
        """Entries with the numbers first, …, first + count - 1, by number."""
        from qdrant_client import models

        within = models.Range(gte=first, lt=first + count)
        wanted = models.Filter(must=[models.FieldCondition(key="number", range=within)])
        found: list[Entry] = []
        offset = None
        while True:
            with self._calls() as client:
                points, offset = client.scroll(
                    self._log, scroll_filter=wanted, limit=_PAGE, offset=offset, **_ALL
                )
            payloads = [point.payload or {} for point in points]
            found += [
                Entry(key=one["key"], number=one["number"], text=one["text"]) for one in payloads
            ]
            if offset is None:
                return sorted(found, key=lambda entry: entry.number)

    def put_entry(self, entry: Entry) -> None:
        """Write an entry, in the place of the one with its key."""
        payload = {"key": entry.key, "number": entry.number, "text": entry.text}
        self._put(self._log, [(entry.key, {}, payload)])

    def remove_entry(self, key: str) -> None:
        """Remove an entry, if it is there."""
        with self._calls() as client:
            client.delete(self._log, [_id_of(key)], wait=True, ordering="strong")

    def put_rows(self, rows: Sequence[StoredRow]) -> None:
        """Write rows, in the place of those with their keys."""
        self._put(
            self._table,
            [
                (
                    row.key,
                    row.vector.tolist(),
                    {
                        "key": row.key,
                        "number": row.number,
                        "label": row.label,
                        "source": row.source,
                        "text": row.text,
                    },
                )
                for row in rows
            ],
        )

    def rows(self, keys: Sequence[str]) -> dict[str, str]:
        """The texts of rows, as far as they are there."""
        with self._calls() as client:
            points = client.retrieve(
                self._table,
                [_id_of(key) for key in keys],
                with_payload=["key", "text"],
                **_ALL,
            )
        return {point.payload["key"]: point.payload["text"] for point in points if point.payload}

    def remove_rows(self, numbers: Sequence[int]) -> None:
        """Remove the rows of exemplars, by the numbers of those."""
        from qdrant_client import models

        among = models.MatchAny(any=list(numbers))
        wanted = models.Filter(must=[models.FieldCondition(key="number", match=among)])
        with self._calls() as client:
            client.delete(
                self._table,
                models.FilterSelector(filter=wanted),
                wait=True,
                ordering="strong",
            )

    def close(self) -> None:
        """End the connection, and the engine with its last user."""
        if not self._closed:
            self._closed = True
            self._disconnect()

    def _put(self, collection: str, points: list[tuple[str, Any, dict[str, Any]]]) -> None:
        from qdrant_client import models

        with self._calls() as client:
            client.upsert(
                collection,
                [
                    models.PointStruct(id=_id_of(key), vector=vector, payload=payload)
                    for key, vector, payload in points
                ],
                wait=True,
                ordering="strong",
            )

    @contextmanager
    def _calls(self) -> Iterator[Any]:
        """The client, whose errors become ours; after one, it connects anew.

        It takes more than its types say, such as the names of orders and of kinds of indexes.
        """
        try:
            with self._lock:
                client = self._connected or self._connect()
                self._connected = client
            if self._place.path is None:
                yield client
            else:
                with self._lock:
                    yield client
        except (StoreError, MissingExtraError):
            raise
        except Exception as error:  # of the client, of HTTP and of files
            self._disconnect()
            raise StoreError(f"{self}: {self._said(error)}; {self._remedy()}") from None

    def _connect(self) -> QdrantClient:
        try:
            from qdrant_client import QdrantClient
        except ImportError as error:
            raise MissingExtraError("an index in Qdrant", "qdrant", "qdrant_client") from error
        if self._place.path is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of keys sent without TLS: docs/scale.md says it
                return QdrantClient(
                    url=self._place.url,
                    api_key=self._secret or None,
                    timeout=round(LONG_SECONDS),
                    check_compatibility=False,
                )
        path = str(self._place.path)
        with _GUARD:
            client, self._lock, users = _LOCAL.get(path) or (
                QdrantClient(path=path),
                threading.RLock(),
                0,
            )
            _LOCAL[path] = client, self._lock, users + 1
        return client

    def _disconnect(self) -> None:
        client, self._connected = self._connected, None
        if client is None:
            return
        if self._place.path is not None:
            path = str(self._place.path)
            with _GUARD:
                client, lock, users = _LOCAL[path]
                _LOCAL[path] = client, lock, users - 1
                if users > 1:
                    return
                del _LOCAL[path]
        try:
            client.close()
        except Exception:  # it is broken, and thrown away
            return

    def _said(self, error: Exception) -> str:
        """What an error says, without the secret."""
        text = " ".join(str(error).split())[:300] or type(error).__name__
        return (text.replace(self._secret, "…") if self._secret else text).rstrip(".")

    def _remedy(self) -> str:
        if self._place.path is not None:
            return "one program at a time can use it; for several, run a server of Qdrant"
        variable = secret_variable(QDRANT)
        return f"check that Qdrant runs there, and what {variable} holds if it asks for a key"


def _id_of(key: str) -> str:
    """The name of a point, which must be a UUID."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, key))
