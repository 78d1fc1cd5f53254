"""`--log`: a run in TensorBoard, Weights & Biases and MLflow, which are stand-ins where missing."""

import sys
from types import SimpleNamespace

import pytest

from stars_infer.errors import MissingExtraError, UsageError
from stars_infer.train.trackers import TRACKERS, open_trackers

CONFIG = {"method": "mamp", "loop": {"lr": 1e-3}}


class Noting:
    """Notes every call, and is whatever its caller wants."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        def call(*args, **kwargs):
            self.calls.append((name, args, kwargs))
            return SimpleNamespace(
                id="run7", info=SimpleNamespace(run_id="run7"), log=self.log, finish=self.finish
            )

        return call

    def named(self, name):
        return [(args, kwargs) for called, args, kwargs in self.calls if called == name]


def follow(name, run, *, first=0, failed=False):
    (tracker,) = open_trackers([name, name], run, CONFIG, first)
    tracker.log(first + 1, {"loss": 2.5})
    tracker.close(failed=failed)


def test_tensorboard_keeps_every_number(tmp_path):
    pytest.importorskip("tensorboard", reason="pip install 'stars-infer[tensorboard]'")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    follow("tensorboard", tmp_path)
    follow("tensorboard", tmp_path, first=1)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(one.step, one.value) for one in events.Scalars("loss")] == [(1, 2.5), (2, 2.5)]


def test_weights_and_biases_goes_on_with_the_same_run(tmp_path, monkeypatch):
    wandb = Noting()
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    follow("wandb", tmp_path)
    follow("wandb", tmp_path, first=1, failed=True)
    (_, fresh), (_, resumed) = wandb.named("init")
    assert (fresh["id"], fresh["config"], fresh["project"]) == (None, CONFIG, "stars-infer")
    assert (resumed["id"], resumed["resume"]) == ("run7", "allow")
    assert wandb.named("log") == [(({"loss": 2.5},), {"step": 1}), (({"loss": 2.5},), {"step": 2})]
    assert [kwargs["exit_code"] for _, kwargs in wandb.named("finish")] == [0, 1]


def test_mlflow_goes_on_with_the_same_run(tmp_path, monkeypatch):
    mlflow = Noting()
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY", raising=False)
    follow("mlflow", tmp_path)
    follow("mlflow", tmp_path, first=1)
    assert [kwargs["run_id"] for _, kwargs in mlflow.named("start_run")] == [None, "run7"]
    assert mlflow.named("log_params") == [(({"method": "mamp", "loop.lr": 1e-3},), {})]
    assert [kwargs["step"] for _, kwargs in mlflow.named("log_metrics")] == [1, 2]
    assert mlflow.named("end_run") == [(("FINISHED",), {})] * 2


@pytest.mark.parametrize("name", TRACKERS)
def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch, name):
    module = "torch.utils.tensorboard" if name == "tensorboard" else name
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"--log {name} needs .*stars-infer\[{name}\]"):
        open_trackers([name], tmp_path, CONFIG, 0)


def test_unknown_ones_are_refused(tmp_path):
    with pytest.raises(UsageError, match="--log is one of tensorboard, wandb, mlflow, not 'paper'"):
        open_trackers(["paper"], tmp_path, CONFIG, 0)


def test_the_command_tells_what_is_to_come_and_is_followed(stars, trained, tmp_path, monkeypatch):
    wandb = Noting()
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    code, _, err = stars(
        "train", "pretrain", trained / "pack", "--out", "run", "--steps", 2, "--batch", 8,
        "--warmup", 0, "--width", 16, "--depth", 2, "--heads", 2, "--decoder-depth", 1,
        "--accelerator", "cpu", "--log-every", 1, "--log", "wandb",
    )  # fmt: skip
    assert code == 0, err
    assert "to go: 2 steps of" in " ".join(err.split())
    assert "GB of memory" in " ".join(err.split())
    assert [kwargs["step"] for _, kwargs in wandb.named("log")] == [1, 2]
    assert [kwargs["exit_code"] for _, kwargs in wandb.named("finish")] == [0]
