"""The command, and what is told where it cannot start."""

import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from importlib import import_module

import pytest

from stars_infer.errors import UsageError
from stars_infer.studio import run
from tests.conftest import call_stars


def test_a_folder_without_the_camera_s_files_is_told(tmp_path):
    (tmp_path / "wasm").mkdir()
    with pytest.raises(UsageError, match=r"holds no vision_bundle\.mjs, pose_landmarker\.task"):
        run.check_camera(tmp_path)


def test_a_port_in_use_is_told():
    with socket.socket() as taken:
        taken.bind((run.HOST, 0))
        taken.listen()
        with pytest.raises(OSError, match="try another --port"):
            run._listen(taken.getsockname()[1])


def test_a_missing_package_is_told(monkeypatch):
    command = import_module("stars_infer.cli.studio")  # whose name is its function's, too
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    code, _, err = call_stars("studio", "--no-browser")
    assert code == 1
    assert "stars-infer[studio]" in err


def test_the_address_stands_in_a_line_of_its_own(tmp_path, monkeypatch):
    address = "http://127.0.0.1:1/?token=x"
    monkeypatch.setattr(run, "serve_studio", lambda *args, tell, **kwargs: tell(address))
    code, _, err = call_stars("studio", "--no-browser", "--index", str(tmp_path / "stars.db"))
    assert code == 0
    assert err.splitlines()[0] == address


@pytest.mark.slow
def test_it_serves_until_ctrl_c(tmp_path):
    command = [sys.executable, "-m", "stars_infer", "studio", "--no-browser", "--json", "--index"]
    with subprocess.Popen(
        [*command, str(tmp_path / "stars.db")], stdout=subprocess.PIPE, text=True
    ) as running:
        address = json.loads(running.stdout.readline())["address"]
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(address.partition("?")[0])
        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 0
