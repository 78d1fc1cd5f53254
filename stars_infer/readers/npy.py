"""NumPy `.npy` files: one array of positions."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stars_infer.clips.convention import STANDARD, Convention
from stars_infer.errors import ClipError
from stars_infer.readers.recording import Recording

USUAL = Convention(layout="ntu25").over(STANDARD)
_MAGIC = b"\x93NUMPY"


def read_npy(path: Path) -> tuple[Recording, ...]:
    """Read (T, V, 3), (M, T, V, 3) or (3, T, V, M) positions; see `Clip.from_array`.

    Pickled arrays are never loaded.

    Raises:
        ClipError: If the file is not a plain array or is cut short.
    """
    source = str(path)
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise ClipError(source, "not a NumPy array file (pickled data is never loaded)")
    try:
        # Memory-mapped, so that a header that promises more than the file holds fails cheaply.
        joints = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a damaged header fails in NumPy's parser in many ways
        raise ClipError(source, _explain(str(error))) from error
    return (Recording(joints=joints, source=source, usual=USUAL),)


def _explain(problem: str) -> str:
    if "object" in problem.lower():
        return "holds Python objects, which are never unpickled: save a plain float array"
    return f"damaged or cut short ({problem}): save it again"
