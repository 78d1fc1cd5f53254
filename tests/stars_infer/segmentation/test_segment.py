from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stars_infer.clips.clip import Clip
from stars_infer.clips.convention import Convention
from stars_infer.errors import ClipError, ExemplarIndexError, UsageError
from stars_infer.index.index import ExemplarIndex
from stars_infer.segmentation.confidence import (
    chance_if_known,
    confidence_of,
    confidence_so_far,
    log_odds,
)
from stars_infer.segmentation.ends import Ends
from stars_infer.segmentation.segment import (
    Segment,
    SegmentOptions,
    Timeline,
    best_apart,
    join_neighbors,
    segment,
    segment_file,
    segments_of,
)
from stars_infer.segmentation.timeline import clock, timeline_svg
from stars_infer.segmentation.timeline_page import timeline_html
from stars_infer.segmentation.windows import (
    NamedWindow,
    Window,
    WindowGrid,
    cut,
    motion,
    name_windows,
)
from tests.stars_infer.cli.streaming import (
    ACTED,
    FPS,
    STRANGE,
    FakeEncoder,
    FakeIndex,
    filled_index,
    recording,
)
from tests.stars_infer.clips.company import standing


@pytest.fixture
def index(tmp_path, encoder):
    with filled_index(tmp_path / "stars.db", encoder) as made:
        yield made


def part(start, end, label="a", confidence=0.9):
    return Segment(start=start, end=end, label=label, confidence=confidence, similarity=0.9)


WHOLE = Ends(apart=-1.5, first=-0.5, last=-0.5)


def window(start, end, label="a", similarity=0.95, margin=0.1, warped=True, ends=WHOLE):
    return NamedWindow(
        window=Window(start=start, end=end),
        label=label,
        similarity=similarity,
        margin=margin,
        confidence=0.9,
        known=0.97,
        fit=similarity,
        ends=ends,
        warped=warped,
    )


def test_actions_are_found_where_they_are(encoder, index):
    joints, truth = recording(*ACTED)
    found = segment(Clip.from_array(joints), encoder, index)
    assert [one.label for one in found] == [label for _, _, label in truth]
    for one, (start, end, _) in zip(found, truth, strict=True):
        inside = min(one.end, end) - max(one.start, start)
        assert inside / (max(one.end, end) - min(one.start, start)) > 0.5
        assert 0.58 < one.confidence < 1  # well above the least that is shown, 0.3


def test_an_unknown_action_is_background(encoder, index):
    joints, _ = recording("wave", STRANGE, "squat")
    found = segment(Clip.from_array(joints), encoder, index)
    assert [one.label for one in found] == ["wave", "squat"]


def test_nobody_and_standing_still_are_not_even_compared():
    still = np.random.default_rng(0).normal(0, 0.003, (90, 25, 3)) + np.arange(75).reshape(25, 3)
    encoder = FakeEncoder()
    gone = np.zeros((90, 25, 3))
    for joints in (still, np.concatenate([gone, still[:30]])):
        clip = Clip.from_array(joints.astype(np.float32))
        assert segment(clip, encoder, FakeIndex()) == []
    assert encoder.encoded == 0


def test_an_empty_index_is_refused(tmp_path, encoder, waving):
    with (
        ExemplarIndex.open(tmp_path / "empty.db", encoder.info) as empty,
        pytest.raises(ExemplarIndexError, match="the index is empty"),
    ):
        segment(Clip.from_array(waving), encoder, empty)


def test_a_long_recording_of_a_short_action(encoder, index):
    joints, _ = recording("squat")
    still = np.repeat(joints[-1:], 21_000, axis=0)
    clip = Clip.from_array(np.concatenate([still, joints]), recording=True)
    told = []
    (found,) = segment(
        clip, encoder, index, progress=lambda progress, total: told.append((progress, total))
    )
    assert found.label == "squat"
    assert abs(found.start - 700) < 1.5
    assert told[-1][0] == told[-1][1] == len(told)


