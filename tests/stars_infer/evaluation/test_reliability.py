import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stars_infer.errors import MissingExtraError
from stars_infer.evaluation import reliability as module
from stars_infer.evaluation.reliability import reliability, save_reliability_plot


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40))
def test_reliability_counts_every_answer_once(answers):
    confidence, right = (np.array(column) for column in zip(*answers, strict=True))
    curve = reliability(confidence, right)
    assert curve.count.sum() == len(answers)
    there = curve.count > 0
    assert (curve.right * curve.count)[there].sum() == pytest.approx(right.sum())
    assert 0 <= curve.error <= 1


def test_calibration_error_is_the_mean_gap():
    confidence = np.array([0.95] * 10 + [0.15] * 10)
    right = np.array([True] * 9 + [False] + [True] * 4 + [False] * 6)
    assert reliability(confidence, right).error == pytest.approx((0.05 + 0.25) / 2)


def test_a_plot_needs_matplotlib_and_leaves_nothing_without(tmp_path, monkeypatch):
    curve = reliability(np.array([0.2, 0.9]), np.array([False, True]))
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="matplotlib"):
        save_reliability_plot({1: curve}, tmp_path / "plot.svg")
    assert list(tmp_path.iterdir()) == []
