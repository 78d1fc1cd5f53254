"""What a server does with clips: everything but HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.classification.prediction import ClassifyOptions, Neighbor, Prediction
from stars_infer.clips.clip import Clip
from stars_infer.embedding.additions import Addition
from stars_infer.embedding.files import PreparedClip
from stars_infer.encoder.encoder import Encoder
from stars_infer.errors import ClipError, MissingExtraError, StarsError, UsageError
from stars_infer.index.index import ExemplarIndex, NewExemplar
from stars_infer.index.labels import check_label, normalize_label
from stars_infer.segmentation.segment import SegmentOptions, Timeline, segment
from stars_infer.serving.batches import Adding, Asking, Chances, Embedding, Lesson, Question
from stars_infer.serving.gate import Gate
from stars_infer.serving.logs import LOGGER
from stars_infer.serving.metrics import Gauges, Metrics
from stars_infer.serving.problems import come_again
from stars_infer.serving.reading import Read, ReadingPool, Upload
from stars_infer.serving.settings import Limits
from stars_infer.serving.uploads import Spool
from stars_infer.shared.open import open_index
from stars_infer.similarity.dtw import expect_many_pairs
from stars_infer.synthetic.actions import perform

_Result = TypeVar("_Result")
Failures = list[ClipError]


class Service(Gauges):
    """A model and an index, which many ask at once.

    Args:
        encoder: The model.
        index: The examples, made by that model; it is closed with the service.
        limits: What a request may ask for.
        metrics: Where it is counted what happens.

    Attributes:
        encoder: As given.
        index: As given.
        limits: As given.
        metrics: As given.
        gate: Requests that wait or are worked on.
        spool: Bodies of requests.
        watching: Streams that are followed.
    """

    def __init__(
        self, encoder: Encoder, index: ExemplarIndex, limits: Limits, metrics: Metrics
    ) -> None:
        self.encoder, self.index, self.limits, self.metrics = encoder, index, limits, metrics
        self.gate = Gate(limits.queue)
        self.spool = Spool(limits)
        self.watching = 0
        self._recordings = Gate(max(1, limits.queue // 8))
        self._reading = ReadingPool(encoder, limits)
        self._naming, self._changing, self._segmenting = (
            ThreadPoolExecutor(1, thread_name_prefix=name)
            for name in ("naming", "changing", "segmenting")
        )
        self._ready = False
        metrics.watch(self)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start; in the end, finish what was accepted, and close the index."""
        most = self.limits.batch
        self._asking = Asking(
            self.index,
            self.encoder,
            most=most,
            executor=self._naming,
            count=self.metrics.batches.labels("naming").observe,
        )
        self._embedding = Embedding(
            self.encoder,
            most=most,
            executor=self._naming,
            count=self.metrics.batches.labels("embedding").observe,
        )
        self._adding = Adding(
            self.index,
            self.encoder,
            most=4 * most,
            executor=self._changing,
            count=self.metrics.batches.labels("adding").observe,
        )
        try:
            await asyncio.gather(self._reading.start(), asyncio.to_thread(self._prepare))
            self._ready = True
            yield
        finally:
            self._ready = False
            LOGGER.info("stopping")
            for together in (self._asking, self._embedding, self._adding):
                await together.finish()
            for executor in (self._naming, self._changing, self._segmenting):
                await asyncio.to_thread(executor.shutdown)
            await asyncio.to_thread(self._reading.close)
            self.index.close()
            self.spool.close()
            LOGGER.info("stopped")

    def _prepare(self) -> None:
        """Do now what naming the first clips would have to do."""
        expect_many_pairs()
        with suppress(MissingExtraError):  # which each request is told
            _name_one_clip(self.encoder)
        if len(self.index):
            self.index.prepare()
            self.index.calibration()

    async def check_ready(self) -> None:
        """Make sure that requests are answered.

        Raises:
            StarsError: If they are not, and why.
        """
        if not self._ready:
            raise come_again("the server is starting or stopping", 1)
        await asyncio.to_thread(len, self.index)
        self.gate.check()

    def numbers(self) -> dict[str, tuple[str, float]]:
        """Of the moment."""
        try:
            size = len(self.index)
        except StarsError:  # closed, or damaged
            size = 0
        return {
            "stars_requests_inside": ("Requests that wait or are worked on.", self.gate.inside),
            "stars_requests_most": ("Most requests that are let in.", self.limits.queue),
            "stars_watching": ("Streams that are followed.", self.watching),
            "stars_spooled_bytes": ("Bytes of bodies that are kept.", self.spool.kept),
            "stars_exemplars": ("Examples in the index.", size),
        }

    async def classify(
        self, upload: Upload, options: ClassifyOptions
    ) -> tuple[list[Prediction], Failures]:
        """Name clips; several also teach which share of them is unknown.

        Raises:
            StarsError: If there are no exemplars, nothing can be read, or there is no room.
        """

        async def work() -> tuple[list[Prediction], Failures]:
            clips, failures = await self._clips(upload)
            question = Question(clips=clips, options=replace(options, together=len(clips) > 1))
            return await self._asking.ask(question), failures

        return await self._within(work)

    async def chances(
        self, upload: Upload, options: ClassifyOptions
    ) -> tuple[list[str], Chances, Failures]:
        """How likely each action is, for each clip; and what the clips are called."""

        async def work() -> tuple[list[str], Chances, Failures]:
            clips, failures = await self._clips(upload)
            question = Question(clips=clips, options=options, chances=True)
            return [one.source for one in clips], await self._asking.ask(question), failures

        return await self._within(work)

    async def search(
        self, upload: Upload, k: int
    ) -> tuple[list[str], list[list[Neighbor]], Failures]:
        """The nearest exemplars of each clip; and what the clips are called."""

        async def work() -> tuple[list[str], list[list[Neighbor]], Failures]:
            clips, failures = await self._clips(upload)
            found = await self._asking.ask(Question(clips=clips, k=k))
            return [one.source for one in clips], found, failures

        return await self._within(work)

    async def embed(self, upload: Upload) -> tuple[list[PreparedClip], FloatArray, Failures]:
        """Vectors (N, D) of clips."""

        async def work() -> tuple[list[PreparedClip], FloatArray, Failures]:
            clips, failures = await self._clips(upload)
            return clips, await self._embedding.ask(clips), failures

        return await self._within(work)

    async def add(self, upload: Upload, label: str) -> tuple[list[Addition], Failures]:
        """Add clips as exemplars; they are in the file when this returns."""
        label = check_label(label)

        async def work() -> tuple[list[Addition], Failures]:
            clips, failures = await self._clips(upload)
            return await self._adding.ask(Lesson(label=label, clips=clips)), failures

        return await self._within(work)

    async def segment(
        self, upload: Upload, options: SegmentOptions
    ) -> tuple[list[Timeline], Failures]:
        """Find the actions in recordings, one recording after the other."""

        async def work() -> tuple[list[Timeline], Failures]:
            found = await self._reading.recordings(upload)
            failures = [one for one in found if isinstance(one, ClipError)]
            clips = [one for one in found if isinstance(one, Clip)]
            self._count(len(clips), failures)
            if not clips:
                raise failures[0]
            loop = asyncio.get_running_loop()
            timelines = await loop.run_in_executor(
                self._segmenting, self._timelines, clips, options
            )
            return timelines, failures

        with self._recordings.enter():
            return await self._within(work, seconds=3 * self.limits.seconds)

    def _timelines(self, clips: Sequence[Clip], options: SegmentOptions) -> list[Timeline]:
        end = time.monotonic() + self.limits.seconds

        def check(at: int, of: int) -> None:
            if time.monotonic() > end:
                raise ClipError(
                    clips[0].source,
                    f"took longer than {self.limits.seconds:g} s to segment: cut it into parts",
                )

        return [
            Timeline(
                name=clip.source,
                seconds=clip.frames / clip.fps,
                segments=segment(clip, self.encoder, self.index, options, progress=check),
                notes=clip.notes,
            )
            for clip in clips
        ]

    async def change(self, change: Callable[[], int], label: str | None = None) -> int:
        """Change exemplars, one change after the other.

        Args:
            change: Changes them, and says how many.
            label: An action that must be there.

        Raises:
            UsageError: If it is not.
        """

        def checked() -> int:
            if label is not None and normalize_label(label) not in (known := self.index.labels):
                names = ", ".join(known) or "none"
                raise UsageError(f"there is no action {label!r}; known actions: {names}")
            return change()

        return await asyncio.get_running_loop().run_in_executor(self._changing, checked)

    async def save(self, path: Path) -> None:
        """Write a copy of the index."""
        await asyncio.to_thread(self.index.save, path)

    async def _clips(self, upload: Upload) -> tuple[list[PreparedClip], Failures]:
        """Read the clips of an upload, of which at least one can be used."""
        found: list[Read] = await self._reading.clips(upload)
        failures = [one for one in found if isinstance(one, ClipError)]
        clips = [one for one in found if isinstance(one, PreparedClip)]
        self._count(len(clips), failures)
        if not clips:
            raise failures[0] if failures else ClipError("the upload", "holds no clip")
        return clips, failures

    def _count(self, read: int, failures: Failures) -> None:
        self.metrics.clips.labels("read").inc(read)
        self.metrics.clips.labels("refused").inc(len(failures))

    async def _within(
        self, work: Callable[[], Awaitable[_Result]], *, seconds: float | None = None
    ) -> _Result:
        """Take a place for a while, and answer in time."""
        seconds = seconds or self.limits.seconds
        with self.gate.enter():
            try:
                async with asyncio.timeout(2 * seconds):
                    return await work()
            except TimeoutError as error:
                raise come_again(f"not answered within {2 * seconds:g} s", seconds) from error


def _name_one_clip(encoder: Encoder) -> None:
    """Load, and compile, all that names clips."""
    made = Clip.from_array(perform("wave", np.random.default_rng(0)))
    (features,) = encoder.encode([made], defer_network=True)
    example = NewExemplar(label="wave", features=features, source="", content_hash="")
    with ExemplarIndex.in_memory(encoder.info) as index:
        index.add([example])
        index.classify([features])


def open_service(
    index: Path, *, model: str | None, device: str, limits: Limits, metrics: Metrics
) -> Service:
    """Open a model and an index for a server; the index is made if there is none.

    Raises:
        StarsError: If there is no such model, or the file is no index of it.
    """
    encoder = Encoder.load(model, device=device)
    opened = open_index(index, encoder.info)
    return Service(encoder, opened, limits, metrics)
