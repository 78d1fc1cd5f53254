"""The picture of recordings."""

import re

import pytest

from stars_infer.segmentation.segment import Timeline
from stars_infer.segmentation.timeline import timeline_svg


@pytest.mark.parametrize("seconds", [3.0, 9.99, 30.0, 59.9, 600.0, 3600.0, 36_000.0, 86_400.5])
def test_no_time_under_the_axis_is_cut_off(seconds):
    picture = timeline_svg([Timeline(name="x", seconds=seconds, segments=[], near_misses=[])])
    times = re.findall(r'<text x="([\d.]+)"[^>]*font-size="10">([\d:.]+)</text>', picture)
    assert len(times) > 2
    for x, text in times:
        half = 3.2 * len(text)  # a digit of the widest usual letters, at size 10
        assert half <= float(x) <= 1200 - half, text
