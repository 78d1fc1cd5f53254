"""Terminals that know few characters, and outputs that are none."""

import io
import json
import sys

import numpy as np
import pytest

from stars_infer.cli.output import Output
from stars_infer.cli.terminal import print_plainly
from stars_infer.errors import ClipError


def stream(encoding):
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")


def written(text):
    text.flush()
    return text.buffer.getvalue().decode(text.encoding)


@pytest.mark.parametrize("encoding", ["cp932", "cp437", "ascii", "latin-1", "cp1252", "utf-8"])
def test_every_terminal_prints_something(monkeypatch, encoding):
    out, err = stream(encoding), stream(encoding)
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    print_plainly()
    output = Output()
    output.table(("action", "of"), [("✓ wave – 3°", "≈ 5 ± 1 …"), ("手を振る", "😀")])
    output.note("a note: ✗ → ≥")
    output.error("an error: …")
    text = written(out)
    assert "wave" in text
    assert "an error" in written(err)
    if encoding == "ascii":
        assert "v wave - 3 deg" in text
        assert "~ 5 +- 1 ..." in text
    if encoding == "utf-8":
        assert "✓ wave – 3°" in text


@pytest.mark.parametrize("encoding", ["cp437", "utf-8"])
def test_json_keeps_every_character(monkeypatch, encoding):
    out = stream(encoding)
    monkeypatch.setattr(sys, "stdout", out)
    print_plainly()
    Output(json=True).record({"label": "手を振る"})
    assert json.loads(written(out)) == {"label": "手を振る"}


def test_a_table_that_goes_to_no_terminal_is_not_folded(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    path = "/".join(["recordings"] * 15) + "/wave.skeleton"
    Output().table(("clip", "action"), [(path, "wave")], title=f"of {path}")
    assert capsys.readouterr().out.count(path) == 2
    Output().table(("action",), [("wave",)], title=f"of {path}")
    Output().note(f"a note on {path}")
    assert f"of {path}\n" in (printed := capsys.readouterr()).out
    assert path in printed.err


def test_clips_of_a_file_that_fail_for_one_reason_are_one_line(capsys):
    output = Output()
    for number in range(300):
        output.failure(ClipError(f"a.pkl#clip {number}", "in 2D"))
    output.failure(ClipError("a.pkl#odd", "too short"))
    output.failure(ClipError("b.npy", "damaged"))
    with pytest.raises(BaseException, match="1"):
        output.finish()
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "error: a.pkl: 300 clips (clip 0, clip 1, clip 2, …): in 2D",
        "error: a.pkl#odd: too short",
        "error: b.npy: damaged",
    ]
    assert output.failures == 302


def test_a_text_array_stops_only_itself(tmp_path, stars, recordings):
    np.save(tmp_path / "text.npy", np.full((9, 25, 3), "x"))
    np.save(tmp_path / "word.npy", np.array("x"))
    clip = next((recordings / "wave").iterdir())
    code, out, err = stars("data", "inspect", "text.npy", "word.npy", clip)
    assert code == 1
    assert err.count("expected numbers, got an array of <U1") == 2
    assert "upper arm" in out


def test_work_without_an_end_in_sight_is_shown_to_people_only(capsys, monkeypatch):
    with Output().waiting("verifying"):
        pass
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("FORCE_COLOR", "1")
    for output, shown in ((Output(), True), (Output(json=True), False)):
        with output.waiting("verifying"):
            pass
        out, err = capsys.readouterr()
        assert (out, "verifying" in err) == ("", shown)
