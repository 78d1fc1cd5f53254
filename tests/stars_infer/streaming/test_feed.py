import socket
import threading
import time
from pathlib import Path

import pytest

from stars_infer.clips.convention import Convention
from stars_infer.errors import ClipError, UsageError
from stars_infer.streaming.feed import (
    FrameFeed,
    lines_of_connections,
    lines_of_datagrams,
    lines_of_file,
    open_feed,
    udp_socket,
    unix_socket,
)
from stars_infer.streaming.frames import MAX_LINE, FrameReader

NTU = Convention(layout="ntu25")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder by a short name: of a longer one, a socket takes no path."""
    monkeypatch.chdir(tmp_path)
    return Path()


def wait_for(happens, seconds=120.0):
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def all_of(feed):
    got = []
    while True:
        try:
            line = feed.get(60)
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
    assert release.wait(60)
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
    assert feed.get(60).text == b"1"
    with pytest.raises(OSError, match="the cable is out"):
        feed.get(60)


def test_nothing_comes_from_a_silent_source():
    silent = threading.Event()
    feed = FrameFeed(lambda stop: iter([b"x"] * stop.wait(120)), wait=True)
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
        assert [feed.get(60).text for _ in range(3)] == [b"1", b"2", b"3"]
        feed.close()
        wait_for(lambda: not feed._thread.is_alive())


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no unix sockets here")
def test_connections_at_once_keep_their_lines_apart(here):
    path = here / "s"
    with unix_socket(path) as listener:
        feed = FrameFeed(lines_of_connections(listener))
        clients = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) for _ in range(2)]
        for client in clients:
            client.connect(str(path))
        clients[0].sendall(b"on")
        clients[1].sendall(b"two\n")
        assert feed.get(60).text == b"two"
        clients[0].sendall(b"e\nrest")
        assert feed.get(60).text == b"one"
        clients[0].close()
        assert feed.get(60).text == b"rest"
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


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no unix sockets here")
def test_a_feed_from_a_unix_socket_leaves_nothing_behind(here):
    path = here / "frames.sock"
    with open_feed(unix=path) as feed:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.connect(str(path))
            client.sendall(b"1\n2\n")
        assert [feed.get(60).text for _ in range(2)] == [b"1", b"2"]
    assert not path.exists()


def test_a_file_as_standard_input_is_read_to_its_end(tmp_path, monkeypatch):
    path = tmp_path / "lines"
    path.write_bytes(b"1\n" * 1000)  # more than the queue holds
    with path.open("rb") as file:
        monkeypatch.setattr("sys.stdin", file)
        with open_feed() as feed:
            assert len(all_of(feed)) == 1000
            assert feed.dropped == 0
