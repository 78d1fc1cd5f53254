"""Who of several people acts."""

import numpy as np
import pytest

from stars_infer import read_clip
from stars_infer.clips.actors import (
    ACTS,
    FURNITURE,
    GLIMPSED,
    PASSES_BY,
    STANDS_STILL,
    activity,
    roles_of,
    select_actors,
)
from stars_infer.clips.people import EACH, parts_by_people
from stars_infer.layouts import NTU25_INDEX
from stars_infer.synthetic.actions import perform
from tests.stars_infer.clips.company import (
    ASIDE,
    SOLO,
    acting,
    clip_of,
    drifting,
    noisy,
    seen_only,
    standing,
    swaying,
    walking_past,
)


@pytest.mark.parametrize("action", SOLO)
@pytest.mark.parametrize("fps", [15, 30, 60])
@pytest.mark.parametrize(
    "beside", [standing, noisy, drifting, swaying, walking_past], ids=lambda made: made.__name__
)
def test_who_stands_by_or_walks_past_does_not_act(action, beside, fps):
    joints = acting(action)
    joints = joints - joints.mean(axis=(0, 1)) + acting("wave").mean(axis=(0, 1))
    other = beside(len(joints))
    if fps == 15:
        joints, other = joints[::2], other[::2]
    elif fps == 60:
        joints, other = (body.repeat(2, axis=0) for body in (joints, other))
    for clip in (clip_of(joints, other, fps=fps), clip_of(other, joints, fps=fps)):
        roles = [role for _, role in sorted(roles_of(clip).items())]
        assert sorted(role == ACTS for role in roles) == [False, True]
        (actor,) = select_actors(clip)
        np.testing.assert_allclose(actor, joints.astype(np.float32), atol=1e-6)
        assert len(select_actors(clip, bystanders=True)) == 2


def test_why_somebody_does_not_act():
    joints = acting("wave")
    frames = len(joints)
    lying = standing(frames)[:, :, [1, 0, 2]] + [0, 0, 2]
    company = [
        standing(frames),
        walking_past(frames),
        seen_only(standing(frames) - 2 * ASIDE, slice(5, 10)),
        lying,
    ]
    roles = roles_of(clip_of(joints, *company))
    assert roles == {0: ACTS, 1: STANDS_STILL, 2: PASSES_BY, 3: GLIMPSED, 4: FURNITURE}


@pytest.mark.parametrize("part", [slice(0, 25), slice(-25, None), slice(20, 60)])
@pytest.mark.parametrize("beside", [standing, drifting])
def test_who_is_seen_for_a_while_and_stands_still_does_not_act(part, beside):
    joints = acting("squat", 4)
    other = seen_only(beside(len(joints)), part)
    (actor,) = select_actors(clip_of(joints, other))
    np.testing.assert_array_equal(actor, joints)


def test_of_three_people_the_one_who_acts_is_chosen():
    joints = acting("jump")
    frames = len(joints)
    clip = clip_of(swaying(frames), joints, drifting(frames) - 2 * ASIDE)
    np.testing.assert_array_equal(select_actors(clip), joints[None])


def test_who_stands_still_before_acting_is_whole():
    joints = acting("kick", 2)
    still = joints[:1] + np.random.default_rng(0).normal(0, 0.004, (40, 25, 3))
    joints = np.concatenate((still, joints)).astype(np.float32)
    (actor,) = select_actors(clip_of(standing(len(joints)), joints))
    np.testing.assert_array_equal(actor, joints)


def test_if_nobody_moves_nobody_is_left_out():
    clip = clip_of(standing(40), standing(40) - ASIDE)
    assert set(roles_of(clip).values()) == {ACTS}


@pytest.mark.parametrize("seed", range(4))
def test_two_who_act_together_stay_and_a_third_who_watches_does_not(seed):
    pair = perform("handshake", np.random.default_rng(seed))
    assert len(select_actors(clip_of(*pair))) == 2
    watching = drifting(pair.shape[1]) + ASIDE
    actors = select_actors(clip_of(*pair, watching))
    np.testing.assert_array_equal(sorted(actors[:, 0, 0, 0]), sorted(pair[:, 0, 0, 0]))


