"""Clips are added in batches; what was done stays when somebody stops it."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest

from stars_infer import Encoder, ExemplarIndex
from stars_infer.embedding import additions
from stars_infer.embedding.additions import BatchAdder
from stars_infer.embedding.files import embed_files
from stars_infer.errors import UsageError
from stars_infer.readers.files import clip_files
from stars_infer.synthetic.files import write_recordings


@pytest.fixture(scope="module")
def shipped():
    return Encoder.load()


@pytest.fixture(scope="module")
def files(shipped, recordings):
    paths = clip_files([recordings / "wave", recordings / "walk"])
    return list(embed_files(shipped, paths, skip=print, defer_network=True))


def test_a_batch_is_added_when_it_is_full_or_late(shipped, files, monkeypatch):
    monkeypatch.setattr(additions, "CLIPS_PER_BATCH", 3)
    monkeypatch.setattr(additions, "SECONDS_PER_BATCH", 1000)
    with ExemplarIndex.in_memory(shipped.info) as index:
        adder = BatchAdder(lambda: index, None)
        added = []
        for file in files[:7]:
            adder.add(file)
            added.append(adder.added)
        assert added == [0, 0, 3, 3, 3, 6, 6]
        assert len(index) == 6
        adder.flush()
        adder.flush()
        assert len(index) == len(adder.done) == 7
        adder.add(files[0])
        adder.flush()
        assert adder.done[-1].known.source == files[0].source
        assert (len(index), adder.added, len(adder.done)) == (7, 7, 8)
        monkeypatch.setattr(additions, "SECONDS_PER_BATCH", -1)
        adder.add(files[7])
        assert adder.added == 8
        assert index.counts() == {"walk": 4, "wave": 4}


def test_a_batch_that_fails_waits_and_no_index_is_made_for_nothing(shipped, files):
    opened = []

    def open_index():
        opened.append(ExemplarIndex.in_memory(shipped.info))
        return opened[-1]

    adder = BatchAdder(open_index, "unknown")
    adder.flush()
    assert not opened
    adder.add(files[0])
    for _ in range(2):
        with pytest.raises(UsageError, match="cannot be a label"):
            adder.flush()
    assert adder.added == 0


_SLOW = """
import signal, sys, time
from stars_infer.embedding import additions, files
from stars_infer.cli import main

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
additions.CLIPS_PER_BATCH, additions.SECONDS_PER_BATCH = 4, 1000
read = files.Reading.outcomes

def slowly(self, path):
    time.sleep(0.2)
    return read(self, path)

files.Reading.outcomes = slowly
main()
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
def test_ctrl_c_keeps_what_is_done_and_says_so(tmp_path):
    list(write_recordings(tmp_path / "clips", performers=10, seed=0))
    command = ["fewshot", "add-class", "clips", "--workers", "1"]
    running = subprocess.Popen(
        [sys.executable, "-c", _SLOW, *command, "--json"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "STARS_MODEL": "stars-mocap-small", "PYTHONUNBUFFERED": "1"},
    )
    first = running.stdout.readline()  # the first batch is in
    assert json.loads(first)["added"]
    running.send_signal(signal.SIGINT)
    rest, err = running.stdout.read(), running.stderr.read()
    assert running.wait(300) == 130, err
    said = re.search(r"stopped: (\d+) of 70 clips were added; run the same command again", err)
    added = int(said[1])
    assert 4 <= added < 70
    assert added <= 1 + len(rest.splitlines()) <= added + 1
    with ExemplarIndex.open(tmp_path / "stars.db", Encoder.load().info) as index:
        assert len(index) == added
    again = subprocess.run(
        [sys.executable, "-m", "stars_infer", *command, "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "STARS_MODEL": "stars-mocap-small"},
    )
    counts = [json.loads(line)["added"] for line in again.stdout.splitlines()]
    assert (counts.count(False), counts.count(True)) == (added, 70 - added)
