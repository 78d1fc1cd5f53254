"""Views that run backward, twice, or with pauses."""

import pytest
import torch

from stars_infer.errors import UsageError
from stars_infer.train.views.config import ViewConfig
from stars_infer.train.views.times import warped_times
from tests.train.views.test_views import source, views


def times(batch=200, **config):
    random = torch.Generator().manual_seed(1)
    return warped_times(ViewConfig(frames=40, **config), batch, random)


def test_nothing_is_warped_where_nothing_is_asked_for():
    assert torch.equal(times()[0], torch.arange(40, dtype=torch.float64) + 0.5)


def test_backward_clips_are_seen_from_their_end():
    assert torch.allclose(times(reverse=1.0), times().flip(1))
    some = times(reverse=0.3)[:, 0] > 20
    assert 0.2 < some.double().mean() < 0.4


def test_repeated_clips_show_their_crop_twice():
    for row in times(repeats=1.0)[:5]:
        assert torch.allclose(row[:20], row[20:])
        assert (row[:20].diff() > 0).all()
        assert 0 <= row[0] < 2.5
        assert 37.5 < row[19] <= 40


def test_pauses_stay_at_the_ends_of_the_crop():
    rows = times(stillness=1.0)
    assert (rows.diff(dim=1) >= -1e-9).all()
    before, after = (rows == 0).sum(dim=1), (rows == 40).sum(dim=1)
    assert before.max() in range(11, 15)
    assert after.max() in range(11, 15)
    assert (rows[:, 1:-1].diff(dim=1) > 0).any(dim=1).all()


def test_views_are_warped_whatever_the_part_of_the_batch():
    made = views([source(60, seed=n) for n in range(4)], frames=40, stillness=1.0, reverse=0.5)
    (whole,), (part,) = made.draw(3), made.draw(3, slice(1, 3))
    assert torch.equal(whole.bodies[1:3], part.bodies)
    plain = views([source(60, seed=n) for n in range(4)], frames=40)
    assert not torch.equal(whole.bodies, plain.draw(3)[0].bodies)


def test_a_clean_view_has_the_same_crop_without_the_errors_of_a_sensor():
    config = ViewConfig(
        frames=40, mirror=0.5, yaw=0.3, reverse=0.5, jitter=0.02, hidden_legs=0.5, depth=0.2
    )
    clean = config.without_corruption()
    assert (clean.mirror, clean.yaw, clean.reverse) == (0.5, 0.3, 0.5)
    assert not clean.corrupts
    clips = [source(60, seed=n) for n in range(4)]
    keep = {"frames": 40, "mirror": 0.5, "yaw": 0.3, "reverse": 0.5}
    plain = views(clips, **keep).draw(2)[0].bodies
    noisy = views(clips, **keep, jitter=0.001).draw(2)[0].bodies
    assert torch.allclose(plain, noisy, atol=0.02)
    assert not torch.equal(plain, noisy)


def test_random_times_and_warped_ones_do_not_go_together():
    with pytest.raises(UsageError, match="uniform_sampling does not go with stillness"):
        ViewConfig(uniform_sampling=True, stillness=0.5)
