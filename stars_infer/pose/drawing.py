"""Draw people and words into a picture, as windows show them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stars_infer.layouts import get_layout
from stars_infer.pose.following import FollowedPose
from stars_infer.pose.people import SeenFrame
from stars_infer.pose.pictures import opencv

Image = NDArray[np.uint8]

MOST_WIDE, MOST_HIGH = 1280, 800
"""Larger pictures are shown smaller, pixels."""
COLORS = ((90, 200, 250), (255, 170, 60), (190, 140, 255), (120, 230, 120))
"""Colors of the people, red, green and blue, by their numbers."""
_SURE = 0.3
"""Joints of less visibility are not drawn."""
_DARK, _LIGHT = (20, 20, 20), (255, 255, 255)
_ROW = 34
"""Height of a line of words, pixels."""


def draw_frame(
    frame: SeenFrame, *, layout: str, words: Sequence[str] = (), share: float | None = None
) -> Image:
    """Draw a frame: the picture, the skeletons in it, lines of words, and a bar.

    Args:
        frame: The frame.
        layout: Joint layout of its people.
        words: Lines at the top.
        share: Length of a bar below them, 0 to 1; no bar if not given.

    Returns:
        (H, W, 3), red, green and blue; as large as fits into `MOST_WIDE` by `MOST_HIGH`.
    """
    cv2 = opencv()
    high, wide = frame.picture.image.shape[:2]
    scale = min(1.0, MOST_WIDE / wide, MOST_HIGH / high)
    size = (max(1, round(wide * scale)), max(1, round(high * scale)))
    image: Image = cv2.resize(frame.picture.image, size, interpolation=cv2.INTER_AREA)
    for person in frame.people:
        _draw_person(image, person, scale, layout)
    if words:
        height = _ROW * len(words) + (14 if share is not None else 0) + 8
        image[:height] = image[:height] // 4
    for row, text in enumerate(words):
        at = (12, _ROW * (row + 1) - 8)
        cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.9, _LIGHT, 2, cv2.LINE_AA)
    if share is not None:
        top = _ROW * len(words) + 2
        length = round(min(max(share, 0.0), 1.0) * (size[0] - 24))
        cv2.rectangle(image, (12, top), (size[0] - 12, top + 10), _DARK, -1)
        cv2.rectangle(image, (12, top), (12 + length, top + 10), COLORS[0], -1)
    return image


def _draw_person(image: Image, person: FollowedPose, scale: float, layout: str) -> None:
    cv2 = opencv()
    color = COLORS[person.identity % len(COLORS)]
    points = [(round(x * scale), round(y * scale)) for x, y in person.image.tolist()]
    sure = person.joints[:, 3] >= _SURE
    for one, two in get_layout(layout).bones:
        if sure[one] and sure[two]:
            cv2.line(image, points[one], points[two], _DARK, 6, cv2.LINE_AA)
            cv2.line(image, points[one], points[two], color, 3, cv2.LINE_AA)
    for point, there in zip(points, sure.tolist(), strict=True):
        if there:
            cv2.circle(image, point, 4, color, -1, cv2.LINE_AA)
