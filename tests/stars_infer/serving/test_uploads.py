"""The folder of uploads: of its own, gone in the end, and swept after a server that was killed."""

import subprocess
import sys
import tempfile

import pytest

pytest.importorskip("starlette", reason="the extra [serve] is not installed")

from stars_infer.serving.settings import Limits
from stars_infer.serving.uploads import Spool


def test_what_a_killed_server_left_is_removed(tmp_path, monkeypatch):
    code = "import os; from stars_infer.serving.settings import Limits\n"
    code += "from stars_infer.serving.uploads import Spool; Spool(Limits()); os._exit(9)"
    subprocess.run([sys.executable, "-c", code], env={"TMPDIR": str(tmp_path)}, check=False)
    (left,) = tmp_path.iterdir()
    (left / "clip.npy").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    spool = Spool(Limits())
    (own,) = tmp_path.iterdir()
    assert own != left
    assert own.stat().st_mode & 0o777 == 0o700
    spool.close()
    assert not list(tmp_path.iterdir())
