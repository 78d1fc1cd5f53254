import re
from xml.etree import ElementTree

import numpy as np
import pytest

from stars_infer.inspection.style import MARKERS
from stars_infer.reporting.charts import (
    Line,
    Share,
    confusion_chart,
    line_chart,
    map_chart,
    marker,
    share_chart,
)

HOSTILE = "</svg><script>alert(1)</script>&\"'\x00"


def parsed(chart):
    """The SVG of a chart, which has to be well-formed; the whole has to be, too."""
    return ElementTree.fromstring(f"<div>{chart}</div>")


def texts(chart):
    return ["".join(one.itertext()) for one in parsed(chart).iter("text")]


def charts():
    line = Line(name=HOSTILE, points=[(0, 0), (1, 2)])
    yield line_chart([line, line], title=HOSTILE, said=HOSTILE, x=HOSTILE, y=HOSTILE)
    share = Share(name=HOSTILE, share=0.5, low=0.4, high=0.6, said=HOSTILE)
    yield share_chart([share], title=HOSTILE, said=HOSTILE)
    table = np.array([[3, 1], [0, 0]])
    yield confusion_chart(table, [HOSTILE, "b"], title=HOSTILE, said=HOSTILE)
    yield map_chart(np.array([[0.0, 0.5], [-1, 1]]), np.array([0, 1]), [HOSTILE, "b"],
                    np.array([True, False]), title=HOSTILE, said=HOSTILE)  # fmt: skip


@pytest.mark.parametrize("chart", list(charts()))
def test_charts_are_well_formed_and_say_what_they_show(chart):
    page = parsed(chart)
    assert not list(page.iter("script"))
    (svg,) = (one for one in page.iter("svg") if one.get("role") == "img")
    assert "alert(1)" in svg.get("aria-label")
    assert "\x00" not in chart
    assert "NaN" not in chart
    assert "nan" not in chart


def test_series_differ_by_marker_and_dash():
    lines = [Line(name=f"series {n}", points=[(0, n), (1, n)]) for n in range(4)]
    chart = line_chart(lines, title="t", said="s", x="x", y="y")
    dashes = re.findall(r'<polyline class="line c\d"[^>]*?(?:stroke-dasharray="([^"]*)")?/>', chart)
    assert len(set(dashes)) == 4
    assert len({re.sub(r"[\d.]+", "", marker(n, 0, 0)) for n in range(len(MARKERS))}) >= 5
    assert [one.strip() for one in re.findall(r"</svg> ([^<]+)</span>", chart)] == [
        line.name for line in lines
    ]


def test_points_are_where_the_axis_says():
    chart = line_chart([Line(name="a", points=[(0, 0), (10, 1)])], title="t", said="s", x="x",
                       y="y", x_range=(0, 10), y_range=(0, 1), square=True)  # fmt: skip
    (points,) = re.findall(r'<polyline class="line c0" points="([^"]*)"', chart)
    (x0, y0), (x1, y1) = (map(float, pair.split(",")) for pair in points.split())
    ticks = {"".join(one.itertext()): one for one in parsed(chart).iter("text")}
    assert float(ticks["10"].get("x")) == pytest.approx(x1, abs=0.1)
    assert x0 < x1
    assert y0 > y1


def test_a_confusion_shows_counts_and_shares():
    chart = confusion_chart(np.array([[3, 1], [0, 4]]), ["a", "b"], title="t", said="s")
    assert [text for text in texts(chart) if text.isdigit()] == ["3", "1", "4"]
    assert 'fill-opacity="0.75"' in chart
    assert "1 of 4 a named as b" in chart


def test_names_on_the_map_do_not_lie_over_each_other():
    places = np.zeros((6, 2))
    chart = map_chart(places, np.arange(6), list("abcdef"), np.zeros(6, bool), title="t", said="s")
    heights = [float(one.get("y")) for one in parsed(chart).iter("text")]
    assert len(set(heights)) == 6


def test_a_constant_line_has_an_axis():
    chart = line_chart([Line(name="a", points=[(1, 5.0), (2, 5.0)])], title="t", said="s", x="x",
                       y="y")  # fmt: skip
    assert "5" in texts(chart)
