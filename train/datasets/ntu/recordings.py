"""The `.skeleton` files of NTU RGB+D as downloaded: a folder of SsssCcccPpppRrrrAaaa.skeleton."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from stars_infer.errors import ClipError, StarsError
from stars_infer.preprocessing.prepare import center_actors
from stars_infer.readers.files import read_clip
from stars_infer.train.datasets.ntu.actions import NTU_ACTIONS
from stars_infer.train.datasets.ntu.missing import missing_skeletons
from stars_infer.train.datasets.ntu.names import NTU_SETS, SampleName
from stars_infer.train.datasets.ntu.splits import ntu_splits
from stars_infer.train.datasets.pack import SourceClip
from stars_infer.train.datasets.preassigned import first_frames
from stars_infer.train.datasets.raw import (
    MISSING,
    NO_NAME,
    OTHER_SET,
    TWICE,
    LeftOut,
    Outcome,
    RawSet,
    Unit,
)


def open_ntu(dataset: str, folder: Path) -> RawSet:
    """List the `.skeleton` files of `ntu60` or `ntu120` in a folder, at any depth.

    Raises:
        StarsError: If there is none.
    """
    files = sorted(
        (path for path in folder.rglob("*") if path.suffix.lower() == ".skeleton"),
        key=lambda path: (path.stem, path),
    )
    if not files:
        raise StarsError(
            f"{folder}: no .skeleton file in this folder; --raw is where the archives of "
            "NTU RGB+D were unpacked (S001C001P001R001A001.skeleton and so on)"
        )
    units: list[Unit] = []
    left_out: list[LeftOut] = []
    found: set[str] = set()
    for path in files:
        sample = SampleName.parse(path.stem)
        reason = ""
        if sample is None:
            reason = NO_NAME
        elif sample not in NTU_SETS[dataset]:
            reason = OTHER_SET
        elif path.stem in found:
            reason = TWICE
        else:
            found.add(path.stem)
            if path.stem in missing_skeletons():
                reason = MISSING
        if reason:
            left_out.append(LeftOut(name=path.relative_to(folder).as_posix(), reason=reason))
        else:
            units.append(Unit(name=path.stem, size=path.stat().st_size, paths=(path,)))
    return RawSet(
        units=units,
        read=partial(read_sample, folder=folder),
        splits=partial(ntu_splits, dataset),
        left_out=left_out,
        not_found=NTU_SETS[dataset].samples - len(found),
    )


def read_sample(unit: Unit, *, folder: Path) -> Outcome:
    """Read one sample; choose and center its actors as the papers do; keep the first 300 frames."""
    (path,) = unit.paths
    try:
        actors = first_frames(center_actors(read_clip(path), bystanders=True))
    except ClipError as error:
        return (LeftOut.because(path.relative_to(folder).as_posix(), error),)
    sample = SampleName.parse(unit.name)
    assert sample is not None, unit.name
    return (
        SourceClip(
            actors=actors,
            label=NTU_ACTIONS[sample.action - 1],
            subject=f"P{sample.performer:03}",
            source=unit.name,
        ),
    )
