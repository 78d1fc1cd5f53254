"""Draws of classes and exemplars, and what curves are fitted to."""

import numpy as np
import pytest
from sets import EvaluationSet
from trials import DRAWS, collected, fitted_prior

from stars_infer.classification.leave_out import ScoreFeatures
from stars_infer.classification.unknown_share import chances_of
from stars_infer.similarity.pairwise import cosine_of

ACTIONS = "abcdef"


@pytest.fixture
def data():
    """Six actions of which the first has three possible exemplars; all have five queries."""
    sizes = (8, 10, 10, 10, 10, 10)
    labels = [label for label, size in zip(ACTIONS, sizes, strict=True) for _ in range(size)]
    query = np.concatenate([np.arange(size) < 5 for size in sizes])
    return EvaluationSet(name="x", clips=[], labels=labels, exemplar=~query, query=query)


def similarity_of(data, *, noise):
    random = np.random.default_rng(0)
    points = np.eye(6)[[ACTIONS.index(label) for label in data.labels]]
    return cosine_of(np.float32(points + noise * random.normal(size=points.shape)))


def drawn(data, *, noise, shots, draws=DRAWS):
    similarity = similarity_of(data, noise=noise)
    return list(collected(data, similarity, shots=shots, width=None, draws=draws))


def test_shots_beyond_the_smallest_class_are_left_out(data):
    draws = drawn(data, noise=0.3, shots=(1, 2, 5))
    assert [draw.n for draw in draws] == [1] * 2 * DRAWS + [2] * 2 * DRAWS
    assert all(len(draw.known) == 30 for draw in draws)
    assert {draw.known.mean() for draw in draws if draw.unknown} == {0.5}


def test_clips_are_named_with_mirror_images_and_known_without_them(data):
    """Here the mirror image of each clip is the clip itself, seen without noise."""
    seen, clear = similarity_of(data, noise=0.6), similarity_of(data, noise=0.0)

    def similarity(queries, exemplars):
        return seen(queries, exemplars)

    similarity.mirrored = clear
    plain, mirrored = (
        list(collected(data, one, shots=(2,), width=0.3, draws=4)) for one in (seen, similarity)
    )
    for one, other in zip(plain, mirrored, strict=True):
        np.testing.assert_array_equal(one.score_features.score, other.score_features.score)
        np.testing.assert_array_equal(one.leave_out.class_out, other.leave_out.class_out)
    right = [
        np.mean([draw.right[draw.known].mean() for draw in some]) for some in (plain, mirrored)
    ]
    assert right[1] > right[0] + 0.1


def test_the_fitted_curve_tells_half_unknown_clips_as_often_as_they_are(data):
    draws = drawn(data, noise=0.4, shots=(1, 2))
    prior = fitted_prior(draws)
    assert prior.known[1] > 0
    for n in (1, 2):
        some = [draw for draw in draws if draw.n == n and draw.unknown]
        root = np.concatenate([np.sqrt(draw.score_features.strength) for draw in some])
        truth = np.concatenate([draw.known for draw in some])
        chance = chances_of(prior.known[0] + prior.known[1] * root + prior.known[2] * np.log(n))
        assert chance.mean() == pytest.approx(0.5, abs=0.03)
        assert chance[truth].mean() > chance[~truth].mean() + 0.1
        unknown = prior.tail[0] + prior.tail[1] * np.log(n)
        assert root[~truth].mean() == pytest.approx(unknown, abs=0.02)


def test_growth_is_that_of_known_clips_over_exemplars_without_themselves(data):
    draws = drawn(data, noise=0.3, shots=(2, 3))
    always, per_other = fitted_prior(draws).growth
    for n in (2, 3):
        some = [draw for draw in draws if draw.n == n]
        asked = np.mean([np.log(draw.score_features.strength[draw.known].mean()) for draw in some])
        left = np.mean(
            [np.log(ScoreFeatures.of(draw.leave_out.one_out).strength.mean()) for draw in some]
        )
        assert always + per_other / (n - 1) == pytest.approx(asked - left)
    assert per_other > 0
    assert fitted_prior(drawn(data, noise=0.3, shots=(1,), draws=4)).growth == (0.0, 0.0)
