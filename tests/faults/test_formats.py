"""Mutated files in the suite: some of every kind, the same ones each time."""

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.faults.formats import _OWN, OUTCOMES, Runner, kinds, run
from tests.faults.seeds import OWN, seeds


def test_every_file_of_its_own_is_here():
    assert set(_OWN) == set(OWN)


@pytest.fixture(scope="module")
def runners(tmp_path_factory):
    """A runner for each kind; what it changes of the environment is undone."""
    before = os.environ.get("XDG_CONFIG_HOME")
    made = {kind: Runner(kind, tmp_path_factory.mktemp("faults")) for kind in kinds()}
    yield made
    if before is None:
        os.environ.pop("XDG_CONFIG_HOME", None)
    else:
        os.environ["XDG_CONFIG_HOME"] = before


@pytest.mark.parametrize("kind", kinds())
def test_good_files_are_read(runners, kind):
    runner = runners[kind]
    what, said = runner.outcome(runner.seed)
    assert what == "read" or kind == ".bvh hips", said  # which is no person


@pytest.mark.parametrize("kind", kinds())
@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32))
def test_mutated_files_are_read_or_refused(runners, kind, seed):
    runner = runners[kind]
    what, said = runner.outcome(runner.content(seed))
    assert what in ("read", "refused"), f"{kind} {seed} {what}: {said}"


def test_mutations_are_the_same_again(runners):
    for runner in runners.values():
        assert runner.content(7) == runner.content(7)
    changed = [runner.content(seed) != runner.seed for runner in runners.values()
               for seed in range(20)]  # fmt: skip
    assert np.mean(changed) > 0.8


def test_what_escapes_is_found(runners, monkeypatch):
    """The fuzzer itself: an exception, a number that is not finite and a long line are told."""
    runner = runners[".npy"]

    def failing(path):
        raise KeyError("x")

    monkeypatch.setattr(runner, "read", failing)
    assert runner.outcome(b"x")[0] == "escaped"
    monkeypatch.setattr(runner, "read", lambda path: 1)
    assert runner.outcome(b"x")[0] == "not finite"


def test_seeds_are_small():
    for kind, content in seeds().items():
        assert 20 < len(content) < 80_000, kind


def test_the_long_form_writes_a_report(tmp_path):
    report = tmp_path / "r.json"
    facts = run(40, 0, report=report, wanted=kinds()[:4], guard=False)
    assert report.exists()
    assert facts["files"] == 40
    assert set(facts["outcomes"]) == set(OUTCOMES)
    assert sum(facts["outcomes"].values()) == 40
