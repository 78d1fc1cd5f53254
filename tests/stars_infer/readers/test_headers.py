"""Tables of other programs: headers of several lines, or none."""

import numpy as np
import pytest

from stars_infer import read_clip
from stars_infer.errors import ClipError
from stars_infer.layouts import get_layout
from stars_infer.synthetic.actions import perform
from tests.bodies import in_layout

FRAMES = 30


@pytest.fixture(scope="module")
def body():
    return perform("wave", np.random.default_rng(0))[0, :FRAMES]


def put(path, rows, mark=","):
    path.write_text("\n".join(mark.join(map(str, row)) for row in rows) + "\n")
    return path


def motive(joints, names, *, owners=("Anna",), units="Millimeters", space="Global"):
    """A take with bones and a rigid body; joints are (M, T, V, 3) in meters."""
    scale = {"Millimeters": 1000, "Meters": 1, "Centimeters": 100}[units]
    labels = [f"{owner}:{name}" for owner in owners for name in names]
    about = [
        "Format Version", "1.24", "Take Name", "t", "Capture Frame Rate", "120.0",
        "Export Frame Rate", "60.0", "Length Units", units, "Coordinate Space", space,
    ]  # fmt: skip
    wide = [label for label in labels for _ in range(7)]
    rows = [
        about, [],
        ["", "Type", *["Bone"] * len(wide), *["Rigid Body"] * 3],
        ["", "Name", *wide, *["Box"] * 3],
        ["", "ID", *range(len(wide) + 3)],
        ["", "", *(["Rotation"] * 4 + ["Position"] * 3) * len(labels), *["Position"] * 3],
        ["Frame", "Time (Seconds)", *"XYZWXYZ" * len(labels), *"XYZ"],
    ]  # fmt: skip
    for t in range(joints.shape[1]):
        cells = [
            value
            for one in joints[:, t].reshape(-1, 3) * scale
            for value in (0, 0, 0, 1, *np.round(one, 4))
        ]
        rows.append([t, round(t / 60, 6), *cells, 1, 2, 3])
    return rows


@pytest.mark.parametrize("units", ["Millimeters", "Meters", "Centimeters"])
def test_motive(tmp_path, body, units):
    layout = get_layout("motive")
    joints = in_layout(body, "motive")[None]
    clip = read_clip(put(tmp_path / "c.csv", motive(joints, layout.joints, units=units)))
    assert (clip.layout, clip.notes) == ("motive", ())
    assert clip.fps == pytest.approx(60)
    np.testing.assert_allclose(clip.bodies, joints, atol=2e-3)


def test_motive_with_two_people(tmp_path, body):
    joints = np.stack([in_layout(body, "motive"), in_layout(body, "motive") + 1])
    rows = motive(joints, get_layout("motive").joints, owners=("Anna", "Ben"))
    clip = read_clip(put(tmp_path / "c.csv", rows))
    np.testing.assert_allclose(clip.bodies, joints, atol=1e-3)


def test_motive_relative_to_other_bones_is_refused(tmp_path, body):
    rows = motive(in_layout(body, "motive")[None], get_layout("motive").joints, space="Local")
    with pytest.raises(ClipError, match="export it from Motive with Coordinate Space 'Global'"):
        read_clip(put(tmp_path / "c.csv", rows))


def test_nexus(tmp_path, body):
    joints = in_layout(body, "plug-in-gait")[..., [0, 2, 1]] * [1000, -1000, 1000]
    names = get_layout("plug-in-gait").joints
    header = [cell for name in names for cell in (f"Anna:{name}", "", "")]
    rows = [
        ["Model Outputs"], [100],
        ["", "", "Anna:LKneeAngles", "", "", *header],
        ["Frame", "Sub Frame", *"XYZ" * (len(names) + 1)],
        ["", "", *["deg"] * 3, *["mm"] * (3 * len(names))],
        *([t + 1, 0, 1, 2, 3, *np.round(joints[t].ravel(), 3)] for t in range(FRAMES)),
        [],
        ["Trajectories"], [100], ["", "", "Anna:LTOE", "", ""], ["Frame", "Sub Frame", *"XYZ"],
        ["", "", "mm", "mm", "mm"], [1, 0, 1, 2, 3],
    ]  # fmt: skip
    clip = read_clip(put(tmp_path / "c.csv", rows))
    assert (clip.layout, clip.fps) == ("plug-in-gait", 100)
    np.testing.assert_allclose(clip.bodies[0], in_layout(body, "plug-in-gait"), atol=2e-3)


