import json

import numpy as np
import onnx
import pytest

from stars_infer import Encoder
from stars_infer.encoder.model import check_fingerprint, read_model_info, shipped_models
from stars_infer.errors import ExportError
from stars_infer.exporters import precision
from stars_infer.exporters.directory import ExportConfig, export_directory
from stars_infer.exporters.precision import add_half
from stars_infer.runtimes.forms import MADE_FROM, sha256_of
from stars_infer.train.checkpoint import load_checkpoint

PLAIN = ["encoder.int8.onnx", "encoder.onnx", "model.json"]


def left(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_model_gets_a_second_graph_and_stays_the_same(stars, tiny_model, tmp_path):
    code, out, err = stars("export", "--fp16", tiny_model, "--out", "half", "--json")
    assert code == 0, err
    half = tmp_path / "half"
    info, before = read_model_info(half), read_model_info(tiny_model)
    assert (info.name, info.fingerprint) == (before.name, before.fingerprint)
    check_fingerprint(half, info)
    assert 0.999 <= info.facts["fp16_smallest_cosine"] <= 1
    assert json.loads(out)["facts"] == info.facts
    assert left(half) == ["README.md", "encoder.fp16.onnx", *PLAIN]
    graph = onnx.load(half / "encoder.fp16.onnx")
    (made_of,) = graph.metadata_props
    assert made_of.key == MADE_FROM
    assert made_of.value == sha256_of((tiny_model / "encoder.onnx").read_bytes())
    card = (half / "README.md").read_text()
    assert f"| fp16 smallest cosine | {info.facts['fp16_smallest_cosine']} |\n| fingerprint" in card
    assert card.replace("| fp16 smallest cosine |", "").count("\n") - 1 == (
        (tiny_model / "README.md").read_text().count("\n")
    )


def test_again_in_place_says_it_once(stars, tiny_model, tmp_path):
    assert stars("export", "--fp16", tiny_model, "--out", "half")[0] == 0
    (tmp_path / "half/checkpoint.safetensors").write_text("stays")
    before = (tmp_path / "half/README.md").read_text()
    code, out, err = stars("export", "--fp16", "half")
    assert code == 0, err
    assert all(word in out for word in ("fp16", "int8"))
    assert (tmp_path / "half/README.md").read_text() == before
    assert (tmp_path / "half/checkpoint.safetensors").read_text() == "stays"


def test_a_run_becomes_a_model_with_both_graphs(stars, trained, tmp_path):
    code, _, err = stars("export", "--fp16", trained / "stars", "--out", "half")
    assert code == 0, err
    assert "encoder.fp16.onnx" in left(tmp_path / "half")
    assert read_model_info(tmp_path / "half").name == "half"
    bodies = np.random.default_rng(0).normal(size=(1, 120, 25, 3)).astype(np.float32)
    assert np.isfinite(Encoder.load("half", device="cpu").embed_bodies(bodies)).all()


def test_another_graph_leaves_the_old_forms_behind(trained, tiny_model, tmp_path):
    add_half(tiny_model, tmp_path / "half")
    for name in ("encoder.engine", "engine.json"):
        (tmp_path / "half" / name).write_text("of the old graph")
    export_directory(load_checkpoint(trained / "stars"), tmp_path / "half", ExportConfig(crop=0.8))
    assert left(tmp_path / "half") == ["README.md", *PLAIN]


def test_what_gives_other_vectors_is_not_kept(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr(precision, "EXACT", 1.1)
    with pytest.raises(ExportError, match=r"in half precision a vector has cosine .* float32$"):
        add_half(tiny_model, tmp_path / "half")
    assert left(tmp_path) == []


def test_shipped_models_are_not_changed(stars):
    (name, folder), *_ = shipped_models().items()
    before = left(folder)
    for source in (name, folder):
        code, _, err = stars("export", "--fp16", source)
        assert code == 2
        assert f"{name} came with the installation: name another directory by --out" in (
            " ".join(err.split())
        )
    assert left(folder) == before


def test_usage(stars, tiny_model):
    code, _, err = stars("export", tiny_model)
    assert (code, "name a format: --onnx, --int8, --fp16, --tensorrt or --triton DIR" in err) == (
        2,
        True,
    )
    for wrong in ("8", "1,2,x", "4,2,8", "0,1,2"):
        code, _, err = stars("export", "--fp16", tiny_model, "--out", "x", "--batches", wrong)
        assert code == 2
        assert "1,8,64" in " ".join(err.split())
    for flags, says in (
        (["--workspace", 0], "workspace in MiB must be a whole number and at least 1, not 0"),
        (
            ["--optimization-level", 6],
            "optimization level must be a whole number and at least 0 and at most 5, not 6",
        ),
    ):
        code, _, err = stars("export", "--fp16", tiny_model, "--out", "x", *flags)
        assert (code, says in " ".join(err.split())) == (2, True)


def test_what_only_a_run_can_be_told(stars, tiny_model, tmp_path):
    for flags in (["--crop", 0.8], ["--compare", "vectors"], ["--license", "MIT"]):
        code, _, err = stars("export", "--fp16", tiny_model, "--out", "x", *flags)
        assert code == 2
        assert "is a model already, and keeps its settings" in " ".join(err.split())
    assert left(tmp_path) == []
