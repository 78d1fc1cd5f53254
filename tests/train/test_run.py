import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
from lightning_fabric import Fabric

from stars_infer.errors import ModelError
from stars_infer.train.checkpoint import BEST, FILE, kept_name, load_checkpoint, save_checkpoint
from stars_infer.train.datasets.pack import Pack
from stars_infer.train.datasets.splits import add_split
from stars_infer.train.loop import fit
from stars_infer.train.methods import METHODS
from stars_infer.train.methods.classifier import ClassifierConfig
from stars_infer.train.methods.dino import DinoConfig
from stars_infer.train.methods.dtw_distillation import DTWDistillationConfig
from stars_infer.train.methods.kernel_distillation import KernelDistillationConfig
from stars_infer.train.methods.mae import MaeConfig
from stars_infer.train.methods.mamp import MampConfig
from stars_infer.train.methods.mamp_nnclr import MampNnclrConfig
from stars_infer.train.methods.moco import MocoConfig
from stars_infer.train.methods.nnclr import NnclrConfig
from stars_infer.train.methods.skeattnclr import SkeAttnClrConfig
from stars_infer.train.methods.skeleton2vec import Skeleton2vecConfig
from stars_infer.train.methods.stars import StarsConfig
from stars_infer.train.networks.encoder import EncoderConfig
from stars_infer.train.run import LoopConfig, RunConfig, build_method
from stars_infer.train.session import open_views
from stars_infer.train.views.config import ViewConfig
from tests.conftest import call_stars
from tests.train.random_pool import random_pool

SHAPE = EncoderConfig(width=16, depth=2, heads=2)


SMALL = {
    "mamp": MampConfig(decoder_depth=1),
    "mae": MaeConfig(decoder_depth=1),
    "skeleton2vec": Skeleton2vecConfig(decoder_depth=1, momentum=0.9),
    "nnclr": NnclrConfig(queue=20, hidden=32),
    "stars": StarsConfig(queue=20, hidden=32),
    "head-init": NnclrConfig(queue=20, hidden=32),
    "mamp-nnclr": MampNnclrConfig(queue=20, hidden=32, decoder_depth=1),
    "moco": MocoConfig(queue=20, hidden=32, projection=8),
    "dino": DinoConfig(prototypes=24, hidden=32, bottleneck=8, local_views=1),
    "skeattnclr": SkeAttnClrConfig(queue=20, hidden=32, projection=8),
    "dtw-distillation": DTWDistillationConfig(),
    "kernel-distillation": KernelDistillationConfig(),
    "classifier": ClassifierConfig(hidden=32),
}


def configuration(method, **loop):
    return RunConfig(
        method=method,
        data="recordings",
        clips=100,
        loop=LoopConfig(**({"steps": 6, "batch": 8, "log_every": 1} | loop)),
        encoder=SHAPE,
        views=ViewConfig(rotation=0.3),
        settings=SMALL[method],
    )


class Stopped(Exception):
    """Stands for a kill."""


def run(config, folder, pack, *, resume=None, stop_at=None):
    torch.manual_seed(config.loop.seed)
    method = build_method(config)
    method.before_first_step()
    data = random_pool(SHAPE) if method.pooled else pack
    views = open_views(method, data, config, device="cpu")

    def report(progress):
        if progress.step == stop_at:
            raise Stopped

    fabric = Fabric(accelerator="cpu", devices=1)
    return fit(method, views, config, folder, fabric=fabric, resume=resume, report=report)


def losses(folder):
    lines = (folder / "log.jsonl").read_text().splitlines()
    return {line["step"]: line["loss"] for line in map(json.loads, lines)}


@pytest.fixture(scope="module")
def pack(trained):
    return Pack.open(trained / "pack")


