import numpy as np
import pytest
import torch

from stars_infer.errors import UsageError
from stars_infer.preparation import resize
from stars_infer.train.datasets.pack import Pack, SourceClip
from stars_infer.train.views import ViewConfig, Views, resize_tracks, rotations


def source(frames, bodies=1, seed=0):
    actors = np.random.default_rng(seed).normal(size=(bodies, frames, 25, 3)).astype(np.float32)
    return SourceClip(actors=actors, label=str(seed), subject="", source="")


def views(clips, *, batch=4, seed=0, **config):
    pack = Pack.from_clips(clips)
    return Views(pack, ViewConfig(**config), batch=batch, seed=seed, tokens=750, device="cpu")


@pytest.mark.parametrize("frames", [2, 37, 64, 120, 300])
def test_resize_on_the_device_is_the_runtimes(frames):
    joints = source(frames + 20).actors[0]
    got = resize_tracks(torch.from_numpy(joints), torch.tensor([10]), torch.tensor([frames]), 120)
    expected = resize(joints[None, 10 : 10 + frames], 120)
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_whole_clip_without_crop_is_what_prepare_resizes():
    clips = [source(50, bodies=2), source(80, seed=1)]
    batch = views(clips, batch=2, shortest_crop=1.0).draw(0)
    order = views(clips, batch=2).clips_of_step(0).tolist()
    expected = np.concatenate([resize(clips[n].actors, 120) for n in order])
    np.testing.assert_allclose(batch.bodies, expected, atol=1e-5)
    assert batch.clip.tolist() == [n for n, c in enumerate(order) for _ in clips[c].actors]


def test_crops_stay_inside_their_clip_and_keep_their_share():
    frames = np.arange(400, dtype=np.float32)
    actors = np.broadcast_to(frames[None, :, None, None], (1, 400, 25, 3)).astype(np.float32)
    clip = SourceClip(actors=actors, label="", subject="", source="")
    shares = []
    some = views([source(30), clip, source(30)], batch=3)
    for step in range(100):
        batch = some.draw(step)
        at = some.clips_of_step(step).tolist().index(1)
        line = batch.bodies[at, :, 0, 0]
        assert line.min() >= 0
        assert line.max() <= 399
        shares.append(float(line[-1] - line[0]) / 399)
    assert 0.48 < min(shares) < 0.55
    assert 0.95 < max(shares) <= 1


def test_short_clips_are_kept_whole():
    clip = source(40)
    batch = views([clip], batch=1).draw(3)
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
        a, b = one.draw(step), again.draw(step)
        torch.testing.assert_close(a.bodies, b.bodies)
        torch.testing.assert_close(a.noise, b.noise)
    other = views(clips, rotation=0.3, seed=1).draw(5)
    assert not torch.equal(other.noise, one.draw(5).noise)
    assert not torch.equal(one.draw(5).noise, one.draw(6).noise)


def test_parts_of_a_batch_make_up_the_batch():
    clips = [source(90, seed=n, bodies=1 + n % 2) for n in range(6)]
    some = views(clips, rotation=0.3)
    whole = some.draw(7)
    parts = [some.draw(7, slice(0, 2)), some.draw(7, slice(2, 4))]
    torch.testing.assert_close(torch.cat([p.bodies for p in parts]), whole.bodies)
    torch.testing.assert_close(torch.cat([p.noise for p in parts]), whole.noise)


def test_absent_bodies_as_zeros():
    clips = [source(60, seed=0), source(60, bodies=2, seed=1)]
    batch = views(clips, batch=2, absent_bodies="zeros", rotation=0.3).draw(0)
    assert batch.bodies.shape[0] == 4
    assert batch.clip.tolist() == [0, 0, 1, 1]
    zero = batch.bodies.flatten(1).abs().sum(1) == 0
    assert zero.sum() == 1
    assert zero[[1, 3]].any()
    features = torch.arange(8.0).view(4, 2)
    torch.testing.assert_close(
        batch.mean_over_bodies(features), torch.tensor([[1.0, 2.0], [5.0, 6.0]])
    )
    with pytest.raises(UsageError, match="'present' or 'zeros', not 'maybe'"):
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
