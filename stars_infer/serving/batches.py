"""Requests that come at about the same time, worked on together.

`AsyncBatcher` gathers what waits; nothing waits for company while nothing is worked on, so that a
request that is alone is not held up.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any

from async_batcher.batcher import AsyncBatcher

from stars_infer.arrays import FloatArray
from stars_infer.classification.prediction import ClassifyOptions, Neighbor, Prediction
from stars_infer.embedding.additions import Addition
from stars_infer.embedding.files import PreparedClip
from stars_infer.encoder.encoder import Encoder
from stars_infer.errors import StarsError
from stars_infer.index.index import ExemplarIndex, NewExemplar
from stars_infer.similarity.features import Features

Count = Callable[[int], None]
"""Is called with how many requests are worked on together."""


class _Together(AsyncBatcher[Any, Any]):  # type: ignore[misc]  # the library is not typed
    """Works on requests together in a thread.

    Args:
        most: Most requests at once.
        executor: The thread.
        count: Called with the size of each batch.
    """

    def __init__(self, *, most: int, executor: Executor, count: Count) -> None:
        super().__init__(max_batch_size=most, max_queue_time=0.0, executor=executor)
        self._count = count

    def process_batch(self, batch: list[Any]) -> list[Any]:
        """Work on requests; what an error is raised for comes back as that error."""
        self._count(len(batch))
        return self._answers(batch)

    @abstractmethod
    def _answers(self, batch: Sequence[Any]) -> list[Any]:
        """Answers of requests, or errors, in their order."""

    async def ask(self, item: Any) -> Any:
        """Work on a request, with others; it is finished even if nobody waits for it any more."""
        return await asyncio.shield(self.process(item))

    async def finish(self) -> None:
        """Work on what waits, and stop."""
        await self.stop()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
    """What is asked of clips.

    Attributes:
        clips: The clips.
        options: How they are named; None to find their neighbors.
        k: How many neighbors.
        chances: Whether the chance of every action is asked, rather than a name.
    """

    clips: Sequence[PreparedClip]
    options: ClassifyOptions | None = None
    k: int = 5
    chances: bool = False

    @property
    def group(self) -> Hashable:
        """Questions of one group are asked in one call; clips that teach together are alone."""
        if self.options is not None and self.options.together:
            return id(self)
        return self.options, self.k, self.chances


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chances:
    """The chance of every action.

    Attributes:
        labels: The actions (C,).
        values: (N, C) of N clips.
    """

    labels: Sequence[str]
    values: list[list[float]]


Answer = list[Prediction] | list[list[Neighbor]] | Chances


class Asking(_Together):
    """Asks an index.

    Args:
        index: The index.
        encoder: Its model.
        more: Arguments of `_Together`.
    """

    def __init__(self, index: ExemplarIndex, encoder: Encoder, **more: Any) -> None:
        super().__init__(**more)
        self._index, self._encoder = index, encoder

    def _answers(self, batch: Sequence[Question]) -> list[Answer | StarsError]:
        features = _features(self._encoder, [one.clips for one in batch])
        groups: dict[Hashable, list[int]] = {}
        for number, one in enumerate(batch):
            groups.setdefault(one.group, []).append(number)
        found: dict[int, Answer | StarsError] = {}
        for numbers in groups.values():
            found |= self._of_group(batch, features, numbers)
        return [found[number] for number in range(len(batch))]

    def _of_group(
        self, batch: Sequence[Question], features: Sequence[list[Features]], numbers: Sequence[int]
    ) -> dict[int, Answer | StarsError]:
        """Answers by the numbers of questions; where one spoils the others, each is alone."""
        first = batch[numbers[0]]
        try:
            queries = [one for number in numbers for one in features[number]]
            answers = self._of_clips(queries, first)
        except StarsError as error:
            if len(numbers) == 1:
                return {numbers[0]: error}
            alone = (self._of_group(batch, features, [number]) for number in numbers)
            return {number: answer for one in alone for number, answer in one.items()}
        parts: dict[int, Answer | StarsError] = {}
        start = 0
        for number in numbers:
            end = start + len(features[number])
            parts[number] = _part(answers, start, end, batch[number].clips)
            start = end
        return parts

    def _of_clips(self, queries: Sequence[Features], question: Question) -> Answer:
        if question.options is None:
            return self._index.search(queries, question.k)
        if not question.chances:
            options = question.options
            if options.false_accept_rate is None:  # that of the index, as on the command line
                rate = self._index.options().false_accept_rate
                options = replace(options, false_accept_rate=rate)
            return self._index.classify(queries, options)
        while True:  # until nobody adds an action meanwhile
            labels = self._index.labels
            chances = self._index.predict_proba(queries, question.options)
            if labels == self._index.labels:
                return Chances(labels=labels, values=chances.tolist())


def _part(answers: Answer, start: int, end: int, clips: Sequence[PreparedClip]) -> Answer:
    """The answers to one of several questions."""
    if isinstance(answers, Chances):
        return replace(answers, values=answers.values[start:end])
    return [
        replace(
            one,
            source=clip.source,
            bodies=len(clip.prepared),
            frames=clip.frames,
            notes=clip.notes,
        )
        if isinstance(one, Prediction)
        else one
        for one, clip in zip(answers[start:end], clips, strict=True)
    ]  # type: ignore[return-value]  # all of one kind


def _features(
    encoder: Encoder, questions: Sequence[Sequence[PreparedClip]]
) -> list[list[Features]]:
    """What an index is searched with, of the clips of several questions."""
    clips = [clip for question in questions for clip in question]
    vectors: Sequence[FloatArray | None] = [None] * len(clips)
    if encoder.info.compares_vectors:
        vectors = list(encoder.embed_prepared([clip.prepared for clip in clips]))
    made = iter(
        [
            Features(vector=vector, sequence=clip.sequence, views=clip.views, flat=clip.flat)
            for clip, vector in zip(clips, vectors, strict=True)
        ]
    )
    return [[next(made) for _ in question] for question in questions]


class Embedding(_Together):
    """Makes vectors of clips.

    Args:
        encoder: The model.
        more: Arguments of `_Together`.
    """

    def __init__(self, encoder: Encoder, **more: Any) -> None:
        super().__init__(**more)
        self._encoder = encoder

    def _answers(self, batch: Sequence[Sequence[PreparedClip]]) -> list[FloatArray | StarsError]:
        try:
            vectors = self._encoder.embed_prepared([clip.prepared for one in batch for clip in one])
        except StarsError as error:  # no runtime: the same for all
            return [error] * len(batch)
        rows = iter(vectors)
        return [vectors[:0] if not one else _stack(next(rows) for _ in one) for one in batch]


def _stack(rows: Any) -> FloatArray:
    import numpy as np

    return np.stack(list(rows))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lesson:
    """Clips that are to be added.

    Attributes:
        label: Their action.
        clips: The clips.
    """

    label: str
    clips: Sequence[PreparedClip]


class Adding(_Together):
    """Adds exemplars; those of several requests in one transaction.

    Args:
        index: The index.
        encoder: Its model.
        more: Arguments of `_Together`.
    """

    def __init__(self, index: ExemplarIndex, encoder: Encoder, **more: Any) -> None:
        super().__init__(**more)
        self._index, self._encoder = index, encoder

    def _answers(self, batch: Sequence[Lesson]) -> list[list[Addition] | StarsError]:
        try:
            return list(self._add(batch))
        except StarsError as error:
            if len(batch) == 1:
                return [error]
            return [answer for one in batch for answer in self._answers([one])]

    def _add(self, lessons: Sequence[Lesson]) -> list[list[Addition]]:
        """Add all of them, or nothing."""
        features = self._to_keep([clip for one in lessons for clip in one.clips])
        new = [
            NewExemplar(
                label=one.label,
                features=next(features),
                source=clip.source,
                content_hash=clip.content_hash,
            )
            for one in lessons
            for clip in one.clips
        ]
        known = iter(self._index.add(new))
        return [
            [
                Addition(source=clip.source, label=one.label, notes=clip.notes, known=next(known))
                for clip in one.clips
            ]
            for one in lessons
        ]

    def _to_keep(self, clips: Sequence[PreparedClip]) -> Any:
        """What an index keeps: vectors where the model compares them, else what makes them."""
        if self._encoder.info.compares_vectors:
            vectors = self._encoder.embed_prepared([clip.prepared for clip in clips])
            return (
                Features(vector=vector, sequence=clip.sequence, flat=clip.flat)
                for clip, vector in zip(clips, vectors, strict=True)
            )
        return (
            Features(vector=None, sequence=clip.sequence, bodies=clip.prepared, flat=clip.flat)
            for clip in clips
        )
