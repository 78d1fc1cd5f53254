"""The skeleton as a graph: adjacency, divided by the distance from the middle of the body."""

from __future__ import annotations

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.layouts import NTU25_JOINTS, NTU25_PARENTS

CENTER = NTU25_JOINTS.index("spine at shoulders")
"""Joint from which distances are counted, as in ST-GCN on NTU RGB+D."""


def spatial_partition() -> FloatArray:
    """Adjacency of NTU-25 in three parts (3, V, V), from row to column (ST-GCN, section 3.3).

    The parts connect a joint with those of its neighbors, itself included, that are as far from
    `CENTER` as it is, nearer, and farther. The edges are the bones of the layout. Each column adds
    up to 1 over the three parts.
    """
    joints = len(NTU25_JOINTS)
    near = np.eye(joints, dtype=bool)
    for joint, parent in enumerate(NTU25_PARENTS):
        near[joint, parent] = near[parent, joint] = True
    away = _distances(near)
    normalized = near / near.sum(axis=0)
    parts = np.zeros((3, joints, joints), np.float32)
    for source, target in zip(*np.nonzero(near), strict=True):
        part = int(away[source] < away[target]) + 2 * int(away[source] > away[target])
        parts[part, source, target] = normalized[source, target]
    return parts


def _distances(near: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> FloatArray:
    """Number of edges from `CENTER` to each joint, (V,)."""
    away = np.full(len(near), np.inf, np.float32)
    reached = np.arange(len(near)) == CENTER
    step = 0
    while np.isinf(away).any():
        away[reached & np.isinf(away)] = step
        reached, step = near[reached].any(axis=0), step + 1
    return away
