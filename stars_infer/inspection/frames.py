"""Draw skeletons into pictures, as `web/skeleton.js` draws them in a browser; none is needed.

This needs Pillow, which the extra `view` brings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stars_infer.inspection import style
from stars_infer.inspection.playback import Playback

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

Points = NDArray[np.float64]

_TURN, _PITCH, _REACH, _FOCUS = 0.35, 0.18, 1.75, 1.5
_FINER = 2
"""Pictures are drawn so many times larger, and then made smaller, for smooth lines."""
_CAPTION = 30
"""Height of the line under a skeleton, pixels."""
_GAP = 6
_MOST_SQUARES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Size and colors of a picture.

    Attributes:
        width: Of each skeleton's part, pixels.
        height: Likewise.
        dark: Whether the ground is dark.
    """

    width: int = 400
    height: int = 360
    dark: bool = False

    @property
    def limbs(self) -> Mapping[str, tuple[str, ...]]:
        """The colors of limbs."""
        return style.DARK_LIMBS if self.dark else style.LIMBS

    def palette(self) -> list[str]:
        """All colors of a picture, with steps between each and the ground: at most 256."""
        paper, text, line, apart = self.ground
        limbs = [color for side in self.limbs.values() for color in side]
        mixed = [
            _mix(c, paper, share) for c in (text, *limbs) for share in (0, 0.2, 0.4, 0.65, 0.85)
        ]
        bands = [_mix(apart, paper, share / 8) for share in range(8)]
        edges = [_mix(color, apart, 0.5) for color in limbs]
        return list(dict.fromkeys((paper, line, _mix(line, paper, 0.5), *mixed, *bands, *edges)))

    @property
    def ground(self) -> tuple[str, str, str, str]:
        """Paper, text, lines of the floor, and the band of what differs."""
        if self.dark:
            return style.DARK_PAPER, style.DARK_TEXT, style.DARK_LINE, style.DARK_APART
        return style.PAPER, style.TEXT, style.LINE, style.APART


def draw_pictures(
    clips: Sequence[dict[str, Any]],
    playback: Playback,
    *,
    captions: Sequence[str] = (),
    look: Look | None = None,
) -> Iterator[Image]:
    """Draw what is played, picture by picture.

    Args:
        clips: What `stars_infer.inspection.clip_data.clip_data` makes of each clip.
        playback: Which frames are shown.
        captions: What stands under each clip, plain text; at most one line is shown.
        look: Size and colors.

    Yields:
        RGB pictures, one beside the other for two clips.
    """
    from PIL import Image, ImageDraw, ImageFont

    look = look or Look()
    cameras = [_Camera.over(clip, look) for clip in clips]
    reach = max(camera.reach for camera in cameras)
    for camera in cameras:
        camera.reach = reach
    caption = _CAPTION if captions else 0
    width = len(clips) * look.width + (len(clips) - 1) * _GAP
    paper, text, line, _ = look.ground
    font = ImageFont.load_default(size=15)
    for number, frames in enumerate(playback.frames.tolist()):
        picture = Image.new("RGB", (width, look.height + caption), line)
        weights = None if playback.weights is None else playback.weights[number]
        for place, (clip, camera, frame) in enumerate(zip(clips, cameras, frames, strict=True)):
            part = Image.new("RGB", (look.width * _FINER, look.height * _FINER), paper)
            _draw_clip(ImageDraw.Draw(part), clip, camera, frame, weights, look)
            left = place * (look.width + _GAP)
            picture.paste(
                part.resize((look.width, look.height), Image.Resampling.LANCZOS), (left, 0)
            )
            if captions:
                pen = ImageDraw.Draw(picture)
                box = (left, look.height, left + look.width - 1, look.height + caption)
                pen.rectangle(box, fill=paper)
                shown = _fit(captions[place], font, look.width - 16)
                pen.text((left + 8, look.height + 6), shown, fill=text, font=font)
        yield picture


@dataclass(slots=True, kw_only=True)
class _Camera:
    """From where a clip is seen; the same place as in `web/skeleton.js`."""

    middle: Points
    floor: float
    size: float
    reach: float
    axes: Points
    person: float
    width: float
    height: float

    @classmethod
    def over(cls, clip: dict[str, Any], look: Look) -> _Camera:
        poses = [pose for body in _actors(clip) for pose in body["poses"] if pose]
        places = np.array(poses, np.float64).reshape(-1, 3) / 1000
        low, high = np.quantile(places, (0.01, 0.99), axis=0)
        size = max(float(np.linalg.norm(high - low)), 1e-3)
        yaw = np.radians(clip["facing"]) + _TURN
        sy, cy, sp, cp = np.sin(yaw), np.cos(yaw), np.sin(_PITCH), np.cos(_PITCH)
        axes = np.array([[-cy, 0, -sy], [-sy * sp, cp, cy * sp], [-sy * cp, -sp, cy * cp]])
        person = max(float(clip["person"]), 1e-6)
        return cls(
            middle=(low + high) / 2,
            floor=float(low[1]),
            size=size,
            reach=size / person,
            axes=axes,
            person=person,
            width=look.width * _FINER,
            height=look.height * _FINER,
        )

    def project(self, points: Points) -> Points:
        """Points (N, 3) as (N, 4): across, down, depth and pixels per meter; NaN behind us."""
        distance = _REACH * self.reach * self.person
        across, up, ahead = self.axes @ (points - self.middle).T
        depth = ahead + distance
        depth = np.where(depth < 0.02 * distance, np.nan, depth)
        scale = _FOCUS * min(1.5 * self.width, self.height) / depth
        return np.stack(
            (self.width / 2 + across * scale, self.height / 2 - up * scale, depth, scale), axis=1
        )


