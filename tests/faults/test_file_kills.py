"""Killed writers of files, for a few seconds; `python -m tests.faults.file_kills 1000` for more."""

import pytest

from tests.faults.file_kills import FAULTS, KILLED, WORKS, kill_writers


@pytest.mark.parametrize("kind", WORKS)
def test_what_was_written_is_there_and_whole(kind):
    found = kill_writers(kind, 2, seed=5)
    assert found[KILLED] == 2
    assert [found[fault] for fault in FAULTS] == [0] * len(FAULTS)
