import numpy as np
import pytest

from stars_infer.similarity import pairwise as similarity
from stars_infer.similarity.dtw import WarpingGallery
from stars_infer.similarity.features import Features
from stars_infer.similarity.nearest import unit
from stars_infer.similarity.pairwise import DTWSimilarity, pairwise, similarity_of


def sequences(count, seed=0):
    random = np.random.default_rng(seed)
    return [random.normal(size=(1 + n % 2, 8, 6)).astype(np.float32) / 6**0.5 for n in range(count)]


def test_warped_similarity_is_that_of_the_gallery_whatever_may_be_exemplar():
    clips = sequences(9)
    possible = np.array([True, False, True, True, False, False, True, False, True])
    similarity = DTWSimilarity(clips, possible)
    for queries, exemplars in (([1, 4], [8, 0, 3]), ([4, 2, 1], [2, 6]), ([1], [0])):
        expected = [
            WarpingGallery([clips[e] for e in exemplars]).similarities(clips[q]) for q in queries
        ]
        got = similarity(np.array(queries), np.array(exemplars))
        np.testing.assert_allclose(got, expected, atol=1e-6)


def test_similarity_is_of_sequences_where_there_are_any():
    vectors, clips = np.eye(3, dtype=np.float32), sequences(3)
    everyone, positions = np.ones(3, np.bool_), np.arange(3)
    plain = [Features(vector=vector) for vector in vectors]
    full = [Features(vector=v, sequence=s) for v, s in zip(vectors, clips, strict=True)]
    np.testing.assert_array_equal(similarity_of(plain, everyone)(positions, positions), np.eye(3))
    expected = [WarpingGallery(clips).similarities(clip) for clip in clips]
    got = similarity_of(full, everyone)(positions, positions)
    np.testing.assert_allclose(got, expected, atol=1e-6)


@pytest.mark.parametrize("block", [256, 4])
def test_pairwise_is_the_similarity_of_every_pair_both_ways(monkeypatch, block):
    monkeypatch.setattr(similarity, "_BLOCK", block)
    clips = sequences(9)
    seen = []
    table = pairwise(
        [Features(vector=None, sequence=clip) for clip in clips], progress=lambda: seen.append(1)
    )
    gallery = WarpingGallery(clips)
    expected = np.stack([gallery.similarities(clip) for clip in clips])
    np.testing.assert_allclose(table, expected, atol=1e-6)
    np.testing.assert_array_equal(table, table.T)
    assert (np.diag(table) == 1).all()
    assert len(seen) == 9


def test_pairwise_of_vectors_is_their_cosine():
    vectors = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    table = pairwise([Features(vector=vector) for vector in vectors])
    np.testing.assert_allclose(table, unit(vectors) @ unit(vectors).T, atol=1e-6)
    np.testing.assert_array_equal(table, table.T)
    assert (np.diag(table) == 1).all()
    assert pairwise([]).shape == (0, 0)
