import numpy as np
import pytest

from stars_infer.clips.clip import Clip
from stars_infer.preprocessing.prepare import Preprocessing, center_actors, prepare
from stars_infer.preprocessing.resample import at_positions
from stars_infer.preprocessing.timing import frames_of
from stars_infer.synthetic.actions import perform

HOW = [
    Preprocessing(),
    Preprocessing(frames=40, crop=0.8, pace=0.5),
    Preprocessing(frames=64, crop=1.0, pace=1.0),
]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("action", ["wave", "handshake"])
def test_the_frames_are_those_that_were_prepared(how, action):
    clip = Clip.from_array(perform(action, np.random.default_rng(4)))
    frames = frames_of(clip, how)
    assert frames.shape == (how.frames,)
    assert (np.diff(frames) >= 0).all()
    taken = at_positions(center_actors(clip), frames)
    np.testing.assert_allclose(taken, prepare(clip, how), atol=0.015 if how.pace else 1e-4)


def test_bones_of_a_standard_adult_change_no_more_than_the_pace():
    clip = Clip.from_array(perform("kick", np.random.default_rng(4)))
    plain, standard = (
        frames_of(clip, Preprocessing(frames=64, crop=1.0, pace=0.5, standard_body=flag))
        for flag in (False, True)
    )
    assert 0 < np.abs(plain - standard).max() < 3


def test_frames_without_anybody_are_skipped():
    bodies = perform("squat", np.random.default_rng(1))
    bodies[:, :20] = 0
    bodies[:, 50:60] = 0
    frames = frames_of(Clip.from_array(bodies), Preprocessing(crop=1.0))
    assert frames[0] == 20
    assert not ((frames > 50) & (frames < 59)).sum() > 2
    assert frames[-1] == bodies.shape[1] - 1
