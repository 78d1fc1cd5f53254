import json

import numpy as np
import pytest

from stars_infer.classification.prediction import Neighbor, Prediction
from stars_infer.cli.classify import _fields, _row
from stars_infer.synthetic.actions import ACTIONS
from stars_infer.synthetic.files import skeleton_text


def records(text):
    return [json.loads(line) for line in text.splitlines()]


def test_classify_names_clips_and_explains(taught, recordings):
    clips = [sorted((recordings / action).iterdir())[3] for action in ACTIONS]
    code, out, err = taught("classify", *clips, "--json")
    assert code == 0, err
    answers = records(out)
    assert [answer["source"] for answer in answers] == [str(clip) for clip in clips]
    for answer in answers:
        assert set(answer) == {
            "source", "answer", "label", "known", "confidence", "chance_known", "second",
            "similarity", "margin", "neighbors", "likeliest", "bodies", "frames", "notes",
        }  # fmt: skip
        assert answer["label"] in ACTIONS
        assert answer["second"] in set(ACTIONS) - {answer["label"]}
        assert answer["answer"] == (answer["label"] if answer["known"] else "unknown")
        assert len(answer["neighbors"]) == 5
        near = [neighbor["similarity"] for neighbor in answer["neighbors"]]
        assert near == sorted(near, reverse=True)
        assert set(answer["neighbors"][0]) == {"label", "similarity", "source"}
        chances = {one["label"]: one["chance"] for one in answer["likeliest"]}
        assert list(chances.values()) == sorted(chances.values(), reverse=True)
        assert chances[answer["label"]] == answer["confidence"]
        assert sum(chances.values()) <= answer["chance_known"] + 1e-9
        assert answer["frames"] > 60
    assert answers[-1]["bodies"] == 2
    shown = taught("classify", *clips)[1]
    assert "similarity" in shown
    quiet = taught("classify", *clips, "--quiet")[1].splitlines()
    assert [line.split("\t")[1] for line in quiet] == [answer["answer"] for answer in answers]
    explained = taught("classify", clips[0], "--explain")[1]
    assert "nearest examples: " in explained
    assert "next best: " in explained


def test_an_exemplar_finds_itself(taught, recordings):
    clip = sorted((recordings / "squat").iterdir())[0]
    (answer,) = records(taught("classify", clip, "--json")[1])
    assert answer["label"] == "squat"
    assert answer["similarity"] == pytest.approx(1, abs=1e-5)
    assert answer["neighbors"][0]["source"] == str(clip)


def test_one_bad_clip_does_not_stop_the_others(taught, recordings, tmp_path):
    (tmp_path / "cut.skeleton").write_text("90\n1\n")
    good = sorted((recordings / "wave").iterdir())[3]
    code, out, err = taught("classify", "cut.skeleton", good, "none.npy", "--json")
    assert code == 1
    assert [line["source"] for line in records(out)] == [str(good)]
    failures = records(err)
    assert [line["source"] for line in failures] == ["cut.skeleton", "none.npy"]
    assert "cut short" in failures[0]["error"]


def test_an_array_of_one_dimension_does_not_stop_the_others(taught, recordings, tmp_path):
    for number, shape in enumerate([(), (25,)]):
        np.save(tmp_path / f"{number}.npy", np.ones(shape))
    good = sorted((recordings / "wave").iterdir())[3]
    code, out, err = taught("classify", "0.npy", "1.npy", good, "--json")
    assert code == 1
    assert [line["source"] for line in records(out)] == [str(good)]
    assert [line["source"] for line in records(err)] == ["0.npy", "1.npy"]


def test_an_index_of_few_actions_gets_a_note(stars, recordings):
    clip = sorted((recordings / "wave").iterdir())[3]
    for number, action in enumerate(("wave", "squat", "kick"), 1):
        assert stars("fewshot", "add-class", *sorted((recordings / action).iterdir())[:2])[0] == 0
        code, _, err = stars("classify", clip)
        said = " ".join(err.split())
        assert code == 0
        assert ("clips of anything else may get" in said) == (number < 3)
        if number == 1:
            assert "the index holds 1 action: " in said
        assert "anything else" not in stars("classify", clip, "--json")[2]


def test_the_table_shows_the_chance_that_an_unknown_clip_is_unknown():
    answer = Prediction(
        label="walk", known=False, chance_known=0.1, confidence=0.03, second=None, similarity=0.4,
        margin=-0.1, neighbors=(Neighbor(label="jog", similarity=0.5, source="a/jog/1.npy"),),
        source="new/1.npy",
    )  # fmt: skip
    assert [str(cell) for cell in _row(answer)] == [
        "new/1.npy", "unknown", "0.90", "0.500", "a/jog/1.npy"
    ]  # fmt: skip
    assert _fields(answer)[2] == "0.03"


