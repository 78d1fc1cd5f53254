"""The share of unknown clips among those that are asked: said, assumed, or learned.

Scores tell how much better a clip fits the index than unknown clips do. How likely it is known
depends as well on how many unknown clips there are, which Bayes' rule adds to the log-odds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stars_infer.errors import check_range

Chances = NDArray[np.float64]

EXPECTED_UNKNOWN = 1 / 3
"""Share of unknown clips that is assumed before anything is known."""
ASSUMED_CLIPS = 10.0
"""Weight of that assumption, as a number of clips."""
_LEAST_BATCH, _CLIPS_PER_EXEMPLAR = 30, 5
"""How many clips a batch counts as at most: so many, and so many more for each exemplar that shows
how well a known clip fits."""
_MOST_LEARNED = 0.5
"""Largest share that a batch can teach: clips that all fit badly may as well be known actions of
people who move in their own way, and they should not all be called unknown."""
_STEPS = 200
_CLOSE = 1e-6


def chances_of(log_odds: Chances) -> Chances:
    """Probabilities of log-odds."""
    return np.asarray(1 / (1 + np.exp(-np.clip(log_odds, -30, 30))))


def odds_of_known(unknown_share: float) -> float:
    """Log-odds that a clip is known of which nothing is known but the share of unknown clips."""
    return float(np.log(1 - unknown_share) - np.log(unknown_share))


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownShare:
    """What is known of the share of unknown clips among those that are asked.

    Attributes:
        said: The share that the user expects, 0 to 1; None to learn it.
        known: How many clips a user has confirmed to show actions of the index.
        unknown: How many clips a user has found to show other actions.
    """

    said: float | None = None
    known: int = 0
    unknown: int = 0

    def __post_init__(self) -> None:
        check_range("share of unknown clips", self.said, above=0, below=1)
        check_range("number of known clips", self.known, at_least=0, whole=True)
        check_range("number of unknown clips", self.unknown, at_least=0, whole=True)

    @property
    def source(self) -> str:
        """Where `expected` comes from: `said`, `feedback` or `assumed`."""
        if self.said is not None:
            return "said"
        return "feedback" if self.known or self.unknown else "assumed"

    @property
    def expected(self) -> float:
        """The share before any clip is looked at: as said, or the mean of a Beta distribution."""
        if self.said is not None:
            return self.said
        unknown, known = self._counts()
        return unknown / (unknown + known)

    def learn(self, log_odds: Chances, evidence: int) -> float:
        """The share among the clips of a batch.

        It is learned by expectation maximization: the share is the mean of the clips' chances of
        being unknown, which follow from the share (Saerens, Latinne and Decaestecker, "Adjusting
        the outputs of a classifier to new a priori probabilities", 2002, equations 2.8 and 2.9).
        What was known before counts as clips, too, so that a few clips hardly move it. A share that
        was said stays, and a clip that is alone says nothing about others.

        A batch of clips that fit well lowers the share. Where no exemplar shows how well a known
        clip fits, as with one example per action, a batch of clips that fit badly does not raise
        it.

        Args:
            log_odds: Log-odds of each clip that it is known if half of all clips are, (Q,).
            evidence: How many exemplars show how well a known clip fits.
        """
        share = expected = self.expected
        if self.said is not None or len(log_odds) < 2:
            return share
        unknown, known = self._counts()
        count = min(len(log_odds), _LEAST_BATCH + _CLIPS_PER_EXEMPLAR * evidence)
        for _ in range(_STEPS):
            before = share
            mean = float(chances_of(-(log_odds + odds_of_known(share))).mean())
            share = (count * mean + unknown) / (count + unknown + known)
            if abs(share - before) < _CLOSE:
                break
        return min(share, max(_MOST_LEARNED, expected) if evidence else expected)

    def _counts(self) -> tuple[float, float]:
        """Unknown and known clips, as it were, of the Beta distribution of the share."""
        return (
            self.unknown + ASSUMED_CLIPS * EXPECTED_UNKNOWN,
            self.known + ASSUMED_CLIPS * (1 - EXPECTED_UNKNOWN),
        )
