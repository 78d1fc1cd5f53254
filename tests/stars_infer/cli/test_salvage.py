"""`stars fewshot verify` and `repair`, and JSON that any program can read."""

import json
import math
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from stars_infer.cli.output import Output


@pytest.fixture
def index(stars, recordings):
    """The command line, and an index of four examples of which one is damaged."""
    assert stars("fewshot", "add-class", recordings / "wave")[0] == 0
    path = Path("stars.db")
    content, source = path.read_bytes(), b"S001C001P002"
    assert source in content
    path.write_bytes(content.replace(source, b"S009C001P002"))
    return stars


def test_damage_is_listed_and_the_rest_is_saved(index):
    damaged = Path("stars.db").read_bytes()
    code, out, err = index("fewshot", "verify")
    assert code == 1
    assert "example 2" in out
    assert "3 examples as written" in err
    code, out, _ = index("fewshot", "verify", "--json")
    found = json.loads(out)
    assert (code, found["sound"], found["problems"][0]["label"]) == (1, 3, "wave")
    code, _, err = index("fewshot", "list")
    assert code == 1
    assert "example 2 is damaged" in err
    assert "stars fewshot repair" in err
    code, out, err = index("fewshot", "repair", "--out", "saved.db")
    assert code == 0
    assert "3 examples saved" in err
    assert Path("stars.db").read_bytes() == damaged
    code, out, err = index("fewshot", "verify", "--index", "saved.db")
    assert (code, out) == (0, "")
    assert "nothing is damaged" in err
    assert index("fewshot", "list", "--index", "saved.db", "-q")[1].count("\n") == 3
    code, _, err = index("fewshot", "repair", "--out", "saved.db")
    assert code == 2
    assert "there is a file already" in err


def test_json_holds_null_where_a_number_is_not_finite():
    text = StringIO()
    with redirect_stdout(text):
        Output(json=True).record({"a": [1.5, math.nan, {"b": math.inf}], "c": (-math.inf, "NaN")})
    assert text.getvalue() == '{"a": [1.5, null, {"b": null}], "c": [null, "NaN"]}\n'
