"""`stars fewshot`: renaming and relabeling, labels, and what is not loaded for it."""

import json
import shutil
import subprocess
import sys

import pytest


@pytest.fixture
def taught(stars, recordings):
    """The command line, in a folder with an index of two actions."""
    assert stars("fewshot", "add-class", recordings / "wave", recordings / "walk")[0] == 0
    return stars


def counts(stars):
    return json.loads(stars("fewshot", "info", "--json")[1])["classes"]


def one_line(text):
    return " ".join(text.split())


def test_rename(taught):
    code, out, err = taught("fewshot", "rename", "wave", "greet", "--json")
    assert (code, json.loads(out)) == (0, {"label": "greet", "renamed": 4, "examples": 4})
    assert not err
    code, out, err = taught("fewshot", "rename", "walk", " Greet ")
    assert counts(taught) == {"Greet": 4, "greet": 4}
    assert "'Greet' and 'greet' are two actions" in one_line(err)
    code, out, err = taught("fewshot", "rename", "Greet", "greet")
    assert counts(taught) == {"greet": 8}
    assert "'Greet' and 'greet' are one action now: 4 examples had that name" in one_line(err)
    for names, says in (
        (("Greet", "x"), "no example of 'Greet'"),
        (("greet", "greet"), "'greet' has that name already"),
        (("greet", "UNKNOWN"), "'UNKNOWN' cannot be a label"),
    ):
        code, _, err = taught("fewshot", "rename", *names)
        assert code == 2
        assert says in one_line(err)


@pytest.mark.parametrize("command", [("list",), ("remove",), ("rename", "greet")])
def test_an_action_that_is_not_there_is_named_and_the_nearest_suggested(taught, command):
    name, *more = command
    code, _, err = taught("fewshot", name, "wawe", *more)
    assert code == 2
    assert "no example of 'wawe'; did you mean 'wave'? `stars fewshot list`" in one_line(err)
    code, _, err = taught("fewshot", name, "moonwalking", *more)
    assert "no example of 'moonwalking'; `stars fewshot list` shows all" in one_line(err)


def test_a_command_is_suggested_by_its_beginning(stars):
    code, _, err = stars("fewshot", "add", "wave")
    assert code == 2
    assert "No such command 'add'. Did you mean 'add-class'?" in one_line(err)


def test_relabel_by_source_and_by_what_the_file_holds(taught, recordings, tmp_path):
    first, second, *_ = sorted((recordings / "wave").iterdir())
    (tmp_path / "elsewhere.skeleton").write_bytes(second.read_bytes())
    code, out, _ = taught("fewshot", "relabel", "walk", first, "elsewhere.skeleton", "--json")
    assert code == 0
    rows = [json.loads(line) for line in out.splitlines()]
    assert [(row["source"], row["label"], row["before"]) for row in rows] == [
        (str(first), "walk", "wave"),
        (str(second), "walk", "wave"),
    ]
    assert counts(taught) == {"walk": 6, "wave": 2}
    squat = next((recordings / "squat").iterdir())
    code, _, err = taught("fewshot", "relabel", "wave", first, squat)
    assert code == 2
    assert "not in stars.db; `stars fewshot list` shows what is" in one_line(err)
    assert counts(taught) == {"walk": 6, "wave": 2}
    (tmp_path / "broken.skeleton").write_text("nothing")
    code, _, err = taught("fewshot", "relabel", "wave", first, "broken.skeleton")
    assert code == 1
    assert "nothing was relabeled" in one_line(err)
    assert counts(taught) == {"walk": 6, "wave": 2}


def test_relabel_says_that_an_action_is_new(taught, recordings):
    first = min((recordings / "wave").iterdir())
    _, _, err = taught("fewshot", "relabel", "wvae", first)
    assert "1 example has another action now" in one_line(err)
    assert "'wvae' is a new action; if 'wave' is meant" in one_line(err)
    _, _, err = taught("fewshot", "relabel", "wave", first)
    assert "new action" not in err


def test_labels_that_look_alike_get_a_note(taught, recordings):
    _, _, err = taught("fewshot", "add-class", recordings / "kick", "--label", "Wave")
    assert (
        "'Wave' and 'wave' are two actions; to make them one: stars fewshot rename Wave wave"
        in (one_line(err))
    )
    _, _, err = taught("fewshot", "add-class", recordings / "squat", "--label", "Wave")
    assert "two actions" not in err


