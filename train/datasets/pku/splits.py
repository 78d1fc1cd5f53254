"""The split files of PKU-MMD, which come with the data.

The line "Training videos:" precedes the names of the training recordings, and "Validataion videos:"
(spelled this way) those of the test recordings. The names are separated by commas.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from stars_infer.errors import StarsError
from stars_infer.train.datasets.pack import PackedClip, Splits

SPLIT_FILES: Mapping[str, Mapping[str, str]] = {
    "pku1": {"xsub": "cross-subject.txt", "xview": "cross-view.txt"},
    "pku2": {"xsub": "cross_subject_v2.txt", "xview": "cross_view_v2.txt"},
}
"""Data set -> split -> the file that lists its recordings, wherever in the raw folder."""

Recordings = Mapping[str, Mapping[str, frozenset[str]]]
"""Split -> part -> names of recordings."""


def read_split_files(dataset: str, folder: Path) -> Recordings:
    """Read the split files of `pku1` or `pku2`.

    Raises:
        StarsError: If one is not there, is there twice, or lists nothing for a part.
    """
    texts = sorted(folder.rglob("*.txt"))
    splits = {}
    for split, file_name in SPLIT_FILES[dataset].items():
        found = [path for path in texts if _normalize_name(path.name) == _normalize_name(file_name)]
        if len(found) != 1:
            where = " and ".join(map(str, found))
            raise StarsError(
                f"{folder}: the split {split} of {dataset} is listed in {file_name}, which should "
                f"lie in {folder / 'Split'} or anywhere else in this folder, once; it is "
                + (f"in {where}" if found else "not there: download it with the skeletons")
            )
        splits[split] = _read(found[0])
    return splits


def pku_splits(recordings: Recordings, clips: Sequence[PackedClip]) -> Splits:
    """The official splits over clips whose source is RECORDING_INTERVAL."""
    whole = [clip.source.rsplit("_", 1)[0] for clip in clips]
    return {
        split: {
            part: [number for number, name in enumerate(whole) if name in names]
            for part, names in parts.items()
        }
        for split, parts in recordings.items()
    }


def _normalize_name(file_name: str) -> str:
    """Copies of the data set have `cross-subject` or `cross_subject`, with or without `v1`."""
    return file_name.lower().replace("-", "_").replace("_v1.", ".")


def _read(path: Path) -> Mapping[str, frozenset[str]]:
    text = path.read_text(encoding="ascii", errors="replace")
    parts = {}
    for part, title in (("train", "train"), ("test", "valid|test")):
        section = re.search(rf"^[ \t]*(?:{title})[^\n:]*:([^:]*)(?=^|\Z)", text, re.I | re.M)
        names = re.findall(r"\w+-[LMR]\b", section.group(1)) if section else []
        if not names:
            raise StarsError(
                f"{path}: lists no recording to {part}; expected a line 'Training videos:' or "
                "'Validataion videos:' and names such as 0002-L after it: download it again"
            )
        parts[part] = frozenset(names)
    return parts
