"""The labeled clips of a folder: one folder for each class, and which clips serve for what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import numpy as np

from stars_infer.classification.classifiers import DEFAULT_CLASSIFIER
from stars_infer.classification.mirroring import AUTO
from stars_infer.clips.convention import Convention
from stars_infer.embedding.files import EmbeddedFile, embed_files
from stars_infer.encoder.encoder import Encoder
from stars_infer.errors import ClipError, UsageError
from stars_infer.evaluation.fewshot import LabeledClips
from stars_infer.readers.files import clip_files
from stars_infer.similarity.features import vectors_of
from stars_infer.similarity.pairwise import cosine_through_faiss


@dataclass(frozen=True, slots=True, kw_only=True)
class LabeledFiles:
    """Clip files of known action.

    Attributes:
        root: The folder in which the folders of the classes lie.
        exemplars: Shell pattern over CLASS/FILE: the files that may be drawn as exemplars.
        queries: Shell pattern over CLASS/FILE: the files that are to be named.
        paths: All files that match at least one of the two patterns, in order.
    """

    root: Path
    exemplars: str
    queries: str
    paths: Sequence[Path]

    def is_exemplar(self, path: Path) -> bool:
        """Whether a file may be drawn as an exemplar."""
        return fnmatch(self._name(path), self.exemplars)

    def is_query(self, path: Path) -> bool:
        """Whether a file is to be named."""
        return fnmatch(self._name(path), self.queries)

    def label(self, path: Path) -> str:
        """The class of a file: the name of its folder."""
        return path.parent.name

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


def find_labeled_files(
    root: str | Path, *, exemplars: str = "*", queries: str = "*"
) -> LabeledFiles:
    """Find the clips of a folder ROOT/CLASS/FILE.

    Args:
        root: The folder. Files that do not lie in a folder of a class are left out.
        exemplars: Shell pattern over CLASS/FILE, such as "*/anna_*".
        queries: The same for the clips that are to be named. A file may be both: one that was
            drawn as an exemplar is no query of that draw.

    Raises:
        UsageError: If there is no such folder, or no file matches.
    """
    root = Path(root)
    if not root.is_dir():
        raise UsageError(f"{root}: not a folder of CLASS/clip files")
    files = LabeledFiles(root=root, exemplars=exemplars, queries=queries, paths=())
    paths = [
        path
        for path in clip_files([root])
        if path.parent.parent == root and (files.is_exemplar(path) or files.is_query(path))
    ]
    if not paths:
        raise UsageError(f"{root}: no CLASS/clip file matches --exemplars or --queries")
    return LabeledFiles(root=root, exemplars=exemplars, queries=queries, paths=paths)


def read_labeled_clips(
    files: LabeledFiles,
    *,
    encoder: Encoder,
    classifier: str = DEFAULT_CLASSIFIER,
    mirror: str = AUTO,
    as_papers: bool = False,
    convention: Convention | None = None,
    skip: Callable[[ClipError], None] | None = None,
    progress: Callable[[EmbeddedFile], None] | None = None,
    workers: int | None = 1,
) -> LabeledClips:
    """Read and encode labeled files, for `evaluate` and `evaluate_open_set`.

    Args:
        files: The files, from `find_labeled_files`.
        encoder: The model.
        classifier: One of `stars_infer.classification.classifiers.CLASSIFIERS`.
        mirror: Whether mirror images count, one of
            `stars_infer.classification.mirroring.MIRROR_CHOICES`.
        as_papers: Compare vectors by their cosine through FAISS, and let the n nearest exemplars
            vote, whatever the model compares; `classifier` and `mirror` do not count then.
        convention: What is known of the files, where they do not say themselves.
        skip: Called with the error of each clip that cannot be used; if not given, the error is
            raised.
        progress: Called with each clip once it is encoded.
        workers: Processes that read clips, as in `stars_infer.embedding.files.embed_files`.

    Raises:
        ClipError: If a clip cannot be used, and there is no `skip`.
        UsageError: If no clip can be used, or there is no such classifier.
    """
    if as_papers:
        encoder = encoder.comparing(None)
    clips = []
    for clip in embed_files(
        encoder,
        files.paths,
        convention=convention,
        skip=skip or _raise,
        query=True,
        workers=workers,
    ):
        clips.append(clip)
        if progress is not None:
            progress(clip)
    if not clips:
        raise UsageError(f"{files.root}: no clip could be used")
    found = [clip.features for clip in clips]
    labels = [files.label(clip.path) for clip in clips]
    exemplar = [files.is_exemplar(clip.path) for clip in clips]
    query = [files.is_query(clip.path) for clip in clips]
    if as_papers:
        return LabeledClips(
            similarity=cosine_through_faiss(vectors_of(found)),
            labels=labels,
            exemplar=np.array(exemplar, np.bool_),
            query=np.array(query, np.bool_),
        )
    return LabeledClips.of_features(
        found,
        labels,
        exemplar=exemplar,
        query=query,
        classifier=classifier,
        comparison=encoder.info.comparison,
        mirror=mirror,
    )


def _raise(error: ClipError) -> None:
    raise error
