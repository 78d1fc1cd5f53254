import numpy as np
import pytest

from stars_infer.preprocessing.prepare import Preprocessing
from stars_infer.similarity import pairwise as similarity
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.similarity.dtw import WarpingGallery
from stars_infer.similarity.features import Features, unit
from stars_infer.similarity.pairwise import (
    DTWSimilarity,
    between,
    between_mirrored,
    pairwise,
    similarity_of,
)

HOW = SequenceConfig(preprocessing=Preprocessing(frames=8), steps=8)


def sequences(count, seed=0):
    random = np.random.default_rng(seed)
    return [
        random.normal(size=(1 + n % 2, 8, 75)).astype(np.float32) / 75**0.5 for n in range(count)
    ]


def encoded(clips):
    return [Features(vector=None, sequence=clip) for clip in clips]


def test_warped_similarity_is_that_of_the_gallery_whatever_may_be_exemplar():
    clips = sequences(9)
    possible = np.array([True, False, True, True, False, False, True, False, True])
    similarity = DTWSimilarity(clips, possible, HOW)
    for queries, exemplars in (([1, 4], [8, 0, 3]), ([4, 2, 1], [2, 6]), ([1], [0])):
        gallery = WarpingGallery([clips[e] for e in exemplars], HOW)
        for compare, by_itself in (
            (similarity, gallery.similarities),
            (similarity.mirrored, gallery.mirrored_similarities),
        ):
            got = compare(np.array(queries), np.array(exemplars))
            np.testing.assert_allclose(got, [by_itself(clips[q]) for q in queries], atol=1e-6)


def test_each_clip_is_compared_once(monkeypatch):
    compared = []
    compare = WarpingGallery._compare

    def counted(self, query, kernels):
        compared.append(len(kernels))
        return compare(self, query, kernels)

    monkeypatch.setattr(WarpingGallery, "_compare", counted)
    similarity = DTWSimilarity(sequences(4), np.ones(4, np.bool_), HOW)
    everyone = np.arange(4)
    for _ in range(3):
        similarity(everyone, everyone[:2])
        similarity.mirrored(everyone[1:], everyone)
    assert sorted(compared) == [1] * 3 + [len(HOW.kernels)] * 4


def test_similarity_is_of_sequences_where_the_model_compares_these():
    vectors, clips = np.eye(3, dtype=np.float32), sequences(3)
    everyone, positions = np.ones(3, np.bool_), np.arange(3)
    full = [Features(vector=v, sequence=s) for v, s in zip(vectors, clips, strict=True)]
    got = similarity_of(full, everyone, None)(positions, positions)
    np.testing.assert_array_equal(got, np.eye(3))
    expected = [WarpingGallery(clips, HOW).similarities(clip) for clip in clips]
    got = similarity_of(full, everyone, HOW)(positions, positions)
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_between_is_the_similarity_of_clips_to_exemplars():
    clips, others = sequences(4), sequences(5, seed=1)
    gallery = WarpingGallery(others, HOW)
    for compare, by_itself in (
        (between, gallery.similarities),
        (between_mirrored, gallery.mirrored_similarities),
    ):
        told = []
        got = compare(
            encoded(clips), encoded(others), HOW, progress=lambda told=told: told.append(1)
        )
        np.testing.assert_array_equal(got, [by_itself(clip) for clip in clips])
        assert len(told) == 4
        assert compare([], encoded(others), HOW).shape == (0, 5)
        assert compare(encoded(clips), [], HOW).shape == (4, 0)
    vectors = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    some = [Features(vector=vector) for vector in vectors]
    expected = unit(vectors[:2]) @ unit(vectors[2:]).T
    np.testing.assert_allclose(between(some[:2], some[2:], None), expected, atol=1e-6)


@pytest.mark.parametrize("block", [256, 4])
def test_pairwise_is_the_similarity_of_every_pair_both_ways(monkeypatch, block):
    monkeypatch.setattr(similarity, "_BLOCK", block)
    clips = sequences(9)
    seen = []
    table = pairwise(encoded(clips), HOW, progress=lambda: seen.append(1))
    gallery = WarpingGallery(clips, HOW)
    expected = np.stack([gallery.similarities(clip) for clip in clips])
    np.testing.assert_allclose(table, expected, atol=1e-6)
    np.testing.assert_array_equal(table, table.T)
    assert (np.diag(table) == 1).all()
    assert len(seen) == 9


def test_pairwise_of_vectors_is_their_cosine():
    vectors = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    table = pairwise([Features(vector=vector) for vector in vectors], None)
    np.testing.assert_allclose(table, unit(vectors) @ unit(vectors).T, atol=1e-6)
    np.testing.assert_array_equal(table, table.T)
    assert (np.diag(table) == 1).all()
    assert pairwise([], None).shape == pairwise([], HOW).shape == (0, 0)
