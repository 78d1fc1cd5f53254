"""People as a tilted camera sees them, people who lie, and people who sit."""

import numpy as np

from stars_infer.synthetic.body import Motion, Proportions, joints_of


def rotation(axis, angle):
    """The matrix (3, 3) of a turn about x, y or z, in radians, by the right-hand rule."""
    first, second = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix = np.eye(3)
    matrix[[first, second], [first, second]] = np.cos(angle)
    matrix[second, first], matrix[first, second] = np.sin(angle), -np.sin(angle)
    return matrix


def rotated(joints, matrix):
    """Bodies (M, T, 25, 3) turned about the hips of the first one in its first frame."""
    center = joints[0, 0, 0]
    return np.asarray((joints - center) @ np.asarray(matrix).T + center, np.float32)


def lying(joints):
    """Bodies on their backs, their heads away from the camera."""
    return rotated(joints, rotation("x", np.pi / 2))


def seated(frames=90, *, lean=0.0):
    """Somebody (1, T, 25, 3) who sits on a chair and waves, the shanks upright.

    Args:
        frames: Length, T.
        lean: Angle by which the trunk leans forward, radians.
    """
    body = Proportions.of_height(1.7)
    thigh, shin = body.thigh / body.leg, body.shin / body.leg
    swing = np.sin(np.linspace(0, 5 * np.pi, frames))
    wrists = np.tile([[0.1, -0.8, -0.4], [0.3, 0.6, -0.25]], (frames, 1, 1))
    wrists[:, 1, 0] += 0.3 * swing
    motion = Motion(
        hips=np.tile([0.0, shin, 0.0], (frames, 1)),
        lean=np.full(frames, lean),
        wrists=wrists,
        ankles=np.tile([0.0, 0.0, -thigh], (frames, 2, 1)),
    )
    return joints_of(motion, body)[None] + np.float32([0.2, -1, 3])
