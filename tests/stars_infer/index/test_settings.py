"""What an index is told of unknown clips, and what it learns of them."""

import multiprocessing
from dataclasses import replace

import numpy as np
import pytest

from stars_infer import ExemplarIndex
from stars_infer.classification.prediction import ClassifyOptions
from stars_infer.classification.unknown_share import EXPECTED_UNKNOWN, UnknownShare
from stars_infer.errors import UsageError
from tests.stars_infer.index.toy import SEQUENCES, VECTORS, moving, new, pointing, taught

KNOWN = [moving(action, noise=0.3, seed=50 + seed) for action in range(6) for seed in range(10)]
STRANGE = [moving(100 + action, noise=0.3) for action in range(60)]


@pytest.fixture(scope="module")
def index():
    with taught(ExemplarIndex.in_memory(SEQUENCES), actions=6, shots=4) as opened:
        yield opened


@pytest.fixture
def undone(index):
    yield
    index.expect_unknown(None)
    index.forget_feedback()
    index.set_false_accept_rate(None)


TOGETHER = ClassifyOptions(together=True)


def chances(index, queries, options=TOGETHER):
    return np.array([one.chance_known for one in index.classify(queries, options)])


def even_odds(index, queries):
    """Odds of being known if half of all clips are, from what is assumed."""
    assert index.unknown_share() == UnknownShare()
    chance = chances(index, queries, ClassifyOptions())
    return chance / (1 - chance) * EXPECTED_UNKNOWN / (1 - EXPECTED_UNKNOWN)


def share_of(chance, odds):
    """The share of unknown clips that turns odds into a chance of being known."""
    return 1 / (1 + chance / (1 - chance) / odds)


def test_what_is_said_is_kept_and_what_was_told_counts(tmp_path):
    path = tmp_path / "stars.db"
    with ExemplarIndex.open(path, VECTORS) as index:
        assert index.unknown_share() == UnknownShare()
        index.expect_unknown(0.1)
        index.confirm(3)
        index.confirm()
        index.deny(2)
        index.set_false_accept_rate(0.05)
    with ExemplarIndex.open(path, VECTORS) as index:
        assert index.unknown_share() == UnknownShare(said=0.1, known=4, unknown=2)
        assert index.options() == ClassifyOptions(false_accept_rate=0.05)
        index.save(tmp_path / "copy.db")
        index.expect_unknown(None)
        assert index.unknown_share() == UnknownShare(known=4, unknown=2)
        index.forget_feedback()
        assert index.unknown_share() == UnknownShare()
        assert index.options() == ClassifyOptions(false_accept_rate=0.05)
    with ExemplarIndex.open(tmp_path / "copy.db", VECTORS) as index:
        assert index.unknown_share() == UnknownShare(said=0.1, known=4, unknown=2)


def test_what_is_no_share_and_no_number_of_clips_is_refused(tmp_path):
    with ExemplarIndex.open(tmp_path / "stars.db", VECTORS) as index:
        for wrong in (0.0, 1.0, -0.1, 10, float("nan")):
            with pytest.raises(UsageError, match="share of unknown clips must be"):
                index.expect_unknown(wrong)
        for wrong in (0, -1, 1.5, True):
            for tell in (index.confirm, index.deny):
                with pytest.raises(UsageError, match="number of clips must be"):
                    tell(wrong)
        assert index.unknown_share() == UnknownShare()


def tell(path, known, times):
    with ExemplarIndex.open(path, VECTORS) as index:
        for _ in range(times):
            index.confirm() if known else index.deny()


def test_processes_that_count_at_once_lose_no_count(tmp_path):
    path = tmp_path / "stars.db"
    ExemplarIndex.open(path, VECTORS).close()
    context = multiprocessing.get_context("spawn")
    tellers = [
        context.Process(target=tell, args=(path, known, 20)) for known in (True, True, False)
    ]
    for one in tellers:
        one.start()
    for one in tellers:
        one.join()
    with ExemplarIndex.open(path, VECTORS) as index:
        assert index.unknown_share() == UnknownShare(known=40, unknown=20)


def test_confidence_follows_what_is_expected_at_once(index, undone):
    odds = even_odds(index, KNOWN[:1])

    def expected():
        return share_of(chances(index, KNOWN[:1]), odds)

    for share in (0.02, 0.2, 0.7):
        index.expect_unknown(share)
        np.testing.assert_allclose(expected(), share, rtol=1e-4)
    index.expect_unknown(None)
    np.testing.assert_allclose(expected(), EXPECTED_UNKNOWN, rtol=1e-4)
    index.confirm(20)
    np.testing.assert_allclose(expected(), EXPECTED_UNKNOWN * 10 / 30, rtol=1e-4)
    index.deny(30)
    np.testing.assert_allclose(expected(), (EXPECTED_UNKNOWN * 10 + 30) / 60, rtol=1e-4)


def test_clips_that_are_asked_together_teach_which_share_is_unknown(index):
    alone = np.concatenate([chances(index, [one]) for one in KNOWN])
    together = chances(index, KNOWN)
    assert (together > alone).all()
    odds = even_odds(index, KNOWN)
    among_known = share_of(together, odds)
    np.testing.assert_allclose(among_known, among_known[0], rtol=1e-4)
    assert among_known[0] < 0.1
    mixed = share_of(chances(index, [*KNOWN, *STRANGE[:20]])[: len(KNOWN)], odds)
    assert mixed[0] == pytest.approx(0.25, abs=0.1)
    np.testing.assert_allclose(index.predict_proba(KNOWN, TOGETHER).sum(axis=1), together)


def test_clips_that_are_asked_together_do_not_teach_unless_they_are_to(index, undone):
    alone = np.concatenate([chances(index, [one]) for one in KNOWN])
    np.testing.assert_allclose(chances(index, KNOWN, ClassifyOptions()), alone)
    np.testing.assert_allclose([one.chance_known for one in index.classify(KNOWN)], alone)
    np.testing.assert_allclose(index.predict_proba(KNOWN).sum(axis=1), alone)
    index.expect_unknown(0.3)  # nor where the share was said
    alone = np.concatenate([chances(index, [one]) for one in KNOWN])
    np.testing.assert_allclose(chances(index, KNOWN), alone)


@pytest.mark.parametrize("limit", [0.02, 0.1, 0.4])
def test_at_a_limit_a_clip_is_named_or_not_whatever_others_are_asked(index, undone, limit):
    asked = [*KNOWN[::4], *STRANGE[:10]]
    index.set_false_accept_rate(limit)
    options = replace(index.options(), together=True)

    def known(queries):
        return [one.known for one in index.classify(queries, options)]

    alone = [known([one])[0] for one in asked]
    assert known(asked) == alone
    assert known([*asked, *KNOWN, *STRANGE])[: len(asked)] == alone
    for share in (0.01, 0.9):
        index.expect_unknown(share)
        assert known(asked) == alone
    assert 0 < sum(alone) < len(alone)


def test_a_large_index_learns_too(tmp_path, monkeypatch):
    monkeypatch.setattr("stars_infer.index.small.EXHAUSTIVE_LIMIT", 20)
    with ExemplarIndex.open(tmp_path / "stars.db", VECTORS) as index:
        index.add([new(str(n % 5), pointing(n % 5, tilt=n / 100), str(n)) for n in range(60)])
        asked = [pointing(n % 5, tilt=0.3) for n in range(40)]
        alone = np.concatenate([chances(index, [one]) for one in asked])
        assert (chances(index, asked) > alone).all()
