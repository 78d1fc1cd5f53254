import json
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from stars_infer.clips.convention import Convention
from stars_infer.errors import ClipError, UsageError
from stars_infer.streaming.feed import (
    FrameFeed,
    lines_of_connections,
    lines_of_datagrams,
    lines_of_file,
    udp_socket,
    unix_socket,
)
from stars_infer.streaming.frames import MAX_LINE, FrameReader
from tests.stars_infer.cli.streaming import ACTED, FPS, recording

NTU = Convention(layout="ntu25")


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


def test_a_source_must_be_named(taught, monkeypatch, tmp_path, lines):
    for options in ([], ["-", "--udp", "127.0.0.1:1"], ["file.jsonl"]):
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
    assert process.wait(timeout=60) == 0  # standard input is still open
    _, err = process.communicate()
    assert b"frames, " in err
    assert b"Traceback" not in err


def test_a_closed_pipe_is_no_error(taught, lines):
    process = started("-", "--replay", "--json", "--every-answer", stdin=subprocess.PIPE)
    process.stdin.write(("\n".join(lines[:20]) + "\n").encode())
    process.stdin.flush()
    process.stdout.readline()
    process.stdout.close()
    process.stdin.write(("\n".join(lines[20:]) + "\n").encode())
    process.stdin.close()
    err = process.stderr.read()
    assert process.wait(timeout=120) == 0
    assert err == b""


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no unix sockets here")
def test_a_unix_socket_is_served_and_removed(taught, lines, tmp_path):
    path = tmp_path / "frames.sock"
    process = started("--unix", str(path), "--json")
    wait_for(path.exists)
    for part in (lines[:30], lines[30:60]):  # one connection after the other
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.connect(str(path))
            client.sendall("\n".join(part).encode())
    assert json.loads(process.stdout.readline())["answer"] == "unknown"
    process.send_signal(signal.SIGTERM)  # as a service is stopped
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert err == b""
    assert not path.exists()


def wait_for(happens, seconds=20.0):
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def all_of(feed):
    got = []
    while True:
        try:
            line = feed.get(5.0)
        except EOFError:
            return got
        assert line is not None
        got.append((line.number, line.text))


def test_the_oldest_lines_go_when_the_queue_is_full():
    release = threading.Event()

    def source(stop):
        yield from (b"%d" % number for number in range(10))
        release.set()

    feed = FrameFeed(source, size=4)
    assert release.wait(5)
    assert all_of(feed) == [(number, b"%d" % (number - 1)) for number in range(7, 11)]
    assert (feed.received, feed.dropped) == (10, 6)


def test_a_source_that_may_wait_loses_nothing():
    feed = FrameFeed(lambda stop: iter([b"%d" % n for n in range(50)]), size=4, wait=True)
    assert [text for _, text in all_of(feed)] == [b"%d" % n for n in range(50)]
    assert feed.dropped == 0


def test_a_source_that_fails_says_so():
    def source(stop):
        yield b"1"
        raise OSError("the cable is out")

    feed = FrameFeed(source)
    assert feed.get(5).text == b"1"
    with pytest.raises(OSError, match="the cable is out"):
        feed.get(5)


def test_nothing_comes_from_a_silent_source():
    silent = threading.Event()
    feed = FrameFeed(lambda stop: iter([b"x"] * stop.wait(30)), wait=True)
    assert feed.get(0.05) is None
    feed.close()
    assert not silent.is_set()
    wait_for(lambda: not feed._thread.is_alive())


def test_lines_of_a_file_that_are_too_long_are_one_line(tmp_path):
    path = tmp_path / "lines"
    path.write_bytes(b"1\n\n" + b"x" * (3 * MAX_LINE) + b"\n2")
    with path.open("rb") as file:
        one, long, two = lines_of_file(file)(threading.Event())
    assert (one, two) == (b"1\n", b"2")
    with pytest.raises(ClipError, match="longer than"):
        FrameReader(NTU).read(long, source="line 2")


