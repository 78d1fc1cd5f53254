import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from typer.main import get_command

from stars_infer import __all__ as public
from stars_infer.cli import app
from stars_infer.synthetic.actions import ACTIONS
from stars_infer.synthetic.files import skeleton_text


@pytest.fixture
def taught(stars, recordings, tmp_path):
    """The command line, in a folder with an index of three performers of each action."""
    for action in ACTIONS:
        clips = sorted((recordings / action).iterdir())[:3]
        assert stars("fewshot", "add-class", *clips)[0] == 0
    return stars


def records(text):
    return [json.loads(line) for line in text.splitlines()]


def test_public_names_are_few():
    assert len(public) < 10


def test_help_without_arguments(stars):
    code, out, _ = stars()
    assert code == 0
    for command in ("classify", "embed", "fewshot", "train", "export", "data", "doctor", "demo"):
        assert command in out
    assert "--install-completion" in out


def commands(command, *path):
    """The names of all commands below one, extras' groups apart."""
    inside = getattr(command, "commands", None)
    if inside is None:
        return [path]
    return [found for name, one in inside.items() for found in commands(one, *path, name)]


OWN = [" ".join(path) for path in commands(get_command(app))]
OF_EXTRAS = [
    "train pretrain", "train tune", "train recipes", "train reproduce", "train eval knn",
    "train eval linear", "train eval finetune", "train eval fewshot",
]  # fmt: skip


@pytest.mark.parametrize("command", sorted({*OWN, *OF_EXTRAS} - {"train"}))
def test_every_command_helps_with_an_example(stars, command):
    code, out, err = stars(*command.split(), "-h")
    assert code == 0, err
    assert f"Example: stars {command}" in " ".join(out.split())


@pytest.mark.parametrize("group", ["", "fewshot", "model", "data", "train", "train eval"])
def test_a_group_lists_its_commands_for_both_options(stars, group):
    short, long = stars(*group.split(), "-h"), stars(*group.split(), "--help")
    assert short == long
    assert short[0] == 0
    assert "Commands" in short[1] or "Name clips" in short[1] or "training data" in short[1]


