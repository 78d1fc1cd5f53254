"""What commands are told of their files, and what they say of them."""

import json

import numpy as np
import pytest

from stars_infer.cli import output
from stars_infer.synthetic.actions import perform


@pytest.fixture
def folder(tmp_path):
    """Three clips of each of two actions in centimeters, z up; the folder of one."""
    for action in ("clap", "wave"):
        (tmp_path / action).mkdir()
        for number in range(3):
            joints = perform(action, np.random.default_rng(number)) * 100
            turned = np.stack([joints[..., 0], -joints[..., 2], joints[..., 1]], axis=-1)
            np.save(tmp_path / action / f"{number}.npy", turned)
    return tmp_path / "wave"


RIGHT = ("--units", "cm", "--up", "z")


@pytest.mark.parametrize(
    "command",
    [("embed", "wave", "--out", "x.npz"), ("fewshot", "add-class", "wave"), ("classify", "wave"),
     ("fewshot", "eval", ".", "--shots", "1")],
)  # fmt: skip
def test_notes_name_the_options_that_mend_it(stars, folder, command):
    assert stars("fewshot", "add-class", folder / "0.npy", *RIGHT)[0] == 0
    code, _, err = stars(*command)
    assert code == 0, err
    lines = [line for line in err.splitlines() if line.startswith("note: wave/1.npy: ")]
    assert any(line.endswith('pass --units cm (in Python units="cm")') for line in lines)
    assert any(line.endswith('pass --up z (in Python up="z")') for line in lines)
    code, _, err = stars(*command, *RIGHT)
    assert code == 0, err
    assert "note: " not in err


@pytest.mark.parametrize(
    "command",
    [("embed", "wave", "--out", "x.npz"), ("fewshot", "add-class", "wave"), ("classify", "wave")],
)
def test_json_has_the_notes(stars, folder, command):
    stars("fewshot", "add-class", folder / "0.npy", *RIGHT)
    code, out, err = stars(*command, "--json")
    assert (code, err) == (0, "")
    for line in map(json.loads, out.splitlines()):
        assert any("pass --units cm" in note for note in line["notes"])
    for line in map(json.loads, stars(*command, *RIGHT, "--json")[1].splitlines()):
        assert line["notes"] == []
    assert "note: " not in stars(*command, "--quiet")[2]


def test_a_flood_of_notes_is_cut(stars, folder, monkeypatch):
    monkeypatch.setattr(output, "_MOST_NOTES", 4)
    _, _, err = stars("embed", folder, "--out", "x.npz")
    assert err.count("note: ") == 4
    assert "and 2 more notes; --json shows all" in err


def test_one_action_in_other_conventions_is_the_same_clip(stars, folder):
    assert stars("fewshot", "add-class", folder / "0.npy", *RIGHT)[0] == 0
    joints = perform("wave", np.random.default_rng(0))
    np.save("meters.npy", joints)
    np.save("unity.npy", joints * np.array([-1, 1, 1], np.float32))
    for file, options in (("meters.npy", ()), ("unity.npy", ("--left-handed",))):
        (line,) = stars("classify", file, *options, "--json")[1].splitlines()
        assert json.loads(line)["similarity"] == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--units", "feet"), "units 'feet': known are m, cm, mm, in"),
        (("--up", "sideways"), "up axis 'sideways'"),
        (("--fps", "0"), "frame rate 0"),
        (("--layout", "squid8"), "there is no layout 'squid8'"),
    ],
)
def test_what_is_no_convention_is_wrong_usage(stars, folder, options, says):
    code, _, err = stars("embed", folder, "--out", "x.npz", *options)
    assert (code, says in " ".join(err.split())) == (2, True), err
