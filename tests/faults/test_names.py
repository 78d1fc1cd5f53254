"""Names of files, clips, joints and classes that steer terminals, end lines or are no UTF-8."""

import json
import os

import numpy as np
import pytest

from stars_infer.errors import ClipError, UsageError, printable
from stars_infer.synthetic.actions import perform

ODD = "a\x1b[2Jb\nc\td\x9bm\u202ee"


def test_messages_are_one_line_that_can_be_shown():
    for error in (ClipError(ODD, ODD), UsageError(ODD)):
        assert printable(str(error)) == str(error)
        assert "\\x1b[2Jb\\nc\\td\\x9bm\\u202ee" in str(error)
    assert printable("väter 父 \u3000é😀") == "väter 父 \u3000é😀"


@pytest.fixture
def odd_clips(stars):
    """Clips of which names hold escapes, line ends and bytes that are no UTF-8; and a model."""
    os.makedirs("clips")
    for seed, name in enumerate((b"a\x1b[2Jb\nc.npy", b"no-\xff-utf8.npy")):
        try:
            with open(b"clips/" + name, "wb") as file:
                np.save(file, perform("wave", np.random.default_rng(seed)))
        except OSError:
            pytest.skip("the file system takes no such names")
    code, _, err = stars("fewshot", "add-class", "clips", "--label", "wave")
    assert code == 0, err
    return stars


@pytest.mark.parametrize("form", [(), ("--quiet",), ("--json",)])
def test_odd_names_in_every_form(odd_clips, form):
    code, out, err = odd_clips("classify", "clips", *form)
    assert code == 0, err
    assert "\x1b[2J" not in out + err
    assert "\udcff" not in out + err
    (out + err).encode("utf-8")
    lines = [line for line in out.splitlines() if line.strip()]
    if form == ("--quiet",):
        assert len(lines) == 2
        assert all(len(line.split("\t")) == len(lines[0].split("\t")) for line in lines)
    if form == ("--json",):
        sources = {json.loads(line)["source"] for line in lines}
        assert any("a\x1b[2Jb\nc.npy" in source for source in sources)
        assert any("no-\udcff-utf8.npy" in source for source in sources)


def test_odd_names_of_joints_in_messages(tmp_path):
    from stars_infer import read_clip

    path = tmp_path / "c.json"
    names = [f"j{number}\x1b[31m\n" for number in range(20)]
    frame = np.ones((20, 3)).tolist()
    path.write_text(json.dumps({"joint_names": names, "bodies": [[frame, frame]]}))
    with pytest.raises(ClipError) as caught:
        read_clip(path)
    assert "\x1b" not in str(caught.value)
    assert "\n" not in str(caught.value)
