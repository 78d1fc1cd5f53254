"""A table from its runs: made once, reported, refused where something else lies there."""

import csv
import json
import shutil
from dataclasses import replace

import pytest
import torch

from stars_infer.errors import StarsError, UsageError
from stars_infer.train.checkpoint import FILE, load_checkpoint, save_checkpoint
from stars_infer.train.methods.mamp import MampConfig
from stars_infer.train.networks.encoder import EncoderConfig
from stars_infer.train.reproduction.attention import mean_attention
from stars_infer.train.reproduction.made import run_differences
from stars_infer.train.reproduction.memory import LiveTensors, step_memory
from stars_infer.train.reproduction.overrides import Overrides
from stars_infer.train.reproduction.places import BEGUN, DONE
from stars_infer.train.reproduction.planning import plan_table
from stars_infer.train.reproduction.report import markdown, read_numbers
from stars_infer.train.reproduction.reproduce import Selection, plan_selection, reproduce
from stars_infer.train.reproduction.running import run_nodes
from stars_infer.train.reproduction.runs import Training
from stars_infer.train.run import LoopConfig, RunConfig
from stars_infer.train.tables.table import find_table
from stars_infer.train.views.config import ViewConfig
from tests.conftest import call_stars
from tests.train.tables.conftest import TINY, fabric, places_in, run_here


def nodes_of(small):
    places, _, _, selection = small
    _, nodes, _ = plan_selection(selection, places)
    return nodes


@pytest.fixture
def copied(small, tmp_path):
    """A copy of the miniature reproduction that a test may spoil."""
    places, *rest = small
    shutil.copytree(places.out, tmp_path / "copy")
    return (replace(places, out=tmp_path / "copy"), *rest)


def test_a_table_is_run_and_written_beside_the_paper(small):
    places, said, path, _ = small
    assert [line.split(":")[0] for line in said] == [
        "1/4 train MAMP on NTU-60 XSub", "2/4 measure MAMP by knn on NTU-60 XSub",
        "3/4 train STARS on NTU-60 XSub", "4/4 measure STARS by knn on NTU-60 XSub",
    ]  # fmt: skip
    text = path.read_text(encoding="utf-8")
    assert "# STARS, Table 2: nearest neighbor" in text
    assert "**Not the papers' settings.**" in text
    assert "| STARS-3stage (other settings) | not run | 76.9 | not run |" in text
    assert "| CMD, paper | – | 70.6 |" in text
    with path.with_suffix(".csv").open(encoding="utf-8") as file:
        lines = {(line["row"], line["column"]): line for line in csv.DictReader(file)}
    ours = lines["STARS", "NTU-60 XSub"]
    (result,) = places.out.glob(f"results/stars-knn-*-{ours['key']}/knn-ntu60-xsub.json")
    scores = {s["setting"]: s["accuracy"] for s in json.loads(result.read_text())["scores"]}
    assert float(ours["ours"]) == pytest.approx(scores["k=1"], abs=1e-3)
    assert (ours["paper"], ours["state"], ours["setting"]) == ("79.9", "measured", "k=1")
    assert lines["STARS", "NTU-60 XView"]["state"] == "not run"


def test_called_again_nothing_is_run(small):
    places, _, path, selection = small
    said = []
    (again,) = reproduce(selection, places, fabric=fabric, say=said.append, run=pytest.fail)
    assert all(line.endswith("done before") for line in said)
    assert again == path


def test_another_table_takes_the_same_encoders(small):
    places, *_ = small
    said = []
    figure = Selection(tables=("stars-fig-7",), overrides=Overrides.parse(TINY))
    (path,) = reproduce(figure, places, fabric=fabric, say=said.append, run=pytest.fail)
    assert path.with_suffix(".png").stat().st_size > 10_000
    assert "![confusion at k=10](stars-fig-7.png)" in path.read_text()


