"""Files that fail alike are told together; programs are told of each."""

import json

import pytest


@pytest.fixture
def broken(tmp_path):
    """Twenty files that are alike, and three that are broken in another way."""
    for number in range(20):
        (tmp_path / f"empty-{number:02}.npy").touch()
    for number in range(3):
        (tmp_path / f"line-{number}.csv").write_text("x\n" * (number + 1))
    return tmp_path


def told(err):
    return [line for line in err.replace("\n  ", " ").splitlines() if line.startswith("error: ")]


@pytest.mark.parametrize(
    "command",
    [
        ("classify", "."),
        ("embed", ".", "--out", "v.npz"),
        ("fewshot", "add-class", "."),
        ("segment", "."),
        ("data", "inspect", "."),
    ],
)
def test_files_that_fail_alike_are_counted(taught, broken, command):
    code, _, err = taught(*command)
    assert code == 1
    lines = told(err)
    empty = [line for line in lines if "empty-" in line]
    assert len(empty) == 3, err
    (counted,) = [line for line in lines if line.startswith("error: … and")]
    assert counted.startswith("error: … and 17 more for the same reason: ")
    assert sum("line-" in line for line in lines) == 3
    if command[0] == "classify":
        err = taught(*command, "--json")[2]
        assert sum("empty-" in json.loads(line)["source"] for line in err.splitlines()) == 20
        assert "same reason" not in err


def test_reasons_that_differ_in_a_number_are_one(capsys):
    from stars_infer.cli.output import Output
    from stars_infer.errors import ClipError

    output = Output()
    for number in range(5):
        output.failure(ClipError(f"f{number}", f"line {number} holds no number"))
    output.failure(ClipError("other", "is empty"))
    output.count_alike()
    err = capsys.readouterr().err
    assert err.count("holds no number") == 4
    assert "… and 2 more for the same reason: line 4 holds no number" in err
    assert "other: is empty" in err
    output.count_alike()
    assert not capsys.readouterr().err
