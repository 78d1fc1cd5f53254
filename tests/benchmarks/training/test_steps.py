"""The bench times steps of the library in every precision; a small network takes them here."""

import sys
from pathlib import Path

import pytest

TRAINING = Path(__file__).parents[3] / "benchmarks/training"
sys.path.insert(0, str(TRAINING))


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("recipe", ["mamp", "stars"])
def test_own_step_runs_in_every_precision(monkeypatch, recipe, precision):
    import steps

    real = steps.load_recipe
    tiny = {"width": 16, "depth": 2, "heads": 2}
    tiny |= {"decoder_depth": 1} if recipe == "mamp" else {"queue": 16, "hidden": 16}
    monkeypatch.setattr(steps, "load_recipe", lambda name: real(name).with_flags(tiny))
    step = steps.own_step(recipe, steps.clips(), 4, "cpu", precision, "present", compiled=False)
    step(0)
    step(1)
