"""Several processes train as one does: same losses, same queue, checkpoints that fit both."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import distributed as dist
from torch.nn import functional as F

from stars_infer.train.checkpoint import load_checkpoint
from stars_infer.train.distributed import all_gather, all_reduce, own_rows, rank, world_size
from stars_infer.train.methods import METHODS
from stars_infer.train.networks.norm import SharedBatchNorm
from tests.train.host_tensors import collectives_of_a_gpu

SCRIPT = Path(__file__).parent / "two_processes.py"


def trained_by(count, pack, out, *resume):
    done = subprocess.run(
        [sys.executable, SCRIPT, pack, out, str(count), *map(str, resume)],
        capture_output=True,
        text=True,
        timeout=900,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return out


@pytest.fixture(scope="module")
def runs(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    pack = trained / "pack"
    return trained_by(1, pack, folder / "one"), trained_by(2, pack, folder / "two")


def losses(run):
    return [json.loads(line)["loss"] for line in (run / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("method", sorted(METHODS))
def test_two_processes_give_the_losses_of_one(runs, method):
    one, two = (run / method for run in runs)
    assert len(losses(one)) == 4
    assert losses(two) == pytest.approx(losses(one), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_process_ends_with_the_same_weights_and_queue(runs, method):
    first, second = (load_file(runs[1] / method / f"process{n}.safetensors") for n in (0, 1))
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        torch.testing.assert_close(second[name], tensor, rtol=0, atol=0, msg=name)
    alone = load_file(runs[0] / method / "process0.safetensors")
    for name in alone:
        if "queue" in name:
            torch.testing.assert_close(first[name], alone[name], rtol=1e-3, atol=1e-3, msg=name)


def test_every_process_encodes_some_clips_and_has_the_features_of_all(runs):
    alone = load_file(runs[0] / "features" / "process0.safetensors")["features"]
    assert len(alone) == 7
    for number in (0, 1):
        found = load_file(runs[1] / "features" / f"process{number}.safetensors")["features"]
        torch.testing.assert_close(found, alone, rtol=1e-5, atol=1e-6)


def test_checkpoints_go_from_one_number_of_processes_to_another(runs, trained, tmp_path):
    saved = load_checkpoint(runs[0] / "stars")
    assert saved.step == 4
    trained_by(2, trained / "pack", tmp_path / "on", runs[0])
    trained_by(1, trained / "pack", tmp_path / "back", runs[1])
    again = load_checkpoint(tmp_path / "on" / "stars")
    for name, tensor in saved.weights.items():
        torch.testing.assert_close(again.weights[name], tensor, rtol=0, atol=0, msg=name)


def test_alone_there_is_nobody_to_ask():
    x = torch.randn(3, 2, requires_grad=True)
    assert (world_size(), rank()) == (1, 0)
    assert all_gather(x) is x
    assert all_reduce(x) is x
    assert own_rows(3, x.device).tolist() == [0, 1, 2]
    norm = SharedBatchNorm(2)
    torch.testing.assert_close(norm(x), F.batch_norm(x, None, None, training=True))


def test_the_stand_in_for_a_gpu_refuses_what_the_host_made():
    """All runs of two processes above train under it."""
    everywhere = torch.device("cpu")
    with collectives_of_a_gpu():
        on_host = torch.tensor([1.0])
        on_device = torch.tensor([1.0], device=everywhere)
        for tensor in (on_host, on_host.clone() + 1, torch.ones(2)):
            with pytest.raises(RuntimeError, match="NCCL"):
                dist.all_reduce(tensor)
        # Nobody to talk to is as far as these come here.
        for tensor in (on_device, on_host.to(everywhere), on_device * on_host):
            with pytest.raises(ValueError, match="process group"):
                dist.all_reduce(tensor)
        for gather in (dist.all_gather, dist.all_gather_into_tensor):
            with pytest.raises(RuntimeError, match="NCCL"):
                gather(torch.empty(1, device=everywhere), on_host)