@pytest.mark.parametrize("people", [1, 2])
@pytest.mark.parametrize("sure", [True, False])
def test_deeplabcut(tmp_path, body, people, sure):
    names = [name.replace(" ", "_") for name in get_layout("coco17").joints]
    parts = ["x", "y", "z", *(["likelihood"] if sure else [])]
    joints = np.stack([in_layout(body, "coco17") + 2 * m for m in range(people)])
    wide = [(f"person{m}", name, part) for m in range(people) for name in names for part in parts]
    rows = [["scorer", *["DLC"] * len(wide)]]
    if people > 1:
        rows.append(["individuals", *(one for one, _, _ in wide)])
    rows += [["bodyparts", *(name for _, name, _ in wide)], ["coords", *(p for _, _, p in wide)]]
    for t in range(FRAMES):
        cells = [value for one in joints[:, t].reshape(-1, 3)
                 for value in (*one, *([0.99] if sure else []))]  # fmt: skip
        rows.append([t, *cells])
    clip = read_clip(put(tmp_path / "c.csv", rows))
    assert clip.layout == "coco17"
    np.testing.assert_allclose(clip.bodies, joints, atol=1e-5)


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_names_over_axes(tmp_path, body, mark):
    names = get_layout("coco17").joints
    joints = in_layout(body, "coco17")
    rows = [
        ["", *(cell for name in names for cell in (name, "", ""))], ["time", *"xyz" * len(names)],
        *([round(t / 25, 3), *joints[t].ravel()] for t in range(FRAMES)),
    ]  # fmt: skip
    clip = read_clip(put(tmp_path / "c.csv", rows, mark))
    assert clip.fps == pytest.approx(25)
    np.testing.assert_allclose(clip.bodies[0], joints, atol=1e-5)


@pytest.mark.parametrize("before", ["nothing", "frame", "time"])
@pytest.mark.parametrize("fourth", ["none", "state", "confidence"])
@pytest.mark.parametrize("mark", [",", " ", ";"])
def test_numbers_without_a_header(tmp_path, body, before, fourth, mark):
    extra = {"none": (), "state": (2,), "confidence": (0.9,)}[fourth]
    first = {"nothing": lambda t: [], "frame": lambda t: [t], "time": lambda t: [t / 50]}[before]
    rows = [
        [*first(t), *(value for one in body[t] for value in (*one, *extra))] for t in range(FRAMES)
    ]
    path = put(tmp_path / "c.csv", rows, mark)
    with pytest.raises(ClipError, match=r"pass --layout ntu25 or body25.*; no header: read as x"):
        read_clip(path)
    clip = read_clip(path, layout="ntu25")
    np.testing.assert_allclose(clip.bodies[0], body, atol=1e-5)
    assert clip.fps == pytest.approx(50 if before == "time" else 30)


def wide(joints, names, cell="{}", name="{joint}_{axis}"):
    rows = [[name.format(joint=joint, axis=axis) for joint in names for axis in "xyz"]]
    return rows + [[cell.format(value) for value in frame.ravel()] for frame in joints]


def test_decimal_commas(tmp_path, body):
    rows = wide(body, get_layout("ntu25").joints)
    rows = [rows[0], *([cell.replace(".", ",") for cell in row] for row in rows[1:])]
    clip = read_clip(put(tmp_path / "c.csv", rows, ";"))
    np.testing.assert_allclose(clip.bodies[0], body, atol=1e-6)