def test_who_faces_an_arm_that_is_held_out_belongs_to_the_action():
    """The sensor sees the actor from behind, and has turned them around."""
    frames = 60
    pose = standing(1)[0]
    across = pose[NTU25_INDEX["right shoulder"]] - pose[NTU25_INDEX["left shoulder"]]
    front = np.array([across[2], 0, -across[0]])
    front /= np.linalg.norm(front)
    sway = drifting(frames, 0.012) - standing(frames)

    def roles(*, toward=-front, share=0.3, distance=1.0, bent=False, turned=False):
        actor = np.repeat(pose[None], frames, axis=0)
        held = np.arange(frames) < round(share * frames)
        shoulder = actor[held][:, NTU25_INDEX["left shoulder"]]
        up = np.array([0, 0.25 if bent else 0, 0])
        actor[held, NTU25_INDEX["left elbow"]] = shoulder + 0.15 * toward + up
        for joint in ("left wrist", "left hand"):
            actor[held, NTU25_INDEX[joint]] = shoulder + 0.3 * toward
        other = pose - pose.mean(axis=0)
        other = other * [-1, 1, -1] if turned else other
        return roles_of(clip_of(actor, other + pose.mean(axis=0) - distance * front + sway))

    assert roles() == {0: ACTS, 1: ACTS}
    for change in (
        {"toward": np.cross(front, [0, 1, 0])}, {"toward": front}, {"share": 0.1},
        {"distance": 1.5}, {"bent": True}, {"turned": True},
    ):  # fmt: skip
        assert roles(**change) == {0: ACTS, 1: STANDS_STILL}, change


def test_somebody_who_is_pointed_at_in_a_real_clip_is_kept(shared):
    for name in ("S017C003P020R002A054", "S017C003P020R002A056", "S001C003P008R002A058"):
        clip = read_clip(shared / "data" / "ntu-samples" / f"{name}.skeleton")
        assert roles_of(clip) == {0: ACTS, 1: ACTS}


def test_who_is_touched_or_faced_belongs_to_the_action_though_standing_still():
    pair = perform("handshake", np.random.default_rng(3))
    frames = pair.shape[1]
    passive = drifting(frames, 0.012)
    passive += pair[1].mean(axis=(0, 1)) - passive.mean(axis=(0, 1))
    roles = roles_of(clip_of(pair[0], passive))
    assert roles[1] == ACTS  # its hand is where the other's goes
    back_to_back = passive + [3.0, 0, 0]
    assert roles_of(clip_of(pair[0], back_to_back))[1] == STANDS_STILL
    faced = pair[1][:1] + drifting(frames, 0.012) - standing(frames)
    assert roles_of(clip_of(pair[0], faced + [0.3, 0, 0]))[1] == ACTS
    assert roles_of(clip_of(pair[0], faced + [1.5, 0, 0]))[1] == STANDS_STILL
    frozen = np.repeat(pair[1][:1], frames, axis=0)
    assert roles_of(clip_of(pair[0], frozen))[1] == STANDS_STILL


def test_a_quiet_person_is_named_by_asking_for_each():
    """Somebody who moves a hand only, beside somebody who squats, does not act; alone, they do."""
    quiet = standing(80)
    quiet[:, [10, 11, 23, 24], 1] += 0.03 * np.sin(np.arange(80) / 3)[:, None]
    lively = acting("squat")[:80]
    clip = clip_of(quiet[: len(lively)], lively)
    assert roles_of(clip)[0] == STANDS_STILL
    assert [part.bodies.shape[0] for part in parts_by_people(clip, EACH)] == [1, 1]
    assert activity(quiet.astype(np.float32)) > 0.01


def test_activity_is_not_noise_and_not_the_way_somebody_goes():
    still = standing(60)
    assert activity(still) < 1e-6
    assert activity(still + np.linspace(0, 3, 60)[:, None, None]) < 1e-6
    assert activity(noisy(60, 0.02)) < 0.02 < np.sqrt(3) * 0.02
    assert activity(acting("wave")) > 0.05
    assert activity(np.zeros((0, 25, 3), np.float32)) == 0
    assert activity(still[:1]) == 0


def test_frames_of_a_brief_false_body_are_not_in_the_actor():
    joints = acting("wave")[:60]
    ghost = np.zeros((70, 25, 3))
    ghost[60:] = standing(10)
    seen = np.concatenate((joints, np.zeros((10, 25, 3))))
    clip = clip_of(seen, ghost)
    assert clip.notes == (
        "body 1 is seen alone in 10 frames from frame 60, too briefly to be a person: left out",
    )
    np.testing.assert_array_equal(select_actors(clip), joints[None])
