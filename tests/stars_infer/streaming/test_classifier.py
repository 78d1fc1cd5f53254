import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from stars_infer import Recognizer
from stars_infer.errors import UsageError
from stars_infer.streaming.buffer import MAX_BODIES, FrameBuffer
from stars_infer.streaming.classifier import StreamClassifier
from stars_infer.streaming.hysteresis import Hysteresis
from stars_infer.streaming.options import StreamOptions
from stars_infer.synthetic.actions import perform
from tests.stars_infer.cli.streaming import FPS, FakeEncoder, FakeIndex, filled_index, recording

RECORDED = StreamOptions(live=False)
"""Of a live stream, a busy machine skips answers."""


def labels_of(classifier, joints, times):
    answers = (classifier.push(frame, at) for frame, at in zip(joints, times, strict=True))
    return [answer for answer in answers if answer is not None]


def changes(answers):
    return [answer.answer for answer in answers if answer.changed]


@pytest.fixture
def index(tmp_path, encoder):
    with filled_index(tmp_path / "stars.db", encoder) as made:
        yield made


def test_what_is_acted_is_named_while_it_goes_on(encoder, index):
    joints, truth = recording("wave", "squat", "clap")
    classifier = StreamClassifier(encoder, index, how=RECORDED)
    answers = labels_of(classifier, joints, np.arange(len(joints)) / FPS)
    said = [answer for answer in answers if answer.changed and answer.label is not None]
    assert [answer.label for answer in said] == ["wave", "squat", "clap"]
    for answer, (start, end, _) in zip(said, truth, strict=True):
        assert start < answer.time < end + 1.0
        assert answer.since == answer.time
    assert changes(answers)[-1] == "unknown" or answers[-1].label == "clap"


def test_irregular_times_and_lost_joints_change_nothing(encoder, index):
    joints, _ = recording("squat", "wave")
    random = np.random.default_rng(0)
    times = np.arange(len(joints)) / FPS + random.uniform(-0.012, 0.012, len(joints))
    kept = random.uniform(size=len(joints)) > 0.2
    joints, times = joints[kept].copy(), times[kept]
    joints[random.integers(0, len(joints), 40), random.integers(0, 25, 40)] = np.nan
    joints[:, [21, 22, 23, 24]] = np.nan  # a tracker that sees no fingers
    answers = labels_of(StreamClassifier(encoder, index, how=RECORDED), joints, times)
    assert [label for label in changes(answers) if label != "unknown"] == ["squat", "wave"]


def test_an_answer_comes_every_so_often():
    joints, _ = recording("wave", "kick")
    how = StreamOptions(interval=0.5, live=False)
    classifier = StreamClassifier(FakeEncoder(), FakeIndex(), how=how)
    answers = labels_of(classifier, joints, np.arange(len(joints)) / FPS)
    gaps = np.diff([answer.time for answer in answers])
    assert np.allclose(gaps, 0.5, atol=1 / FPS)
    assert classifier.skipped == classifier.late == 0
    without = StreamClassifier(FakeEncoder(), FakeIndex(), how=how)
    times = [answer.time for frame in joints if (answer := without.push(frame)) is not None]
    assert times == pytest.approx([answer.time for answer in answers], abs=1e-6)


@pytest.mark.parametrize("mirror", ["auto", "on", "off"])
def test_a_stream_is_named_with_or_without_mirror_images(mirror):
    joints, _ = recording("wave")
    index = FakeIndex()
    classifier = StreamClassifier(FakeEncoder(), index, how=StreamOptions(mirror=mirror))
    labels_of(classifier, joints[:30], np.arange(30) / FPS)
    assert index.mirrors == {mirror}


def test_answers_are_skipped_when_computing_takes_too_long(monkeypatch):
    now = itertools.count()
    joints, _ = recording("wave", "kick")
    classifier = StreamClassifier(FakeEncoder(), FakeIndex(), how=StreamOptions(interval=0.2))
    # Every computing seems to take a second: the clock is read before and after.
    clock = SimpleNamespace(perf_counter=lambda: float(next(now)))
    monkeypatch.setattr("stars_infer.streaming.classifier.clock", clock)
    answers = labels_of(classifier, joints, np.arange(len(joints)) / FPS)
    gaps = np.diff([answer.time for answer in answers])
    assert np.all(gaps >= 1.0 - 1 / FPS)
    assert np.all(gaps <= 1.3)
    seconds = len(joints) / FPS
    assert classifier.skipped == pytest.approx(seconds / 0.2 - len(answers), abs=6)
    assert {answer.latency for answer in answers} == {1.0}


