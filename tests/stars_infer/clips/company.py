"""People beside somebody who acts, as (T, 25, 3) in meters."""

from __future__ import annotations

import numpy as np

from stars_infer import Clip
from stars_infer.synthetic.actions import SOLO_ACTIONS, perform

ASIDE = np.array([1.6, 0, 0])
LEGS = [13, 14, 15, 17, 18, 19]


def acting(action, seed=0):
    return perform(action, np.random.default_rng(seed))[0]


def standing(frames, seed=50):
    """Somebody whom a tracker shows in one pose, 1.6 m to the right."""
    pose = acting("kick", seed)[:1]
    middle = acting("wave").mean(axis=(0, 1))
    return np.repeat(pose - pose.mean(axis=(0, 1)) + middle + ASIDE, frames, axis=0)


def noisy(frames, meters=0.03, seed=1):
    """A false body with a noise that differs from frame to frame."""
    random = np.random.default_rng(seed)
    return standing(frames) + random.normal(0, meters, (frames, 25, 3))


def drifting(frames, meters=0.02, seed=1):
    """A false body that wanders, as a Kinect's do, each joint by itself."""
    random = np.random.default_rng(seed)
    wander = np.zeros((frames, 25, 3))
    wander[0] = random.normal(0, meters, (25, 3))
    for at in range(1, frames):
        wander[at] = 0.95 * wander[at - 1] + random.normal(0, 0.31 * meters, (25, 3))
    return standing(frames) + wander


def swaying(frames, meters=0.06):
    """Somebody who shifts weight from one leg to the other: all but the feet goes to and fro."""
    body = standing(frames)
    high = body[:, :, 1] - body[:, :, 1].min()
    sway = meters * np.sin(2 * np.pi * 0.4 * np.arange(frames) / 30)
    body[:, :, 0] += np.clip(high / 0.8, 0, 1) * sway[:, None]
    return body + np.random.default_rng(2).normal(0, 0.006, body.shape)


def walking_past(frames, share=0.4):
    """Somebody who walks through behind, across the picture, for a share of the time."""
    body = np.zeros((frames, 25, 3))
    length = round(share * frames)
    start = (frames - length) // 2
    walk = acting("walk", 3)[:length]
    turned = walk @ np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    middle = acting("wave").mean(axis=(0, 1)) + [0, 0, 1.5]
    body[start : start + length] = turned - turned.mean(axis=(0, 1)) + middle
    return body


def seen_only(body, frames):
    """A body that is seen in some frames only."""
    result = np.zeros_like(body)
    result[frames] = body[frames]
    return result


def clip_of(*bodies, fps=30.0):
    return Clip.from_array(np.stack([np.asarray(body, np.float32) for body in bodies]), fps=fps)


SOLO = tuple(SOLO_ACTIONS)
