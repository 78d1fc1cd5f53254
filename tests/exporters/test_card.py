"""Model cards in the form of the Hugging Face Hub, read by its own library."""

import re
from dataclasses import replace

import pytest

pytest.importorskip("huggingface_hub", reason="the extra [hub] is not installed")

from huggingface_hub import ModelCard

from stars_infer.encoder.model import CARD_FILE, find_model, read_model_info, shipped_models
from stars_infer.exporters.card import TAGS, TASK, card

SHIPPED = sorted(shipped_models())


def read(folder):
    return ModelCard((folder / CARD_FILE).read_text(encoding="utf-8"))


def check(found, license):
    data = found.data.to_dict()
    assert data["license"] == license
    assert (data["library_name"], data["pipeline_tag"]) == ("stars-infer", TASK)
    assert data["tags"] == list(TAGS)
    assert found.text.lstrip().startswith("# ")


def test_an_export_has_one(tiny_model):
    found = read(tiny_model)
    check(found, "unknown")
    assert found.text.lstrip().startswith(f"# {tiny_model.name}\n")


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_models_have_one_whose_figures_are_those_of_its_table(name):
    found = read(find_model(name))
    check(found, "cc-by-sa-3.0")
    assert found.data.model_name == name
    assert found.data["metrics"] == ["accuracy"]
    assert len(found.data.eval_results) >= 12
    for one in found.data.eval_results:
        shots = int(re.search(r"with (\d) example", one.metric_name)[1])
        rows = found.text[found.text.index(f"| {one.dataset_name},") :].splitlines()
        row = next(line for line in rows if "| vectors |" in line)
        assert row.split("|")[{1: 4, 2: 5, 5: 6}[shots]].strip() == f"{one.metric_value:.1f}"


@pytest.mark.parametrize(
    ("license", "wanted", "name"),
    [
        ("Apache-2.0", "apache-2.0", None),
        ("CC BY-NC 4.0", "cc-by-nc-4.0", None),
        ('mine: "all" #1', "other", 'mine: "all" #1'),
    ],
)
def test_licenses_are_the_hubs_or_named(license, wanted, name):
    info = replace(read_model_info(find_model()), license=license)
    found = ModelCard(card(info, "Notes."))
    check(found, wanted)
    assert found.data.to_dict().get("license_name") == name
