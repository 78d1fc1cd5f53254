"""Markers on the skin: the joints of common sets, against the body they were placed on."""

import numpy as np
import pytest

from stars_infer import read_clip
from stars_infer.layouts import get_layout
from stars_infer.synthetic.actions import perform
from tests.bodies import axes, in_layout
from tests.stars_infer.readers.mocap_files import KINECT, c3d_file, trc, z_up
from tests.stars_infer.readers.test_files import refusal

ASIDE, UP = 0.36, 0.30


class Subject:
    """A body, and where its markers are."""

    def __init__(self, action="wave", seed=0, frames=24):
        body = perform(action, np.random.default_rng(seed))[:, :frames]
        self.joints = in_layout(body, "kinect20")[0]
        self.up, self.ahead, self.right = (axis[0] for axis in axes(body))

    def joint(self, name):
        return self.joints[:, KINECT.index(name)]

    def around(self, joint, aside=0.05, ahead=0.0):
        """Two markers on either side of a joint."""
        step = aside * self.right + ahead * self.ahead
        return self.joint(joint) - step, self.joint(joint) + step

    def pelvis(self):
        """Left and right front, and left and right back, so that the regression gives the hips."""
        left, right = self.joint("left hip"), self.joint("right hip")
        across = right - left
        width = np.linalg.norm(across, axis=1, keepdims=True) / (2 * ASIDE)
        aside = across / np.linalg.norm(across, axis=1, keepdims=True)
        ahead = self.ahead - (self.ahead * aside).sum(1, keepdims=True) * aside
        ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
        up = np.cross(aside, ahead)
        front = (left + right) / 2 + width * (UP * up + 0.22 * ahead)
        back = front - 0.15 * ahead
        return (front - width / 2 * aside, front + width / 2 * aside,
                back - 0.04 * aside, back + 0.04 * aside)  # fmt: skip


