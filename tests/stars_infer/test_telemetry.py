"""Nothing is sent, and no id is made: every path in a process with a guard on its sockets."""

import ast
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
GUARD = """
# Imported by Python at its start, in worker processes too.
import json, os, socket, sys

def note(what, said):
    with open(os.environ["GUARD_NOTES"], "a") as file:
        file.write(json.dumps([what, said]) + "\\n")

def refuse(name):
    def refused(*arguments, **named):
        note("network", f"{name} {arguments[-1:]}")
        raise OSError(f"{name}: no network here")
    return refused

def guarded(name):
    asked, refused = getattr(socket.socket, name), refuse(name)
    def connect(self, *arguments):
        if self.family == getattr(socket, "AF_UNIX", None):
            return asked(self, *arguments)
        return refused(*arguments)
    return connect

for name in ("connect", "connect_ex", "sendto"):
    setattr(socket.socket, name, guarded(name))
for name in ("getaddrinfo", "gethostbyname", "create_connection"):
    setattr(socket, name, refuse(name))

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name in ("onnxruntime", "openvino", "openvino_telemetry"):
            note(name, os.environ.get("ORT_DISABLE_TELEMETRY"))
        return None

sys.meta_path.insert(0, Watch())
"""
EACH_RUNTIME = """
import sys
import numpy as np
from pathlib import Path
from stars_infer.runtimes.open import available_choices, open_runtime
graph = Path(sys.argv[1]) / "encoder.onnx"
for how in available_choices(graph):
    print(open_runtime(graph, how).run(np.zeros((1, 120, 25, 3), np.float32)).shape)
"""
EXPORTERS = "import stars_infer.exporters.cli"
PUBLIC = "import stars_infer; stars_infer.Encoder.load(__import__('sys').argv[1], device='cpu')"


@pytest.fixture
def guarded(tmp_path, tiny_model, monkeypatch):
    """Run Python under the guard, telemetry asked for, in a home of its own: what it noted."""
    home, notes, work = tmp_path / "home", tmp_path / "notes", tmp_path / "work"
    for folder in (home, work, tmp_path / "guard"):
        folder.mkdir()
    (tmp_path / "guard/sitecustomize.py").write_text(GUARD, encoding="utf-8")

    def run(*arguments):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("XDG_")}
        environment |= {
            "HOME": str(home),
            "USERPROFILE": str(home),
            "LOCALAPPDATA": str(home),
            "PYTHONPATH": str(tmp_path / "guard"),
            "GUARD_NOTES": str(notes),
            "STARS_MODEL": str(tiny_model),
            "ORT_DISABLE_TELEMETRY": "0",
            "CI": "",  # OpenVINO says nothing in continuous integration
        }
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=work, env=environment, capture_output=True, text=True, timeout=900,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert list(home.rglob("*")) == []
        noted = [json.loads(line) for line in notes.read_text().splitlines()]
        assert [said for what, said in noted if what == "network"] == []
        assert {said for what, said in noted if what == "onnxruntime"} <= {"1"}
        return {what for what, _ in noted}

    return run


@pytest.mark.parametrize(
    "code", [EACH_RUNTIME, EXPORTERS, PUBLIC], ids=["runtimes", "exporters", "public"]
)
def test_the_package_sends_nothing(guarded, tiny_model, code):
    assert "onnxruntime" in guarded("-c", code, tiny_model)


def test_the_commands_send_nothing(guarded, recordings):
    commands = (
        ("embed", recordings / "wave", "--out", "v.npz", "--workers", 2, "--quiet"),
        ("doctor", "--quiet"),
        ("bench", "--seconds", 0.01, "--quiet"),
    )
    noted = set().union(*(guarded("-m", "stars_infer", *command) for command in commands))
    assert "onnxruntime" in noted
    assert ("openvino" in noted) == (find_spec("openvino") is not None)


def test_the_guard_sees_what_openvino_sends(guarded):
    """Without the package's own care, the import of OpenVINO is reported."""
    pytest.importorskip("openvino_telemetry")
    code = (
        "import openvino, os, pathlib, time\n"
        "notes, end = pathlib.Path(os.environ['GUARD_NOTES']), time.monotonic() + 60\n"
        "while 'network' not in notes.read_text() and time.monotonic() < end: time.sleep(0.05)"
    )
    with pytest.raises(AssertionError):
        guarded("-c", code)


def test_openvino_telemetry_can_be_imported_by_others():
    from stars_infer.telemetry import silent_openvino

    sys.modules["openvino_telemetry"] = known = type(sys)("openvino_telemetry")
    try:
        with silent_openvino(), pytest.raises(ImportError):
            import openvino_telemetry
        import openvino_telemetry

        assert openvino_telemetry is known
    finally:
        del sys.modules["openvino_telemetry"]


def test_runtimes_are_imported_behind_the_switch_only():
    """Scripts leave ONNX Runtime to the package; OpenVINO is imported in one place."""
    for room in ("benchmarks", "exporters", "stars_infer", "train"):
        for path in (REPOSITORY / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom):
                    names = [node.module or ""]
                tops = {name.partition(".")[0] for name in names}
                if "openvino" in tops:
                    assert path.name == "openvino.py"
                if "onnxruntime" in tops:
                    assert room != "benchmarks", path
