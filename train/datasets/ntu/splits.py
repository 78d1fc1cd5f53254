"""The official splits of NTU RGB+D (XSub, XView) and NTU RGB+D 120 (XSub, XSet)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from stars_infer.train.datasets.ntu.actions import FIRST_NOVEL, NTU_ACTIONS
from stars_infer.train.datasets.ntu.names import SampleName
from stars_infer.train.datasets.pack import PackedClip, Splits

# fmt: off
XSUB_TRAIN = frozenset((
    1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38,
    45, 46, 47, 49, 50, 52, 53, 54, 55, 56, 57, 58, 59, 70, 74, 78, 80, 81, 82, 83, 84, 85, 86, 89,
    91, 92, 93, 94, 95, 97, 98, 100, 103,
))
# fmt: on
"""Performers of the training part of XSub; those of NTU RGB+D are the ones up to 40."""
XVIEW_TRAIN = frozenset((2, 3))
"""Cameras of the training part of XView."""

OFFICIAL_SPLITS: Mapping[str, tuple[str, ...]] = {
    "ntu60": ("xsub", "xview"),
    "ntu120": ("xsub", "xset"),
}

_TRAINED_ON: Mapping[str, Callable[[SampleName], bool]] = {
    "xsub": lambda name: name.performer in XSUB_TRAIN,
    "xview": lambda name: name.camera in XVIEW_TRAIN,
    "xset": lambda name: name.setup % 2 == 0,
}


def ntu_splits(dataset: str, clips: Sequence[PackedClip]) -> Splits:
    """The official splits of `ntu60` or `ntu120` over clips whose source is the sample's name."""
    splits: dict[str, dict[str, list[int]]] = {}
    for split in OFFICIAL_SPLITS[dataset]:
        parts: dict[str, list[int]] = {"train": [], "test": []}
        for number, clip in enumerate(clips):
            name = SampleName.parse(clip.source)
            if name is not None:
                parts["train" if _TRAINED_ON[split](name) else "test"].append(number)
        splits[split] = parts
    return with_few_shot_parts(splits, clips) if dataset == "ntu120" else splits


def with_few_shot_parts(splits: Splits, clips: Sequence[PackedClip]) -> Splits:
    """Add the splits `base` and `novel`, XSub of classes 1–60 and of classes 61–120, to `xsub`.

    The few-shot protocol (STARS, section 4.3) takes exemplars from the train part of `novel` and
    classifies its test part.
    """
    if "xsub" not in splits:
        return splits
    novel = frozenset(NTU_ACTIONS[FIRST_NOVEL:])

    def of(wanted: bool) -> dict[str, list[int]]:
        return {
            part: [number for number in numbers if (clips[number].label in novel) == wanted]
            for part, numbers in splits["xsub"].items()
        }

    return {**splits, "base": of(False), "novel": of(True)}
