"""Motion-capture hierarchies, recognized by their joint names, as NTU-25."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.errors import StarsError
from stars_infer.layouts import layout_for_names, layout_names


def hierarchy_to_ntu25(positions: FloatArray, joint_names: Sequence[str]) -> FloatArray:
    """Map positions (T, V, 3) with named joints to NTU-25 (T, 25, 3).

    Raises:
        StarsError: If the names fit no known layout.
    """
    found = layout_for_names(joint_names)
    if found is None:
        raise StarsError(
            f"joint names {', '.join(joint_names[:5])}, … fit none of the known layouts: "
            + ", ".join(layout_names())
        )
    layout, places = found
    return np.asarray(layout.ntu25_matrix() @ positions[:, list(places)])