def test_a_run_that_was_made_otherwise_is_refused(copied):
    places, _, _, selection = copied
    _, nodes, _ = plan_selection(selection, places)
    mamp = next(node for node in nodes if isinstance(node, Training))
    other = Overrides.parse([*TINY[1:], "steps=3", "rotation=0.1"])
    (longer,) = plan_table(find_table("stars-fig-6"), other).nodes()
    run_here(places.command(longer.of))
    shutil.rmtree(places.run(mamp))
    places.run(longer.of).rename(places.run(mamp))
    told = r"steps 3 instead of 2; rotation 0.1 instead of 0.3: this is not MAMP; move it away"
    with pytest.raises(StarsError, match=told):
        run_nodes(nodes, places, say=lambda line: None, run=pytest.fail)
    report = read_numbers(plan_table(find_table("stars-2"), selection.overrides), places)
    assert [row[0].state for row in report.numbers] == ["refused"] * 3  # all start from MAMP
    assert "- Refused: " in markdown(report)
    assert "rotation 0.1 instead of 0.3" in markdown(report)


def test_runs_of_another_start_or_data_are_refused(copied):
    places, _, _, selection = copied
    stars = [node for node in nodes_of(copied) if isinstance(node, Training)][-1]
    folder = places.run(stars)
    assert run_differences(stars, folder) == []
    good = load_checkpoint(folder)
    start = good.history["start"]
    cases = {
        "data ntu120-xsub instead of ntu60-xsub": {"pack": {"dataset": "ntu120"}},
        "start none instead of MAMP": {"start": None},
        "the run it starts from: method mae instead of mamp": {
            "start": start | {"config": start["config"] | {"method": "mae", "settings": {}}}
        },
        "step of the run it starts from 1 instead of 2": {"start": start | {"step": 1}},
    }
    for expected, changed in cases.items():
        save_checkpoint(replace(good, history=good.history | changed), folder)
        assert expected in run_differences(stars, folder), expected
    bf16 = good.config | {"loop": good.config["loop"] | {"precision": "bf16-mixed"}}
    save_checkpoint(replace(good, config=bf16), folder)
    assert run_differences(stars, folder) == []
    report = read_numbers(plan_table(find_table("stars-2"), selection.overrides), places)
    assert "Trained in bf16-mixed; the papers train in float32." in report.notes


def test_results_that_were_measured_otherwise_are_refused(copied):
    places, _, _, selection = copied
    node = nodes_of(copied)[1]
    path = places.result(node)
    facts = json.loads(path.read_text())
    facts["settings"]["crop"] = 0.95
    path.write_text(json.dumps(facts))
    with pytest.raises(StarsError, match=r"crop 0.95 instead of 0.9: this is not MAMP"):
        run_nodes(nodes_of(copied), places, say=lambda line: None, run=pytest.fail)
    path.write_text("{")
    report = read_numbers(plan_table(find_table("stars-2"), selection.overrides), places)
    assert report.numbers[0][0].state == "refused"
    assert any("no readable result" in note for note in report.notes)


def test_a_best_checkpoint_that_is_missing_is_told(copied):
    places, *_ = copied
    stars = [node for node in nodes_of(copied) if isinstance(node, Training)][-1]
    (places.run(stars) / "best.safetensors").unlink()
    assert places.refusal(stars).endswith("has no best.safetensors")


def test_runs_that_were_made_before_take_their_places(small, tmp_path):
    places, _, _, selection = small
    fresh = places_in(tmp_path / "fresh", places.data)
    folders = tuple(sorted(places.out.glob("runs/*")))
    _, nodes, with_runs = plan_selection(replace(selection, runs=folders), fresh)
    states = [with_runs.state(node) for node in nodes if isinstance(node, Training)]
    assert states == [DONE, DONE]
    papers = Selection(tables=("stars-2",), runs=folders)
    closest = r"is no run of these tables; the closest is MAMP on NTU-60 XSub, but it has .*steps 2"
    with pytest.raises(UsageError, match=closest):
        plan_selection(papers, fresh)
    mamp = next(folder for folder in folders if folder.name.startswith("mamp"))
    with pytest.raises(UsageError, match="a run of mamp, which none of these tables needs"):
        plan_selection(Selection(tables=("skeattnclr-4",), runs=(mamp,)), fresh)