def test_progress_and_windows_agree_with_the_grid():
    grid = WindowGrid(lengths=(1.0, 2.0), steps=2)
    windows = grid.windows(90, FPS)
    assert {one.end - one.start for one in windows} == {30, 60}
    assert [one.start for one in windows if one.end - one.start == 30] == [0, 15, 30, 45, 60]
    assert [one.end for one in windows] == sorted(one.end for one in windows)
    assert grid.windows(20, FPS) == [Window(start=0, end=20)]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (lambda: WindowGrid(lengths=()), "one length at least, got none"),
        (lambda: WindowGrid(lengths=(1.0, -2.0)), "length of a window must be above 0, not -2"),
        (lambda: WindowGrid(steps=0), "steps must be a whole number and at least 1, not 0"),
        (
            lambda: SegmentOptions(min_confidence=1.0),
            "min_confidence must be above 0 and below 1",
        ),
        (lambda: SegmentOptions(merge_gap=-1), "merge_gap must be at least 0, not -1"),
        (lambda: SegmentOptions(mirror="left"), "mirror 'left': choose one of auto, on, off"),
    ],
)
def test_impossible_settings_are_refused(how, message):
    with pytest.raises(UsageError, match=message):
        how()


def test_a_window_takes_the_bodies_that_are_there(waving):
    frames = waving.shape[1]
    bodies = np.zeros((2, 2 * frames, 25, 3), np.float32)
    bodies[0, :frames], bodies[1, frames:] = waving[0], waving[0]
    clip = Clip.from_array(bodies)
    first = cut(clip, Window(start=0, end=frames))
    assert first.bodies.shape == (1, frames, 25, 3)
    np.testing.assert_array_equal(first.bodies[0], waving[0])
    assert motion(first) > 0.02
    assert "0.0 to" in first.source
    third = np.zeros((1, 3 * frames, 25, 3), np.float32)
    third[:, : frames // 3] = waving[:, : frames // 3]
    assert cut(Clip.from_array(third), Window(start=0, end=frames)) is None


def test_windows_are_named_in_their_order():
    clip = Clip.from_array(recording("wave", "kick")[0])
    windows = WindowGrid(lengths=(0.7,)).windows(clip.frames, clip.fps)
    index = FakeIndex()
    named = list(name_windows(clip, windows, FakeEncoder(), index))
    assert [one for one, _ in named] == windows
    assert all(answer.window == one for one, answer in named if answer is not None)
    assert 0 < sum(answer is None for _, answer in named) < len(windows)
    assert max(index.asked) <= 32
    assert index.mirrors == {"auto"}


@pytest.mark.parametrize("mirror", ["on", "off"])
def test_windows_are_named_with_or_without_mirror_images(mirror):
    clip = Clip.from_array(recording("wave")[0])
    index = FakeIndex()
    assert segment(clip, FakeEncoder(), index, how=SegmentOptions(mirror=mirror))
    assert index.mirrors == {mirror}


def test_confidence_grows_with_similarity_and_with_how_sure_the_name_is():
    plain = confidence_of(window(0, 9, similarity=0.9))
    assert confidence_of(window(0, 9, similarity=0.95)) > plain
    sure, unsure = (
        confidence_of(replace(window(0, 9, similarity=0.9), confidence=said))
        for said in (0.99, 0.5)
    )
    assert unsure < plain < sure
    # How far other actions are is part of how sure the name is, also where there are none.
    assert confidence_of(window(0, 9, similarity=0.9, margin=None)) == plain
    assert 0 < confidence_of(replace(window(0, 9, similarity=0.0), confidence=0.0)) < 0.01
    assert 0 < confidence_of(window(0, 9, similarity=1.0, margin=1.0)) < 1
    assert confidence_of(window(0, 9, similarity=0.5, warped=False)) == 0.9
    so_far = confidence_so_far(window(0, 9, similarity=0.9))
    halves = (0.0, -0.5, -0.5), (-1.5, 0.5, -0.5), (-1.5, -0.5, 0.5)
    for half in (Ends(apart=apart, first=first, last=last) for apart, first, last in halves):
        assert confidence_of(window(0, 9, similarity=0.9, ends=half)) < plain
        assert confidence_so_far(window(0, 9, similarity=0.9, ends=half)) < so_far
    assert confidence_so_far(replace(window(0, 9), confidence=0.99)) > so_far
    assert confidence_so_far(replace(window(0, 9), known=0.01)) == 0.01
    assert confidence_so_far(window(0, 9, warped=False)) == 0.9
    assert log_odds(0.5) == 0
    assert log_odds(1.0) < float("inf")


spans = st.tuples(st.integers(0, 12), st.integers(1, 6), st.floats(-1, 5))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(spans, max_size=9))
def test_no_other_choice_of_windows_is_worth_more(drawn):
    windows = [Window(start=start, end=start + length) for start, length, _ in drawn]
    worths = [worth for _, _, worth in drawn]
    chosen = best_apart(windows, worths)
    assert all(windows[a].end <= windows[b].start for a, b in pairwise(chosen))
    best = 0.0
    for mask in range(1 << len(windows)):
        some = [place for place in range(len(windows)) if mask >> place & 1]
        taken = sorted((windows[place].start, windows[place].end) for place in some)
        if all(a[1] <= b[0] for a, b in pairwise(taken)):
            best = max(best, sum(worths[place] for place in some))
    assert sum(worths[place] for place in chosen) == pytest.approx(best)
    assert all(worths[place] > 0 for place in chosen)


