"""What one worker does: the clips of a shard read, embedded or named, and written as Parquet."""

from __future__ import annotations

import os
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stars_infer.classification.prediction import ClassifyOptions
from stars_infer.clips.convention import Convention
from stars_infer.clips.people import POOLED
from stars_infer.cluster.job import Shard, arrow, parquet
from stars_infer.cluster.ledger import Book
from stars_infer.cluster.places import Place
from stars_infer.cluster.sources import Here, brought_here
from stars_infer.embedding.files import PreparedClip, Reading
from stars_infer.embedding.shards import embedding_schema
from stars_infer.encoder.encoder import AUTO, Encoder
from stars_infer.encoder.model import GRAPH_FILE, find_model
from stars_infer.errors import ClipError, StarsError, UsageError
from stars_infer.index.index import ExemplarIndex
from stars_infer.machine import single_threaded
from stars_infer.similarity.features import Features

if TYPE_CHECKING:
    from stars_infer.runtimes.runtime import Runtime

_POSE_MODEL = "STARS_POSE_MODEL"
TOGETHER = 128
"""Clips that are embedded at once, and rows that are written at once."""
_TOLD = 20
"""Errors of a shard that are told at once; all of them are in its file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of a shard.

    Attributes:
        shard: Its number.
        files: Its files.
        clips: Clips in them that could be used.
        copies: Those of them that are embedded elsewhere.
        failures: What could not be used.
        core_seconds: Time of a processor core that it took.
        told: The first errors, each a source and a problem.
        stopped: Why the shard was not finished; None if it was.
    """

    shard: int
    files: int
    clips: int = 0
    copies: int = 0
    failures: int = 0
    core_seconds: float = 0.0
    told: tuple[tuple[str, str], ...] = ()
    stopped: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How the clips of a job are read, by which model.

    Attributes:
        model: Name of a shipped model, or a model directory that every worker can read.
        device: As for `Encoder.load`.
        convention: What is known of files that do not say it.
        people: As in `stars_infer.clips.people.parts_by_people`.
        views: As in `stars_infer.preprocessing.views.views_of`.
        start: The folder from which paths go; the current one of who began the job.
        pose_model: Sees people in videos, as `STARS_POSE_MODEL` names it where the job began.
    """

    model: str | None = None
    device: str = "auto"
    convention: Convention = field(default_factory=Convention)
    people: str = POOLED
    views: tuple[str, ...] = ()
    start: str = field(default_factory=os.getcwd)
    pose_model: str | None = field(default_factory=lambda: os.environ.get(_POSE_MODEL))

    def open(self) -> Encoder:
        """The model, on one thread of this process: there is a worker for each core.

        Raises:
            StarsError: As for `Encoder.load`.
        """
        single_threaded().__enter__()
        if self.pose_model is not None:
            os.environ[_POSE_MODEL] = self.pose_model
        model = self.model
        if model is not None and Path(self.start, model).is_dir():
            model = str(Path(self.start, model))
        graph = find_model(model) / GRAPH_FILE
        encoder = Encoder.load(model)
        return Encoder(encoder.info, partial(_open_alone, graph, self.device))


def _open_alone(graph: Path, device: str) -> Runtime:
    """Load a graph for one of several workers, whatever runtime was saved for this machine."""
    from stars_infer.runtimes.onnxruntime import CPU
    from stars_infer.runtimes.open import available_devices, open_runtime
    from stars_infer.runtimes.runtime import RuntimeChoice

    if device == AUTO:
        device = "cuda" if "cuda" in available_devices() else CPU
    choice = RuntimeChoice.parse(device)
    if choice.device in (CPU, "openvino"):  # body by body, so that company changes nothing
        choice = replace(choice, threads=1, batch=1)
    return open_runtime(graph, choice)


Outcome = PreparedClip | ClipError


class ClipReader:
    """Reads the clips of a shard's files, whatever is in them.

    Args:
        encoder: The model.
        how: How they are read.
    """

    def __init__(self, encoder: Encoder, how: How) -> None:
        self._reading = Reading(
            encoder=encoder, convention=how.convention, people=how.people, views=how.views
        )

        self._start = how.start

    def outcomes(self, shard: Shard, book: Book) -> Iterator[Outcome]:
        """Clips and errors, in order, by the names under which the files were found.

        Raises:
            UsageError: If the options mean nothing.
            StarsError: If a storage cannot be reached.
        """
        start = book.begin(shard.number)
        with brought_here(shard.sources, self._start) as files:
            for name, file in zip(shard.sources, files, strict=True):
                if isinstance(file, ClipError):
                    yield file
                elif name in start.left_out:
                    yield ClipError(
                        name, "ended the processes that read it, perhaps for want of memory"
                    )
                else:
                    if start.careful:
                        book.at(shard.number, name)
                    yield from self._of_file(file)

    def _of_file(self, file: Here) -> Iterator[Outcome]:
        try:
            for one in self._reading.outcomes(file.path):
                yield file.named(one) if isinstance(one, PreparedClip) else file.told(one)
        except ClipError as error:
            yield file.told(error)
        except UsageError:
            raise
        except StarsError as error:  # a package is missing for it
            yield ClipError(file.name, str(error))
        except Exception as error:
            yield ClipError(file.name, f"unexpected {type(error).__name__}: {error}")


class ShardWork(ABC):
    """Makes a file of rows of each shard.

    Args:
        place: The folder of the job.
        book: What all workers share.
        how: How clips are read.
    """

    def __init__(self, place: Place, book: Book, how: How) -> None:
        self._place, self._book = place, book
        self.encoder = how.open()
        self._reader = ClipReader(self.encoder, how)

    def __call__(self, shard: Shard) -> Report:
        """Do a shard; its file is there in one step, or not at all."""
        began = time.process_time()
        try:
            report = self._do(shard)
            return replace(report, core_seconds=time.process_time() - began)
        except StarsError as error:
            return Report(shard=shard.number, files=len(shard.sources), stopped=str(error))

    def _do(self, shard: Shard) -> Report:
        pa, pq = arrow(), parquet()
        schema = self.schema()
        report = Report(shard=shard.number, files=len(shard.sources))
        seen: set[str] = set()
        with self._place.writing(shard.name) as path, pq.ParquetWriter(path, schema) as writer:
            for part in _in_parts(self._reader.outcomes(shard, self._book), TOGETHER):
                rows = list(self.rows(shard, part, seen))
                writer.write_table(pa.Table.from_pylist(rows, schema))
                report = _counted(report, rows)
        return report

    @abstractmethod
    def schema(self) -> Any:
        """Columns of the rows."""

    @abstractmethod
    def rows(
        self, shard: Shard, part: Sequence[Outcome], seen: set[str]
    ) -> Iterable[Mapping[str, Any]]:
        """A row for each clip and each error, in order.

        Args:
            shard: The shard.
            part: Some of its clips.
            seen: Content hashes of those before, which this adds to.
        """


class EmbedWork(ShardWork):
    """Embeds the clips of shards; a clip that is embedded elsewhere has a row without a vector."""

    def schema(self) -> Any:
        """As `ShardWork` has it."""
        return embedding_schema(self.encoder.info.width)

    def rows(
        self, shard: Shard, part: Sequence[Outcome], seen: set[str]
    ) -> Iterator[Mapping[str, Any]]:
        """As `ShardWork` has it."""
        clips = [one for one in part if isinstance(one, PreparedClip)]
        hashes = [clip.content_hash for clip in clips]
        own = self._book.claim(shard.number, hashes) if hashes else []
        to_do: list[PreparedClip] = []
        for clip, mine in zip(clips, own, strict=True):
            if mine and clip.content_hash not in seen:
                seen.add(clip.content_hash)
                to_do.append(clip)
        made = self.encoder.embed_prepared([clip.prepared for clip in to_do])
        vectors = {id(clip): vector for clip, vector in zip(to_do, made, strict=True)}
        for one in part:
            if isinstance(one, ClipError):
                yield {"source": one.source, "error": one.problem}
                continue
            vector = vectors.get(id(one))
            kept = vector is not None
            sequence = one.sequence if kept else None
            yield {
                "source": one.source,
                "content_hash": one.content_hash,
                "vector": vector,
                "sequence": None if sequence is None else sequence.astype("<f2").ravel(),
                "bodies": len(one.prepared),
                "frames": one.frames,
                "flat": one.flat,
                "notes": list(one.notes),
                "copy": not kept,
            }


class ClassifyWork(ShardWork):
    """Names the clips of shards by the examples of an index.

    Args:
        place: As for `ShardWork`.
        book: As for `ShardWork`.
        how: As for `ShardWork`.
        index: Name of a copy of the index in the folder of the job.
        options: How clips are named, each by itself.
    """

    def __init__(
        self, place: Place, book: Book, how: How, index: str, options: ClassifyOptions
    ) -> None:
        super().__init__(place, book, how)
        self._options = replace(options, together=False)
        self._folder = tempfile.TemporaryDirectory(prefix="stars-")
        own = Path(self._folder.name, "stars.db")
        own.write_bytes(place.read(index) or b"")
        self._index = ExemplarIndex.open(own, self.encoder.info, create=False)
        if self._options.false_accept_rate is None:
            rate = self._index.options().false_accept_rate
            self._options = replace(self._options, false_accept_rate=rate)
        self._index.prepare()

    def schema(self) -> Any:
        """As `ShardWork` has it."""
        pa = arrow()
        texts = ("source", "label", "known", "confidence", "chance_known", "similarity", "second",
                 "nearest", "bodies", "frames", "notes", "error")  # fmt: skip
        kinds = {
            "known": pa.bool_(),
            **dict.fromkeys(("confidence", "chance_known", "similarity"), pa.float64()),
            "bodies": pa.int8(),
            "frames": pa.int32(),
            "notes": pa.list_(pa.string()),
        }
        return pa.schema([(name, kinds.get(name, pa.string())) for name in texts])

    def rows(
        self, shard: Shard, part: Sequence[Outcome], seen: set[str]
    ) -> Iterator[Mapping[str, Any]]:
        """As `ShardWork` has it."""
        clips = [one for one in part if isinstance(one, PreparedClip)]
        vectors: Sequence[Any] = [None] * len(clips)
        if self.encoder.info.compares_vectors:
            vectors = list(self.encoder.embed_prepared([clip.prepared for clip in clips]))
        asked = [
            Features(vector=vector, sequence=clip.sequence, views=clip.views, flat=clip.flat)
            for clip, vector in zip(clips, vectors, strict=True)
        ]
        answers = iter(self._named(asked))
        for one in part:
            if isinstance(one, ClipError):
                yield {"source": one.source, "error": one.problem}
                continue
            answer = next(answers)
            said = {"source": one.source, "bodies": len(one.prepared), "frames": one.frames}
            if isinstance(answer, StarsError):
                yield said | {"error": str(answer)}
                continue
            yield said | {
                "label": answer.label,
                "known": bool(answer.known),
                "confidence": float(answer.confidence),
                "chance_known": float(answer.chance_known),
                "similarity": float(answer.similarity),
                "second": answer.second,
                "nearest": answer.neighbors[0].source,
                "notes": list(one.notes),
            }

    def _named(self, asked: Sequence[Features]) -> Iterator[Any]:
        """Answers, or the error in the place of one."""
        with suppress(StarsError):
            yield from self._index.classify(asked, self._options)
            return
        for one in asked:
            try:
                yield from self._index.classify([one], self._options)
            except StarsError as error:
                yield error


def _in_parts(outcomes: Iterable[Outcome], size: int) -> Iterator[list[Outcome]]:
    part: list[Outcome] = []
    for one in outcomes:
        part.append(one)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part


def _counted(report: Report, rows: Sequence[Mapping[str, Any]]) -> Report:
    failed = [(row["source"], row["error"]) for row in rows if row.get("error") is not None]
    return replace(
        report,
        clips=report.clips + len(rows) - len(failed),
        copies=report.copies + sum(bool(row.get("copy")) for row in rows),
        failures=report.failures + len(failed),
        told=(*report.told, *failed)[:_TOLD],
    )
