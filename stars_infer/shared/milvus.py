"""A shared index in Milvus, or in Milvus Lite within this program."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stars_infer.errors import MissingExtraError
from stars_infer.shared.place import MILVUS, Place, secret_variable
from stars_infer.shared.store import LONG_SECONDS, SECONDS, Entry, StoredRow, StoreError

if TYPE_CHECKING:
    from pymilvus import MilvusClient

_PIECE, _PIECES = 60_000, 4096
"""Bytes of a text that an array of Milvus holds in one place, and places."""
_LONGEST = 1024
_AT_MOST = 16_384
"""Entities that a query of Milvus returns at most."""
_STRONG = "Strong"
"""All that was written before a query began is seen by it."""
_CONNECTION = {
    "grpc.initial_reconnect_backoff_ms": 200,
    "grpc.max_reconnect_backoff_ms": 2000,  # a server that is back is found soon
    "grpc.use_local_subchannel_pool": 1,
}
_EMBEDDED: dict[str, threading.RLock] = {}
_USERS: dict[str, int] = {}
_GUARD = threading.Lock()


@dataclass(slots=True)
class _Connection:
    """A client, and how many calls use it now."""

    client: MilvusClient
    users: int = 0

    def close(self) -> None:
        with suppress(Exception):  # it is broken, and thrown away
            self.client.close()


class MilvusStore:
    """Two collections: one of exemplars, and the log, whose name ends in `_log`.

    Args:
        place: Where.

    It connects when it is first asked, which raises a `MissingExtraError` if Milvus's client is not
    installed.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._table, self._log = place.collection, f"{place.collection}_log"
        self._secret = os.environ.get(secret_variable(MILVUS), "")
        self._connected: _Connection | None = None
        self._lock: threading.RLock | None = None
        self._connecting = threading.Lock()
        if place.path is not None:  # whose engine takes one writer at a time
            with _GUARD:
                self._lock = _EMBEDDED.setdefault(str(place.path), threading.RLock())
                _USERS[str(place.path)] = _USERS.get(str(place.path), 0) + 1
        self._closed = self._started = False

    def __str__(self) -> str:
        return str(self._place)

    def exists(self) -> bool:
        """Whether both collections are there."""
        with self._calls() as client:
            there = set(client.list_collections(timeout=SECONDS))
        return {self._table, self._log} <= there

    def create(self, width: int) -> None:
        """Make the collections, unless they are there; others may do so at once."""
        from pymilvus import DataType, MilvusClient

        text = {"max_capacity": _PIECES, "max_length": 65_535}
        for name, size in ((self._table, width), (self._log, 2)):
            schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
            schema.add_field("key", DataType.VARCHAR, is_primary=True, max_length=64)
            schema.add_field("number", DataType.INT64)
            if name == self._table:
                schema.add_field("label", DataType.VARCHAR, max_length=_LONGEST)
                schema.add_field("source", DataType.VARCHAR, max_length=_LONGEST)
            schema.add_field("text", DataType.ARRAY, element_type=DataType.VARCHAR, **text)
            schema.add_field("vector", DataType.FLOAT_VECTOR, dim=size)
            with self._calls() as client:
                if client.has_collection(name, timeout=SECONDS):
                    continue
                indexes = client.prepare_index_params()
                indexes.add_index("vector", index_type="AUTOINDEX", metric_type="COSINE")
                indexes.add_index("number", index_type="INVERTED")
                try:
                    client.create_collection(
                        name,
                        schema=schema,
                        index_params=indexes,
                        consistency_level=_STRONG,
                        timeout=SECONDS,
                    )
                except Exception:
                    if not client.has_collection(name, timeout=SECONDS):
                        raise

    def entries(self, first: int, count: int) -> list[Entry]:
        """Entries with the numbers first, …, first + count - 1, by number."""
        found = self._query(
            self._log,
            f"number >= {first} and number < {first + count}",
            ["key", "number", "text"],
        )
        made = [
            Entry(key=one["key"], number=one["number"], text="".join(one["text"])) for one in found
        ]
        return sorted(made, key=lambda entry: entry.number)

    def put_entry(self, entry: Entry) -> None:
        """Write an entry, in the place of the one with its key."""
        row = {
            "key": entry.key,
            "number": entry.number,
            "text": _pieces(entry.text),
            "vector": [1.0, 0.0],  # for every collection must have one
        }
        with self._calls() as client:
            client.upsert(self._log, [row], timeout=SECONDS)

    def remove_entry(self, key: str) -> None:
        """Remove an entry, if it is there."""
        with self._calls() as client:
            client.delete(self._log, ids=[key], timeout=SECONDS)

    def put_rows(self, rows: Sequence[StoredRow]) -> None:
        """Write rows, in the place of those with their keys."""
        made = [
            {
                "key": row.key,
                "number": row.number,
                "label": _short(row.label),
                "source": _short(row.source),
                "text": _pieces(row.text),
                "vector": row.vector.tolist(),
            }
            for row in rows
        ]
        with self._calls() as client:
            client.upsert(self._table, made, timeout=LONG_SECONDS)

    def rows(self, keys: Sequence[str]) -> dict[str, str]:
        """The texts of rows, as far as they are there."""
        wanted = ", ".join(f'"{key}"' for key in keys)
        found = self._query(self._table, f"key in [{wanted}]", ["key", "text"])
        return {one["key"]: "".join(one["text"]) for one in found}

    def remove_rows(self, numbers: Sequence[int]) -> None:
        """Remove the rows of exemplars, by the numbers of those."""
        with self._calls() as client:
            for start in range(0, len(numbers), _LONGEST):
                wanted = ", ".join(map(str, numbers[start : start + _LONGEST]))
                client.delete(self._table, filter=f"number in [{wanted}]", timeout=SECONDS)

    def close(self) -> None:
        """End the connection, and the engine with its last user."""
        if self._closed:
            return
        self._closed = True
        self._disconnect()
        if self._place.path is None:
            return
        path = str(self._place.path)
        with _GUARD:
            _USERS[path] -= 1
            if not _USERS[path] and self._started:
                from milvus_lite import server_manager_instance

                server_manager_instance.release_server(path)

    def _query(self, collection: str, wanted: str, fields: list[str]) -> list[dict[str, Any]]:
        with self._calls() as client:
            return list(
                client.query(
                    collection,
                    filter=wanted,
                    output_fields=fields,
                    limit=_AT_MOST,
                    consistency_level=_STRONG,
                    timeout=SECONDS,
                )
            )

    @contextmanager
    def _calls(self) -> Iterator[MilvusClient]:
        """The client, whose errors become ours; after one, it connects anew."""
        connection = None
        try:
            with self._lock or nullcontext():
                connection = self._taken()
                yield connection.client
        except (StoreError, MissingExtraError):
            raise
        except Exception as error:  # of pymilvus and of gRPC, which have no common base
            self._disconnect()
            raise StoreError(f"{self}: {self._said(error)}; {self._remedy()}") from None
        finally:
            if connection is not None:
                self._give_back(connection)

    def _taken(self) -> _Connection:
        with self._connecting:
            if self._connected is None:
                self._connected = _Connection(self._connect())
            self._connected.users += 1
            return self._connected

    def _give_back(self, connection: _Connection) -> None:
        """Close a connection that is to be closed, with its last user."""
        with self._connecting:
            connection.users -= 1
            if connection.users or connection is self._connected:
                return
        connection.close()

    def _connect(self) -> MilvusClient:
        try:
            from pymilvus import MilvusClient
        except ImportError as error:
            raise MissingExtraError("an index in Milvus", "milvus", "pymilvus") from error
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # what it says, we say
        logging.getLogger("milvus_lite").setLevel(logging.CRITICAL)
        place = self._place
        if place.path is None:
            client = MilvusClient(
                place.url,
                token=self._secret,
                db_name=place.database,
                timeout=SECONDS,
                dedicated=True,
                grpc_options=_CONNECTION,
            )
        else:
            place.path.parent.mkdir(parents=True, exist_ok=True)
            client = MilvusClient(str(place.path), timeout=SECONDS, dedicated=True)
            self._started = True
        for name in set(client.list_collections(timeout=SECONDS)) & {self._table, self._log}:
            client.load_collection(name, timeout=SECONDS)
        return client

    def _disconnect(self) -> None:
        with self._connecting:
            connection, self._connected = self._connected, None
            if connection is None or connection.users:
                return
        connection.close()

    def _said(self, error: Exception) -> str:
        """What an error says, without the secret."""
        text = str(getattr(error, "message", "") or error)
        if callable(getattr(error, "code", None)) and callable(getattr(error, "details", None)):
            text = f"{error.code().name}, {error.details()}"  # type: ignore[attr-defined]  # gRPC
        text = text.strip().split("\n")[0][:300]
        return (text.replace(self._secret, "…") if self._secret else text).rstrip(".")

    def _remedy(self) -> str:
        if self._place.path is not None:
            return (
                "one program at a time can use it; for several, run `milvus-lite server --data-dir "
                "DIR --host 127.0.0.1 --max-workers 1` and name milvus://127.0.0.1:19530/COLLECTION"
            )
        variable = secret_variable(MILVUS)
        return f"check that Milvus runs there, and what {variable} holds if it asks for a token"


def _pieces(text: str) -> list[str]:
    """A text, which is ASCII, as an array of Milvus holds it."""
    return [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)]


def _short(text: str) -> str:
    """As much of a text as a field takes, which counts bytes."""
    return text.encode()[:_LONGEST].decode(errors="ignore")
