"""A video written as a clip is the clip that is read from the video."""

import json

import numpy as np
import pytest

from stars_infer import read_clip
from stars_infer.errors import NobodyError
from stars_infer.pose.drawing import MOST_HIGH, draw_frame
from stars_infer.pose.people import people_in
from stars_infer.pose.pictures import Pictures
from stars_infer.pose.writing import write_poses
from stars_infer.synthetic.actions import perform
from tests.stars_infer.pose.fakes import FakeEstimator, install, mediapipe_joints, write_actor
from tests.stars_infer.pose.fakes import write_video as write


@pytest.fixture
def fake(monkeypatch):
    return install(monkeypatch)


@pytest.fixture
def video(fake, tmp_path):
    joints = perform("kick", np.random.default_rng(3))[0]
    return write_actor(tmp_path / "kick.mp4", joints, place=(0.4, 0.2))


def frames_of(path, cv2):
    with Pictures(path) as pictures:
        yield from people_in(pictures, FakeEstimator(cv2))


@pytest.mark.parametrize("ending", [".json", ".jsonl"])
def test_the_file_gives_the_clip_of_the_video(fake, video, tmp_path, ending):
    path = tmp_path / f"kick{ending}"
    seen = write_poses(frames_of(video, fake.cv2), path, layout="mediapipe33", source="kick")
    clip, direct = read_clip(path), read_clip(video)
    assert clip.content_hash == direct.content_hash
    assert clip.layout == "mediapipe33"
    assert clip.fps == pytest.approx(30, rel=1e-4)
    assert seen.pictures == seen.with_somebody == clip.frames
    assert seen.people == 1
    assert seen.seconds == pytest.approx((clip.frames - 1) / 30)


def test_nothing_is_written_if_nobody_is_seen(fake, tmp_path):
    empty = write(tmp_path / "empty.mp4", [0, 0.1, 0.2], [[], [], []])
    path = tmp_path / "clip.json"
    with pytest.raises(NobodyError, match="room: nobody is seen"):
        write_poses(frames_of(empty, fake.cv2), path, layout="mediapipe33", source="room")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["empty.mp4"]


def test_what_was_seen_before_ctrl_c_is_kept(fake, video, tmp_path):
    def interrupted():
        for number, frame in enumerate(frames_of(video, fake.cv2)):
            if number == 20:
                raise KeyboardInterrupt
            yield frame

    path = tmp_path / "part.json"
    seen = write_poses(interrupted(), path, layout="mediapipe33", source="kick")
    assert seen.pictures == len(json.loads(path.read_text())["frames"]) == 20


def test_drawing(fake, tmp_path):
    joints = mediapipe_joints(perform("wave", np.random.default_rng(0))[0])
    path = write(tmp_path / "two.mp4", [0, 0.1], [[(0, 0, joints[0]), (1.5, 0, joints[0])]] * 2)
    frame = next(frames_of(path, fake.cv2))
    image = draw_frame(frame, layout="mediapipe33", words=["wave", "0.9"], share=2.0)
    assert image.shape == (480, 640, 3)
    assert fake.cv2.words == ["wave", "0.9"]
    assert fake.cv2.lines > 2 * 33
    large = type(frame)(
        picture=type(frame.picture)(image=np.zeros((2000, 1000, 3), np.uint8), time=0.0),
        people=frame.people,
    )
    assert draw_frame(large, layout="mediapipe33").shape == (MOST_HIGH, MOST_HIGH // 2, 3)
