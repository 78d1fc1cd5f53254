"""Work spread over processes."""

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stars_infer.errors import StarsError
from stars_infer.parallel import ordered_map


def test_results_come_in_order_and_few_ahead():
    squares = ordered_map(math.isqrt, [n * n for n in range(300)], workers=2, chunk=4)
    assert list(squares) == list(range(300))
    with pytest.raises(ValueError, match="nonnegative"):
        list(ordered_map(math.isqrt, [1, -1], workers=2, chunk=1))


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="no masks of signals here")
def test_ctrl_c_waits_while_processes_start():
    """They inherit the mask, and would print where they were interrupted."""
    code = (
        "import os, signal\n"
        "from stars_infer.parallel import _uninterrupted\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "try:\n"
        "    with _uninterrupted():\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        print('the end')\n"
        "    print('beyond')\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.stdout.split("\n") == ["the end", "interrupted", ""]


def test_a_worker_that_is_killed_is_a_clear_error():
    with pytest.raises(StarsError, match="a worker process was killed.*fewer --workers"):
        list(ordered_map(os._exit, [9] * 16, workers=2, chunk=8))


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc to find processes")
def test_workers_do_not_outlive_the_run():
    code = (
        "import time; from stars_infer.parallel import ordered_map; "
        "list(ordered_map(time.sleep, [60] * 4, workers=2, chunk=1))"
    )
    run = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)

    def state(pid):
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return "gone"

    def until(condition):
        end = time.monotonic() + 300
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.02)

    def children():
        return Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()

    try:
        until(lambda: len(children()) >= 3)  # two workers and the tracker of their semaphores
        workers = children()
    finally:
        run.kill()
        run.wait()
    until(lambda: all(state(pid) in ("gone", "Z") for pid in workers))