def test_datagrams_hold_one_or_more_lines():
    with udp_socket("127.0.0.1:0") as udp:
        feed = FrameFeed(lines_of_datagrams(udp))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"1\n2\n", udp.getsockname())
            client.sendto(b"3", udp.getsockname())
        assert [feed.get(5).text for _ in range(3)] == [b"1", b"2", b"3"]
        feed.close()
        wait_for(lambda: not feed._thread.is_alive())


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no unix sockets here")
def test_connections_at_once_keep_their_lines_apart(tmp_path):
    path = tmp_path / "s"
    with unix_socket(path) as listener:
        feed = FrameFeed(lines_of_connections(listener))
        clients = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) for _ in range(2)]
        for client in clients:
            client.connect(str(path))
        clients[0].sendall(b"on")
        clients[1].sendall(b"two\n")
        assert feed.get(5).text == b"two"
        clients[0].sendall(b"e\nrest")
        assert feed.get(5).text == b"one"
        clients[0].close()
        assert feed.get(5).text == b"rest"
        with pytest.raises(UsageError, match="another process listens"):
            unix_socket(path)
        clients[1].close()
        feed.close()
        wait_for(lambda: not feed._thread.is_alive())
    unix_socket(path).close()  # the one that was left over is replaced
    path.unlink()
    path.write_text("precious")
    with pytest.raises(UsageError, match="not a socket"):
        unix_socket(path)
    assert path.read_text() == "precious"


@pytest.mark.parametrize("address", ["9000", "localhost", "localhost:x", "localhost:99999"])
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(UsageError, match="is no HOST:PORT"):
        udp_socket(address)


def read(line, convention=NTU):
    return FrameReader(convention).read(line.encode(), source="line 1")


def test_frames_come_in_several_forms(waving):
    body = waving[0, 0].tolist()
    for line in (body, [body], {"joints": body}, {"bodies": [body], "time": 2}):
        frame = read(json.dumps(line))
        np.testing.assert_allclose(frame.bodies, waving[:, 0])
        assert frame.layout == "ntu25"
        assert frame.time == (2.0 if isinstance(line, dict) and "time" in line else None)
    assert read("[]").bodies.shape == (0, 25, 3)
    assert read('{"bodies": [], "time_ms": 1500}').time == 1.5
    lost = read(json.dumps({"joints": [None, *body[1:]]}))
    assert np.isnan(lost.bodies[0, 0]).all()
    assert np.isfinite(lost.bodies[0, 1:]).all()
    unsure = read(json.dumps({"joints": body, "confidence": [0.1, *[0.9] * 24]}))
    assert np.isnan(unsure.bodies[0, 0]).all()


def test_units_axes_and_header_lines(waving):
    body = (1000 * waving[0, 0][:, [0, 2, 1]] * [1, -1, 1]).tolist()
    frame = read(json.dumps(body), Convention(layout="ntu25", units="mm", up="z"))
    np.testing.assert_allclose(frame.bodies[0], waving[0, 0], atol=1e-5)
    reader = FrameReader()
    assert (
        reader.read(b'{"layout": "ntu25", "units": "mm", "up": "z", "fps": 15}', source="x") is None
    )
    assert reader.fps == 15
    frame = reader.read(json.dumps(body).encode(), source="x")
    np.testing.assert_allclose(frame.bodies[0], waving[0, 0], atol=1e-5)


def test_mediapipe_needs_no_layout():
    person = [{"x": 0.01 * n, "y": 0.1, "z": 0.0, "visibility": 0.9} for n in range(33)]
    frame = read(json.dumps({"worldLandmarks": [person]}), None)
    assert frame.layout == "mediapipe33"
    assert frame.bodies[0, 5] == pytest.approx([-0.05, -0.1, 0.0])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not JSON"),
        ("3", "no frame"),
        ("{}", "no frame"),
        ('{"joints": [[1, 2, 3]]}', "1 joints, but layout 'ntu25' has 25"),
        ('{"joints": [[1, 2]]}', "expected"),
        ('{"bodies": 3}', "must be lists"),
        ('{"bodies": [], "time": "ü"}', "'time' must be a number"),
        ('{"bodies": [], "time": NaN}', "'time' must be a number"),
        ("[" * 100_000, "JSON"),
    ],
)
def test_a_line_that_is_no_frame_is_refused(line, message):
    with pytest.raises(ClipError, match=message):
        read(line)
