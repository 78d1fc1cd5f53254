"""The clips of files named, each as it is read or all together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Unpack

from stars_infer.classification.prediction import ClassifyOptions, Prediction
from stars_infer.clips.clip import Clip
from stars_infer.clips.people import POOLED
from stars_infer.embedding.files import EmbeddedFile, EmbedOptions, embed_files
from stars_infer.encoder.encoder import Encoder
from stars_infer.index.index import ExemplarIndex
from stars_infer.similarity.features import Features


def classify_files(
    index: ExemplarIndex,
    encoder: Encoder,
    paths: Sequence[Path | Clip],
    *,
    options: ClassifyOptions | None = None,
    people: str = POOLED,
    views: Sequence[str] = (),
    read: Callable[[], None] = lambda: None,
    parts: Callable[[Features], tuple[tuple[str, str], ...]] | None = None,
    **reading: Unpack[EmbedOptions],
) -> Iterator[Prediction]:
    """Name the clips of files.

    Each answer comes as soon as its clip is read. If the share of unknown clips is to be learned
    from all of them (`ClassifyOptions.together`) and was not said, all are read first.

    Args:
        index: The examples.
        encoder: The model of the index.
        paths: As in `stars_infer.embedding.files.embed_files`.
        options: How; without a `false_accept_rate`, with that of the index.
        people: As in `embed_files`.
        views: As in `embed_files`.
        read: Called after each clip is read.
        parts: Says what each part of the comparison would have answered, as
            `stars_infer.embedding.parts.Parts.answers`; the vectors of clips are made for it.
        reading: Further options of `embed_files`.

    Yields:
        Answers, in the order of the clips.

    Raises:
        ExemplarIndexError: If the index is empty.
        StarsError: As for `embed_files`.
    """
    options = options or ClassifyOptions()
    if options.false_accept_rate is None:
        options = replace(options, false_accept_rate=index.options().false_accept_rate)
    at_once = options.together and index.unknown_share().said is None
    query = parts is None
    files = embed_files(encoder, paths, query=query, people=people, views=views, **reading)
    index.classify([])  # an empty index says so before the clips are read
    waiting: list[EmbeddedFile] = []
    for file in files:
        read()
        waiting.append(file)
        if not at_once:
            yield from _named(index, waiting, options, parts)
            waiting = []
    yield from _named(index, waiting, options, parts)


def _named(
    index: ExemplarIndex,
    files: Sequence[EmbeddedFile],
    options: ClassifyOptions,
    parts: Callable[[Features], tuple[tuple[str, str], ...]] | None,
) -> Iterator[Prediction]:
    answers = index.classify([file.features for file in files], options)
    for file, answer in zip(files, answers, strict=True):
        yield replace(
            answer,
            source=file.source,
            bodies=file.bodies,
            frames=file.frames,
            notes=file.notes,
            parts=() if parts is None else parts(file.features),
        )