def test_a_run_that_fails_says_how_to_go_on(tmp_path, small):
    places = places_in(tmp_path, small[0].data)
    told = "train MAMP on NTU-60 XSub ended with exit code 3; the same command goes on from here"
    with pytest.raises(StarsError, match=told):
        run_nodes(nodes_of(small), places, say=lambda line: None, run=lambda command: 3)


def test_an_interrupted_run_is_resumed(copied):
    places, *_ = copied
    nodes = nodes_of(copied)
    mamp = nodes[0]
    save_checkpoint(replace(load_checkpoint(places.run(mamp)), step=1), places.run(mamp))
    assert places.state(mamp) == BEGUN
    said = []
    run_nodes(nodes, places, say=said.append, run=run_here)
    assert said[0].endswith("--resume")
    assert all(line.endswith("done before") for line in said[1:])
    assert load_checkpoint(places.run(mamp), tensors=False).step == 2


def test_commands_show_tables_and_plans(small, stars):
    places, *_ = small
    code, out, err = stars("train", "tables", "--out", places.out, "--json")
    assert code == 0, err
    listed = {line["table"]: line for line in map(json.loads, out.splitlines())}
    assert listed["stars-6"]["encoders"] == 12
    assert listed["stars-6"]["done"] == 0  # what is there has other settings
    code, out, err = stars("train", "tables", "stars-6", "--quiet", "--out", places.out)
    assert (code, len(out.splitlines())) == (0, 22)
    assert "train MoCo aug on NTU-60 XView" in out
    plan = ["train", "reproduce", "--table", "stars-6", "--data", places.data, "--dry-run"]
    code, out, err = stars(*plan, "--out", "new", "--quiet", "--row", "MoCo")
    assert (code, len(out.splitlines())) == (0, 6)
    assert "stars train tune" in out
    assert "--recipe moco-plain --from new/runs/mamp-ntu60-xsub-" in out
    code, _, err = call_stars(*plan, "--set", "stepps=1")
    assert (code, "there is no setting 'stepps'" in err) == (2, True)
    code, _, err = call_stars("train", "tables", "stars-66")
    assert (code, "did you mean" in err) == (2, True)


def test_attention_is_a_mean_of_distributions(small):
    places, *_ = small
    mamp = next(node for node in nodes_of(small) if isinstance(node, Training))
    found = mean_attention(places.run(mamp), places.pack("ntu60"), "xsub", fabric=fabric())
    tokens = mamp.config.encoder.tokens
    assert found.tokens.shape == (tokens, tokens)
    assert found.joints.shape == (25, 25)
    for weights in (found.tokens, found.joints):
        assert weights.sum(axis=1) == pytest.approx(1, abs=1e-4)
    assert 0 < found.spread <= 1


def test_memory_counts_what_is_kept_for_the_gradient():
    size = 4 * 1000
    weights = torch.ones(1000, requires_grad=True)
    with LiveTensors((weights,)) as alive:
        made = (weights * 2).exp()  # exp keeps its result
        total = made.sum()
        del made
        assert alive.bytes == 2 * size + 4
        del total
        assert alive.bytes == size
    assert alive.most >= 3 * size


def test_memory_of_a_step_grows_with_the_network():
    def megabytes(width):
        config = RunConfig(
            method="mamp",
            data="",
            clips=1,
            loop=LoopConfig(),
            encoder=EncoderConfig(width=width, depth=2, heads=2, frames=24),
            views=ViewConfig(frames=24),
            settings=MampConfig(decoder_depth=1),
        )
        return step_memory(config)

    assert 0 < megabytes(16) < megabytes(64)


def test_the_checkpoint_of_a_run_can_be_read_without_its_tensors(small):
    places, *_ = small
    folder = next(places.out.glob("runs/mamp-*"))
    header, whole = load_checkpoint(folder / FILE, tensors=False), load_checkpoint(folder)
    assert (header.config, header.history) == (whole.config, whole.history)
    assert header.weights == {} != whole.weights