def test_paths_are_whole_on_any_terminal(taught, recordings, monkeypatch):
    clip = sorted((recordings / "wave").iterdir())[3]
    monkeypatch.delenv("COLUMNS", raising=False)
    assert str(clip) in taught("classify", clip)[1]  # to no terminal
    monkeypatch.setenv("COLUMNS", "80")
    assert str(clip) in taught("classify", clip)[1]
    assert str(clip) in taught("classify", clip, "--quiet")[1]


def test_k_has_a_short_form(taught, recordings):
    clip = sorted((recordings / "wave").iterdir())[3]
    assert taught("classify", clip, "--classifier", "majority", "-k", "1")[0] == 0


def test_classify_without_an_index(stars, recordings):
    code, _, err = stars("classify", recordings / "wave")
    assert code == 1
    assert "no index of examples here; add clips with" in " ".join(err.split())


def test_kinect20_needs_its_layout(taught, tmp_path):
    np.save(tmp_path / "k.npy", np.random.default_rng(0).normal(size=(40, 20, 3)))
    code, _, err = taught("classify", "k.npy")
    assert code == 1
    assert "--layout kinect20" in err
    assert taught("classify", "k.npy", "--layout", "kinect20")[0] == 0
    assert taught("classify", "k.npy", "--layout", "kinect21")[0] == 2


def test_device_that_is_not_there(taught, recordings):
    code, _, err = taught("classify", recordings / "wave", "--device", "tensorrt", "--json")
    assert code == 1
    assert "'tensorrt' is not available here; there is:" in records(err)[0]["error"]


def test_two_forms_at_once_are_refused(taught, recordings):
    assert taught("classify", recordings / "wave", "--json", "--quiet")[0] == 2


def test_clip_of_three_bodies_is_two_actors(taught, tmp_path):
    bodies = np.random.default_rng(0).normal(size=(3, 40, 25, 3)).astype(np.float32)
    bodies[..., 1] *= 5
    (tmp_path / "crowd.skeleton").write_text(skeleton_text(bodies))
    (answer,) = records(taught("classify", "crowd.skeleton", "--json")[1])
    assert answer["bodies"] == 2


def test_the_papers_way_from_end_to_end(taught, recordings):
    clips = [sorted((recordings / action).iterdir())[3] for action in ACTIONS]
    code, out, err = taught("classify", *clips, "--protocol", "paper", "-k", 1, "--json")
    assert code == 0, err
    answers = records(out)
    assert all(answer["known"] and answer["answer"] == answer["label"] for answer in answers)
    assert all(answer["label"] == answer["neighbors"][0]["label"] for answer in answers)
    code, out, err = taught("search", clips[0], "--by", "vector", "-k", 5, "--json")
    assert code == 0, err
    for hit, near in zip(records(out), answers[0]["neighbors"], strict=True):
        assert hit["source"] == near["source"]
        assert hit["similarity"] == pytest.approx(near["similarity"], abs=1e-5)


def test_explain_says_what_each_part_would_have_answered(taught, recordings):
    clip = sorted((recordings / "squat").iterdir())[3]
    (plain,) = records(taught("classify", clip, "--json")[1])
    code, out, err = taught("classify", clip, "--explain", "--json")
    assert code == 0, err
    (answer,) = records(out)
    parts = answer.pop("parts")
    assert answer == plain
    assert parts["sequences"] == plain["label"]
    (voted,) = records(taught("classify", clip, "--protocol", "paper", "--json")[1])
    assert parts["the papers' vote"] == voted["label"]
    assert "each part alone: by sequences: " in " ".join(
        taught("classify", clip, "--explain")[1].split()
    )


def test_explain_needs_no_runtime_for_the_rest(taught, recordings, monkeypatch):
    from stars_infer.encoder.encoder import Encoder
    from stars_infer.errors import MissingExtraError

    def missing(self):
        raise MissingExtraError("running the network", "cpu", "onnxruntime")

    monkeypatch.setattr(Encoder, "open", missing)
    clip = sorted((recordings / "squat").iterdir())[3]
    code, out, err = taught("classify", clip, "--explain")
    assert code == 0, err
    assert "nearest examples: " in out
    assert "each part alone" not in out
    assert "cannot be told: running the network needs" in " ".join(err.split())


@pytest.mark.parametrize(
    ("said", "says"),
    [
        (["--protocol", "other"], "--protocol other: choose own or paper"),
        (["--protocol", "paper", "--classifier", "ridge", "--mirror", "on"], "leave --mirror out"),
        (["--protocol", "paper", "--classifier", "prototypes"], "leave --classifier out"),
        (["--protocol", "paper", "--false-accept", 5], "leave --false-accept out"),
    ],
)
def test_what_contradicts_a_protocol(taught, recordings, said, says):
    clip = sorted((recordings / "squat").iterdir())[3]
    code, _, err = taught("classify", clip, *said)
    assert (code, says in " ".join(err.split())) == (2, True)
