"""Killed writers, for a few seconds; `python -m tests.faults.index_kills 2000` for more."""

import pytest

from tests.faults.index_kills import FAULTS, KILLED, kill_writers


@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
def test_what_was_told_to_be_done_is_done(large):
    found = kill_writers(12, seed=3, large=large)
    assert found[KILLED] == 12
    assert [found[fault] for fault in FAULTS] == [0] * len(FAULTS)
