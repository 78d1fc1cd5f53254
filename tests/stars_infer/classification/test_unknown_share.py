import numpy as np
import pytest

from stars_infer.classification.unknown_share import (
    EXPECTED_UNKNOWN,
    UnknownShare,
    chances_of,
    odds_of_known,
)
from stars_infer.errors import UsageError


def batch(unknown, size=200, *, apart=4.0, seed=0):
    """Log-odds of clips whose strength is normal, with means `apart` from each other."""
    random = np.random.default_rng(seed)
    known = np.arange(size) >= round(unknown * size)
    strength = random.normal(size=size) + apart * known
    return apart * (strength - apart / 2)


@pytest.mark.parametrize("unknown", [0.0, 0.1, 0.25, 0.45])
def test_the_share_of_a_batch_is_learned(unknown):
    assert UnknownShare().learn(batch(unknown), 100) == pytest.approx(unknown, abs=0.05)


def test_a_batch_teaches_no_more_than_one_half_unless_more_was_expected():
    assert UnknownShare().learn(batch(0.9), 100) == 0.5
    assert UnknownShare(unknown=90, known=10).learn(batch(0.9), 100) > 0.8


def test_without_evidence_of_known_clips_a_batch_lowers_the_share_but_does_not_raise_it():
    assert UnknownShare().learn(batch(0.9), 0) == EXPECTED_UNKNOWN
    assert 0.05 < UnknownShare().learn(batch(0.0), 0) < 0.25


def test_a_clip_alone_teaches_nothing_and_a_few_clips_hardly_anything():
    clear = batch(0.0, 3, apart=6.0)
    assert UnknownShare().learn(clear[:1], 50) == EXPECTED_UNKNOWN
    assert UnknownShare().learn(clear[:0], 50) == EXPECTED_UNKNOWN
    # Three known clips beside ten that were assumed, of which a third is unknown.
    assert UnknownShare().learn(clear, 50) == pytest.approx(10 / 3 / 13, abs=0.01)


def test_the_share_is_the_mean_of_the_chances_that_follow_from_it():
    """The fixed point of expectation maximization, with the clips that were assumed."""
    log_odds = batch(0.3, apart=2.0)
    share = UnknownShare().learn(log_odds, 100)
    unknown = chances_of(-(log_odds + odds_of_known(share)))
    assert share == pytest.approx((unknown.sum() + 10 / 3) / (len(log_odds) + 10), abs=1e-4)


def test_a_share_that_was_said_stays():
    said = UnknownShare(said=0.1, known=3, unknown=20)
    assert (said.expected, said.source) == (0.1, "said")
    assert said.learn(batch(0.45), 100) == 0.1


def test_feedback_counts_as_clips():
    assert (UnknownShare().expected, UnknownShare().source) == (EXPECTED_UNKNOWN, "assumed")
    told = UnknownShare(known=18, unknown=2)
    assert told.source == "feedback"
    assert told.expected == pytest.approx((2 + 10 / 3) / 30)


@pytest.mark.parametrize(
    "wrong", [{"said": 0.0}, {"said": 1.0}, {"said": 10}, {"known": -1}, {"unknown": 0.5}]
)
def test_what_is_no_share_and_no_count_is_refused(wrong):
    with pytest.raises(UsageError, match="must be"):
        UnknownShare(**wrong)
