"""PYSKL's pickles of NTU RGB+D: `ntu60_3danno.pkl` and `ntu120_3danno.pkl`.

PYSKL chooses actors by its own rules, which are close to those of `stars_infer.clips.actors`, and
stores half precision (1 mm at 2 m). To reproduce the figures of the papers, use the `.skeleton`
files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stars_infer.errors import ClipError, StarsError, UsageError
from stars_infer.readers.restricted_pickle import PickledArray, load_plain
from stars_infer.train.datasets.ntu.actions import NTU_ACTIONS
from stars_infer.train.datasets.ntu.missing import missing_skeletons
from stars_infer.train.datasets.ntu.names import NTU_SETS, SampleName
from stars_infer.train.datasets.ntu.splits import with_few_shot_parts
from stars_infer.train.datasets.pack import PackedClip, SourceClip, Splits
from stars_infer.train.datasets.preassigned import preassigned_actors
from stars_infer.train.datasets.raw import MISSING, TWICE, LeftOut, Outcome, RawSet, Unit

_PARTS = {"train": "train", "val": "test", "test": "test"}


def open_pyskl(dataset: str, path: Path) -> RawSet:
    """Read a pickle `{"split": {NAME: [frame_dir]}, "annotations": [...]}` into memory.

    An annotation has `frame_dir`, `label` (from 0) and `keypoint` (M, T, 25, 3).

    Raises:
        StarsError: If the file is no such pickle, or contains anything but arrays and plain
            containers.
        UsageError: If the file holds another data set.
    """
    content = load_plain(path)
    try:
        listed = {str(name): list(map(str, those)) for name, those in content["split"].items()}
        annotations = list(content["annotations"])
    except (AttributeError, KeyError, TypeError) as error:
        raise StarsError(
            f"{path}: no PYSKL annotations, which are a dictionary of 'split' and 'annotations'"
        ) from error
    found: dict[str, _Annotation] = {}
    seen: set[str] = set()
    left_out: list[LeftOut] = []
    for number, raw in enumerate(annotations):
        annotation = _annotation(raw, f"{path}: annotation {number}")
        if annotation.label >= NTU_SETS[dataset].actions:
            raise UsageError(
                f"{path}: {annotation.name} is of class {annotation.label + 1}, but {dataset} has "
                f"{NTU_SETS[dataset].actions}: name the set that the file is of"
            )
        seen.add(annotation.name)
        if annotation.name in found:
            left_out.append(LeftOut(name=annotation.name, reason=TWICE))
        elif annotation.name in missing_skeletons():
            left_out.append(LeftOut(name=annotation.name, reason=MISSING))
        else:
            found[annotation.name] = annotation

    def read(unit: Unit) -> Outcome:
        return (_read(found[unit.name], f"{path}:{unit.name}"),)

    def splits(clips: Sequence[PackedClip]) -> Splits:
        official = _splits(listed, clips, path)
        return with_few_shot_parts(official, clips) if dataset == "ntu120" else official

    absent = {name for names in listed.values() for name in names} - seen
    return RawSet(
        units=[Unit(name=name, size=found[name].keypoint.nbytes) for name in sorted(found)],
        read=read,
        splits=splits,
        parallel=False,
        left_out=left_out,
        not_found=len(absent),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Annotation:
    name: str
    label: int
    keypoint: PickledArray


def _annotation(raw: Any, where: str) -> _Annotation:
    try:
        name, label, keypoint = raw["frame_dir"], raw["label"], raw["keypoint"]
    except (KeyError, TypeError) as error:
        raise StarsError(f"{where} has no frame_dir, label and keypoint") from error
    if not isinstance(name, str) or not isinstance(label, int) or label < 0:
        raise StarsError(f"{where}: expected a frame_dir of text and a label from 0 on")
    if not isinstance(keypoint, PickledArray):
        raise StarsError(f"{where}: the keypoint is no array of numbers")
    return _Annotation(name=name, label=label, keypoint=keypoint)


def _read(annotation: _Annotation, source: str) -> SourceClip | LeftOut:
    joints = annotation.keypoint.array()
    try:
        if joints.ndim != 4 or len(joints) > 2 or joints.shape[2:] != (25, 3):
            raise ClipError(source, f"expected keypoints (1 or 2, T, 25, 3), got {joints.shape}")
        actors = preassigned_actors(joints.astype(np.float32), source=source)
    except ClipError as error:
        return LeftOut.because(annotation.name, error)
    sample = SampleName.parse(annotation.name)
    return SourceClip(
        actors=actors,
        label=NTU_ACTIONS[annotation.label],
        subject=f"P{sample.performer:03}" if sample else "",
        source=annotation.name,
    )


def _splits(
    listed: Mapping[str, Sequence[str]], clips: Sequence[PackedClip], path: Path
) -> dict[str, dict[str, list[int]]]:
    """Clip numbers of the lists of the file, such as `xsub_train` and `xsub_val`."""
    splits: dict[str, dict[str, list[int]]] = {}
    for name, those in listed.items():
        split, _, part = name.rpartition("_")
        if not split or part not in _PARTS:
            raise StarsError(
                f"{path}: a list {name!r}, expected one such as xsub_train or xsub_val"
            )
        wanted = frozenset(those)
        numbers = [number for number, clip in enumerate(clips) if clip.source in wanted]
        splits.setdefault(split, {"train": [], "test": []})[_PARTS[part]] = numbers
    return splits
