"""Embed, name or add the clips of folders and object storage, on as many machines as there are."""

from __future__ import annotations

import pickle
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from stars_infer.classification.prediction import ClassifyOptions
from stars_infer.cluster.engine import Engine
from stars_infer.cluster.job import LARGEST_SHARD, Job, Shard
from stars_infer.cluster.ledger import Book, Ledger
from stars_infer.cluster.places import Place, is_url, local_path
from stars_infer.cluster.sources import absolute
from stars_infer.cluster.work import ClassifyWork, ClipReader, EmbedWork, How, Report, ShardWork
from stars_infer.embedding.additions import Addition, BatchAdder
from stars_infer.embedding.files import EmbeddedFile, PreparedClip
from stars_infer.embedding.shards import EMBED
from stars_infer.encoder.model import ModelInfo, find_model, read_model_info
from stars_infer.errors import ClipError, StarsError, UsageError
from stars_infer.index.labels import check_label
from stars_infer.layouts import get_layout
from stars_infer.preprocessing.views import check_views
from stars_infer.shared.open import open_index
from stars_infer.similarity.features import Features

CLASSIFY = "classify"
_INDEX = "index.db"
_ROUNDS = 3
"""How often shards are done again, since clips that they left to others are nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a job is.

    Attributes:
        files: Files that are done, also by earlier runs.
        all_files: All files.
        found: Clips that could be used, in this run.
        copies: Those of them that were embedded elsewhere.
        failures: What could not be used, in this run.
        core_seconds: Time of processor cores that the shards of this run took.
        seconds: Since this run began.
        seconds_left: Until the end, at the rate so far; None before the first shard.
        before: Files that earlier runs have done.
        report: What the last shard came to; None at the start.
    """

    files: int
    all_files: int
    found: int = 0
    copies: int = 0
    failures: int = 0
    core_seconds: float = 0.0
    seconds: float = 0.0
    seconds_left: float | None = None
    before: int = 0
    report: Report | None = None


Tell = Callable[[Progress], None]


def embed_in_bulk(
    engine: Engine,
    sources: Sequence[str],
    *,
    out: str,
    how: How | None = None,
    shard: int | None = None,
    tell: Tell = lambda progress: None,
) -> Progress:
    """Embed the clips of files into Parquet shards, each clip once, whatever its files are called.

    A job that was stopped goes on when it is started again with the same folder and options; files
    that have come since are added to it.

    Args:
        engine: Who does it.
        sources: Files, from `stars_infer.cluster.sources.list_sources`.
        out: Folder or prefix to write to; `stars_infer.embedding.shards.load_job` reads it.
        how: How clips are read, by which model.
        shard: Most files of a shard; chosen by their number if not given.
        tell: Called at the start and after each shard.

    Raises:
        UsageError: If the folder holds something else, or an option means nothing.
        StarsError: If a storage or the cluster fails.
    """
    how = how or How()
    info = _checked(how, sources, out)
    place = _absolute(out)
    job = Job(place, _about(EMBED, info, how))
    shards = job.plan(sources, workers=engine.workers, largest=shard)
    make = partial(_make, EmbedWork, place, how)
    for _ in range(_ROUNDS):
        kept, lost = _kept(job, shards)
        for one in lost:
            place.remove(one)
        progress = _run(engine, job, shards, make, Ledger(kept), tell)
        if not _kept(job, shards)[1]:
            return progress
    raise StarsError(f"{out}: files change while they are embedded; run it again when they do not")


def classify_in_bulk(
    engine: Engine,
    sources: Sequence[str],
    *,
    index: Path,
    out: str,
    how: How | None = None,
    options: ClassifyOptions | None = None,
    shard: int | None = None,
    tell: Tell = lambda progress: None,
) -> Progress:
    """Name the clips of files, each by itself, into Parquet shards.

    All are named by the examples that the index held when the job was begun: a copy of it lies in
    the folder.

    Args:
        engine: As for `embed_in_bulk`, as all others.
        sources: Files.
        index: The examples.
        out: Folder or prefix to write to.
        how: How clips are read.
        options: How they are named.
        shard: Most files of a shard.
        tell: Called at the start and after each shard.

    Raises:
        ExemplarIndexError: If there is no index, or it is empty.
        StarsError: As for `embed_in_bulk`.
    """
    how, options = how or How(), options or ClassifyOptions()
    info = _checked(how, sources, out)
    with open_index(index, info, create=False) as opened:
        opened.classify([])  # an empty index says so
        place = _absolute(out)
        job = Job(place, _about(CLASSIFY, info, how) | {"classify": asdict(options)})
        if place.read(_INDEX) is None:
            with tempfile.TemporaryDirectory() as folder, place.writing(_INDEX) as path:
                opened.save(Path(folder, "copy.db"))
                path.write_bytes(Path(folder, "copy.db").read_bytes())
    shards = job.plan(sources, workers=engine.workers, largest=shard)
    make = partial(_make, partial(ClassifyWork, index=_INDEX, options=options), place, how)
    return _run(engine, job, shards, make, Ledger(), tell)


