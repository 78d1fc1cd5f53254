"""The recordings of PKU-MMD as downloaded: minutes of skeletons, and intervals of actions.

`PKU_Skeleton_Renew/0002-L.txt` (part II: A01N01-L.txt) has a row of 150 values per frame: two
bodies of 25 joints in the order of NTU RGB+D, x y z in meters, zeros for an absent body.
`Train_Label_PKU_final/0002-L.txt` has a line `class,start,end,confidence` per action. Frames
count from 0 and `end` is not part of the action, as in the public preparations.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.errors import ClipError, StarsError
from stars_infer.train.datasets.pack import SourceClip
from stars_infer.train.datasets.pku.actions import PKU_ACTIONS
from stars_infer.train.datasets.pku.splits import pku_splits, read_split_files
from stars_infer.train.datasets.preassigned import preassigned_actors
from stars_infer.train.datasets.raw import (
    BROKEN_INTERVAL,
    NO_LABELS,
    TWICE,
    UNKNOWN_CLASS,
    LeftOut,
    Outcome,
    RawSet,
    Unit,
)

_NAMES = {
    "pku1": re.compile(r"\d{4}-[LMR]"),
    "pku2": re.compile(r"A\d{2}N\d{2}-[LMR]"),
}
_BODIES = (2, 25, 3)
_VALUES = 150


def open_pku(dataset: str, folder: Path) -> RawSet:
    """List the recordings of `pku1` or `pku2` in a folder, at any depth.

    Text files in a folder with "label" in its name are labels, all others skeletons.

    Raises:
        StarsError: If there is no recording, or a split file is not there.
    """
    texts = [
        path
        for path in sorted(folder.rglob("*.txt"))
        if _NAMES[dataset].fullmatch(path.stem) is not None
    ]
    skeletons: dict[str, Path] = {}
    labels: dict[str, Path] = {}
    left_out: list[LeftOut] = []
    for path in texts:
        folders = path.relative_to(folder).parent.as_posix().lower()
        kind = labels if "label" in folders else skeletons
        if path.stem in kind:
            left_out.append(LeftOut(name=path.relative_to(folder).as_posix(), reason=TWICE))
        else:
            kind[path.stem] = path
    if not skeletons or not labels:
        example = "0002-L.txt" if dataset == "pku1" else "A01N01-L.txt"
        what, where = (
            ("skeletons", "PKU_Skeleton_Renew") if labels else ("labels", "Train_Label_PKU_final")
        )
        raise StarsError(
            f"{folder}: no {what} of {dataset} here; expected {folder / where / example} and so on "
            "(any folder does, but that of the labels has 'label' in its name)"
        )
    recordings = read_split_files(dataset, folder)
    listed = {name for parts in recordings.values() for names in parts.values() for name in names}
    units = []
    for name, path in sorted(skeletons.items()):
        if name in labels:
            size = path.stat().st_size + labels[name].stat().st_size
            units.append(Unit(name=name, size=size, paths=(path, labels[name])))
        else:
            left_out.append(LeftOut(name=path.relative_to(folder).as_posix(), reason=NO_LABELS))
    return RawSet(
        units=units,
        read=partial(read_recording, folder=folder),
        splits=partial(pku_splits, recordings),
        chunk=1,
        left_out=left_out,
        not_found=len(listed - set(skeletons)),
    )


def read_recording(unit: Unit, *, folder: Path) -> Outcome:
    """Cut a recording into its labeled actions."""
    path, label_path = unit.paths
    try:
        rows = _rows(path)
        lines = list(_label_lines(label_path))
    except ClipError as error:
        name = Path(error.source).relative_to(folder).as_posix()
        return (LeftOut.because(name, error),)
    return list(_actions(unit.name, rows, lines))


def _actions(
    recording: str, rows: FloatArray, lines: Iterable[tuple[int, int, int]]
) -> Iterator[SourceClip | LeftOut]:
    for number, (action, start, end) in enumerate(lines):
        name = f"{recording}_{number}"
        if not 1 <= action <= len(PKU_ACTIONS):
            yield LeftOut(name=name, reason=UNKNOWN_CLASS, problem=f"class {action}")
        elif not 0 <= start < min(end, len(rows)):
            problem = f"frames {start} to {end} of {len(rows)}"
            yield LeftOut(name=name, reason=BROKEN_INTERVAL, problem=problem)
        else:
            bodies = np.moveaxis(rows[start:end].reshape(-1, *_BODIES), 1, 0)
            try:
                actors = preassigned_actors(bodies, source=name)
            except ClipError as error:
                yield LeftOut.because(name, error)
                continue
            label = PKU_ACTIONS[action - 1]
            yield SourceClip(actors=actors, label=label, subject="", source=name)


def _rows(path: Path) -> FloatArray:
    """Read the rows (T, 150) of a skeleton file."""
    try:
        if not path.stat().st_size:
            raise ClipError(str(path), "the file is empty: unpack it again")
        rows = np.loadtxt(path, np.float32, ndmin=2)
    except OSError as error:
        raise ClipError(str(path), f"cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise ClipError(str(path), f"no rows of {_VALUES} numbers ({error})") from error
    if rows.shape[1] != _VALUES:
        raise ClipError(str(path), f"expected rows of {_VALUES} values, found {rows.shape[1]}")
    return rows


def _label_lines(path: Path) -> Iterator[tuple[int, int, int]]:
    """Read class, start and end from each line of a label file."""
    try:
        lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError as error:
        raise ClipError(str(path), f"cannot be read: {error.strerror or error}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        fields = line.split(",")
        try:
            action, start, end = (int(float(field)) for field in fields[:3])
        except (ValueError, OverflowError):
            raise ClipError(
                str(path),
                f"line {number}: expected class,start,end,confidence, found {line[:40]!r}",
            ) from None
        yield action, start, end
