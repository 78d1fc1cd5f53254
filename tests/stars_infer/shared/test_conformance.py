"""A shared index answers every call as a local file does, whichever machine asks."""

from dataclasses import replace

import numpy as np
import pytest

from stars_infer import Clip, ExemplarIndex
from stars_infer.classification.prediction import ClassifyOptions
from stars_infer.curation.check import check
from stars_infer.errors import StarsError
from stars_infer.segmentation.segment import segment
from stars_infer.synthetic.actions import perform
from tests.stars_infer.shared.databases import soon


def plain(value):
    """A value without what may differ: times, and differences of rounding."""
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if hasattr(value, "added"):
        value = replace(value, added="")
    return value


@pytest.fixture(scope="module")
def queries(own_encoder):
    random = np.random.default_rng(9)
    clips = [Clip.from_array(perform(label, random)) for label in ("squat", "wave", "clap")]
    return own_encoder.encode(clips, query=True)


@pytest.fixture(scope="module")
def recording():
    random = np.random.default_rng(3)
    parts = [perform(label, random) for label in ("wave", "squat")]
    return Clip.from_array(np.concatenate(parts, axis=1), fps=30)


def changes(new):
    """Every call that changes an index, and calls that are refused."""
    return [
        lambda index: index.add(new[:4]),
        lambda index: index.add([replace(new[0], label="other"), new[4], new[4]]),
        lambda index: index.add(new[5:]),
        lambda index: index.rename("kick", "box"),
        lambda index: index.rename("nothing", "box"),
        lambda index: index.rename("wave", ""),
        lambda index: index.relabel([2, 99], "squat"),
        lambda index: index.remove(ids=[3, 99]),
        lambda index: index.remove(label="box"),
        lambda index: index.add([replace(new[7], label="kick")]),
        lambda index: index.set_false_accept_rate(0.05),
        lambda index: index.expect_unknown(0.3),
        lambda index: index.expect_unknown(None),
        lambda index: index.confirm(3),
        lambda index: index.deny(),
        lambda index: index.set_false_accept_rate(2),
        lambda index: index.add([replace(new[8], features=replace(new[8].features, flat=True))]),
        lambda index: index.put_back(index.take_out([4])),
        lambda index: index.relabel([5], "wave"),
    ]


def outcome(call, index):
    try:
        return plain(call(index))
    except StarsError as error:
        return type(error)


def assert_same(local, shared, queries):
    assert plain(shared.exemplars()) == plain(local.exemplars())
    assert shared.counts() == local.counts()
    assert len(shared) == len(local)
    assert shared.options() == local.options()
    assert shared.unknown_share() == local.unknown_share()
    assert shared.flat == local.flat
    for options in (None, ClassifyOptions(classifier="vote", k=2)):
        for one, other in zip(
            shared.classify(queries, options), local.classify(queries, options), strict=True
        ):
            assert (one.label, one.known) == (other.label, other.known)
            assert one.confidence == pytest.approx(other.confidence, abs=1e-5)
    for one, other in zip(shared.search(queries, 4), local.search(queries, 4), strict=True):
        assert [near.source for near in one] == [near.source for near in other]
        assert [near.similarity for near in one] == pytest.approx(
            [near.similarity for near in other], abs=1e-5
        )
    assert shared.predict_proba(queries) == pytest.approx(local.predict_proba(queries), abs=1e-5)


@pytest.mark.parametrize("hosts", ["qdrant", "milvus"], indirect=True)
def test_every_call_answers_as_a_local_file(tmp_path, hosts, own_encoder, new, queries, recording):
    info = own_encoder.info
    with ExemplarIndex.open(tmp_path / "local.db", info) as local:
        machines = [hosts.open("one", info), hosts.open("two", info)]
        for turn, call in enumerate(changes(new)):
            assert outcome(call, machines[turn % 2]) == outcome(call, local), turn
        newest = plain(local.exemplars())
        for shared in machines:
            soon(lambda: plain(shared.exemplars()) == newest)  # noqa: B023
            soon(lambda: shared.unknown_share() == local.unknown_share())  # noqa: B023
            assert_same(local, shared, queries)
        third = hosts.open("three", info)
        assert_same(local, third, queries)
        (mine, theirs) = (segment(recording, own_encoder, index) for index in (third, local))
        assert [(one.label, one.start) for one in mine] == [
            (one.label, one.start) for one in theirs
        ]
        for one, other in zip(third.features(), local.features(), strict=True):
            assert plain(one[0]) == plain(other[0])
            assert np.array_equal(one[1].sequence, other[1].sequence)
        found = []
        for index in (third, local):
            kept, labels = zip(*((held, one.label) for one, held in index.features()), strict=True)
            found.append(check(kept, labels, how=info.comparison))
        assert found[0] == found[1]
