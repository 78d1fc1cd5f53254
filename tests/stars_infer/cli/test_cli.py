import json
import shutil
import subprocess
import sys

import pytest
from typer.main import get_command

from stars_infer import __all__ as public
from stars_infer.cli import app
from stars_infer.synthetic.actions import ACTIONS


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
    "train pretrain", "train tune", "train recipes", "train tables", "train reproduce",
    "train eval knn", "train eval linear", "train eval finetune", "train eval fewshot",
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
    assert f"Example: stars {group}".strip() in short[1]
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
    for share in (0, 100):
        code, _, err = taught("fewshot", "threshold", "--false-accept", share)
        assert code == 2
        assert "--false-accept must be above 0 and below 100" in " ".join(err.split())
    assert "more likely known than not" in taught("fewshot", "threshold")[2]


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
    code, _, err = taught("fewshot", "remove", "wave", "--id", waves[0])
    assert (code, "an action, all examples of which go, or single" in err) == (2, True)
    for what, left in ((["--id", waves[0]], 1), (["kick"], 4)):
        code, out, _ = taught("fewshot", "remove", *what, "--json")
        gone = 1 if "--id" in what else 3
        assert (code, records(out)) == (0, [{"removed": gone, "left": 3 * len(ACTIONS) - left}])
    for wrong in (["remove"], ["remove", "kick"], ["list", "kick"], ["remove", "--id", "9999"]):
        assert taught("fewshot", *wrong)[0] == 2


def test_index_of_another_model_is_refused(taught, imported_model, recordings):
    code, _, err = taught("classify", recordings / "wave", "--model", imported_model)
    assert code == 1
    assert "made by the model 'tiny'" in " ".join(err.split())


def test_model_list_and_info(stars, tiny_model):
    assert stars("model", "list")[0] == 0
    (info,) = records(stars("model", "info", "--json")[1])
    assert (info["name"], info["width"]) == ("tiny", 32)
    assert "fingerprint" in stars("model", "info", tiny_model)[1]
    assert stars("model", "info", "nothing")[0] == 1


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
