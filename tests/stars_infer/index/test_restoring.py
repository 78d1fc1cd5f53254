"""Exemplars that are taken out come back with their rows as they were."""

import numpy as np
import pytest

from stars_infer.clips.clip import Clip
from stars_infer.encoder.encoder import Encoder
from stars_infer.errors import ExemplarIndexError
from stars_infer.index.index import ExemplarIndex, NewExemplar
from stars_infer.similarity.features import Features
from stars_infer.synthetic.actions import perform


@pytest.fixture(scope="module")
def shipped():
    return Encoder.load(device="cpu")


def examples(encoder, labels, seed=0, flat=False):
    random = np.random.default_rng(seed)
    clips = [Clip.from_array(perform(label, random), flat=flat) for label in labels]
    return [
        NewExemplar(
            label=label, features=one, source=f"{label}.npy", content_hash=clip.content_hash
        )
        for label, clip, one in zip(
            labels, clips, encoder.encode(clips, defer_network=True), strict=True
        )
    ]


def rows(index):
    with index._file.reading() as connection:
        return [
            connection.execute(f"SELECT * FROM {table} ORDER BY id").fetchall()
            for table in ("exemplars", "network_inputs", "removed")
        ]


def test_what_was_removed_comes_back_as_it_was(shipped):
    with ExemplarIndex.in_memory(shipped.info) as index:
        index.add(examples(shipped, ("wave", "wave", "squat", "kick")))
        index.relabel([2], "greet")
        before, counts = rows(index), index.counts()
        similarity = index.compare_exemplars()
        taken = index.take_out([2, 3, 99])
        assert [(one.id, one.label) for one in taken] == [(2, "greet"), (3, "squat")]
        assert index.counts() == {"kick": 1, "wave": 1}
        assert index.put_back(taken) == [2, 3]
        assert rows(index) == before
        assert index.counts() == counts
        assert np.array_equal(index.compare_exemplars(), similarity)
        assert len(index.features()) == 4  # whose checksums and tallies agree


def test_a_clip_that_was_added_again_stays(shipped):
    with ExemplarIndex.in_memory(shipped.info) as index:
        added = examples(shipped, ("wave", "squat"))
        index.add(added)
        taken = index.take_out([1])
        index.add(added[:1])
        assert index.put_back(taken) == []
        assert [one.id for one in index.exemplars("wave")] == [3]


def test_flat_and_deep_are_not_mixed(shipped):
    with ExemplarIndex.in_memory(shipped.info) as index:
        index.add(examples(shipped, ("wave",), flat=True))
        taken = index.take_out([1])
        index.add(examples(shipped, ("wave",)))
        with pytest.raises(ExemplarIndexError, match="nothing was put back"):
            index.put_back(taken)
        index.remove(label="wave")
        index.put_back(taken)
        assert index.flat


def test_a_large_index_finds_them_again(shipped):
    random = np.random.default_rng(0)
    shape = (1, *shipped.info.comparison.shape[1:])
    new = [
        NewExemplar(
            label=f"action {number % 7}",
            features=Features(
                vector=np.zeros(shipped.info.width, np.float32),
                sequence=random.normal(size=shape).astype(np.float16).astype(np.float32),
            ),
            source="",
            content_hash=str(number),
        )
        for number in range(1100)
    ]
    with ExemplarIndex.in_memory(shipped.info) as index:
        index.add(new)
        query = new[499].features
        assert index.search([query], 1)[0][0].id == 500
        taken = index.take_out([500])
        assert index.search([query], 1)[0][0].id != 500
        index.put_back(taken)
        assert index.search([query], 1)[0][0].id == 500
