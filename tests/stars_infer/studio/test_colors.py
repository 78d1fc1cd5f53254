"""Contrasts of WCAG 2.2, AA: text 4.5, marks and borders of fields 3; light and dark."""

import re
from importlib.resources import files

import pytest

TEXTS = [
    ("text", "back"), ("text", "panel"), ("text", "soft"), ("dim", "back"), ("dim", "panel"),
    ("dim", "soft"), ("accent", "back"), ("accent", "panel"), ("accent", "soft"),
    ("on-accent", "accent"), ("good", "back"), ("bad", "back"), ("bad", "panel"), ("back", "bad"),
    ("warn", "back"), ("warn", "panel"), ("back", "text"),
    ("left0", "back"), ("right0", "back"), ("left1", "back"), ("right1", "back"),
]  # fmt: skip
MARKS = [("dim", "panel"), ("accent", "back"), ("accent", "soft")] + [
    (f"action{number}", ground) for number in range(8) for ground in ("panel", "back", "soft")
]


def colors(dark):
    """The custom properties of the style sheets, those of the player first."""
    found = {}
    for room, name in (("inspection", "player.css"), ("studio", "studio.css")):
        text = files(f"stars_infer.{room}").joinpath("web", name).read_text(encoding="utf-8")
        light, *rest = text.split("@media (prefers-color-scheme: dark)")
        parts = [light] + ([one.partition("\n}")[0] for one in rest] if dark else [])
        for part in parts:
            found |= dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", part))
    return found


def luminance(color):
    values = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in values)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(("pairs", "least"), [(TEXTS, 4.5), (MARKS, 3.0)])
def test_contrasts(dark, pairs, least):
    found = colors(dark)
    low = {
        pair: round(contrast(found[pair[0]], found[pair[1]]), 2)
        for pair in pairs
        if contrast(found[pair[0]], found[pair[1]]) < least
    }
    assert not low


def test_dark_is_another_set_of_colors():
    assert colors(False)["back"] != colors(True)["back"]
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
