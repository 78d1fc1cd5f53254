"""On a GPU of fake tensors: no step mixes host and device, and none waits for the device."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stars_infer.train.methods import METHODS

TRAINING = Path(__file__).parents[3] / "benchmarks/training"
RUN = {"capture_output": True, "text": True, "timeout": 900, "cwd": TRAINING}


@pytest.fixture(scope="module")
def counted():
    command = [sys.executable, "waits.py", "--json", "--brief"]
    done = subprocess.run(command, **RUN, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def test_every_method_is_counted(counted):
    from stars_infer.train.recipe import load_recipe

    named = set(counted) - {"corrupted", "streamed"}
    assert {load_recipe(name).method for name in named} == set(METHODS)


def test_no_step_waits_for_the_device(counted):
    assert {name: run["waits"] for name, run in counted.items() if run["waits"]} == {}


def test_a_step_sends_one_copy(counted):
    assert {run["copies"] for run in counted.values()} == {1}


def test_the_counter_sees_what_makes_the_host_wait():
    """Each of these is one wait on a GPU; the last is an error there."""
    script = """
import torch
from fake_gpu import DEVICE, fake_gpu
with fake_gpu() as waits:
    x = torch.randn(4, 3, device=DEVICE)
    for what in (
        lambda: float(x.sum()), lambda: x[:, [0, 1]], lambda: x.new_tensor([1.0]),
        lambda: torch.ones(3).to(x), lambda: x[torch.tensor([0])], lambda: x.cpu(),
        lambda: x.clone().copy_(torch.ones(4, 3), non_blocking=True),
    ):
        before = sum(waits.reasons.values())
        what()
        assert sum(waits.reasons.values()) == before + 1, (waits.reasons, before)
    locked = waits.page_locked(16, DEVICE)
    locked.to(DEVICE, non_blocking=True)
    assert waits.copies == 1
    try:
        x + torch.ones(4, 3)
    except RuntimeError as error:
        print("two devices" if "two devices" in str(error) else error)
"""
    done = subprocess.run([sys.executable, "-c", script], **RUN)
    assert (done.returncode, done.stdout.strip()) == (0, "two devices"), done.stderr[-2000:]
