"""Frames in, labels out."""

import json
import threading
import time
from concurrent.futures import CancelledError
from contextlib import suppress

import numpy as np
import pytest

from tests.stars_infer.serving.conftest import Server, clip

URL = "ws://localhost/v1/watch"


def frames(*actions):
    joints = np.concatenate([clip(action, 20)[0] for action in actions])
    return [
        json.dumps({"joints": np.round(one, 3).tolist(), "time": at / 30})
        for at, one in enumerate(joints)
    ]


def test_a_replayed_stream_is_named_to_its_end(server):
    with server.client.websocket_connect(f"{URL}?layout=ntu25&replay=1&interval=0.5") as stream:
        sent = frames("wave", "clap")
        for frame in sent:
            stream.send_text(frame)
        stream.send_text("")
        said = [stream.receive_json()]
        while "end" not in said[-1]:
            said.append(stream.receive_json())
    assert said[-1]["end"]["frames"] == len(sent)
    assert {"time", "answer", "confidence", "since", "candidate"} <= said[0].keys()
    assert server.service.watching == 0


def test_what_is_no_frame_is_told_and_the_stream_goes_on(server):
    with server.client.websocket_connect(f"{URL}?layout=ntu25") as stream:
        stream.send_text("{")
        assert stream.receive_json()["kind"] == "clip"
        stream.send_bytes(frames("wave")[0].encode())
        assert stream.receive_json()["answer"] == "unknown"
        stream.send_text("")
        assert stream.receive_json()["end"] == {
            "frames": 1,
            "changes": 0,
            "losses": {"dropped": 0, "late": 0, "unreadable": 1, "answers skipped": 0},
        }


@pytest.mark.parametrize(
    ("query", "says"),
    [("layout=/x.toml", "opens no files"), ("people=crowds", "people 'crowds'"),
     ("interval=0.5", "--layout"), ("unheard=1", None)],
)  # fmt: skip
def test_streams_that_mean_nothing_are_told_why(server, query, says):
    try:
        with server.client.websocket_connect(f"{URL}?{query}") as stream:
            stream.send_text(frames("wave")[0])
            said = stream.receive_json()
            assert says is not None
            assert says in said["error"]
            assert stream.receive()["code"] == 1008
    except Exception as error:
        assert says is None, error


def test_only_so_many_streams_are_followed(encoder, server, monkeypatch):
    monkeypatch.setattr(server.service, "watching", server.service.limits.watchers)
    with server.client.websocket_connect(URL) as stream:
        assert "which is all" in stream.receive_json()["error"]
        assert stream.receive()["code"] == 1013


def test_an_empty_index_is_told(encoder, tmp_path):
    with (
        Server(encoder, tmp_path / "new.db") as empty,
        empty.client.websocket_connect(URL) as stream,
    ):
        assert "the index is empty" in stream.receive_json()["error"]


def test_a_client_that_goes_leaves_nothing_behind(server):
    for _ in range(3):
        with (
            suppress(CancelledError),  # which Starlette's client raises in the application
            server.client.websocket_connect(f"{URL}?layout=ntu25") as stream,
        ):
            stream.send_text(frames("wave")[0])
    end = time.monotonic() + 120
    while (server.service.watching or following()) and time.monotonic() < end:
        time.sleep(0.05)
    assert server.service.watching == 0
    assert not following()


def following():
    """Threads of streams."""
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if "(follow)" in name or "(_read)" in name]
