import pytest

from stars_infer import diagnosis
from stars_infer.diagnosis import diagnose
from stars_infer.errors import MissingExtraError


@pytest.fixture(autouse=True)
def settings(tmp_path, monkeypatch):
    """A folder of settings of its own."""
    monkeypatch.setattr("typer.get_app_dir", lambda name: str(tmp_path / "settings" / name))


def found(**arguments):
    return {one.what: one for one in diagnose(**arguments)}


def test_every_runtime_of_the_model_runs(tiny_model, tmp_path):
    seen = found(model=str(tiny_model), index=tmp_path / "stars.db")
    assert seen["model"].detail.startswith("tiny in ")
    assert seen["cpu"].state == "ok"
    assert "ms a body" in seen["cpu"].detail
    assert seen["default runtime"].state == "missing"
    assert (seen["index"].state, seen["index"].detail) == (
        "missing",
        f"{tmp_path}/stars.db: none yet",
    )
    (tmp_path / "stars.db").write_bytes(bytes(2048))
    assert found(model="none", index=tmp_path / "stars.db")["index"].detail.endswith(", 2 KiB")


def test_a_runtime_that_breaks_and_a_model_that_is_not_there_are_problems(tiny_model, monkeypatch):
    def broken(graph, choice):
        raise RuntimeError("the driver is too old\nsecond line")

    monkeypatch.setattr(diagnosis, "open_runtime", broken)
    cpu = found(model=str(tiny_model))["cpu"]
    assert (cpu.state, cpu.detail) == ("problem", "the driver is too old")
    missing = found(model="nothing")
    assert missing["model"].state == "problem"
    assert "no model 'nothing'" in missing["model"].detail
    assert "cpu" not in missing


def test_an_optional_part_is_ready_or_says_what_it_needs():
    def absent():
        raise MissingExtraError("`stars train`", "train", "torch")

    seen = found(model="nothing", optional={"stars train": absent, "stars data": lambda: None})
    assert seen["stars data"].state == "ok"
    assert seen["stars train"].state == "missing"
    assert "pip install 'stars-infer[train]'" in seen["stars train"].detail


def test_wheels_that_overwrite_each_other_are_a_problem(monkeypatch):
    versions = {"onnxruntime": "1.23", "onnxruntime-gpu": "1.23", "faiss-cpu": "1.12"}
    monkeypatch.setattr(diagnosis, "installed_version", versions.get)
    seen = found(model="nothing")
    assert seen["ONNX Runtime"].state == "problem"
    assert "pip uninstall onnxruntime onnxruntime-gpu" in seen["ONNX Runtime"].detail
    assert (seen["FAISS"].state, seen["FAISS"].detail) == ("ok", "faiss-cpu 1.12")
    monkeypatch.setattr(diagnosis, "installed_version", lambda name: None)
    assert "not installed" in found(model="nothing")["FAISS"].detail