def test_neighbors_of_the_same_action_are_one():
    first, second, third = window(0, 30), window(36, 60, similarity=0.97), window(78, 90)
    other = window(90, 120, "b")
    parts = [first, second, third, other]
    assert join_neighbors(parts, 9) == [[first, second], [third], [other]]
    assert join_neighbors(parts, 0) == [[one] for one in parts]
    joined, *_ = segments_of(parts, FPS, SegmentOptions(merge_gap=0.3))
    assert (joined.start, joined.end, joined.similarity) == (0, 2, 0.97)
    assert joined.confidence == confidence_of(second)


def test_an_action_is_two_where_the_body_rests_between():
    fast, slow = 0.0, -1.5
    for last, first, parts in ((fast, fast, 1), (slow, fast, 2), (fast, slow, 2), (slow, slow, 2)):
        before = window(0, 30, ends=Ends(apart=-1.5, first=slow, last=last))
        after = window(30, 60, ends=Ends(apart=-1.5, first=first, last=slow))
        assert len(segments_of([before, after], FPS, SegmentOptions())) == parts


def test_what_fits_best_tells_whether_its_action_is_known():
    best = replace(window(0, 60, similarity=0.97), known=0.2)
    off = replace(window(6, 66, similarity=0.9), known=0.9)
    assert confidence_of(best) == 0.2 < confidence_of(off) < chance_if_known(best)
    assert segments_of([best, off], FPS, SegmentOptions()) == []
    assert len(segments_of([off], FPS, SegmentOptions())) == 1
    (segment,) = segments_of([best, off], FPS, SegmentOptions(min_confidence=0.15))
    assert segment.confidence == 0.2


def test_short_segments_are_background():
    windows = [window(0, 21), window(60, 120)]
    assert len(segments_of(windows, FPS, SegmentOptions())) == 2
    (long,) = segments_of(windows, FPS, SegmentOptions(min_duration=1.0))
    assert (long.start, long.end) == (2.0, 4.0)
    assert segments_of(windows, FPS, SegmentOptions(min_confidence=0.999)) == []


def test_times_for_people():
    assert [clock(s) for s in (0, 7.46, 59.96, 67.5, 7267.5)] == [
        "0.0", "7.5", "1:00.0", "1:07.5", "2:01:07.5",
    ]  # fmt: skip
    assert [clock(s, tenths=False) for s in (5, 65, 3600)] == ["0:05", "1:05", "1:00:00"]


