"""The classifier of large indexes: a ridge over the nearest exemplars of each clip."""

import numpy as np
import pytest

from stars_infer.classification.classifiers import Ridge, Vote
from stars_infer.classification.leave_out import LeaveOut
from stars_infer.classification.open_set import Candidates, LocalOpenSetClassifier
from stars_infer.similarity.features import unit

RIDGE = Ridge(width=0.2)


def gallery(sizes, *, seed=0):
    """Vectors about a center for each class, and their classes."""
    random = np.random.default_rng(seed)
    classes = np.repeat(np.arange(len(sizes)), sizes)
    centers = random.normal(size=(len(sizes), 6))
    return unit(np.float32(centers[classes] + 0.6 * random.normal(size=(len(classes), 6)))), classes


def found_for(query, vectors, allowed, near):
    """The nearest of those that are allowed, nearest first."""
    similar = vectors @ query
    order = allowed[np.argsort(-similar[allowed], kind="stable")]
    some = vectors[order[:near]]
    return Candidates(positions=order, similarities=similar[order], among=some @ some.T)


def test_where_all_are_near_it_is_the_ridge_of_a_small_index():
    vectors, classes = gallery([3, 9, 5, 4])
    every, sample = np.arange(len(classes)), np.array([0, 5, 13, 20])
    local = LocalOpenSetClassifier(classes, ridge=RIDGE, vote=None)
    whole = RIDGE.fit(vectors @ vectors.T, classes, 4)
    asked, _ = gallery([2, 2], seed=5)
    scored = local.score([found_for(one, vectors, every, len(every)) for one in asked])
    np.testing.assert_allclose(scored.plain, whole.scores(asked @ vectors.T), atol=1e-5)
    np.testing.assert_array_equal(scored.answers, scored.plain.argmax(axis=1))
    got = local.leave_out(
        sample,
        [found_for(vectors[at], vectors, every[every != at], 99) for at in sample],
        [found_for(vectors[at], vectors, every[classes != classes[at]], 99) for at in sample],
    )
    expected = LeaveOut.of(whole)
    np.testing.assert_array_equal(got.left_out, classes[sample])
    np.testing.assert_array_equal(got.others, expected.others[sample])
    assert got.shots == expected.shots == 3
    # In closed form an exemplar counts in the noise of its class, though it is left out.
    np.testing.assert_allclose(got.one_out, expected.one_out[sample], atol=1e-4)
    np.testing.assert_allclose(got.class_out, expected.class_out[sample], atol=1e-4)
    np.testing.assert_array_equal(got.right, expected.right[sample])


def test_classes_that_are_not_near_score_nothing():
    vectors, classes = gallery([30, 30, 2])
    local = LocalOpenSetClassifier(classes, ridge=RIDGE, vote=None)
    (only,) = [found_for(vectors[3], vectors, np.flatnonzero(classes == 0), 10)]
    scored = local.score([only])
    assert scored.plain[0, 0] > 0
    np.testing.assert_array_equal(scored.plain[0, 1:], 0)


def test_a_vote_answers_where_it_is_asked_for():
    vectors, classes = gallery([4, 4, 4], seed=3)
    every = np.arange(12)
    asked = [found_for(one, vectors, every, 12) for one in gallery([3, 3, 3], seed=4)[0]]
    voted = LocalOpenSetClassifier(classes, ridge=RIDGE, vote=Vote(n=1)).score(asked)
    np.testing.assert_array_equal(voted.answers, [classes[one.positions[0]] for one in asked])


@pytest.mark.parametrize("sizes", [[5], [4, 4]])
def test_too_few_classes_simulate_no_unknown_clip(sizes):
    vectors, classes = gallery(sizes)
    every = np.arange(len(classes))
    local = LocalOpenSetClassifier(classes, ridge=RIDGE, vote=None)
    left = local.leave_out(
        np.array([0]),
        [found_for(vectors[0], vectors, every[1:], 9)],
        [found_for(vectors[0], vectors, every[classes != 0], 9)],
    )
    assert left.class_out.shape == (0, len(sizes))
    assert left.one_out.shape == (1, len(sizes))
