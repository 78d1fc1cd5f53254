import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stars_infer.classification.classifiers import (
    CLASSIFIERS,
    Prototypes,
    Ridge,
    Vote,
    make_classifier,
    vote_scores,
    votes,
)
from stars_infer.errors import UsageError
from tests.plain_vote import plain_vote

# Few values, so that ties of counts and of sums come often.
SIMILARITIES = [0.1, 0.25, 0.5, 0.7, 0.75]


@given(
    st.integers(1, 9).flatmap(
        lambda n: st.lists(
            st.lists(
                st.tuples(st.integers(0, 2), st.sampled_from(SIMILARITIES)), min_size=n, max_size=n
            ),
            min_size=1,
            max_size=5,
        )
    )
)
def test_many_votes_at_once_are_single_votes(clips):
    for clip in clips:
        clip.sort(key=lambda pair: -pair[1])
    labels = np.array([[label for label, _ in clip] for clip in clips], np.intp)
    near = np.array([[similarity for _, similarity in clip] for clip in clips])
    got = votes(labels, near)
    for row, line, winner in zip(labels, near, got, strict=True):
        counts = np.bincount(row, minlength=3)
        assert counts[winner] == counts.max()
        expected = plain_vote(row.tolist(), line.tolist())
        sums = np.bincount(row, line, minlength=3)
        assert sums[winner] == pytest.approx(sums[expected])


@pytest.mark.parametrize(
    ("temperature", "winner"),
    # The two count 2 exp(-0.1 / t) against 1: as much at t = 0.1 / ln 2 = 0.144.
    [(None, 1), (0.02, 0), (0.14, 0), (0.15, 1), (1e6, 1)],
)
def test_at_a_low_temperature_a_much_nearer_exemplar_beats_two(temperature, winner):
    similarity = np.array([[0.8, 0.9, 0.8, 0.1]], np.float32)
    fitted = Vote(n=3, temperature=temperature).fit(np.eye(4), np.array([1, 0, 1, 0]), 2)
    assert fitted.scores(similarity).argmax() == winner


def test_shares_of_votes_sum_to_one_but_for_the_trace_that_breaks_ties():
    shares = vote_scores(np.array([[0, 1]]), np.array([[0.5, 0.5]], np.float32), 3)
    np.testing.assert_allclose(shares, [[0.5, 0.5, 0]], atol=1e-8)
    assert shares[0, 2] == 0


def gallery(seed, classes=4, each=5, width=6, spread=0.3):
    random = np.random.default_rng(seed)
    centers = random.normal(size=(classes, width))
    numbers = np.repeat(np.arange(classes), each)
    vectors = centers[numbers] + spread * random.normal(size=(classes * each, width))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors, numbers


@pytest.mark.parametrize("rule", [Ridge(), Ridge(width=0.2), Vote(n=3), Prototypes()])
def test_every_classifier_names_clips_of_distinct_classes(rule):
    vectors, classes = gallery(0)
    similarity = vectors @ vectors.T
    np.testing.assert_array_equal(
        rule.fit(similarity, classes, 4).scores(similarity).argmax(axis=1), classes
    )


def test_ridge_is_the_least_squares_solution():
    vectors, classes = gallery(1)
    similarity = vectors @ vectors.T
    fitted = Ridge(width=0.5, noise=0.2, balance=0).fit(similarity, classes, 4)
    kernel = np.exp((similarity - 1) / 0.5)
    targets = np.eye(4)[classes]
    # The minimum of |K w - y|² + noise wᵀ K w has no slope.
    slope = kernel @ (kernel @ fitted.weights - targets) + 0.2 * kernel @ fitted.weights
    np.testing.assert_allclose(slope, 0, atol=1e-9)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 99), st.integers(2, 5), st.integers(1, 4))
def test_leaving_out_in_closed_form_is_fitting_again(seed, classes, each):
    vectors, numbers = gallery(seed, classes, each)
    similarity = vectors @ vectors.T
    # Without balance, so that taking one out does not change the noise of the others.
    rule = Ridge(width=0.5, balance=0)
    fitted = rule.fit(similarity, numbers, classes)
    one_out, class_out = fitted.without_itself(), fitted.without_its_class()
    kernel = np.exp((similarity - 1) / 0.5)
    targets = np.eye(classes)[numbers]
    for one in range(len(numbers)):
        for scores, left in ((one_out, np.arange(len(numbers)) != one),
                             (class_out, numbers != numbers[one])):  # fmt: skip
            inner = kernel[np.ix_(left, left)] + 0.15 * np.eye(left.sum())
            expected = kernel[one, left] @ np.linalg.solve(inner, targets[left])
            np.testing.assert_allclose(scores[one], expected, atol=1e-8)


def test_an_unknown_clip_scores_low_and_a_large_class_does_not_win_by_its_number():
    width = 8
    vectors = np.concatenate((np.tile(np.eye(width)[0], (20, 1)), np.eye(width)[1:2]))
    vectors[:20, 2] = np.linspace(-0.2, 0.2, 20)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    classes = np.array([0] * 20 + [1])
    fitted = Ridge(width=0.5).fit(vectors @ vectors.T, classes, 2)
    unknown_clip, small, between = (
        np.eye(width)[5],
        np.eye(width)[1],
        np.array([1, 1.2] + 6 * [0.0]),
    )
    scores = fitted.scores(
        np.stack((unknown_clip, small, between / np.linalg.norm(between))) @ vectors.T
    )
    assert scores[0].max() < 0.5 * scores[1].max()
    assert scores[1].argmax() == scores[2].argmax() == 1


def test_similarity_that_is_no_inner_product_is_made_solvable():
    random = np.random.default_rng(3)
    similarity = random.uniform(0, 1, (30, 30))
    similarity = (similarity + similarity.T) / 2
    np.fill_diagonal(similarity, 1)
    fitted = Ridge(width=2.0).fit(similarity, np.arange(30) % 3, 3)
    assert np.linalg.eigvalsh(np.linalg.inv(fitted.inverse))[0] > 0.1


def test_one_exemplar_is_enough():
    fitted = Ridge().fit(np.ones((1, 1)), np.array([0]), 1)
    scores = fitted.scores(np.array([[1.0], [0.0]]))
    assert scores[0, 0] > scores[1, 0] > 0


def test_prototypes_are_class_means_drawn_together():
    vectors, classes = gallery(2)
    means = np.stack([vectors[classes == c].mean(axis=0) for c in range(4)])
    means = 0.75 * means + 0.25 * vectors.mean(axis=0)
    clips = np.random.default_rng(5).normal(size=(7, 6))
    distances = ((clips[:, None] - means) ** 2).sum(axis=2) - (clips**2).sum(axis=1)[:, None]
    fitted = Prototypes(shrinkage=0.25).fit(vectors @ vectors.T, classes, 4)
    np.testing.assert_allclose(fitted.scores(clips @ vectors.T), -distances, atol=1e-9)


def test_names_of_classifiers():
    for name in CLASSIFIERS:
        make_classifier(name, n=2)
    assert make_classifier("majority", n=2, temperature=0.1) == Vote(n=2)
    assert make_classifier("vote", n=2, temperature=0.1) == Vote(n=2, temperature=0.1)
    with pytest.raises(UsageError, match="no classifier 'forest'; there are: ridge"):
        make_classifier("forest", n=2)
