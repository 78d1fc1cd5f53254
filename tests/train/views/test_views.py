from dataclasses import replace

import numpy as np
import pytest
import torch

from stars_infer import Clip, prepare
from stars_infer.errors import UsageError
from stars_infer.layouts import NTU25_JOINTS
from stars_infer.preprocessing.prepare import Preprocessing, center_actors
from stars_infer.preprocessing.resample import resize
from stars_infer.synthetic.actions import perform
from stars_infer.train.datasets.pack import Pack, SourceClip
from stars_infer.train.views.augment import axis_masks, mirror, rotations, shears
from stars_infer.train.views.config import ViewConfig
from stars_infer.train.views.rows import resize_tracks
from stars_infer.train.views.views import Views


def source(frames, bodies=1, seed=0):
    actors = np.random.default_rng(seed).normal(size=(bodies, frames, 25, 3)).astype(np.float32)
    return SourceClip(actors=actors, label=str(seed), subject="", source="")


def views(clips, *, batch=4, seed=0, num_views=1, num_local_views=0, **config):
    return Views(
        Pack.from_clips(clips),
        ViewConfig(**config),
        batch=batch,
        seed=seed,
        tokens=750,
        device="cpu",
        num_views=num_views,
        num_local_views=num_local_views,
    )


@pytest.mark.parametrize("frames", [2, 37, 64, 120, 300])
def test_resize_on_the_device_is_the_runtimes(frames):
    joints = source(frames + 20).actors[0]
    got = resize_tracks(torch.from_numpy(joints), torch.tensor([10]), torch.tensor([frames]), 120)
    expected = resize(joints[None, 10 : 10 + frames], 120)
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_whole_clip_without_crop_is_what_prepare_resizes():
    clips = [source(50, bodies=2), source(80, seed=1)]
    batch = views(clips, batch=2, shortest_crop=1.0).draw(0)[0]
    order = views(clips, batch=2).clips_of_step(0).tolist()
    expected = np.concatenate([resize(clips[n].actors, 120) for n in order])
    np.testing.assert_allclose(batch.bodies, expected, atol=1e-5)
    assert batch.clip.tolist() == [n for n, c in enumerate(order) for _ in clips[c].actors]


