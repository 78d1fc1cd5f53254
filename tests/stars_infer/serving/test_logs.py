"""Whatever a server has to say is a line of JSON."""

import json
import subprocess
import sys

CODE = """
import threading, warnings
from stars_infer.serving.logs import LOGGER, log_as_json
log_as_json()
LOGGER.info("begun", extra={"route": "/v1"})
warnings.warn("two\\nlines")
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
"""


def test_warnings_and_what_ends_a_thread_are_lines_too():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    first, second, third = map(json.loads, done.stderr.splitlines())
    assert (first["level"], first["message"], first["route"]) == ("info", "begun", "/v1")
    assert second["level"] == "warning"
    assert "UserWarning: two\nlines" in second["message"]
    assert (third["level"], third["message"]) == ("error", "a thread has ended")
    assert "ZeroDivisionError" in third["trace"]
