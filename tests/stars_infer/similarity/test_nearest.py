import numpy as np
import pytest

from stars_infer.similarity.dtw import WarpingGallery
from stars_infer.similarity.features import Features
from stars_infer.similarity.nearest import (
    DESCRIPTOR_PARTS,
    SequenceSearcher,
    VectorSearcher,
    coarse_descriptor,
    unit,
)


def sequences(count, *, seed=0, steps=16, width=6):
    """Sequences that differ much: each keeps near a point of its own."""
    random = np.random.default_rng(seed)
    points = random.normal(size=(count, 1, 1, width))
    return [p + 0.1 * random.normal(size=(1 + n % 2, steps, width)) for n, p in enumerate(points)]


def encoded(sequence):
    return Features(vector=np.ones(2, np.float32), sequence=np.float32(sequence))


@pytest.mark.parametrize("limit", [1000, 5])
def test_the_nearest_sequence_is_found_in_small_and_large_indexes(limit):
    exemplars = [np.float32(item) for item in sequences(40)]
    searcher = SequenceSearcher(exemplars, exhaustive_limit=limit, shortlist=limit)
    assert searcher.size == 40
    random = np.random.default_rng(1)
    for position in (0, 13, 39):
        query = exemplars[position] + random.normal(0, 0.05, exemplars[position].shape)
        ((positions, similarities),) = searcher.nearest([encoded(query)], 3)
        assert positions[0] == position
        assert (np.diff(similarities) <= 0).all()
        direct = WarpingGallery(exemplars).similarities(np.float32(query))
        np.testing.assert_allclose(similarities, direct[positions], atol=1e-6)


def test_of_many_exemplars_at_most_a_shortlist_is_found():
    exemplars = [np.float32(item) for item in sequences(40)]
    query = encoded(exemplars[0])
    assert len(SequenceSearcher(exemplars).nearest([query], 100)[0][0]) == 40
    searcher = SequenceSearcher(exemplars, exhaustive_limit=5, shortlist=5)
    (found, two) = searcher.nearest([query, query], 100)
    assert len(found[0]) == len(found[1]) == len(set(found[0].tolist())) == 5
    np.testing.assert_array_equal(found[0], two[0])


@pytest.mark.parametrize("steps", [16, 30, 3])
def test_a_coarse_descriptor_averages_bodies_and_quarters_of_time_and_of_values(steps):
    sequence = np.float32(sequences(2, steps=steps)[1])
    drawn = coarse_descriptor(sequence.astype(np.float16))
    parts = min(DESCRIPTOR_PARTS, steps)
    assert drawn.shape == (2 * parts * 6,)
    assert drawn.dtype == np.float32
    quarter = -(-steps // parts)
    body = sequence.mean(axis=0)
    np.testing.assert_allclose(drawn[:6], body[:quarter].mean(axis=0), atol=2e-3)
    lowest = np.sort(body, axis=0)[:quarter].mean(axis=0)
    np.testing.assert_allclose(drawn[6 * parts : 6 * parts + 6], lowest, atol=2e-3)
    slower = np.concatenate([sequence[:, :1], sequence], axis=1)
    assert not np.allclose(coarse_descriptor(slower)[: 6 * parts], drawn[: 6 * parts], atol=1e-3)
    np.testing.assert_allclose(
        coarse_descriptor(sequence[::-1]), coarse_descriptor(sequence), atol=1e-6
    )


def test_vectors_are_compared_by_their_direction():
    vectors = np.float32([[1, 0], [0, 2], [-1, 0]])
    ((positions, similarities),) = VectorSearcher(vectors).nearest_to(np.float32([[3, 1]]), 5)
    assert positions.tolist() == [0, 1, 2]
    np.testing.assert_allclose(similarities, [0.9486833, 0.3162278, -0.9486833], atol=1e-6)
    np.testing.assert_array_equal(unit(np.zeros((1, 2), np.float32)), [[0, 0]])
