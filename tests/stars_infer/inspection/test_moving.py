import numpy as np
import pytest

from stars_infer.clips.clip import Clip
from stars_infer.errors import MissingExtraError, StarsError, UsageError
from stars_infer.inspection import moving, rrd
from stars_infer.inspection.clip_data import clip_data
from stars_infer.inspection.frames import Look, draw_pictures
from stars_infer.inspection.playback import Playback
from stars_infer.synthetic.actions import perform

HOSTILE = "\u202e<script>alert(1)</script>\n" + 200 * "x"


def pixels(picture):
    return np.asarray(picture, np.int64)


@pytest.fixture
def clips():
    return [
        clip_data(Clip.from_array(perform(action, np.random.default_rng(1)), source=HOSTILE))
        for action in ("wave", "handshake")
    ]


def playback(pictures, clips, weights=None):
    frames = np.repeat(np.arange(0, 2 * pictures, 2)[:, None], clips, axis=1)
    return Playback(frames=frames, weights=weights, fps=20.0)


@pytest.fixture
def pictures(clips):
    pytest.importorskip("PIL")
    look = Look(width=121, height=99)
    return list(draw_pictures(clips, playback(3, 2), captions=[HOSTILE, "b"], look=look))


def test_a_skeleton_is_in_the_middle_of_each_part(pictures):
    (first, *_) = pictures
    assert first.size == (2 * 121 + 6, 99 + 30)
    for left in (0, 127):
        part = pixels(first)[:99, left : left + 121]
        dark = np.argwhere(part.sum(axis=2) < 420)
        assert len(dark) > 80
        across = dark[:, 1].mean()
        assert 30 < across < 91
        assert np.ptp(dark[:, 0]) > 50
    assert (pixels(first) != pixels(pictures[2])).any()


def test_what_differs_lies_on_a_band(clips):
    pytest.importorskip("PIL")
    weights = np.zeros((1, 6))
    weights[:, 1] = 1
    shown = [
        pixels(next(draw_pictures(clips[:1], playback(1, 1, given), look=Look())))
        for given in (None, weights)
    ]
    yellow = [(image[..., 0] - image[..., 2] > 120) & (image[..., 1] > 150) for image in shown]
    assert not yellow[0].any()
    assert yellow[1].sum() > 200


def test_who_does_not_act_is_faint_and_who_is_absent_is_not_drawn(clips):
    pytest.importorskip("PIL")
    data = clips[0]
    (body,) = data["bodies"]
    whole = pixels(next(draw_pictures([data], playback(1, 1))))
    absent = data | {"bodies": [body, body | {"poses": [None] * data["frames"]}]}
    assert (pixels(next(draw_pictures([absent], playback(1, 1)))) == whole).all()


@pytest.mark.parametrize("dark", [False, True])
def test_the_palette_holds_what_is_drawn(clips, dark):
    pytest.importorskip("PIL")
    look = Look(width=160, height=140, dark=dark)
    assert len(look.palette()) <= 256
    palette = np.array([[int(c[at : at + 2], 16) for at in (1, 3, 5)] for c in look.palette()])
    image = pixels(next(draw_pictures(clips[:1], playback(1, 1), look=look))).reshape(-1, 3)
    gaps = np.abs(image[:, None] - palette[None]).sum(axis=2).min(axis=1)
    assert np.quantile(gaps, 0.95) < 60


def test_a_gif_plays_all_pictures(pictures, tmp_path):
    from PIL import Image

    path = tmp_path / "wave.gif"
    moving.write_gif(pictures, path, colors=Look().palette())
    with Image.open(path) as read:
        assert (read.n_frames, read.size) == (3, pictures[0].size)
        assert (read.info["duration"], read.info["loop"]) == (50, 0)
    assert [one.name for one in tmp_path.iterdir()] == ["wave.gif"]


def test_an_mp4_plays_all_pictures(pictures, tmp_path):
    av = pytest.importorskip("av")
    path = tmp_path / "wave.mp4"
    moving.write_mp4(pictures, path, fps=30)
    with av.open(str(path)) as file:
        (stream,) = file.streams.video
        shown = list(file.decode(video=0))
        assert len(shown) == 3
        assert (stream.width, stream.height) == (248, 128)
        assert stream.average_rate == 30


def test_what_would_be_too_long_is_refused(tmp_path):
    moving.check_length(moving.MOST_PICTURES, tmp_path / "a.gif")
    with pytest.raises(UsageError, match=r"a.gif: 3,001 pictures"):
        moving.check_length(moving.MOST_PICTURES + 1, tmp_path / "a.gif")


def test_what_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(moving, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"needs pillow.*stars-infer\[view\]"):
        moving.require_pictures("--out FILE.gif")
    with pytest.raises(MissingExtraError, match="pillow, av"):
        moving.require_pictures("--out FILE.mp4", video=True)
    monkeypatch.setattr(rrd, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"rerun-sdk.*stars-infer\[rerun\]"):
        rrd.require_rerun("--out FILE.rrd")


def test_a_recording_for_rerun(clips, tmp_path):
    pytest.importorskip("rerun")
    path = tmp_path / "wave.rrd"
    rrd.write_rrd(clips, playback(3, 2), path)
    assert path.read_bytes()[:3] == b"RRF"
    assert len(path.read_bytes()) > 5000


def test_a_recording_that_rerun_did_not_write_is_an_error(clips, tmp_path, monkeypatch):
    rerun = pytest.importorskip("rerun")
    monkeypatch.setattr(rerun.RecordingStream, "save", lambda self, path: None)
    with pytest.raises(StarsError, match="rerun wrote nothing"):
        rrd.write_rrd(clips, playback(1, 2), tmp_path / "wave.rrd")
    assert not list(tmp_path.iterdir())
