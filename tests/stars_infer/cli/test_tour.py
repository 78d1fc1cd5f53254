"""The tour shows what it says, in a folder of its own; `stars` alone says how to begin."""

import json
import re

import pytest


@pytest.fixture
def shipped(stars, monkeypatch):
    """The command line with the encoder that everybody has."""
    monkeypatch.delenv("STARS_MODEL")
    return stars


def test_the_tour_teaches_asks_and_corrects(shipped, tmp_path):
    code, out, err = shipped("tour", "--json", "--out", "kept")
    assert code == 0, err
    stops = {one["title"]: one for one in map(json.loads, out.splitlines())}
    assert stops["Ask"]["answer"] == "wave"
    assert stops["Something else"]["answer"] == "unknown"
    assert stops["A wrong label"]["likely"] == "clap"
    assert stops["Put right"]["examples"] == {"clap": 4, "squat": 3, "wave": 3}
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert shipped("classify", "kept/wave", "--index", "kept/tour.db")[0] == 0
    code, _, err = shipped("tour", "--fast", "--out", "kept")
    assert (code, "is there already" in err) == (2, True)


def test_the_tour_is_plain_text_without_a_terminal(shipped, tmp_path):
    code, out, err = shipped("tour", "--fast")
    assert (code, err) == (0, "")
    assert "\x1b" not in out
    assert [int(one) for one in re.findall(r"^(\d)\. ", out, flags=re.M)] == [1, 2, 3, 4, 5, 6]
    assert "unknown, " in out
    assert "likely clap, not wave" in out
    assert not list(tmp_path.iterdir())


def test_stars_alone_says_how_to_begin_where_nothing_was_taught(stars, tmp_path):
    assert "stars tour  " in stars()[1]
    (tmp_path / "stars.db").touch()
    assert "stars tour  " not in stars()[1]
