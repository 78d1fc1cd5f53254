"""A model on a server that speaks Triton's protocol gives the vectors of the model here."""

import json
import socket
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tritonclient.grpc", reason="the extra [triton] is not installed")
pytest.importorskip("tritonclient.http", reason="the extra [triton] is not installed")

from stars_infer import Clip, Encoder
from stars_infer.encoder.agreement import example_bodies
from stars_infer.encoder.model import GRAPH_FILE, find_model
from stars_infer.errors import MissingExtraError, ProviderError, UsageError
from stars_infer.exporters.triton import TritonConfig, write_repository
from stars_infer.runtimes import triton
from stars_infer.runtimes.open import open_runtime
from stars_infer.runtimes.runtime import RuntimeChoice
from stars_infer.runtimes.triton import TOKEN, Address
from tests.stars_infer.runtimes.triton_stub import Stub


@pytest.fixture(scope="module")
def server(tiny_model, tmp_path_factory):
    repository = tmp_path_factory.mktemp("triton") / "repository"
    write_repository(tiny_model, repository, TritonConfig(batch=3))
    running = Stub(repository)
    yield running
    running.stop()


@pytest.fixture(params=["triton", "triton+http"])
def device(request, server):
    host = server.http_host if request.param == "triton+http" else server.host
    return f"{request.param}://{host}/tiny"


def test_vectors_are_those_of_this_machine(server, device, encoder, tiny_model):
    far = Encoder.load(tiny_model, device=device)
    assert (far.device, far.batch) == (device, 3)
    bodies = np.concatenate([example_bodies(encoder.info)] * 2)[:7]
    server.asked.clear()
    np.testing.assert_allclose(
        far.embed_bodies(bodies), encoder.embed_bodies(bodies), rtol=0, atol=1e-5
    )
    assert server.asked == [3, 3, 1]
    assert far._network.run(bodies).shape == (7, encoder.info.width)


def test_a_batch_may_be_smaller_than_the_server_allows(server, device, tiny_model, encoder):
    runtime = open_runtime(tiny_model / GRAPH_FILE, RuntimeChoice(device=device, batch=2))
    server.asked.clear()
    runtime.run(example_bodies(encoder.info)[:3])
    assert server.asked == [2, 1]


def test_commands_run_there(server, stars, recordings):
    device = f"triton://{server.host}/tiny"
    clips = sorted(recordings.rglob("*.skeleton"))[:3]
    for arguments in (
        ["embed", *clips, "--out", "far.npz", "--device", device],
        ["embed", *clips, "--out", "near.npz", "--device", "cpu"],
        ["fewshot", "add-class", recordings / "wave", recordings / "clap", "--device", device],
        ["classify", *clips, "--device", device],
    ):
        code, _, err = stars(*arguments)
        assert code == 0, err
    far, near = (np.load(name)["embeddings"] for name in ("far.npz", "near.npz"))
    np.testing.assert_allclose(far, near, rtol=0, atol=1e-5)
    code, out, _ = stars("doctor", "--device", device, "--json")
    states = {line["what"]: line for line in map(json.loads, out.splitlines())}
    assert states[device]["state"] == "ok"
    assert states[device]["detail"].startswith("runs, ")


def test_a_server_of_ours_runs_its_network_there(server, tiny_model, encoder, tmp_path):
    """Its batches run in another thread than the one that opened the model."""
    pytest.importorskip("fastapi", reason="the extra [serve] is not installed")
    from tests.stars_infer.serving import conftest as ours

    far = Encoder.load(tiny_model, device=f"triton+http://{server.http_host}/tiny")
    with ours.Server(far, tmp_path / "stars.db") as running:
        answer = running.post("embed", ours.as_file("wave", 1))
        (found,) = np.array([clip["vector"] for clip in answer.json()["clips"]])
        wanted = encoder.embed([Clip.from_array(ours.clip("wave", 1))])[0]
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)
        model = server.models.pop("tiny")
        try:
            answer = running.post("embed", ours.as_file("wave", 1))
        finally:
            server.models["tiny"] = model
    assert answer.status_code == 503
    assert "does not run 'tiny': Request for unknown model" in answer.json()["error"]


def test_it_is_told_what_is_wrong(server, device, tiny_model, imported_model):
    with pytest.raises(ProviderError, match="no model 'other' that is ready"):
        Encoder.load(tiny_model, device=device.replace("/tiny", "/other"))
    with pytest.raises(ProviderError, match=r"serves as 'tiny' another model than .*mamp"):
        Encoder.load(imported_model, device=device)
    server.ready = False
    try:
        with pytest.raises(ProviderError, match="is not ready"):
            Encoder.load(tiny_model, device=device)
    finally:
        server.ready = True
    far = Encoder.load(tiny_model, device=f"{device}?timeout=2")
    server.delay = 6.0
    try:
        with pytest.raises(ProviderError, match=r"did not answer within 2 s"):
            far.embed_bodies(example_bodies(far.info)[:1])
    finally:
        server.delay = 0.0
    with pytest.raises(ProviderError, match=r"takes bodies of \(\d+, 25, 3\), not"):
        far._network.run(np.zeros((1, 5, 25, 3), np.float32))


