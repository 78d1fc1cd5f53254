"""From a raw data set to a pack with its official splits: the verb behind `stars data prepare`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stars_infer.errors import ClipError, StarsError, UsageError
from stars_infer.machine import usable_cores
from stars_infer.parallel import ordered_map
from stars_infer.train.datasets.journal import JournaledPack
from stars_infer.train.datasets.mamp_npz import open_mamp_npz
from stars_infer.train.datasets.ntu.names import NTU_SETS
from stars_infer.train.datasets.ntu.recordings import open_ntu
from stars_infer.train.datasets.pku.recordings import open_pku
from stars_infer.train.datasets.preassigned import MAX_FRAMES
from stars_infer.train.datasets.pyskl import open_pyskl
from stars_infer.train.datasets.raw import UNUSABLE, LeftOut, RawSet

DATASETS = ("ntu60", "ntu120", "pku1", "pku2")
MOST_WORKERS = 24
"""Used if nobody says otherwise: at 45 MB each they stay far below 2 GB together."""

_GO_ON = "run the command again with fewer --workers; it goes on where it stopped"

Skip = Callable[[ClipError], None]
Watch = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What a preparation made.

    Attributes:
        clips: Clips in the pack.
        frames: Frames in them.
        labels: Different actions in them.
        splits: Clips in each part of each split.
        left_out: What was left out, by reason: names, with the problem where there is one.
        not_found: Official samples that the raw data lacks; `None` where nobody can say.
        resumed: Units that an earlier run had done.
    """

    clips: int
    frames: int
    labels: int
    splits: Mapping[str, Mapping[str, int]]
    left_out: Mapping[str, Sequence[str]]
    not_found: int | None
    resumed: int


def prepare_dataset(
    dataset: str,
    *,
    raw: Path,
    out: Path,
    split: str | None = None,
    workers: int | None = None,
    force: bool = False,
    skip: Skip,
    watch: Watch,
) -> Prepared:
    """Make a pack of a data set: official names and splits, denoised, centered, at most 300 frames.

    A run that was killed is continued where it stopped; the pack is then the same, byte for byte,
    as that of one run, whatever the number of workers.

    Args:
        dataset: One of `DATASETS`; the fact `dataset` of the pack.
        raw: Folder of the raw files, a PYSKL `.pkl`, or a MAMP `.npz`.
        out: Folder of the pack.
        split: Of a MAMP `.npz`, which does not say it.
        workers: Processes; as many as there are cores if not given, but 24 at most.
        force: Whether to start anew where there is a pack, or the beginning of one.
        skip: Called with the error of everything that cannot be used.
        watch: Called with the units done and the units in all.

    Raises:
        UsageError: If the arguments do not fit, or there is a finished pack or the beginning of
            another one.
        StarsError: If the raw data cannot be used at all.
    """
    if workers is not None and workers < 1:
        raise UsageError(f"--workers must be at least 1, got {workers}")
    kind, raw_set = _open(dataset, raw, split)
    for unread in raw_set.left_out:
        _tell(raw, unread, skip)
    run = {"dataset": dataset, "kind": kind, "split": split}
    processes = (workers or min(usable_cores(), MOST_WORKERS)) if raw_set.parallel else 1
    try:
        with JournaledPack(out, run=run, units=raw_set.units, force=force) as pack:
            resumed, total = pack.done, len(raw_set.units)
            for earlier in pack.left_out:
                _tell(raw, earlier, skip)
            watch(resumed, total)
            rest = raw_set.units[resumed:]
            outcomes = ordered_map(
                raw_set.read, rest, workers=processes, chunk=raw_set.chunk, remedy=_GO_ON
            )
            for unit, outcome in zip(rest, outcomes, strict=True):
                pack.add(unit, outcome)
                for result in outcome:
                    if isinstance(result, LeftOut):
                        _tell(raw, result, skip)
                watch(pack.done, total)
            left_out = _by_reason((*raw_set.left_out, *pack.left_out))
            if not pack.clips:
                pack.discard()
                reasons = ", ".join(f"{len(names)} {reason}" for reason, names in left_out.items())
                raise StarsError(f"{raw}: nothing of {dataset} here can be packed ({reasons})")
            splits = raw_set.splits(pack.clips)
            facts = {
                "dataset": dataset,
                "sources": [raw.name],
                "raw": kind,
                "longest": MAX_FRAMES,
                "left_out": left_out,
                "not_found": raw_set.not_found,
            }
            pack.finish(facts, splits)
    finally:
        raw_set.close()
    return Prepared(
        clips=len(pack.clips),
        frames=sum(clip.frames for clip in pack.clips),
        labels=len({clip.label for clip in pack.clips}),
        splits={
            name: {part: len(numbers) for part, numbers in parts.items()}
            for name, parts in splits.items()
        },
        left_out=left_out,
        not_found=raw_set.not_found,
        resumed=resumed,
    )


def _open(dataset: str, raw: Path, split: str | None) -> tuple[str, RawSet]:
    """List the raw data; its kind follows from what `raw` is."""
    if dataset not in DATASETS:
        raise UsageError(f"unknown data set {dataset!r}; known: {', '.join(DATASETS)}")
    if not raw.exists():
        raise UsageError(f"{raw}: no such file or folder; --raw names where the raw data lies")
    ending = "" if raw.is_dir() else raw.suffix.lower()
    if ending == ".npz":
        return "mamp", open_mamp_npz(dataset, raw, split=split)
    if split is not None:
        raise UsageError(f"{raw}: --split is for an .npz only; all else says its splits itself")
    if ending == ".pkl" and dataset in NTU_SETS:
        return "pyskl", open_pyskl(dataset, raw)
    if raw.is_dir():
        return "official", (open_ntu if dataset in NTU_SETS else open_pku)(dataset, raw)
    raise UsageError(
        f"{raw}: expected the folder of the official files, an .npz of MAMP"
        + (", or a .pkl of PYSKL" if dataset in NTU_SETS else f" (PYSKL has no {dataset})")
    )


def _tell(raw: Path, left_out: LeftOut, skip: Skip) -> None:
    """Name what could not be used; the other reasons are only counted."""
    if left_out.reason == UNUSABLE:
        place = str(raw / left_out.name) if raw.is_dir() else f"{raw}:{left_out.name}"
        skip(ClipError(place, left_out.problem))


def _by_reason(left_out: Sequence[LeftOut]) -> dict[str, list[str]]:
    reasons: defaultdict[str, list[str]] = defaultdict(list)
    for each in sorted(left_out, key=lambda each: (each.reason, each.name)):
        told = f"{each.name}: {each.problem}" if each.problem else each.name
        reasons[each.reason].append(told)
    return dict(reasons)
