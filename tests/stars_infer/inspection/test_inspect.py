import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stars_infer.clips.anatomy import CROWN_AND_SOLE, PLAUSIBLE, UNITS_PER_METER, likely_unit
from stars_infer.clips.clip import Clip
from stars_infer.inspection.inspect import inspect_clip
from stars_infer.inspection.report import body_lines, clip_notes, limb_rows, seen_line
from stars_infer.layouts import NTU25_JOINTS, get_layout
from stars_infer.synthetic.body import Motion, Proportions, joints_of

HEIGHT = 1.8
BODY = Proportions.of_height(HEIGHT)
FPS = 25.0


def standing(frames=50, walked=0.0):
    """Somebody of 1.80 m who faces -z, swings the arms, and goes so many meters to +x."""
    time = np.linspace(0, 2, frames)
    wrists = np.zeros((frames, 2, 3))
    wrists[..., 1] = -0.7
    wrists[..., 2] = 0.3 * np.sin(7 * time)[:, None]
    ankles = np.zeros((frames, 2, 3))
    hips = np.tile([0.0, 0.95, 0.0], (frames, 1))
    motion = Motion(hips=hips, lean=np.zeros(frames), wrists=wrists, ankles=ankles)
    joints = joints_of(motion, BODY).astype(np.float32)
    joints[..., 0] += np.linspace(0, walked, frames)[:, None]
    return joints


def turned(joints, degrees):
    """About the vertical, so that somebody who faces -z then faces so many degrees towards +x."""
    angle = np.radians(degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]])
    return (joints @ turn.T).astype(np.float32)


def body_of(joints, **options):
    (body,) = inspect_clip(Clip.from_array(joints, fps=FPS, **options)).bodies
    return body


def lengths(body):
    return {limb.name: limb.centimeters for limb in body.limbs}


def test_a_known_body_has_its_lengths():
    body = body_of(standing())
    found = lengths(body)
    for side in ("left", "right"):
        assert found[f"{side} upper arm"] == pytest.approx(100 * BODY.upper_arm, abs=0.01)
        assert found[f"{side} forearm"] == pytest.approx(100 * BODY.forearm, abs=0.01)
        assert found[f"{side} thigh"] == pytest.approx(100 * BODY.thigh, abs=0.01)
        assert found[f"{side} shin"] == pytest.approx(100 * BODY.shin, abs=0.01)
    assert found["spine"] == pytest.approx(100 * BODY.spine, abs=0.01)
    assert found["shoulder width"] == pytest.approx(200 * BODY.shoulder, abs=0.01)
    assert found["hip width"] == pytest.approx(200 * BODY.hip, abs=0.01)
    height = (BODY.spine + BODY.neck + BODY.leg) * (1 + CROWN_AND_SOLE)
    assert body.height == pytest.approx(100 * height, abs=0.01)
    assert height == pytest.approx(HEIGHT, rel=0.01)
    assert all(limb.variation < 0.01 for limb in body.limbs)
    assert {limb.verdict for limb in body.limbs} == {"ok"}
    assert body.findings == ()
    assert set(PLAUSIBLE) == {limb.kind for limb in body.limbs}


def test_time_and_layout():
    found = inspect_clip(Clip.from_array(standing(50), fps=FPS, source="me.npy"))
    assert (found.source, found.layout, found.joints) == ("me.npy", "ntu25", 25)
    assert (found.frames, found.seconds, found.fps, found.gaps) == (50, 2.0, 25.0, ())
    (span,) = found.bodies[0].seen
    assert (span.start, span.end, found.bodies[0].share) == (0.0, 2.0, 1.0)


@pytest.mark.parametrize(("unit", "number"), UNITS_PER_METER.items())
def test_other_units_are_found(unit, number):
    body = body_of(standing(walked=1.0) * np.float32(number))
    assert body.unit == unit
    assert body.scale == pytest.approx(number * body_of(standing()).scale, rel=1e-3)
    assert any(f"are these {unit}?" in finding for finding in body.findings)
    assert all(limb.verdict != "ok" for limb in body.limbs)
    assert body.troubles == ()  # the fastest speed is so many units more, too


def test_metres_of_children_and_adults_are_no_other_unit():
    assert all(likely_unit(scale) is None for scale in (0.45, 0.7, 1.0, 1.25))
    assert likely_unit(0.001) is None
    assert likely_unit(0.0) is None
    (finding,) = body_of(standing() * np.float32(0.01)).findings
    assert "0.011 times a person's size" in finding


