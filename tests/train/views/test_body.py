import numpy as np
import torch

from stars_infer.layouts import NTU25_JOINTS
from stars_infer.synthetic.actions import perform
from stars_infer.train.views.augment import COUNTERPARTS
from stars_infer.train.views.corruption import stretch_bones, turn_bones
from stars_infer.train.views.normalize import bones


def bodies(count=1):
    """Bodies (N, 40, 25, 3) that clap, absent in their last frames."""
    some = [perform("clap", np.random.default_rng(seed))[0, :40] for seed in range(count)]
    stacked = torch.from_numpy(np.stack(some))
    stacked[:, 36:] = 0
    return stacked


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def ratios(before, after):
    """How much longer each bone has become, (N, T, 24)."""
    return (bones(after).norm(dim=3) / bones(before).norm(dim=3))[:, :36, 1:]


def test_bones_are_stretched_alike_left_and_right_and_keep_their_directions():
    before = bodies(3)
    after = stretch_bones(before, normal(3, 25), 0.1)
    assert not after[:, 36:].any()
    torch.testing.assert_close(after[:, :, 0], before[:, :, 0])
    stretch = ratios(before, after)
    torch.testing.assert_close(stretch, stretch[:, :1].expand_as(stretch), rtol=1e-3, atol=1e-3)
    full = torch.cat((torch.ones(3, 1), stretch[:, 0]), dim=1)
    torch.testing.assert_close(full, full[:, COUNTERPARTS], rtol=1e-3, atol=1e-3)
    assert (full[:, 1:] - 1).abs().max() > 0.1
    one, other = bones(before)[:, :36, 1:], bones(after)[:, :36, 1:]
    cosines = torch.cosine_similarity(one, other, dim=3)
    torch.testing.assert_close(cosines, torch.ones_like(cosines), rtol=0, atol=1e-3)


def test_every_bone_has_the_deviation_that_was_asked_for():
    before = bodies().expand(4000, -1, -1, -1)[:, :2]
    after = stretch_bones(before, normal(4000, 25), 0.1)
    spread = (bones(after).norm(dim=3) / bones(before).norm(dim=3))[:, 0, 1:].log().std(dim=0)
    torch.testing.assert_close(spread, torch.full((24,), 0.1), rtol=0.08, atol=0)


def test_a_posture_keeps_bone_lengths_and_is_held():
    before = bodies(3)
    after = turn_bones(before, normal(3, 25, 3), 0.2)
    assert not after[:, 36:].any()
    torch.testing.assert_close(after[:, :, 0], before[:, :, 0])
    stretch = ratios(before, after)
    torch.testing.assert_close(stretch, torch.ones_like(stretch), rtol=1e-3, atol=1e-3)
    assert (after - before).norm(dim=3).max() > 0.05
    # Turned by the same angles in every frame: equal postures stay equal.
    still = before[:, :1].expand(-1, 5, -1, -1)
    held = turn_bones(still, normal(3, 25, 3), 0.2)
    torch.testing.assert_close(held, held[:, :1].expand_as(held))


def test_what_hangs_on_a_bone_turns_with_it():
    before = bodies()
    shoulder = NTU25_JOINTS.index("left shoulder")
    noise = torch.zeros(1, 25, 3)
    noise[:, shoulder, 1] = 1
    after = turn_bones(before, noise, 0.3)
    arm = {
        NTU25_JOINTS.index(f"left {joint}") for joint in ("shoulder", "elbow", "wrist", "hand")
    } | {NTU25_JOINTS.index("tip of left hand"), NTU25_JOINTS.index("left thumb")}
    moved = ((after - before).norm(dim=3)[0, :36] > 1e-4).any(dim=0)
    assert set(moved.nonzero().flatten().tolist()) == arm
    turn = torch.tensor(
        [[np.cos(0.3), 0, np.sin(0.3)], [0, 1, 0], [-np.sin(0.3), 0, np.cos(0.3)]]
    ).float()
    for joint in arm:
        torch.testing.assert_close(
            bones(after)[:, :36, joint], bones(before)[:, :36, joint] @ turn.T, atol=1e-5, rtol=0
        )
