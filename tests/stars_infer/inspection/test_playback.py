import numpy as np
import pytest

from stars_infer.clips.clip import Clip
from stars_infer.inspection.playback import play_back
from stars_infer.similarity.alignment import align
from stars_infer.synthetic.actions import perform


@pytest.fixture
def clips():
    return [Clip.from_array(perform("wave", np.random.default_rng(seed))) for seed in (1, 2)]


def test_one_clip_plays_in_its_own_time(clips):
    played = play_back(clips[:1], fps=15)
    assert played.weights is None
    assert played.frames[:, 0].tolist() == list(range(0, clips[0].frames, 2))


def test_without_alignment_the_shorter_one_waits(clips):
    short = Clip.from_array(clips[0].bodies[:, :30])
    played = play_back([short, clips[1]], fps=30)
    assert len(played.frames) == clips[1].frames
    assert set(played.frames[30:, 0].tolist()) == {29}


def test_the_path_leads_both(clips):
    slow = Clip.from_array(np.repeat(clips[0].bodies, 2, axis=1))
    found = align(clips[0], slow)
    played = play_back([clips[0], slow], found, fps=20)
    assert (np.diff(played.frames, axis=0) >= 0).all()
    assert played.frames[0].tolist() == [0, 0]
    assert played.frames[-1, 0] >= clips[0].frames - 6
    middle = played.frames[len(played.frames) // 2]
    assert middle[1] == pytest.approx(2 * middle[0], abs=5)
    assert not played.weights.any()


def test_limbs_stand_out_where_they_differ(clips):
    changed = clips[0].bodies.copy()
    changed[:, 40:60, 9:12, 1] += 0.5
    played = play_back([Clip.from_array(changed), clips[0]],
                       align(Clip.from_array(changed), clips[0]), fps=30)  # fmt: skip
    there = (played.frames[:, 0] > 44) & (played.frames[:, 0] < 56)
    assert played.weights[there, 1].min() > 0.5
    assert played.weights[~there][:20, 1].max() < 0.2
    assert played.weights.max() <= 1
