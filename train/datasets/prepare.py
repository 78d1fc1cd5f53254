"""From a raw data set to a pack with the official splits: `stars data prepare`."""

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
"""Largest default number of processes: at 45 MB each, they stay below 2 GB together."""

_GO_ON = "run the command again with fewer --workers; it goes on where it stopped"

Skip = Callable[[ClipError], None]
Watch = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """The outcome of a preparation.

    Attributes:
        clips: Number of clips in the pack.
        frames: Number of frames in the pack.
        labels: Number of actions in the pack.
        splits: Number of clips in each part of each split.
        left_out: Names of what was left out, by reason, with the problem if there is one.
        not_found: Number of official samples that the raw data lacks; None if unknown.
        resumed: Number of units that an earlier call had packed.
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

    A call continues where an earlier one was killed. The bytes of the pack depend neither on that
    nor on the number of workers.

    Args:
        dataset: One of `DATASETS`.
        raw: Folder of the raw files, a PYSKL `.pkl`, or a MAMP `.npz`.
        out: Folder of the pack.
        split: Split of a MAMP `.npz`, which does not name it.
        workers: Number of processes; by default, the number of cores, but at most 24.
        force: Whether to replace an existing pack, or the beginning of one.
        skip: Called with the error of each file or entry that cannot be used.
        watch: Called with the number of packed units and of all units.

    Raises:
        UsageError: If the arguments contradict each other, or the folder holds a finished pack or
            the beginning of another one.
        StarsError: If the raw data cannot be used at all.
    """
    if workers is not None and workers < 1:
        raise UsageError(f"--workers must be at least 1, got {workers}")
    kind, raw_set = _open(dataset, raw, split)
    for unread in raw_set.left_out:
        _report(raw, unread, skip)
    run = {"dataset": dataset, "kind": kind, "split": split}
    processes = (workers or min(usable_cores(), MOST_WORKERS)) if raw_set.parallel else 1
    try:
        with JournaledPack(out, run=run, units=raw_set.units, force=force) as pack:
            resumed, total = pack.done, len(raw_set.units)
            for earlier in pack.left_out:
                _report(raw, earlier, skip)
            watch(resumed, total)
            rest = raw_set.units[resumed:]
            outcomes = ordered_map(
                raw_set.read, rest, workers=processes, chunk=raw_set.chunk, remedy=_GO_ON
            )
            for unit, outcome in zip(rest, outcomes, strict=True):
                pack.add(unit, outcome)
                for result in outcome:
                    if isinstance(result, LeftOut):
                        _report(raw, result, skip)
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
    """List the raw data; return its kind, which follows from the path, and the list."""
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


def _report(raw: Path, left_out: LeftOut, skip: Skip) -> None:
    """Report what could not be used; other reasons are only counted."""
    if left_out.reason == UNUSABLE:
        place = str(raw / left_out.name) if raw.is_dir() else f"{raw}:{left_out.name}"
        skip(ClipError(place, left_out.problem))


def _by_reason(left_out: Sequence[LeftOut]) -> dict[str, list[str]]:
    reasons: defaultdict[str, list[str]] = defaultdict(list)
    for each in sorted(left_out, key=lambda each: (each.reason, each.name)):
        told = f"{each.name}: {each.problem}" if each.problem else each.name
        reasons[each.reason].append(told)
    return dict(reasons)
