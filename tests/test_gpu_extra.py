"""What `[gpu]` and `[train-gpu]` install is of one CUDA major, and can be had on Windows."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

REPOSITORY = Path(__file__).parents[1]
FIRST_OF_CUDA_13 = {"onnxruntime-gpu": "1.27.0", "torch": "2.11.0", "cuda-bindings": "13.0.0"}
"""As their metadata says; `test_one_cuda_major_is_resolved` asks the index."""
LAST_OF_CUDA_12 = {"onnxruntime-gpu": "1.26.0", "torch": "2.10.0", "cuda-bindings": "12.9.4"}


def requirements(system):
    """What `[train-gpu]` requires on a system, by name."""
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    found = {}
    for text in (*extras["gpu"], *extras["train-gpu"]):
        one = Requirement(text)
        if one.name != "stars-infer" and (
            one.marker is None or one.marker.evaluate({"sys_platform": system})
        ):
            found[one.name] = one
    return found


def test_all_versions_that_may_be_installed_take_cuda_12():
    needed = requirements("linux")
    assert needed.keys() == {"onnxruntime-gpu", "faiss-gpu", "cuda-bindings", "torch"}
    for name, version in FIRST_OF_CUDA_13.items():
        assert version not in needed[name].specifier, name
        assert LAST_OF_CUDA_12[name] in needed[name].specifier, name
    assert needed["onnxruntime-gpu"].extras == {"cuda", "cudnn"}


def test_windows_gets_faiss_for_the_cpu():
    needed = requirements("win32")
    assert "faiss-gpu" not in needed
    assert "faiss-cpu" in needed
    assert "onnxruntime-gpu" in needed


@pytest.mark.slow
def test_one_cuda_major_is_resolved(tmp_path):
    report = tmp_path / "report.json"
    command = [
        sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet",
        "--only-binary", ":all:", "--report", str(report),
        *map(str, requirements("linux").values()),
    ]  # fmt: skip
    if sys.platform != "linux":
        pytest.skip("the packages of Linux are resolved on Linux")
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    if done.returncode and re.search(
        r"No matching distribution|Connection|resolve host", done.stderr
    ):
        pytest.skip(f"no package index can be reached: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr[-2000:]
    installed = json.loads(report.read_text(encoding="utf-8"))["install"]
    names = {one["metadata"]["name"]: one["metadata"]["version"] for one in installed}
    majors = {re.search(r"-cu(\d\d)$", name)[1] for name in names if re.search(r"-cu\d\d$", name)}
    assert majors == {"12"}, names
    assert names["cuda-bindings"].startswith("12.")
    assert not {"cuda-toolkit", "nvidia-cuda-runtime", "nvidia-cublas"} & set(names), names
