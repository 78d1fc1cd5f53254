import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from stars_infer.classification.prediction import Neighbor
from stars_infer.clips.clip import Clip
from stars_infer.segmentation.confidence import confidence_of
from stars_infer.segmentation.ends import Ends
from stars_infer.segmentation.segment import (
    NEAR,
    Segment,
    SegmentOptions,
    Timeline,
    near_misses_of,
)
from stars_infer.segmentation.timeline import timeline_svg
from stars_infer.segmentation.timeline_page import PlayedParts, all_parts, timeline_html
from stars_infer.segmentation.windows import NamedWindow, Window
from stars_infer.synthetic.actions import perform

HOSTILE = "</script><img src=x onerror=alert(1)>"


def part(start, end, label, confidence, example=1):
    nearest = Neighbor(label=label, similarity=0.9, source=HOSTILE, id=example)
    return Segment(start=start, end=end, label=label, confidence=confidence, similarity=0.9,
                   nearest=nearest)  # fmt: skip


@pytest.fixture
def clip():
    random = np.random.default_rng(0)
    joints = [perform(action, random, seconds=3) for action in ("wave", "squat")]
    return Clip.from_array(np.concatenate(joints, axis=1), source=HOSTILE)


@pytest.fixture
def timeline():
    return Timeline(
        name=HOSTILE,
        seconds=6.0,
        segments=[part(0.2, 2.8, "wave", 0.9), part(4, 5, HOSTILE, 0.5, example=2)],
        near_misses=[part(3.1, 3.8, "wave", 0.2)],
    )


def data_of(page):
    (text,) = re.findall(r'id="data">(.*?)</script>', page)
    return json.loads(text)


def example(segment):
    return Clip.from_array(perform("wave", np.random.default_rng(1))) if segment.nearest else None


def test_a_segment_is_played_beside_its_example(clip, timeline):
    played = PlayedParts(read=example, how=None)
    played.add(clip, timeline)
    data = data_of(timeline_html([timeline], played))
    (recording,) = data["recordings"]
    first, near, last = recording["parts"]
    assert [one["near"] for one in (first, near, last)] == [False, True, False]
    assert first["clip"]["fps"] == pytest.approx(10)
    assert first["clip"]["frames"] == pytest.approx((2.6 + 0.45) * 10, abs=1)
    assert first["alignment"]["second_seconds"]
    assert data["examples"][first["example"]]["name"] == "example of wave"
    # Both the wave and the near miss have example 1, which is written once.
    assert (len(data["examples"]), near["example"]) == (2, first["example"])
    assert data["labels"][near["label"]]["name"] == "wave"


def test_without_its_example_a_segment_is_played_alone(clip, timeline):
    played = PlayedParts(read=lambda segment: None, how=None)
    played.add(clip, timeline)
    (recording,) = data_of(timeline_html([timeline], played))["recordings"]
    assert [(one["example"], one["alignment"]) for one in recording["parts"]] == [(None, None)] * 3
    assert all(one["clip"]["bodies"] for one in recording["parts"])


def test_of_many_the_least_sure_are_played(clip, timeline, monkeypatch):
    monkeypatch.setattr("stars_infer.segmentation.timeline_page.MOST_PLAYED", 2)
    played = PlayedParts(read=lambda segment: None, how=None)
    other = Timeline(name="b", seconds=6.0, segments=[part(0.2, 2.8, "wave", 0.1)])
    for one in (timeline, other):
        played.add(clip, one)
    data = data_of(timeline_html([other, timeline], played))
    there = [["clip" in one for one in recording["parts"]] for recording in data["recordings"]]
    assert there == [[False], [False, True, True]]


def test_what_is_played_of_a_long_segment_is_bounded(clip):
    long = Clip.from_array(np.tile(clip.bodies, (1, 10, 1, 1)))
    timeline = Timeline(name="a", seconds=60, segments=[part(0, 60, "wave", 0.9)])
    played = PlayedParts(read=lambda segment: None, how=None)
    played.add(long, timeline)
    ((_, shown),) = played.parts.items()
    assert shown["clip"]["frames"] / shown["clip"]["fps"] == pytest.approx(12, abs=0.2)


def test_names_are_text_and_nothing_is_loaded(clip, timeline):
    class Elements(HTMLParser):
        found: list = []  # noqa: RUF012

        def handle_starttag(self, tag, attrs):
            self.found.append((tag, dict(attrs)))

    played = PlayedParts(read=example, how=None)
    played.add(clip, timeline)
    page = timeline_html([timeline], played)
    Elements().feed(page)
    tags = [tag for tag, _ in Elements.found]
    assert "img" not in tags
    assert tags.count("script") == 2
    assert not any({"src", "onerror", "href"} & set(attrs) for _, attrs in Elements.found)
    assert "://" not in page.replace("http://www.w3.org/2000/svg", "")


def test_confidence_and_near_misses_are_seen_in_the_picture(timeline):
    picture = timeline_svg([timeline])
    heights = re.findall(r'y="[\d.]+" height="([\d.]+)" fill="hsl\(\d+ 65% 68%\)"', picture)
    assert [float(height) for height in heights] == [25.2, 14.0]
    assert picture.count('class="near"') == 1
    assert "nearly wave, 3.1 to 3.8, confidence 0.20" in picture
    assert [one.confidence for one in all_parts(timeline)] == [0.9, 0.2, 0.5]


def window(start, end, fit):
    return NamedWindow(window=Window(start=start, end=end), label="wave", similarity=fit,
                       margin=0.1, confidence=0.9, known=0.97, fit=fit,
                       ends=Ends(apart=0.0, first=0.0, last=0.0), warped=True)  # fmt: skip


def test_near_misses_lie_between_segments():
    how = SegmentOptions(min_confidence=0.5)
    sure, near, far = window(0, 60, 0.97), window(60, 120, 0.83), window(300, 360, 0.3)
    within, other = window(30, 90, 0.83), window(150, 210, 0.82)
    assert confidence_of(sure) > 0.5 > confidence_of(near) > NEAR * 0.5 > confidence_of(far)
    segments = [Segment(start=0, end=2, label="wave", confidence=0.9, similarity=0.9)]
    found = near_misses_of([sure, near, far, within, other], segments, 30.0, how)
    assert [(one.start, one.end) for one in found] == [(2.0, 4.0), (5.0, 7.0)]
    assert near_misses_of([within], segments, 30.0, how) == []
