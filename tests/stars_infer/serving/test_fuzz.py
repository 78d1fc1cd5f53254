"""Whatever is sent, the server answers as OpenAPI says, and never with 500."""

import os
import shutil
import subprocess

import pytest

from stars_infer.client import Client
from tests.stars_infer.serving.conftest import clip
from tests.stars_infer.serving.test_process import Process

SECONDS = int(os.environ.get("STARS_FUZZ_SECONDS", "120"))
CHECKS = "not_a_server_error,status_code_conformance,response_schema_conformance"


@pytest.mark.slow
def test_no_request_that_is_made_up_has_a_wrong_answer(tiny_model, tmp_path):
    schemathesis = os.environ.get("STARS_SCHEMATHESIS") or shutil.which("schemathesis")
    if schemathesis is None:
        pytest.skip("schemathesis is not installed (pip install schemathesis)")
    server = Process(tiny_model, tmp_path / "stars.db")
    try:
        with Client(server.url) as client:
            for action in ("wave", "clap"):
                client.add(action, [clip(action, seed) for seed in range(3)])
        command = [schemathesis, "run", f"{server.url}/openapi.json", "--checks", CHECKS]
        limits = ["--max-time", str(SECONDS), "--max-examples", "5000", "--request-timeout", "30"]
        done = subprocess.run(
            [*command, *limits, "--continue-on-failure", "--no-color"],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )
    finally:
        server.stop()
    assert done.returncode == 0, done.stdout[-5000:]
    assert not [line for line in server.lines if line["level"] == "error"]
    assert not server.others
