"""Opens an index by its name: the path of a file, or a shared index."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from stars_infer.encoder.model import ModelInfo
from stars_infer.errors import ExemplarIndexError, check_path
from stars_infer.index.checksums import Damage
from stars_infer.index.file import WAIT
from stars_infer.index.index import ExemplarIndex
from stars_infer.shared.file import SharedFile, append
from stars_infer.shared.mirror import LOGGER
from stars_infer.shared.place import MILVUS, IndexPath, Place, place_of, secret_variable
from stars_infer.shared.record import Record
from stars_infer.shared.row_text import searched_width
from stars_infer.shared.store import Store, StoreError
from stars_infer.shared.turn import Turns

COPIES = "STARS_COPIES"
"""Variable of the environment that names the folder of local copies."""
_COPY = "index.db"
_LONG = 2.0


def open_index(
    name: str | os.PathLike[str] | None,
    model: ModelInfo,
    *,
    create: bool = True,
    wait: float = WAIT,
    progress: Callable[[int], None] | None = None,
) -> ExemplarIndex:
    """Open the index of a model.

    Args:
        name: A SQLite file, or a shared index such as `milvus://host:19530/collection`; None for an
            index in memory.
        model: The model whose exemplars it holds or is to hold.
        create: Make it if there is none.
        wait: Seconds for which a change waits until other programs have finished theirs.
        progress: Called with how many exemplars of a shared index have come; the log says that
            they come, where that takes long, if not given.

    Raises:
        ExemplarIndexError: If it is missing, no index, or made by another model.
        MissingExtraError: If what its database needs is not installed.
        UsageError: If it is no such name.
    """
    place = None if name is None else place_of(check_path("path", name))
    if place is None:
        return ExemplarIndex.open(
            name if name is None else Path(name), model, create=create, wait=wait
        )
    if not create and not index_exists(name or ""):
        raise _none_at(place)
    return open_shared(
        lambda: _store_of(place), place, model, create=create, wait=wait, progress=progress
    )


def index_exists(name: str | os.PathLike[str]) -> bool:
    """Whether an index may be there: one of a server may always."""
    place = place_of(name)
    path = Path(name) if place is None else place.path
    return path is None or path.exists()


def open_shared(
    connect: Callable[[], Store],
    place: Place,
    model: ModelInfo,
    *,
    create: bool,
    wait: float = WAIT,
    progress: Callable[[int], None] | None = None,
) -> ExemplarIndex:
    """Open a shared index.

    Args:
        connect: Opens its database.
        place: Where it is.
        model: As in `open_index`.
        create: As in `open_index`.
        wait: As in `open_index`.
        progress: As in `open_index`.

    Raises:
        ExemplarIndexError: As `open_index`.
    """
    copy = copy_of(place, model)
    store, reached = connect(), True
    try:
        try:
            _find(store, model, create=create, wait=wait)
        except StoreError as error:
            if not copy.exists():
                raise
            reached = False
            LOGGER.warning("%s; answers are those of the local copy, %s", error, _age(copy))
        told = progress or _teller(place)
        file = _shared_file(store, copy, model, wait=wait, reached=reached, progress=told)
    except BaseException:
        store.close()
        raise
    index = ExemplarIndex(file, model)
    index.path = IndexPath(str(place))
    return index


def _find(store: Store, model: ModelInfo, *, create: bool, wait: float) -> None:
    """Make sure that a database holds an index of a model.

    Raises:
        ExemplarIndexError: If it holds none and none is to be made, or that of another model.
        StoreError: If it does not answer.
    """
    there = store.exists()
    first = store.entries(1, 1) if there else []
    if not first and not create:
        raise _none_at(store)
    if not first:
        if not there:
            store.create(searched_width(model))
        with Turns(store).taken(wait) as turn:
            first = store.entries(1, 1)  # another program may have been faster
            if not first:
                about = {"name": model.name, "fingerprint": model.fingerprint}
                record = Record(number=1, token=uuid.uuid4().hex, model=about)
                append(store, record, turn)
                return
    try:
        made_by = dict(Record.of(first[0]).model or {})
        name, fingerprint = str(made_by["name"]), str(made_by["fingerprint"])
    except (Damage, KeyError) as error:
        raise ExemplarIndexError(
            f"{store}: no index of examples ({error}); name another collection"
        ) from error
    if fingerprint != model.fingerprint:
        raise ExemplarIndexError(
            f"{store}: made by the model {name!r} ({fingerprint[:12]}), but this is "
            f"{model.name!r} ({model.fingerprint[:12]}); use that model, or another --index"
        )


def _none_at(place: Place | Store) -> ExemplarIndexError:
    return ExemplarIndexError(
        f"{place}: no index of examples here; add clips with "
        f"`stars fewshot add-class CLASS/*.npy --index {place}`, or name one with --index"
    )


def _shared_file(
    store: Store,
    copy: Path,
    model: ModelInfo,
    *,
    wait: float,
    reached: bool,
    progress: Callable[[int], None],
) -> SharedFile:
    """The file of an index; a local copy that is damaged is made anew."""

    def opened() -> SharedFile:
        return SharedFile(store, copy, model, wait=wait, reached=reached, progress=progress)

    try:
        return opened()
    except StoreError:
        raise
    except ExemplarIndexError as error:
        if not reached or not copy.exists():
            raise
        LOGGER.warning("%s: the local copy is made anew (%s)", store, error)
        for ending in ("", "-wal", "-shm", "-journal"):
            copy.with_name(f"{copy.name}{ending}").unlink(missing_ok=True)
        return opened()


def _teller(place: Place) -> Callable[[int], None]:
    """Says once in the log that exemplars are copied, if that takes longer than two seconds."""
    began: float | None = time.monotonic()

    def tell(rows: int) -> None:
        nonlocal began
        if began is not None and time.monotonic() - began > _LONG:
            LOGGER.warning("%s: its examples are copied to this machine, %d so far", place, rows)
            began = None

    return tell


def _store_of(place: Place) -> Store:
    local = place.path is not None or place.host in ("localhost", "127.0.0.1", "[::1]")
    if os.environ.get(variable := secret_variable(place.kind)) and not (place.secure or local):
        LOGGER.warning(
            "%s: %s is sent in plain text; where the server has TLS, write %s+https://",
            place,
            variable,
            place.kind,
        )
    if place.kind == MILVUS:
        from stars_infer.shared.milvus import MilvusStore

        return MilvusStore(place)
    from stars_infer.shared.qdrant import QdrantStore

    return QdrantStore(place)


def copy_of(place: Place, model: ModelInfo) -> Path:
    """Path of the local copy of a shared index, in a folder that is made for this user alone."""
    name = hashlib.sha256(f"{place} {model.fingerprint}".encode()).hexdigest()[:16]
    shown = re.sub(r"\W+", "-", f"{place.host or place.kind}-{place.collection}")[:64]
    folder = copies_folder() / f"{shown}-{name}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ExemplarIndexError(
            f"{place}: the local copy needs a folder that can be written, not {folder} "
            f"({error.strerror}): name one in {COPIES}"
        ) from error
    return folder / _COPY


def copies_folder() -> Path:
    """Where local copies are kept: `STARS_COPIES`, else a folder of the user's caches."""
    if said := os.environ.get(COPIES):
        return Path(said)
    if sys.platform == "darwin":
        caches = Path("~/Library/Caches").expanduser()
    elif sys.platform == "win32":
        caches = Path(os.environ.get("LOCALAPPDATA") or Path("~").expanduser())
    else:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    return caches / "stars-infer" / "shared"


def _age(copy: Path) -> str:
    """When a local copy was last brought up to date."""
    latest = copy.stat().st_mtime
    with suppress(FileNotFoundError):  # the last process that has it open removes its log
        latest = max(latest, copy.with_name(f"{copy.name}-wal").stat().st_mtime)
    return f"last changed on {time.strftime('%Y-%m-%d at %H:%M:%S', time.localtime(latest))}"