def test_unknown_is_refused_before_anything_is_read(stars, recordings, tmp_path):
    (tmp_path / "Unknown").mkdir()
    (tmp_path / "Unknown" / "1.skeleton").write_text("nothing")
    for arguments in (["Unknown"], [recordings / "wave", "--label", "unknown"]):
        code, _, err = stars("fewshot", "add-class", *arguments)
        assert code == 2
        assert "cannot be a label: it is the answer to clips of actions" in one_line(err)
    assert not (tmp_path / "stars.db").exists()


_FIFTH_PERFORMER = {
    "clap": (0.98296, 0.97065),
    "handshake": (0.98246, 0.94851),
    "jump": (0.98262, 0.98462),
    "kick": (0.97984, 0.98785),
    "squat": (0.98387, 0.97433),
    "walk": (0.97851, 0.97955),
    "wave": (0.98201, 0.98498),
}
"""Confidence and similarity of the fifth performer's clips in `stars demo`."""


def test_answers_of_the_demo_stay_what_they_are(stars):
    code, out, _ = stars("demo", "--model", "stars-mocap", "--json")
    assert code == 0
    rows = [json.loads(line) for line in out.splitlines()]
    assert len(rows) == 21
    assert all(row["label"] == row["truth"] for row in rows)
    for row in rows:
        if "P005" in row["source"]:
            given = row["confidence"], row["similarity"]
            assert given == pytest.approx(_FIFTH_PERFORMER[row["truth"]], abs=1e-5)


_COMMANDS = """
import sys
from stars_infer.cli import main

clips, long = sys.argv[1:]
for command in (
    ["fewshot", "add-class", clips],
    ["fewshot", "list"],
    ["fewshot", "rename", "walk", "stroll"],
    ["fewshot", "remove", "stroll"],
    ["fewshot", "info"],
    ["classify", clips],
    ["segment", long],
):
    sys.argv = ["stars", *command, "--quiet"]
    try:
        main()
    except SystemExit as done:
        assert not done.code, command
    for package in ("onnxruntime", "openvino", "faiss"):
        assert package not in sys.modules, (package, command)
"""


def test_no_network_and_no_search_library_is_loaded_for_naming_by_sequences(recordings, tmp_path):
    long = next((recordings / "walk").iterdir())
    done = subprocess.run(
        [sys.executable, "-c", _COMMANDS, str(recordings), str(long)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("wave") > 8


def test_the_label_that_is_taught_is_said(stars, recordings, tmp_path):
    code, _, err = stars("fewshot", "add-class", recordings / "wave", recordings / "clap")
    assert code == 0
    assert "taught 'clap', 'wave', after the folders of the clips" in one_line(err)
    assert "warning" not in err
    for name in ("new", "Recordings", "swing"):
        shutil.copytree(recordings / "squat", tmp_path / name)
        code, _, err = stars("fewshot", "add-class", name, "--index", f"{name}.db")
        assert f"taught {name!r}, after the folder of the clips" in one_line(err)
        warned = f"{name!r} is an action now, since a folder is called so" in one_line(err)
        assert warned == (name != "swing")
        more = ("--index", f"{name}.db", "--label", "squat")
        shutil.copytree(recordings / "squat", tmp_path / f"{name}-again")
        assert "taught" not in stars("fewshot", "add-class", f"{name}-again", *more)[2]
    code, _, err = stars("fewshot", "add-class", "new", "--index", "new.db")  # all there already
    assert "taught" not in err


def test_an_action_among_the_clips_is_told(stars, recordings, tmp_path):
    code, _, err = stars("fewshot", "add-class", "greet", recordings / "wave")
    assert (code, "say --label greet" in one_line(err)) == (2, True)
    assert not (tmp_path / "stars.db").exists()
    code, _, err = stars("fewshot", "add-class", "nowhere.npy", recordings / "wave")
    assert (code, "nowhere.npy: no such file" in err) == (1, True)
    assert "--label" not in stars("fewshot", "add-class", "a", "b")[2]
