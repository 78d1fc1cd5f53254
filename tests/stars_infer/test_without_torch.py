"""The runtime works where the packages of the other extras cannot be imported."""

import json
import subprocess
import sys

import numpy as np
import pytest

BLOCKED = ("torch", "lightning_fabric", "safetensors", "onnx", "onnxscript")
BLOCK = f"""
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {BLOCKED!r}:
            raise ImportError(f"{{name}} is blocked")

sys.meta_path.insert(0, Blocked())
"""


def python(code, *arguments, **options):
    return subprocess.run(
        [sys.executable, "-c", BLOCK + code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


@pytest.fixture
def stars_without_torch(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setenv("STARS_MODEL", str(tiny_model))
    monkeypatch.delenv("STARS_INDEX", raising=False)

    def run(*arguments):
        code = "from stars_infer.cli import main; main()"
        return python(code, *arguments, cwd=tmp_path)

    return run


def test_every_module_of_the_runtime_imports():
    done = python("""
import importlib, pkgutil, pathlib
import stars_infer
for name in stars_infer.__all__:
    getattr(stars_infer, name)
root = pathlib.Path(stars_infer.__file__).parent
for path in root.rglob("*.py"):
    name = ".".join(path.relative_to(root.parent).with_suffix("").parts).removesuffix(".__init__")
    if not name.startswith(("stars_infer.train", "stars_infer.exporters")):
        importlib.import_module(name)
        print(name)
""")
    assert done.returncode == 0, done.stderr
    assert "stars_infer.cli.demo" in done.stdout
    assert "stars_infer.index.index" in done.stdout


def test_every_runtime_command_runs(stars_without_torch, recordings, tmp_path):
    waves = sorted((recordings / "wave").iterdir())
    for arguments in (
        ["demo", "--performers", 4],
        ["embed", recordings / "wave", "--out", "x.npz"],
        ["fewshot", "add-class", *waves[:2]],
        ["fewshot", "add-class", recordings / "walk"],
        ["fewshot", "list"],
        ["fewshot", "info"],
        ["fewshot", "eval", recordings, "--shots", 1],
        ["classify", waves[3], "--json"],
        ["fewshot", "remove", "walk"],
        ["model", "list"],
        ["model", "info"],
        ["layouts"],
        ["doctor"],
        ["data", "inspect", waves[3], "--picture", "--html", "wave.html"],
        ["data", "--help"],
        ["--version"],
        [],
    ):
        done = stars_without_torch(*arguments)
        assert done.returncode == 0, (arguments, done.stderr)
        assert done.stdout.strip()
    assert np.load(tmp_path / "x.npz")["embeddings"].shape == (4, 32)


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["train", "pretrain", "pack", "--out", "run"], "train"),
        (["train"], "train"),
        (["data", "pack", "x", "--out", "pack"], "train"),
        (["data", "prepare", "--help"], "train"),
        (["data", "split"], "train"),
        (["export", "--onnx", "run"], "export"),
        (["model", "import", "x.pth", "--out", "m"], "export"),
    ],
)
def test_commands_of_other_extras_say_what_to_install(stars_without_torch, arguments, extra):
    done = stars_without_torch(*arguments)
    assert done.returncode == 1
    assert f"pip install 'stars-infer[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_of_other_extras_says_what_the_command_is_for(stars_without_torch):
    done = stars_without_torch("train", "pretrain", "-h")
    assert done.stdout == "`stars train`: Train an encoder: pretrain (MAMP), tune (STARS).\n"
    assert "needs torch, lightning_fabric, safetensors, which are not installed" in done.stderr
    assert "Make a pack of NTU" in stars_without_torch("data", "prepare", "--help").stdout


def test_doctor_shows_the_missing_extras(stars_without_torch):
    done = stars_without_torch("doctor", "--json")
    found = {line["what"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert found["stars train"]["state"] == "missing"
    assert "`stars data pack, prepare, split` needs torch" in found["stars data"]["detail"]
    assert found["cpu"]["state"] == "ok"