def test_the_picture_is_well_formed_and_escaped():
    from xml.etree import ElementTree

    parts = [part(0, 2, '<b>"&'), part(2.5, 3, "wink\x00en"), part(3, 9, "日本")]
    timelines = [
        Timeline(name="a&b.npy", seconds=10, segments=parts),
        Timeline(name="empty", seconds=4000, segments=[]),
    ]
    picture = timeline_svg(timelines)
    root = ElementTree.fromstring(picture)
    texts = {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"a&b.npy", '<b>"&', "日本", "empty"} <= texts
    bars = [
        rect for group in root.iter("{http://www.w3.org/2000/svg}g")
        for rect in group.iter("{http://www.w3.org/2000/svg}rect")
    ]  # fmt: skip
    full = [bar for bar in bars if bar.get("class") == "doubt"]
    assert [float(bar.get("width")) for bar in full] == pytest.approx([233.6, 58.4, 700.8])
    assert len({bar.get("fill") for bar in full}) == 3
    page = timeline_html(timelines)
    assert "<b>" not in page
    assert page.count("<tr>") == 4
    assert "://" not in page.replace("http://www.w3.org/2000/svg", "")


def test_a_file_becomes_a_timeline(encoder, tmp_path):
    joints, truth = recording("squat", "clap")
    np.save(tmp_path / "morning.npy", joints)
    told = []
    with filled_index(tmp_path / "stars.db", encoder) as index:
        (timeline,) = segment_file(
            tmp_path / "morning.npy",
            encoder=encoder,
            index=index,
            convention=Convention(layout="ntu25", fps=FPS),
            progress=lambda done, total: told.append((done, total)),
        )
        with pytest.raises(ClipError, match="no such file"):
            segment_file(tmp_path / "none.npy", encoder=encoder, index=index)
    assert timeline.name == str(tmp_path / "morning.npy")
    assert timeline.seconds == pytest.approx(len(joints) / FPS)
    assert [part.label for part in timeline.segments] == [label for *_, label in truth]
    assert told[-1][0] == told[-1][1] == len(told)


def test_people_of_a_recording_have_timelines_of_their_own(encoder, tmp_path):
    one, truth = recording("squat", "clap")
    other, others = recording("kick", "wave", seed=9)
    frames = max(len(one), len(other))
    bodies = np.zeros((2, frames, 25, 3), np.float32)
    bodies[0, : len(one)] = one
    bodies[1, -len(other) :] = other + np.float32([2, 0, 0])
    np.save(tmp_path / "two.npy", bodies)
    with filled_index(tmp_path / "stars.db", encoder) as index:
        first, second = segment_file(
            tmp_path / "two.npy", encoder=encoder, index=index, people="each"
        )
        with pytest.raises(UsageError, match="choose pooled, each, pairs"):
            segment_file(tmp_path / "two.npy", encoder=encoder, index=index, people="all")
    assert [first.name, second.name] == [f"{tmp_path / 'two.npy'}, person {n}" for n in (0, 1)]
    assert first.seconds == second.seconds == pytest.approx(frames / FPS)
    late = (frames - len(other)) / FPS
    for timeline, spans, shift in ((first, truth, 0.0), (second, others, late)):
        assert [part.label for part in timeline.segments] == [label for *_, label in spans]
        for part, (start, end, _) in zip(timeline.segments, spans, strict=True):
            overlap = min(part.end, end + shift) - max(part.start, start + shift)
            assert overlap > 0.5 * (end - start)


def test_a_bystander_in_a_recording_changes_nothing(encoder, tmp_path):
    joints, truth = recording("squat", "clap")
    np.save(tmp_path / "two.npy", np.stack((standing(len(joints)), joints)).astype(np.float32))
    with filled_index(tmp_path / "stars.db", encoder) as index:
        (timeline,) = segment_file(tmp_path / "two.npy", encoder=encoder, index=index)
    assert [part.label for part in timeline.segments] == [label for *_, label in truth]