PAIRS = {
    # knee, ankle, elbow and wrist as (outer, inner); shoulder; toe; pelvis; trunk
    "Conventional Gait Model 2.3": {
        "knee": ("{S}KNE", "{S}KNM"), "ankle": ("{S}ANK", "{S}MED"), "elbow": ("{S}ELB",),
        "wrist": ("{S}WRA", "{S}WRB"), "shoulder": ("{S}SHO",), "foot": ("{S}TOE",),
        "hand": ("{S}FIN",), "pelvis": ("LASI", "RASI", "LPSI", "RPSI"),
        "head": ("LFHD", "RFHD", "LBHD", "RBHD"), "shoulder center": ("C7", "CLAV"),
        "spine": ("T10", "STRN"),
    },
    "Plug-in Gait": {
        "knee": ("{S}KNE",), "ankle": ("{S}ANK",), "elbow": ("{S}ELB",),
        "wrist": ("{S}WRA", "{S}WRB"), "shoulder": ("{S}SHO",), "foot": ("{S}TOE",),
        "hand": ("{S}FIN",), "pelvis": ("LASI", "RASI", "LPSI", "RPSI"),
        "head": ("LFHD", "RFHD", "LBHD", "RBHD"), "shoulder center": ("C7", "CLAV"),
        "spine": ("T10", "STRN"),
    },
    "OpenSim gait2392": {
        "knee": ("{S}.Knee.Lat", "{S}.Knee.Med"), "ankle": ("{S}.Ankle.Lat", "{S}.Ankle.Med"),
        "elbow": ("{S}.Elbow",), "wrist": ("{S}.Wrist",), "shoulder": ("{S}.Acromium",),
        "foot": ("{S}.Toe.Tip",), "pelvis": ("L.ASIS", "R.ASIS", "V.Sacral"),
        "head": ("Top.Head",),
    },
    "OpenSim Rajagopal": {
        "knee": ("{S}LFC", "{S}MFC"), "ankle": ("{S}LMAL", "{S}MMAL"),
        "elbow": ("{S}LEL", "{S}MEL"), "wrist": ("{S}FAradius", "{S}FAulna"),
        "shoulder": ("{S}ACR",), "foot": ("{S}TOE",), "pelvis": ("LASI", "RASI", "LPSI", "RPSI"),
        "shoulder center": ("C7", "CLAV"),
    },
    "Human Body Model": {
        "knee": ("{S}LEK", "{S}MEK"), "ankle": ("{S}LM", "{S}MM"), "elbow": ("{S}LEE", "{S}MEE"),
        "wrist": ("{S}LW", "{S}MW"), "shoulder": ("{S}SHO",), "foot": ("{S}TOE",),
        "hand": ("{S}FIN",), "pelvis": ("LASIS", "RASIS", "LPSIS", "RPSIS"),
        "head": ("LHEAD", "RHEAD"), "spine": ("T10", "STRN"),
    },
    "OpenCap augmenter": {
        "knee": ("{s}_knee_study", "{s}_mknee_study"),
        "ankle": ("{s}_ankle_study", "{s}_mankle_study"),
        "elbow": ("{s}_lelbow_study", "{s}_melbow_study"),
        "wrist": ("{s}_lwrist_study", "{s}_mwrist_study"),
        "shoulder": ("{s}_shoulder_study",), "foot": ("{s}_toe_study",),
        "hip": ("{S}HJC_study",),
    },
    "Qualisys animation": {
        "knee": ("{S}KneeOut", "{S}KneeIn"), "ankle": ("{S}AnkleOut", "{S}AnkleIn"),
        "elbow": ("{S}ElbowOut", "{S}ElbowIn"), "wrist": ("{S}WristOut", "{S}WristIn"),
        "shoulder": ("{S}ShoulderTop",), "foot": ("{S}ForefootIn", "{S}ForefootOut"),
        "hand": ("{S}HandOut",), "head": ("HeadL", "HeadR"),
        "pelvis": ("WaistLFront", "WaistRFront", "WaistLBack", "WaistRBack"),
    },
    "Istituti Ortopedici Rizzoli": {
        "knee": ("{S}_FLE", "{S}_FME"), "ankle": ("{S}_FAL", "{S}_TAM"),
        "elbow": ("{S}_HLE", "{S}_HME"), "wrist": ("{S}_RSP", "{S}_USP"),
        "shoulder": ("{S}_SAE",), "foot": ("{S}_FM1", "{S}_FM5"),
        "pelvis": ("L_IAS", "R_IAS", "L_IPS", "R_IPS"),
    },
    "joint centers that a model computed": {
        "hip": ("{S}HJC",), "knee": ("{S}KJC",), "ankle": ("{S}AJC",), "shoulder": ("{S}SJC",),
        "elbow": ("{S}EJC",), "wrist": ("{S}WJC",), "foot": ("{S}TOE",),
    },
}  # fmt: skip
"""Sets of markers."""


def placed(subject, markers):
    """The labels and positions (T, P, 3) of a set on a body, in the lab's order of axes (y up)."""
    points = {}
    for joint, names in markers.items():
        if joint == "pelvis":
            front_left, front_right, back_left, back_right = subject.pelvis()
            back = [(back_left + back_right) / 2] if len(names) == 3 else [back_left, back_right]
            points |= dict(zip(names, [front_left, front_right, *back], strict=True))
        elif "{" not in "".join(names).lower().replace("{s}", "{"):
            if len(names) == 4:
                spread = [subject.around(joint, 0.07, 0.08), subject.around(joint, 0.07, -0.08)]
                points |= dict(zip(names, [*spread[0], *spread[1]][: len(names)], strict=True))
            elif len(names) == 2:
                points |= dict(zip(names, subject.around(joint, 0.0, 0.1), strict=True))
            else:
                points[names[0]] = subject.joint(joint)
        else:
            for side in ("left", "right"):
                own = [name.format(S=side[0].upper(), s=side[0]) for name in names]
                full = f"{side} {joint}"
                there = subject.around(full) if len(own) == 2 else [subject.joint(full)]
                points |= dict(zip(own, there, strict=True))
    return list(points), np.stack(list(points.values()), axis=1)