@pytest.mark.parametrize("scheme", ["triton", "triton+http"])
def test_a_server_that_is_not_there_is_said(scheme, tiny_model):
    with socket.socket() as taken:  # bound, but it does not listen
        taken.bind(("127.0.0.1", 0))
        device = f"{scheme}://127.0.0.1:{taken.getsockname()[1]}/tiny?timeout=60"
        with pytest.raises(ProviderError, match=r"no Triton server answers at 127\.0\.0\.1"):
            Encoder.load(tiny_model, device=device)


def test_a_model_of_somebody_else_is_refused(server, device, tiny_model):
    config, session = server.models["tiny"]
    changed = type(config)()
    changed.CopyFrom(config)
    changed.parameters.clear()
    server.models["tiny"] = changed, session
    try:
        with pytest.raises(ProviderError, match="a model that was not exported from"):
            Encoder.load(tiny_model, device=device)
        changed.CopyFrom(config)
        changed.max_batch_size = 0
        with pytest.raises(ProviderError, match="takes no batches"):
            Encoder.load(tiny_model, device=device)
        changed.output.add(name="more")
        with pytest.raises(ProviderError, match="one output was expected, it has 2"):
            Encoder.load(tiny_model, device=device)
    finally:
        server.models["tiny"] = config, session


def test_a_token_is_shown_but_not_in_the_open(server, device, tiny_model, monkeypatch):
    monkeypatch.setenv(TOKEN, "not-for-others")
    server.shown.clear()
    Encoder.load(tiny_model, device=device)
    assert set(server.shown) == {"Bearer not-for-others"}
    with pytest.raises(UsageError, match="in plain text") as error:
        Encoder.load(tiny_model, device="triton://192.0.2.1/tiny")
    assert "not-for-others" not in str(error.value)
    with pytest.raises(UsageError, match="leave user and password out") as error:
        Encoder.load(tiny_model, device="triton://me:secret@127.0.0.1:8001/tiny")
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("device", "wanted"),
    [
        ("triton://host/m", Address(protocol="grpc", encrypted=False, host="host:8001", model="m")),
        (
            "triton+https://host:1/m/2?timeout=3",
            Address(
                protocol="http", encrypted=True, host="host:1", model="m", version="2", timeout=3
            ),
        ),
        (
            "triton://[::1]/m",
            Address(protocol="grpc", encrypted=False, host="[::1]:8001", model="m"),
        ),
    ],
)
def test_addresses_are_read(device, wanted):
    assert triton.is_address(device)
    assert Address.parse(device) == wanted
    assert RuntimeChoice.parse(device).device == device


@pytest.mark.parametrize(
    "device",
    [
        "triton://host", "triton://", "triton:///m", "triton://host/a/b/c", "triton://host:x/m",
        "triton://host/m?tiemout=3", "triton://host/m?timeout=x", "triton://host/m?timeout=0",
        "triton://host/m#1", "triton://host/m/x", "triton://host/m/0", "triton://host/m/-1",
        "triton://host/m/1.5", "triton://host/m/٣", "triton://host/m/1_0",
    ],
)  # fmt: skip
def test_other_addresses_are_refused(device):
    with pytest.raises(UsageError):
        Address.parse(device)


def test_without_the_extra_it_is_named(tiny_model, monkeypatch):
    monkeypatch.setattr(triton, "import_module", lambda name: __import__("no_such_package"))
    with pytest.raises(MissingExtraError, match=r"pip install 'stars-infer\[triton\]'"):
        Encoder.load(tiny_model, device="triton://127.0.0.1/tiny")


def test_the_shipped_model_is_served(tmp_path):
    folder = find_model()
    write_repository(folder, tmp_path / "repository", TritonConfig())
    running = Stub(tmp_path / "repository")
    try:
        near = Encoder.load(device="cpu")
        far = Encoder.load(device=f"triton://{running.host}/{folder.name}")
        bodies = example_bodies(near.info)[:4]
        np.testing.assert_allclose(
            far.embed_bodies(bodies), near.embed_bodies(bodies), rtol=0, atol=1e-5
        )
        assert far.runtime == replace(far.runtime, batch=64, precision="fp32")
    finally:
        running.stop()