def add_in_bulk(
    engine: Engine,
    sources: Sequence[str],
    *,
    index: Path,
    label: str | None = None,
    how: How | None = None,
    shard: int | None = None,
    tell: Tell = lambda progress: None,
    added: Callable[[Addition], None] = lambda addition: None,
) -> Progress:
    """Add the clips of files to an index: all nodes read them, this process alone writes.

    A clip that is in the index already stays as it is, so that a job that was stopped can simply be
    started again.

    Args:
        engine: As for `embed_in_bulk`, as all others.
        sources: Files.
        index: The index; it is made if there is none.
        label: The action that all clips show; the folder of each if not given.
        how: How clips are read.
        shard: Most files of a task.
        tell: Called at the start and after each task.
        added: Called with what became of each clip.

    Raises:
        UsageError: If a label cannot be one.
        ExemplarIndexError: If the index cannot be written.
        StarsError: If a storage or the cluster fails.
    """
    how = how or How()
    info = _checked(how, sources, None)
    by_label: dict[str, list[str]] = {}
    for source in sources:
        by_label.setdefault(_label_of(source, label), []).append(source)
    size = shard or min(LARGEST_SHARD, max(1, len(sources) // (8 * engine.workers)))
    tasks: list[Shard] = []
    labels: list[str] = []
    for name, those in by_label.items():
        for at in range(0, len(those), size):
            tasks.append(Shard(number=len(tasks), sources=those[at : at + size]))
            labels.append(name)
    course = _Course(tasks, frozenset(), tell)
    with open_index(index, info) as opened:
        for report, clips in engine.map(partial(_make_read, how), tasks, Ledger()):
            _check_stopped(report)
            adder = BatchAdder(lambda: opened, labels[report.shard])
            for clip in pickle.loads(clips):
                adder.add(_deferred(clip))
            adder.flush()
            for one in adder.news():
                added(one)
            course.add(report)
    return course.progress


def _make(work: Callable[..., ShardWork], place: Place, how: How, book: Book) -> ShardWork:
    return work(place, book, how)


def _make_read(how: How, book: Book) -> Callable[[Shard], tuple[Report, bytes]]:
    """Reads clips for an index whose writer is elsewhere."""
    encoder = how.open()
    reader = ClipReader(encoder, how)

    def read(shard: Shard) -> tuple[Report, bytes]:
        report = Report(shard=shard.number, files=len(shard.sources))
        began = time.process_time()
        try:
            found = list(reader.outcomes(shard, book))
        except StarsError as error:
            return replace(report, stopped=str(error)), pickle.dumps([])
        clips = [one for one in found if isinstance(one, PreparedClip)]
        if encoder.info.compares_vectors:
            vectors = encoder.embed_prepared([clip.prepared for clip in clips])
            made: list[Any] = list(zip(clips, vectors, strict=True))
        else:
            made = [(clip, None) for clip in clips]
        failed = tuple((one.source, one.problem) for one in found if isinstance(one, ClipError))
        report = replace(
            report,
            clips=len(clips),
            failures=len(failed),
            core_seconds=time.process_time() - began,
            told=failed,
        )
        return report, pickle.dumps(made)

    return read


def _deferred(made: tuple[PreparedClip, Any]) -> EmbeddedFile:
    """What an index keeps of a clip: its vector where the model compares them, else its bodies."""
    clip, vector = made
    features = Features(
        vector=vector,
        sequence=clip.sequence,
        bodies=clip.prepared if vector is None else None,
        flat=clip.flat,
    )
    return EmbeddedFile(
        path=clip.path,
        source=clip.source,
        features=features,
        content_hash=clip.content_hash,
        bodies=len(clip.prepared),
        frames=clip.frames,
        notes=clip.notes,
    )


class _Course:
    """Counts what is done, and says how long the rest will take."""

    def __init__(self, shards: Sequence[Shard], finished: frozenset[int], tell: Tell) -> None:
        before = sum(len(one.sources) for one in shards if one.number in finished)
        files = sum(len(one.sources) for one in shards)
        self.progress = Progress(files=before, all_files=files, before=before)
        self._tell = tell
        self._began = time.monotonic()
        tell(self.progress)

    def add(self, report: Report) -> None:
        """Count a shard."""
        now = self.progress
        seconds = time.monotonic() - self._began
        files = now.files + report.files
        rate = (files - now.before) / seconds if seconds else 0.0
        self.progress = replace(
            now,
            files=files,
            found=now.found + report.clips,
            copies=now.copies + report.copies,
            failures=now.failures + report.failures,
            core_seconds=now.core_seconds + report.core_seconds,
            seconds=seconds,
            seconds_left=(now.all_files - files) / rate if rate else None,
            report=report,
        )
        self._tell(self.progress)


def _run(
    engine: Engine,
    job: Job,
    shards: Sequence[Shard],
    make: Callable[[Book], Callable[[Shard], Report]],
    ledger: Ledger,
    tell: Tell,
) -> Progress:
    """Do the shards that are not there yet."""
    there = job.finished()
    left = [one for one in shards if one.name not in there]
    done = frozenset(one.number for one in shards if one.name in there)
    course = _Course(shards, done, tell)
    reports: Iterator[Report] = engine.map(make, left, ledger) if left else iter(())
    for report in reports:
        _check_stopped(report)
        course.add(report)
    return course.progress


def _check_stopped(report: Report) -> None:
    if report.stopped is not None:
        raise StarsError(report.stopped)


def _kept(job: Job, shards: Sequence[Shard]) -> tuple[dict[str, int], list[str]]:
    """Which shard holds the vector of each clip, and finished shards that count on one that is not.

    A shard leaves a clip to another that was not finished; if its file is gone when the job goes
    on, nobody embeds it.
    """
    there = job.finished()
    finished = [one for one in shards if one.name in there]
    kept: dict[str, int] = {}
    left: dict[str, list[str]] = {}
    for shard in finished:
        table = job.columns(shard.name, ("content_hash", "copy"))
        columns = (table[name].to_pylist() for name in ("content_hash", "copy"))
        for content, copy in zip(*columns, strict=True):
            if content is not None and not copy:
                kept.setdefault(content, shard.number)
            elif content is not None:
                left.setdefault(content, []).append(shard.name)
    if len(finished) < len(shards):
        return kept, []  # what is missing may come with the others
    lost = {name for content, names in left.items() if content not in kept for name in names}
    return kept, sorted(lost)


def _checked(how: How, sources: Sequence[str], out: str | None) -> ModelInfo:
    """The model; wrong options are told before anything is begun.

    Raises:
        StarsError: If something is wrong with them.
    """
    check_views(how.views)
    if how.convention.layout is not None:
        get_layout(how.convention.layout)
    if out is not None and not is_url(out):
        folder = local_path(out).absolute()
        if any(not is_url(one) and absolute(one).is_relative_to(folder) for one in sources):
            raise UsageError(f"--out {out}: holds clips that are read; name another folder")
    return read_model_info(find_model(how.model))


def _absolute(out: str) -> Place:
    return Place(out if is_url(out) else str(local_path(out).absolute()))


def _about(kind: str, info: ModelInfo, how: How) -> dict[str, Any]:
    comparison = info.comparison
    return {
        "kind": kind,
        "model": info.name,
        "fingerprint": info.fingerprint,
        "comparison": None if comparison is None else comparison.to_json(),
        "reading": {
            "convention": asdict(how.convention),
            "people": how.people,
            "views": list(how.views),
        },
    }


def _label_of(source: str, label: str | None) -> str:
    """The label that is given, or the name of the folder in which a file lies."""
    if label is None:
        parent = PurePosixPath(source.partition("#")[0]).parent
        label = parent.name if is_url(source) else absolute(source).resolve().parent.name
    return check_label(label)
