import hashlib
import json
import sys
from dataclasses import asdict, replace

import pytest

from stars_infer.encoder.model import (
    GRAPH_FILE,
    INFO_FILE,
    PRESENT,
    ModelInfo,
    check_fingerprint,
    contract_of,
    find_model,
    fingerprint_of,
    read_model_info,
)
from stars_infer.errors import ModelError
from stars_infer.preprocessing.prepare import Preprocessing
from stars_infer.similarity.comparison import UNTURNED, Kernel, SequenceConfig

GRAPH = b"graph"
NORMALIZING = Preprocessing(frames=64, face_camera=True, standard_body=True, pace=0.5)


def model(preprocessing=None, comparison=None):
    how = preprocessing or Preprocessing()
    contract = contract_of(how, PRESENT, None, comparison)
    return ModelInfo(
        name="toy",
        preprocessing=how,
        width=8,
        absent_bodies=PRESENT,
        fingerprint=fingerprint_of(GRAPH, contract),
        comparison=comparison,
    )


def written(folder, values):
    (folder / GRAPH_FILE).write_bytes(GRAPH)
    (folder / INFO_FILE).write_text(json.dumps(values))
    return folder


@pytest.mark.parametrize(
    "comparison",
    [
        None,
        SequenceConfig(),
        SequenceConfig(
            steps=16,
            kernels=(Kernel(content=UNTURNED, weight=0.5),),
            mirror=Kernel(width=0.2),
            temperature=0.1,
        ),
    ],
)
@pytest.mark.parametrize("preprocessing", [Preprocessing(), NORMALIZING])
def test_a_description_survives_its_file(tmp_path, preprocessing, comparison):
    info = model(preprocessing, comparison)
    again = read_model_info(written(tmp_path, info.to_json()))
    assert again == info
    check_fingerprint(tmp_path, again)


def test_a_model_made_before_keeps_its_fingerprint(tmp_path):
    assert set(Preprocessing().contract()) == {"frames", "crop", "center_joint"}
    # As `stars export` wrote both before there were steps and comparisons.
    preprocessing = {"frames": 120, "crop": 0.9, "center_joint": 1}
    contract = {"preprocessing": preprocessing, "absent_bodies": PRESENT, "zero_body": None}
    digest = hashlib.sha256(GRAPH + json.dumps(contract, sort_keys=True).encode()).hexdigest()
    old = {
        "schema": 1, "name": "old", "preprocessing": preprocessing, "width": 8,
        "absent_bodies": PRESENT, "fingerprint": digest, "layout": "ntu25", "zero_body": None,
        "license": "unknown", "facts": {},
    }  # fmt: skip
    info = read_model_info(written(tmp_path, old))
    check_fingerprint(tmp_path, info)
    assert info.comparison is None
    assert info.preprocessing == Preprocessing()
    assert digest == model().fingerprint


def test_a_clone_that_hides_the_installation_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "stars_infer.models", None)
    monkeypatch.delattr("stars_infer.models", raising=False)
    with pytest.raises(ModelError, match=r"another folder, or install with `pip install -e \.`"):
        find_model()


def test_the_shipped_model_belongs_together():
    folder = find_model()
    check_fingerprint(folder, read_model_info(folder))


@pytest.mark.parametrize("step", [{"face_camera": True}, {"standard_body": True}, {"pace": 0.5}])
def test_every_step_of_the_preprocessing_decides_the_fingerprint(step):
    changed = model(replace(Preprocessing(), **step))
    assert changed.fingerprint != model().fingerprint
    assert changed.preprocessing.contract() == Preprocessing().contract() | step


def test_what_makes_sequences_decides_the_fingerprint_and_how_they_are_compared_does_not():
    base = model(NORMALIZING, SequenceConfig())
    assert base.fingerprint != model(NORMALIZING).fingerprint
    for change, same in (
        ({"steps": 16}, False),
        ({"preprocessing": Preprocessing(frames=64)}, False),
        ({"kernels": (Kernel(),)}, True),
        ({"mirror": Kernel(width=0.2)}, True),
        ({"kernel_width": 1}, True),
        ({"temperature": 1}, True),
    ):
        other = model(NORMALIZING, replace(SequenceConfig(), **change))
        assert (other.fingerprint == base.fingerprint) is same


def test_a_changed_comparison_does_not_belong_to_the_graph(tmp_path):
    info = model(NORMALIZING, SequenceConfig())
    other = replace(info, comparison=SequenceConfig(steps=16))
    with pytest.raises(ModelError, match="do not belong together"):
        check_fingerprint(written(tmp_path, other.to_json()), other)


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 1},
        {"temperature": 0},
        {"steps": "many"},
        {"warp": True},
        {"kernels": []},
        {"kernels": None},
        {"kernels": [{"width": 0}]},
        {"kernels": [{"content": "color"}]},
        {"kernels": [1]},
        {"mirror": {"part": "whole"}},
        {"mirror": None},
        {"preprocessing": {"frames": 64, "face_camera": True}},
        "warping",
        [1],
    ],
)
def test_a_damaged_comparison_is_refused(tmp_path, change):
    comparison = asdict(SequenceConfig()) | change if isinstance(change, dict) else change
    values = model().to_json() | {"comparison": comparison}
    with pytest.raises(ModelError, match="not a readable model description"):
        read_model_info(written(tmp_path, values))


def test_a_model_that_names_no_kernels_is_refused_in_one_sentence(tmp_path):
    # As `model.json` said before there were kernels.
    preprocessing = {
        "frames": 64, "crop": 1.0, "center_joint": 1, "face_camera": True,
        "standard_body": True, "pace": 0.5, "samplings": 1,
    }  # fmt: skip
    comparison = {
        "preprocessing": preprocessing, "steps": 32, "motion": 0.28, "kernel_width": 0.12,
        "temperature": 0.02,
    }  # fmt: skip
    folder = written(tmp_path, model().to_json() | {"comparison": comparison})
    with pytest.raises(ModelError) as refused:
        read_model_info(folder)
    assert str(refused.value) == (
        f"{folder / INFO_FILE}: compares sequences, but names no kernels, as models of an earlier "
        "version of stars-infer did: export the model again"
    )


def test_comparisons_are_written_in_full():
    values = model(comparison=SequenceConfig()).to_json()["comparison"]
    # What vectors weigh is left out where they do not count.
    whole = {key: value for key, value in asdict(SequenceConfig()).items() if "vector" not in key}
    assert values == whole
