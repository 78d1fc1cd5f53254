"""Fixtures of the tests of commands."""

import pytest

from stars_infer.synthetic.actions import ACTIONS


@pytest.fixture
def taught(stars, recordings, tmp_path):
    """The command line, in a folder with an index of three performers of each action."""
    for action in ACTIONS:
        clips = sorted((recordings / action).iterdir())[:3]
        assert stars("fewshot", "add-class", *clips)[0] == 0
    return stars
