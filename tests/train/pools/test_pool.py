"""Pools: clips as sensors see them, and the vectors they are to have."""

import json

import numpy as np
import pytest
import torch

from stars_infer.errors import StarsError, UsageError
from stars_infer.train.exported import load_start
from stars_infer.train.methods.kernel_distillation import KernelDistillation
from stars_infer.train.pools import pool as pools
from stars_infer.train.pools.nystrom import Nystrom, sequences_of_bodies
from stars_infer.train.pools.pool import Pool, PoolConfig, make_pool

WIDTH = 12


@pytest.fixture(scope="module")
def made(trained, tmp_path_factory):
    """A pool of two small blocks, its folder and its configuration."""
    folder = tmp_path_factory.mktemp("pools") / "pool"
    config = PoolConfig(pack=str(trained / "pack"), width=WIDTH, landmarks=128)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pools, "BLOCK", 128)
        seen = list(make_pool(config, folder, clips=200))
    assert seen == [(0, 256), (128, 256), (256, 256)]
    return folder, config


def test_a_pool_has_bodies_and_unit_vectors(made):
    pool = Pool.open(made[0])
    assert len(pool.clips) == 256
    assert pool.width == WIDTH
    bodies, vectors = pool.take(torch.tensor([0, 130, 255]))
    assert bodies.shape == (3, 64, 25, 3)
    assert bodies.isfinite().all()
    assert bodies.abs().max() < 4
    assert torch.allclose(vectors.norm(dim=1), torch.ones(3), atol=1e-3)
    assert torch.equal(pool.take(torch.tensor([130]))[0][0], bodies[1])
    assert pool.views.face_camera


def test_vectors_of_the_same_motion_are_alike_and_those_of_others_are_not(made):
    folder, config = made
    teacher = Nystrom.load(folder / pools.LANDMARKS)
    seen, clean = pools._drawn(config, 5)
    one, other = (teacher.vectors(sequences_of_bodies(some[:64])) for some in (seen, clean))
    alike = one @ other.T
    assert np.diag(alike).mean() > alike.mean() + 0.3


def test_a_pool_is_the_same_whoever_makes_it_and_goes_on_where_it_stopped(made, monkeypatch):
    folder, config = made
    monkeypatch.setattr(pools, "BLOCK", 128)
    blocks = sorted(folder.glob("block-*.npy"))
    before = [np.load(block) for block in blocks]
    blocks[0].unlink()
    assert list(make_pool(config, folder, clips=256)) == [(128, 256), (256, 256)]
    for block, records in zip(blocks, before, strict=True):
        again = np.load(block)
        assert np.array_equal(again["body"], records["body"])
        # The two forms of warping agree to 1e-6, half precision to less.
        assert np.allclose(again["vector"], records["vector"], atol=2e-3)


def test_a_pool_of_other_settings_is_not_mixed_in(made):
    folder, config = made
    other = PoolConfig(pack=config.pack, width=WIDTH, landmarks=128, seed=9)
    with pytest.raises(UsageError, match="the pool of another configuration"):
        list(make_pool(other, folder, clips=128))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (["--clips", 0], "clips"),
        (["--width", 0], "width"),
        (["--width", 200, "--landmarks", 128], "landmarks"),
        (["--borrowed", 2], "borrowed"),
        (["--jitter", -1], "jitter"),
    ],
)
def test_impossible_pools_are_refused(stars, trained, tmp_path, wrong, says):
    code, _, err = stars("train", "pool", trained / "pack", "--out", "pool", *wrong)
    assert code == 2
    assert says in err
    assert not (tmp_path / "pool").exists()


def test_the_folder_of_a_pool_is_neither_a_file_nor_damaged(stars, trained, tmp_path):
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    code, _, err = stars("train", "pool", trained / "pack", "--out", "file")
    assert (code, "is a file" in err) == (2, True)
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / pools.FACTS).write_text("{", encoding="utf-8")
    code, _, err = stars("train", "pool", trained / "pack", "--out", "old")
    assert (code, "another configuration" in err) == (2, True)


def test_what_is_no_pool_is_told(tmp_path, made):
    with pytest.raises(StarsError, match="not a readable pool"):
        Pool.open(tmp_path)
    facts = json.loads((made[0] / pools.FACTS).read_text(encoding="utf-8"))
    (tmp_path / pools.FACTS).write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(StarsError, match="no clip in this pool yet"):
        Pool.open(tmp_path)
    (tmp_path / "block-000000.npy").write_bytes(b"nonsense")
    with pytest.raises(StarsError, match="not a readable pool"):
        Pool.open(tmp_path)


def test_an_encoder_learns_from_a_pool_and_is_exported(made, trained, stars, tmp_path, monkeypatch):
    met, meet = [], KernelDistillation.meet
    monkeypatch.setattr(KernelDistillation, "meet", lambda *given: met.append(meet(*given)))
    tiny = ["--batch", 32, "--log-every", 1, "--accelerator", "cpu", "--quiet"]
    shape = ["--width", 32, "--depth", 2, "--heads", 2, "--posture-tokens", "--vector", WIDTH]
    code, _, err = stars(
        "train", "pretrain", trained / "pack", "--out", "mamp", "--steps", 2, "--warmup", 0,
        "--frames", 64, "--decoder-depth", 1, "--mask-ratio", 0.75, *shape, *tiny,
    )  # fmt: skip
    assert code == 0, err
    learn = ["train", "tune", "--recipe", "kernel-distillation", "--from", "mamp", *tiny]
    for resume in ((), ("--resume",)):
        run = ["--out", "kernel", "--steps", 40, "--lr", 0.01, "--parts", 2, *resume]
        code, _, err = stars(*learn, made[0], *run)
        assert code == 0, err
    assert len(met) == 1  # a run that goes on has its head already
    lines = (tmp_path / "kernel" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    losses = [json.loads(line)["loss"] for line in lines]
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) - 0.2
    code, _, err = stars("export", "--onnx", "kernel", "--out", "model")
    assert code == 0, err
    model = json.loads((tmp_path / "model" / "model.json").read_text(encoding="utf-8"))
    assert model["width"] == WIDTH
    assert model["preprocessing"]["pace"] == 0.5
    assert load_start(tmp_path / "model").config["encoder"]["parts"] == 2
    # What learns from a pack refuses a pool, and the other way around.
    code, _, err = stars("train", "tune", made[0], "--from", "mamp", "--out", "stars", *tiny)
    assert code == 2
    assert "is a pool, and stars learns from a pack" in " ".join(err.split())
    code, _, err = stars(*learn, trained / "pack", "--out", "other", "--steps", 2)
    assert code == 2
    assert "make one with `stars train pool`" in " ".join(err.split())
