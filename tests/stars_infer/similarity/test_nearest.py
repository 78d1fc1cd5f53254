import numpy as np
import pytest

from stars_infer.errors import UsageError
from stars_infer.preprocessing.prepare import Preprocessing
from stars_infer.similarity.comparison import MOVING, SequenceConfig
from stars_infer.similarity.contents import content_of
from stars_infer.similarity.dtw import WarpingGallery
from stars_infer.similarity.features import Features
from stars_infer.similarity.nearest import (
    DESCRIPTOR_PARTS,
    SequenceSearcher,
    VectorSearcher,
    coarse_descriptor,
    coarse_descriptors,
    searcher_of,
    unit,
)

HOW = SequenceConfig(preprocessing=Preprocessing(frames=16), steps=16)


def sequences(count, *, seed=0, steps=16, width=75):
    """Sequences that differ much: each keeps near a point of its own."""
    random = np.random.default_rng(seed)
    points = random.normal(size=(count, 1, 1, width))
    return [p + 0.1 * random.normal(size=(1 + n % 2, steps, width)) for n, p in enumerate(points)]


def encoded(sequence):
    return Features(vector=np.ones(2, np.float32), sequence=np.float32(sequence))


@pytest.mark.parametrize("limit", [1000, 5])
def test_the_nearest_sequence_is_found_in_small_and_large_indexes(limit):
    exemplars = [np.float32(item) for item in sequences(40)]
    searcher = SequenceSearcher(
        list(map(encoded, exemplars)), HOW, exhaustive_limit=limit, shortlist=limit
    )
    assert searcher.size == 40
    random = np.random.default_rng(1)
    for position in (0, 13, 39):
        query = exemplars[position] + random.normal(0, 0.05, exemplars[position].shape)
        ((positions, similarities),) = searcher.nearest([encoded(query)], 3)
        assert positions[0] == position
        assert (np.diff(similarities) <= 0).all()
        direct = WarpingGallery(exemplars, HOW).similarities(np.float32(query))
        np.testing.assert_allclose(similarities, direct[positions], atol=1e-6)


def test_of_many_exemplars_at_most_a_shortlist_is_found():
    exemplars = [encoded(item) for item in sequences(40)]
    query = exemplars[0]
    assert len(SequenceSearcher(exemplars, HOW).nearest([query], 100)[0][0]) == 40
    searcher = SequenceSearcher(exemplars, HOW, exhaustive_limit=5, shortlist=5)
    (found, two) = searcher.nearest([query, query], 100)
    assert len(found[0]) == len(found[1]) == len(set(found[0].tolist())) == 5
    np.testing.assert_array_equal(found[0], two[0])


def test_mirror_images_are_compared_with_all_exemplars_or_with_none():
    exemplars = [np.float32(item) for item in sequences(8)]
    query = encoded(exemplars[3])
    expected = WarpingGallery(exemplars, HOW).mirrored_similarities(query.sequence)
    features = [encoded(item) for item in exemplars]
    got = SequenceSearcher(features, HOW).mirrored_similarities(query)
    np.testing.assert_array_equal(got, expected)
    large = SequenceSearcher(features, HOW, exhaustive_limit=5, shortlist=5)
    with pytest.raises(UsageError, match="8 examples are too many to compare all"):
        large.mirrored_similarities(query)


def test_what_is_searched_is_what_the_model_compares():
    clips = [encoded(item) for item in sequences(6)]
    assert isinstance(searcher_of(clips, HOW), SequenceSearcher)
    assert isinstance(searcher_of(clips, None), VectorSearcher)
    with pytest.raises(UsageError, match="a clip has no sequence"):
        searcher_of([*clips, Features(vector=np.ones(2, np.float32))], HOW)
    with pytest.raises(UsageError, match="a clip has no vector"):
        searcher_of([*clips, Features(vector=None, sequence=clips[0].sequence)], None)


@pytest.mark.parametrize("steps", [16, 30, 3])
def test_a_coarse_descriptor_averages_bodies_and_quarters_of_time_and_of_values(steps):
    sequence = np.float32(sequences(2, steps=steps)[1])
    drawn = coarse_descriptor(sequence.astype(np.float16))
    parts = min(DESCRIPTOR_PARTS, steps)
    assert drawn.shape == (2 * parts * 50,)
    assert drawn.dtype == np.float32
    quarter = -(-steps // parts)
    body = content_of(sequence, MOVING).mean(axis=0)
    np.testing.assert_allclose(drawn[:50], body[:quarter].mean(axis=0), atol=2e-3)
    lowest = np.sort(body, axis=0)[:quarter].mean(axis=0)
    np.testing.assert_allclose(drawn[50 * parts : 50 * parts + 50], lowest, atol=2e-3)
    slower = np.concatenate([sequence[:, :1], sequence], axis=1)
    assert not np.allclose(coarse_descriptor(slower)[: 50 * parts], drawn[: 50 * parts], atol=1e-3)
    np.testing.assert_allclose(
        coarse_descriptor(sequence[::-1]), coarse_descriptor(sequence), atol=1e-6
    )


def test_several_coarse_descriptors_are_each_that_of_its_sequence():
    many = np.float32(sequences(10)[1::2])
    expected = [coarse_descriptor(one) for one in many]
    np.testing.assert_allclose(coarse_descriptors(many), expected, atol=1e-6)


def test_vectors_are_compared_by_their_direction():
    vectors = np.float32([[1, 0], [0, 2], [-1, 0]])
    ((positions, similarities),) = VectorSearcher(vectors).nearest_to(np.float32([[3, 1]]), 5)
    assert positions.tolist() == [0, 1, 2]
    np.testing.assert_allclose(similarities, [0.9486833, 0.3162278, -0.9486833], atol=1e-6)
    np.testing.assert_array_equal(unit(np.zeros((1, 2), np.float32)), [[0, 0]])
