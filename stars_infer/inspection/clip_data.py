"""What the player of `web/` needs of a clip, as plain containers for JSON."""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np

from stars_infer.clips.anatomy import UNITS_PER_METER
from stars_infer.clips.clip import Clip
from stars_infer.inspection.drawing import joint_sides
from stars_infer.inspection.inspect import Inspection, inspect_clip
from stars_infer.layouts import NTU25_INDEX, Layout, get_layout
from stars_infer.similarity.differences import limb_of_joints

SQUARE = 0.5
"""Side of the squares on the floor, meters."""


def clip_data(
    clip: Clip,
    *,
    name: str | None = None,
    caption: str | None = None,
    found: Inspection | None = None,
    most_fps: float | None = None,
    actors_only: bool = False,
) -> dict[str, Any]:
    """Collect what `web/skeleton.js` draws of a clip; its head says what each value is.

    Args:
        clip: The clip.
        name: What it is called; its source if not given.
        caption: What stands under it; its name if not given.
        found: Its inspection by `inspect_clip`, if that is known.
        most_fps: Frames per second that are kept at most; every second, third, ... frame is taken.
        actors_only: Leave out who does not act.
    """
    found = found or inspect_clip(clip)
    layout = get_layout(clip.layout)
    first = next((body for body in found.bodies if body.actor), found.bodies[0])
    stride = max(1, ceil(clip.fps / most_fps - 1e-6)) if most_fps else 1
    data: dict[str, Any] = {
        "name": clip.source if name is None else name,
        "fps": round(clip.fps / stride, 4),
        "frames": len(range(0, clip.frames, stride)),
        "joints": layout.joints,
        "bones": layout.bones,
        "sides": joint_sides(layout),
        "limbs": limb_of_joints(layout),
        "root": _main_joint(layout, "base of spine"),
        "head": _main_joint(layout, "head"),
        "facing": round(first.facing or 0.0, 1),
        "person": round(first.scale, 3),
        "square": SQUARE * round(UNITS_PER_METER[first.unit]) if first.unit else SQUARE,
        "bodies": [
            {
                "number": body.number,
                "actor": body.actor,
                "poses": _poses(clip, body.number, stride),
            }
            for body in found.bodies
            if body.actor or not actors_only
        ],
    }
    return data if caption is None else data | {"caption": caption}


def _main_joint(layout: Layout, joint: str) -> int:
    """Find the joint of a layout with the largest weight in an NTU-25 joint."""
    return int(layout.ntu25_matrix()[NTU25_INDEX[joint]].argmax())


def _poses(clip: Clip, number: int, stride: int) -> list[list[int] | None]:
    """List the positions of a body in each frame, 3 V millimeters; None where it is not seen."""
    shown = clip.bodies[number, ::stride].astype(np.float64)
    millimeters = np.rint(shown * 1000).astype(np.int64)
    poses = millimeters.reshape(len(shown), -1).tolist()
    seen = clip.presence[number, ::stride].tolist()
    return [pose if there else None for pose, there in zip(poses, seen, strict=True)]