@pytest.mark.parametrize("method", sorted(METHODS))
def test_killed_run_resumes_with_the_same_losses_and_weights(tmp_path, pack, method):
    config = configuration(method, checkpoint_minutes=0.0)
    whole = run(config, tmp_path / "whole", pack)
    with pytest.raises(Stopped):
        run(config, tmp_path / "killed", pack, stop_at=4)
    earlier = load_checkpoint(tmp_path / "killed")
    assert earlier.step == 3
    assert sorted(losses(tmp_path / "killed")) == [1, 2, 3, 4]
    resumed = run(config, tmp_path / "killed", pack, resume=earlier)
    assert losses(tmp_path / "killed") == losses(tmp_path / "whole")
    assert resumed.weights.keys() == whole.weights.keys()
    assert ("contrast.queue.vectors" in whole.weights) == (
        method in ("stars", "head-init", "nnclr", "mamp-nnclr")
    )
    for name, tensor in whole.weights.items():
        torch.testing.assert_close(resumed.weights[name], tensor, rtol=0, atol=0, msg=name)
    for name, tensor in whole.optimizer.items():
        torch.testing.assert_close(resumed.optimizer[name], tensor, rtol=0, atol=0, msg=name)


def test_gradient_steps_add_up_to_the_batch(tmp_path, pack):
    at_once = run(configuration("mamp", steps=2), tmp_path / "a", pack)
    cut = run(configuration("mamp", steps=2, accumulate=4), tmp_path / "b", pack)
    assert losses(tmp_path / "a") == pytest.approx(losses(tmp_path / "b"), rel=1e-4)
    name = "encoder.blocks.0.mlp.0.weight"
    torch.testing.assert_close(at_once.weights[name], cut.weights[name], atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("method", ["mamp", "mae", "skeleton2vec", "stars", "dino"])
def test_loss_falls(tmp_path, pack, method):
    config = configuration(method, steps=40, lr=3e-3, final_lr=3e-3, warmup=5)
    run(config, tmp_path / "run", pack)
    curve = list(losses(tmp_path / "run").values())
    assert sum(curve[-5:]) < 0.97 * sum(curve[:5])


def test_checkpoint_keeps_configuration_and_history(tmp_path, pack):
    config = configuration("stars", steps=1)
    run(config, tmp_path / "run", pack)
    loaded = load_checkpoint(tmp_path / "run")
    assert RunConfig.from_json(loaded.config, source="test") == config
    assert loaded.history["git"]
    assert loaded.history["seconds"] >= 0
    assert os.listdir(tmp_path / "run").count(FILE) == 1


def test_damaged_checkpoints_are_refused(tmp_path, pack):
    with pytest.raises(ModelError, match="no checkpoint"):
        load_checkpoint(tmp_path)
    run(configuration("mamp", steps=1), tmp_path, pack)
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ModelError, match="not a readable checkpoint"):
        load_checkpoint(tmp_path)
    with pytest.raises(ModelError, match="its configuration cannot be used: .*surprise"):
        RunConfig.from_json({"method": "mamp", "surprise": 1}, source="x")
    with pytest.raises(ModelError, match="its configuration cannot be used: 'wizardry'"):
        RunConfig.from_json({"method": "wizardry"}, source="x")


PRETRAIN = [
    "--batch", "8", "--warmup", "0", "--log-every", "1", "--accelerator", "cpu",
    "--width", "16", "--depth", "2", "--heads", "2", "--decoder-depth", "1",
]  # fmt: skip


def test_command_line_refuses_to_overwrite_and_to_change_a_run(stars, trained, tmp_path):
    arguments = ["train", "pretrain", trained / "pack", "--out", "run", *PRETRAIN]
    assert stars(*arguments, "--steps", 2, "--resume")[0] == 2
    assert stars(*arguments, "--steps", 2)[0] == 0
    code, _, err = stars(*arguments, "--steps", 2)
    assert (code, "pass --resume" in err) == (2, True)
    code, _, err = stars(*arguments, "--steps", 3, "--tau", "0.75", "--resume")
    assert code == 2
    assert "loop.steps 2 → 3" in err
    assert "settings.tau 0.8 → 0.75" in err
    assert stars(*arguments, "--steps", 2, "--resume")[0] == 0


def test_a_run_from_before_a_setting_came_goes_on(stars, trained, tmp_path):
    arguments = ["train", "pretrain", trained / "pack", "--out", "run", *PRETRAIN, "--steps", 2]
    assert stars(*arguments)[0] == 0
    kept = load_checkpoint(tmp_path / "run")
    views = {key: value for key, value in kept.config["views"].items() if key != "uniform_sampling"}
    older = replace(kept, config={**kept.config, "views": views})
    save_checkpoint(older, tmp_path / "run")
    code, _, err = stars(*arguments, "--resume")
    assert code == 0, err
    code, _, err = stars(*arguments, "--uniform-sampling", "--resume")
    assert (code, "views.uniform_sampling False → True" in " ".join(err.split())) == (2, True)


