"""The bone lengths of a standard adult."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from stars_infer.layouts import NTU25_JOINTS

_LENGTHS: Mapping[str, float] = {
    "middle of spine": 0.25, "spine at shoulders": 0.25, "neck": 0.08, "head": 0.12,
    "shoulder": 0.18, "elbow": 0.28, "wrist": 0.25, "hand": 0.07, "tip": 0.05, "thumb": 0.05,
    "hip": 0.09, "knee": 0.40, "ankle": 0.38, "foot": 0.10,
}  # fmt: skip


def _length(joint: str) -> float:
    kind = "tip" if joint.startswith("tip") else joint.split(maxsplit=1)[-1]
    return _LENGTHS.get(joint, _LENGTHS.get(kind, 0.0))


STANDARD_LENGTHS: NDArray[np.float32] = np.array(
    [_length(joint) for joint in NTU25_JOINTS], np.float32
)
"""Length of the bone from its parent to each NTU-25 joint, meters: round figures for an adult of
1.75 m. That of the base of the spine, which is the root, is 0."""
