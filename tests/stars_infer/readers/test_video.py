"""Videos read as clips, with a pretended OpenCV and pose model."""

import numpy as np
import pytest

from stars_infer import read_clip
from stars_infer.errors import ClipError, MissingExtraError, ModelError, NobodyError
from stars_infer.pose.pictures import VIDEO_ENDINGS
from stars_infer.readers import files
from stars_infer.readers.files import clip_files
from stars_infer.readers.video import read_video
from stars_infer.synthetic.actions import perform
from tests.stars_infer.pose.fakes import install, mediapipe_joints, write_actor, write_video


@pytest.fixture
def fake(monkeypatch):
    return install(monkeypatch)


@pytest.fixture(scope="module")
def waving():
    return perform("wave", np.random.default_rng(0))[0]


@pytest.fixture(scope="module")
def marks(waving):
    return mediapipe_joints(waving)


@pytest.mark.parametrize("ending", VIDEO_ENDINGS)
def test_a_clip_in_meters_with_y_up(fake, waving, tmp_path, ending):
    clip = read_clip(write_actor(tmp_path / f"wave{ending}", waving, fps=25))
    assert clip.bodies.shape == (1, len(waving), 33, 3)
    assert clip.fps == pytest.approx(25, rel=1e-4)
    nose, heels = clip.bodies[0, :, 0, 1], clip.bodies[0, :, [29, 30], 1]
    assert 1.3 < (nose - heels).mean() < 1.9
    assert not clip.notes
    assert fake.seers[0].closed


def test_times_of_the_video_count(fake, marks, tmp_path):
    """A camera that left pictures out, and one whose rate varies."""
    times = [number / 30 for number in range(80) if not 30 <= number < 50]
    path = write_video(tmp_path / "gap.mp4", times, [[(0, 0, one)] for one in marks[:60]])
    clip = read_clip(path)
    assert clip.frames == 80
    assert (~clip.presence[0, 30:50]).all()
    uneven = np.cumsum(np.random.default_rng(0).uniform(0.02, 0.06, 60))
    path = write_video(tmp_path / "uneven.mp4", uneven, [[(0, 0, one)] for one in marks[:60]])
    clip = read_clip(path)
    assert clip.frames / clip.fps == pytest.approx(uneven[-1] - uneven[0], abs=0.2)
    assert any("uneven" in note for note in clip.notes)


def test_a_picture_without_people_is_a_gap(fake, marks, tmp_path):
    people = [[] if 20 <= number < 60 else [(0, 0, one)] for number, one in enumerate(marks)]
    times = np.arange(len(marks)) / 30
    clip = read_clip(write_video(tmp_path / "gap.mp4", times, people))
    assert clip.presence.any(axis=0).tolist() == [bool(here) for here in people]


def test_people_keep_their_bodies_and_distance(fake, marks, tmp_path):
    """Also where a pose model lists them in another order from picture to picture."""
    people = []
    for number, one in enumerate(marks):
        both = [(-0.9, 0, one), (0.9, 0, marks[-1 - number])]
        people.append(both[:: (-1) ** number])
    clip = read_clip(write_video(tmp_path / "two.mp4", np.arange(len(marks)) / 30, people))
    assert clip.bodies.shape[0] == 2
    hips = clip.bodies[:, :, [23, 24], 0].mean(axis=2)
    assert (hips[0] > 0.8).all()  # the left of the picture is the right of who faces it
    assert (hips[1] < -0.8).all()


def test_a_damaged_video_gives_what_could_be_read(fake, waving, tmp_path):
    clip = read_clip(write_actor(tmp_path / "cut.mp4", waving, count=10 * len(waving)))
    assert clip.notes[0].startswith("the video is damaged: it ends after")


def test_nobody(fake, tmp_path):
    path = write_video(tmp_path / "room.mp4", [0, 0.1, 0.2], [[], [], []])
    with pytest.raises(NobodyError, match=r"room\.mp4: nobody is seen in it"):
        read_clip(path)


def test_no_video(fake, tmp_path):
    path = tmp_path / "text.mp4"
    path.write_text("text")
    with pytest.raises(ClipError, match=r"text\.mp4: no picture of it can be read"):
        read_clip(path)
    assert fake.seers[0].closed


def test_without_the_extra(monkeypatch, waving, tmp_path):
    monkeypatch.setattr("stars_infer.pose.estimator.find_spec", lambda name: None)
    path = write_actor(tmp_path / "v.mp4", waving)
    with pytest.raises(MissingExtraError, match=r"MediaPipe.*pip install 'stars-infer\[video\]'"):
        read_clip(path)


def test_without_a_model_other_files_go_on(fake, waving, tmp_path):
    def refuse():
        raise ModelError("the pose model 'full' is not here: `stars pose --download` fetches it")

    path = write_actor(tmp_path / "v.mp4", waving)
    with pytest.raises(ClipError, match=r"v\.mp4: the pose model 'full' is not here"):
        read_video(path, estimator=refuse)


def test_progress(fake, waving, tmp_path):
    told = []
    path = write_actor(tmp_path / "v.mp4", waving)
    read_video(path, progress=lambda done, total: told.append((done, total)))
    assert told == [(number, len(waving)) for number in range(1, len(waving) + 1)]


def test_videos_in_folders(monkeypatch, waving, tmp_path):
    """They are read unless clips lie beside them, or what reads them is not installed."""
    monkeypatch.setattr(files, "find_spec", lambda name: True)
    for name in ("a/one.mp4", "a/two.MOV", "b/three.avi", "b/three.npy"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    told = []
    found = clip_files([tmp_path], note=told.append)
    assert [path.name for path in found] == ["one.mp4", "two.MOV", "three.npy"]
    assert told == [f"{tmp_path}: 1 file of video beside clips not read: name them to"]
    assert clip_files([tmp_path / "b" / "three.avi"]) == [tmp_path / "b" / "three.avi"]
    monkeypatch.setattr(files, "find_spec", lambda name: None)
    told.clear()
    assert [path.name for path in clip_files([tmp_path], note=told.append)] == ["three.npy"]
    assert "2 files not read: pip install 'stars-infer[video]' (mediapipe)" in told[0]
