"""A synthetic person drawn with a face and clothes, so that a pose model sees somebody."""

from __future__ import annotations

import numpy as np

from stars_infer.layouts import NTU25_INDEX

HIGH, WIDE = 720, 540
PIXELS = 250
"""Pixels a meter."""
FLOOR = 640
SKIN, SHIRT, TROUSERS, SHOES = (190, 150, 120), (170, 50, 50), (45, 55, 95), (30, 30, 30)
LIMBS = (
    ("{} hip", "{} knee", 0.085, TROUSERS),
    ("{} knee", "{} ankle", 0.06, TROUSERS),
    ("{} ankle", "{} foot", 0.045, SHOES),
    ("{} shoulder", "{} elbow", 0.055, SHIRT),
    ("{} elbow", "{} wrist", 0.042, SKIN),
    ("{} wrist", "{} hand", 0.045, SKIN),
)
"""Ends, radius in meters and color of each limb."""
TRUNK = (
    ("left shoulder", "right shoulder"),
    ("left hip", "right hip"),
    ("left shoulder", "left hip"),
    ("right shoulder", "right hip"),
)


def draw_person(joints):
    """Draw a body (25, 3), y up from the floor, as it is seen from the front: (H, W, 3), RGB."""
    import cv2

    image = np.full((HIGH, WIDE, 3), (205, 208, 200), np.uint8)
    image[int(HIGH * 0.8) :] = (150, 140, 128)
    middle = joints[NTU25_INDEX["base of spine"]]

    def at(name):
        x, y, _ = joints[NTU25_INDEX[name]]
        return int(WIDE / 2 - PIXELS * (x - middle[0])), int(FLOOR - PIXELS * y)

    def limb(one, two, radius, color):
        widest = int(radius * PIXELS)
        for width in range(widest, 0, -1):
            light = 0.62 + 0.38 * (1 - (width / widest) ** 2)
            shade = tuple(int(part * light) for part in color)
            cv2.line(image, at(one), at(two), shade, 2 * width, cv2.LINE_AA)

    def near(part):
        return min(joints[NTU25_INDEX[name], 2] for name in part[:2])

    limbs = sorted(
        (
            (one.format(side), two.format(side), radius, color)
            for one, two, radius, color in LIMBS
            for side in ("left", "right")
        ),
        key=near,
        reverse=True,
    )
    behind = [part for part in limbs if near(part) > middle[2] - 0.02]
    for part in behind:
        limb(*part)
    around = ("left shoulder", "right shoulder", "right hip", "left hip")
    corners = [at(name) for name in around]
    cv2.fillConvexPoly(image, np.array(corners), SHIRT, cv2.LINE_AA)
    for one, two in TRUNK:
        limb(one, two, 0.07, SHIRT)
    limb("spine at shoulders", "neck", 0.055, SKIN)
    _draw_face(cv2, image, at("head"))
    for part in limbs:
        if part not in behind:
            limb(*part)
    return image


def _draw_face(cv2, image, place):
    x, y = place

    def oval(dx, dy, width, height, color, start=0, end=360):
        center = x + int(dx * PIXELS), y + int(dy * PIXELS)
        axes = int(width * PIXELS), max(1, int(height * PIXELS))
        cv2.ellipse(image, center, axes, 0, start, end, color, -1, cv2.LINE_AA)

    oval(0, 0, 0.078, 0.105, SKIN)
    oval(0, -0.035, 0.085, 0.085, (50, 35, 25), 180, 360)  # hair
    for side in (-0.03, 0.03):
        oval(side, 0, 0.014, 0.008, (250, 250, 250))
        oval(side, 0, 0.008, 0.008, (40, 25, 20))
        oval(side, -0.021, 0.014, 0.004, (60, 40, 30))
    oval(0, 0.02, 0.008, 0.014, (150, 110, 85))
    oval(0, 0.055, 0.025, 0.008, (150, 70, 70))


def write_drawn_video(path, joints, *, fps=30.0):
    """Write a video of a drawn body (T, 25, 3)."""
    import cv2

    feet = [NTU25_INDEX["left foot"], NTU25_INDEX["right foot"]]
    standing = joints - (0, joints[:, feet, 1].min(), 0)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), fps, (WIDE, HIGH))
    for body in standing:
        writer.write(draw_person(body)[:, :, ::-1])
    writer.release()
    return path
