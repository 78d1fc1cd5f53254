"""An index of a model in which both sequences and vectors count."""

from dataclasses import replace

import numpy as np
import pytest

from stars_infer.errors import ExemplarIndexError, UsageError
from stars_infer.index.index import ExemplarIndex
from stars_infer.similarity.pairwise import between
from tests.stars_infer.index.toy import SEQUENCES, moving, new

HOW = replace(SEQUENCES.comparison, vector_weight=0.5, vector_width=0.1)
JOINT = replace(SEQUENCES, fingerprint="d" * 64, comparison=HOW)


def clip(action, direction, *, seed=0):
    """Features whose sequence tells an action, and whose vector points along an axis."""
    vector = np.eye(8, dtype=np.float32)[direction]
    return replace(moving(action, noise=0.3, seed=seed), vector=vector)


def taught(index, each=3):
    index.add(
        [
            new(f"action {n}", clip(n, n, seed=10 * n + m), f"{n}/{m}")
            for n in range(4)
            for m in range(each)
        ]
    )
    return index


def test_vectors_speak_where_sequences_do_not():
    """The sequence is that of no action; only the vector knows."""
    index = taught(ExemplarIndex.in_memory(JOINT))
    asked = [clip(50, direction) for direction in range(4)]
    answers = [answer.label for answer in index.classify(asked)]
    assert answers == [f"action {direction}" for direction in range(4)]
    plain = taught(ExemplarIndex.in_memory(SEQUENCES))
    assert len({answer.label for answer in plain.classify(asked)}) == 1


@pytest.mark.parametrize("limit", [1000, 5])
def test_neighbors_have_the_joint_similarity(tmp_path, monkeypatch, limit):
    monkeypatch.setattr("stars_infer.index.small.EXHAUSTIVE_LIMIT", limit)
    index = taught(ExemplarIndex.open(tmp_path / "stars.db", JOINT))
    query = clip(2, 1, seed=99)
    kept = index.features()
    expected = between([query], [features for _, features in kept], HOW)[0]
    by_source = {one.source: near for (one, _), near in zip(kept, expected, strict=True)}
    (found,) = index.search([query], 12)
    assert len(found) == 12
    for one in found:
        assert one.similarity == pytest.approx(by_source[one.source], abs=1e-4)
    assert {one.label for one in found[:6]} == {"action 1", "action 2"}
    assert index.classify([query])[0].neighbors[0].source == found[0].source


def test_exemplars_and_queries_need_a_vector():
    index = ExemplarIndex.in_memory(JOINT)
    bare = replace(clip(0, 0), vector=None)
    with pytest.raises(UsageError, match="expected a vector"):
        index.add([new("a", bare)])
    taught(index)
    with pytest.raises(UsageError, match="a clip has no vector"):
        index.classify([bare])


def test_similarities_are_kept_for_their_weight_only(tmp_path):
    path = tmp_path / "stars.db"
    with ExemplarIndex.open(path, JOINT) as index:
        before = taught(index).compare_exemplars()
    less = replace(JOINT, comparison=replace(HOW, vector_weight=0.1))
    with ExemplarIndex.open(path, less) as index:
        assert np.abs(index.compare_exemplars() - before).max() > 0.01
    with pytest.raises(ExemplarIndexError, match="made by the model"):
        ExemplarIndex.open(path, SEQUENCES)
