import json
import subprocess
import sys

import pytest

from stars_infer.layouts import get_layout, layout_names
from stars_infer.layouts.finding import _FOLDER


def records(text):
    return [json.loads(line) for line in text.splitlines()]


def test_all_layouts_are_listed(stars):
    code, out, err = stars("layouts", "--json")
    assert code == 0
    listed = {line["name"]: line for line in records(out)}
    assert tuple(listed) == layout_names()
    for name, line in listed.items():
        layout = get_layout(name)
        assert line["joint_count"] == len(layout.joints)
        assert line["synthesized_count"] == len(layout.synthesized)
        assert (line["about"], line["by_name"]) == (layout.about, layout.by_name)
    code, out, err = stars("layouts")
    assert code == 0
    assert all(name in out for name in layout_names())
    assert "in any order" in err
    _, out, err = stars("layouts", "--quiet")
    assert "kinect20\t20\t5 of 25\tKinect v1" in out
    assert err == ""


def test_one_layout_is_shown_joint_by_joint(stars):
    code, out, err = stars("layouts", "kinect20", "--quiet")
    assert code == 0
    lines = out.splitlines()
    assert len(lines) == 20 + 25
    assert lines[5] == "5\tleft elbow\tleft shoulder\tright elbow"
    assert lines[20 + 2] == "2\tneck\t0.5 shoulder center + 0.5 head\tyes"
    assert lines[20 + 3] == "3\thead\thead\t"
    code, out, err = stars("layouts", "h36m17")
    assert code == 0
    assert "1.3 left wrist - 0.3 left elbow" in out
    assert "Human3.6M" in err


def test_one_layout_as_json_is_what_its_file_says(stars):
    code, out, _ = stars("layouts", "azure32", "--json")
    assert code == 0
    (shown,) = records(out)
    layout = get_layout("azure32")
    assert tuple(shown["joints"]) == layout.joints
    assert ["wrist" in parent for parent, child in shown["bones"] if "thumb" in child] == [True] * 2
    assert ["left wrist", "right wrist"] in shown["mirror"]
    assert shown["ntu25"]["neck"] == {"neck": 1.0}
    assert shown["synthesized"] == ["middle of spine", "spine at shoulders"]


def test_a_layout_of_ones_own_is_checked(stars, tmp_path):
    path = tmp_path / "ours.toml"
    text = (_FOLDER / "coco17.toml").read_text().replace('name = "coco17"', 'name = "ours"')
    path.write_text(text)
    code, out, _ = stars("layouts", path, "--json")
    assert code == 0
    (shown,) = records(out)
    assert shown["name"] == str(path)
    path.write_text(text.replace('head = { "left ear" = 0.5', 'head = { "left ear" = 0.4'))
    code, out, err = stars("layouts", path)
    assert (code, out) == (2, "")
    assert "ours.toml: ntu25.'head' has weights that sum to 0.9: they must sum to 1" in " ".join(
        err.split()
    )


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("tricorder", "there is no layout 'tricorder'; known layouts:"),
        ("x.toml", "no such layout file"),
    ],
)
def test_unknown_layouts_are_refused(stars, name, says):
    code, out, err = stars("layouts", name)
    assert (code, out) == (2, "")
    assert says in err


def test_help_shows_an_example(stars):
    code, out, _ = stars("layouts", "--help")
    assert code == 0
    assert "Example: stars layouts coco17" in " ".join(out.split())


def test_layouts_are_read_only_when_they_are_asked_for():
    code = (
        "import sys, stars_infer, stars_infer.cli; "
        "print(*(m for m in ('tomllib', 'numpy', 'stars_infer.layouts') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
    code = (
        "import stars_infer.layouts.finding as finding; "
        "import stars_infer.clips.clip; print(finding._read_shipped.cache_info().misses)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"  # ntu25 alone
