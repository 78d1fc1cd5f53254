"""Whatever is done to a file of any format, it is read, or refused in one clear line."""

import json
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stars_infer.layouts import get_layout
from stars_infer.pose.pictures import VIDEO_ENDINGS
from stars_infer.readers.files import READERS
from tests.stars_infer.readers.test_bvh import GOOD, bvh_text, person
from tests.stars_infer.readers.test_files import read_or_refuse, refusal
from tests.stars_infer.readers.test_json import marks
from tests.stars_infer.readers.test_json import person as openpose_person
from tests.stars_infer.readers.test_tables import csv_text, long, wide

NAMES = get_layout("kinect20").joints
MOCAP = (".amc", ".c3d", ".trc", ".mvnx", ".h5", ".mat", ".fbx", ".glb", ".gltf")
"""Formats of `test_mocap_damage`."""


def contents():
    """Small good files, by ending and form."""
    rng = np.random.default_rng(0)
    joints = rng.normal(size=(2, 3, 20, 3)).astype(np.float32)
    world = joints[0].repeat(2, axis=1)[:, :33] - joints[0][:, 11:12]
    values = rng.normal(size=(3, 3 * len(person()) + 3))
    frames = {
        "mediapipe": [marks(points) for points in world],
        "openpose": [{"people": [openpose_person(points)]} for points in joints[0]],
        "coco": [
            {"image_id": t, "keypoints": points[:17].ravel().tolist(), "idx": 1}
            for t, points in enumerate(joints[0])
        ],
        "own": [{"time": t / 30, "bodies": joints[:, t].tolist()} for t in range(3)],
    }
    made = {
        ".bvh hips": GOOD,
        ".bvh person": bvh_text(person(), values)[0],
        ".csv wide": csv_text(wide(joints[:1], NAMES)),
        ".csv long": csv_text(long(joints[:1], NAMES)),
        ".tsv": csv_text(wide(joints[:1], NAMES)).replace(",", "\t"),
        ".txt rows of joints": "\n".join(
            " ".join(map(str, row)) for row in joints[0].reshape(-1, 3)
        ),
        ".json bodies": json.dumps({"layout": "kinect20", "bodies": joints.tolist()}),
    }
    for form, those in frames.items():
        made[f".json {form}"] = json.dumps(those)
        made[f".jsonl {form}"] = "\n".join(map(json.dumps, those))
    encoded = {name: text.encode() for name, text in made.items()}
    encoded[".pkl"] = pickle.dumps({"annotations": [{"frame_dir": "a", "keypoint": joints}]})
    return encoded


CONTENTS = contents()


@pytest.fixture(scope="session")
def parquet_content(tmp_path_factory):
    pa = pytest.importorskip("pyarrow", reason="pip install 'stars-infer[formats]'")
    from pyarrow import parquet

    joints = np.random.default_rng(0).normal(size=(1, 3, 20, 3)).astype(np.float32)
    path = tmp_path_factory.mktemp("parquet") / "c.parquet"
    parquet.write_table(pa.table(wide(joints, NAMES)), path)
    return path.read_bytes()


def test_every_format_is_here():
    tested_elsewhere = {".skeleton", ".npy", ".npz", *MOCAP, *VIDEO_ENDINGS}
    assert {name.split()[0] for name in CONTENTS} | {".parquet"} | tested_elsewhere == set(READERS)


def damaged(data, content, pieces):
    spoilt = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(len(spoilt) - 1, 0)))  # four cuts may leave nothing
        cut = data.draw(st.sampled_from([0, 1, 2, 8, 200]))
        spoilt[at : at + cut] = data.draw(pieces)
    return bytes(spoilt)


PIECES = st.one_of(
    st.binary(max_size=8),
    st.sampled_from([b"", b"\n", b"}", b"]", b"[", b",", b"nan", b"null", b"-1", b"1e39", b"1e400",
                     b"{}", b'"x"', b"999999999999", b"0", b"\x00", b"\xff\xfe"]),
)  # fmt: skip


@pytest.mark.parametrize("name", CONTENTS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_damage_escapes_the_known_errors(tmp_path_factory, name, data):
    content = damaged(data, CONTENTS[name], PIECES)
    read_or_refuse(tmp_path_factory.mktemp("fuzz"), name.split()[0], content)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_no_damage_to_parquet_escapes_the_known_errors(tmp_path_factory, parquet_content, data):
    content = damaged(data, parquet_content, PIECES)
    read_or_refuse(tmp_path_factory.mktemp("fuzz"), ".parquet", content)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(["bodies", "joints", "people", "frames", "layout", "fps", "x", "y", "z",
                         "landmarks", "worldLandmarks", "landmark", "pose_keypoints_3d", "time",
                         "confidence", "ids", "joint_names", "visibility", "name", "person_id"]),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(value=VALUES)
def test_no_json_value_escapes_the_known_errors(tmp_path_factory, value):
    folder = tmp_path_factory.mktemp("fuzz")
    read_or_refuse(folder, ".json", json.dumps(value).encode())
    if isinstance(value, list):
        lines = "\n".join(map(json.dumps, value))
        read_or_refuse(folder, ".jsonl", lines.encode() or b"\n")


def test_members_of_an_archive_that_are_no_arrays(tmp_path, waving):
    path = tmp_path / "c.npz"
    for name in ("joints", "confidence", "layout"):
        np.savez(path, **{} if name == "joints" else {"joints": waving})
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(f"{name}.npy", b"no array")
        assert f"'{name}' is no array" in refusal(path)


def test_text_that_no_character_has(tmp_path, waving):
    path = tmp_path / "c.npz"
    beyond = np.array([0x110000], "<u4").view("<U1")
    for spoilt in ({"layout": beyond[0:1].reshape(())}, {"joint_names": beyond.repeat(25)}):
        np.savez(path, joints=waving, **spoilt)
        assert "no Unicode text" in refusal(path)
