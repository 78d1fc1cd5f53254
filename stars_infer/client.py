"""The calls of a recognizer, answered by a server: see `stars serve`."""

from __future__ import annotations

import io
import json
import os
import secrets
import ssl
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack
from urllib.parse import quote, urlencode

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.atomic import written_beside
from stars_infer.classification.prediction import Neighbor, Prediction, Predictions
from stars_infer.embedding.additions import Added, Addition
from stars_infer.embedding.inputs import ConventionOptions
from stars_infer.errors import ClipError, UsageError, check_path
from stars_infer.index.exemplar import Exemplar
from stars_infer.index.labels import check_label
from stars_infer.readers.files import clip_files
from stars_infer.wire import Wire

KEY_VARIABLE = "STARS_KEY"
OneClip = str | os.PathLike[str] | NDArray[Any]
"""A file, a folder, or an array of positions (T, V, 3) or (M, T, V, 3)."""
_PAGE = 1000
_READS = frozenset({"classify", "chances", "search", "embed", "segment"})
"""Requests that send clips, and change nothing."""


class ViewsOptions(ConventionOptions, total=False):
    """How clips are read and compared, as for `Recognizer.predict`."""

    views: Sequence[str]


class PredictOptions(ViewsOptions, total=False):
    """How clips are read and named, as for `Recognizer.predict`."""

    people: str
    classifier: str
    k: int | None
    mirror: str
    false_accept_rate: float | None


class Client:
    """A recognizer elsewhere: adds examples, names clips and searches, by a server.

    Several threads may use one client; each has a connection of its own. Files are opened here, and
    go by the last part of their name.

    Args:
        url: Where the server is, such as `http://127.0.0.1:8000`.
        key: The key to show; that of the environment, `STARS_KEY`, if not given.
        timeout: Seconds to wait for an answer.
        tls: How the certificate of an `https` server is checked; by the system's own if not given.
        retries: How often a request is sent again that changes nothing, where the server says that
            it is full, after as many seconds as it says, or the connection broke.

    Raises:
        UsageError: If the address is none, or a number is out of range.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        key: str | None = None,
        timeout: float = 60.0,
        tls: ssl.SSLContext | None = None,
        retries: int = 3,
    ) -> None:
        self._wire = Wire(url, timeout=timeout, tls=tls, retries=retries)
        self.url = self._wire.url
        self._key = os.environ.get(KEY_VARIABLE) if key is None else key

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Client of {self.url}>"

    def __len__(self) -> int:
        """Examples of all actions."""
        return sum(self.counts.values())

    def close(self) -> None:
        """Close the connection of this thread."""
        self._wire.close()

    @property
    def labels(self) -> list[str]:
        """The actions, by name."""
        return list(self.counts)

    @property
    def counts(self) -> dict[str, int]:
        """Examples of each action, by name."""
        return dict(self._json("GET", "exemplars", {"limit": 0})["counts"])

    def exemplars(self, label: str | None = None) -> list[Exemplar]:
        """All examples, or those of an action, by label and then by age."""
        found: list[Exemplar] = []
        start: int | None = 0
        while start is not None:
            query = {"label": label, "start": start, "limit": _PAGE}
            page = self._json("GET", "exemplars", query)
            found += [Exemplar(**one) for one in page["exemplars"]]
            start = page["next"]
        return found

    def models(self) -> list[dict[str, Any]]:
        """The models that name clips there."""
        return list(self._json("GET", "models")["models"])

    def add(
        self, label: str, clips: OneClip | Iterable[OneClip], **options: Unpack[ConventionOptions]
    ) -> Added:
        """Add clips as examples of an action; as `Recognizer.add`, which skips what is wrong.

        Raises:
            StarsError: If no clip can be used, or the server does not take them.
        """
        said = self._send("exemplars", clips, {"label": check_label(label), **options})
        return Added(
            clips=tuple(
                Addition(
                    source=one["source"],
                    label=one["label"],
                    notes=tuple(one["notes"]),
                    known=None if one["known"] is None else Exemplar(**one["known"]),
                )
                for one in said["clips"]
            ),
            failures=_failures(said),
        )

    def predict(
        self, clips: OneClip | Iterable[OneClip], **options: Unpack[PredictOptions]
    ) -> Prediction | Predictions:
        """Name what clips show; as `Recognizer.predict`, which skips what is wrong.

        Returns:
            A `Prediction` for one file or array of one clip; else `Predictions`, in order.

        Raises:
            StarsError: If no clip can be used, or the server does not take them.
        """
        said = self._send("classify", clips, options)
        found = Predictions(map(_prediction, said["answers"]), _failures(said))
        alone = _is_one(clips) and options.get("people", "pooled") == "pooled" and len(found) == 1
        return found[0] if alone else found

    def predict_proba(
        self,
        clips: OneClip | Iterable[OneClip],
        *,
        classifier: str | None = None,
        k: int | None = None,
        **options: Unpack[ViewsOptions],
    ) -> NDArray[np.float64]:
        """How likely each action is: (C,) for one clip, (N, C) for several, as `labels`."""
        said = self._send("chances", clips, {"classifier": classifier, "k": k, **options})
        chances = np.array(self._all(said, "chances"), np.float64)
        return chances[0] if _is_one(clips) and len(chances) == 1 else chances

    def search(
        self, clips: OneClip | Iterable[OneClip], k: int = 5, **options: Unpack[ViewsOptions]
    ) -> list[Neighbor] | list[list[Neighbor]]:
        """Find the k nearest examples, nearest first; for each of several clips."""
        said = self._send("search", clips, {"k": k, **options})
        found = [
            [Neighbor(**one) for one in answer["neighbors"]]
            for answer in self._all(said, "answers")
        ]
        return found[0] if _is_one(clips) and len(found) == 1 else found

    def embed(
        self, clips: OneClip | Iterable[OneClip], **options: Unpack[ConventionOptions]
    ) -> FloatArray:
        """Vectors (N, D) of clips, all of which must be usable."""
        accept = {"Accept": "application/x-npy"}
        answer = self._ask("POST", "embed", options, *_form(clips), accept)
        vectors: FloatArray = np.load(io.BytesIO(answer), allow_pickle=False)
        return vectors

    def segment(self, clips: OneClip | Iterable[OneClip], **options: Any) -> list[dict[str, Any]]:
        """Find the actions in recordings, as `stars segment --json` prints them.

        The options are those of `/v1/segment`.
        """
        return list(self._all(self._send("segment", clips, options), "recordings"))

    def remove(self, label: str | None = None, *, ids: Sequence[int] = ()) -> int:
        """Remove an action with all its examples, or single examples; as `Recognizer.remove`."""
        query = {"label": label, "id": list(ids)}
        return int(self._json("DELETE", "exemplars", query)["changed"])

    def rename(self, old: str, new: str) -> int:
        """Give an action another name, or make it one with the action of that name."""
        what = {"label": old, "to": new}
        return int(self._json("PATCH", "exemplars", {}, what)["changed"])

    def relabel(self, ids: Sequence[int], label: str) -> int:
        """Make single examples those of another action."""
        what = {"ids": list(ids), "to": label}
        return int(self._json("PATCH", "exemplars", {}, what)["changed"])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a copy of the examples to a file, which `Recognizer.open` opens.

        Raises:
            UsageError: If there is something at that path.
        """
        place = check_path("path", path)
        if place.exists():
            raise UsageError(f"{place}: there is a file already; name another, or remove it")
        content = self._ask("GET", "exemplars/file")
        with written_beside(place) as beside:
            beside.write_bytes(content)

    def _all(self, said: dict[str, Any], what: str) -> Any:
        """A part of an answer for which no clip may have failed."""
        if failures := _failures(said):
            raise failures[0]
        return said[what]

    def _send(
        self, path: str, clips: OneClip | Iterable[OneClip], query: Mapping[str, Any]
    ) -> dict[str, Any]:
        return dict(json.loads(self._ask("POST", path, query, *_form(clips))))

    def _json(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        sent = None if body is None else json.dumps(body).encode()
        return dict(json.loads(self._ask(method, path, query or {}, "application/json", sent)))

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        kind: str | None = None,
        body: bytes | None = None,
        more: Mapping[str, str] | None = None,
    ) -> bytes:
        """Send a request; what the server refuses is raised as the error that it has there."""
        given = {name: _text(value) for name, value in (query or {}).items() if value is not None}
        target = f"{self._wire.path}/v1/{quote(path)}"
        if given:
            target += f"?{urlencode(given, doseq=True)}"
        headers = {"Accept": "application/json", **(more or {})}
        if kind is not None and body is not None:
            headers["Content-Type"] = kind
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        again = method == "GET" or path in _READS
        return self._wire.ask(method, target, body, headers, again=again)


