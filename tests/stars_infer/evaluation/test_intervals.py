import numpy as np
import pytest

from stars_infer.evaluation.intervals import accept_curve, bootstrap_mean, wilson


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    [(8, 10, 0.4902, 0.9433), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (0, 0, 0.0, 1.0)],
)
def test_wilson_is_that_of_the_textbook(hits, count, low, high):
    """Figures of Newcombe, "Two-sided confidence intervals", 1998, method 3."""
    assert wilson(hits, count) == pytest.approx((low, high), abs=1e-4)


def test_wilson_holds_what_it_promises():
    random = np.random.default_rng(0)
    hits = random.binomial(40, 0.9, 4000)
    held = [low <= 0.9 <= high for low, high in (wilson(int(h), 40) for h in hits)]
    assert np.mean(held) == pytest.approx(0.95, abs=0.025)


def test_clips_that_were_named_often_are_drawn_as_one():
    random = np.random.default_rng(1)
    right = (random.random(50) < 0.8).astype(float)
    once = bootstrap_mean(right, np.ones(50))
    often = bootstrap_mean(10 * right, np.full(50, 10.0))
    assert once == pytest.approx(often)
    assert once[0] < right.mean() < once[1]
    assert 0.15 < once[1] - once[0] < 0.3
    assert bootstrap_mean(np.zeros(3), np.zeros(3)) == (0.0, 1.0)


def test_the_curve_rises_from_nobody_to_everybody():
    known, unknown = np.array([0.9, 0.8, 0.4]), np.array([0.5, 0.1])
    assert accept_curve(known, unknown) == [
        (0, 0), (0, 1 / 3), (0, 2 / 3), (0.5, 2 / 3), (0.5, 1), (1, 1), (1, 1)
    ]  # fmt: skip
    random = np.random.default_rng(2)
    long = accept_curve(random.normal(1, 1, 5000), random.normal(0, 1, 5000))
    assert len(long) == 62
    assert (np.diff(long, axis=0) >= 0).all()
