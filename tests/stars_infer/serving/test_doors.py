"""Who may ask, how much, and what is told of it."""

import asyncio
import json
import logging

import pytest
from starlette.testclient import WebSocketDenialResponse

from stars_infer.errors import UsageError
from stars_infer.serving import lengths
from stars_infer.serving.gate import Gate
from stars_infer.serving.keys import Keys
from stars_infer.serving.logs import JsonFormatter
from stars_infer.serving.run import Place
from stars_infer.serving.settings import Access, Limits
from tests.stars_infer.serving.conftest import Server, as_file

URL = "ws://localhost/v1/watch"
READ, WRITE = "a-key-for-reading-only", "a-key-for-writing-too"


@pytest.fixture(scope="module")
def guarded(encoder, tmp_path_factory):
    """A server that wants keys, and a name."""
    access = Access(keys=Keys.of([READ], [WRITE]), hosts=frozenset({"localhost"}))
    path = tmp_path_factory.mktemp("guarded") / "stars.db"
    with Server(encoder, path, access=access) as running:
        running.post("exemplars?label=wave", as_file("wave", 0), headers=bearer(WRITE))
        yield running


def bearer(key):
    return {"authorization": f"Bearer {key}"}


@pytest.mark.parametrize(
    ("key", "read", "write"),
    [(None, 401, 401), ("wrong", 401, 401), (READ, 200, 403), (WRITE, 200, 200)],
)
def test_keys(guarded, key, read, write):
    headers = {} if key is None else bearer(key)
    for path in ("models", "exemplars"):
        assert guarded.client.get(f"/v1/{path}", headers=headers).status_code == read
    assert guarded.client.get("/metrics", headers=headers).status_code == read
    assert guarded.client.get("/openapi.json", headers=headers).status_code == read
    what = {"label": "wave", "to": "wave"}
    changed = guarded.client.patch("/v1/exemplars", json=what, headers=headers)
    assert changed.status_code == write
    assert guarded.client.get("/v1/exemplars/file", headers=headers).status_code == write
    assert guarded.client.get("/healthz").status_code == 200
    assert guarded.client.get("/readyz").status_code == 200


def test_streams_want_keys_too(guarded):
    connect = guarded.client.websocket_connect
    with pytest.raises(WebSocketDenialResponse) as raised, connect(URL):
        pass
    assert raised.value.status_code == 401
    with guarded.client.websocket_connect(URL, headers=bearer(READ)) as stream:
        stream.send_text("")
        assert "end" in stream.receive_json()


def test_pages_of_other_sites_and_other_names_are_refused(guarded):
    other = {**bearer(WRITE), "origin": "http://evil.example"}
    assert guarded.client.get("/v1/models", headers=other).status_code == 403
    same = {**bearer(WRITE), "origin": "http://localhost"}
    answer = guarded.client.get("/v1/models", headers=same)
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control")]
    rebound = {**bearer(WRITE), "host": "evil.example"}
    assert guarded.client.get("/v1/models", headers=rebound).status_code == 421


def test_keys_come_from_files_and_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("STARS_READ_KEYS", READ)
    file = tmp_path / "keys"
    file.write_text(f"# of the robot\n{WRITE}  # until May\n\n")
    keys = Keys.read(None, file)
    assert keys.may_read(READ)
    assert keys.may_write(WRITE)
    assert not keys.may_write(READ)
    assert READ not in repr(keys)
    file.write_text("short\n")
    with pytest.raises(UsageError, match="at least 16") as raised:
        Keys.read(None, file)
    assert "short" not in str(raised.value)
    file.write_text("# none\n")
    with pytest.raises(UsageError, match="holds no key"):
        Keys.read(file)
    with pytest.raises(UsageError, match="cannot be read"):
        Keys.read(tmp_path / "nowhere")


def test_without_keys_only_this_machine_is_served():
    assert "localhost" in Place().access.hosts
    for host in ("0.0.0.0", "::", "example.org"):
        with pytest.raises(UsageError, match="--read-keys"):
            Place(host=host)
        with pytest.raises(UsageError, match="--read-keys"):
            Place(host=host, keys=Keys.of([], [WRITE]))
        assert Place(host=host, anybody=True).access.hosts == frozenset()
        Place(host=host, keys=Keys.of([READ]))
    with pytest.raises(UsageError, match="--ssl-certfile"):
        Place(certificate_key="key.pem")


