"""Weigh a model's vectors against its sequences on labeled clips, and keep the weight in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

from stars_infer.embedding.files import embed_files
from stars_infer.encoder.encoder import Encoder
from stars_infer.encoder.model import (
    GRAPH_FILE,
    ModelInfo,
    contract_of,
    fingerprint_of,
)
from stars_infer.errors import ClipError, UsageError
from stars_infer.evaluation.folder import LabeledFiles
from stars_infer.evaluation.weighing import WEIGHTS, LabeledFeatures, weigh
from stars_infer.exporters.directory import describe_anew, extend_model
from stars_infer.parallel import ReportProgress

NOT_MEASURED = {"vector_weight": "0, not measured"}
"""Facts of a model that was exported without labeled clips."""


def weigh_model(
    folder: Path,
    out: Path,
    sets: Sequence[LabeledFiles],
    *,
    skip: Callable[[ClipError], None],
    progress: ReportProgress = lambda at, end: None,
) -> ModelInfo:
    """Write a copy of a model directory in which vectors count as much as they have earned.

    Where they have earned a weight, the fingerprint changes, since an index then holds the vector
    of every exemplar; `stars_infer.evaluation.weighing.weigh` says how it is measured.

    Args:
        folder: The model.
        out: The directory to write; may be the model itself.
        sets: Labeled clips, from `stars_infer.evaluation.folder.find_labeled_files`.
        skip: Called with the error of each clip that cannot be used.
        progress: Called with how much is done, and of how much.

    Raises:
        UsageError: If the model compares vectors alone, a set has too few clips, or `out` is a
            model that came with the installation.
        ModelError: If the model's files do not belong together.
        MissingExtraError: If no runtime is installed.
    """
    encoder = Encoder.load(folder)
    how = encoder.info.comparison
    if how is None:
        raise UsageError(
            f"{folder}: compares vectors alone, so that there is nothing to weigh: export it with "
            "--compare auto"
        )
    total = sum(len(files.paths) for files in sets) + len(WEIGHTS) * len(sets)
    done = count(1)

    def step() -> None:
        progress(min(next(done), total), total)  # a file may hold many clips

    with extend_model(folder, out) as (beside, info):  # what cannot be written is said at once
        labeled = [_encoded(encoder, files, skip, step) for files in sets]
        found = weigh(labeled, how, progress=step)
        comparison = found.comparison(how)
        contract = contract_of(
            info.preprocessing, info.absent_bodies, info.zero_body, comparison, info.streams
        )
        weighed = replace(
            info,
            comparison=comparison,
            fingerprint=fingerprint_of((beside / GRAPH_FILE).read_bytes(), contract),
            facts=info.facts | found.facts(),
        )
        describe_anew(beside, weighed)
    return weighed


def _encoded(
    encoder: Encoder,
    files: LabeledFiles,
    skip: Callable[[ClipError], None],
    step: Callable[[], None],
) -> LabeledFeatures:
    clips = []
    for clip in embed_files(encoder, files.paths, skip=skip, workers=None):
        clips.append(clip)
        step()
    if not clips:
        raise UsageError(f"{files.root}: no clip could be used")
    return LabeledFeatures(
        name=files.root.resolve().name,
        clip_features=[clip.features for clip in clips],
        labels=[files.label(clip.path) for clip in clips],
    )
