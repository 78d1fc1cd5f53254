"""What the parts of a comparison say, each alone, and the way in which the papers name clips.

The papers compare vectors by their cosine, and the n nearest exemplars vote (STARS, section 4.3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Unpack

from stars_infer.classification.prediction import ClassifyOptions, Prediction
from stars_infer.clips.clip import Clip
from stars_infer.clips.people import POOLED
from stars_infer.embedding.classify import classify_files
from stars_infer.embedding.files import EmbedOptions
from stars_infer.encoder.encoder import Encoder
from stars_infer.index.compared import compared_by
from stars_infer.index.index import ExemplarIndex
from stars_infer.index.state import no_progress
from stars_infer.parallel import ReportProgress
from stars_infer.similarity.features import Features

SEQUENCES, VECTORS, PAPER = "sequences", "vectors", "the papers' vote"
MAJORITY = "majority"


class Parts:
    """Names clips by each part of a model's comparison alone, and as the papers do.

    Args:
        index: The examples.
        encoder: The model of the index.
        options: How clips are named.
        progress: Called with how many vectors of examples were made, and of how many.

    Raises:
        MissingExtraError: If no runtime, or no FAISS, is installed.
        ExemplarIndexError: If the index is empty.
    """

    def __init__(
        self,
        index: ExemplarIndex,
        encoder: Encoder,
        options: ClassifyOptions,
        *,
        progress: ReportProgress = no_progress,
    ) -> None:
        encoder.open()
        how = index.model.comparison
        by_vector = compared_by(index, encoder.comparing(None), progress=progress)
        by_vector.classify([])
        voting = replace(options, classifier=MAJORITY)
        self._ways = {VECTORS: (by_vector, options), PAPER: (by_vector, voting)}
        if how is not None:
            alone = index
            if how.vector_weight:
                alone = compared_by(index, encoder.comparing(how.without_vectors()))
            self._ways = {SEQUENCES: (alone, options), **self._ways}

    def answers(self, clip: Features) -> tuple[tuple[str, str], ...]:
        """Each part, and the action that fits best by it.

        Args:
            clip: With a vector, and a sequence if the model compares those.
        """
        found = []
        for part, (index, options) in self._ways.items():
            sequence = None if index.model.comparison is None else clip.sequence
            asked = Features(vector=clip.vector, sequence=sequence, flat=clip.flat)
            found.append((part, index.classify([asked], options)[0].label))
        return tuple(found)


def classify_as_papers(
    index: ExemplarIndex,
    encoder: Encoder,
    paths: Sequence[Path | Clip],
    *,
    k: int | None = None,
    people: str = POOLED,
    views: Sequence[str] = (),
    read: Callable[[], None] = lambda: None,
    progress: ReportProgress = no_progress,
    **reading: Unpack[EmbedOptions],
) -> Iterator[Prediction]:
    """Name the clips of files as the papers do: every clip gets a name.

    Similarities are cosines through FAISS, and the n nearest exemplars vote.

    Args:
        index: The examples.
        encoder: The model of the index.
        paths: As in `stars_infer.embedding.files.embed_files`.
        k: Exemplars that vote, n; as many as the smallest class has, at most 5, if not given.
        people: As in `embed_files`.
        views: As in `embed_files`.
        read: Called after each clip is read.
        progress: Called with how many vectors of examples were made, and of how many.
        reading: Further options of `embed_files`.

    Raises:
        MissingExtraError: If no runtime, or no FAISS, is installed.
        ExemplarIndexError: If the index is empty.
        StarsError: As for `embed_files`.
    """
    by_vector = encoder.comparing(None)
    answers = classify_files(
        compared_by(index, by_vector, progress=progress),
        by_vector,
        paths,
        options=ClassifyOptions(classifier=MAJORITY, k=k),
        people=people,
        views=views,
        read=read,
        **reading,
    )
    for answer in answers:
        yield replace(answer, known=True)
