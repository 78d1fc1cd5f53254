"""Commands of videos and cameras, with a pretended OpenCV and pose model."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from stars_infer import read_clip
from stars_infer.errors import ModelError
from stars_infer.synthetic.actions import perform
from tests.stars_infer.pose.fakes import install, write_actor, write_video


@pytest.fixture
def fake(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "STARS_POSE_MODEL"):
        monkeypatch.delenv(name, raising=False)
    return install(monkeypatch)


def moves(action, *, times=1, seed=0):
    random = np.random.default_rng(seed)
    return np.concatenate([perform(action, random)[0] for _ in range(times)])


@pytest.fixture
def taught(stars, fake, tmp_path):
    """An index of two actions, taught by a video of each."""
    for action in ("wave", "squat"):
        path = write_actor(tmp_path / f"{action}.mp4", moves(action, times=4))
        assert stars("teach", action, path, "--length", 3)[0] == 0
    return stars


def test_pose_writes_a_clip(stars, fake, tmp_path):
    video = write_actor(tmp_path / "kick.mp4", moves("kick"))
    code, out, err = stars("pose", video, "--out", "kick.json", "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told["pictures"] == told["seen"] == read_clip("kick.json").frames
    assert told["people"] == 1
    assert fake.seers[0].closed


def test_pose_of_the_first_seconds(stars, fake, tmp_path):
    video = write_actor(tmp_path / "kick.mp4", moves("kick"))
    code, out, _ = stars("pose", video, "--out", "kick.jsonl", "--seconds", 1, "--quiet")
    assert code == 0
    assert out.split("\t")[3] == "30"


def test_pose_of_a_camera_that_is_pulled_out_keeps_nothing(stars, fake, tmp_path):
    fake.cv2.cameras[0] = write_actor(tmp_path / "v.mp4", moves("kick")).read_text()
    code, _, err = stars("pose", "--camera", 0, "--out", "kick.json")
    assert code == 1
    assert "camera 0: gives no more pictures" in err
    assert not (tmp_path / "kick.json").exists()


def test_pose_says_that_a_video_is_damaged(stars, fake, tmp_path):
    video = write_actor(tmp_path / "cut.mp4", moves("kick"), count=1000)
    code, _, err = stars("pose", video, "--out", "cut.json")
    assert code == 1
    assert "the video is damaged" in err
    assert "what could be read was written" in err
    assert read_clip("cut.json").frames > 50


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        ((), "name one source: a video file, or --camera N", 2),
        (("v.mp4", "--camera", 0, "--out", "c.json"), "name one source", 2),
        (("v.mp4",), "name the clip to write with --out clip.json", 2),
        (("v.mp4", "--out", "c.txt"), "give the file the ending .json or .jsonl", 2),
        (("no.mp4", "--out", "c.json"), "no.mp4: no such file", 1),
        (("--camera", 7, "--out", "c.json"), "camera 7: there is no such camera", 1),
    ],
)
def test_pose_refuses(stars, fake, tmp_path, arguments, said, code):
    write_actor(tmp_path / "v.mp4", moves("kick"))
    got, out, err = stars("pose", *arguments)
    assert (got, out) == (code, "")
    assert said in err


def test_the_model_is_fetched_only_when_asked(stars, fake, monkeypatch, tmp_path):
    asked = []

    def download(name, progress):
        asked.append(name)
        return tmp_path / "m.task"

    monkeypatch.setattr("stars_infer.pose.model_file.download_pose_model", download)
    video = write_actor(tmp_path / "v.mp4", moves("kick"))
    assert stars("pose", video, "--out", "c.json")[0] == 0
    assert not asked
    code, _, err = stars("pose", "--download", "--pose-model", "lite")
    assert code == 0
    assert asked == ["lite"]
    assert "(Apache License 2.0, Google)" in " ".join(err.split())


def test_without_a_model_it_is_one_line(stars, fake, monkeypatch, tmp_path):
    def refuse(given=None):
        raise ModelError("the pose model 'full' is not here: `stars pose --download` fetches it")

    monkeypatch.setattr("stars_infer.pose.model_file.find_pose_model", refuse)
    video = write_actor(tmp_path / "v.mp4", moves("kick"))
    for arguments in (("pose", video, "--out", "c.json"), ("teach", "kick", video)):
        code, out, err = stars(*arguments)
        assert (code, out) == (1, "")
        assert err.strip() == (
            "error: the pose model 'full' is not here: `stars pose --download` fetches it"
        )


def test_videos_are_taught_and_named(taught, tmp_path):
    listed = taught("fewshot", "list", "--quiet")[1].splitlines()
    assert 6 <= len(listed) <= 10
    assert any("wave.mp4, 3.0 to 6.0 s" in line for line in listed)
    new = write_actor(tmp_path / "new.mp4", moves("squat", seed=9))
    code, out, err = taught("classify", new, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["source"] == str(new)
    assert taught("segment", new)[0] == 0
    assert taught("data", "inspect", new)[0] == 0
    assert taught("embed", new, "--out", "new.npz")[0] == 0


def test_taught_by_a_camera(stars, fake, tmp_path):
    seconds = iter(np.arange(10_000) / 30)
    fake.cv2.cameras[2] = write_actor(tmp_path / "v.mp4", moves("wave", times=6)).read_text()
    with pytest.MonkeyPatch.context() as patch:
        clock = SimpleNamespace(monotonic=lambda: float(next(seconds)))
        patch.setattr("stars_infer.pose.pictures.time", clock)
        code, _, err = stars(
            "teach", "wave", "--camera", 2, "--length", 2, "--examples", 3, "--save", "kept/wave"
        )
    assert code == 0, err
    assert "no window, as there is no desktop" in err
    assert err.index("example 1 in 3 …") < err.index("example 1 in 1 …")
    assert err.index("example 1: wave!") < err.index("example 2 in 3 …")
    assert "3 examples of 'wave' added" in err
    kept = sorted((tmp_path / "kept/wave").iterdir())
    assert len(kept) == 3
    assert read_clip(kept[0]).frames == pytest.approx(60, abs=2)
    assert read_clip(kept[0]).layout == "mediapipe33"
    again = stars("fewshot", "add-class", "kept/wave", "--json")[1].splitlines()
    assert [json.loads(line)["added"] for line in again] == [False] * 3


def test_an_example_without_people_is_left_out(stars, fake, tmp_path):
    joints = moves("wave", times=3)
    video = write_actor(tmp_path / "v.mp4", joints)
    content = json.loads(video.read_text())
    content["pictures"][60:120] = [[]] * 60
    video.write_text(json.dumps(content))
    code, _, err = stars("teach", "wave", video, "--length", 2, "--every", 2, "--examples", 3)
    assert code == 1
    assert "2.0 to 4.0 s: somebody is seen in 0 of 60 pictures only" in err
    assert "2 examples of 'wave' added" in err


def test_teach_refuses(stars, fake, tmp_path):
    video = write_actor(tmp_path / "v.mp4", moves("wave"))
    assert "name one source" in stars("teach", "wave")[2]
    assert "no such file" in stars("teach", "wave", "no.mp4")[2]
    assert "every must be at least 3" in stars("teach", "wave", video, "--every", 1)[2]
    assert stars("teach", " ", video)[0] != 0


def test_watch_a_video(taught, fake, tmp_path):
    joints = moves("squat", seed=4)
    video = write_actor(tmp_path / "new.mp4", joints)
    code, out, err = taught("watch", video, "--json", "--every-answer")
    assert code == 0
    times = [json.loads(line)["time"] for line in out.splitlines()]
    assert np.diff(times) == pytest.approx(0.2, abs=0.04)
    assert times[-1] == pytest.approx(len(joints) / 30, abs=0.3)
    assert err == ""
    _, _, err = taught("watch", video)
    assert "no window, as there is no desktop" in err
    assert "no window" not in taught("watch", video, "--no-window")[2]


def test_watch_in_a_window_until_it_is_closed(taught, fake, monkeypatch, tmp_path):
    monkeypatch.setenv("DISPLAY", ":0")
    fake.cv2.keys = [ord("q"), *[-1] * 20]
    video = write_actor(tmp_path / "new.mp4", moves("squat", times=6))
    code, _, err = taught("watch", video)
    assert code == 0
    assert "no window" not in err
    assert fake.cv2.windows == 0  # closed again
    assert any("unknown" in words or "squat" in words for words in fake.cv2.words)


def test_a_desktop_that_shows_no_windows(taught, fake, monkeypatch, tmp_path):
    def refuse(*arguments):
        raise RuntimeError("\n(-2:Unspecified error) The function is not implemented\n")

    monkeypatch.setenv("DISPLAY", ":0")
    fake.cv2.namedWindow = refuse
    video = write_actor(tmp_path / "new.mp4", moves("squat"))
    code, _, err = taught("watch", video)
    assert code == 0
    assert "note: no window: (-2:Unspecified error) The function is not implemented" in err


def test_watch_refuses(taught, fake, tmp_path):
    room = write_video(tmp_path / "text.mp4", [], [])
    assert "name one source of frames" in taught("watch", room, "--camera", 0)[2]
    assert "no such file" in taught("watch", "no.mp4")[2]
    code, _, err = taught("watch", room)
    assert code == 1
    assert "no picture of it can be read" in err
    assert "there is no such camera" in taught("watch", "--camera", 4)[2]
