"""Draw a clip as text: skeletons of braille dots, two by four to a character.

Dots are about square in a terminal, so that bodies keep their proportions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rich.text import Text

from stars_infer.arrays import BoolArray, FloatArray
from stars_infer.clips.actors import cast_bodies, select_actors
from stars_infer.clips.anatomy import person_scale
from stars_infer.clips.clip import Clip
from stars_infer.layouts import NTU25, NTU25_INDEX, Layout
from stars_infer.preprocessing.normalize import face_camera
from stars_infer.preprocessing.prepare import to_ntu25

LEFT, RIGHT, MIDDLE = "left", "right", "middle"
PALETTES = (
    {LEFT: "dodger_blue1", RIGHT: "dark_orange", MIDDLE: "default"},
    {LEFT: "medium_purple1", RIGHT: "hot_pink", MIDDLE: "grey62"},
)
"""Colors of the limbs of the first and the second actor."""
LEAST_COLUMNS = 24
FEWEST_MOMENTS, MOST_MOMENTS = 4, 6
HEAD_RADIUS = 0.1
"""Radius of a standard adult's head, meters."""

_BLANK = 0x2800
_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
"""Bit of each dot in a braille character, rows by columns (Unicode block Braille Patterns)."""
_GAP = 1
"""Blank columns between moments."""
_HEAD = NTU25_INDEX["head"]