def test_a_bone_that_stretches_and_sides_that_differ():
    joints = standing()
    wrist = NTU25_JOINTS.index("left wrist")
    elbow = NTU25_JOINTS.index("left elbow")
    stretch = np.linspace(0.8, 1.6, 50, dtype=np.float32)[:, None]
    joints[:, wrist] = joints[:, elbow] + stretch * (joints[:, wrist] - joints[:, elbow])
    body = body_of(joints)
    verdicts = {limb.name: limb.verdict for limb in body.limbs}
    assert verdicts["left forearm"] == "stretches"
    assert verdicts["right forearm"] == "ok"
    row = next(row for row in limb_rows(body) if row[0] == "forearm")
    assert row[4] == "left stretches"
    joints[:, wrist] = joints[:, elbow] + 1.5 * (standing()[:, wrist] - joints[:, elbow])
    assert "left and right forearm differ by 40 %" in body_of(joints).findings


@pytest.mark.parametrize(
    ("degrees", "words"),
    [
        (0, "towards the camera"),
        (90, "camera's left (+x)"),
        (-90, "camera's right (-x)"),
        (179, "away"),
    ],
)
def test_facing(degrees, words):
    joints = turned(standing(), degrees)
    toes = joints[:, NTU25_JOINTS.index("left foot")] - joints[:, NTU25_JOINTS.index("left ankle")]
    assert np.degrees(np.arctan2(toes[0, 0], -toes[0, 2])) == pytest.approx(degrees, abs=25)
    body = body_of(joints)
    assert body.up == "+y"
    assert body.facing == pytest.approx(degrees, abs=0.1)
    assert body.turning == pytest.approx(0, abs=0.1)
    assert any(words in line for line in body_lines(body))


def test_turning_beyond_a_full_turn():
    joints = np.stack([turned(pose, 9 * frame) for frame, pose in enumerate(standing())])
    assert body_of(joints).turning == pytest.approx(9 * 49, abs=1)


def test_which_side_is_up():
    joints = standing()
    body = body_of(joints[..., [0, 2, 1]] * np.array([1, -1, 1], np.float32))
    assert (body.up, body.facing, body.turning) == ("+z", None, None)
    assert any("+z" in finding for finding in body.findings)
    assert body_of(-joints).up == "-y"


def test_way():
    body = body_of(standing(100, walked=3.0))
    # Half a second of four, averaged, is not walked.
    assert body.way.length == pytest.approx(3.0 * 88 / 99, abs=0.02)
    assert body.way.reach == pytest.approx(body.way.length, abs=1e-3)
    assert body.way.center[0] == pytest.approx(1.5, abs=0.01)
    assert body.way.center[1] == pytest.approx(0.95 * BODY.leg, abs=0.01)
    there_and_back = np.concatenate((standing(100, walked=3.0), standing(100, walked=3.0)[::-1]))
    both = body_of(there_and_back).way
    assert both.length > 1.8 * both.reach
    noisy = standing(100) + np.random.default_rng(0).normal(0, 0.01, (100, 1, 3))
    assert body_of(noisy).way.length < 0.4


def test_joints_that_jump_stand_still_or_lie_at_the_origin():
    joints = standing()
    hand, thumb, foot = (NTU25_JOINTS.index(n) for n in ("left hand", "left thumb", "right foot"))
    joints[20, hand] += 2
    joints[:, thumb] = 1.0
    joints[10:15, foot] = 0
    body = body_of(joints, computed=True)  # else such a foot is mended
    by_name = {trouble.joint: trouble for trouble in body.troubles}
    assert by_name["left hand"].jumps == pytest.approx(2 / 49)
    assert by_name["left thumb"].still
    assert by_name["right foot"].at_origin == pytest.approx(0.1)
    assert not by_name["left hand"].still
    assert "left elbow" not in by_name
    words = "\n".join(body_lines(body))
    assert "never move: " in words
    assert "left hand 4.1 %" in words
    assert "right foot 10 %" in words


def test_repeated_frames():
    assert body_of(np.repeat(standing(), 2, axis=0)).repeated == pytest.approx(50 / 99)
    assert body_of(standing()).repeated == 0


