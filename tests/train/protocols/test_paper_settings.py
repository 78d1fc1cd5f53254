"""What `--paper` sets, and that flags win."""

import json

import pytest

from stars_infer.errors import UsageError
from stars_infer.train.checkpoint import load_checkpoint, save_checkpoint
from stars_infer.train.protocols.linear import LinearConfig
from stars_infer.train.protocols.paper_settings import OWN, PAPERS, paper_settings
from stars_infer.train.recipe import load_recipe


def test_settings_of_the_papers():
    probes = {name: LinearConfig(**paper.linear) for name, paper in PAPERS.items()}
    stars, code = probes["stars"], probes["mamp-code"]
    assert (stars.crops, stars.epochs, stars.shortest_crop, stars.rotation) == (100, 100, 0.5, 0)
    assert (stars.batch, stars.lr, stars.milestone) == (256, 0.1, None)
    assert (code.crops, code.rotation) == (100, 0.3)
    assert (PAPERS["stars"].crop, PAPERS["mamp-code"].crop) == (0.9, 0.95)
    uniform = probes["skeleton2vec"]
    assert (uniform.crops, uniform.uniform_sampling, uniform.shortest_crop) == (100, True, 1)
    assert (PAPERS["skeleton2vec"].samplings, PAPERS["skeleton2vec"].crop) == (10, 1)
    skeattnclr = probes["skeattnclr"]
    assert (skeattnclr.lr, skeattnclr.batch, skeattnclr.milestone) == (3, 128, 0.6)
    assert (skeattnclr.crops, PAPERS["skeattnclr"].crop) == (0, 1)
    code = probes["skeattnclr-code"]
    assert [round(code.rate(n, 150), 9) for n in (0, 60, 100)] == [3, 0.3, 0.03]
    assert (code.epochs, code.batch) == (150, 128)
    for paper in (OWN, *PAPERS.values()):
        assert load_recipe(paper.finetune).method == "classifier"


def test_flags_win():
    changed = paper_settings("skeleton2vec", crop=0.8, samplings=2)
    assert (changed.crop, changed.samplings) == (0.8, 2)
    assert changed.linear == PAPERS["skeleton2vec"].linear
    assert paper_settings(None) == OWN
    with pytest.raises(UsageError, match="--paper is one of stars, mamp-code, .*, not 'ms2l'"):
        paper_settings("ms2l")


def test_a_paper_in_the_shell(stars, trained, pack, tmp_path):
    save_checkpoint(load_checkpoint(trained / "stars"), tmp_path / "run")
    measure = ["train", "eval", "linear", tmp_path / "run", "--data", pack, "--accelerator", "cpu",
               "--paper", "skeleton2vec", "--samplings", 2, "--epochs", 2, "--json"]  # fmt: skip
    code, out, err = stars(*measure)
    assert code == 0, err
    record = json.loads(out)
    assert record["samplings"] == 2
    wanted = {"crop": 1.0, "uniform_sampling": True, "epochs": 2, "crops": 100}
    assert wanted.items() <= record["settings"].items()
    finetune = ["train", "eval", "finetune", tmp_path / "run", "--data", pack, "--steps", 1,
                "--batch", 4, "--hidden", 8, "--accelerator", "cpu", "--json"]  # fmt: skip
    code, out, err = stars(*finetune, "--paper", "skeleton2vec", "--average", "features")
    assert code == 0, err
    settings = json.loads(out)["settings"]
    assert (settings["crop"], settings["average"]) == (1.0, "features")
    assert settings["views"]["uniform_sampling"] is True
    code, _, err = stars(*measure, "--paper", "ms2l")
    assert (code, "--paper is one of stars" in " ".join(err.split())) == (2, True)
