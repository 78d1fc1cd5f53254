"""Names of shared indexes, such as `milvus://host:19530/collection`."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from stars_infer.errors import UsageError

MILVUS, QDRANT = "milvus", "qdrant"
_PORTS = {MILVUS: 19530, QDRANT: 6333}
_EMBEDDED = {"milvus-lite": MILVUS, "qdrant-local": QDRANT}
_ENDINGS = {"milvus-lite": ".db", "qdrant-local": ""}
_SCHEME = re.compile(rf"({'|'.join((*_PORTS, *_EMBEDDED))})(\+https)?:(/*)(.*)", re.DOTALL)
_OTHER = re.compile(r"([A-Za-z][\w+.-]+):(//?)?")
"""What looks like a scheme; a single letter is a drive."""
_SERVER = re.compile(r"(\[[0-9a-fA-F:.]+\]|[\w.-]+)(?::(\d{1,5}))?/(?:(\w+)/)?([A-Za-z_]\w{0,199})")
_COLLECTION = re.compile(r"[A-Za-z_]\w{0,199}")
_DEFAULT = "stars"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a shared index is.

    Attributes:
        kind: `milvus` or `qdrant`.
        collection: Name of its collection.
        host: Of the server; empty where the database runs within this program.
        port: Of the server.
        secure: Whether the server is reached by TLS.
        database: Of the server; empty for its default.
        path: What the database within this program keeps its data in; None for a server.
    """

    kind: str
    collection: str
    host: str = ""
    port: int = 0
    secure: bool = False
    database: str = ""
    path: Path | None = None

    def __str__(self) -> str:
        if self.path is not None:
            scheme = next(name for name, kind in _EMBEDDED.items() if kind == self.kind)
            ending = "" if self.collection == _DEFAULT else f"#{self.collection}"
            return f"{scheme}:{self.path}{ending}"
        database = f"{self.database}/" if self.database else ""
        scheme = f"{self.kind}+https" if self.secure else self.kind
        return f"{scheme}://{self.host}:{self.port}/{database}{self.collection}"

    @property
    def url(self) -> str:
        """The server as its client is given it."""
        return f"{'https' if self.secure else 'http'}://{self.host}:{self.port}"


def _check_file(text: str) -> None:
    """Refuse what is no path of a file, but was meant to be something else.

    Raises:
        UsageError: If it is `-`, or a misspelled scheme; a file that exists may be so named.
    """
    if text == "-":
        raise UsageError("an index is a file, or a shared index: it cannot be read from a pipe")
    scheme = _OTHER.match(text)
    if scheme is None or Path(text).exists():
        return
    known = (*_PORTS, *(f"{name}+https" for name in _PORTS), *_EMBEDDED)
    near = get_close_matches(scheme[1].lower(), known, n=1)
    if near or (scheme[2] and not Path(text).parent.exists()):
        meant = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(
            f"{text}: {scheme[1]} is no kind of shared index ({', '.join(known)}){meant}"
        )


def place_of(given: str | os.PathLike[str]) -> Place | None:
    """The shared index that a text names; None where it is the path of a file.

    A `Path` has made one slash of two, which changes nothing here.

    Raises:
        UsageError: If it begins like a shared index, and is none, or is no name of a file.
    """
    text = os.fspath(given)
    match = _SCHEME.fullmatch(text)
    if match is None:
        _check_file(text)
        return None
    scheme, secure, slashes, rest = match.groups()
    if scheme in _EMBEDDED:
        path, _, collection = rest.partition("#")
        fits = path.endswith(_ENDINGS[scheme]) and path
        if secure or not fits or not _COLLECTION.fullmatch(collection or _DEFAULT):
            raise UsageError(
                f"{scheme}:{rest}: write {scheme}:NAME{_ENDINGS[scheme]}, or "
                f"{scheme}:NAME{_ENDINGS[scheme]}#COLLECTION, where COLLECTION is made of letters, "
                "digits and _"
            )
        where = Path(f"/{path}" if slashes else path).absolute()
        return Place(kind=_EMBEDDED[scheme], collection=collection or _DEFAULT, path=where)
    if "@" in rest:  # nothing of it is repeated: it may be a password
        raise UsageError(
            f"{scheme}://…: leave user and password out, and give them in "
            f"{secret_variable(scheme)} (for Milvus, `user:password` or a token)"
        )
    found = _SERVER.fullmatch(rest)
    if (
        found is None
        or int(found[2] or 1) not in range(1, 65536)
        or (found[3] and scheme == QDRANT)
    ):
        raise UsageError(
            f"{scheme}://{rest}: write {scheme}://HOST:PORT/COLLECTION, where COLLECTION is made "
            "of letters, digits and _"
        )
    return Place(
        kind=scheme,
        collection=found[4],
        host=found[1],
        port=int(found[2] or _PORTS[scheme]),
        secure=bool(secure),
        database=found[3] or "",
    )


class IndexPath(type(Path())):  # type: ignore[misc]  # the kind of path of this system
    """The name of an index as a path, which shows a shared index as it was written."""

    def __str__(self) -> str:
        text = super().__str__()
        return re.sub(r"^(milvus|qdrant)(\+https)?:/(?!/)", r"\1\2://", text)


def secret_variable(kind: str) -> str:
    """Variable of the environment that holds what a server of a kind asks for."""
    return f"STARS_{kind.upper()}_TOKEN"
