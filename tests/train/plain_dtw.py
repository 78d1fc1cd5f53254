"""What DTW distillation teaches from, in plain NumPy and double precision, by the definitions."""

from itertools import product

import numpy as np

FRAMES, STEPS = 64, 32
KINECT_V1 = (0, 1, 20, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19)
POSTURE_SHARE, MOTION_SHARE = 0.72, 0.28
STILL = 0.03


def plain_sequence(body):
    """Postures and motions (32, 120) of a body (64, 25, 3)."""
    pairs = np.asarray(body, np.float64).reshape(STEPS, FRAMES // STEPS, 25, 3)
    step = sum(pairs.swapaxes(0, 1)) / (FRAMES // STEPS)
    posture = np.stack([step[:, joint] - step[:, 0] for joint in KINECT_V1], axis=1)
    motion = np.empty_like(posture)
    motion[0], motion[-1] = posture[1] - posture[0], posture[-1] - posture[-2]
    motion[1:-1] = (posture[2:] - posture[:-2]) / 2
    size, speed = (np.sqrt((x**2).sum() / STEPS) for x in (posture, motion))
    rows = (
        np.sqrt(POSTURE_SHARE) * posture / size,
        np.sqrt(MOTION_SHARE) * motion / max(speed, STILL),
    )
    return np.concatenate([row.reshape(STEPS, 60) for row in rows], axis=1)


def plain_sequences(bodies):
    """The same of bodies (N, 64, 25, 3)."""
    return np.stack([plain_sequence(body) for body in bodies])


def plain_similarity(one, other):
    """1 - d / 2S of sequences (S, F), d being the cost of the cheapest path."""
    steps = len(one)
    path = np.full((steps + 1, steps + 1), np.inf)
    path[0, 0] = 0
    costs = ((one[:, None] - other[None]) ** 2).sum(axis=2)
    for i, j in product(range(steps), repeat=2):
        path[i + 1, j + 1] = costs[i, j] + min(path[i, j], path[i, j + 1], path[i + 1, j])
    return 1 - path[-1, -1] / (2 * steps)


def plain_similarities(sequences, others):
    """The same of all pairs, (N, L)."""
    return np.array([[plain_similarity(one, other) for other in others] for one in sequences])
