import numpy as np
import pytest
import torch

from stars_infer.preprocessing import normalize as normalization
from stars_infer.preprocessing.normalize import PACE_FRAMES
from stars_infer.preprocessing.resample import resize
from stars_infer.synthetic.actions import perform
from stars_infer.train.views.normalize import even_pace, face_camera, standard_body


def clips_and_batch():
    """Clips of one and two bodies, absent in places, and their bodies as a batch."""
    clips = [
        resize(perform(name, np.random.default_rng(seed)), PACE_FRAMES)
        for seed, name in enumerate(("wave", "handshake", "walk", "handshake", "jump"))
    ]
    clips[1][1, :30] = 0
    clips[3][0, 100:] = 0
    clips[3][1, :31] = 0
    clips[4][0, 40:44] = 0
    counts = torch.tensor([len(clip) for clip in clips])
    clip = torch.repeat_interleave(torch.arange(len(clips)), counts)
    slot = torch.tensor([n for count in counts.tolist() for n in range(count)])
    return clips, torch.from_numpy(np.concatenate(clips)), clip, slot


def test_facing_is_that_of_the_runtime():
    clips, bodies, clip, slot = clips_and_batch()
    expected = np.concatenate([normalization.face_camera(c) for c in clips])
    np.testing.assert_allclose(face_camera(bodies, clip, slot, len(clips)), expected, atol=1e-5)


def test_proportions_are_those_of_the_runtime():
    clips, bodies, *_ = clips_and_batch()
    expected = np.concatenate([normalization.standard_body(c) for c in clips])
    np.testing.assert_allclose(standard_body(bodies), expected, atol=1e-5)


def test_a_body_that_is_never_there_stays_empty():
    assert not standard_body(torch.zeros(1, 10, 25, 3)).any()


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("frames", [32, 120])
def test_pace_is_that_of_the_runtime(share, frames):
    clips, bodies, clip, _ = clips_and_batch()
    expected = np.concatenate([normalization.even_pace(c, frames, share) for c in clips])
    got = even_pace(bodies, clip, len(clips), frames, share)
    # A body that comes or goes jumps by meters from one frame to the next.
    np.testing.assert_allclose(got, expected, atol=5e-5)


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_a_body_that_never_moves_has_a_pace(share):
    _, bodies, *_ = clips_and_batch()
    still = bodies[:1, :1].expand(1, PACE_FRAMES, 25, 3)
    empty = torch.zeros_like(still)
    got = even_pace(torch.cat((still, empty)), torch.tensor([0, 1]), 2, 32, share)
    torch.testing.assert_close(got[:1], still[:, :32], atol=1e-5, rtol=0)
    assert not got[1].any()
