import numpy as np
import pytest
import torch

from stars_infer.preprocessing.resample import resize
from stars_infer.similarity.dtw import WarpingGallery
from stars_infer.similarity.sequence import SequenceConfig, motion_sequence
from stars_infer.synthetic.actions import ACTIONS, perform
from stars_infer.train.methods.dtw import motion_sequences, similarity

HOW = SequenceConfig()


def bodies_of(count, frames):
    """First bodies of synthetic clips, (N, T, 25, 3); the last one stands still."""
    clips = [
        resize(perform(list(ACTIONS)[number % len(ACTIONS)], np.random.default_rng(number)), frames)
        for number in range(count)
    ]
    bodies = np.stack([clip[0] for clip in clips]).astype(np.float32)
    bodies[-1] = bodies[-1, :1]
    return bodies


def test_sequences_are_those_of_the_runtime():
    bodies = bodies_of(6, HOW.preprocessing.frames)
    got = motion_sequences(torch.from_numpy(bodies), HOW)
    np.testing.assert_allclose(got, motion_sequence(bodies, HOW), atol=1e-6)


@pytest.mark.parametrize("frames", [32, 120])
def test_other_frames_are_resized_first(frames):
    bodies = bodies_of(4, frames)
    resized = resize(bodies, HOW.preprocessing.frames)
    got = motion_sequences(torch.from_numpy(bodies), HOW)
    np.testing.assert_allclose(got, motion_sequence(resized, HOW), atol=1e-5)


def test_similarity_is_that_of_the_runtime():
    sequences = motion_sequence(bodies_of(9, HOW.preprocessing.frames), HOW)
    gallery = WarpingGallery(list(sequences[:5, None]))
    expected = np.stack([gallery.similarities(sequence[None]) for sequence in sequences])
    x = torch.from_numpy(sequences)
    got = similarity(x, x[:5])
    np.testing.assert_allclose(got, expected, atol=1e-6)
    assert got[0, 0] == pytest.approx(1, abs=1e-6)


def test_the_cheapest_way_of_a_small_case():
    # Steps 0, 1, 3 against 0, 3, 3: 0-0, 1-0, 3-3, 3-3 costs 1, of 2 S = 6.
    x, y = (torch.tensor(steps)[None, :, None] for steps in ([0.0, 1.0, 3.0], [0.0, 3.0, 3.0]))
    assert similarity(x, y).item() == pytest.approx(1 - 1 / 6)