class BrailleCanvas:
    """A grid of dots, two by four to a character, which takes the color drawn last."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self._dots = np.zeros((rows * 4, columns * 2), np.bool_)
        self._colors: dict[tuple[int, int], str] = {}

    @property
    def size(self) -> tuple[int, int]:
        """Number of dots across and down."""
        return self.columns * 2, self.rows * 4

    def line(self, start: tuple[float, float], end: tuple[float, float], color: str) -> None:
        """Draw a line from dot to dot (across, down), without what lies outside."""
        steps = int(max(abs(end[0] - start[0]), abs(end[1] - start[1]))) + 1
        way = np.linspace(start, end, steps + 1)
        for across, down in np.rint(way).astype(int).tolist():
            if 0 <= across < self.columns * 2 and 0 <= down < self.rows * 4:
                self._dots[down, across] = True
                self._colors[down // 4, across // 2] = color

    def circle(self, center: tuple[float, float], radius: float, color: str) -> None:
        """Draw a circle around a dot (across, down)."""
        turn = np.linspace(0, 2 * np.pi, 17)
        ring = np.stack((np.cos(turn), np.sin(turn)), axis=1) * radius + center
        for start, end in zip(ring[:-1].tolist(), ring[1:].tolist(), strict=True):
            self.line((start[0], start[1]), (end[0], end[1]), color)

    def text(self) -> list[Text]:
        """Make the rows of text, top first; a character without a dot is a space."""
        cells = self._dots.reshape(self.rows, 4, self.columns, 2).transpose(0, 2, 1, 3)
        codes = (cells * _DOTS).sum(axis=(2, 3))
        lines = []
        for row, line in enumerate(codes.tolist()):
            text = Text()
            for column, code in enumerate(line):
                character = chr(_BLANK + code) if code else " "
                text.append(character, self._colors.get((row, column)))
            lines.append(text)
        return lines


def joint_sides(layout: Layout) -> tuple[str, ...]:
    """Find the side of the body on which each joint is: `LEFT`, `RIGHT` or `MIDDLE`."""
    sides = [MIDDLE] * len(layout.joints)
    for left, right in layout.mirror:
        sides[left], sides[right] = LEFT, RIGHT
    return tuple(sides)


def draw_clip(clip: Clip, *, columns: int = 80, rows: int = 14) -> Text:
    """Draw the actors of a clip at four to six moments, seen from the front.

    Args:
        clip: Any clip.
        columns: Characters across, at least `LEAST_COLUMNS`.
        rows: Most characters down, not counting the lines for seconds and colors.
    """
    columns = max(columns, LEAST_COLUMNS)
    seen = cast_bodies(clip) >= 0
    kept_frames = np.flatnonzero(seen.any(axis=0))  # not where only somebody else is seen
    seen = seen[:, kept_frames]
    actors = face_camera(to_ntu25(select_actors(clip), clip.layout))
    seconds = kept_frames / clip.fps
    # Seen from -z, the body's right, +x, is on the left of the picture.
    flat = -actors[..., :2]
    radius = HEAD_RADIUS * person_scale(actors[0, seen[0]])
    shown, dots, top, down = _fit(flat, seen, radius, columns, rows)
    width = columns // len(shown) - _GAP
    panels = []
    for frame in shown:
        canvas = BrailleCanvas(width, down)
        acting = np.flatnonzero(seen[:, frame])
        across = flat[acting, frame, :, 0]
        origin = np.array([(across.min() + across.max()) / 2 - width / dots, top])
        for actor in acting.tolist():
            _draw_body(canvas, (flat[actor, frame] - origin) * dots, radius * dots, actor)
        panels.append(canvas.text())
    picture = Text("\n").join(
        Text(" " * _GAP).join(panel[row] for panel in panels) for row in range(down)
    )
    captions = (f"{seconds[frame]:.1f} s".center(width) for frame in shown)
    return picture + Text("\n" + (" " * _GAP).join(captions) + "\n", "dim") + _legend(len(actors))


def _legend(actors: int) -> Text:
    """Say which color stands for which limb of each actor."""
    text = Text(" ")
    for actor, palette in enumerate(PALETTES[:actors]):
        text.append("second person: " if actor else "")
        text.append("━ left ", palette[LEFT])
        text.append("━ right   ", palette[RIGHT])
    return text


def _draw_body(
    canvas: BrailleCanvas, joints: NDArray[np.floating], radius: float, actor: int
) -> None:
    """Draw NTU-25 joints (25, 2), in dots: the trunk first, so that limbs stay visible."""
    colors = PALETTES[min(actor, len(PALETTES) - 1)]
    sides = joint_sides(NTU25)
    for parent, child in sorted(NTU25.bones, key=lambda bone: sides[bone[1]] != MIDDLE):
        start, end = joints[parent].tolist(), joints[child].tolist()
        canvas.line((start[0], start[1]), (end[0], end[1]), colors[sides[child]])
    head = joints[_HEAD].tolist()
    canvas.circle((head[0], head[1]), radius, colors[MIDDLE])


def _moments(frames: int, number: int) -> list[int]:
    """Choose a number of frames, evenly over a clip, or all if it has fewer."""
    number = min(number, frames)
    return [int((place + 0.5) * frames / number) for place in range(number)]


def _fit(
    flat: FloatArray, seen: BoolArray, radius: float, columns: int, rows: int
) -> tuple[list[int], float, float, int]:
    """Fit moments side by side: bodies as tall as possible, then as many of them as possible.

    Args:
        flat: Joints (M, T, 25, 2) across and down, meters.
        seen: (M, T).
        radius: Radius of a head, meters.
        columns: Characters across.
        rows: Characters down.

    Returns:
        Frames of the moments, dots per meter, top edge of the picture (meters down), and its rows.
    """
    best: tuple[list[int], float, float, int] | None = None
    for number in range(FEWEST_MOMENTS, MOST_MOMENTS + 1):
        shown = _moments(seen.shape[1], number)
        wide = max(float(np.ptp(flat[seen[:, frame], frame, :, 0])) for frame in shown) + radius
        high = flat[:, shown][seen[:, shown]][..., 1]
        top = float(high.min()) - radius
        tall = max(float(high.max()) - top, 1e-6)
        dots = min(
            (2 * (columns // len(shown) - _GAP) - 1) / max(wide, 1e-6), (4 * rows - 1) / tall
        )
        if best is None or dots >= 0.95 * best[1]:
            best = shown, dots, top, min(rows, int(tall * dots / 4) + 1)
    assert best is not None
    return best
