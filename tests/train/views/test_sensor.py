import numpy as np
import pytest
import torch

from stars_infer.layouts import NTU25_JOINTS
from stars_infer.preprocessing.prepare import to_ntu25
from stars_infer.synthetic.actions import perform
from stars_infer.train.views.sensor import (
    LIMBS,
    REDUCED,
    add_outliers,
    hide_legs,
    hide_limbs,
    reduce_layouts,
    reduction,
    scale_depth,
    scale_jitter,
)

FRAMES = 100


def joints(*names):
    return [NTU25_JOINTS.index(name) for name in names]


def walking(count=1):
    """Bodies (N, 60, 25, 3) that go along."""
    some = [perform("walk", np.random.default_rng(seed))[0, :60] for seed in range(count)]
    return torch.from_numpy(np.stack(some))


def drifting(count=1):
    """Bodies whose joints all move, each its own way, (N, 100, 25, 3)."""
    random = torch.Generator().manual_seed(0)
    speed = torch.randn(count, 1, 25, 3, generator=random)
    return torch.arange(FRAMES).view(1, -1, 1, 1) * 0.01 * speed + 1


def test_jitter_is_as_asked_for_and_twice_as_large_for_hands_and_feet():
    noise = torch.randn(2, 4000, 25, 3, generator=torch.Generator().manual_seed(0))
    spread = scale_jitter(noise, torch.tensor([0.01, 0.02])).std(dim=(1, 3))
    shaky = joints(
        *("left hand", "tip of left hand", "left thumb", "right hand", "tip of right hand"),
        *("right thumb", "left ankle", "left foot", "right ankle", "right foot"),
    )
    expected = torch.ones(25)
    expected[shaky] = 2
    torch.testing.assert_close(spread[0], 0.01 * expected, rtol=0.05, atol=0)
    torch.testing.assert_close(spread[1], 0.02 * expected, rtol=0.05, atol=0)


def test_a_hidden_limb_is_held_to_the_body_for_its_time_only():
    bodies = drifting(2)
    uniform = torch.full((2, 3, 4), 0.9)
    uniform[0, 0, 1] = 0.1  # the right arm of the first body, below the rate
    uniform[0, 1, 1] = 0.5  # begins at half of 100 - 40 frames
    uniform[0, 2, 1] = 1.0  # for 40 of them
    seen = hide_limbs(bodies, uniform, 0.5)
    arm = joints(*LIMBS[1])
    others = [joint for joint in range(25) if joint not in arm]
    torch.testing.assert_close(seen[1], bodies[1])
    torch.testing.assert_close(seen[0][:, others], bodies[0][:, others])
    held = (seen[0] != bodies[0])[:, arm].any(dim=2).all(dim=1)
    assert held.nonzero().flatten().tolist() == list(range(31, 70))  # 30 is the last sight
    relative = seen[0][30:70, arm] - seen[0][30:70, :1]
    torch.testing.assert_close(relative, relative[:1].expand_as(relative))
    torch.testing.assert_close(seen[0][30:70, 0], bodies[0][30:70, 0])


def test_a_body_that_comes_late_does_not_come_without_limbs():
    bodies = drifting()
    bodies[:, :50] = 0
    uniform = torch.zeros(1, 3, 4)
    uniform[:, 1:] = torch.tensor([0.5, 1.0])[:, None]  # all limbs, from 30 to 70
    torch.testing.assert_close(hide_limbs(bodies, uniform, 0.5), bodies, rtol=0, atol=0)


@pytest.mark.parametrize("limb", range(len(LIMBS)))
def test_a_limb_is_an_arm_or_a_leg(limb):
    uniform = torch.full((1, 3, 4), 0.3)
    uniform[:, 0] = 1.0
    uniform[:, 0, limb] = 0.0
    bodies = drifting()
    moved = (hide_limbs(bodies, uniform, 0.5) != bodies).any(dim=3).any(dim=1)[0]
    side = ("left", "right")[limb % 2]
    parts = ("elbow", "wrist", "hand", "thumb") if limb < 2 else ("knee", "ankle", "foot")
    names = {f"{side} {part}" for part in parts} | ({f"tip of {side} hand"} if limb < 2 else set())
    assert {NTU25_JOINTS[joint] for joint in moved.nonzero().flatten().tolist()} == names


