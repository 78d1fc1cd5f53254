import numpy as np
import pytest
import torch

from stars_infer.preprocessing.resample import resize
from stars_infer.synthetic.actions import ACTIONS, perform
from stars_infer.train.methods.dtw import MotionSequenceConfig, motion_sequences, similarity
from stars_infer.train.recipe import load_recipe
from stars_infer.train.views.config import ViewConfig
from tests.train.plain_dtw import FRAMES, plain_sequences, plain_similarities

HOW = MotionSequenceConfig()


def bodies_of(count, frames):
    """First bodies of synthetic clips, (N, T, 25, 3); the last one stands still."""
    clips = [
        resize(perform(list(ACTIONS)[number % len(ACTIONS)], np.random.default_rng(number)), frames)
        for number in range(count)
    ]
    bodies = np.stack([clip[0] for clip in clips]).astype(np.float32)
    bodies[-1] = bodies[-1, :1]
    return bodies


def test_sequences_by_the_formula():
    bodies = bodies_of(6, FRAMES)
    got = motion_sequences(torch.from_numpy(bodies).double(), HOW)
    assert got.shape[1:] == HOW.shape == (32, 120)
    np.testing.assert_allclose(got, plain_sequences(bodies), atol=1e-12)


@pytest.mark.parametrize("frames", [32, 120])
def test_other_frames_are_resized_first(frames):
    bodies = bodies_of(4, frames)
    got = motion_sequences(torch.from_numpy(bodies), HOW)
    np.testing.assert_allclose(got, plain_sequences(resize(bodies, FRAMES)), atol=1e-5)


def test_similarity_by_the_formula():
    sequences = plain_sequences(bodies_of(9, FRAMES))
    x = torch.from_numpy(sequences).float()
    got = similarity(x, x[:5])
    np.testing.assert_allclose(got, plain_similarities(sequences, sequences[:5]), atol=1e-6)
    assert got[0, 0] == pytest.approx(1, abs=1e-6)


def test_the_recipe_shows_clips_as_they_are_expected():
    views = ViewConfig(**{**load_recipe("dtw-distillation").views, "frames": FRAMES})
    assert views.preprocessing(crop=1.0) == HOW.preprocessing


def test_the_cheapest_way_of_a_small_case():
    # Steps 0, 1, 3 against 0, 3, 3: 0-0, 1-0, 3-3, 3-3 costs 1, of 2 S = 6.
    x, y = (torch.tensor(steps)[None, :, None] for steps in ([0.0, 1.0, 3.0], [0.0, 3.0, 3.0]))
    assert similarity(x, y).item() == pytest.approx(1 - 1 / 6)
