"""Models of the Hub: fetched, kept, checked, published; nothing is asked that need not be."""

import os
import shutil
import sys

import numpy as np
import pytest

pytest.importorskip("huggingface_hub", reason="the extra [hub] is not installed")

from huggingface_hub import constants

from stars_infer import Encoder
from stars_infer.encoder import hub as hub_module
from stars_infer.encoder.agreement import example_bodies
from stars_infer.encoder.hub import HubModel
from stars_infer.encoder.model import HUB_FILES, find_model
from stars_infer.errors import MissingExtraError, ModelError, UsageError
from tests.stars_infer.encoder.hub_stub import Hub


@pytest.fixture(scope="module")
def running():
    hub = Hub()
    yield hub
    hub.stop()


@pytest.fixture
def hub(running, tmp_path, monkeypatch):
    """A Hub with one model of ours and one of somebody else, and an empty cache."""
    monkeypatch.setattr(constants, "ENDPOINT", running.url)
    template = running.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setenv("HF_TOKEN", "hf_of_this_test")
    hub_module._kept.cache_clear()
    running.repos.clear()
    running.asked.clear()
    running.private.clear()
    return running


@pytest.fixture
def published(hub, tiny_model):
    """`ann/tiny`, with files that are not of a model directory; its commit."""
    files = {
        name: (tiny_model / name).read_bytes() for name in HUB_FILES if (tiny_model / name).exists()
    }
    return hub.put("ann/tiny", {**files, "big.safetensors": b"big", "run.py": b"print()"})


def test_a_model_is_fetched_once_and_nothing_else_of_it(hub, published, encoder, tmp_path):
    far = Encoder.from_pretrained("ann/tiny", device="cpu")
    assert far.info == encoder.info
    bodies = example_bodies(encoder.info)[:2]
    np.testing.assert_array_equal(far.embed_bodies(bodies), encoder.embed_bodies(bodies))
    there = {path.name for path in far.folder.iterdir()}
    assert there == {"README.md", "model.json", "encoder.onnx"} | (there & {"encoder.int8.onnx"})
    asked = [path for _, path, _ in hub.asked]
    assert not [path for path in asked if "big" in path or "run" in path]
    hub.asked.clear()
    hub_module._kept.cache_clear()  # as in another process
    for name in ("hf://ann/tiny", "hf://ann/tiny@main"):
        assert find_model(name) == far.folder
    assert not hub.asked


def test_nothing_is_told_but_versions(hub, published):
    Encoder.from_pretrained("ann/tiny")
    assert hub.asked
    for _, _, agent in hub.asked:
        parts = {part.split("/")[0] for part in agent.split("; ")}
        assert parts <= {"stars-infer", "hf_hub", "python"}, agent
    assert os.environ["HF_HUB_DISABLE_TELEMETRY"] == "1"


def test_a_revision_can_be_pinned_and_asked_for_again(hub, published, tiny_model):
    first = Encoder.from_pretrained("ann/tiny").folder
    card = (tiny_model / "README.md").read_bytes() + b"More.\n"
    second = hub.put("ann/tiny", {"README.md": card})
    assert Encoder.from_pretrained("ann/tiny").folder == first
    assert Encoder.from_pretrained("ann/tiny", refresh=True).folder.name == second
    assert Encoder.from_pretrained("ann/tiny", revision=published).folder == first
    assert find_model(f"hf://ann/tiny@{published}") == first
    assert Encoder.from_pretrained("ann/tiny").folder.name == second


def test_commands_take_a_model_of_the_hub(hub, published, stars, recordings):
    clips = sorted(recordings.rglob("*.skeleton"))[:2]
    code, _, err = stars("embed", *clips, "--model", "hf://ann/tiny", "--out", "v.npz")
    assert code == 0, err
    hub.asked.clear()
    code, out, err = stars("model", "info", "hf://ann/tiny")
    assert (code, hub.asked) == (0, []), err
    assert "tiny" in out