def _actors(clip: dict[str, Any]) -> list[dict[str, Any]]:
    some = any(body["actor"] for body in clip["bodies"])
    return [body for body in clip["bodies"] if body["actor"] == some]


def _draw_clip(
    pen: ImageDraw,
    clip: dict[str, Any],
    camera: _Camera,
    frame: int,
    weights: NDArray[np.float64] | None,
    look: Look,
) -> None:
    paper, text, line, apart = look.ground
    _draw_floor(pen, clip, camera, line)
    bones = []
    joints = []
    for number, body in enumerate(clip["bodies"]):
        pose = body["poses"][frame]
        if pose is None:
            continue
        places = camera.project(np.array(pose, np.float64).reshape(-1, 3) / 1000)
        faint = 0.0 if body["actor"] else 0.65
        joints.append((number, places, faint))
        for parent, child in clip["bones"]:
            start, end = places[parent], places[child]
            if np.isfinite(start).all() and np.isfinite(end).all():
                bones.append((start[2] + end[2], number, child, start, end, faint))
    bones.sort(key=lambda bone: -bone[0])
    if weights is not None:
        for _, _, child, start, end, faint in bones:
            weight = float(weights[clip["limbs"][child]])
            if weight >= 0.05 and not faint:
                wide = _thickness(camera, start, end) * (2 + 2.5 * weight)
                _bar(pen, start, end, wide, _mix(apart, paper, 0.75 * (1 - weight)))
    for _, number, child, start, end, faint in bones:
        color = look.limbs[clip["sides"][child]][number % 3]
        thick = _thickness(camera, start, end)
        _bar(pen, start, end, thick, _mix(color, paper, faint))
        if clip["sides"][child] == "left" and thick >= 3 * _FINER:
            _bar(pen, start, end, 0.4 * thick, paper)  # tells sides in black and white
    for number, places, faint in joints:
        for v, (x, y, _, scale) in enumerate(places.tolist()):
            if not np.isfinite(scale):
                continue
            _disc(
                pen,
                x,
                y,
                max(1.5 * _FINER, camera.person * 0.014 * scale),
                _mix(text, paper, faint),
            )
            if v == clip["head"]:
                radius = camera.person * 0.1 * scale
                ring = _mix(look.limbs["middle"][number % 3], paper, faint)
                box = (x - radius, y - radius, x + radius, y + radius)
                pen.ellipse(box, outline=ring, width=max(3, round(radius / 5)))


def _draw_floor(pen: ImageDraw, clip: dict[str, Any], camera: _Camera, color: str) -> None:
    square = clip["square"]
    reach = min(int(np.ceil(0.75 * camera.size / square)) + 2, _MOST_SQUARES)
    x0, z0 = (round(camera.middle[axis] / square) for axis in (0, 2))
    ends = []
    for i in range(-reach, reach + 1):
        for j in range(-reach, reach):
            ends += [(x0 + i, z0 + j), (x0 + i, z0 + j + 1), (x0 + j, z0 + i), (x0 + j + 1, z0 + i)]
    grid = np.array(ends, np.float64) * square
    points = np.stack((grid[:, 0], np.full(len(grid), camera.floor), grid[:, 1]), axis=1)
    places = camera.project(points)[:, :2].reshape(-1, 2, 2)
    for start, end in places[np.isfinite(places).all(axis=(1, 2))].tolist():
        pen.line([tuple(start), tuple(end)], fill=color, width=_FINER)


def _thickness(camera: _Camera, start: Points, end: Points) -> float:
    return max(1.5 * _FINER, camera.person * 0.026 * float(start[3] + end[3]) / 2)


def _bar(pen: ImageDraw, start: Points, end: Points, width: float, color: str) -> None:
    """A line with round ends."""
    pen.line([*start[:2].tolist(), *end[:2].tolist()], fill=color, width=max(1, round(width)))
    for x, y in (start[:2].tolist(), end[:2].tolist()):
        _disc(pen, x, y, width / 2, color)


def _disc(pen: ImageDraw, x: float, y: float, radius: float, color: str) -> None:
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)


def _mix(color: str, other: str, share: float) -> str:
    """A color with a share of another in it."""
    mixed = [
        round(int(color[at : at + 2], 16) * (1 - share) + int(other[at : at + 2], 16) * share)
        for at in (1, 3, 5)
    ]
    return "#{:02x}{:02x}{:02x}".format(*mixed)


def _fit(text: str, font: Any, width: int) -> str:
    """As much of a line as there is room for."""
    text = " ".join("".join(one if one.isprintable() else "\ufffd" for one in text).split())
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
