"""NumPy `.npz` archives: `joints`, and optionally `layout` and `fps`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stars_infer.clip import DEFAULT_FPS, Clip
from stars_infer.errors import ClipError
from stars_infer.layouts import LAYOUTS


def read_npz(path: Path, layout: str | None = None, *, recording: bool = False) -> Clip:
    """Read the array `joints`, or the only array there is, from an archive.

    `layout` (text) and `fps` (a number) in the archive say what the clip is; the argument wins.

    Raises:
        ClipError: If the file is no archive, is damaged, holds several candidate arrays, or no
            usable motion.
    """
    source = str(path)
    try:
        with np.load(path, allow_pickle=False) as archive:
            named = {name: archive[name] for name in archive.files}
    except Exception as error:  # damage fails in NumPy, zip and zlib in many ways
        raise ClipError(
            source, f"not a readable .npz archive of plain arrays ({error}); objects are never "
            "unpickled: save it again with numpy.savez"
        ) from error  # fmt: skip
    said_layout = str(named.pop("layout", "")) or None
    said_fps = named.pop("fps", None)
    if "joints" in named:
        joints = named["joints"]
    elif len(named) == 1:
        (joints,) = named.values()
    else:
        raise ClipError(source, f"expected an array 'joints', found {sorted(named) or 'none'}")
    if layout is None and said_layout is not None and said_layout not in LAYOUTS:
        known = ", ".join(LAYOUTS)
        raise ClipError(source, f"unknown layout {said_layout[:24]!r} in the file; known: {known}")
    try:
        fps = DEFAULT_FPS if said_fps is None else float(said_fps)
    except (TypeError, ValueError) as error:
        raise ClipError(source, "fps in the file is not a number") from error
    return Clip.from_array(
        joints,
        layout=layout or said_layout or "ntu25",
        fps=fps,
        source=source,
        recording=recording,
    )
