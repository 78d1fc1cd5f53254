"""Nothing grows, in a few seconds; `python -m tests.faults.leaks` for more."""

from pathlib import Path

import pytest

from tests.faults.leaks import MOST_BYTES, measure

PARTS = ("by classifying", "by embedding")
needs_proc = pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="descriptors are counted in /proc"
)


@needs_proc
def test_classifying_and_embedding_keep_nothing_open():
    found = measure(60, 8)
    assert [found[part]["descriptors"] <= 0 for part in PARTS] == [True, True]


@needs_proc
@pytest.mark.slow
def test_nothing_grows():
    found = measure(20_000, 500)
    assert [found[part]["descriptors"] <= 0 for part in PARTS] == [True, True]
    assert max(found[part]["bytes"] for part in PARTS) < MOST_BYTES
