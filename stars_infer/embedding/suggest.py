"""Which clips of files to label next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from stars_infer.clips.clip import Clip
from stars_infer.curation.suggest import Suggestion, as_named, suggest
from stars_infer.embedding.files import EmbedOptions, embed_files
from stars_infer.encoder.encoder import Encoder
from stars_infer.errors import StarsError
from stars_infer.parallel import ReportProgress
from stars_infer.shared.open import index_exists, open_index


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestedClips:
    """Clips worth labeling, and among how many they were chosen.

    Attributes:
        suggestions: Where each comes from and why it is worth labeling, the most useful first.
        clips: How many clips there were to choose from.
        known: How many others were left out, because the index holds them already.
    """

    suggestions: tuple[tuple[str, Suggestion], ...]
    clips: int
    known: int


def suggest_files(
    encoder: Encoder,
    paths: Sequence[Path | Clip],
    *,
    n: int = 10,
    index: Path | None = None,
    seed: int = 0,
    progress: ReportProgress = lambda at, end: None,
    **reading: Unpack[EmbedOptions],
) -> SuggestedClips:
    """Choose clips of files that an index does not hold, to be labeled next.

    Those are called new that the index calls unknown.

    Args:
        encoder: The model.
        paths: As in `stars_infer.embedding.files.embed_files`.
        n: As in `stars_infer.curation.suggest.suggest`.
        index: The index; there need not be one yet.
        seed: As in `suggest`.
        progress: Called with how many clips are read, and of how many files; then as in `suggest`.
        reading: Further options of `embed_files`.

    Raises:
        ExemplarIndexError: If the index cannot be read, or is another model's.
        StarsError: If the index holds all clips already; and as for `embed_files` and `suggest`.
    """
    exemplars = []
    if index is not None and index_exists(index):
        with open_index(index, encoder.info, create=False) as opened:
            exemplars = opened.features()
    hashes = {exemplar.content_hash for exemplar, _ in exemplars}
    clips, known = [], 0
    for number, file in enumerate(embed_files(encoder, paths, query=True, **reading), 1):
        progress(number, len(paths))
        if file.content_hash in hashes:
            known += 1
        else:
            clips.append(file)
    if known and not clips:
        raise StarsError(f"all {known} clips are in {index} already: give clips that are not")
    suggestions = suggest(
        [file.features for file in clips],
        n,
        exemplars=[features for _, features in exemplars],
        labels=[exemplar.label for exemplar, _ in exemplars],
        how=encoder.info.comparison,
        seed=seed,
        progress=progress,
    )
    if index is not None and exemplars:
        with open_index(index, encoder.info, create=False) as opened:
            answers = opened.classify([clips[one.position].features for one in suggestions])
        suggestions = as_named(suggestions, answers)
    return SuggestedClips(
        suggestions=tuple((clips[one.position].source, one) for one in suggestions),
        clips=len(clips),
        known=known,
    )
