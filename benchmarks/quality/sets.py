"""Labelled clips that nobody trained on, and who may be exemplar and who is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from stars_infer.clip import Clip
from stars_infer.errors import ClipError, UsageError
from stars_infer.files import clip_files
from stars_infer.readers import read_clip
from stars_infer.train.datasets.sources import Windows, clips_of

Pattern = Callable[[str], bool]
"""Of a clip, by its name `CLASS/stem`, or `ACTOR/stem` in an archive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSet:
    """A set of N labelled clips.

    Attributes:
        name: Of the set.
        clips: All clips.
        labels: Their actions.
        exemplar: Who may be exemplar, (N,).
        query: Who is asked, (N,).
    """

    name: str
    clips: list[Clip]
    labels: list[str]
    exemplar: NDArray[np.bool_]
    query: NDArray[np.bool_]


def known_sets(root: Path, console: Console) -> Iterator[EvaluationSet]:
    """The sets that lie in a folder, each with the split of its authors or one by subjects."""
    if (root / "utd-mhad").is_dir():
        odd = subjects("s", (1, 3, 5, 7))
        yield folder_set("UTD-MHAD", root / "utd-mhad", "kinect20", odd, _not(odd), console)
    if (root / "msr-action3d").is_dir():
        odd = subjects("s", (1, 3, 5, 7, 9))
        yield folder_set("MSR-Action3D", root / "msr-action3d", "kinect20", odd, _not(odd), console)
    if (root / "gtu-3dactions").is_dir():
        yield folder_set("GTU", root / "gtu-3dactions", "ntu25", _anyone, _anyone, console)
    if (root / "mocap/hdm05.npz").is_file():
        yield _hdm05(root / "mocap/hdm05.npz")


def folder_set(
    name: str, root: Path, layout: str, exemplar: Pattern, query: Pattern, console: Console
) -> EvaluationSet:
    """A set from ROOT/CLASS/clip files; clips that cannot be read are named and left out."""
    clips, labels, names = [], [], []
    for path in clip_files([root]):
        try:
            clips.append(read_clip(path, layout=layout))
        except ClipError as error:
            console.print(f"left out: {error}", style="yellow")
            continue
        labels.append(path.parent.name)
        names.append(f"{path.parent.name}/{path.stem}")
    if not clips:
        raise UsageError(f"{root}: no clip could be read")
    return EvaluationSet(
        name=name,
        clips=clips,
        labels=labels,
        exemplar=np.array([exemplar(clip) for clip in names]),
        query=np.array([query(clip) for clip in names]),
    )


def subjects(prefix: str, numbers: tuple[int, ...]) -> Pattern:
    """Clips whose name begins with one of these subjects, as in `wave/s3_t2`."""
    return lambda name: int(name.rsplit("/")[-1].split("_")[0].removeprefix(prefix)) in numbers


def matching(pattern: str) -> Pattern:
    """Clips whose `CLASS/stem` matches a pattern."""
    return lambda name: fnmatch(name, pattern)


def _hdm05(archive: Path) -> EvaluationSet:
    """HDM05 by actors; its recordings are whole clips here."""
    whole = Windows(seconds=0, shortest=0.3)
    sources = list(clips_of(archive, layout=None, windows=whole, skip=_refuse))
    taught = np.array([source.subject in ("bd", "bk", "dg") for source in sources])
    return EvaluationSet(
        name="HDM05",
        clips=[Clip.from_array(source.actors, source=source.source) for source in sources],
        labels=[source.label for source in sources],
        exemplar=taught,
        query=~taught,
    )


def _not(pattern: Pattern) -> Pattern:
    return lambda name: not pattern(name)


def _anyone(_: str) -> bool:
    return True


def _refuse(error: ClipError) -> None:
    raise error