def test_two_bodies_a_third_and_gaps():
    joints = np.zeros((3, 60, 25, 3), np.float32)
    joints[0, :40] = standing(40)
    joints[1, 5:40] = standing(40)[5:] + np.float32([1, 0, 0])
    joints[2, 57:] = standing(3) + np.float32([2, 0, 0])
    found = inspect_clip(Clip.from_array(joints, fps=10.0))
    assert [body.actor for body in found.bodies] == [True, True, False]
    assert [body.number for body in found.bodies] == [0, 1, 2]
    assert [(span.start, span.end) for span in found.bodies[1].seen] == [(0.5, 4.0)]
    assert found.bodies[1].share == pytest.approx(35 / 60)
    assert [(gap.start, gap.end) for gap in found.gaps] == [(4.0, 5.7)]
    assert clip_notes(found) == [
        "nobody is seen 4.0–5.7 s",
        "body 2 is seen alone in 3 frames from frame 57, too briefly to be a person: left out",
    ]
    assert "seen too briefly, not compared" in seen_line(found.bodies[2])
    assert found.bodies[1].way.center[0] - found.bodies[0].way.center[0] == pytest.approx(
        1, abs=0.1
    )


def test_short_gaps_of_nan_are_measured_as_mended():
    joints = standing()
    joints[20:24, NTU25_JOINTS.index("left wrist")] = np.nan
    found = inspect_clip(Clip.from_array(joints, fps=FPS))
    (body,) = found.bodies
    assert lengths(body)["left forearm"] == pytest.approx(100 * BODY.forearm, abs=0.5)
    (note,) = found.notes
    assert "left wrist of body 0" in note
    assert clip_notes(found) == [note]
    assert found.to_json()["notes"] == [note]


def test_another_layout_has_the_same_limbs():
    kinect20 = get_layout("kinect20")
    stands_for = {
        source: target
        for target in NTU25_JOINTS[::-1]
        for source, weight in kinect20.ntu25[target].items()
        if weight == 1
    }
    joints = standing()
    order = [NTU25_JOINTS.index(stands_for[name]) for name in kinect20.joints]
    kinect = body_of(joints[:, order], layout="kinect20")
    ntu = body_of(joints)
    for name, length in lengths(ntu).items():
        assert lengths(kinect)[name] == pytest.approx(length, abs=0.2)
    assert kinect.facing == pytest.approx(ntu.facing, abs=0.01)
    assert not any(limb.estimated for limb in (*ntu.limbs, *kinect.limbs))


def test_limbs_that_end_at_made_up_joints_are_estimated():
    layout = get_layout("openni15")
    assert "left wrist" in layout.synthesized
    random = np.random.default_rng(0)
    body = body_of(random.normal(size=(9, len(layout.joints), 3)), layout="openni15")
    estimated = {limb.name for limb in body.limbs if limb.estimated}
    assert {"left forearm", "right forearm"} <= estimated
    assert "left thigh" not in estimated
    cells = {row[0]: row[1] for row in limb_rows(body)}
    assert cells["forearm"].startswith("≈")
    assert not cells["thigh"].startswith("≈")


def test_a_body_of_one_frame_or_at_one_point_is_measured():
    joints = np.zeros((2, 50, 25, 3), np.float32)
    joints[0] = standing()
    joints[1, 7] = standing()[7]
    first, glimpse = inspect_clip(Clip.from_array(joints, fps=FPS)).bodies
    assert (first.actor, glimpse.actor) == (True, False)
    assert glimpse.troubles == ()
    assert lengths(glimpse)["left thigh"] == pytest.approx(100 * BODY.thigh, abs=0.01)
    point = body_of(np.ones((9, 25, 3)))
    assert {limb.verdict for limb in point.limbs} == {"short"}


@settings(max_examples=30, deadline=None)
@given(
    bodies=st.integers(1, 4),
    frames=st.integers(2, 40),
    scale=st.floats(1e-3, 1e4),
    seed=st.integers(0, 1000),
)
def test_any_clip_can_be_inspected_and_told(bodies, frames, scale, seed):
    random = np.random.default_rng(seed)
    joints = (scale * random.normal(size=(bodies, frames, 25, 3))).astype(np.float32)
    joints[random.random((bodies, frames)) < 0.3] = 0
    joints[0, 0] = 1 + scale * random.normal(size=(25, 3))
    found = inspect_clip(Clip.from_array(joints))
    plain = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert plain["frames"] == frames
    assert any(body["actor"] for body in plain["bodies"])
    for body, told in zip(found.bodies, plain["bodies"], strict=True):
        assert [limb["centimeters"] for limb in told["limbs"]] == pytest.approx(
            [limb.centimeters for limb in body.limbs], abs=1e-3
        )
        assert len(limb_rows(body)) == len(PLAUSIBLE)
        assert body_lines(body)
