"""`--engine ray` on the command line, with a cluster that is this process."""

import json
from contextlib import contextmanager

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the extra [formats] is not installed")
pytest.importorskip("fsspec", reason="the extra [ray] is not installed")

from stars_infer.cluster import engine
from stars_infer.cluster.engine import InThisProcess
from stars_infer.synthetic.actions import perform
from tests.conftest import call_stars


@pytest.fixture
def stars(monkeypatch, tmp_path):
    """The command line in a folder of clips, with what it asks of a cluster."""
    asked = []

    @contextmanager
    def joined(address, *, workers, gpus):
        asked.append((address, workers, gpus))
        yield InThisProcess()

    monkeypatch.setattr(engine, "joined_cluster", joined)
    monkeypatch.setattr(engine, "check_ray", lambda: None)
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for action in ("clap", "wave"):
        (tmp_path / "clips" / action).mkdir(parents=True)
        for number in range(2):
            np.save(tmp_path / f"clips/{action}/{number}.npy", perform(action, random))
    call = call_stars
    call.asked = asked
    return call


RAY = ("--engine", "ray")


def test_clips_are_taught_named_embedded_and_found(stars):
    code, out, err = stars(
        "fewshot", "add-class", "clips/clap", "clips/wave", *RAY, "--index", "i.db", "--workers", 2
    )
    assert code == 0, err
    assert out.count("2") >= 2
    code, out, err = stars("classify", "clips", *RAY, "--index", "i.db", "--out", "named", "--json")
    assert code == 0, err
    last = json.loads(out.splitlines()[-1])
    assert (last["files"], last["of"], last["clips"], last["seconds_left"]) == (4, 4, 4, 0)
    code, out, err = stars("embed", "clips", *RAY, "--out", "job", "--gpus", 0.5)
    assert code == 0, err
    code, out, err = stars("search", "clips/clap/0.npy", "--in", "job", "-k", 1, "-q")
    assert out.split("\t")[-1].strip() == "clips/clap/0.npy"
    assert stars.asked == [(None, 2, 0), (None, None, 0), (None, None, 0.5)]
    code, out, err = stars("embed", "clips", *RAY, "--out", "job")
    assert "goes on: 4 of 4 files are done" in err


def test_what_cannot_be_used_is_told_and_ends_with_1(stars, tmp_path):
    for number in range(30):
        (tmp_path / f"clips/bad{number}.npy").write_bytes(b"nothing")
    code, _, err = stars("embed", "clips", *RAY, "--out", "job")
    assert code == 1
    assert err.count("error: clips/bad") == 3
    assert "… and 27 more for the same reason: not a NumPy array file" in err
    assert "30 clips failed; each is a row with its error in job" in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("embed", "clips", "--engine", "spark", "--out", "x.npz"), "choose local or ray"),
        (("classify", "clips", *RAY), "name it with --out"),
        (("classify", "clips", "--out", "x"), "--out is of --engine ray"),
        (("classify", "clips", *RAY, "--out", "x", "--explain"), "leaves --explain"),
    ],
)
def test_wrong_usage_is_told(stars, arguments, told):
    code, _, err = stars(*arguments)
    assert (code, told in err) == (2, True), err


def test_without_ray_the_extra_is_named(stars, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(engine, "find_spec", lambda name: None if name == "ray" else name)
    for command in (("embed", "clips", "--out", "x"), ("serve",), ("fewshot", "add-class", "x")):
        code, _, err = call_stars(*command, *RAY)
        assert code == 1
        assert "pip install 'stars-infer[ray]'" in err
