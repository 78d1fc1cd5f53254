"""Writers beside readers, for some seconds; `python -m tests.faults.crowd 600` for more."""

import pytest

from tests.faults.crowd import ADDED, NAMED, crowd, faults_of


@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
def test_writers_and_readers_at_once(large):
    found = crowd(1.5, writers=3, readers=3, large=large)
    assert faults_of(found) == {}
    assert found[ADDED] >= 3
    assert found[NAMED] >= 3
