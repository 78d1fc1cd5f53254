"""The page of examples/browser prepares, encodes and names clips as the library does."""

import json
import re
import shutil
import subprocess
from dataclasses import asdict

import numpy as np
import pytest

from stars_infer import Clip, Encoder
from stars_infer.classification.classifiers import Prototypes, Vote
from stars_infer.encoder.model import read_model_info
from stars_infer.layouts import get_layout, layout_names
from stars_infer.preprocessing.prepare import Preprocessing, prepare
from stars_infer.readers.files import read_clip
from stars_infer.synthetic.actions import ACTIONS, perform
from stars_infer.synthetic.files import skeleton_text
from tests.conftest import REPOSITORY

PAGE = REPOSITORY / "examples/browser"
RUNTIME = PAGE / "node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs"
SOURCES = sorted([*PAGE.glob("*.js"), *PAGE.glob("*.html"), *PAGE.glob("*.css")])
MODELS = [REPOSITORY / "models" / name for name in ("stars-mocap-small", "stars-mocap")]
MODEL = next(model for model in MODELS if model.exists())

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
needs_runtime = pytest.mark.skipif(
    shutil.which("node") is None or not RUNTIME.exists(),
    reason="needs Node.js, and `npm install` in examples/browser",
)


def in_node(**job):
    """Answer of tests/browser.mjs."""
    done = subprocess.run(
        ["node", "tests/browser.mjs"],
        cwd=REPOSITORY,
        input=json.dumps(job, default=str),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def write_clip(path, bodies, **said):
    """Write bodies (M, T, V, 3) in the project's own JSON form; NaN becomes null."""
    said = {"layout": "ntu25", **said}
    points = np.where(np.isnan(bodies), None, bodies).tolist()
    path.write_text(json.dumps({**said, "bodies": points}), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """A clip of each synthetic action, of every form that the page reads."""
    folder = tmp_path_factory.mktemp("clips")
    random = np.random.default_rng(5)
    recorded = {action: perform(action, random) for action in ACTIONS}
    paths = [write_clip(folder / f"{name}.json", bodies) for name, bodies in recorded.items()]

    skeleton = folder / "text.skeleton"
    skeleton.write_text(skeleton_text(recorded["handshake"]), encoding="ascii")
    np.save(folder / "array.npy", recorded["kick"][0].astype(np.float64))
    np.save(folder / "axes.npy", np.asfortranarray(recorded["handshake"].transpose(3, 1, 2, 0)))
    return [*paths, skeleton, folder / "array.npy", folder / "axes.npy"]


@pytest.fixture(scope="module")
def stated(tmp_path_factory):
    """Clips whose files say layout, units, axes and times, and miss joints, as of `stars pose`."""
    folder = tmp_path_factory.mktemp("stated")
    bodies = perform("wave", np.random.default_rng(8))
    landmarks = np.linalg.pinv(get_layout("mediapipe33").ntu25_matrix()) @ bodies
    camera = np.round(landmarks * [-1, -1, 1], 4)
    sure = np.full(camera.shape[1:3], 0.9)
    sure[30:33, 15] = 0.1  # a wrist, for 0.1 s
    head = {"layout": "mediapipe33", "units": "m", "up": "-y", "handedness": "right"}
    frames = [
        {"time": at / 30, "bodies": [joints.tolist()], "confidence": [row.tolist()], "ids": [3]}
        for at, (joints, row) in enumerate(zip(camera[0], sure, strict=True))
    ]
    (folder / "pose.json").write_text(json.dumps({**head, "frames": frames}), encoding="utf-8")
    lines = "".join(json.dumps(line) + "\n" for line in (head, *frames))
    (folder / "pose.jsonl").write_text(lines, encoding="utf-8")

    kinect = 1000 * bodies[..., [0, 2, 1]] * [1, -1, 1]
    kinect[0, 20:23, 6] = np.nan
    said = {"units": "mm", "up": "z", "fps": 15}
    return [folder / "pose.json", folder / "pose.jsonl",
            write_clip(folder / "kinect.json", kinect, **said),
            write_clip(folder / "unity.json", bodies * [-1, 1, 1], handedness="left")]  # fmt: skip


HOW = {
    "stars": Preprocessing(),
    "all steps": Preprocessing(frames=64, crop=1, face_camera=True, standard_body=True, pace=0.5),
    "samplings": Preprocessing(frames=32, crop=0.8, center_joint=20, samplings=3),
    "pace of samplings": Preprocessing(frames=48, pace=1, samplings=2, standard_body=True),
}


@needs_node
@pytest.mark.parametrize("how", HOW.values(), ids=HOW)
def test_clips_are_prepared_as_in_python(clips, stated, how):
    paths = [*clips, *stated]
    answers = in_node(do="prepare", paths=paths, how=asdict(how), unsaid={"layout": "ntu25"})
    for path, answer in zip(paths, answers, strict=True):
        layout = "ntu25" if path.suffix == ".npy" else None
        expected = prepare(read_clip(path, layout=layout), how)
        made = np.reshape(answer["data"], answer["shape"])
        assert made.shape == expected.shape, path
        np.testing.assert_allclose(made, expected, atol=2e-4, err_msg=str(path))


def people(moves):
    """Clips of several bodies, by who acts in them."""
    random = np.random.default_rng(2)
    wave, squat, walk = (perform(name, random, seconds=3)[0] for name in ("wave", "squat", "walk"))
    frames = min(map(len, (wave, squat, walk)))
    wave, squat, walk = wave[:frames], squat[:frames], walk[:frames]
    aside = np.float32([2.5, 0, 0])
    still = np.repeat(wave[:1], frames, axis=0) + random.normal(0, 0.005, wave.shape)
    brief = np.where(np.arange(frames)[:, None, None] < 8, squat, 0) + 0 * squat
    first, second = (np.arange(frames)[:, None, None] < frames // 2), frames // 2
    return {
        "bystander": [wave, still + aside],
        "frozen": [np.repeat(wave[:1], frames, axis=0), squat + aside],
        "brief": [brief + aside * (brief != 0), wave],
        "two": [walk, squat + aside],
        "one after the other": [np.where(first, wave, 0), np.where(first, 0, wave)],
        "passes by": [
            wave,
            np.where(np.arange(frames)[:, None, None] < second // 2, walk + aside, 0),
        ],
        "third": [walk, squat + aside, wave - aside],
        "touched": [wave, still + np.float32([0.1, 0, 0.05])],
    }[moves]


@needs_node
@pytest.mark.parametrize("moves", ["bystander", "frozen", "brief", "two", "one after the other",
                                   "passes by", "third", "touched"])  # fmt: skip
def test_the_same_people_act(tmp_path, moves):
    bodies = np.stack(people(moves)).astype(np.float32)
    path = write_clip(tmp_path / "people.json", bodies)
    (answer,) = in_node(do="prepare", paths=[path], how={"frames": 40})
    expected = prepare(read_clip(path), Preprocessing(frames=40))
    made = np.reshape(answer["data"], answer["shape"])
    assert made.shape == expected.shape
    np.testing.assert_allclose(made, expected, atol=2e-4)


@pytest.fixture(scope="module")
def encoded(stated):
    """Files, and their vectors as the page makes them: the samples, and clips that need mending."""
    index = json.loads((PAGE / "samples/index.json").read_text(encoding="utf-8"))
    samples = [file for files in index["teach"].values() for file in files] + index["name"]
    paths = [*(PAGE / "samples" / file for file in samples), *stated]
    return paths, np.array(in_node(do="vectors", model=MODEL, paths=paths))


@needs_runtime
def test_vectors_are_those_of_python(encoded):
    paths, vectors = encoded
    expected = Encoder.load(MODEL, device="cpu").embed([read_clip(path) for path in paths])
    size = np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors / size, expected / size, atol=1e-3)


@needs_runtime
def test_samples_are_named_right(encoded):
    clips = [(path, vector.tolist()) for path, vector in zip(*encoded, strict=True)]
    examples = [
        {"action": path.parent.name, "vector": vector}
        for path, vector in clips
        if path.parent.name != "new" and PAGE in path.parents
    ]
    new = {path.stem: vector for path, vector in clips if path.parent.name == "new"}
    answers = in_node(do="name", examples=examples, vectors=list(new.values()), n=1)
    right = [answer["vote"][0][0] == name for name, answer in zip(new, answers, strict=True)]
    assert len(examples) == 2 * len(new) == 10
    assert sum(right) >= 4  # all with today's encoder; another may take one for something else


@needs_node
@pytest.mark.parametrize("n", [1, 3, 5])
def test_names_are_those_of_the_classifiers(n):
    random = np.random.default_rng(n)
    actions = [*"aaabbbccc", "d"]
    vectors, queries = random.normal(size=(10, 6)), random.normal(size=(20, 6))
    examples = [
        {"action": action, "vector": vector.tolist()}
        for action, vector in zip(actions, vectors, strict=True)
    ]
    answers = in_node(do="name", examples=examples, vectors=queries.tolist(), n=n)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    classes = np.unique(actions, return_inverse=True)[1]
    for rule, key in ((Vote(n=n), "vote"), (Prototypes(), "prototypes")):
        scores = rule.fit(vectors @ vectors.T, classes, 4).scores(queries @ vectors.T)
        for answer, row in zip(answers, scores, strict=True):
            assert answer[key][0][0] == "abcd"[row.argmax()]
            found = dict(answer[key])
            np.testing.assert_allclose([found.get(name, 0) for name in "abcd"], row, atol=1e-6)


@needs_node
def test_bad_files_are_refused_with_the_reason(tmp_path):
    wave = perform("wave", np.random.default_rng(0))
    hidden = wave.copy()
    hidden[:, :, 6] = np.nan
    np.save(tmp_path / "flat.npy", wave[0, :, :, :2])
    np.save(tmp_path / "unsaid.npy", wave)
    np.save(tmp_path / "words.npy", np.array(["a"]))
    np.save(tmp_path / "half.npy", wave)
    cut = (tmp_path / "half.npy").read_bytes()[:-100]
    (tmp_path / "half.npy").write_bytes(cut)
    texts = {
        "a.txt": "", "broken.json": "[1, 2", "empty.json": "{}", "empty.jsonl": "",
        "number.json": "5", "null.json": "null",
        "line.jsonl": '{"layout": "ntu25"}\n{"bodies": [\n',
        "point.json": '[{"joints": [[1, 2]]}, {"joints": [[1, 2]]}]',
        "words.skeleton": "two\n1\n",
    }  # fmt: skip
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    made = {
        "mm.json": write_clip(tmp_path / "mm.json", 1000 * wave),
        "one.json": write_clip(tmp_path / "one.json", wave[:, :1]),
        "nobody.json": write_clip(tmp_path / "nobody.json", 0 * wave),
        "hidden.json": write_clip(tmp_path / "hidden.json", hidden),
        "joints.json": write_clip(tmp_path / "joints.json", wave[:, :, :20]),
        "layout.json": write_clip(tmp_path / "layout.json", wave, layout="kinect99"),
        "units.json": write_clip(tmp_path / "units.json", wave, units="ell"),
    }
    reasons = {
        "a.txt": "not a .json", "broken.json": "the file is not JSON",
        "empty.json": "no bodies and no frames", "empty.jsonl": "nobody is in it",
        "number.json": "no bodies and no frames", "null.json": "no bodies and no frames",
        "line.jsonl": "line 2 is not JSON", "point.json": "frame 0, joint 0: expected [x, y, z]",
        "unsaid.npy": "which joints these are", "mm.json": "choose the units",
        "words.skeleton": "line 1: expected a number",
        "one.json": "in one frame only", "nobody.json": "nobody is in it",
        "hidden.json": "joint 6 is never seen", "joints.json": "20 joints, but ntu25 has 25",
        "layout.json": 'layout "kinect99" is unknown', "units.json": 'units "ell"',
        "flat.npy": "expected (T, V, 3)", "words.npy": "save them as float32",
        "half.npy": "cut off",
    }  # fmt: skip
    assert set(made) < set(reasons)
    answers = in_node(do="errors", paths=[tmp_path / name for name in reasons])
    wrong = {
        name: answer
        for (name, reason), answer in zip(reasons.items(), answers, strict=True)
        if reason not in answer
    }
    assert not wrong


def test_layouts_are_those_of_the_library():
    written = json.loads((PAGE / "layouts.json").read_text(encoding="utf-8"))
    assert set(written) == set(layout_names()), "run examples/browser/make_data.py"
    for name, known in written.items():
        layout = get_layout(name)
        matrix = np.zeros((25, known["count"]))
        for joint, mixture in enumerate(known["joints"]):
            for source, weight in mixture:
                matrix[joint, source] = weight
        np.testing.assert_allclose(matrix, layout.ntu25_matrix(), atol=1e-6)
        assert tuple(known["names"]) == layout.joints


def test_samples_can_be_read_by_the_library():
    samples = sorted(PAGE.glob("samples/*/*.json"))
    assert samples
    for path in samples:
        assert isinstance(read_clip(path), Clip)


def test_the_page_asks_nobody_else():
    text = (PAGE / "index.html").read_text(encoding="utf-8")
    assert "default-src 'self'" in text
    assert SOURCES
    for path in SOURCES:
        assert not re.search(r"https?://|//[a-z]+\.", path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_models_can_be_used(model):
    """What the page refuses (`Encoder.open`, `preprocessing`) no shipped model needs."""
    if not model.exists():
        pytest.skip(f"{model.name} is not shipped yet")
    info = read_model_info(model)
    source = (PAGE / "prepare.js").read_text(encoding="utf-8")
    defaults = re.search(r"const DEFAULTS = \{(.*?)\};", source, flags=re.DOTALL)[1]
    assert set(asdict(info.preprocessing)) == set(re.findall(r"(\w+):", defaults))
    assert not info.streams