def test_commands_fetch_and_publish(hub, published, stars, tiny_model):
    code, out, err = stars("model", "fetch", "hf://ann/tiny", "--json")
    assert code == 0, err
    assert f"/snapshots/{published}" in out
    second = hub.put("ann/tiny", {"README.md": b"# More\n"})
    assert f"/snapshots/{second}" in stars("model", "fetch", "ann/tiny", "--json")[1]
    code, out, err = stars("model", "push", tiny_model, "ann/own", "--public", "--json")
    assert code == 0, err
    assert f"{hub.url}/ann/own/commit/" in out
    assert hub.private["ann/own"] is False
    code, _, err = stars("model", "fetch", "tiny")
    assert code == 2
    assert "expected hf://USER/MODEL" in err


def test_a_local_folder_of_that_name_is_taken(hub, published, tiny_model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_model, "ann/tiny")
    assert str(Encoder.from_pretrained("ann/tiny").folder) == "ann/tiny"
    assert not hub.asked
    assert Encoder.from_pretrained("hf://ann/tiny").folder.name == published
    with pytest.raises(ModelError, match="hf://USER/MODEL for one of the Hugging Face Hub"):
        find_model("ann/other")


def test_offline_the_cache_is_used(hub, published, monkeypatch):
    folder = Encoder.from_pretrained("ann/tiny").folder
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    hub_module._kept.cache_clear()
    hub.asked.clear()
    assert Encoder.from_pretrained("ann/tiny").folder == folder
    with pytest.raises(
        ModelError, match=r"hf://ann/other: is not in .*cache, and HF_HUB_OFFLINE is"
    ):
        find_model("hf://ann/other")
    assert not hub.asked


def test_a_hub_that_is_not_there_is_said(hub, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(
        ModelError, match=r"http://127\.0\.0\.1:9 cannot be reached: fetch it where"
    ):
        Encoder.from_pretrained("ann/tiny")


def test_what_is_no_model_is_said(hub, published):
    hub.put("bob/words", {"README.md": b"# Words", "pytorch_model.bin": b"x"})
    with pytest.raises(ModelError, match=r"hf://bob/words: has no model\.json"):
        Encoder.from_pretrained("bob/words")
    with pytest.raises(ModelError, match=r"hf://bob/none: there is no such model on"):
        Encoder.from_pretrained("bob/none")
    with pytest.raises(ModelError, match=r"hf://ann/tiny@v9: has no revision 'v9'"):
        Encoder.from_pretrained("ann/tiny", revision="v9")
    for name in ("tiny", "a/b/c", "ann/tiny@", "ann/ti ny"):
        with pytest.raises(UsageError, match="expected hf://USER/MODEL"):
            Encoder.from_pretrained(name)
    with pytest.raises(UsageError, match="is no name on the Hub"):
        Encoder.from_pretrained("ann/ti--ny")
    with pytest.raises(UsageError, match="names a revision already"):
        HubModel.parse("ann/tiny@v1", "v2")


def test_damaged_files_are_refused(hub, published):
    hub.put("ann/tiny", {"encoder.onnx": b"damaged"})
    with pytest.raises(ModelError, match=r"encoder\.onnx and model\.json do not belong together"):
        Encoder.from_pretrained("ann/tiny")


def test_a_model_is_published(hub, encoder, tiny_model):
    (tiny_model / "notes.txt").write_text("mine")
    try:
        url = encoder.push_to_hub("ann/mine", message="First")
    finally:
        (tiny_model / "notes.txt").unlink()
    commit, files = hub.at("ann/mine", "main")
    assert url == f"{hub.url}/ann/mine/commit/{commit}"
    assert files.keys() == {name for name in HUB_FILES if (tiny_model / name).exists()}
    assert hub.private == {"ann/mine": True}
    assert Encoder.from_pretrained("ann/mine").info == encoder.info
    with pytest.raises(UsageError, match="compares in another way than its files"):
        encoder.comparing(None).push_to_hub("ann/mine")


def test_without_the_extra_it_is_named(hub, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'stars-infer\[hub\]'"):
        Encoder.from_pretrained("ann/tiny")
