"""A video as a stream of lines, with a pretended OpenCV and pose model."""

import json

import numpy as np
import pytest

from stars_infer.errors import ClipError, ModelError
from stars_infer.streaming.frames import FrameReader
from stars_infer.streaming.video import View, is_video, open_video_feed
from stars_infer.synthetic.actions import perform
from tests.stars_infer.pose.fakes import FakeEstimator, install, write_actor, write_video


@pytest.fixture
def fake(monkeypatch):
    return install(monkeypatch)


@pytest.fixture
def video(fake, tmp_path):
    return write_actor(tmp_path / "v.mp4", perform("squat", np.random.default_rng(0))[0])


def lines_of(feed):
    while True:
        try:
            line = feed.get(60)
        except EOFError:
            return
        yield line.text


def opener(fake, seers):
    def open_estimator():
        seers.append(FakeEstimator(fake.cv2))
        return seers[-1]

    return open_estimator


def test_lines_are_frames_with_the_times_of_the_video(fake, video):
    view, seers, reader = View(), [], FrameReader()
    with open_video_feed(video, estimator=opener(fake, seers), view=view) as feed:
        header, *lines = lines_of(feed)
    assert reader.read(header, source="line 1") is None
    frames = [reader.read(line, source="line") for line in lines]
    assert {frame.layout for frame in frames} == {"mediapipe33"}
    assert np.allclose([frame.time for frame in frames], np.arange(len(frames)) / 30, atol=1e-5)
    assert all(frame.bodies.shape == (1, 33, 3) for frame in frames)
    assert frames[0].bodies[0, 0, 1] > frames[0].bodies[0, 31, 1]  # y is up
    assert feed.dropped == 0
    assert view.layout == "mediapipe33"
    assert view.frame.time == pytest.approx(frames[-1].time, abs=1e-5)
    assert seers[0].closed
    assert fake.cv2.captures[0].released


def test_nobody_is_a_frame_too(fake, tmp_path):
    path = write_video(tmp_path / "room.mp4", [0, 0.1], [[], []])
    with open_video_feed(path, estimator=opener(fake, [])) as feed:
        _, first, _ = lines_of(feed)
    assert json.loads(first)["bodies"] == []


def test_it_may_end_before_the_video(fake, video):
    seers = []
    with open_video_feed(video, estimator=opener(fake, seers)) as feed:
        feed.get(60)
    assert seers[0].closed
    assert fake.cv2.captures[0].released


def test_errors_on_the_way_reach_the_reader(fake, video):
    class Failing(FakeEstimator):
        def look(self, image, time):
            raise ModelError("the pose model gives image landmarks without world landmarks")

    with (
        open_video_feed(video, estimator=lambda: Failing(fake.cv2)) as feed,
        pytest.raises(OSError, match=r"v\.mp4: the pose model gives image landmarks"),
    ):
        list(lines_of(feed))


def test_a_camera_that_is_pulled_out(fake, video):
    fake.cv2.cameras[1] = video.read_text()
    with (
        open_video_feed(1, estimator=opener(fake, [])) as feed,
        pytest.raises(OSError, match="camera 1: gives no more pictures"),
    ):
        list(lines_of(feed))


def test_what_cannot_be_opened(fake, tmp_path):
    with pytest.raises(ClipError, match="no such file"), open_video_feed(tmp_path / "no.mp4"):
        pass
    with pytest.raises(ClipError, match="there is no such camera"), open_video_feed(5):
        pass


def test_endings():
    assert is_video("a/B.MP4")
    assert is_video("clip.webm")
    assert not is_video("clip.jsonl")
    assert not is_video("-")
