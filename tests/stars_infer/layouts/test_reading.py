"""A user's own layout: what its file may hold, and what is said of one that is wrong."""

import os
import re

import numpy as np
import pytest

from stars_infer import Clip, prepare, read_clip
from stars_infer.errors import UsageError
from stars_infer.layouts import NTU25_JOINTS, get_layout, layout_names
from stars_infer.layouts.finding import _FOLDER
from tests.conftest import REPOSITORY

SHIPPED = (_FOLDER / "openni15.toml").read_text()
GUIDE = (REPOSITORY / "docs/layouts.md").read_text(encoding="utf-8")


@pytest.fixture
def own(tmp_path):
    """Write a layout of one's own, with parts of OpenNI's replaced: its path."""

    def write(*changes, name="ours"):
        text = SHIPPED.replace('name = "openni15"', f'name = "{name}"')
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "ours.toml"
        path.write_text(text)
        return str(path)

    return write


def test_a_layout_of_ones_own_is_used_by_its_path(own, tmp_path):
    path = own(("torso", "chest"))
    layout = get_layout(path)
    assert layout.name == path
    assert layout.joints == tuple(
        name.replace("torso", "chest") for name in get_layout("openni15").joints
    )
    joints = np.random.default_rng(0).normal(size=(20, 15, 3)).astype(np.float32)
    np.save(tmp_path / "clip.npy", joints)
    clip = read_clip(tmp_path / "clip.npy", layout=path)
    assert clip.layout == path
    np.testing.assert_array_equal(
        prepare(clip), prepare(Clip.from_array(joints, layout="openni15"))
    )


def test_a_changed_file_is_read_anew(own):
    path = own()
    assert "torso" in get_layout(path).joints
    own(("torso", "chest"))
    os.utime(path, ns=(1, 1))
    assert "chest" in get_layout(path).joints


def test_equal_clips_of_equal_layouts_are_equal(own, tmp_path):
    joints = np.random.default_rng(0).normal(size=(20, 15, 3)).astype(np.float32)
    path = own()
    copy = tmp_path / "elsewhere" / "ours.toml"
    copy.parent.mkdir()
    copy.write_text((tmp_path / "ours.toml").read_text())
    one = Clip.from_array(joints, layout=path).content_hash
    assert Clip.from_array(joints, layout=str(copy)).content_hash == one
    copy.write_text(copy.read_text().replace("0.8", "0.9").replace("0.2", "0.1"))
    os.utime(copy, ns=(1, 1))
    assert Clip.from_array(joints, layout=str(copy)).content_hash != one
    assert Clip.from_array(joints, layout="openni15").content_hash != one


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('center = "torso"\n', ""), "center is missing; a layout has name, about"),
        (('center = "torso"\n', 'center = "torso"\nroot = 1\n'), "root is not known"),
        (('name = "ours"', 'name = "theirs"'), "name is 'theirs', but the file is called 'ours'"),
        (('about = "', 'about = 1 # "'), "about must be one line of text"),
        (('"head", "neck", "torso"', '"head", "neck", 3'), "joints must be a list of names"),
        (('"head", "neck", "torso"', '"head", "neck", "neck"'), "joints names 'neck' twice"),
        (('["torso", "neck"]', '["torso", "throat"]'), "bones names 'throat', which is not in"),
        (('["torso", "neck"]', '["torso"]'), r"bones has \['torso'\], which is not a pair"),
        (('["torso", "neck"], ', ""), "must join all joints from one root; roots are 'neck' and"),
        (('["torso", "neck"]', '["torso", "head"]'), "bones gives 'head' two parents"),
        (
            ('["left hip", "left knee"]', '["left foot", "left knee"]'),
            "bones gives|bones run in a circle at 'left knee'",
        ),
        (
            ('["left hip", "right hip"]', '["left hip", "right knee"]'),
            "mirror names 'right knee' twice",
        ),
        (('head = "head"\n', ""), "ntu25 lacks 'head': say which joints"),
        (('head = "head"\n', 'head = "head"\ntail = "head"\n'), "ntu25 has 'tail', which is no"),
        (('head = "head"\n', "head = 3\n"), "ntu25.'head' must be a joint in quotes, or a table"),
        (('head = "head"\n', 'head = "nose"\n'), "ntu25.'head' names 'nose', which is not in"),
        (('head = "head"\n', "head = { head = true }\n"), "gives 'head' the weight True"),
        (('head = "head"\n', "head = { head = nan }\n"), "the weight nan: expected a number"),
        (("head = 0.5", "head = 0.6"), "ntu25.'neck' has weights that sum to 1.1: they must"),
        (("[ntu25]", "[ntu"), "not a readable TOML file: .* line"),
        (("[ntu25]", "[ntu24]"), "ntu25 is missing"),
    ],
)
def test_a_faulty_file_says_where_and_what_to_do(own, change, says):
    path = own(change)
    with pytest.raises(UsageError, match=says) as caught:
        get_layout(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"none\.toml: no such layout file"):
        get_layout(str(tmp_path / "none.toml"))


def test_a_file_may_give_every_joint_as_a_mixture(own):
    path = own(('head = "head"\n', "head = { head = 1.5, neck = -0.5 }\n"))
    joints = np.zeros((15, 3), np.float32)
    joints[0] = 2
    mapped = get_layout(path).ntu25_matrix() @ joints
    assert mapped[NTU25_JOINTS.index("head"), 0] == pytest.approx(3)
    assert "head" in get_layout(path).synthesized


def test_the_guide_shows_a_layout_that_works(tmp_path):
    (example,) = re.findall(r"```toml\n(.*?)```", GUIDE, flags=re.DOTALL)
    (tmp_path / "my-sensor.toml").write_text(example)
    layout = get_layout(str(tmp_path / "my-sensor.toml"))
    assert len(layout.joints) == 9
    assert "left hand" not in layout.synthesized
    assert "left thumb" in layout.synthesized


def test_the_guide_names_every_layout():
    listed = re.findall(r"`([a-z0-9-]+)`", "".join(re.findall(r"^\| `.*?\|", GUIDE, re.MULTILINE)))
    assert set(listed) >= set(layout_names())


def test_a_file_that_is_nested_too_deeply(tmp_path):
    path = tmp_path / "deep.toml"
    path.write_text("joints = " + "[" * 20_000 + "]" * 20_000)
    with pytest.raises(UsageError, match="nested too deeply"):
        get_layout(str(path))
