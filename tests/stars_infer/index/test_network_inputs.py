"""Exemplars are added without the network; their vectors are made when they are asked for."""

from dataclasses import replace

import numpy as np
import pytest

from stars_infer import Encoder, ExemplarIndex
from stars_infer.clips.clip import Clip
from stars_infer.errors import UsageError
from stars_infer.index.index import NewExemplar
from stars_infer.index.network_inputs import count_waiting, decode_bodies, encode_bodies
from stars_infer.synthetic.actions import perform


@pytest.fixture(scope="module")
def shipped():
    return Encoder.load(device="cpu")


@pytest.fixture(scope="module")
def clips():
    """Two of each of three actions, one of them of two people."""
    random = np.random.default_rng(3)
    return [
        (action, Clip.from_array(perform(action, random)))
        for action in ("wave", "squat", "handshake")
        for _ in range(2)
    ]


def add(index, encoder, clips, **how):
    features = encoder.encode([clip for _, clip in clips], **how)
    index.add(
        [
            NewExemplar(
                label=label,
                features=item,
                source=f"{label} {number}",
                content_hash=clip.content_hash,
            )
            for number, ((label, clip), item) in enumerate(zip(clips, features, strict=True))
        ]
    )


def waiting(index):
    with index._file.reading() as connection:
        return count_waiting(connection)


def cosine(a, b):
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_vectors_are_those_of_the_network(shipped, clips, tmp_path, monkeypatch):
    monkeypatch.setattr("stars_infer.index.network_inputs.CLIPS_AT_ONCE", 4)
    path = tmp_path / "stars.db"
    with ExemplarIndex.open(path, shipped.info) as index:
        with monkeypatch.context() as patched:
            patched.setattr(Encoder, "embed_bodies", None)
            add(index, shipped, clips, defer_network=True)
            answers = index.classify(shipped.encode([clip for _, clip in clips], query=True))
            assert [one.label for one in answers] == [label for label, _ in clips]
            assert {item.vector for _, item in index.features()} == {None}
        assert waiting(index) == 6
        index.remove(ids=[index.exemplars("wave")[0].id])
        assert waiting(index) == 5
        said = []
        kept = index.features(shipped, progress=lambda at, end: said.append((at, end)))
        assert said == [(4, 5), (5, 5)]
        assert waiting(index) == 0
    vectors = {
        clip.content_hash: vector
        for (_, clip), vector in zip(clips, shipped.embed([clip for _, clip in clips]), strict=True)
    }
    assert len(kept) == 5
    for exemplar, item in kept:
        assert cosine(item.vector, vectors[exemplar.content_hash]) >= 0.99999
    with ExemplarIndex.open(path, shipped.info) as index:  # they were kept
        again = index.features()
        for (_, one), (_, other) in zip(kept, again, strict=True):
            np.testing.assert_array_equal(one.vector, other.vector)


def test_a_batch_that_was_made_stays_when_the_next_one_fails(shipped, clips, monkeypatch):
    monkeypatch.setattr("stars_infer.index.network_inputs.CLIPS_AT_ONCE", 2)
    with ExemplarIndex.in_memory(shipped.info) as index:
        add(index, shipped, clips, defer_network=True)

        def stop(at, end):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            index.features(shipped, progress=stop)
        assert waiting(index) == 4


def test_making_vectors_changes_no_answer_and_compares_nothing_again(shipped, clips):
    queries = shipped.encode([clip for _, clip in clips], query=True)
    with ExemplarIndex.in_memory(shipped.info) as index:
        add(index, shipped, clips, defer_network=True)
        before = index.classify(queries)
        index.features(shipped)
        compared = []
        index.compare_exemplars(lambda *at: compared.append(at))
        assert not compared
        assert index.classify(queries) == before


def test_an_index_that_cannot_be_written_makes_vectors_each_time(shipped, clips, tmp_path):
    path = tmp_path / "stars.db"
    with ExemplarIndex.open(path, shipped.info, wait=0.01) as index:
        add(index, shipped, clips[:2], defer_network=True)
        with ExemplarIndex.open(path, shipped.info) as other, other._file.writing("nothing"):
            vectors = [item.vector for _, item in index.features(shipped)]
        assert waiting(index) == 2
        for vector, (_, kept) in zip(vectors, index.features(shipped), strict=True):
            assert cosine(vector, kept.vector) >= 0.99999


def test_the_encoder_of_another_model_is_refused(shipped, clips):
    other = Encoder(replace(shipped.info, name="other", fingerprint="f" * 64), None)
    with ExemplarIndex.in_memory(shipped.info) as index:
        add(index, shipped, clips[:1], defer_network=True)
        with pytest.raises(UsageError, match="'stars-mocap-small', but the encoder"):
            index.features(other)


def test_a_query_alone_cannot_be_added(shipped, clips):
    with ExemplarIndex.in_memory(shipped.info) as index:
        with pytest.raises(UsageError, match=r"expected a vector, or the bodies.*defer_network"):
            add(index, shipped, clips[:1], query=True)
        assert len(index) == 0


def test_bodies_lose_less_than_a_tenth_of_a_millimeter():
    bodies = np.float32(np.random.default_rng(0).uniform(-3, 3, size=(2, 64, 25, 3)))
    again = decode_bodies(encode_bodies(bodies), 64)
    assert again.shape == bodies.shape
    assert np.abs(again - bodies).max() < 1e-4
    nothing = np.zeros((1, 64, 25, 3), np.float32)
    np.testing.assert_array_equal(decode_bodies(encode_bodies(nothing), 64), nothing)