def test_no_key_and_no_query_is_logged(guarded, caplog):
    caplog.set_level(logging.INFO, "stars_infer.serving")
    guarded.client.get("/v1/exemplars?label=private", headers=bearer(READ))
    guarded.client.get("/v1/exemplars", headers=bearer("not-the-key-at-all"))
    lines = [json.loads(JsonFormatter().format(record)) for record in caplog.records]
    assert [line["status"] for line in lines] == [200, 401]
    assert lines[0]["route"] == "/v1/exemplars"
    assert not {READ, "private", "not-the-key-at-all"} & set(" ".join(map(str, lines)).split())
    assert READ not in str(lines)
    assert "private" not in str(lines)


def test_requests_have_numbers(guarded):
    own = guarded.client.get("/healthz", headers={"x-request-id": "robot-7"})
    assert own.headers["x-request-id"] == "robot-7"
    bad = guarded.client.get("/healthz", headers={"x-request-id": "a b\tc"})
    assert bad.headers["x-request-id"] != "a b\tc"


def test_too_much_is_told(server, encoder):
    large = ("clip", ("large.npy", bytes(500_000)))
    said = server.post("classify", large)
    assert (said.status_code, "more than 0.381 MB" in said.json()["error"]) == (413, True)
    chunks = server.client.post(
        "/v1/classify?name=x.npy", content=iter([bytes(300_000), bytes(300_000)])
    )
    assert chunks.status_code == 413
    many = server.post("classify", *[as_file("wave", seed) for seed in range(5)])
    assert (many.status_code, "more than 4 files" in many.json()["error"]) == (413, True)
    assert server.service.spool.kept == 0
    server.service.spool._removing.submit(str).result()  # what was given to it before is done
    assert not list(server.service.spool._folder.iterdir())


def test_long_addresses_and_headers_are_told(server, monkeypatch):
    monkeypatch.setattr(lengths, "LONGEST_ADDRESS", 50_000)  # the client sends no longer ones
    for path in ("/healthz", "/v1/models", "/nowhere"):
        said = server.client.get(f"{path}?x={'a' * 50_000}")
        assert (said.status_code, "address and its query" in said.json()["error"]) == (414, True)
        said = server.client.get(path, headers={"x": "a" * 20_000})
        assert (said.status_code, "16384 bytes" in said.json()["error"]) == (431, True)


def test_the_first_page_says_what_this_is(server):
    said = server.client.get("/").json()
    assert said["name"] == "stars-infer"
    for path in (said["requests"], said["state"]):
        assert server.client.get(path).status_code == 200


def test_what_is_no_form_is_told(server):
    post = server.client.post
    assert post("/v1/classify").status_code == 415
    assert post("/v1/classify", data={"a": "b"}).status_code == 415
    form = {"content-type": "multipart/form-data; boundary=x"}
    assert post("/v1/classify", content=b"--y", headers=form).status_code == 400
    video = server.post("classify", ("clip", ("x.mp4", b"#EXTM3U")))
    assert "servers read no videos" in video.json()["error"]
    text = server.client.post("/v1/classify", files=[("label", (None, "wave"))])
    assert "options stand in the query" in text.json()["error"]
    assert server.client.get("/nowhere").json()["kind"] == "server"


def test_a_full_server_says_when_to_come_again(server):
    gate = server.service.gate
    gate.inside += 4
    try:
        said = server.post("classify", as_file("wave", 0))
        assert (said.status_code, int(said.headers["retry-after"]) >= 1) == (429, True)
        assert server.client.get("/readyz").status_code == 429
        assert server.client.get("/v1/exemplars").status_code == 200
    finally:
        gate.inside -= 4


def test_the_wait_follows_from_how_long_requests_take(monkeypatch):
    from stars_infer.errors import ServerError

    gate = Gate(1)
    with gate.enter():
        with pytest.raises(ServerError) as raised, gate.enter():
            pass
        assert raised.value.retry_after == 1
    gate._mean = 7.2
    with gate.enter(), pytest.raises(ServerError) as raised:
        gate.check()
    assert (raised.value.retry_after, gate.refused) == (8, 2)


def test_limits_are_checked():
    with pytest.raises(UsageError, match="queue"):
        Limits(queue=0)
    with pytest.raises(UsageError, match="seconds"):
        Limits(seconds=0)


def test_metrics(server):
    server.post("classify", as_file("wave", 0))
    text = server.client.get("/metrics").text
    assert 'stars_requests_total{method="POST",route="/v1/classify",status="200"}' in text
    assert f"stars_exemplars {len(server.service.index)}.0" in text
    assert "_created" not in text


def test_a_body_that_comes_too_slowly_is_left():
    from stars_infer.serving.doors import _Passage
    from stars_infer.serving.metrics import Metrics

    async def never():
        await asyncio.sleep(60)

    async def receive():
        passage = _Passage({"type": "http"}, never, never, Metrics(), slowest=0.01)
        return await passage.receive()

    assert asyncio.run(receive()) == {"type": "http.disconnect"}
