"""Body-part mixing and the temporal crop, by hand and in batches."""

import pytest
import torch

from stars_infer.errors import UsageError
from stars_infer.layouts import NTU25_JOINTS
from stars_infer.train.views.augment import shift_in_time
from stars_infer.train.views.mixing import BODY_PARTS, Mix, Mixing, borrow_limbs, lenders_of
from stars_infer.train.views.normalize import bones
from tests.train.views.test_views import source, views


def test_the_five_parts_hold_every_joint_once():
    assert sorted(BODY_PARTS) == ["left arm", "left leg", "right arm", "right leg", "trunk"]
    assert sorted(joint for part in BODY_PARTS.values() for joint in part) == list(range(25))
    assert [NTU25_JOINTS[joint] for joint in BODY_PARTS["left leg"]] == [
        "left hip", "left knee", "left ankle", "left foot",
    ]  # fmt: skip
    assert len(BODY_PARTS["right arm"]) == 6


def test_mixing_keeps_the_other_parts_and_the_other_frames():
    own, others = torch.zeros(2, 12, 25, 3), torch.ones(2, 12, 25, 3)
    mixed = Mix(shift=1, joints=(3, 5), frames=slice(4, 8)).apply(own, others)
    assert mixed[:, 4:8, [3, 5]].eq(1).all()
    assert float(mixed.sum()) == 2 * 4 * 2 * 3
    assert not own.any()


def test_draws_are_within_the_bounds():
    random = torch.Generator().manual_seed(0)
    draws = [Mixing().draw(random, batch=5, frames=64) for _ in range(300)]
    lengths = {(mix.frames.stop - mix.frames.start) // 4 for mix in draws}
    assert lengths == {4, 5, 6, 7}
    assert {mix.shift for mix in draws} == {1, 2, 3, 4}
    assert all(mix.frames.start >= 0 and mix.frames.stop <= 64 for mix in draws)
    assert {mix.frames.stop for mix in draws} >= {64}
    parts = {sum(set(joints) <= set(mix.joints) for joints in BODY_PARTS.values()) for mix in draws}
    assert parts == {3, 4}


def test_impossible_mixes_are_refused():
    random = torch.Generator()
    with pytest.raises(UsageError, match="7 x 4 frames does not fit 20 frames: lower longest_mix"):
        Mixing().draw(random, batch=4, frames=20)
    with pytest.raises(UsageError, match="batch must be at least 2"):
        Mixing().draw(random, batch=1, frames=64)


def test_a_second_body_borrows_from_a_second_body_where_there_is_one():
    clip, lending = torch.tensor([0, 0, 1, 2, 2]), torch.tensor([0, 1, 1, 2, 2])
    assert lenders_of(clip, lending, 3).tolist() == [0, 0, 1, 3, 4]


@pytest.fixture
def clips():
    return [source(70 + n, bodies=1 + n % 2, seed=n) for n in range(8)]


def mixed_views(clips, **config):
    made = views(clips, batch=6, num_views=2, frames=64, shortest_crop=1.0, **config)
    made.mixing = Mixing()
    return made


def test_the_mixed_view_is_the_query_with_parts_of_another_clip(clips):
    query, key, mixed = mixed_views(clips, shear=0.5, padding=1 / 6).draw(0)
    assert mixed.clip.equal(query.clip)
    changed = (mixed.bodies != query.bodies).any(dim=3)
    frames, joints = changed.any(dim=2).any(dim=0), changed.any(dim=1).any(dim=0)
    assert 16 <= int(frames.sum()) <= 28
    parts = [name for name, part in BODY_PARTS.items() if joints[list(part)].any()]
    assert len(parts) in (3, 4)
    whole = {joint for name in parts for joint in BODY_PARTS[name]}
    assert set(joints.nonzero()[:, 0].tolist()) == whole
    # What was borrowed is that of another body of the same view.
    at = int(frames.nonzero()[0])
    seen = mixed.bodies[0, at, sorted(whole)]
    assert any(seen.equal(body[at, sorted(whole)]) for body in query.bodies[1:])
    assert not key.bodies.equal(query.bodies)


def test_parts_of_a_batch_see_what_the_whole_sees(clips):
    whole = mixed_views(clips, shear=0.5, padding=1 / 6).draw(3)[2]
    first, second = (
        mixed_views(clips, shear=0.5, padding=1 / 6).draw(3, part)[2]
        for part in (slice(0, 3), slice(3, 6))
    )
    torch.testing.assert_close(torch.cat((first.bodies, second.bodies)), whole.bodies)


def test_a_shifted_window_goes_on_backwards():
    ramp = torch.arange(8.0)[None, :, None, None].expand(3, 8, 25, 3)
    got = shift_in_time(ramp, torch.tensor([0.0, 0.5, 0.999]), padding=0.25)[:, :, 0, 0]
    assert got.tolist() == [
        [1, 0, 0, 1, 2, 3, 4, 5],
        [0, 1, 2, 3, 4, 5, 6, 7],
        [2, 3, 4, 5, 6, 7, 7, 6],
    ]


def test_padding_is_a_share(clips):
    with pytest.raises(UsageError, match="padding is a share"):
        views(clips, padding=1.5)


def test_borrowed_limbs_have_the_directions_of_the_lenders_bones():
    random = torch.Generator().manual_seed(3)
    bodies = torch.randn(6, 4, 25, 3, generator=random)
    views = torch.stack((bodies, bodies + 1))
    kept = borrow_limbs(views, 0.0, random)
    assert torch.allclose(kept, views, atol=1e-5)
    mixed = borrow_limbs(views, 1.0, random)
    # A shift of the whole body is no matter of bones, so both views borrow the same.
    assert torch.allclose(mixed[1] - mixed[0], torch.ones(6, 4, 25, 3), atol=1e-5)
    assert torch.allclose(mixed[:, :, :, 0], views[:, :, :, 0], atol=1e-6)
    own, theirs = bones(bodies), bones(mixed[0])
    for body in theirs:
        for joint in range(1, 25):
            apart = (own[:, :, joint] - body[:, joint]).abs().amax(dim=(1, 2))
            assert apart.min() < 1e-5
    assert (theirs - own).abs().max() > 0.1
