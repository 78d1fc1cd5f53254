"""Examples taken from the frames of a camera or a video."""

import numpy as np
import pytest

from stars_infer.clips.clip import Clip
from stars_infer.errors import ClipError, NobodyError, UsageError
from stars_infer.pose.following import FollowedPose
from stars_infer.pose.people import SeenFrame
from stars_infer.pose.pictures import Picture
from stars_infer.streaming.takes import Schedule, record_takes
from stars_infer.synthetic.actions import perform
from tests.stars_infer.pose.fakes import mediapipe_joints

IMAGE = np.zeros((2, 2, 3), np.uint8)


@pytest.fixture(scope="module")
def marks():
    joints = mediapipe_joints(perform("squat", np.random.default_rng(0))[0])
    return np.concatenate([joints, np.full((*joints.shape[:2], 1), 0.9)], axis=2)


def frames(marks, seconds, *, start=100.0, absent=()):
    """Frames at 30 Hz of somebody who is away between pairs of seconds."""
    for number in range(round(30 * seconds)):
        time = number / 30
        here = FollowedPose(identity=0, joints=marks[number % len(marks)], image=np.ones((33, 2)))
        away = any(one <= time < two for one, two in absent)
        yield SeenFrame(
            picture=Picture(image=IMAGE, time=start + time), people=() if away else (here,)
        )


def taken(marks, seconds, schedule, *, absent=(), **options):
    return list(
        record_takes(
            frames(marks, seconds, absent=absent),
            schedule,
            layout="mediapipe33",
            source="v.mp4",
            **options,
        )
    )


def test_a_video_is_cut_end_to_end(marks):
    clips = taken(marks, 7.1, Schedule(length=2.0, every=2.0))
    assert [clip.source for clip in clips] == [
        "v.mp4, 0.0 to 2.0 s", "v.mp4, 2.0 to 4.0 s", "v.mp4, 4.0 to 6.0 s", "v.mp4, 6.0 to 7.1 s",
    ]  # fmt: skip
    assert all(isinstance(clip, Clip) for clip in clips)
    assert [clip.frames for clip in clips] == [60, 60, 60, 33]


def test_a_short_rest_is_left(marks):
    assert len(taken(marks, 6.9, Schedule(length=2.0, every=2.0))) == 3


def test_a_camera_counts_down(marks):
    told = []
    clips = taken(
        marks,
        60.0,
        Schedule(length=2.0, every=5.0, first=3.0, count=2),
        follow=lambda frame, moment: told.append((frame.time - 100, moment)),
    )
    assert [clip.source for clip in clips] == ["v.mp4, 3.0 to 5.0 s", "v.mp4, 8.0 to 10.0 s"]
    assert told[-1][0] < 10.0  # it ends with the last example
    begins = [time for time, moment in told if moment.recording and moment.number == 1]
    assert begins[0] == pytest.approx(8.0, abs=0.05)
    for time, moment in told:
        edge = (5.0 if moment.recording else 3.0) + 5.0 * moment.number
        assert moment.left == pytest.approx(edge - time, abs=0.05)


def test_examples_without_people_are_refused_and_others_go_on(marks):
    clips = taken(marks, 6.0, Schedule(length=2.0, every=2.0), absent=[(1.8, 3.5)])
    assert [isinstance(clip, ClipError) for clip in clips] == [False, True, False]
    assert isinstance(clips[1], NobodyError)
    assert "v.mp4, 2.0 to 4.0 s: somebody is seen in 15 of 60 pictures only" in str(clips[1])


def test_schedules_that_mean_nothing():
    for options in ({"length": 0, "every": 1}, {"length": 2, "every": 1},
                    {"length": 1, "every": 1, "first": -1},
                    {"length": 1, "every": 1, "count": 0}):  # fmt: skip
        with pytest.raises(UsageError):
            Schedule(**options)
