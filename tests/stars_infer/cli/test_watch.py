import itertools
import json
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from types import SimpleNamespace

import numpy as np
import pytest

from tests.stars_infer.cli.streaming import ACTED, FPS, recording


@pytest.fixture
def taught(stars, recordings):
    for action in ACTED:
        assert stars("fewshot", "add-class", recordings / action)[0] == 0
    return stars


@pytest.fixture
def lines():
    """JSON lines of somebody who waves, then squats."""
    joints, _ = recording("wave", "squat")
    return [
        json.dumps({"joints": frame.round(3).tolist(), "time": round(number / FPS, 4)})
        for number, frame in enumerate(joints)
    ]


def watch_file(stars, monkeypatch, path, *options):
    with path.open("rb") as file:
        monkeypatch.setattr(sys, "stdin", file)
        return stars("watch", "-", "--layout", "ntu25", *options)


def test_a_recorded_stream_is_named(taught, monkeypatch, tmp_path, lines):
    path = tmp_path / "stream.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    code, out, err = watch_file(taught, monkeypatch, path, "--json")
    answers = list(map(json.loads, out.splitlines()))
    assert (code, err) == (0, "")
    said = [answer["answer"] for answer in answers]
    assert [label for label in said if label != "unknown"] == ["wave", "squat"]
    assert all(a["since"] == a["time"] for a in answers)
    code, out, err = watch_file(taught, monkeypatch, path, "--quiet")
    assert out.split() == said
    code, out, err = watch_file(taught, monkeypatch, path)
    assert [line.split("\t")[1] for line in out.splitlines()] == said
    assert f"{len(lines)} frames" in err
    assert "latency" in err
    seconds = map(float, itertools.count())  # an answer seems to take one
    clock = SimpleNamespace(perf_counter=lambda: next(seconds))
    monkeypatch.setattr("stars_infer.streaming.classifier.clock", clock)
    code, out, _ = watch_file(taught, monkeypatch, path, "--json", "--every-answer")
    assert len(out.splitlines()) == pytest.approx(len(lines) / FPS / 0.2, abs=2)


def test_bad_lines_are_counted_and_the_rest_goes_on(taught, monkeypatch, tmp_path, lines):
    lines[10:10] = ["{bad", '{"joints": [[1, 2]]}', "[]", '{"joints": "ü"}', "\xff", "3"]
    path = tmp_path / "stream.jsonl"
    path.write_text("\n".join(lines), encoding="latin-1")
    code, out, err = watch_file(taught, monkeypatch, path)
    assert code == 0
    assert "wave" in out
    assert "5 unreadable" in err
    assert "line 11" in err
    path.write_text("{}\n{}\n", encoding="utf-8")
    code, _, err = watch_file(taught, monkeypatch, path)
    assert code == 1
    assert "none of 2 line(s) could be read" in " ".join(err.split())


def test_what_makes_the_units_doubtful_is_said_once(taught, monkeypatch, tmp_path):
    joints, _ = recording("wave")
    path = tmp_path / "stream.jsonl"
    path.write_text("\n".join(json.dumps(frame.tolist()) for frame in 100 * joints))
    _, _, err = watch_file(taught, monkeypatch, path)
    assert err.count("note: stream: ") == err.count("--units cm") == 1, err
    _, _, err = watch_file(taught, monkeypatch, path, "--units", "cm")
    assert "note: " not in err


def test_a_file_is_watched_for_each_person(taught, tmp_path, lines):
    (tmp_path / "stream.jsonl").write_text("\n".join(lines), encoding="utf-8")
    flags = ("--layout", "ntu25")
    code, out, err = taught("watch", "stream.jsonl", *flags, "--json")
    assert (code, err) == (0, "")
    said = [json.loads(line)["answer"] for line in out.splitlines()]
    assert [label for label in said if label != "unknown"] == ["wave", "squat"]
    joints, _ = recording("wave", "squat")
    np.save(tmp_path / "stream.npy", np.stack((joints, joints[::-1] + np.float32([2, 0, 0]))))
    code, out, _ = taught("watch", "stream.npy", "--people", "each", "--json")
    assert code == 0
    answers = [json.loads(line) for line in out.splitlines()]
    told = {
        who: [a["answer"] for a in answers if a["people"] == [who] and a["answer"] != "unknown"]
        for who in ("0", "1")
    }
    assert told["0"] == ["wave", "squat"]
    assert set(told["1"]) <= {"wave", "squat"}
    code, out, _ = taught("watch", "stream.npy", "--people", "each", "--quiet")
    assert {line.split("\t")[0] for line in out.splitlines()} == {"person 0", "person 1"}
    assert taught("watch", "none.jsonl")[0] == 2


def test_a_source_must_be_named(taught, monkeypatch, tmp_path, lines):
    for options in ([], ["-", "--udp", "127.0.0.1:1"], ["file.jsonl", "--unix", "s"]):
        code, _, err = taught("watch", *options)
        assert code == 2
        assert "name one source of frames" in err
    path = tmp_path / "stream.jsonl"
    path.write_text(lines[0], encoding="utf-8")
    with path.open("rb") as file:
        monkeypatch.setattr(sys, "stdin", file)
        code, _, err = taught("watch", "-")
    assert code == 2
    assert "pass --layout" in err
    assert taught("watch", "-", "--index", "none.db")[0] == 1


def started(*options, **pipes):
    """`stars watch` as a process of its own, which Ctrl-C ends.

    A shell has what it starts in the background ignore Ctrl-C, and the tests may be run there.
    """
    return subprocess.Popen(
        [sys.executable, "-m", "stars_infer", "watch", "--layout", "ntu25", *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL), **pipes,
    )  # fmt: skip


def test_ctrl_c_ends_with_a_summary(taught, lines, tmp_path):
    process = started("-", stdin=subprocess.PIPE)
    process.stdin.write(("\n".join(lines[:40]) + "\n").encode())
    process.stdin.flush()
    assert b"unknown" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=300) == 0  # standard input is still open
    _, err = process.communicate()
    assert b"frames, " in err
    assert b"Traceback" not in err


def test_a_closed_pipe_is_no_error(taught, lines):
    process = started("-", "--replay", "--json", "--every-answer", stdin=subprocess.PIPE)
    process.stdin.write(("\n".join(lines[:20]) + "\n").encode())
    process.stdin.flush()
    process.stdout.readline()
    process.stdout.close()
    with suppress(BrokenPipeError):  # it may have ended by now
        process.stdin.write(("\n".join(lines[20:]) + "\n").encode())
    with suppress(BrokenPipeError):
        process.stdin.close()
    err = process.stderr.read()
    assert process.wait(timeout=300) == 0
    assert err == b""


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no unix sockets here")
def test_a_unix_socket_is_served_and_removed(taught, lines, tmp_path):
    path = tmp_path / "frames.sock"
    process = started("--unix", path.name, "--json")  # a path may be too long for a socket
    wait_for(path.exists)
    for part in (lines[:30], lines[30:60]):  # one connection after the other
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            wait_for(lambda: client.connect_ex(path.name) == 0)
            client.sendall("\n".join(part).encode())
    assert json.loads(process.stdout.readline())["answer"] == "unknown"
    process.send_signal(signal.SIGTERM)  # as a service is stopped
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0
    assert err == b""
    assert not path.exists()


def wait_for(happens, seconds=120.0):
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