KNOWN = ["left knee", "right knee", "left ankle", "right elbow", "left wrist", "right shoulder",
         "left hip", "right hip"]  # fmt: skip


def by_name(clip, names=KNOWN):
    joints = get_layout(clip.layout).joints
    return np.stack([clip.bodies[0, :, joints.index(name)] for name in names], axis=1)


@pytest.mark.parametrize("markers", PAIRS)
def test_joints_of_a_set_of_markers(tmp_path, markers):
    subject = Subject("squat")
    labels, points = placed(subject, PAIRS[markers])
    path = tmp_path / "trial.trc"
    path.write_text(trc(labels, points * 1000, units="mm"))
    clip = read_clip(path)
    joints = {j.lower(): n for n, j in enumerate(get_layout(clip.layout).joints)}
    if clip.layout == "kinect20":
        made = by_name(clip)
    else:  # a layout of joint centers
        assert clip.layout == "plug-in-gait"
        letters = {"knee": "kjc", "ankle": "ajc", "elbow": "ejc", "wrist": "wjc",
                   "shoulder": "sjc", "hip": "hjc"}  # fmt: skip
        keys = [name.split()[0][0] + letters[name.split()[1]] for name in KNOWN]
        made = np.stack([clip.bodies[0, :, joints[key]] for key in keys], axis=1)
    truth = np.stack([subject.joint(name) for name in KNOWN], axis=1)
    np.testing.assert_allclose(made, truth, atol=2e-5)


@pytest.mark.parametrize("rename", ["Anna:{}", "251112_KUO_{}", " {} "])
def test_names_of_the_subject_before_those_of_markers(tmp_path, rename):
    subject = Subject()
    labels, points = placed(subject, PAIRS["Plug-in Gait"])
    path = tmp_path / "trial.trc"
    path.write_text(trc([rename.format(label) for label in labels], points))
    np.testing.assert_allclose(
        by_name(read_clip(path)), np.stack([subject.joint(name) for name in KNOWN], 1), atol=2e-5
    )


def test_two_people_and_markers_without_a_name(tmp_path):
    one, two = Subject("wave"), Subject("squat", seed=1)
    labels, first = placed(one, PAIRS["Plug-in Gait"])
    _, second = placed(two, PAIRS["Plug-in Gait"])
    second = second + np.float32([1.5, 0, 0])
    names = [f"{who}:{label}" for who in ("A", "B") for label in labels]
    stray = np.zeros((len(first), 2, 3)) + 5
    path = tmp_path / "trial.trc"
    path.write_text(trc([*names, "*37", "*38"], np.concatenate([first, second, stray], axis=1)))
    clip = read_clip(path)
    assert clip.bodies.shape[0] == 2
    knee = get_layout(clip.layout).joints.index("left knee")
    np.testing.assert_allclose(clip.bodies[0, :, knee], one.joint("left knee"), atol=2e-5)
    np.testing.assert_allclose(
        clip.bodies[1, :, knee], two.joint("left knee") + [1.5, 0, 0], atol=2e-5
    )


def test_a_marker_that_is_never_seen_makes_way_for_another_rule(tmp_path):
    subject = Subject()
    labels, points = placed(subject, PAIRS["Conventional Gait Model 2.3"])
    points[:, labels.index("LKNM")] = np.nan
    path = tmp_path / "trial.trc"
    path.write_text(trc(labels, points))
    knee = by_name(read_clip(path), ["left knee"])[:, 0]
    np.testing.assert_allclose(knee, subject.around("left knee")[0], atol=2e-5)


def test_legs_alone_are_refused_and_say_what_they_lack(tmp_path):
    subject = Subject()
    legs = {joint: PAIRS["Plug-in Gait"][joint] for joint in ("knee", "ankle", "foot", "pelvis")}
    labels, points = placed(subject, legs)
    path = tmp_path / "trial.trc"
    path.write_text(trc(labels, points))
    assert "markers that give left shoulder, right shoulder" in refusal(path)


