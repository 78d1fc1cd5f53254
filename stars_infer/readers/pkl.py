"""Annotation files of PYSKL, `.pkl`: many clips, each with its keypoints.

Reading the pickle runs none of its code (`stars_infer.readers.restricted_pickle`). Keypoints must
be 3D. The file does not name their order, which is taken to be that of NTU RGB+D unless `--layout`
says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from stars_infer.clips.convention import STANDARD, Convention
from stars_infer.errors import ClipError, StarsError
from stars_infer.readers.bounds import check_memory
from stars_infer.readers.recording import Recording
from stars_infer.readers.restricted_pickle import PickledArray, load_plain

_FLAT = (
    "keypoints in 2D, but positions in 3D are needed: use the 3D annotations of PYSKL "
    "(…_3danno.pkl)"
)


def read_pkl(path: Path) -> Iterator[Recording | ClipError]:
    """Read the clips of `{"annotations": [{"frame_dir": NAME, "keypoint": (M, T, V, 3)}]}`.

    An annotation that is not a clip yields its error, and reading goes on.

    Raises:
        ClipError: If the file is not such a pickle, or asks for anything but arrays and plain
            containers.
    """
    source = str(path)
    try:
        content = load_plain(path)
    except StarsError as error:
        raise ClipError(source, str(error).removeprefix(f"{source}: ")) from error
    annotations = content.get("annotations") if isinstance(content, dict) else content
    if not isinstance(annotations, list) or not annotations:
        raise ClipError(source, "no PYSKL annotations, which are a list under 'annotations'")
    check_memory(
        sum(map(_bytes_of, annotations)),
        "its annotations share their arrays, and hold",
        source=source,
        size=path.stat().st_size,
    )
    for number, annotation in enumerate(annotations):
        try:
            yield _recording(annotation, number, source)
        except ClipError as error:
            yield error


def _bytes_of(annotation: Any) -> int:
    keypoint = annotation.get("keypoint") if isinstance(annotation, dict) else None
    return keypoint.nbytes if isinstance(keypoint, PickledArray) else 0


def _recording(annotation: Any, number: int, source: str) -> Recording:
    if not isinstance(annotation, dict):
        raise ClipError(source, f"annotation {number} is no dictionary with frame_dir and keypoint")
    name, keypoint = annotation.get("frame_dir"), annotation.get("keypoint")
    if not isinstance(name, str) or not isinstance(keypoint, PickledArray):
        raise ClipError(source, f"annotation {number} has no frame_dir and keypoint")
    place = f"{source}#{name}"
    try:
        joints = keypoint.array()
    except (TypeError, ValueError) as error:
        raise ClipError(place, f"a damaged array ({error})") from error
    if joints.ndim == 4 and joints.shape[-1] == 2:
        return Recording(
            joints=np.pad(np.asarray(joints, np.float32), [(0, 0)] * 3 + [(0, 1)]),
            source=place,
            default=Convention(layout="coco17").over(STANDARD),
            name=name,
            flat=_FLAT,
        )
    if joints.ndim != 4 or joints.shape[-1] != 3:
        raise ClipError(place, f"expected keypoints (M, T, V, 3), got {joints.shape}")
    return Recording(
        joints=np.asarray(joints, np.float32) if joints.dtype.itemsize < 4 else joints,
        source=place,
        default=Convention(layout="ntu25").over(STANDARD),
        name=name,
    )
