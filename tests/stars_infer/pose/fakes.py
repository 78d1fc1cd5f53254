"""A pretended OpenCV whose videos are JSON, and a pose model that sees who is written in them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from stars_infer.layouts import NTU25_INDEX, get_layout
from stars_infer.pose.estimator import SeenPose

HIGH, WIDE = 480, 640
PIXELS = 150.0
"""Pixels a meter of the people in pictures."""
_NEAREST = {"pinky": "tip of {} hand", "index": "tip of {} hand", "heel": "{} ankle",
            "foot index": "{} foot"}  # fmt: skip


def mediapipe_joints(joints):
    """World landmarks (T, 33, 3) of a body (T, 25, 3) of NTU RGB+D: hips at the origin, y down."""
    places = []
    for name in get_layout("mediapipe33").joints:
        side, _, part = name.partition(" ")
        near = _NEAREST.get(part, "{} " + part).format(side)
        places.append(NTU25_INDEX.get(name, NTU25_INDEX.get(near, NTU25_INDEX["head"])))
    found = joints[:, places].astype(np.float64)
    found -= found[:, [23, 24]].mean(axis=1, keepdims=True)
    return found * (-1, -1, 1)  # seen from the front


def write_video(path, times, people, *, fps=30.0, count=None):
    """Write a pretended video.

    Args:
        path: The file.
        times: Seconds of its pictures; those that are None cannot be read.
        people: For each picture, the people in it: (x, y, joints (33, 3)), the first two in meters
            from the middle of the picture.
        fps: What it says of its rate.
        count: What it says of its length, pictures.
    """
    pictures = [
        [(float(x), float(y), np.round(joints, 4).tolist()) for x, y, joints in here]
        for here in people
    ]
    said = {"fps": fps, "count": len(times) if count is None else count}
    path.write_text(json.dumps({**said, "times": list(times), "pictures": pictures}))
    return path


def write_actor(path, joints, *, fps=30.0, place=(0.0, 0.0), **options):
    """Write a pretended video of one body (T, 25, 3) that is seen in all pictures."""
    marks = mediapipe_joints(joints)
    times = [number / fps for number in range(len(marks))]
    return write_video(path, times, [[(*place, one)] for one in marks], fps=fps, **options)


class FakeCapture:
    """Reads a pretended video, or is a camera of `FakeOpenCV.cameras`."""

    def __init__(self, cv2, source):
        self.cv2, self.at, self.released = cv2, 0, False
        try:
            camera = isinstance(source, int)
            content = cv2.cameras.get(source) if camera else Path(source).read_text()
            self.video = json.loads(content) if content else None
        except ValueError:
            self.video = None
        if self.video is not None and not isinstance(source, int):
            cv2.opened.append(source)

    def isOpened(self):  # noqa: N802
        return self.video is not None

    def set(self, which, value):
        return True

    def get(self, which):
        if which == FakeOpenCV.CAP_PROP_POS_MSEC:
            time = self.video["times"][self.at - 1]
            return math.nan if time is None else 1000 * time
        key = {FakeOpenCV.CAP_PROP_FPS: "fps", FakeOpenCV.CAP_PROP_FRAME_COUNT: "count"}[which]
        return self.video[key]

    def read(self):
        if self.at >= len(self.video["times"]):
            return False, None
        image = np.zeros((HIGH, WIDE, 3), np.uint8)
        image[0, 0] = (0, *divmod(self.at, 256))[::-1]  # blue, green, red
        self.cv2.shown = self.video["pictures"]
        self.at += 1
        return True, image

    def release(self):
        self.released = True


class FakeOpenCV:
    """What of OpenCV is used."""

    CAP_PROP_POS_MSEC, CAP_PROP_FPS, CAP_PROP_FRAME_COUNT = range(3)
    CAP_PROP_ORIENTATION_AUTO, CAP_PROP_BUFFERSIZE, CAP_FFMPEG = range(3, 6)
    COLOR_BGR2RGB = INTER_AREA = FONT_HERSHEY_SIMPLEX = LINE_AA = 0
    WINDOW_AUTOSIZE = WINDOW_GUI_NORMAL = WND_PROP_VISIBLE = 0

    def __init__(self):
        self.cameras, self.opened, self.shown = {}, [], None
        self.captures, self.windows, self.words, self.lines = [], 0, [], 0
        self.keys = []

    def VideoCapture(self, source, api=None):  # noqa: N802
        self.captures.append(FakeCapture(self, source))
        return self.captures[-1]

    def cvtColor(self, image, how):  # noqa: N802
        return np.ascontiguousarray(image[:, :, ::-1])

    def resize(self, image, size, interpolation=None):
        return np.zeros((size[1], size[0], 3), np.uint8)

    def line(self, *arguments):
        self.lines += 1

    circle = rectangle = line

    def putText(self, image, text, *rest):  # noqa: N802
        self.words.append(text)

    def namedWindow(self, *arguments):  # noqa: N802
        self.windows += 1

    def imshow(self, title, image):
        assert image.dtype == np.uint8

    def waitKey(self, wait):  # noqa: N802
        return self.keys.pop() if self.keys else -1

    def getWindowProperty(self, *arguments):  # noqa: N802
        return 1.0

    def destroyAllWindows(self):  # noqa: N802
        self.windows -= 1


class FakeEstimator:
    """Sees whoever is written in the pictures of a pretended OpenCV."""

    layout = "mediapipe33"

    def __init__(self, cv2):
        self.cv2, self.times, self.closed = cv2, [], False

    def look(self, image, time):
        _, high, low = image[0, 0].tolist()
        self.times.append(time)
        poses = []
        for x, y, joints in self.cv2.shown[256 * high + low]:
            world = np.concatenate([np.array(joints), np.full((33, 1), 0.9)], axis=1)
            middle = np.array([WIDE, HIGH]) / 2 + PIXELS * np.array([x, y])
            poses.append(SeenPose(world=world, image=middle + PIXELS * world[:, :2]))
        return poses

    def close(self):
        self.closed = True


def install(monkeypatch):
    """Let the pretended OpenCV and pose model take the places of the real ones."""
    cv2 = FakeOpenCV()
    seers = []

    def open_estimator(*arguments, **options):
        seers.append(FakeEstimator(cv2))
        return seers[-1]

    monkeypatch.setattr("stars_infer.pose.pictures.opencv", lambda: cv2)
    monkeypatch.setattr("stars_infer.pose.drawing.opencv", lambda: cv2)
    monkeypatch.setattr("stars_infer.pose.estimator.MediaPipePose", open_estimator)
    monkeypatch.setattr("stars_infer.readers.video.MediaPipePose", open_estimator)
    monkeypatch.setattr("stars_infer.streaming.video.MediaPipePose", open_estimator)
    monkeypatch.setattr("stars_infer.pose.model_file.find_pose_model", lambda given=None: given)
    return SimpleNamespace(cv2=cv2, seers=seers)
