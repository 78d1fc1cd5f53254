import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stars_infer.similarity.dtw import WarpingGallery, similarities_once, warping_distances


def by_the_definition(costs):
    """One table after the other, cell by cell."""
    steps, _, pairs = costs.shape
    result = []
    for pair in range(pairs):
        table = np.full((steps, steps), np.inf)
        for i in range(steps):
            for j in range(steps):
                before = [
                    table[a, b]
                    for a, b in ((i - 1, j), (i, j - 1), (i - 1, j - 1))
                    if min(a, b) >= 0
                ]
                table[i, j] = costs[i, j, pair] + (min(before) if before else 0)
        result.append(table[-1, -1])
    return np.array(result)


@settings(max_examples=80, deadline=None)
@given(steps=st.integers(1, 7), pairs=st.integers(1, 4), seed=st.integers(0, 999))
def test_distances_are_those_of_the_definition(steps, pairs, seed):
    costs = np.random.default_rng(seed).uniform(0, 1, (steps, steps, pairs))
    np.testing.assert_allclose(warping_distances(costs), by_the_definition(costs), rtol=1e-9)


def sequence(seed, bodies=1, steps=16):
    """A sequence that goes on smoothly, of mean square norm 1 a step."""
    random = np.random.default_rng(seed)
    time = np.linspace(0, 1, steps)
    waves = np.sin(2 * np.pi * random.uniform(0.5, 2, (bodies, 1, 12)) * time[:, None] + seed)
    waves *= random.normal(size=(bodies, 1, 12))
    size = np.sqrt(np.square(waves).sum(axis=2).mean(axis=1))
    return (waves / size[:, None, None]).astype(np.float32)


def similarity(a, b):
    return float(WarpingGallery([b]).similarities(a)[0])


@pytest.mark.parametrize("bodies", [1, 2])
def test_the_same_is_alike_by_one_and_opposites_by_less_than_nothing(bodies):
    some = sequence(0, bodies)
    assert similarity(some, some) == pytest.approx(1, abs=1e-5)
    assert similarity(some, np.zeros_like(some)) == pytest.approx(0.5, abs=1e-5)
    assert similarity(some, -some) < 0.5


@settings(max_examples=25, deadline=None)
@given(a=st.integers(0, 99), b=st.integers(0, 99), m=st.integers(1, 2), n=st.integers(1, 2))
def test_similarity_is_symmetric(a, b, m, n):
    one, other = sequence(a, m), sequence(b, n)
    assert similarity(one, other) == pytest.approx(similarity(other, one), abs=1e-5)
    assert similarity(one, other) <= 1 + 1e-5


def test_the_same_at_another_pace_stays_nearer_than_something_else():
    fast = sequence(3)
    position = np.linspace(0, 1, 16) ** 1.6 * 15
    low = np.floor(position).astype(int)
    high, weight = np.minimum(low + 1, 15), (position - low)[:, None]
    slow = (fast[:, low] * (1 - weight) + fast[:, high] * weight).astype(np.float32)
    others = [sequence(seed) for seed in (4, 5, 6)]
    near = WarpingGallery([*others, slow]).similarities(fast)
    assert near.argmax() == 3
    unwarped = 1 - np.square(fast - slow).sum() / (2 * 16)
    assert near[3] > unwarped + 0.02


def test_bodies_are_paired_as_fits_best():
    first, second, third = sequence(1), sequence(2), sequence(3)
    pair, swapped = np.concatenate((first, second)), np.concatenate((second, first))
    assert similarity(pair, swapped) == pytest.approx(1, abs=1e-5)
    mixed = np.concatenate((third, first))
    expected = max(
        similarity(first, third) + similarity(second, first),
        similarity(first, first) + similarity(second, third),
    )
    assert similarity(pair, mixed) == pytest.approx(expected / 2, abs=1e-5)


def test_a_body_without_counterpart_counts_nothing():
    first, second, third = sequence(1), sequence(2), sequence(3)
    pair = np.concatenate((second, first))
    assert similarity(first, pair) == pytest.approx(0.5, abs=1e-5)
    best = max(similarity(third, first), similarity(third, second))
    assert similarity(third, pair) == pytest.approx(best / 2, abs=1e-5)
    assert similarity(pair, third) == pytest.approx(best / 2, abs=1e-5)


def test_a_mixed_gallery_keeps_its_order():
    exemplars = [sequence(seed, bodies=1 + seed % 2) for seed in range(7)]
    for query in (sequence(20), sequence(21, bodies=2)):
        together = WarpingGallery(exemplars).similarities(query)
        assert together.dtype == np.float32
        np.testing.assert_allclose(together, [similarity(query, e) for e in exemplars], atol=1e-6)
        halves = [exemplar.astype(np.float16) for exemplar in exemplars]
        np.testing.assert_allclose(
            similarities_once(query, halves), WarpingGallery(halves).similarities(query), atol=1e-5
        )
