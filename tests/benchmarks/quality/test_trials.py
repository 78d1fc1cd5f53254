"""Draws of classes and exemplars, and what curves are fitted to."""

from dataclasses import replace

import numpy as np
import pytest
from sets import EvaluationSet
from trials import DRAWS, collected, fitted_prior

from stars_infer.classification.leave_out import ScoreFeatures
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


def test_shots_beyond_the_smallest_class_are_left_out(data):
    draws = list(collected(data, similarity_of(data, noise=0.3), shots=(1, 2, 5), width=None))
    assert [draw.n for draw in draws] == [1] * 2 * DRAWS + [2] * 2 * DRAWS
    assert all(len(draw.known) == 30 for draw in draws)
    assert {draw.known.mean() for draw in draws if draw.unknown} == {0.5}
    assert not any(draw.untuned for draw in draws)


def test_curves_are_not_fitted_to_untuned_sets(data):
    tuned, untuned = (
        list(collected(one, similarity_of(one, noise=noise), shots=(1, 2), width=None))
        for one, noise in ((data, 0.4), (replace(data, untuned=True), 0.8))
    )
    assert fitted_prior([*untuned, *tuned]) == fitted_prior(tuned)
    assert fitted_prior(untuned) != fitted_prior(tuned)


def test_clips_are_scored_by_the_nearest_as_in_a_large_index(data):
    similarity = similarity_of(data, noise=0.4)
    ridge, nearest = (
        list(collected(data, similarity, shots=(1, 2), width=None, nearest=nearest))
        for nearest in (False, True)
    )
    for one, other in zip(ridge, nearest, strict=True):
        np.testing.assert_array_equal(one.known, other.known)
        for name in ("left_out", "others", "shots"):
            np.testing.assert_array_equal(
                getattr(one.leave_out, name), getattr(other.leave_out, name)
            )
        # The highest similarity of an action, less the mean of those of the others.
        np.testing.assert_allclose(other.leave_out.class_out.sum(axis=1), 0, atol=1e-6)
        assert np.abs(one.leave_out.class_out.sum(axis=1)).max() > 0.1
    assert np.mean([draw.right[draw.known].mean() for draw in nearest]) > 0.5


def test_growth_is_that_of_known_clips_over_exemplars_without_themselves(data):
    draws = list(collected(data, similarity_of(data, noise=0.3), shots=(2, 3), width=None))
    always, per_other = fitted_prior(draws).growth
    for n in (2, 3):
        some = [draw for draw in draws if draw.n == n]
        asked = np.mean([np.log(draw.score_features.strength[draw.known].mean()) for draw in some])
        left = np.mean(
            [np.log(ScoreFeatures.of(draw.leave_out.one_out).strength.mean()) for draw in some]
        )
        assert always + per_other / (n - 1) == pytest.approx(asked - left)
    assert per_other > 0
    assert fitted_prior(
        list(collected(data, similarity_of(data, noise=0.3), shots=(1,), width=None))
    ).growth == (0.0, 0.0)
