import numpy as np
import pytest

from stars_infer import read_clip
from stars_infer.layouts import NTU25
from stars_infer.synthetic.actions import ACTIONS, PAIR_ACTIONS, SOLO_ACTIONS, Performer, perform
from stars_infer.synthetic.body import joints_of
from stars_infer.synthetic.files import write_recordings


@pytest.mark.parametrize("name", ACTIONS)
def test_recordings_are_believable(name):
    joints = perform(name, np.random.default_rng(0))
    assert joints.shape[0] == (2 if name in PAIR_ACTIONS else 1)
    assert 60 <= joints.shape[1] <= 110
    height = joints[:, :, 3, 1] - joints[:, :, [15, 19], 1].min(axis=2)
    assert 0.8 < np.median(height) < 2.0
    assert 1.5 < joints[..., 2].mean() < 4
    assert np.abs(np.diff(joints, axis=1)).max() < 0.4


@pytest.mark.parametrize("name", SOLO_ACTIONS)
def test_bones_keep_their_length(name):
    who = Performer.random(np.random.default_rng(1))
    time = np.arange(80) / 30
    joints = joints_of(SOLO_ACTIONS[name](time, who), who.body)
    for parent, child in NTU25.bones:
        lengths = np.linalg.norm(joints[:, parent] - joints[:, child], axis=1)
        assert np.ptp(lengths) < 1e-4
        assert lengths.mean() > 0.02


def test_same_seed_same_files(tmp_path):
    one = list(write_recordings(tmp_path / "a", performers=2, seed=3))
    two = list(write_recordings(tmp_path / "b", performers=2, seed=3))
    other = list(write_recordings(tmp_path / "c", performers=2, seed=4))
    assert len(one) == 2 * len(ACTIONS)
    assert [p.read_text() for p in one] == [p.read_text() for p in two]
    assert one[0].read_text() != other[0].read_text()
    assert read_clip(one[-1]).bodies.shape[0] == 2
