"""Thousands of clients, floods, and one line of anything: the stream goes on."""

import json
import os
import socket
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stars_infer.clips.convention import Convention
from stars_infer.errors import ClipError, UsageError
from stars_infer.streaming import feed as feeds
from stars_infer.streaming.feed import FrameFeed, lines_of_connections, unix_socket
from stars_infer.streaming.frames import FrameReader
from stars_infer.streaming.session import StreamSession

BODY = [[0.1 * joint, 1.0, 0.0] for joint in range(25)]
unix = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no unix sockets here")


def line(**values):
    return json.dumps(values).encode()


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([BODY, [BODY], 2**64, 10**400, "ntu25", "m"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["joints", "bodies", "time", "layout", "units", "fps", "up", "ids", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@settings(max_examples=50)
@given(st.lists(anything, max_size=4))
def test_one_line_of_anything_is_read_or_refused(values):
    reader = FrameReader(Convention(layout="ntu25"))
    for value in values:
        try:
            reader.read(json.dumps(value).encode(), source="line 1")
        except ClipError as error:
            assert "line 1" in str(error)
    assert reader.read(line(joints=BODY), source="line 2") is not None


@pytest.mark.parametrize("time", [2**64, 10**400, -(2**70)])
def test_a_time_that_is_none_is_refused(time):
    reader = FrameReader(Convention(layout="ntu25"))
    with pytest.raises(ClipError, match="'time' must be a number"):
        reader.read(b'{"joints": %s, "time": %d}' % (json.dumps(BODY).encode(), time), source="a")


def test_a_stream_may_begin_with_nobody():
    reader = FrameReader()
    assert reader.read(b"[]", source="line 1") is None
    assert reader.read(line(bodies=[]), source="line 2") is None
    with pytest.raises(UsageError, match="pass --layout"):
        reader.read(line(joints=BODY), source="line 3")
    points = [{"x": 0.1, "y": 0.2, "z": 0.3, "visibility": 1} for _ in range(33)]
    frame = reader.read(line(poseWorldLandmarks=[points]), source="line 4")
    assert frame.layout == "mediapipe33"
    with pytest.raises(ClipError, match="began with layout 'mediapipe33'"):
        reader.read(line(joints=BODY), source="line 5")
    assert reader.read(line(bodies=[]), source="line 6").bodies.shape == (0, 33, 3)


def test_a_frame_that_cannot_be_taken_does_not_end_the_stream():
    class Picky:
        skipped = late = 0

        def push_people(self, bodies, moment, identities):
            if moment > 5:
                raise UsageError("no such moment")
            return []

    lines = [line(joints=BODY, time=time) for time in (1, 9, 2)]
    feed = FrameFeed(lambda stop: iter(lines), wait=True)
    session = StreamSession(
        feed, FrameReader(Convention(layout="ntu25")), lambda layout: Picky(), even=True
    )
    events = list(session.events(timeout=60))
    assert [type(event) for event in events] == [type(None), ClipError, type(None)]
    assert (session.frames, session.unreadable) == (3, 1)


@pytest.fixture
def crowded(tmp_path, monkeypatch):
    """Connects clients to a feed: (connect, feed)."""
    monkeypatch.chdir(tmp_path)  # a path may be too long for a socket
    monkeypatch.setattr(feeds, "_SPEAKS", 1000.0)  # however busy the machine
    with unix_socket(Path("s")) as listener:
        clients = []

        def connect():
            client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            client.settimeout(120)
            client.connect("s")
            clients.append(client)
            return client

        feed = FrameFeed(lines_of_connections(listener))
        yield connect, feed
        feed.close()
        feed._thread.join(120)
        for client in clients:
            client.close()
    assert not feed._thread.is_alive()


def said(feed, client, text):
    client.sendall(text + b"\n")
    got = feed.get(120)
    return got is not None and got.text == text


@unix
def test_of_too_many_clients_the_silent_ones_go(crowded, monkeypatch):
    monkeypatch.setattr(feeds, "MOST_CONNECTIONS", 20)
    connect, feed = crowded
    speaker = connect()
    assert said(feed, speaker, b"first")
    silent = [connect() for _ in range(19)]
    assert said(feed, silent[-1], b"all are there")
    assert said(feed, speaker, b"still here")
    for _ in range(40):
        connect()
        assert said(feed, speaker, b"going on")
    assert silent[0].recv(1) == b""  # closed


@unix
def test_where_the_system_has_no_descriptor_left_the_feed_goes_on(crowded):
    resource = pytest.importorskip("resource", reason="no limits of descriptors here")
    if not os.path.isdir("/dev/fd"):
        pytest.skip("the system does not list descriptors")
    connect, feed = crowded
    speaker = connect()
    assert said(feed, speaker, b"first")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    waiting = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) for _ in range(40)]
    limit = min(soft, max(map(int, os.listdir("/dev/fd"))) + 10)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        for one in waiting:
            one.connect(speaker.getpeername())
            assert said(feed, speaker, b"going on")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for one in waiting:
            one.close()
    assert said(feed, connect(), b"new")


@unix
def test_many_that_come_between_two_lines_do_not_push_out_who_speaks(crowded, monkeypatch):
    monkeypatch.setattr(feeds, "MOST_CONNECTIONS", 8)
    connect, feed = crowded
    speaker = connect()
    assert said(feed, speaker, b"first")
    silent = [connect() for _ in range(30)]
    assert said(feed, silent[-1], b"all are there")
    assert said(feed, speaker, b"still here")


@unix
def test_who_spoke_long_ago_makes_room(crowded, monkeypatch):
    monkeypatch.setattr(feeds, "MOST_CONNECTIONS", 8)
    monkeypatch.setattr(feeds, "_SPEAKS", 0.0)
    connect, feed = crowded
    speakers = [connect() for _ in range(8)]
    for speaker in speakers:
        assert said(feed, speaker, b"first")
    assert said(feed, connect(), b"new")
    assert speakers[0].recv(1) == b""  # closed
    assert said(feed, speakers[1], b"still here")


@unix
def test_lines_that_never_end_are_bounded(crowded, monkeypatch):
    monkeypatch.setattr(feeds, "MOST_BEGUN", 300_000)
    connect, feed = crowded
    speaker, flood = connect(), [connect() for _ in range(4)]

    def pour(client):
        try:
            client.sendall(b"x" * 250_000)
        except OSError:
            return  # it was dropped

    threads = [threading.Thread(target=pour, args=(one,)) for one in flood]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert said(feed, speaker, b"going on")