def test_late_frames_are_dropped_and_a_restart_is_seen(waving):
    classifier = StreamClassifier(FakeEncoder(), FakeIndex())
    classifier.push(waving[0, 0], 100.0)
    assert classifier.push(waving[0, 1], 100.0) is None
    assert classifier.push(waving[0, 1], 99.9) is None
    assert (classifier.late, classifier.restarts) == (2, 0)
    answer = classifier.push(waving[0, 2], 3.0)
    assert (classifier.late, classifier.restarts) == (2, 1)
    assert (answer.time, answer.label) == (3.0, None)


@pytest.mark.parametrize("rate", [15, 60, 1000])
def test_memory_is_bounded_at_any_rate(waving, rate):
    buffer = FrameBuffer(joints=25, seconds=4.0)
    held = buffer._joints.nbytes
    for number in range(20 * rate):
        buffer.add(waving[0, number % waving.shape[1]], number / rate)
    assert buffer._joints.nbytes == held
    assert len(buffer) <= buffer.capacity
    bodies, presence = buffer.latest(fps=30.0)
    assert bodies.shape == (1, 121, 25, 3)
    assert presence.all()


def test_frames_are_brought_to_an_even_rate():
    buffer = FrameBuffer(joints=2, seconds=2.0)
    for at in (0.0, 0.1, 0.25, 0.3, 0.5):
        buffer.add(np.full((2, 3), 1 + at), at)
    bodies, presence = buffer.latest(fps=20.0)
    assert presence.all()
    np.testing.assert_allclose(bodies[0, :, 0, 0], 1 + np.arange(11) / 20, atol=1e-6)


def test_long_silence_and_absence_stay_gaps():
    buffer = FrameBuffer(joints=2, seconds=4.0)
    for at in np.arange(0, 1, 0.1):
        buffer.add(np.ones((2, 2, 3)), at)
    for at in np.arange(2, 3.01, 0.1):
        frame = np.ones((2, 2, 3))
        frame[1] = 0
        frame[0, 1] = np.nan
        buffer.add(frame, at)
    bodies, presence = buffer.latest(fps=10.0)
    assert buffer.people == ("0", "1", "2")  # whoever comes after so long is somebody else
    for seen in presence[:2]:
        assert seen[:10].all()
        assert not seen[10:].any()
    assert presence[2].tolist() == [False] * 20 + [True] * 11
    assert np.isnan(bodies[2, 20:, 1]).all()
    assert np.isfinite(bodies[2, 20:, 0]).all()
    assert not bodies[0, 12].any()


def test_more_bodies_than_anybody_follows_are_cut():
    buffer = FrameBuffer(joints=2, seconds=1.0)
    for at in (0.0, 0.5, 1.0):
        buffer.add(np.ones((MAX_BODIES + 3, 2, 3)), at)
    assert len(buffer.latest(fps=4.0)[0]) == MAX_BODIES
    buffer.add(np.zeros((0, 2, 3)), 1.2)
    assert buffer.latest(fps=4.0)[1].shape[0] == MAX_BODIES
    buffer.clear()
    assert buffer.latest(fps=4.0)[0].shape == (0, 0, 2, 3)


@pytest.mark.parametrize("frame", [np.ones((24, 3)), np.ones(3), np.full((25, 3), "x")])
def test_a_frame_of_another_shape_is_refused(frame):
    classifier = StreamClassifier(FakeEncoder(), FakeIndex())
    with pytest.raises(UsageError, match=r"expected a frame of numbers \(25, 3\)"):
        classifier.push(frame, 0.0)


def test_a_time_that_is_none_is_refused(waving):
    with pytest.raises(UsageError, match="finite number"):
        StreamClassifier(FakeEncoder(), FakeIndex()).push(waving[0, 0], float("nan"))


@pytest.mark.parametrize(
    "values",
    [
        {"interval": 0},
        {"lengths": ()},
        {"mirror": "left"},
        {"off_threshold": 0.6},
        {"on_threshold": 1.0},
        {"min_hold": -1},
    ],
)
def test_impossible_settings_are_refused(values):
    with pytest.raises(UsageError):
        StreamOptions(**values)