@pytest.mark.parametrize(("rate", "share"), [(0.0, 0.0), (0.3, 0.3), (1.0, 1.0)])
def test_limbs_are_hidden_and_joints_jump_as_often_as_asked_for(rate, share):
    random = torch.Generator().manual_seed(0)
    bodies = drifting(500)
    held = hide_limbs(bodies, torch.rand(500, 3, 4, generator=random), rate)
    wrists = joints("left wrist", "right wrist", "left knee", "right knee")
    changed = (held != bodies)[:, :, wrists].any(dim=3).any(dim=1).float().mean(dim=0)
    torch.testing.assert_close(changed, torch.full((4,), share), atol=0.07, rtol=0)
    noise = torch.randn(500, 25, 3, generator=random)
    jumped = add_outliers(bodies, noise, torch.rand(500, 3, 25, generator=random), rate)
    changed = (jumped != bodies).any(dim=3).any(dim=1).float().mean()
    torch.testing.assert_close(changed, torch.tensor(share), atol=0.03, rtol=0)


def test_a_jump_shifts_one_joint_for_some_frames():
    bodies = drifting(2)
    uniform = torch.full((2, 3, 25), 0.9)
    head = NTU25_JOINTS.index("head")
    uniform[1, :, head] = torch.tensor([0.0, 0.5, 1.0])  # 8 of 100 frames, from 46 on
    noise = torch.ones(2, 25, 3)
    shifted = add_outliers(bodies, noise, uniform, 0.5) - bodies
    assert not shifted[0].any()
    times, which = (shifted[1] != 0).all(dim=2).nonzero().unbind(1)
    assert set(which.tolist()) == {head}
    assert times.tolist() == list(range(46, 54))
    torch.testing.assert_close(shifted[1, 46:54, head], torch.full((8, 3), 0.15))


def test_a_jump_lasts_a_frame_at_least():
    uniform = torch.zeros(1, 3, 25)
    shifted = add_outliers(torch.zeros(1, 8, 25, 3), torch.ones(1, 25, 3), uniform, 0.5)
    assert (shifted != 0).all(dim=3).sum(dim=1).tolist() == [[1] * 25]


@pytest.mark.parametrize("layout", REDUCED, ids=lambda layout: layout.name)
def test_reduced_bodies_are_those_of_a_file_of_that_layout(layout):
    matrix = reduction(layout)
    torch.testing.assert_close(matrix.sum(dim=1), torch.ones(25))
    torch.testing.assert_close(matrix @ matrix, matrix, atol=1e-6, rtol=0)
    bodies = walking()
    reduced = reduce_layouts(bodies, torch.tensor([REDUCED.index(layout)]))
    assert (reduced - bodies).abs().max() > 0.01
    same = [
        next(NTU25_JOINTS.index(name) for name in NTU25_JOINTS if layout.ntu25[name] == {joint: 1})
        for joint in layout.joints
    ]
    expected = to_ntu25(bodies[:, :, same].numpy(), layout.name)
    np.testing.assert_allclose(reduced, expected, atol=1e-5)


def test_only_the_bodies_of_reduced_layouts_are_reduced():
    assert [layout.name for layout in REDUCED] == ["kinect20", "h36m17", "openni15"]
    bodies = walking(4)
    mixed = reduce_layouts(bodies, torch.tensor([-1, 0, 1, 2]))
    torch.testing.assert_close(mixed[0], bodies[0], rtol=0, atol=1e-6)
    for place, layout in enumerate(REDUCED):
        expected = torch.einsum("uv,tvc->tuc", reduction(layout), bodies[place + 1])
        torch.testing.assert_close(mixed[place + 1], expected)


def test_hidden_legs_hang_straight_down_from_the_hips():
    bodies = torch.randn(2, 5, 25, 3, generator=torch.Generator().manual_seed(0))
    seen = hide_legs(bodies, torch.tensor([True, False]))
    assert torch.equal(seen[1], bodies[1])
    for hip, knee, ankle in ((12, 13, 14), (16, 17, 18)):
        down = seen[0, :, hip] - seen[0, :, [knee, ankle]].transpose(0, 1)
        assert torch.allclose(down[0], torch.tensor([0.0, 0.4, 0.0]).expand(5, 3), atol=1e-6)
        assert torch.allclose(down[1], torch.tensor([0.0, 0.8, 0.0]).expand(5, 3), atol=1e-6)
    assert torch.equal(seen[0, :, :13], bodies[0, :, :13])


def test_depth_is_scaled_about_the_hips():
    bodies = torch.randn(2, 5, 25, 3, generator=torch.Generator().manual_seed(0))
    seen = scale_depth(bodies, torch.tensor([0.5, 1.0]))
    assert torch.equal(seen[..., :2], bodies[..., :2])
    assert torch.allclose(seen[1], bodies[1], atol=1e-6)
    before, after = (some[0, :, :, 2] - some[0, :, :1, 2] for some in (bodies, seen))
    assert torch.allclose(after, before / 2, atol=1e-6)
