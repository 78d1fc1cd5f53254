"""The examples of docs/sources.md are files that can be read, and its commands run."""

import json
import re
import shlex

import numpy as np
import pytest

from stars_infer import read_clip
from stars_infer.cli.options import ConventionFlags, options_of
from stars_infer.layouts import get_layout, layout_names
from stars_infer.readers.files import READERS
from tests.conftest import REPOSITORY

PAGE = (REPOSITORY / "docs/sources.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+) ?([^\n]*)\n(.*?)```", PAGE, flags=re.DOTALL)
FILES = {
    title.split()[0]: (title.split()[1:], text) for kind, title, text in BLOCKS if "." in title
}
LAYOUTS = {
    "hop.csv": "coco17", "long.csv": "coco17", "mediapipe.json": "mediapipe33",
    "openpose.json": "body25", "hop.json": "h36m17", "hop.jsonl": "h36m17",
}  # fmt: skip


def whole(value, joints):
    """A JSON value in which `…` ends a list of one joint: the others are near it."""
    if isinstance(value, dict):
        return {key: whole(member, joints) for key, member in value.items()}
    if not isinstance(value, list) or value[-1] != "…":
        return [whole(member, joints) for member in value] if isinstance(value, list) else value
    *given, _ = value
    return given * joints if not isinstance(given[0], float) else given[:4] * joints


def written(folder, name):
    """An example as a file, the dots filled in."""
    _, text = FILES[name]
    layout = get_layout(LAYOUTS[name])
    if name == "hop.csv":
        header, *rows = text.splitlines()
        given = header.count(",") - 1  # the first is the time
        rest = [f"{joint}_{axis}" for joint in layout.joints for axis in "xyz"][given:]
        lines = [header.replace("…", ",".join(rest))]
        places = ",".join(f"{0.5 + column / 100:.2f}" for column in range(len(rest)))
        lines += [row.replace("…", places) for row in rows]
        text = "\n".join(lines)
    elif name == "long.csv":
        rows = [f"{frame},anna,{joint},0,1,2,0.9" for frame in range(3) for joint in layout.joints]
        text = text.replace("…\n", "\n".join(rows[2:]))
    else:
        dots = text.replace("…", '"…"')
        lines = dots.splitlines() if name.endswith("l") else [dots]
        filled = [json.dumps(whole(json.loads(line), len(layout.joints))) for line in lines]
        text = "\n".join(filled)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_every_example_is_known():
    assert set(FILES) == set(LAYOUTS)


@pytest.mark.parametrize("name", LAYOUTS)
def test_examples_are_read(tmp_path, name):
    options = dict(zip(*[iter(FILES[name][0])] * 2, strict=True))
    clip = read_clip(written(tmp_path, name), layout=options.get("--layout"))
    assert clip.layout == LAYOUTS[name]
    assert clip.frames >= 2
    assert np.abs(clip.bodies).max() < 3  # meters
    rates = {"hop.csv": 1 / 0.033, "hop.json": 50, "hop.jsonl": 50}
    assert clip.fps == pytest.approx(rates.get(name, 30))


def test_commands_run(stars, tmp_path):
    (commands,) = (text for kind, _, text in BLOCKS if kind == "bash" and "hop.json" in text)
    rng = np.random.default_rng(0)
    (tmp_path / "clips").mkdir()
    for number in range(2):
        np.save(tmp_path / f"clips/{number}.npy", rng.normal(size=(40, 20, 3)) * 1000)
    written(tmp_path, "hop.json")
    written(tmp_path, "hop.csv")
    assert stars("fewshot", "add-class", "clips", "--layout", "kinect20", "--units", "mm")[0] == 0
    for line in commands.splitlines():
        code, _, err = stars(*shlex.split(line)[1:])
        assert code == 0, (line, err)


def test_python_examples_run(tmp_path, monkeypatch, capsys):
    written(tmp_path, "hop.csv")
    monkeypatch.chdir(tmp_path)
    for kind, _, text in BLOCKS:
        if kind == "python":
            exec(compile(text, "docs/sources.md", "exec"), {})
    assert capsys.readouterr().out.startswith("coco17 60 (1, 2, 17, 3)")
    clip = read_clip(tmp_path / "kinect.npz")
    assert (clip.layout, clip.fps) == ("kinect20", 15)


def test_the_page_names_what_there_is():
    for ending in READERS:
        assert f"`{ending}`" in PAGE
    for option in (option.name for option in options_of(ConventionFlags)):
        assert f"`--{option.replace('_', '-')}`" in PAGE
    for name in re.findall(r"--layout ([\w-]+)(?![\w.-])", PAGE):
        assert name in layout_names()
