"""The bench is a folder of scripts: its modules are imported from there, as the scripts do."""

import sys
from pathlib import Path

import numpy as np
import pytest

from stars_infer.synthetic.actions import perform

QUALITY = Path(__file__).parents[3] / "benchmarks/quality"
sys.path.insert(0, str(QUALITY))

ACTIONS = ("wave", "clap", "squat")


@pytest.fixture(scope="session")
def people(tmp_path_factory):
    """ROOT/ACTION/sS_tT.npy: three actions, three people, two trials."""
    root = tmp_path_factory.mktemp("people")
    for action in ACTIONS:
        (root / action).mkdir()
        for person in (1, 2, 3):
            for trial in (1, 2):
                joints = perform(action, np.random.default_rng([person, trial]))
                np.save(root / action / f"s{person}_t{trial}.npy", joints)
    return root
