import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest

from stars_infer.clips.clip import Clip
from stars_infer.inspection.inspect import inspect_clip
from stars_infer.inspection.page import web_file
from stars_infer.inspection.player import player_page
from stars_infer.layouts import NTU25, NTU25_JOINTS
from stars_infer.synthetic.actions import perform

HOSTILE = "</script><script>alert(1)</script>&\"'<b>@@data ${x} $$.npy"
VOID = {"meta", "input", "br", "link", "img"}


class Page(HTMLParser):
    """The elements of a page, checked to be closed in order, and the text in each."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.texts = [], [], {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append((tag, dict(attrs).get("id", tag)))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        if self.open:
            name = self.open[-1][1]
            self.texts[name] = self.texts.get(name, "") + data

    def count(self, tag):
        return sum(name == tag for name, _ in self.elements)

    @property
    def data(self):
        return json.loads(self.texts["data"])


def page_of(*clips):
    return Page(player_page([(clip, inspect_clip(clip)) for clip in clips]))


@pytest.fixture
def clip(waving):
    return Clip.from_array(waving, source="folder/wave.npy", fps=15)


def test_the_numbers_are_in_it(clip, waving):
    page = page_of(clip)
    (data,) = page.data
    assert (data["name"], data["fps"], data["frames"]) == ("wave.npy", 15, waving.shape[1])
    assert data["joints"] == list(NTU25_JOINTS)
    assert data["bones"] == [list(bone) for bone in NTU25.bones]
    assert data["sides"][NTU25_JOINTS.index("left knee")] == "left"
    assert (data["root"], data["head"]) == (0, NTU25_JOINTS.index("head"))
    (body,) = data["bodies"]
    assert (body["number"], body["actor"]) == (0, True)
    poses = np.array(body["poses"]).reshape(waving.shape[1:])
    np.testing.assert_allclose(poses / 1000, waving[0], atol=0.00051)
    assert page.texts["title"] == page.texts["name"] == "wave.npy"


def test_bodies_that_are_not_seen_are_nothing():
    bodies = perform("handshake", np.random.default_rng(0))
    bodies[1, 3:9] = 0
    (data,) = page_of(Clip.from_array(bodies)).data
    assert [len([pose for pose in body["poses"] if pose is None]) for body in data["bodies"]] == [
        0,
        6,
    ]
    assert all(pose is None for pose in data["bodies"][1]["poses"][3:9])


def test_the_inspection_is_beneath(clip):
    page = page_of(clip)
    assert page.count("table") == 1
    assert page.count("tr") == 1 + 8
    text = player_page([(clip, inspect_clip(clip))])
    (forearm,) = re.findall(r"<tr><th>forearm</th>(.*?)</tr>", text)
    left = next(limb for limb in inspect_clip(clip).bodies[0].limbs if limb.name == "left forearm")
    assert f"{left.centimeters:.1f} ±" in forearm


def test_several_clips_have_their_sections(clip, waving):
    same_name = Clip.from_array(waving, source="other/wave.npy")
    walk = Clip.from_array(waving, source="folder/walk.npy")
    page = page_of(clip, same_name, walk)
    assert [one["name"] for one in page.data] == ["folder/wave.npy", "other/wave.npy", "walk.npy"]
    sections = [attrs["data-clip"] for tag, attrs in page.elements if tag == "section"]
    assert sections == ["0", "1", "2"]
    assert page.texts["title"] == "3 clips"


def test_names_cannot_break_out(waving):
    plain = page_of(Clip.from_array(waving, source="wave.npy"))
    # A name has no slash; two the same are told with their folders, and folders have.
    clips = [Clip.from_array(waving, source=f"{folder}/{HOSTILE}") for folder in "ab"]
    page = page_of(*clips)
    assert page.count("script") == plain.count("script") == 2
    assert page.count("b") == 0
    assert page.data[0]["name"] == f"a/{HOSTILE}"
    one = page_of(Clip.from_array(waving, source="a/<i>" + HOSTILE.replace("/", "")))
    assert one.count("i") == 0
    assert one.texts["title"] == "<i>" + HOSTILE.replace("/", "")


def test_nothing_is_loaded(clip):
    page = page_of(clip)
    for _, attrs in page.elements:
        assert not {"src", "href", "srcset", "onclick", "onerror"} & set(attrs)
    policy = next(a["content"] for _, a in page.elements if "Content-Security" in str(a))
    assert "default-src 'none'" in policy
    assert "://" not in player_page([(clip, inspect_clip(clip))])


def test_every_element_that_the_script_wants_is_there(clip):
    text = player_page([(clip, inspect_clip(clip))])
    wanted = set(re.findall(r'\$\("(\w+)"\)', text))
    assert {"player", "clip", "choice", "name", "square"} <= wanted
    assert wanted <= {attrs.get("id") for _, attrs in page_of(clip).elements}


def test_a_file_in_millimetres_has_a_floor_of_its_size(waving):
    (meters,) = page_of(Clip.from_array(waving)).data
    (millimeters,) = page_of(Clip.from_array(waving * np.float32(1000))).data
    assert millimeters["square"] == 1000 * meters["square"]
    assert millimeters["person"] == pytest.approx(1000 * meters["person"], rel=1e-2)


@pytest.mark.parametrize("name", ["skeleton.js", "player.js", "clips.js"])
def test_a_module_of_the_page_can_be_served_as_it_is(name, tmp_path):
    text = web_file(name)
    assert set(re.findall(r'^import .* from "(.*)";$', text, flags=re.MULTILINE)) <= {
        "./skeleton.js",
        "./player.js",
    }
    check_module(text, tmp_path)


def test_the_script_of_the_page_is_one(clip, tmp_path):
    script = page_of(clip).texts["script"]
    assert not re.search(r"^(import|export) ", script, flags=re.MULTILINE)
    check_module(script, tmp_path)


def check_module(text, folder):
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node to parse the script with")
    (folder / "module.mjs").write_text(text, encoding="utf-8")
    done = subprocess.run([node, "--check", folder / "module.mjs"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
