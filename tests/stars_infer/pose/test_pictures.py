"""Pictures of videos and cameras: their times, and what cannot be read."""

import builtins
import importlib

import numpy as np
import pytest

from stars_infer.errors import ClipError, MissingExtraError, StarsError
from stars_infer.pose import pictures as module
from stars_infer.pose.pictures import Pictures, check_video
from tests.stars_infer.pose.fakes import FakeOpenCV, install, write_video


@pytest.fixture
def cv2(monkeypatch):
    return install(monkeypatch).cv2


def video(folder, times, **options):
    return write_video(folder / "v.mp4", times, [[]] * len(times), **options)


def times_of(path):
    with Pictures(path) as pictures:
        return [picture.time for picture in pictures], pictures


def test_times_are_those_of_the_video_and_begin_at_zero(cv2, tmp_path):
    uneven = [5.0, 5.033, 5.067, 5.3, 5.34]
    found, pictures = times_of(video(tmp_path, uneven))
    assert np.allclose(found, np.array(uneven) - 5, atol=1e-6)
    assert pictures.read == pictures.count == 5
    assert pictures.damage is None
    assert cv2.captures[0].released


def test_times_always_rise(cv2, tmp_path):
    """As of AVI files without times, or whose clock jumps back."""
    for times in ([0, 0, 0, 0], [0, 0.1, 0.05, 0.3], [None, None, 0.2], [3, 2, 1]):
        found, _ = times_of(video(tmp_path, times, fps=25))
        assert (np.diff(found) > 0).all()
        assert found[0] == 0
    assert np.allclose(times_of(video(tmp_path, [0] * 4, fps=25))[0], np.arange(4) / 25)


@pytest.mark.parametrize("fps", [0, -1, 90_000, float("nan")])
def test_a_rate_that_cannot_be_is_thirty(cv2, tmp_path, fps):
    found, _ = times_of(video(tmp_path, [0, 0, 0], fps=fps))
    assert np.allclose(found, np.arange(3) / 30)


def test_a_video_that_ends_early_is_damaged(cv2, tmp_path):
    _, pictures = times_of(video(tmp_path, np.arange(30) / 30, count=90))
    assert pictures.damage == (
        "the video is damaged: it ends after 1.0 of 3.0 s, and what follows cannot be read"
    )


def test_fewer_pictures_than_said_up_to_the_end_are_no_damage(cv2, tmp_path):
    _, pictures = times_of(video(tmp_path, np.arange(30) / 15, count=60))  # 15 of 30 a second
    assert pictures.damage is None
    _, pictures = times_of(video(tmp_path, np.arange(30) / 30, count=-9e15))
    assert pictures.count is None
    assert pictures.damage is None


def test_what_is_no_video(cv2, tmp_path):
    text = tmp_path / "text.mp4"
    text.write_text("no JSON, as little as a video")
    with pytest.raises(ClipError, match=r"text\.mp4: no picture of it can be read: it is damaged"):
        Pictures(text)
    with (
        pytest.raises(ClipError, match="no picture of it can be read"),
        Pictures(video(tmp_path, [])) as pictures,
    ):
        list(pictures)


def test_what_is_no_file(tmp_path):
    with pytest.raises(ClipError, match="no such file"):
        check_video(tmp_path / "no.mp4")
    with pytest.raises(ClipError, match="is a directory, not a video"):
        check_video(tmp_path)
    empty = tmp_path / "empty.mp4"
    empty.touch()
    with pytest.raises(ClipError, match=r"empty\.mp4: the file is empty"):
        check_video(empty)


def test_a_camera_that_is_not_there(cv2):
    with pytest.raises(ClipError, match="camera 3: there is no such camera, or another program"):
        Pictures(3)


def test_a_camera_is_live_and_may_stop(cv2, tmp_path):
    cv2.cameras[0] = video(tmp_path, [0, 0, 0]).read_text()
    seen = []
    with Pictures(0) as pictures:
        assert pictures.live
        assert pictures.count is None
        with pytest.raises(ClipError, match="camera 0: gives no more pictures"):
            seen.extend(picture.time for picture in pictures)
    assert pictures.read == 3


def test_opencv_is_not_installed(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'stars-infer\[video\]'"):
        Pictures(video(tmp_path, [0]))


def test_opencv_does_not_load(monkeypatch):
    def refuse(name):
        raise ImportError("libGL.so.1: cannot open shared object file")

    monkeypatch.setattr(module, "find_spec", lambda name: True)
    monkeypatch.setattr(importlib, "import_module", refuse)
    with pytest.raises(StarsError, match="OpenCV does not load.*libGL.*headless"):
        module.opencv()


def test_ffmpeg_may_not_reach_the_network(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: True)
    monkeypatch.setattr(importlib, "import_module", lambda name: FakeOpenCV())
    monkeypatch.delenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", raising=False)
    module.opencv()
    assert module.os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] == "protocol_whitelist;file"


def test_without_standard_error(monkeypatch):
    def refuse(number):
        raise OSError("Bad file descriptor")

    monkeypatch.setattr(module.os, "dup", refuse)
    with module.silent():
        assert builtins.print is not None


def test_a_real_video(tmp_path):
    """Written and read by the real OpenCV, where it is installed."""
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed (extra [video])")
    path = tmp_path / "real.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 25.0, (64, 48))
    for number in range(20):
        writer.write(np.full((48, 64, 3), (10 * number, 0, 0), np.uint8))
    writer.release()
    with Pictures(path) as pictures:
        found = list(pictures)
    assert np.allclose([one.time for one in found], np.arange(20) / 25, atol=1e-4)
    assert found[15].image.shape == (48, 64, 3)
    assert found[15].image[20, 20, 2] == pytest.approx(150, abs=12)  # blue comes last
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ClipError, match="no picture of it can be read"):
        Pictures(path)