def _is_one(clips: Any) -> bool:
    return isinstance(clips, str | os.PathLike) or hasattr(clips, "__array__")


def _form(clips: OneClip | Iterable[OneClip]) -> tuple[str, bytes]:
    """Clips as a form: its type, and its bytes.

    Raises:
        ClipError: If a file cannot be read.
        UsageError: If something is no clip, or there is none.
    """
    given: list[Any] = [clips] if _is_one(clips) else list(clips)  # type: ignore[arg-type]
    if not given:
        raise UsageError("no clips: the list is empty")
    many: list[Any] = []
    for one in given:
        many += clip_files([Path(one)]) if isinstance(one, str | os.PathLike) else [one]
    boundary = secrets.token_hex(16)
    parts = bytearray()
    for number, one in enumerate(many):
        name, content = _file(one, "array" if len(many) == 1 else f"array {number}")
        plain = name.replace('"', "_").replace("\r", "_").replace("\n", "_")
        parts += (
            f'--{boundary}\r\nContent-Disposition: form-data; name="clip"; filename="{plain}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        parts += content + b"\r\n"
    parts += f"--{boundary}--\r\n".encode()
    return f"multipart/form-data; boundary={boundary}", bytes(parts)


def _file(clip: Any, name: str) -> tuple[str, bytes]:
    if hasattr(clip, "__array__"):
        file = io.BytesIO()
        np.save(file, np.asarray(clip), allow_pickle=False)
        return f"{name}.npy", file.getvalue()
    if not isinstance(clip, str | os.PathLike):
        raise UsageError(f"a {type(clip).__name__} is no clip: pass a path, an array, or a list")
    try:
        return Path(clip).name, Path(clip).read_bytes()
    except OSError as error:
        raise ClipError(str(clip), f"cannot be read: {error.strerror or error}") from error


def _text(value: Any) -> Any:
    """A value of the query, or several."""
    if isinstance(value, bool):
        return str(value).lower()
    return [str(one) for one in value] if isinstance(value, list | tuple) else str(value)


def _prediction(said: dict[str, Any]) -> Prediction:
    """Read what `Prediction.to_dict` wrote."""
    values = {name: value for name, value in said.items() if name != "answer"}
    values["neighbors"] = tuple(Neighbor(**one) for one in said["neighbors"])
    values["likeliest"] = tuple((one["label"], one["chance"]) for one in said["likeliest"])
    values["notes"] = tuple(said["notes"])
    return Prediction(**values)


def _failures(said: dict[str, Any]) -> tuple[ClipError, ...]:
    return tuple(ClipError(one["source"], one["error"]) for one in said["failures"])
