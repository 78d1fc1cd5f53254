"""The similarity by one kernel, beside its definition pair by pair."""

from dataclasses import replace

import numpy as np
import pytest

from stars_infer.similarity.comparison import MOVING, SequenceConfig
from stars_infer.similarity.contents import content_of
from stars_infer.similarity.dtw import warping_distances
from stars_infer.similarity.features import Features, unit
from stars_infer.similarity.joint import join
from stars_infer.similarity.rough import (
    LESS,
    SHARED,
    rough_among,
    rough_pairwise,
    rough_similarities,
)

HOW = SequenceConfig(steps=16)


def drawn(seed):
    random = np.random.default_rng(seed)
    sequence = 0.1 * random.normal(size=(1 + seed % 2, *HOW.shape[1:]))
    return Features(vector=np.float32(random.normal(size=8)), sequence=np.float16(sequence))


def of_bodies(one, other):
    """By the definition, with half as many steps."""
    halves = [np.float32(some).reshape(8, 2, -1).mean(axis=1)[None] for some in (one, other)]
    first, second = (content_of(half, MOVING)[0] for half in halves)
    costs = np.square(first[:, None] - second[None]).sum(axis=2)
    distance = warping_distances(costs[..., None], free=2)[0]
    return 1 - LESS * HOW.kernel_width * distance / (2 * 8 * HOW.mirror.width)


def of_clips(one, other):
    a, b = one.sequence, other.sequence
    if len(a) == len(b) == 2:
        pairings = ((0, 0), (1, 1)), ((0, 1), (1, 0))
        return max(sum(of_bodies(a[i], b[j]) for i, j in pairs) / 2 for pairs in pairings)
    best = max(of_bodies(body, with_) for body in a for with_ in b)
    return best / max(len(a), len(b))


def test_clips_of_one_and_two_people_are_compared_as_defined():
    clips = [drawn(seed) for seed in range(5)]
    table = rough_pairwise(clips, HOW)
    for row, query in enumerate(clips[:3]):
        expected = np.array([of_clips(query, other) for other in clips])
        np.testing.assert_allclose(rough_similarities(query, clips, HOW), expected, atol=1e-5)
        expected[row] = 1
        np.testing.assert_allclose(table[row], expected, atol=1e-5)
    np.testing.assert_array_equal(table, table.T)


def test_vectors_count_where_they_have_a_weight():
    clips, how = [drawn(seed) for seed in range(4)], replace(HOW, vector_weight=0.4)
    vectors = unit(np.stack([one.vector for one in clips]))
    expected = join(rough_pairwise(clips, HOW), vectors @ vectors.T, how)
    np.testing.assert_allclose(rough_pairwise(clips, how), expected, atol=1e-5)
    asked = rough_similarities(clips[0], clips[1:], how)
    np.testing.assert_allclose(asked, expected[0, 1:], atol=1e-5)
    alone = rough_pairwise([replace(one, sequence=None) for one in clips], None)
    np.testing.assert_allclose(alone, vectors @ vectors.T, atol=1e-6)


@pytest.mark.parametrize("how", [HOW, None])
def test_no_clips_have_no_similarity(how):
    assert rough_pairwise([], how).shape == (0, 0)


def test_what_one_kernel_lacks_to_the_clip_is_lacking_among_those_near_it():
    clips = [drawn(seed) for seed in range(6)]
    views, near = clips[:2], clips[2:]
    seen = np.max([rough_similarities(one, near, HOW) for one in views], axis=0)
    lacks = np.float32([0, 0.1, -0.05, 0.02])
    plain = rough_pairwise(near, HOW)
    expected = np.minimum(plain + SHARED * (lacks[:, None] + lacks), 1)
    np.fill_diagonal(expected, 1)
    np.testing.assert_allclose(rough_among(views, near, seen + lacks, HOW), expected, atol=1e-5)
    np.testing.assert_allclose(rough_among(views, near, seen, HOW), plain, atol=1e-5)


def test_more_clips_than_are_compared_at_once_are_compared_the_same():
    clips = [drawn(seed) for seed in range(20)]
    table = rough_pairwise(clips, HOW)
    for row in (0, 15, 16, 19):
        others = np.arange(20) != row
        expected = rough_similarities(clips[row], clips, HOW)[others]
        np.testing.assert_allclose(table[row, others], expected, atol=1e-5)