def test_impossible_values_are_refused_by_name(stars, trained):
    arguments = ["train", "pretrain", trained / "pack", "--out", "run", "--steps", 1]
    arguments += ["--depth", 1, "--decoder-depth", 1, "--batch", 2, "--accelerator", "cpu"]
    for wrong, says in (
        (["--batch", 8, "--accumulate", 3], "batch (8) must be a multiple of accumulate (3)"),
        (["--width", 30], "width (30) must be a multiple of heads (8)"),
        (["--segment", 7], "frames (120) must be a multiple of segment (7)"),
        (["--accelerator", "abacus"], "accelerator 'abacus' cannot be used here"),
        (["--precision", "fp8"], "auto, 32-true, bf16-mixed"),
        (["--absent-bodies", "maybe"], "one of present, zeros, copy"),
        (["--mask-ratio", "1.5"], "mask_ratio"),
        (["--decode-every", "0"], "decode_every"),
    ):
        code, _, err = stars(*arguments, *wrong)
        assert (code, says in err.replace("\n", " ")) == (2, True), err


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_termination_leaves_a_checkpoint_to_resume(trained, tmp_path):
    command = [
        sys.executable, "-c", "from stars_infer.cli import main; main()",
        "train", "pretrain", trained / "pack", "--out", tmp_path / "run", "--steps", "100000",
        *PRETRAIN,
    ]  # fmt: skip
    process = subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True)
    log = tmp_path / "run" / "log.jsonl"
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and not (log.exists() and log.read_text().count("\n") > 2):
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 130, err
    assert "--resume goes on" in err
    assert load_checkpoint(tmp_path / "run").step >= 3


def test_the_best_epoch_is_kept(stars, trained, tmp_path):
    pack = tmp_path / "pack"
    shutil.copytree(trained / "pack", pack)
    add_split(pack, "people", train=["*P00[123]*"], test=["*P004*"])
    tiny = ["--batch", 8, "--queue", 32, "--hidden", 16, "--accelerator", "cpu", "--quiet"]
    tune = ["train", "tune", pack, "--from", trained / "mamp", "--out", tmp_path / "run", *tiny]
    code, _, err = stars(*tune, "--epochs", 2, "--validate-every", 1)
    assert (code, "--validate-every needs --split" in err) == (2, True), err
    code, _, err = stars(*tune, "--split", "people", "--epochs", 2, "--validate-every", 1)
    assert code == 0, err
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    scores = {line["step"]: line["validation"] for line in lines if "validation" in line}
    assert len(scores) == 2, scores
    best = load_checkpoint(tmp_path / "run" / BEST)
    assert best.history["validation"] == max(scores.values()) == scores[best.step]
    code, out, err = stars(
        "train", "eval", "knn", tmp_path / "run" / BEST, "--data", pack, "--split", "people",
        "--k", 10, "--json",
    )  # fmt: skip
    assert code == 0, err
    assert json.loads(out)["scores"][0]["accuracy"] == pytest.approx(best.history["validation"])


def test_kept_checkpoints_are_spread_over_the_run_and_end_it(trained, tmp_path):
    kept = tmp_path / "run"
    tiny = ["--width", 16, "--depth", 2, "--heads", 2, "--decoder-depth", 1, "--batch", 8]
    run = ["train", "pretrain", trained / "pack", "--out", kept, "--accelerator", "cpu", "--quiet"]
    code, _, err = call_stars(*run, *tiny, "--steps", 5, "--keep", 2)
    assert code == 0, err
    steps = [load_checkpoint(kept / kept_name(number)).step for number in (1, 2)]
    assert steps == [3, 5]
    assert not (kept / kept_name(3)).exists()
    last, of_end = load_checkpoint(kept), load_checkpoint(kept / kept_name(2))
    assert of_end.optimizer == {}
    assert all(torch.equal(last.weights[name], of_end.weights[name]) for name in last.weights)
    code, _, err = call_stars(*run, *tiny, "--steps", 5, "--keep", 6, "--resume")
    assert (code, "6 checkpoints cannot be kept of 5 steps" in err) == (2, True)