@pytest.mark.parametrize("where", ["rows", "header", "both"])
def test_trailing_separators(tmp_path, body, where):
    rows = wide(body, get_layout("ntu25").joints)
    rows = [
        [*row, ""] if where == "both" or (where == "header") == (at == 0) else row
        for at, row in enumerate(rows)
    ]
    np.testing.assert_allclose(read_clip(put(tmp_path / "c.csv", rows)).bodies[0], body, atol=1e-6)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_encodings(tmp_path, body, encoding):
    path = put(tmp_path / "c.csv", wide(body, get_layout("ntu25").joints))
    path.write_bytes(path.read_text().encode(encoding))
    np.testing.assert_allclose(read_clip(path).bodies[0], body, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "scale"),
    [
        ("{joint}_{axis} (mm)", 1000), ("{joint}.Position.{axis}", 1), ("{joint} {axis} [cm]", 100),
        ("{joint}_pos_{axis}", 1), ("{joint} position {axis} (m)", 1),
    ],
)  # fmt: skip
def test_columns_with_units_and_more_words(tmp_path, body, name, scale):
    path = put(tmp_path / "c.csv", wide(body * scale, get_layout("ntu25").joints, name=name))
    clip = read_clip(path)
    assert clip.layout == "ntu25"
    np.testing.assert_allclose(clip.bodies[0], body, atol=1e-5)


SURE = {
    "likelihood": (0.01, 0.99), "confidence": (3, 97), "visibility": (0.1, 1), "presence": (0, 1),
    "score": (0.2, 0.9), "conf": (0.2, 0.9), "state": (0, 2), "tracked": (False, True),
    "TrackingState": ("NotTracked", "Tracked"), "tracking_status": ("Lost", "Inferred"),
    "confidence_level": (0, 3),
}  # fmt: skip


@pytest.mark.parametrize(("word", "values"), SURE.items(), ids=SURE)
def test_confidence_by_any_name_and_scale(tmp_path, body, word, values):
    names = get_layout("ntu25").joints
    rows = wide(body, names)
    rows[0] += [f"{joint}_{word}" for joint in names]
    for t, row in enumerate(rows[1:]):
        row += [values[1]] * len(names)
        if t == 5:
            row[3 * 6] = 77.0
            row[3 * 25 + 6] = values[0]
    clip = read_clip(put(tmp_path / "c.csv", rows))
    assert np.abs(clip.bodies).max() < 10
    assert any("left wrist of body 0 is missing or uncertain for 1 frame" in n for n in clip.notes)


def test_points_in_2d_are_refused_by_name(tmp_path, body):
    rows = [[f"{joint}_{axis}" for joint in get_layout("ntu25").joints for axis in "xy"]]
    rows += [frame[:, :2].ravel().tolist() for frame in body]
    with pytest.raises(ClipError, match="has no column for z: positions in 3D are needed"):
        read_clip(put(tmp_path / "c.csv", rows))


def test_freemocap(tmp_path, body):
    joints = in_layout(body, "mediapipe33")[..., [0, 2, 1]] * [1000, -1000, 1000]
    names = [name.replace(" ", "_") for name in get_layout("mediapipe33").joints]
    flat = wide(joints, names, name="body_{joint}_{axis}")
    tidy = [["frame", "timestamp", "model", "keypoint", "x", "y", "z"]] + [
        [t, t / 24, "mediapipe.body", name, *one]
        for t, frame in enumerate(joints)
        for name, one in zip(names, frame, strict=True)
    ]
    for rows, fps in ((flat, 30), (tidy, 24)):
        clip = read_clip(put(tmp_path / "c.csv", rows), units="mm", up="z")
        assert (clip.layout, clip.fps) == ("mediapipe33", pytest.approx(fps))
        np.testing.assert_allclose(clip.bodies[0], in_layout(body, "mediapipe33"), atol=1e-5)
