import io
import json
import sys

import numpy as np
import pytest

from stars_infer.cli.extras import DATA
from stars_infer.layouts import NTU25_JOINTS
from stars_infer.synthetic.actions import perform
from tests.conftest import call_stars


@pytest.fixture
def clips(tmp_path, monkeypatch, recordings):
    """A folder with a wave, a handshake and a file that is cut short."""
    monkeypatch.chdir(tmp_path)
    for action in ("wave", "handshake"):
        text = next((recordings / action).iterdir()).read_text()
        (tmp_path / f"{action}.skeleton").write_text(text)
    (tmp_path / "cut.skeleton").write_text("90\n1\n")
    return tmp_path


@pytest.fixture
def terminal(monkeypatch):
    """Run the command line as if in a terminal of 80 columns that shows colors."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")


def records(text):
    return [json.loads(line) for line in text.splitlines()]


def has_picture(text):
    return any(0x2800 < ord(character) < 0x2900 for character in text)


def test_commands_that_come_with_the_extra_are_listed_as_they_are():
    from stars_infer.train.datasets.cli import app

    there = {
        command.name or command.callback.__name__: " ".join(command.callback.__doc__.split())
        for command in app.registered_commands
    }
    assert there == dict(DATA.commands)


def test_help_lists_all(clips):
    code, out, _ = call_stars("data", "--help")
    assert code == 0
    for command in ("inspect", "pack", "prepare", "split", "extra 'train'"):
        assert command in out
    assert call_stars("data", "nonsense")[0] == 2
    assert call_stars("data", "inspect")[0] == 2


def test_inspect_tells_what_was_read(clips):
    code, out, err = call_stars("data", "inspect", "wave.skeleton")
    assert (code, err) == (0, "")
    text = " ".join(out.split())
    for words in (
        "wave.skeleton", "ntu25, 25 joints", "at 30 fps; 1 body", "body 0, acts: seen 0.0–",
        "stands along +y, faces towards the camera (-z)", "center at (", "upper arm", "height",
    ):  # fmt: skip
        assert words in text
    assert not has_picture(out)


def test_the_picture_is_for_terminals(clips, terminal):
    _, out, _ = call_stars("data", "inspect", "wave.skeleton")
    assert has_picture(out)
    assert not has_picture(call_stars("data", "inspect", "wave.skeleton", "--no-picture")[1])
    for form in ("--json", "--quiet"):
        assert not has_picture(call_stars("data", "inspect", "wave.skeleton", form)[1])


def test_no_picture_where_its_characters_cannot_be_shown(clips, terminal, monkeypatch):
    from stars_infer.cli.inspect import _draws

    class Latin(io.StringIO):
        encoding = "latin-1"

    from rich.console import Console

    assert not _draws(Console(file=Latin(), force_terminal=True))
    assert _draws(Console(force_terminal=True, file=sys.__stdout__)) == (
        sys.__stdout__.encoding.lower().startswith("utf")
    )


def test_a_picture_can_be_asked_for_anywhere(clips):
    _, out, _ = call_stars("data", "inspect", "handshake.skeleton", "--picture")
    assert has_picture(out)
    assert "second person" in out
    assert all(len(line) <= 80 for line in out.splitlines())


def test_json_has_all_numbers(clips):
    code, out, _ = call_stars("data", "inspect", "wave.skeleton", "handshake.skeleton", "--json")
    assert code == 0
    wave, shake = records(out)
    assert wave["source"] == "wave.skeleton"
    assert len(wave["bodies"]) == 1
    assert [body["actor"] for body in shake["bodies"]] == [True, True]
    body = wave["bodies"][0]
    assert set(body) == {
        "number", "actor", "role", "seen", "share", "repeated", "scale", "unit", "limbs",
        "troubles", "up", "facing", "turning", "way", "findings",
    }  # fmt: skip
    assert len(body["limbs"]) == 12
    assert 140 < next(li["centimeters"] for li in body["limbs"] if li["kind"] == "height") < 210


def test_quiet_is_a_line_a_body(clips):
    _, out, _ = call_stars("data", "inspect", "handshake.skeleton", "--quiet")
    rows = [line.split("\t") for line in out.splitlines()]
    assert [row[:3] for row in rows] == [
        ["handshake.skeleton", "0", "actor"],
        ["handshake.skeleton", "1", "actor"],
    ]
    assert {len(row) for row in rows} == {8}
    joints = perform("wave", np.random.default_rng(0))
    joints[0, 30:36, NTU25_JOINTS.index("left hand")] += 2
    np.save("jump.npy", joints)
    _, out, _ = call_stars("data", "inspect", "wave.skeleton", "jump.npy", "--quiet")
    calm, jump = (line.split("\t")[-1] for line in out.splitlines())
    assert "left hand" not in calm
    assert "jumps of left hand" in jump


def test_one_bad_file_does_not_stop_the_others(clips):
    np.save("nobody.npy", np.zeros((9, 25, 3)))
    np.save("one.npy", np.ones((1, 25, 3)))
    files = ["cut.skeleton", "wave.skeleton", "nobody.npy", "one.npy", "none.npy"]
    code, out, err = call_stars("data", "inspect", *files, "--json", "--html", "page.html")
    assert code == 1
    assert [line["source"] for line in records(out)] == ["wave.skeleton"]
    failures = {line["source"]: line["error"] for line in records(err)}
    assert list(failures) == ["cut.skeleton", "nobody.npy", "one.npy", "none.npy"]
    assert "a motion needs at least 2" in failures["one.npy"]
    assert (clips / "page.html").exists()
    plain = call_stars("data", "inspect", *files)[2]
    assert plain.count("error: ") == 4


def test_units_are_asked_about(clips, waving):
    np.save("mm.npy", waving * 1000)
    _, out, _ = call_stars("data", "inspect", "mm.npy")
    assert "are these millimeters?" in out
    (told,) = records(call_stars("data", "inspect", "mm.npy", "--json")[1])
    assert any("--units mm" in note for note in told["notes"])
    (told,) = records(call_stars("data", "inspect", "mm.npy", "--units", "mm", "--json")[1])
    assert told["notes"] == []
    assert told["bodies"][0]["unit"] is None
    assert told["bodies"][0]["scale"] == pytest.approx(1, abs=0.2)
    np.save("k.npy", waving[:, :, :20])
    assert "--layout kinect20" in call_stars("data", "inspect", "k.npy")[2]
    assert call_stars("data", "inspect", "k.npy", "--layout", "kinect21")[0] == 2


def test_page(clips):
    code, _, err = call_stars("data", "inspect", ".", "--html", "page.html")
    assert code == 1  # of the file that is cut short
    assert "page.html: open it in a browser" in " ".join(err.split())
    page = (clips / "page.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "handshake.skeleton" in page
    assert [path.name for path in clips.iterdir() if path.name.startswith(".")] == []


def test_page_that_cannot_be_written(clips):
    for html in ("page.txt", "nowhere/page.html"):
        code, _, err = call_stars("data", "inspect", "wave.skeleton", "--html", html)
        assert (code, f"--html {html}" in " ".join(err.split())) == (2, True)
    code, _, err = call_stars("data", "inspect", "cut.skeleton", "--html", "page.html")
    assert code == 1
    assert "no clip could be read; nothing was written" in " ".join(err.split())
    assert not (clips / "page.html").exists()
