import numpy as np
import pytest

from stars_infer.clips.clip import Clip
from stars_infer.inspection.drawing import (
    LEFT,
    MIDDLE,
    PALETTES,
    RIGHT,
    BrailleCanvas,
    draw_clip,
    joint_sides,
)
from stars_infer.layouts import get_layout, layout_names
from stars_infer.synthetic.actions import perform


def plain(canvas):
    return [line.plain for line in canvas.text()]


def dots(text):
    """Number of dots in a text."""
    return sum((ord(c) - 0x2800).bit_count() for c in text if 0x2800 < ord(c) < 0x2900)


def inked(line, color):
    """Where in a line something of a color stands."""
    return {
        place
        for span in line.spans
        if str(span.style) == color
        for place in range(span.start, span.end)
        if line.plain[place] != " "
    }


def test_dots_are_where_unicode_puts_them():
    for across, down, character in (
        (0, 0, "⠁"), (0, 1, "⠂"), (0, 2, "⠄"), (0, 3, "⡀"),
        (1, 0, "⠈"), (1, 1, "⠐"), (1, 2, "⠠"), (1, 3, "⢀"),
    ):  # fmt: skip
        canvas = BrailleCanvas(1, 1)
        canvas.line((across, down), (across, down), "red")
        assert plain(canvas) == [character]


def test_lines():
    canvas = BrailleCanvas(3, 2)
    assert canvas.size == (6, 8)
    canvas.line((0, 0), (5, 0), "red")
    canvas.line((0, 0), (0, 7), "blue")
    assert plain(canvas) == ["⡏⠉⠉", "⡇  "]
    diagonal = BrailleCanvas(2, 1)
    diagonal.line((3, 3), (0, 0), "red")
    assert plain(diagonal) == ["⠑⢄"]


def test_the_last_color_wins():
    canvas = BrailleCanvas(2, 1)
    canvas.line((0, 0), (3, 0), "red")
    canvas.line((0, 3), (0, 3), "blue")
    (line,) = canvas.text()
    assert (inked(line, "blue"), inked(line, "red")) == ({0}, {1})


def test_what_lies_outside_is_cut_off():
    canvas = BrailleCanvas(2, 1)
    canvas.line((-50, 1), (50, 1), "red")
    canvas.circle((200, 200), 30, "red")
    assert plain(canvas) == ["⠒⠒"]


def test_a_circle_is_round():
    canvas = BrailleCanvas(10, 5)
    canvas.circle((10, 10), 8, "red")
    rows = np.array([[ord(c) != ord(" ") for c in line] for line in plain(canvas)])
    assert rows[:, 4:6][0].any()
    assert rows[:, 4:6][4].any()
    assert rows[2, 1] or rows[2, 0]
    assert not rows[2, 4:6].any()


def test_sides_are_those_of_the_layout():
    for name in ("ntu25", "kinect20", "h36m17"):
        layout = get_layout(name)
        for joint, side in zip(layout.joints, joint_sides(layout), strict=True):
            assert side == (LEFT if "left" in joint else RIGHT if "right" in joint else MIDDLE)
    for name in layout_names():
        sides = joint_sides(get_layout(name))
        assert sides.count(LEFT) == sides.count(RIGHT) > 3


@pytest.mark.parametrize("columns", [60, 80, 100])
def test_it_fits_and_shows_seconds(waving, columns):
    drawn = draw_clip(Clip.from_array(waving), columns=columns, rows=14)
    *picture, seconds, legend = drawn.plain.split("\n")
    assert all(len(line) <= columns for line in (*picture, seconds, legend))
    assert 8 <= len(picture) <= 14
    assert dots("".join(picture)) > 300
    told = [float(word) for word in seconds.replace("s", "").split()]
    assert 4 <= len(told) <= 6
    assert told == sorted(told)
    assert 0 < told[0] < told[-1] < waving.shape[1] / 30
    assert legend.split() == ["━", "left", "━", "right"]


def test_the_right_arm_waves_on_the_left_of_the_picture(waving):
    """As for somebody who is looked at; so whichever way the body faced."""
    for turn in (1, -1):
        clip = Clip.from_array(waving * np.array([turn, 1, turn], np.float32))
        lines = draw_clip(clip, columns=60).split("\n")
        assert len(inked(lines[0], PALETTES[0][RIGHT])) > len(inked(lines[0], PALETTES[0][LEFT]))
        width = 60 // len(lines[-2].plain.replace("s", "").split())
        legs = lines[-4]
        for start in range(0, 60 - width + 1, width):
            panel = set(range(start, start + width))
            right = panel & inked(legs, PALETTES[0][RIGHT])
            left = panel & inked(legs, PALETTES[0][LEFT])
            assert max(right) < min(left)


def test_two_actors_have_their_colors():
    bodies = perform("handshake", np.random.default_rng(0))
    drawn = draw_clip(Clip.from_array(bodies))
    styles = {str(span.style) for span in drawn.spans}
    for palette in PALETTES:
        assert {palette[LEFT], palette[RIGHT]} <= styles
    assert "second person" in drawn.plain


def test_the_unit_does_not_matter(waving):
    assert (
        draw_clip(Clip.from_array(waving)).plain
        == draw_clip(Clip.from_array(waving * np.float32(1024))).plain
    )


def test_few_frames_a_point_and_gaps_are_drawn(waving):
    assert draw_clip(Clip.from_array(waving[:, :2])).plain.count(" s ") == 2
    assert dots(draw_clip(Clip.from_array(np.ones((5, 25, 3)))).plain) == 4
    gone = waving.copy()
    gone[:, 10:40] = 0
    seconds = draw_clip(Clip.from_array(gone)).plain.split("\n")[-2].replace("s", "").split()
    assert all(not 10 / 30 <= float(second) < 39 / 30 for second in seconds)
    assert draw_clip(Clip.from_array(waving), columns=3).plain


def test_frames_in_which_only_somebody_else_is_seen_are_left_out():
    wave = perform("wave", np.random.default_rng(0))[0]
    bodies = np.zeros((2, len(wave) + 10, 25, 3), np.float32)
    bodies[0, : len(wave)] = wave
    bodies[1, -10:] = wave[:10] + np.float32([2, 0, 0])  # too few frames for an actor
    drawn = draw_clip(Clip.from_array(bodies))
    *_, seconds, _ = drawn.plain.split("\n")
    assert max(float(word) for word in seconds.replace("s", "").split()) < len(wave) / 30
