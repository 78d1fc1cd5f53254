"""A loss that is no number, damaged checkpoints, and what a run is expected to need."""

import json
import os

import numpy as np
import pytest
import torch

from benchmarks.training.miniature import clips, miniature
from stars_infer.errors import ModelError, StarsWarning
from stars_infer.train.checkpoint import FILE, PREVIOUS, load_checkpoint
from stars_infer.train.datasets.pack import Pack
from stars_infer.train.divergence import REPORT, DivergedError
from stars_infer.train.forecast import Forecast, duration, forecast
from stars_infer.train.methods import Stars
from stars_infer.train.methods.method import StepOutput
from stars_infer.train.recipe import load_recipe
from stars_infer.train.run import build_method
from stars_infer.train.session import open_fabric, open_views, train


@pytest.fixture(scope="module")
def fabric():
    return open_fabric("cpu", 1, "32-true")


@pytest.fixture(scope="module")
def pack():
    return clips()


def config_of(**flags):
    return miniature(load_recipe("stars"), steps=4, checkpoint_minutes=0.0, **flags)


class Diverging:
    """Lets the loss of one forward pass be NaN."""

    def __init__(self, monkeypatch, at):
        self.calls, self.at, self.plain = 0, at, Stars.forward
        monkeypatch.setattr(Stars, "forward", lambda method, *views: self.forward(method, *views))

    def forward(self, method, *views):
        self.calls += 1
        loss, keys = self.plain(method, *views)
        return StepOutput(loss * float("nan") if self.calls == self.at else loss, keys)


@pytest.mark.parametrize("log_every", [1, 4])
def test_nan_stops_the_run_and_keeps_the_last_good_checkpoint(
    pack, fabric, tmp_path, monkeypatch, log_every
):
    Diverging(monkeypatch, at=3)
    config = config_of(log_every=log_every)
    with pytest.raises(DivergedError, match="loss of step 3 is no number.*step 2 is kept") as error:
        train(config, pack, tmp_path, fabric=fabric)
    kept = load_checkpoint(tmp_path)
    assert kept.step == 2
    assert all(tensor.isfinite().all() for tensor in kept.weights.values())
    report = json.loads((tmp_path / REPORT).read_text(encoding="utf-8"))
    views = open_views(build_method(config), pack, config, device="cpu")
    expected = [pack.clips[int(number)].source for number in views.clips_of_step(2)]
    assert (report["step"], report["clips"], report["checkpoint"]) == (3, expected, 2)
    assert report["clips"][0] in str(error.value)


def test_clips_that_are_no_numbers_are_named(pack, fabric, tmp_path):
    joints = np.array(pack.joints)
    joints[pack.clips[5].start : pack.clips[5].start + 85] = np.nan
    damaged = Pack(joints=joints, clips=pack.clips, facts={})
    with pytest.raises(DivergedError, match="clip 5 hold positions that are no finite numbers"):
        train(config_of(), damaged, tmp_path, fabric=fabric)


def damage(path):
    content = bytearray(path.read_bytes())
    content[-100] ^= 0xFF
    path.write_bytes(bytes(content))


def test_a_damaged_checkpoint_gives_way_to_the_one_before(pack, fabric, tmp_path):
    last = train(config_of(), pack, tmp_path, fabric=fabric)
    before = load_checkpoint(tmp_path / PREVIOUS)
    damage(tmp_path / FILE)
    with pytest.raises(ModelError, match="damaged: its contents are not those"):
        load_checkpoint(tmp_path / FILE)
    with pytest.warns(StarsWarning, match=f"the one before it, of step {before.step}, is used"):
        again = train(config_of(), pack, tmp_path, fabric=fabric, resume=True)
    for name, tensor in last.weights.items():
        torch.testing.assert_close(again.weights[name], tensor, rtol=0, atol=0, msg=name)
    damage(tmp_path / FILE)
    damage(tmp_path / PREVIOUS)
    with pytest.raises(ModelError, match=f"{PREVIOUS}: damaged"):
        load_checkpoint(tmp_path)


def test_a_checkpoint_is_on_the_disk_before_it_takes_its_place(pack, fabric, tmp_path, monkeypatch):
    done = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda file: (done.append("flushed"), fsync(file))[1])
    rename = type(tmp_path).replace
    monkeypatch.setattr(
        type(tmp_path), "replace", lambda a, b: (done.append(b.name), rename(a, b))[1]
    )
    train(miniature(load_recipe("stars"), steps=1), pack, tmp_path, fabric=fabric)
    at = done.index(FILE)
    assert (done[at - 1], done[at + 1]) == ("flushed", "flushed")
    assert replace is os.replace


def test_a_forecast_changes_nothing_and_grows_with_the_batch(pack, fabric):
    config = config_of()
    method = build_method(config)
    views = open_views(method, pack, config, device="cpu")
    before = {name: tensor.clone() for name, tensor in method.state_dict().items()}
    expected = forecast(method, views, config, fabric=fabric, first=1)
    assert expected.steps == 3
    assert expected.step_seconds > 0
    assert expected.memory > sum(t.numel() * t.element_size() for t in before.values())
    for name, tensor in method.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0, msg=name)


def test_a_forecast_in_words():
    some = {"steps": 1000, "step_seconds": 9.0, "accumulate": 1, "there": 16 * 10**9}
    assert Forecast(**some, memory=2 * 10**9).in_words() == (
        "about 2.5 hours to go: 1,000 steps of 9 s; about 2.0 GB of memory of 16.0"
    )
    assert "too little: --accumulate 4 needs less" in Forecast(**some, memory=15 * 10**9).in_words()
    assert (duration(5), duration(200), duration(400_000)) == ("5 s", "3.3 minutes", "4.6 days")
