import dataclasses
import json

import pytest

from stars_infer.bench import network
from stars_infer.encoder.model import GRAPH_FILE
from stars_infer.errors import ProviderError
from stars_infer.runtimes.runtime import RuntimeChoice

QUICK = ("--seconds", "0.01")


@pytest.fixture(autouse=True)
def settings(tmp_path, monkeypatch):
    monkeypatch.setattr("typer.get_app_dir", lambda name: str(tmp_path / "settings" / name))
    monkeypatch.delenv("STARS_DEVICE", raising=False)
    return tmp_path / "settings" / "stars-infer" / "runtime.json"


@pytest.fixture
def only_cpu(monkeypatch):
    """One runtime, measured in this process."""
    monkeypatch.setattr(
        network, "choices_here", lambda graph: [RuntimeChoice(device="cpu", threads=1)]
    )
    monkeypatch.setattr(network, "measure_apart", network.measure)


def records(text):
    return [json.loads(line) for line in text.splitlines()]


def found(stars, what):
    code, out, err = stars("doctor", "--json")
    assert code == 0, err
    return {line["what"]: line for line in records(out)}[what]


def test_every_runtime_in_a_process_of_its_own(stars, settings, tiny_model):
    code, out, err = stars("bench", *QUICK, "--json")
    assert code == 0, err
    *lines, last = records(out)
    runs = [line for line in lines if "runtime" in line]
    assert {run["runtime"]["device"] for run in runs} >= {"cpu"}
    assert {(run["runtime"]["device"], run["runtime"]["precision"]) for run in runs} == {
        (how.device, how.precision) for how in network.choices_here(tiny_model / GRAPH_FILE)
    }
    for run in runs:
        assert run["exact"]
        assert run["p95_ms"] >= run["p50_ms"] > 0
        assert run["clips_per_second"] == pytest.approx(
            1000 * run["runtime"]["batch"] / run["p50_ms"]
        )
    steps = [line["step"] for line in lines if "step" in line]
    assert steps == ["read .skeleton", "read .npy", "prepare", "compare with 1,000"]
    assert last["best"] in [run["runtime"] for run in runs]
    assert not settings.exists()


@pytest.mark.usefixtures("only_cpu")
def test_the_best_is_kept_shown_and_used(stars, settings, recordings):
    assert found(stars, "default runtime")["state"] == "missing"
    code, out, err = stars("bench", *QUICK, "--save")
    assert code == 0, err
    assert "cpu fp32, 1 thread" in out
    assert "--device or STARS_DEVICE overrule it" in " ".join(err.split())
    shown = found(stars, "default runtime")
    assert shown["state"] == "ok"
    assert "cpu fp32, 1 thread" in shown["detail"]
    code, _, err = stars("embed", recordings / "wave", "--out", "x.npz")
    assert (code, err) == (0, "")
    kept = json.loads(settings.read_text())
    settings.write_text(json.dumps(kept | {"cpu": "Z80"}))
    code, _, err = stars("embed", recordings / "wave", "--out", "x.npz")
    assert code == 0
    assert "note: the saved runtime (cpu fp32, 1 thread) was measured on another processor" in err
    assert "another processor, Z80" in found(stars, "default runtime")["detail"]


@pytest.mark.usefixtures("only_cpu")
def test_device_and_environment_overrule(stars, settings, recordings, monkeypatch):
    assert stars("bench", *QUICK, "--save")[0] == 0
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"cpu": "Z80"}))
    arguments = ("embed", recordings / "wave", "--out", "x.npz")
    assert stars(*arguments, "--device", "cpu")[2] == ""
    monkeypatch.setenv("STARS_DEVICE", "cpu")
    assert stars(*arguments)[2] == ""
    monkeypatch.setenv("STARS_DEVICE", "coreml")
    code, _, err = stars(*arguments)
    assert code == 1
    assert "'coreml' is not available here" in err


def test_runtime_that_disagrees_is_marked_and_not_kept(stars, settings, monkeypatch):
    def measured(graph, how, bodies, reference, *, seconds):
        cpu = RuntimeChoice(device="cpu")
        rows = network.measure(graph, cpu, bodies, reference, seconds=seconds, batches=(1,))
        if how.device == "cpu":
            return rows
        times = dataclasses.replace(rows[0].times, p50=1e-9)
        how = dataclasses.replace(how, batch=1)
        return [dataclasses.replace(rows[0], how=how, times=times, agreement=0.99)]

    choices = [RuntimeChoice(device="openvino", precision="bf16"), RuntimeChoice(device="cpu")]
    monkeypatch.setattr(network, "choices_here", lambda graph: choices)
    monkeypatch.setattr(network, "measure_apart", measured)
    code, out, err = stars("bench", *QUICK, "--save", "--quiet")
    assert code == 0, err
    assert "0.99000 not exact" in out
    assert json.loads(settings.read_text())["choice"]["device"] == "cpu"


def test_runtime_that_does_not_run_is_reported_and_the_others_go_on(stars, monkeypatch):
    def measured(graph, how, bodies, reference, *, seconds):
        if how.device != "cpu":
            raise ProviderError(f"device {how.device!r} does not run here")
        return network.measure(graph, how, bodies, reference, seconds=seconds, batches=(1,))

    choices = [RuntimeChoice(device="cuda"), RuntimeChoice(device="cpu")]
    monkeypatch.setattr(network, "choices_here", lambda graph: choices)
    monkeypatch.setattr(network, "measure_apart", measured)
    code, out, err = stars("bench", *QUICK, "--json")
    assert code == 0
    assert records(err) == [{"source": "cuda fp32", "error": "device 'cuda' does not run here"}]
    assert records(out)[-1]["best"]["device"] == "cpu"


def test_nothing_that_can_be_chosen_is_an_error(stars, settings, monkeypatch):
    monkeypatch.setattr(network, "EXACT", 1.5)
    monkeypatch.setattr(network, "choices_here", lambda graph: [RuntimeChoice(device="cpu")])
    monkeypatch.setattr(network, "measure_apart", network.measure)
    code, out, err = stars("bench", *QUICK, "--save")
    assert code == 1
    assert "not exact" in " ".join(out.split())
    assert "no runtime here gives the vectors of float32" in err
    assert not settings.exists()


def test_settings_that_cannot_be_written(stars, settings, only_cpu):
    settings.parent.parent.mkdir()
    settings.parent.write_text("a file where the folder should be")
    code, _, err = stars("bench", *QUICK, "--save")
    assert code == 1
    assert "runtime.json: cannot be written" in err
