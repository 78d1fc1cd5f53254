import re
from itertools import pairwise

import pytest

from stars_infer.inspection import style
from stars_infer.inspection.page import web_file


def luminance(color):
    """Relative luminance of `#rrggbb` (WCAG 2.2)."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("color", [*style.SERIES, style.TEXT, style.DIM])
def test_colors_can_be_read_on_paper(color):
    assert contrast(color, style.PAPER) >= 4.5


@pytest.mark.parametrize("color", [*style.DARK_SERIES, style.DARK_TEXT, style.DARK_DIM])
def test_colors_can_be_read_on_a_dark_ground(color):
    assert contrast(color, style.DARK_PAPER) >= 4.5


def test_shares_are_ever_darker():
    shades = [luminance(color) for color in style.SCALE]
    assert shades == sorted(shades, reverse=True)
    assert all(contrast(one, two) > 1.15 for one, two in pairwise(style.SCALE))


def test_the_player_has_the_same_colors():
    light, dark = re.findall(r":root \{(.*?)\}", web_file("player.css"), flags=re.DOTALL)
    for text, limbs, apart, paper in (
        (light, style.LIMBS, style.APART, style.PAPER),
        (dark, style.DARK_LIMBS, style.DARK_APART, style.DARK_PAPER),
    ):
        values = dict(re.findall(r"--(\w+): (#\w+)", text))
        assert (values["apart"], values["panel"]) == (apart, paper)
        for side, colors in limbs.items():
            assert [values[f"{side}{number}"] for number in range(3)] == list(colors)


def test_series_differ_by_more_than_color():
    pytest.importorskip("matplotlib")
    cycle = list(style.matplotlib_style()["axes.prop_cycle"])
    looks = [(one["marker"], one["linestyle"]) for one in cycle[: len(style.MARKERS)]]
    assert len(set(looks)) == len(looks)
