"""One similarity out of sequences and vectors, wherever clips are compared."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from stars_infer.encoder.model import check_fingerprint, find_model, read_model_info
from stars_infer.errors import UsageError
from stars_infer.preprocessing.prepare import Preprocessing
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.similarity.features import Features
from stars_infer.similarity.joint import join
from stars_infer.similarity.nearest import SequenceSearcher
from stars_infer.similarity.pairwise import (
    between,
    cosine_of,
    cosine_through_faiss,
    pairwise,
    similarity_of,
)

PLAIN = SequenceConfig(preprocessing=Preprocessing(frames=16), steps=16)
JOINT = replace(PLAIN, vector_weight=0.3, vector_width=0.2)


def clips(count, *, seed=0):
    random = np.random.default_rng(seed)
    return [
        Features(
            vector=random.normal(size=6).astype(np.float32),
            sequence=random.normal(size=(1, 16, 75)).astype(np.float32),
        )
        for _ in range(count)
    ]


def by_hand(queries, exemplars):
    """The formula, written out for one pair after the other."""
    warped = between(queries, exemplars, PLAIN).astype(float)
    result = np.zeros_like(warped)
    for row, query in enumerate(queries):
        for column, exemplar in enumerate(exemplars):
            a, b = query.vector.astype(float), exemplar.vector.astype(float)
            cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
            own = 0.7 * np.exp((warped[row, column] - 1) / 0.12)
            result[row, column] = 1 + 0.12 * np.log(own + 0.3 * np.exp((cosine - 1) / 0.2))
    return result


def test_every_way_of_comparing_gives_the_same():
    exemplars, queries = clips(9), clips(4, seed=1)
    expected = by_hand(queries, exemplars)
    np.testing.assert_allclose(between(queries, exemplars, JOINT), expected, atol=1e-5)
    every = [*exemplars, *queries]
    similarity = similarity_of(every, np.ones(13, np.bool_), JOINT)
    np.testing.assert_allclose(similarity(np.arange(9, 13), np.arange(9)), expected, atol=1e-5)
    np.testing.assert_allclose(pairwise(every, JOINT)[9:, :9], expected, atol=1e-5)
    for limit in (1000, 5):  # all are compared, or a shortlist that holds all
        searcher = SequenceSearcher(exemplars, JOINT, exhaustive_limit=limit, shortlist=9)
        for row, (positions, similar) in enumerate(searcher.nearest(queries, 9)):
            np.testing.assert_allclose(similar, expected[row][positions], atol=1e-5)
            assert positions.tolist() == np.argsort(-expected[row]).tolist()


def test_a_clip_is_as_similar_to_itself_as_can_be():
    exemplars = clips(3)
    np.testing.assert_allclose(np.diag(between(exemplars, exemplars, JOINT)), 1, atol=1e-5)
    table = pairwise(exemplars, JOINT)
    np.testing.assert_array_equal(table, table.T)


def test_mirror_images_are_compared_by_their_sequences():
    every, all_of_them = clips(5), np.ones(5, np.bool_)
    at = np.arange(5)
    joint, plain = (similarity_of(every, all_of_them, how) for how in (JOINT, PLAIN))
    np.testing.assert_array_equal(joint.mirrored(at, at), plain.mirrored(at, at))


def test_without_a_weight_nothing_changes_and_no_vector_is_asked_for():
    similar = np.float32([0.25, 0.5])
    assert join(similar, np.float32([0, 1]), replace(PLAIN, vector_width=1.0)) is similar
    bare = [replace(clip, vector=None) for clip in clips(4)]
    np.testing.assert_array_equal(pairwise(bare, PLAIN), pairwise(clips(4), PLAIN))
    assert len(SequenceSearcher(bare, PLAIN).nearest(bare[:1], 2)[0][0]) == 2
    with pytest.raises(UsageError, match="a clip has no vector"):
        SequenceSearcher(clips(4), JOINT).nearest(bare[:1], 2)


def test_a_weight_is_part_of_what_a_model_is():
    plain, other = SequenceConfig(), SequenceConfig(vector_weight=0.2)
    assert "vector_weight" in asdict(plain)
    assert not {"vector_weight", "vector_width"} & set(plain.to_json())
    assert SequenceConfig.from_json(json.loads(json.dumps(plain.to_json()))) == plain
    assert SequenceConfig.from_json(json.loads(json.dumps(other.to_json()))) == other
    assert other.without_vectors() == plain
    assert plain.digest() != other.digest() != replace(other, vector_width=0.3).digest()
    assert plain.digest() == replace(plain, vector_width=0.3).digest()
    assert plain.contract() != other.contract()
    assert "with weight 0.2" in other.in_words()
    for wrong in (-0.1, 1.0, float("nan")):
        with pytest.raises(UsageError, match="vector_weight must be at least 0 and below 1"):
            SequenceConfig(vector_weight=wrong)


def test_the_shipped_model_is_described_as_before():
    folder = find_model()
    info = read_model_info(folder)
    check_fingerprint(folder, info)
    assert info.comparison is not None
    assert info.compares_vectors == bool(info.comparison.vector_weight)
    described = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    assert json.loads(json.dumps(info.to_json())) == described


def test_faiss_gives_the_cosine():
    vectors = np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32)
    queries, exemplars = np.arange(4), np.array([11, 3, 7, 5, 9])
    np.testing.assert_allclose(
        cosine_through_faiss(vectors)(queries, exemplars),
        cosine_of(vectors)(queries, exemplars),
        atol=1e-6,
    )
