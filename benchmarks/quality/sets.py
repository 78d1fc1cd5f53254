"""Labeled clips that nobody tunes on, and who may be exemplar and who is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stars_infer.clips.clip import DEFAULT_FPS, Clip
from stars_infer.errors import ClipError, UsageError
from stars_infer.preprocessing.prepare import center_actors
from stars_infer.readers.files import clip_files, read_clip
from stars_infer.train.datasets.sources import Skip, Windows, clips_of

MOCAP = Path("mocap/hdm05.npz")
TAUGHT = ("bd", "bk", "dg")
"""HDM05's actors of whom exemplars may come; of mm and tr are the queries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Where the clips of a set lie, and who may be what.

    Attributes:
        name: Of the set.
        folder: Of CLASS/clip files.
        layout: Of the clips; what the files say if None.
        fps: Frames per second; what the files say if None.
        exemplars: Patterns over CLASS/clip of possible exemplars.
        queries: The same of the clips to be named.
        fewest: Actions with fewer possible exemplars, or fewer queries, are left out.
        untuned: See `EvaluationSet`.
    """

    name: str
    folder: Path
    layout: str | None = None
    fps: float | None = None
    exemplars: Sequence[str] = ("*",)
    queries: Sequence[str] = ("*",)
    fewest: int = 0
    untuned: bool = False


SPLITS = (
    Split(
        name="UTD-MHAD", folder=Path("utd-mhad"), layout="kinect20",
        exemplars=("*/s[1357]_*",), queries=("*/s[2468]_*",),
    ),
    Split(
        name="MSR-Action3D", folder=Path("msr-action3d"), layout="kinect20", fps=15.0,
        exemplars=("*/s[13579]_*",), queries=("*/s[2468]_*", "*/s10_*"),
    ),
    # No subjects are known: any clip may be an exemplar, and one that is drawn is not asked.
    Split(name="GTU", folder=Path("gtu-3dactions"), layout="ntu25"),
    # Some of its actions were performed by two or three people only.
    Split(
        name="G3D", folder=Path("g3d"), layout="kinect20", untuned=True, fewest=5,
        exemplars=("*/s[13579]_*",), queries=("*/s[2468]_*", "*/s10_*"),
    ),
    Split(
        name="IRDS", folder=Path("irds"), layout="ntu25", untuned=True,
        exemplars=("*/s215_*",), queries=("*/s216_*", "*/s217_*"),
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EvaluationSet:
    """A set of N labeled clips.

    Attributes:
        name: Of the set.
        clips: All clips.
        labels: Their actions.
        exemplar: Who may be exemplar, (N,).
        query: Who is asked, (N,).
        untuned: Whether the set came after the comparison of `stars classify` had been chosen on
            other sets, so that nothing was chosen on this one.
    """

    name: str
    clips: list[Clip]
    labels: list[str]
    exemplar: NDArray[np.bool_]
    query: NDArray[np.bool_]
    untuned: bool = False

    @property
    def title(self) -> str:
        """Heads the set's column in a table."""
        return f"{self.name} (untuned)" if self.untuned else self.name

    @property
    def most_shots(self) -> int:
        """Possible exemplars of the class that has fewest."""
        labels = np.array(self.labels)
        return min(int((self.exemplar & (labels == label)).sum()) for label in set(self.labels))


def known_sets(root: Path, skip: Skip) -> Iterator[EvaluationSet]:
    """The sets that lie in a folder, each with the split of its authors or one by subjects.

    Sets on which nothing was chosen come last.

    Args:
        root: Holds `utd-mhad/`, `msr-action3d/`, `gtu-3dactions/`, `mocap/hdm05.npz`, `g3d/` and
            `irds/`, or some of them.
        skip: Called with the error of every clip and action that is left out, and of every set
            that is not there.
    """
    yield from _folder_sets(root, (split for split in SPLITS if not split.untuned), skip)
    if (root / MOCAP).is_file():
        yield _hdm05(root / MOCAP, skip)
    else:
        skip(ClipError(str(root / MOCAP), "not there: HDM05 is left out"))
    yield from _folder_sets(root, (split for split in SPLITS if split.untuned), skip)


def _folder_sets(root: Path, splits: Iterable[Split], skip: Skip) -> Iterator[EvaluationSet]:
    for split in splits:
        position = root / split.folder
        if position.is_dir():
            yield folder_set(replace(split, folder=position), skip)
        else:
            skip(ClipError(str(position), f"not there: {split.name} is left out"))


def folder_set(split: Split, skip: Skip) -> EvaluationSet:
    """A set from CLASS/clip files.

    Args:
        split: Where they lie, and who may be what; clips that may be neither are not read.
        skip: Called with the error of every clip that cannot be used, and of every action that
            has too few clips.

    Raises:
        ClipError: If the folder holds no clip file.
        UsageError: If there is no such layout, or no clip is left.
    """
    clips: list[Clip] = []
    labels: list[str] = []
    exemplar: list[bool] = []
    query: list[bool] = []
    for path in clip_files([split.folder]):
        name = f"{path.parent.name}/{path.name}"
        taught, asked = (_matches(name, globs) for globs in (split.exemplars, split.queries))
        if not (taught or asked):
            continue
        try:
            clip = read_clip(path, layout=split.layout)
            center_actors(clip)  # refuses what no method could use
        except ClipError as error:
            skip(error)
            continue
        clips.append(clip if split.fps is None else replace(clip, fps=split.fps))
        labels.append(path.parent.name)
        exemplar.append(taught)
        query.append(asked)
    rare = _rare_actions(split, labels, exemplar, query, skip)
    kept = [position for position, label in enumerate(labels) if label not in rare]
    if not kept:
        raise UsageError(f"{split.folder}: no CLASS/clip file could be used")
    return EvaluationSet(
        name=split.name,
        clips=[clips[position] for position in kept],
        labels=[labels[position] for position in kept],
        exemplar=np.array(exemplar)[kept],
        query=np.array(query)[kept],
        untuned=split.untuned,
    )


def _rare_actions(
    split: Split, labels: list[str], exemplar: list[bool], query: list[bool], skip: Skip
) -> set[str]:
    """Actions with too few clips to draw from or to ask about; `skip` is told of each."""
    taught, asked = (
        Counter(label for label, may in zip(labels, flags, strict=True) if may)
        for flags in (exemplar, query)
    )
    rare = {label for label in labels if min(taught[label], asked[label]) < split.fewest}
    for label in sorted(rare):
        problem = (
            f"{taught[label]} possible exemplars and {asked[label]} queries, "
            f"and {split.name} takes actions with {split.fewest} of each"
        )
        skip(ClipError(str(split.folder / label), problem))
    return rare


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def _hdm05(archive: Path, skip: Skip) -> EvaluationSet:
    """HDM05 by actors; its recordings are whole clips here."""
    whole = Windows(seconds=0, shortest=2 / DEFAULT_FPS)
    sources = list(clips_of(archive, layout=None, windows=whole, skip=skip))
    taught = np.array([source.subject in TAUGHT for source in sources])
    return EvaluationSet(
        name="HDM05",
        clips=[Clip.from_array(source.actors, source=source.source) for source in sources],
        labels=[source.label for source in sources],
        exemplar=taught,
        query=~taught,
    )
