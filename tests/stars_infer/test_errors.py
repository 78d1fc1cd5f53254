"""Ranges are refused in one form of sentence."""

import math

import numpy as np
import pytest

from stars_infer.errors import UsageError, check_range


@pytest.mark.parametrize(
    ("value", "bounds", "says"),
    [
        (0, {"above": 0}, "k must be above 0, not 0"),
        (-1, {"at_least": 0}, "k must be at least 0, not -1"),
        (1.0, {"above": 0, "below": 1}, "k must be above 0 and below 1, not 1.0"),
        (101, {"at_least": 1, "at_most": 100}, "k must be at least 1 and at most 100, not 101"),
        (1.5, {"at_least": 1, "whole": True}, "k must be a whole number and at least 1, not 1.5"),
        (True, {"at_least": 1, "whole": True}, "k must be a whole number and at least 1, not True"),
        ("3", {"above": 0}, "k must be above 0, not '3'"),
        (math.nan, {"above": 0}, "k must be above 0, not nan"),
        (math.inf, {"above": 0}, "k must be above 0, not inf"),
        (-math.inf, {}, "k must be a finite number, not -inf"),
    ],
)
def test_numbers_outside_a_range(value, bounds, says):
    with pytest.raises(UsageError) as raised:
        check_range("k", value, **bounds)
    assert str(raised.value) == says


def test_numbers_inside_a_range_and_options_that_were_not_given():
    check_range("k", 1, 2.5, None, above=0, at_most=2.5)
    check_range("k", 0, at_least=0, below=1, whole=True)
    check_range("k", None, above=0)
    check_range("k", np.int64(3), np.int8(2), at_least=1, whole=True)
    check_range("k", np.float32(0.5), above=0, below=1)
    with pytest.raises(UsageError, match="not 3"):
        check_range("k", 1, 3, 2, at_most=2)