def steady(how, *moments):
    hysteresis = Hysteresis(how)
    return [
        hysteresis.answer(label, confidence, 0.2 * number)
        for number, (label, confidence) in enumerate(moments)
    ]


def test_a_label_enters_above_one_threshold_and_leaves_below_a_lower_one():
    how = StreamOptions(on_threshold=0.6, off_threshold=0.3, min_hold=0.0, smoothing=0.0)
    answers = steady(how, ("a", 0.5), ("a", 0.7), ("a", 0.4), ("a", 0.2), ("a", 0.4))
    assert [answer.label for answer in answers] == [None, "a", "a", None, None]
    assert [answer.changed for answer in answers] == [False, True, False, True, False]
    assert [answer.since for answer in answers] == pytest.approx([0, 0.2, 0.2, 0.6, 0.6])


def test_one_odd_moment_does_not_change_the_label():
    flicker = [("a", 0.9)] * 5 + [("b", 0.9), *[("a", 0.9)] * 4] * 5
    answers = steady(StreamOptions(), *flicker)
    assert [answer.label for answer in answers if answer.changed] == ["a"]
    bare = steady(StreamOptions(smoothing=0.0, min_hold=0.0), *flicker)
    assert sum(answer.changed for answer in bare) == 11


def test_a_label_is_held_for_a_while():
    how = StreamOptions(on_threshold=0.5, off_threshold=0.4, min_hold=1.0, smoothing=0.0)
    answers = steady(how, ("a", 0.9), *[("b", 0.9)] * 9)
    assert [answer.label for answer in answers] == ["a"] * 5 + ["b"] * 5


def test_nothing_for_long_is_unknown():
    answers = steady(StreamOptions(), *[("a", 0.9)] * 6, *[(None, 0.0)] * 12)
    assert answers[5].label == "a"
    assert answers[-1].label is None
    assert answers[-1].confidence < 0.01


@pytest.mark.parametrize(
    ("turn", "said", "remedy"),
    [
        (lambda x: x * [-1, -1, 1], {"up": "-y"}, 'up="-y"'),
        (lambda x: np.stack([x[..., 0], -x[..., 2], x[..., 1]], axis=-1), {"up": "z"}, 'up="z"'),
        (lambda x: (x * 1000).astype(np.int32), {"units": "mm"}, 'units="mm"'),
        (lambda x: x * [-1, 1, 1], {"handedness": "left"}, 'handedness="left"'),
    ],
)
def test_streams_in_other_units_and_axes(turn, said, remedy):
    actions = Recognizer(device="cpu")
    for number, action in enumerate(("wave", "squat", "clap")):
        random = np.random.default_rng(number)
        actions.add(action, [perform(action, random) for _ in range(3)])
    joints = perform("squat", np.random.default_rng(9))[0]
    times = np.arange(len(joints)) / FPS
    plain = labels_of(StreamClassifier(actions.encoder, actions.index, how=RECORDED), joints, times)
    assert plain[-1].label == "squat"
    assert not any(answer.notes for answer in plain)
    unsaid = StreamClassifier(actions.encoder, actions.index, how=RECORDED)
    odd = labels_of(unsaid, turn(joints), times)
    assert any(remedy in note for note in odd[-1].notes)
    other = StreamClassifier(actions.encoder, actions.index, how=RECORDED, **said)
    answers = labels_of(other, turn(joints), times)
    assert [answer.label for answer in answers] == [answer.label for answer in plain]
    assert not any(answer.notes for answer in answers)


def test_a_stream_of_a_convention_that_means_nothing_is_refused():
    for wrong in ({"units": "ft"}, {"up": "w"}, {"handedness": "both"}, {"layout": "ntu26"}):
        with pytest.raises(UsageError):
            StreamClassifier(FakeEncoder(), FakeIndex(), **wrong)


def test_a_label_gives_way_to_one_that_is_clearly_likelier():
    how = StreamOptions(on_threshold=0.3, off_threshold=0.15, min_hold=0.0, smoothing=0.0)
    hysteresis = Hysteresis(how)
    assert hysteresis.answer("a", 0.5, 0.0).label == "a"
    hysteresis._levels = {"a": 0.5, "b": 0.6}
    assert hysteresis._current_label() == "a"
    hysteresis._levels = {"a": 0.5, "b": 0.63}
    assert hysteresis._current_label() == "b"
    hysteresis._levels = {"a": 0.14, "b": 0.29}
    assert hysteresis._current_label() is None