def test_a_layout_of_ones_own_may_name_markers(tmp_path):
    subject = Subject()
    labels, points = placed(subject, PAIRS["Plug-in Gait"])
    (tmp_path / "trial.trc").write_text(trc(labels, points))
    own = tmp_path / "own.toml"
    kinect = get_layout("kinect20")
    named = {"left knee": "LKNE", "right knee": "RKNE"}

    def pairs(those):
        return [[named.get(kinect.joints[n], kinect.joints[n]) for n in pair] for pair in those]

    own.write_text(
        'name = "own"\nabout = "x"\nby_name = true\ncenter = "spine"\n'
        f"joints = {[named.get(joint, joint) for joint in kinect.joints]}\n"
        f"bones = {pairs(kinect.bones)}\nmirror = {pairs(kinect.mirror)}\n"
        "[ntu25]\n"
        + "\n".join(
            f'"{target}" = {{'
            + ", ".join(f'"{named.get(j, j)}" = {float(w)}' for j, w in mixture.items())
            + "}"
            for target, mixture in kinect.ntu25.items()
        )
    )
    clip = read_clip(tmp_path / "trial.trc", layout=str(own))
    assert clip.layout == str(own)
    np.testing.assert_allclose(
        clip.bodies[0, :, kinect.joints.index("left knee")], subject.joint("left knee"), atol=2e-5
    )


class TestC3d:
    """The same in binary form."""

    @pytest.fixture(autouse=True)
    def _needs(self):
        pytest.importorskip("c3d", reason="pip install 'stars-infer[mocap]'")

    @pytest.mark.parametrize("markers", ["Plug-in Gait", "OpenSim Rajagopal", "Qualisys animation"])
    def test_joints_of_a_set_of_markers(self, tmp_path, markers):
        subject = Subject("kick")
        labels, points = placed(subject, PAIRS[markers])
        path = tmp_path / "trial.c3d"
        path.write_bytes(c3d_file(labels, z_up(points) * 1000, rate=120.0))
        clip = read_clip(path)
        truth = np.stack([subject.joint(name) for name in KNOWN], axis=1)
        np.testing.assert_allclose(by_name(clip), truth, atol=2e-4)
        assert clip.fps == 120

    def test_joints_by_their_names_and_the_axis_of_the_screen(self, tmp_path):
        subject = Subject()
        path = tmp_path / "trial.c3d"
        path.write_bytes(c3d_file(KINECT, subject.joints, units="m", screen="+Y"))
        clip = read_clip(path)
        np.testing.assert_allclose(clip.bodies[0], subject.joints, atol=1e-6)
        assert (clip.layout, clip.fps) == ("kinect20", 100)

    def test_points_that_are_not_seen(self, tmp_path):
        subject = Subject()
        spoilt = subject.joints.copy()
        spoilt[3:6, KINECT.index("right elbow")] = np.nan
        path = tmp_path / "trial.c3d"
        path.write_bytes(c3d_file(KINECT, spoilt, units="m", screen="+Y"))
        clip = read_clip(path)
        np.testing.assert_allclose(clip.bodies[0], subject.joints, atol=0.05)
        assert "right elbow" in " ".join(clip.notes)

    def test_a_file_that_is_cut_short(self, tmp_path):
        subject = Subject()
        whole = c3d_file(KINECT, subject.joints, units="m", screen="+Y")
        path = tmp_path / "trial.c3d"
        path.write_bytes(whole[:-3000])
        assert any("cut short" in note for note in read_clip(path).notes)
        path.write_bytes(whole[:900])
        assert "C3D" in refusal(path) or "cut short" in refusal(path)
        path.write_bytes(b"no C3D at all" * 90)
        assert "not a readable C3D file" in refusal(path)
