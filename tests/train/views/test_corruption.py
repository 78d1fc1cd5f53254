import pytest
import torch

from stars_infer.preprocessing.normalize import PACE_FRAMES
from stars_infer.train.views.config import ViewConfig
from stars_infer.train.views.corruption import Corruption
from stars_infer.train.views.sensor import REDUCED, reduce_layouts, reduction

CPU = torch.device("cpu")
EVERYTHING = ViewConfig(
    bone_lengths=0.1,
    posture=0.1,
    jitter=0.02,
    outliers=0.3,
    hidden_limbs=0.3,
    slowest_rate=0.5,
    reduced_layouts=0.5,
)


def corrupted(config, batch, *, seed=0, part=slice(None), bodies=1):
    """What happens to all bodies of a part of a batch, each clip having so many."""
    clips = len(range(batch)[part])
    clip = torch.repeat_interleave(torch.arange(clips), bodies)
    slot = torch.arange(bodies).repeat(clips)
    return Corruption(config, batch, seed, CPU).of(torch.arange(batch)[part][clip], slot)


def there(count, frames=PACE_FRAMES):
    """Bodies (N, T, 25, 3) that are never at the origin."""
    return 1 + torch.rand(count, frames, 25, 3, generator=torch.Generator().manual_seed(5))


def test_the_fate_of_a_clip_does_not_depend_on_the_part():
    bodies, length = there(12), torch.tensor([40, 90, 128, 300] * 3)
    whole = corrupted(EVERYTHING, 6, bodies=2)
    expected = whole.apply(bodies, length)
    assert (expected != bodies).flatten(1).any(dim=1).all()
    for part in (slice(0, 2), slice(2, 5), slice(5, 6)):
        rows = slice(2 * part.start, 2 * part.stop)
        some = corrupted(EVERYTHING, 6, part=part, bodies=2)
        torch.testing.assert_close(some.apply(bodies[rows], length[rows]), expected[rows])
        torch.testing.assert_close(some.rate, whole.rate[rows])


def test_a_seed_decides_everything():
    bodies, length = there(3), torch.full((3,), 60)
    one, same, other = (
        corrupted(EVERYTHING, 3, seed=seed).apply(bodies, length) for seed in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert (one != other).flatten(1).any(dim=1).all()


@pytest.mark.parametrize(
    "only",
    [
        {"bone_lengths": 0.1},
        {"posture": 0.1},
        {"jitter": 0.02},
        {"outliers": 1.0},
        {"hidden_limbs": 1.0},
        {"reduced_layouts": 1.0},
    ],
)
def test_frames_without_a_body_stay_empty(only):
    bodies = there(2, 60)
    bodies[0, :20] = 0
    bodies[1] = 0
    seen = corrupted(ViewConfig(**only), 2).apply(bodies, torch.full((2,), 60))
    assert not seen[0, :20].any()
    assert not seen[1].any()
    assert (seen[0, 20:] != bodies[0, 20:]).any()


def test_both_bodies_of_a_clip_are_seen_by_one_camera():
    config = ViewConfig(jitter=0.02, slowest_rate=0.5, reduced_layouts=0.5)
    pairs = corrupted(config, 50, bodies=2)
    assert torch.equal(pairs.rate[0::2], pairs.rate[1::2])
    assert len(pairs.rate.unique()) == 50
    assert (pairs.rate >= 0.5).all()
    assert pairs.rate.min() < 0.55
    assert pairs.rate.max() > 0.95
    assert torch.equal(pairs.camera[0::2], pairs.camera[1::2])
    assert not torch.equal(pairs.uniform[0::2, :-3], pairs.uniform[1::2, :-3])


def test_all_frames_are_recorded_unless_said_otherwise():
    assert (corrupted(ViewConfig(jitter=0.1), 9).rate == 1).all()


@pytest.mark.parametrize(("probability", "share"), [(0.0, 0.0), (0.25, 0.25), (1.0, 1.0)])
def test_reduced_layouts_are_drawn_as_often_as_asked_for_and_evenly(probability, share):
    bodies = there(600, 2)
    config = ViewConfig(reduced_layouts=probability, slowest_rate=0.9)
    seen = corrupted(config, 600).apply(bodies, torch.full((600,), 2))
    for place, layout in enumerate(REDUCED):
        same = (seen - reduce_layouts(bodies, torch.full((600,), place))).abs().amax(dim=(1, 2, 3))
        assert (same < 1e-5).float().mean() == pytest.approx(share / len(REDUCED), abs=0.06), layout
    untouched = (seen == bodies).flatten(1).all(dim=1).float().mean()
    assert untouched == pytest.approx(1 - share, abs=0.06)
    assert not torch.equal(reduction(REDUCED[0]), torch.eye(25))


def test_jitter_is_up_to_the_deviation_that_was_set():
    bodies = there(300)
    config = ViewConfig(jitter=0.02)
    some = corrupted(config, 300)
    noise = some.apply(bodies, torch.full((300,), PACE_FRAMES)) - bodies
    head = noise[:, :, 3].flatten(1).std(dim=1)
    torch.testing.assert_close(head, 0.02 * some.camera[:, 0], rtol=0.25, atol=1e-5)
    assert head.max() == pytest.approx(0.02, rel=0.15)
    assert noise[:, :, 3].mean().abs() < 5e-4


def test_jitter_is_new_with_every_recorded_frame_and_linear_between():
    config = ViewConfig(jitter=0.02)
    few = corrupted(config, 1)
    bodies = there(1, 120)
    noise = few.apply(bodies, torch.tensor([30])) - bodies
    # 4 frames of the view to each recorded one: a bend at two of them, none at the others.
    bend = noise.diff(dim=1).diff(dim=1).abs().amax(dim=(0, 2, 3))
    assert 30 < (bend > 1e-4).sum() <= 2 * 30
    many = few.apply(bodies, torch.tensor([400])) - bodies
    assert torch.isfinite(many).all()
    assert (many.diff(dim=1).diff(dim=1).abs().amax(dim=(0, 2, 3)) > 1e-4).all()