def completed(monkeypatch, words):
    """What the shell is offered at the end of a line."""
    program = [sys.executable, "-c", "from stars_infer.cli import app; app(prog_name='stars')"]
    monkeypatch.setenv("_STARS_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
    return subprocess.run(program, capture_output=True, text=True, check=True).stdout.split()


def test_a_shell_completes_commands_and_options(stars, monkeypatch):
    assert completed(monkeypatch, "stars fewshot a") == ["add-class"]
    assert "--false-accept" in completed(monkeypatch, "stars classify --f")
    monkeypatch.delenv("_STARS_COMPLETE")
    monkeypatch.setattr("shellingham.detect_shell", lambda: ("bash", "/bin/bash"))
    code, out, err = stars("--show-completion")
    assert code == 0, err
    assert "=complete_bash" in out


def test_heavy_imports_wait_for_the_commands():
    code = (
        "import sys, stars_infer.cli; "
        "print(*(m for m in ('numpy', 'faiss', 'onnxruntime', 'torch') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_wrong_usage_exits_with_2(stars):
    for arguments in (["nonsense"], ["classify"], ["classify", "x", "--kk", "3"], ["train", "x"]):
        code, _, err = stars(*arguments)
        assert code == 2
        assert err


def test_embed(stars, recordings, tmp_path):
    (tmp_path / "bad.npy").write_bytes(b"bad")
    paths = [recordings / "wave", tmp_path / "bad.npy", recordings / "handshake"]
    code, out, err = stars("embed", *paths, "--out", "x.npz", "--json")
    assert code == 1
    (failure,) = records(err)
    assert failure["source"].endswith("bad.npy")
    assert "not a NumPy array" in failure["error"]
    lines = records(out)
    assert [line["bodies"] for line in lines] == [1] * 4 + [2] * 4
    with np.load(tmp_path / "x.npz", allow_pickle=False) as arrays:
        assert arrays["embeddings"].shape == (8, 32)
        assert arrays["embeddings"].dtype == np.float32
        assert arrays["sources"].tolist() == [line["source"] for line in lines]


def test_embed_writes_nothing_when_nothing_could_be_read(stars, tmp_path):
    code, _, err = stars("embed", "missing.npy", "--out", "x.npz")
    assert code == 1
    assert "missing.npy: no such file" in err
    assert "nothing was written" in err
    assert list(tmp_path.iterdir()) == []
    assert stars("embed", "x.npy", "--out", "x.csv")[0] == 2
    assert stars("embed", "x.npy", "--out", "nowhere/x.npz")[0] == 2


def test_classify_names_clips_and_explains(taught, recordings):
    clips = [sorted((recordings / action).iterdir())[3] for action in ACTIONS]
    code, out, err = taught("classify", *clips, "--json")
    assert code == 0, err
    answers = records(out)
    assert [answer["source"] for answer in answers] == [str(clip) for clip in clips]
    for answer in answers:
        assert set(answer) == {
            "source", "answer", "label", "known", "confidence", "chance_known", "second",
            "similarity", "margin", "neighbors", "bodies", "frames", "notes",
        }  # fmt: skip
        assert answer["label"] in ACTIONS
        assert answer["second"] in set(ACTIONS) - {answer["label"]}
        assert answer["answer"] == (answer["label"] if answer["known"] else "unknown")
        assert len(answer["neighbors"]) == 5
        near = [neighbor["similarity"] for neighbor in answer["neighbors"]]
        assert near == sorted(near, reverse=True)
        assert set(answer["neighbors"][0]) == {"label", "similarity", "source"}
        assert answer["frames"] > 60
    assert answers[-1]["bodies"] == 2
    shown = taught("classify", *clips)[1]
    assert "similarity" in shown
    quiet = taught("classify", *clips, "--quiet")[1].splitlines()
    assert [line.split("\t")[1] for line in quiet] == [answer["answer"] for answer in answers]
    explained = taught("classify", clips[0], "--explain")[1]
    assert "nearest exemplars: " in explained
    assert "next best: " in explained


def test_the_threshold_decides_what_is_unknown_and_info_says_so(taught, recordings):
    clip = sorted((recordings / "squat").iterdir())[3]
    before = records(taught("fewshot", "info", "--json")[1])[0]
    assert (before["false_accept"], before["threshold"]) == (None, 0.5)
    code, out, _ = taught("fewshot", "threshold", "--false-accept", 1, "--json")
    assert code == 0
    assert records(out)[0]["false_accept"] == 0.01
    after = records(taught("fewshot", "info", "--json")[1])[0]
    assert after["false_accept"] == 0.01
    assert after["threshold"] > 0.5
    (answer,) = records(taught("classify", clip, "--json")[1])
    assert answer["known"] == (answer["chance_known"] > after["threshold"])
    assert taught("classify", clip, "--false-accept", 0.001, "--quiet")[0] == 0
    assert taught("classify", clip, "--classifier", "forest")[0] == 2
    assert taught("fewshot", "threshold", "--false-accept", 120)[0] == 2
    assert "more likely known than not" in taught("fewshot", "threshold")[2]


def test_strangers_are_counted_by_eval(stars, recordings, tmp_path):
    how = ("fewshot", "eval", recordings, "--shots", 2, "--draws", 3)
    code, out, err = stars(*how, "--unknown-classes", "h*", "--json")
    assert code == 0, err
    (result,) = records(out)
    assert set(result) == {
        "model", "shots", "auroc", "fpr_at_95", "unknown_named", "known_named",
        "right_of_named", "calibration_error",
    }  # fmt: skip
    assert result["auroc"] > 50
    picture = tmp_path / "reliability.svg"
    code, out, err = stars(*how, "--unknown", 40, "--plot", picture)
    assert code == 0, err
    assert "AUROC" in out
    assert picture.read_text().lstrip().startswith("<?xml")
    for wrong in (
        ("--unknown-classes", "zebra"),
        ("--unknown-classes", "*"),
        ("--unknown", 40, "--unknown-classes", "h*"),
        ("--unknown", 40, "--plot", tmp_path / "reliability.doc"),
        ("--unknown", 40, "--classifier", "vote"),
    ):
        assert stars(*how, *wrong)[0] == 2


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


def test_classify_without_an_index(stars, recordings):
    code, _, err = stars("classify", recordings / "wave")
    assert code == 1
    assert "no exemplar index here; add clips with" in " ".join(err.split())


def test_index_from_the_environment_and_the_flag(stars, recordings, tmp_path, monkeypatch):
    monkeypatch.setenv("STARS_INDEX", str(tmp_path / "env.db"))
    stars("fewshot", "add-class", recordings / "wave")
    assert (tmp_path / "env.db").exists()
    stars("fewshot", "add-class", recordings / "walk", "--index", "flag.db")
    assert records(stars("fewshot", "info", "--json")[1])[0]["classes"] == {"wave": 4}
    (info,) = records(stars("fewshot", "info", "--index", "flag.db", "--json")[1])
    assert info["classes"] == {"walk": 4}


def test_add_class_takes_the_label_from_the_folder_or_the_flag(stars, recordings):
    wave, walk = recordings / "wave", recordings / "walk"
    assert records(stars("fewshot", "add-class", wave, "--json")[1])[0]["label"] == "wave"
    stars("fewshot", "add-class", walk, "--label", "stroll")
    code, _, err = stars("fewshot", "add-class", walk, "--label", "run")
    assert code == 0
    assert err.count("already in the index as 'stroll'; nothing changed") == 4
    assert records(stars("fewshot", "info", "--json")[1])[0]["classes"] == {"stroll": 4, "wave": 4}


def test_a_copy_of_a_clip_is_the_same_clip(stars, recordings, tmp_path):
    clip = sorted((recordings / "wave").iterdir())[0]
    shutil.copy(clip, tmp_path / "copy.skeleton")
    lines = records(stars("fewshot", "add-class", clip, "copy.skeleton", "--json")[1])
    assert [line["added"] for line in lines] == [True, False]


def test_list_and_remove(taught):
    rows = records(taught("fewshot", "list", "--json")[1])
    assert len(rows) == 3 * len(ACTIONS)
    waves = [row["id"] for row in rows if row["label"] == "wave"]
    assert records(taught("fewshot", "list", "wave", "--json")[1]) == [
        row for row in rows if row["label"] == "wave"
    ]
    code, out, _ = taught("fewshot", "remove", "kick", "--id", waves[0], "--json")
    assert (code, records(out)) == (0, [{"removed": 4, "left": 3 * len(ACTIONS) - 4}])
    for wrong in (["remove"], ["remove", "kick"], ["list", "kick"], ["remove", "--id", "9999"]):
        assert taught("fewshot", *wrong)[0] == 2


def test_index_of_another_model_is_refused(taught, imported_model, recordings):
    code, _, err = taught("classify", recordings / "wave", "--model", imported_model)
    assert code == 1
    assert "made by the model 'tiny'" in " ".join(err.split())


def test_fewshot_eval(stars, recordings):
    arguments = ["fewshot", "eval", recordings, "--shots", 1, "--shots", 2, "--draws", 4]
    code, out, err = stars(*arguments, "--json")
    assert code == 0, err
    (result,) = records(out)
    assert set(result) == {"model", "classes", "queries", "shots"}
    assert (result["model"], result["classes"], result["queries"]) == ("tiny", 7, 28)
    assert set(result["shots"]) == {"1", "2"}
    assert 20 < result["shots"]["2"]["mean"] <= 100
    assert result["shots"]["2"]["std"] >= 0
    assert "accuracy" in stars(*arguments)[1]


def test_fewshot_eval_over_performers(stars, recordings, tmp_path):
    root = tmp_path / "root"
    shutil.copytree(recordings, root)
    (root / "wave" / "S001C001P009R001A001.skeleton").write_text("0")
    arguments = ["fewshot", "eval", root, "--shots", 1, "--draws", 3, "--json"]
    sides = ["--exemplars", "*/*P00[123]*", "--queries", "*/*P00[49]*"]
    code, out, err = stars(*arguments, *sides)
    assert code == 1
    assert "P009R001A001.skeleton" in records(err)[0]["source"]
    assert records(out)[0]["queries"] == 7
    for wrong in (["--exemplars", "*/*P004*", "--shots", "2"], ["--queries", "none*"]):
        assert stars(*arguments, *wrong)[0] == 2
    assert stars("fewshot", "eval", root / "nowhere")[0] == 2


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


def test_model_list_and_info(stars, tiny_model):
    assert stars("model", "list")[0] == 0
    (info,) = records(stars("model", "info", "--json")[1])
    assert (info["name"], info["width"]) == ("tiny", 32)
    assert "fingerprint" in stars("model", "info", tiny_model)[1]
    assert stars("model", "info", "nothing")[0] == 1


def test_doctor(stars):
    code, out, _ = stars("doctor", "--json")
    assert code == 0
    found = {line["what"]: line for line in records(out)}
    assert found["cpu"]["state"] == "ok"
    assert "ms a body" in found["cpu"]["detail"]
    assert found["stars train"]["state"] == "ok"


def test_doctor_finds_wheels_that_overwrite_each_other(stars, monkeypatch):
    from stars_infer import diagnosis

    monkeypatch.setattr(
        diagnosis, "installed_version", lambda name: "1.31.0" if "onnx" in name else None
    )
    code, out, _ = stars("doctor", "--json")
    assert code == 1
    found = {line["what"]: line for line in records(out)}
    assert found["ONNX Runtime"]["state"] == "problem"
    assert "overwrite each other" in found["ONNX Runtime"]["detail"]
    assert "not installed" in found["FAISS"]["detail"]


def test_demo(stars, tmp_path):
    code, out, err = stars("demo", "--performers", 4, "--out", "demo", "--json")
    assert code == 0, err
    answers = records(out)
    assert [answer["truth"] for answer in answers] == list(ACTIONS)
    assert sum(answer["label"] == answer["truth"] for answer in answers) >= 3
    assert len(list((tmp_path / "demo/wave").iterdir())) == 4
    assert stars("demo", "--performers", 4, "--out", "demo")[0] == 0
    assert stars("demo", "--performers", 3)[0] == 2


def test_known_errors_have_no_traceback_unless_asked(stars, monkeypatch):
    code, _, err = stars("model", "info", "nothing")
    assert (code, "Traceback" in err) == (1, False)
    monkeypatch.setenv("STARS_DEBUG", "1")
    with pytest.raises(Exception, match="no model 'nothing'"):
        stars("model", "info", "nothing")


def test_unexpected_errors_are_one_line(stars, monkeypatch):
    from stars_infer.encoder import model

    def broken(*_):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(model, "shipped_models", broken)
    code, _, err = stars("model", "list")
    assert code == 1
    assert "unexpected ZeroDivisionError: by zero" in err


def test_writing_to_a_full_disk_is_a_clear_error(stars, recordings, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    code, _, err = stars("embed", recordings / "wave", "--out", "x.npz")
    assert (code, "No space left on device" in err) == (1, True)
    assert list(tmp_path.iterdir()) == []


def test_clip_of_three_bodies_is_two_actors(taught, tmp_path):
    bodies = np.random.default_rng(0).normal(size=(3, 40, 25, 3)).astype(np.float32)
    bodies[..., 1] *= 5
    (tmp_path / "crowd.skeleton").write_text(skeleton_text(bodies))
    (answer,) = records(taught("classify", "crowd.skeleton", "--json")[1])
    assert answer["bodies"] == 2