def acted(name, frames, *, seed=0, absent=None):
    """A clip of so many frames, one body of which may be missing in the first fifth."""
    joints = resize(perform(name, np.random.default_rng(seed)), frames)
    if absent is not None:
        joints[absent, : frames // 5] = 0
    return Clip.from_array(joints)


NORMALIZED = (
    {"face_camera": True},
    {"standard_body": True},
    {"pace": 0.5},
    {"face_camera": True, "standard_body": True, "pace": 0.5},
)


@pytest.mark.parametrize("steps", NORMALIZED, ids=lambda steps: "+".join(steps))
@pytest.mark.parametrize("whose", ["as many frames", "other frames"])
def test_normalized_views_of_whole_clips_are_what_prepare_gives(steps, whose):
    # Training resamples before it normalizes, use after; with as many frames it is the same.
    exact = whose == "as many frames"
    frames = (128 if "pace" in steps else 64) if exact else 90
    some = [
        acted("walk", frames),
        acted("handshake", frames),
        acted("kick", frames, seed=1),
        acted("handshake", frames, absent=0 if exact else None),
        acted("handshake", frames, absent=1 if exact else None, seed=1),
    ]
    clips = [
        SourceClip(actors=center_actors(c), label=str(n), subject="", source="")
        for n, c in enumerate(some)
    ]
    late = [clip for clip in clips if not clip.actors[0, 0].any()]
    assert bool(late) is exact  # the first actor may come later than the second
    batch = views(clips, batch=5, shortest_crop=1.0, frames=64, **steps).draw(0)[0]
    how = Preprocessing(frames=64, crop=1.0, **steps)
    order = batch.labels.tolist()
    expected = np.concatenate([prepare(some[n], how) for n in order])
    difference = np.abs(batch.bodies.numpy() - expected)
    assert difference.max() < (5e-5 if exact else 0.05)
    assert difference.mean() < (5e-6 if exact else 0.003)


def test_views_that_face_the_camera_do_not_show_a_turn():
    clips = [source(60, seed=n, bodies=1 + n % 2) for n in range(4)]
    plain = views(clips, face_camera=True).draw(0)[0].bodies
    turned = views(clips, face_camera=True, yaw=3.0).draw(0)[0].bodies
    torch.testing.assert_close(turned, plain, atol=1e-4, rtol=0)
    seen = views(clips, yaw=3.0).draw(0)[0].bodies
    assert (seen - views(clips).draw(0)[0].bodies).abs().max() > 0.5
    # About the vertical: heights stay.
    torch.testing.assert_close(seen[..., 1], views(clips).draw(0)[0].bodies[..., 1])


CORRUPTED = {
    "bone_lengths": 0.1,
    "posture": 0.1,
    "jitter": 0.02,
    "outliers": 0.3,
    "hidden_limbs": 0.3,
    "slowest_rate": 0.5,
    "reduced_layouts": 0.5,
}


def test_corrupted_views_are_decided_by_step_and_differ_between_copies():
    clips = [source(90, seed=n, bodies=1 + n % 2) for n in range(6)]
    everything = CORRUPTED | {"face_camera": True, "standard_body": True, "pace": 0.5}
    one, again = (views(clips, num_views=2, shortest_crop=1.0, **everything) for _ in range(2))
    for step in (5, 2):
        for a, b in zip(one.draw(step), again.draw(step), strict=True):
            torch.testing.assert_close(a.bodies, b.bodies, rtol=0, atol=0)
            assert torch.isfinite(a.bodies).all()
    first, second = one.draw(5)
    # Whole clips: what differs is the corruption.
    assert ((first.bodies - second.bodies).abs().flatten(1).amax(dim=1) > 1e-3).all()


@pytest.mark.parametrize("absent_bodies", ["present", "zeros", "copy"])
def test_parts_of_a_corrupted_batch_make_up_the_batch(absent_bodies):
    clips = [source(90, seed=n, bodies=1 + n % 2) for n in range(6)]
    normalized = {"face_camera": True, "standard_body": True, "pace": 0.5}
    some = views(clips, yaw=3.0, absent_bodies=absent_bodies, **CORRUPTED, **normalized)
    (whole,) = some.draw(7)
    parts = [some.draw(7, slice(0, 1))[0], some.draw(7, slice(1, 4))[0]]
    torch.testing.assert_close(torch.cat([p.bodies for p in parts]), whole.bodies)


def test_a_whole_recording_is_plain_resampling_and_half_of_it_skips_frames():
    joints = torch.arange(41.0).view(-1, 1, 1).expand(-1, 25, 3).clone()
    start, length = torch.tensor([0, 3]), torch.tensor([41, 30])
    plain = resize_tracks(joints, start, length, 64)
    whole = resize_tracks(joints, start, length, 64, keep=torch.ones(2, dtype=torch.float64))
    torch.testing.assert_close(whole, plain)
    half = torch.full((1,), 0.5, dtype=torch.float64)
    line = resize_tracks(joints, start[:1], length[:1], 64, keep=half)
    torch.testing.assert_close(line, plain[:1])
    joints[1::2] = torch.nan  # every second frame is never looked at
    skipped = resize_tracks(joints, start[:1], length[:1], 64, keep=half)
    torch.testing.assert_close(skipped, plain[:1])


@pytest.mark.parametrize("keep", [0.3, 0.5, 0.77, 0.99])
def test_a_slower_recording_stays_within_its_clip(keep):
    joints = torch.full((60, 25, 3), torch.nan)
    joints[10:50] = torch.arange(40.0).view(-1, 1, 1)
    kept = torch.tensor([keep], dtype=torch.float64)
    seen = resize_tracks(joints, torch.tensor([10]), torch.tensor([40]), 64, keep=kept)
    assert (seen.diff(dim=1) >= -1e-4).all()
    plain = resize_tracks(joints, torch.tensor([10]), torch.tensor([40]), 64)
    # A recorded frame is at most half a frame of the clip off its time, the last one clamped.
    assert (seen - plain).abs().max() <= 0.5 / keep + 0.5


def test_crops_stay_inside_their_clip_and_keep_their_share():
    frames = np.arange(400, dtype=np.float32)
    actors = np.broadcast_to(frames[None, :, None, None], (1, 400, 25, 3)).astype(np.float32)
    clip = SourceClip(actors=actors, label="", subject="", source="")
    shares = []
    some = views([source(30), clip, source(30)], batch=3)
    for step in range(100):
        batch = some.draw(step)[0]
        at = some.clips_of_step(step).tolist().index(1)
        line = batch.bodies[at, :, 0, 0]
        assert line.min() >= 0
        assert line.max() <= 399
        shares.append(float(line[-1] - line[0]) / 399)
    assert 0.48 < min(shares) < 0.55
    assert 0.95 < max(shares) <= 1


def test_uniform_sampling_takes_a_moment_of_every_part_of_the_clip():
    frames = 300
    line = np.tile(np.arange(frames, dtype=np.float32)[None, :, None, None], (2, 1, 25, 3))
    line[1] *= 2
    clips = [SourceClip(actors=line, label="", subject="", source=str(n)) for n in range(4)]
    made = views(clips, uniform_sampling=True, shortest_crop=1.0, frames=60)
    first, again, other = made.draw(0)[0].bodies, made.draw(0)[0].bodies, made.draw(1)[0].bodies
    assert first.equal(again)
    assert not first.allclose(other)
    at = (first[0::2, :, 0, 0] + 0.5) / (frames / 60)
    places = (at - torch.arange(60)).flatten()
    assert places.min() >= -1e-4
    assert places.max() <= 1 + 1e-4
    assert places.std() == pytest.approx(1 / 12**0.5, abs=0.04)
    # Both bodies of a clip are seen at the same moments, those of another clip at others.
    torch.testing.assert_close(first[1::2], 2 * first[0::2])
    assert not first[0].allclose(first[2])
    (second_half,) = made.draw(0, slice(2, 4))
    torch.testing.assert_close(second_half.bodies, first[4:])


def test_uniform_sampling_leaves_all_else_as_it_was():
    clips = [source(200), source(90, seed=1)]
    plain, sampled = (
        views(clips, batch=2, uniform_sampling=uniform).draw(0)[0] for uniform in (False, True)
    )
    assert sampled.noise.equal(plain.noise)
    assert not sampled.bodies.allclose(plain.bodies)
    still = [
        SourceClip(actors=np.ones((1, 80, 25, 3), np.float32), label="", subject="", source="")
    ]
    (batch,) = views(still, batch=1, uniform_sampling=True, rotation=0.3).draw(0)
    (expected,) = views(still, batch=1, rotation=0.3).draw(0)
    torch.testing.assert_close(batch.bodies, expected.bodies)


def test_short_clips_are_kept_whole():
    clip = source(40)
    batch = views([clip], batch=1).draw(3)[0]
    np.testing.assert_allclose(batch.bodies, resize(clip.actors, 120), atol=1e-6)


def test_every_pass_shows_every_clip_once():
    some = views([source(10, seed=n) for n in range(10)], batch=4)
    seen = torch.cat([some.clips_of_step(step) for step in range(5)]).tolist()
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert seen[:10] != seen[10:]


def test_a_step_is_decided_by_seed_and_number_alone():
    clips = [source(90, seed=n) for n in range(6)]
    one, again = views(clips, rotation=0.3), views(clips, rotation=0.3)
    for step in (5, 2, 9):
        (a,), (b,) = one.draw(step), again.draw(step)
        torch.testing.assert_close(a.bodies, b.bodies)
        torch.testing.assert_close(a.noise, b.noise)
    (other,) = views(clips, rotation=0.3, seed=1).draw(5)
    (five,), (six,) = one.draw(5), one.draw(6)
    assert not torch.equal(other.noise, five.noise)
    assert not torch.equal(five.noise, six.noise)


def test_parts_of_a_batch_make_up_the_batch():
    clips = [source(90, seed=n, bodies=1 + n % 2) for n in range(6)]
    some = views(clips, rotation=0.3)
    (whole,) = some.draw(7)
    parts = [some.draw(7, slice(0, 2))[0], some.draw(7, slice(2, 4))[0]]
    torch.testing.assert_close(torch.cat([p.bodies for p in parts]), whole.bodies)
    torch.testing.assert_close(torch.cat([p.noise for p in parts]), whole.noise)


def test_absent_bodies_as_zeros():
    clips = [source(60, seed=0), source(60, bodies=2, seed=1)]
    batch = views(clips, batch=2, absent_bodies="zeros", rotation=0.3).draw(0)[0]
    assert batch.bodies.shape[0] == 4
    assert batch.clip.tolist() == [0, 0, 1, 1]
    zero = batch.bodies.flatten(1).abs().sum(1) == 0
    assert zero.sum() == 1
    assert zero[[1, 3]].any()
    features = torch.arange(8.0).view(4, 2)
    torch.testing.assert_close(
        batch.mean_over_bodies(features), torch.tensor([[1.0, 2.0], [5.0, 6.0]])
    )
    with pytest.raises(UsageError, match="one of present, zeros, copy, not 'maybe'"):
        ViewConfig(absent_bodies="maybe")


def test_rotations_by_hand():
    quarter = torch.pi / 2
    about_x, about_z, both = rotations(
        torch.tensor([[quarter, 0, 0], [0, 0, quarter], [quarter, 0, quarter]])
    )
    y = torch.tensor([0.0, 1, 0])
    torch.testing.assert_close(about_x @ y, torch.tensor([0.0, 0, 1]), atol=1e-6, rtol=0)
    torch.testing.assert_close(about_z @ y, torch.tensor([-1.0, 0, 0]), atol=1e-6, rtol=0)
    torch.testing.assert_close(both, about_z @ about_x)
    some = rotations(torch.randn(5, 3))
    torch.testing.assert_close(some @ some.transpose(1, 2), torch.eye(3).expand(5, 3, 3))
    torch.testing.assert_close(torch.linalg.det(some), torch.ones(5))


def test_a_missing_body_as_a_copy_of_the_other():
    clips = [source(60, seed=0), source(60, bodies=2, seed=1)]
    some = views(clips, batch=2, absent_bodies="copy")
    (batch,) = some.draw(0)
    alone = some.clips_of_step(0).tolist().index(0)
    first, second = batch.bodies[2 * alone], batch.bodies[2 * alone + 1]
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    assert batch.share_of_bodies == 1


def test_copies_of_a_clip_differ_and_local_ones_are_short():
    frames = np.arange(400, dtype=np.float32)
    actors = np.broadcast_to(frames[None, :, None, None], (1, 400, 25, 3)).astype(np.float32)
    clip = SourceClip(actors=actors, label="", subject="", source="")
    some = views([clip], batch=1, num_views=2, num_local_views=2)
    shares = []
    for step in range(50):
        drawn = some.draw(step)
        assert len(drawn) == 4
        assert not torch.equal(drawn[0].bodies, drawn[1].bodies)
        lines = [view.bodies[0, :, 0, 0] for view in drawn[2:]]
        shares += [float(line[-1] - line[0]) / 399 for line in lines]
    assert 0.38 < min(shares) < 0.45
    assert 0.75 < max(shares) < 0.81


def test_labels_are_numbers_of_sorted_classes():
    some = views([source(30, seed=n % 3) for n in range(6)], batch=6)
    (batch,) = some.draw(0)
    assert some.classes == ("0", "1", "2")
    assert batch.labels.tolist() == [n % 3 for n in some.clips_of_step(0).tolist()]


def test_mirror_swaps_the_sides_of_a_body():
    left, right = NTU25_JOINTS.index("tip of left hand"), NTU25_JOINTS.index("tip of right hand")
    bodies = torch.randn(2, 120, 25, 3)
    mirrored = mirror(bodies, torch.tensor([True, False]))
    torch.testing.assert_close(mirrored[1], bodies[1])
    expected = bodies[0, :, left] * torch.tensor([-1.0, 1, 1])
    torch.testing.assert_close(mirrored[0, :, right], expected)
    twice = mirror(mirrored, torch.tensor([True, False]))
    torch.testing.assert_close(twice, bodies)


def test_shear_and_axis_mask_by_hand():
    amounts = torch.tensor([[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]])
    expected = torch.tensor([[1, 0.1, 0.2], [0.3, 1, 0.4], [0.5, 0.6, 1]])
    torch.testing.assert_close(shears(amounts)[0], expected)
    masks = axis_masks(torch.tensor([1, 3]))
    torch.testing.assert_close(masks[0], torch.diag(torch.tensor([1.0, 0, 1])))
    torch.testing.assert_close(masks[1], torch.eye(3))


@pytest.mark.parametrize(
    "augmentation", ["mirror", "rotation", "axis_mask", "shear", "yaw", *CORRUPTED]
)
def test_each_augmentation_changes_views_and_spares_empty_bodies(augmentation):
    clips = [source(60, seed=n) for n in range(8)]
    plain = views(clips, batch=8, absent_bodies="zeros").draw(0)[0].bodies
    changed = views(clips, batch=8, absent_bodies="zeros", **{augmentation: 0.5}).draw(0)[0].bodies
    differs = (plain != changed).flatten(1).any(1)
    assert differs[0::2].sum() >= 2
    assert not differs[1::2].any()
    if augmentation == "axis_mask":
        zeroed = (changed[0::2] == 0).all(dim=1).all(dim=1).sum(dim=1)
        assert set(zeroed.tolist()) == {0, 1}


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"mirror": 1.5}, "mirror is a probability, not 1.5"),
        ({"axis_mask": -1}, "axis_mask is a probability"),
        ({"outliers": 1.1}, "outliers is a probability, not 1.1"),
        ({"hidden_limbs": -0.1}, "hidden_limbs is a probability"),
        ({"reduced_layouts": 2}, "reduced_layouts is a probability, not 2"),
        ({"rotation": -1}, "rotation must not be below 0, is -1"),
        ({"shear": -1}, "shear must not be below 0, is -1"),
        ({"yaw": -0.5}, "yaw must not be below 0, is -0.5"),
        ({"bone_lengths": -1}, "bone_lengths must not be below 0"),
        ({"posture": -1}, "posture must not be below 0"),
        ({"jitter": -1}, "jitter must not be below 0"),
        ({"slowest_rate": 0}, "slowest_rate and pace are shares up to 1"),
        ({"slowest_rate": 1.5}, "slowest_rate above 0"),
        ({"pace": -0.1}, "slowest_rate and pace are shares up to 1"),
        ({"pace": 1.1}, "slowest_rate and pace are shares up to 1"),
        ({"local_shortest": 0.9}, "local_shortest and local_longest"),
        ({"shortest_crop": 0}, "shortest_crop is a share"),
        ({"uniform_sampling": True, "pace": 0.5}, "both say when frames are taken"),
    ],
)
def test_impossible_views_are_refused(config, says):
    with pytest.raises(UsageError, match=says):
        ViewConfig(**config)


def test_which_views_corrupt_and_which_augment():
    assert not ViewConfig().augments
    assert not ViewConfig(face_camera=True, standard_body=True, pace=0.5).augments
    assert ViewConfig(yaw=1.0).augments
    assert not ViewConfig(yaw=1.0, rotation=0.3).corrupts
    for name, amount in CORRUPTED.items():
        config = ViewConfig(**{name: amount})
        assert (config.corrupts, config.augments) == (True, True), name


def test_what_an_encoder_hands_on_is_how_it_sees_clips():
    assert ViewConfig(rotation=0.3, frames=64).inherited == {"absent_bodies": "present"}
    seen = ViewConfig(absent_bodies="copy", face_camera=True, pace=0.5, jitter=0.1)
    assert seen.inherited == {"absent_bodies": "copy", "face_camera": True, "pace": 0.5}
    how = replace(seen, frames=64, standard_body=True).preprocessing(crop=0.8)
    assert how == Preprocessing(frames=64, crop=0.8, face_camera=True, standard_body=True, pace=0.5)
