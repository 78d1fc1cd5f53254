"""What the studio does with clips, through the readers, the limits and the queues of a server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from stars_infer.classification.prediction import ClassifyOptions, Neighbor, Prediction
from stars_infer.clips.clip import Clip
from stars_infer.clips.convention import Convention
from stars_infer.embedding.additions import Addition
from stars_infer.embedding.files import PreparedClip
from stars_infer.encoder.encoder import Encoder
from stars_infer.errors import ClipError, UsageError
from stars_infer.index.gallery import SHOWN_NEIGHBORS
from stars_infer.index.index import ExemplarIndex
from stars_infer.index.labels import check_label
from stars_infer.segmentation.confidence import chance_if_known
from stars_infer.segmentation.segment import Segment, SegmentOptions, segments_of
from stars_infer.segmentation.windows import name_windows
from stars_infer.serving.batches import Lesson, Question
from stars_infer.serving.metrics import Metrics
from stars_infer.serving.reading import Upload
from stars_infer.serving.service import Failures, Service
from stars_infer.serving.settings import MEGABYTE, Limits
from stars_infer.shared.open import copy_of
from stars_infer.shared.place import place_of
from stars_infer.similarity.sequence import mirror_sequence
from stars_infer.studio.history import History
from stars_infer.studio.shelf import Held, Shelf, clips_folder
from stars_infer.studio.tending import Tending

_Result = TypeVar("_Result")
LIMITS = Limits(body=256 * MEGABYTE, files=64, frames=216_000, queue=64, seconds=120.0, grace=3.0)
"""Those of one person: two hours at 30 Hz in one recording."""


class StudioService(Service):
    """A service that also holds, plays and tends clips.

    Args:
        encoder: The model.
        index: The examples, in a file.
        limits: What a request may ask for.
        metrics: Where it is counted what happens.

    Attributes:
        shelf: Clips that can be played.
        history: Changes of this session.
        tending: What is found out about the whole index.
    """

    def __init__(
        self, encoder: Encoder, index: ExemplarIndex, limits: Limits, metrics: Metrics
    ) -> None:
        super().__init__(encoder, index, limits, metrics)
        assert index.path is not None
        shared = place_of(index.path)
        file = index.path if shared is None else copy_of(shared, encoder.info)
        self.shelf = Shelf(clips_folder(file))
        self.history = History(index, self.shelf)
        self.tending = Tending(index, self.shelf.folder)
        self._told: set[str] = set()
        self._drawing = ThreadPoolExecutor(1, thread_name_prefix="drawing")

    async def read(self, upload: Upload, *, recording: bool) -> tuple[list[Held], Failures]:
        """Read clips, or one long recording a file, and hold them."""

        async def work() -> tuple[list[Held], Failures]:
            failures: Failures = []
            held: list[Held] = []
            if recording:
                for one in await self._reading.recordings(upload):
                    if isinstance(one, Clip):
                        held.append(self.shelf.hold(one, None))
                    else:
                        failures.append(one)
            else:
                for found in await self._reading.shown(upload):
                    if isinstance(found, ClipError):
                        failures.append(found)
                    else:
                        held.append(self.shelf.hold(*found))
            self._count(len(held), failures)
            return held, failures

        return await self._within(work)

    async def file_of(self, path: Path, key: str) -> Clip | None:
        """The clip of a hash in a file of this machine; None if it holds no such clip."""
        if not path.is_file() or path.stat().st_size > self.limits.body:
            return None
        upload = Upload(folder=path.parent, files=[path], convention=Convention())

        async def work() -> Clip | None:
            for found in await self._reading.shown(upload):
                if not isinstance(found, ClipError) and found[0].content_hash == key:
                    return found[0]
            return None

        return await self._within(work)

    async def prepared(self, held: Held) -> PreparedClip:
        """A clip ready to be compared."""
        if held.prepared is not None:
            return held.prepared
        clip = held.clip

        def work() -> PreparedClip:
            joints, sequence = self.encoder.prepare(clip)
            return PreparedClip(
                path=Path(clip.source),
                source=clip.source,
                prepared=joints,
                sequence=sequence,
                content_hash=clip.content_hash,
                frames=clip.frames,
                notes=clip.notes,
                views=(),
                flat=clip.flat,
            )

        return await self.draw(work)

    async def draw(self, work: Callable[[], _Result]) -> _Result:
        """Do something with a clip in a thread of its own."""
        return await asyncio.get_running_loop().run_in_executor(self._drawing, work)

    async def name(self, held: Held) -> tuple[Prediction, list[Neighbor]]:
        """Name a clip; also the examples of its action to which its mirror image is nearest.

        The latter only where mirror images count and no other example of that action is near.
        """

        async def work() -> tuple[Prediction, list[Neighbor]]:
            prepared = await self.prepared(held)
            question = Question(clips=[prepared], options=ClassifyOptions())
            (answer,) = await self._asking.ask(question)
            assert isinstance(answer, Prediction)
            sequence, labels = prepared.sequence, {one.label for one in answer.neighbors}
            if sequence is None or answer.label in labels or not self.index.mirroring().weight:
                return answer, []
            other = replace(prepared, sequence=mirror_sequence(sequence))
            (near,) = await self._asking.ask(Question(clips=[other], k=SHOWN_NEIGHBORS))
            return answer, [one for one in near if one.label == answer.label]

        return await self._within(work)

    def tell(self, key: str, *, known: bool) -> bool:
        """Count a clip that was looked at, once a session; see `ExemplarIndex.confirm`.

        Args:
            key: The clip.
            known: Whether it shows an action of the index.

        Returns:
            Whether it was counted.
        """
        self.shelf.held(key)
        if key in self._told:
            return False
        self._told.add(key)
        if known:
            self.index.confirm()
        else:
            self.index.deny()
        return True

    async def teach(self, held: Sequence[Held], label: str, batch: str = "") -> list[Addition]:
        """Add clips as examples; they are in the file, and their clips in the folder.

        Args:
            held: The clips.
            label: The action that they show.
            batch: As in `Change`.
        """
        label = check_label(label)
        if not held:
            raise UsageError("choose the clips that show the action")

        async def work() -> list[Addition]:
            clips = [await self.prepared(one) for one in held]
            found: list[Addition] = await self._adding.ask(Lesson(label=label, clips=clips))
            for one in held:
                await asyncio.to_thread(self.shelf.keep, one.clip)
            added = {
                one.clip.content_hash
                for one, addition in zip(held, found, strict=True)
                if addition.known is None
            }
            await asyncio.to_thread(self.history.added, added, label, batch)
            return found

        return await self._within(work)

    async def segments(self, held: Held, least: float) -> tuple[list[Segment], list[Segment]]:
        """The actions in a recording, and near misses beside them.

        Args:
            held: The recording.
            least: Confidence that a near miss must exceed.
        """

        async def work() -> tuple[list[Segment], list[Segment]]:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._segmenting, self._segments, held.clip, least)

        with self._recordings.enter():
            return await self._within(work, seconds=3 * self.limits.seconds)

    def _segments(self, clip: Clip, least: float) -> tuple[list[Segment], list[Segment]]:
        end, how = time.monotonic() + 3 * self.limits.seconds, SegmentOptions()
        windows = []
        grid = how.grid.windows(clip.frames, clip.fps)
        for _, named in name_windows(clip, grid, self.encoder, self.index, mirror=how.mirror):
            if named is not None and chance_if_known(named) > least:
                windows.append(named)
            if time.monotonic() > end:
                raise ClipError(clip.source, "takes too long to segment: cut it into parts")
        found = segments_of(windows, clip.fps, how)
        near = segments_of(windows, clip.fps, replace(how, min_confidence=least))
        return found, [one for one in near if not _overlaps(one, found)]

    def cut(self, held: Held, start: float, end: float) -> Held:
        """Hold a part of a recording, from second to second.

        Raises:
            UsageError: If there is no such part.
            ClipError: If nobody is seen in it.
        """
        clip = held.clip
        length = clip.frames / clip.fps
        if not start <= end or start >= length:
            raise UsageError(
                f"{start:.1f} to {end:.1f} s is no part of {clip.source}, "
                f"which lasts {length:.1f} s"
            )
        first = min(round(start * clip.fps), max(clip.frames - 2, 0))
        last = min(clip.frames, max(first + 2, round(min(end, length) * clip.fps)))
        part = replace(
            clip,
            bodies=clip.bodies[:, first:last].copy(),
            presence=clip.presence[:, first:last].copy(),
            source=f"{clip.source}, {first / clip.fps:.1f} to {last / clip.fps:.1f} s",
            notes=(),
        )
        return self.shelf.hold(part, None)

    def close(self) -> None:
        """End the threads of the studio; the index is closed by `running`."""
        self._drawing.shutdown(wait=False, cancel_futures=True)
        self.tending.close()


def _overlaps(one: Segment, others: Sequence[Segment]) -> bool:
    return any(one.start < other.end and other.start < one.end for other in others)
