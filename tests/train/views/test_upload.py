"""What is sent is what was drawn: in one piece, ahead, and where the pack does not fit."""

import threading

import pytest
import torch

from stars_infer.train.views import rows
from stars_infer.train.views.center import CenterCrops
from stars_infer.train.views.config import ViewConfig
from stars_infer.train.views.mixing import Mixing
from stars_infer.train.views.rows import Rows
from stars_infer.train.views.upload import draw_ahead, lay_out, take_apart
from tests.train.views.test_views import source, views

CPU = torch.device("cpu")
KINDS = {
    "plain": {},
    "everything": {
        "rotation": 0.3, "mirror": 0.5, "padding": 1 / 6, "absent_bodies": "zeros",
        "jitter": 0.02, "hidden_limbs": 0.3, "slowest_rate": 0.5, "standard_body": True,
    },
    "copies": {"absent_bodies": "copy", "uniform_sampling": True},
}  # fmt: skip


@pytest.fixture
def clips():
    return [source(70 + n, bodies=1 + n % 2, seed=n) for n in range(8)]


def same(one, other):
    assert len(one) == len(other)
    for batch, expected in zip(one, other, strict=True):
        for name in ("bodies", "clip", "noise", "labels"):
            torch.testing.assert_close(
                getattr(batch, name), getattr(expected, name), rtol=0, atol=0, msg=name
            )
        assert batch.share_of_bodies == expected.share_of_bodies


def made(clips, kind):
    return views(clips, batch=6, num_views=2, frames=64, **KINDS[kind])


def test_tensors_of_all_types_are_laid_end_to_end():
    random = torch.Generator().manual_seed(0)
    tensors = [
        torch.rand(3, 5, generator=random), torch.tensor([True, False, True]),
        torch.arange(7), torch.rand(2, 2, generator=random).double(), torch.empty(4, 0),
    ]  # fmt: skip
    packed, places = lay_out(tensors, CPU)
    for part, tensor in zip(take_apart(packed.clone(), places, tensors), tensors, strict=True):
        torch.testing.assert_close(part, tensor, rtol=0, atol=0)
    assert all(place.start % 16 == 0 for place in places)
    assert len(packed) < 16 * len(tensors) + sum(x.numel() * x.element_size() for x in tensors)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_do_not_fit_are_sent_and_give_the_same_views(clips, monkeypatch, kind):
    resident, streamed = made(clips, kind), made(clips, kind)
    own = Rows(resident._rows.joints.numpy(), CPU)
    own.resident = False
    monkeypatch.setattr(streamed, "_rows", own)
    resident.mixing = streamed.mixing = Mixing()
    plan = streamed.prepare(2)
    assert all(view.rows is not None for view in plan.views)
    assert len(plan.views[0].rows) == int(plan.views[0].length.sum())
    same(streamed.finish(plan), resident.draw(2))


def test_center_crops_of_rows_that_do_not_fit(clips):
    from stars_infer.train.datasets.pack import Pack

    pack = Pack.from_clips(clips)
    how = {"views": ViewConfig(frames=64), "crop": 0.9, "samplings": 2, "device": CPU, "size": 3}
    resident, streamed = CenterCrops(pack, **how), CenterCrops(pack, **how)
    streamed._rows = Rows(pack.joints, CPU)
    streamed._rows.resident = False
    for one, other in zip(streamed, resident, strict=True):
        torch.testing.assert_close(one.bodies, other.bodies, rtol=0, atol=0)


def test_batches_are_drawn_ahead_by_another_thread_in_order(clips):
    source_of, threads = made(clips, "plain"), []
    others = threading.active_count()

    class Watched:
        device = torch.device("meta")  # not a CPU

        def prepare(self, step, part):
            threads.append((threading.get_ident(), step))
            return source_of.prepare(step, part)

        def finish(self, drawn):
            return source_of.finish(drawn)

    wanted = [(step, part) for step in range(4) for part in (slice(0, 3), slice(3, 6))]
    drawn = draw_ahead(Watched(), wanted)
    first = next(drawn)
    same(first, source_of.draw(*wanted[0]))
    for each, batches in zip(wanted[1:], drawn, strict=True):
        same(batches, source_of.draw(*each))
    assert [step for _, step in threads] == [step for step, _ in wanted]
    assert threading.get_ident() not in {thread for thread, _ in threads}
    other = draw_ahead(Watched(), wanted)
    next(other)
    other.close()
    assert threading.active_count() == others


def test_those_who_share_a_pack_share_its_rows(clips, monkeypatch, tmp_path):
    from stars_infer.train.datasets.pack import Pack, PackWriter

    with PackWriter(tmp_path) as writer:
        for clip in clips:
            writer.add(clip)
    copied = []
    fits = rows.fits
    monkeypatch.setattr(
        rows, "fits", lambda size, device: copied.append(size) or fits(size, device)
    )
    meta = torch.device("meta")
    training = Rows.of(Pack.open(tmp_path), meta)
    assert Rows.of(Pack.open(tmp_path), meta) is training
    assert len(copied) == 1
    assert Rows.of(Pack.from_clips(clips), meta) is not training
