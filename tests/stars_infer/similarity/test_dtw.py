from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stars_infer import Clip
from stars_infer.preprocessing.prepare import Preprocessing
from stars_infer.similarity import dtw
from stars_infer.similarity.comparison import (
    DEVIATION,
    FIRST,
    LAST,
    UNTURNED,
    WHOLE,
    Kernel,
    SequenceConfig,
)
from stars_infer.similarity.dtw import WarpingGallery, self_gaps, warping_distances
from stars_infer.similarity.sequence import mirror_sequence, sequence_of
from stars_infer.synthetic.actions import ACTIONS, perform
from tests.plain_comparison import (
    plain_mean,
    plain_mirrored_similarity,
    plain_similarity,
    plain_warping,
    straight,
)

HOW = SequenceConfig(preprocessing=Preprocessing(frames=16), steps=16)
SHORT_HOW = replace(HOW, preprocessing=Preprocessing(frames=8), steps=8)
OTHER_HOW = SequenceConfig(
    preprocessing=Preprocessing(frames=12),
    steps=12,
    kernels=(
        Kernel(content=DEVIATION, width=0.3, weight=0.5),
        Kernel(content=UNTURNED, clip=FIRST, exemplar=LAST, width=0.2),
        Kernel(content=UNTURNED, clip=LAST, exemplar=FIRST, width=0.2),
    ),
    mirror=Kernel(clip=LAST, exemplar=LAST, width=0.2),
    kernel_width=0.25,
)


def by_the_definition(costs):
    """One table after the other, cell by cell."""
    steps, _, pairs = costs.shape
    result = []
    for pair in range(pairs):
        table = np.full((steps, steps), np.inf)
        for i in range(steps):
            for j in range(steps):
                before = [
                    table[a, b]
                    for a, b in ((i - 1, j), (i, j - 1), (i - 1, j - 1))
                    if min(a, b) >= 0
                ]
                table[i, j] = costs[i, j, pair] + (min(before) if before else 0)
        result.append(table[-1, -1])
    return np.array(result)


@settings(max_examples=80, deadline=None)
@given(steps=st.integers(1, 7), pairs=st.integers(1, 4), seed=st.integers(0, 999))
def test_distances_are_those_of_the_definition(steps, pairs, seed):
    costs = np.random.default_rng(seed).uniform(0, 1, (steps, steps, pairs))
    expected = by_the_definition(costs)
    np.testing.assert_allclose(warping_distances(costs), expected, rtol=1e-9)
    np.testing.assert_allclose(warping_distances(costs, free=0, price=0.0), expected, rtol=1e-9)
    of_paths = [plain_warping(costs[:, :, pair]) for pair in range(pairs)]
    np.testing.assert_allclose(of_paths, expected, rtol=1e-9)


@settings(max_examples=120, deadline=None)
@given(
    steps=st.integers(2, 8),
    pairs=st.integers(1, 4),
    free=st.integers(1, 3),
    price=st.sampled_from([0.0, 0.05, 0.3, 0.9, 2.0]),
    band=st.integers(0, 9),
    seed=st.integers(0, 999),
)
def test_open_ends_and_a_band_are_those_of_the_definition(steps, pairs, free, price, band, seed):
    free = min(free, steps - 1)
    how = {"free": free, "price": price, "band": max(band, free)}
    costs = np.random.default_rng(seed).uniform(0, 2, (steps, steps, pairs))
    apart = np.abs(np.subtract.outer(np.arange(steps), np.arange(steps)))
    got = warping_distances(np.where(apart[:, :, None] > how["band"], np.nan, costs), **how)
    expected = [plain_warping(costs[:, :, p], **how) for p in range(pairs)]
    np.testing.assert_allclose(got, expected, rtol=1e-9)
    without_band = warping_distances(costs, free=free, price=price)
    assert (without_band <= got + 1e-12).all()
    assert (without_band <= warping_distances(costs) + 1e-12).all()
    single = warping_distances(costs.astype(np.float32), **how)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected, rtol=1e-5)


def shifted(steps, late):
    """Costs (S, S, 1) of two sequences that agree where one is late by some steps."""
    costs = np.full((steps, steps, 1), 2.0)
    for i in range(steps - late):
        costs[i + late, i] = costs[i, i] = 2.0
        costs[i + late, i] = 0.0
    return costs


@pytest.mark.parametrize("late", [0, 1, 2])
def test_a_sequence_that_is_late_pays_for_each_step_that_is_left_out(late):
    """Two steps that have nothing in common cost 2."""
    for costs in (shifted(8, late), shifted(8, late).transpose(1, 0, 2)):
        assert warping_distances(costs, free=2, price=0.3) == pytest.approx(2 * 0.3 * late)
        assert warping_distances(costs, free=8, price=0.3) == pytest.approx(2 * 0.3 * late)
        assert warping_distances(costs, free=0) == pytest.approx(2 * 2 * late)
    if late:
        fewer = warping_distances(shifted(8, late), free=late - 1, price=0.3)
        assert fewer == pytest.approx(2 * (2 * late if late == 1 else 0.3 + 2))


def sequence(seed, bodies=1, steps=16):
    """A sequence that goes on smoothly, in meters."""
    random = np.random.default_rng(seed)
    time = np.linspace(0, 1, steps)
    waves = np.sin(2 * np.pi * random.uniform(0.5, 2, (bodies, 1, 75)) * time[:, None] + seed)
    waves *= 0.3 * random.normal(size=(bodies, 1, 75))
    return waves.astype(np.float32)


def similarity(a, b, how=HOW):
    return float(WarpingGallery([b], how).similarities(a)[0])


def mirrored(a, b, how=HOW):
    return float(WarpingGallery([b], how).mirrored_similarities(a)[0])


@pytest.mark.parametrize("how", [HOW, SHORT_HOW, OTHER_HOW])
@pytest.mark.parametrize(("m", "n"), [(1, 1), (1, 2), (2, 1), (2, 2)])
def test_similarities_are_those_of_the_definition(how, m, n):
    exemplars = [sequence(seed, n, how.steps) for seed in range(4)]
    exemplars[3] = (exemplars[3] * 0.01).astype(np.float32)  # somebody who hardly moves
    gallery = WarpingGallery(exemplars, how)
    for query in (sequence(1, m, how.steps), sequence(9, m, how.steps)):
        plain = [plain_similarity(query, one, how) for one in exemplars]
        np.testing.assert_allclose(gallery.similarities(query), plain, atol=3e-6)
        copies = [plain_mirrored_similarity(query, one, how) for one in exemplars]
        np.testing.assert_allclose(gallery.mirrored_similarities(query), copies, atol=3e-6)
        assert np.ptp(plain) > 0.05
        assert np.abs(np.subtract(plain, copies)).max() > 0.01


def test_similarities_of_actions_are_those_of_the_definition():
    how = SequenceConfig()
    clips = [Clip.from_array(perform(name, np.random.default_rng(2))) for name in ACTIONS]
    sequences = [sequence_of(clip, how) for clip in clips]
    query = sequence_of(Clip.from_array(perform("wave", np.random.default_rng(3))), how)
    gallery = WarpingGallery(sequences, how)
    expected = [plain_similarity(query, one, how) for one in sequences]
    np.testing.assert_allclose(gallery.similarities(query), expected, atol=3e-6)
    copies = [plain_mirrored_similarity(query, one, how) for one in sequences]
    np.testing.assert_allclose(gallery.mirrored_similarities(query), copies, atol=3e-6)
    assert ACTIONS[int(np.argmax(expected))] == "wave"


@pytest.mark.parametrize("how", [HOW, OTHER_HOW])
def test_what_a_sequence_lacks_to_itself_is_that_of_the_definition(how):
    bodies = np.concatenate([sequence(seed, 2, how.steps) for seed in range(3)])
    for kernels in (how.kernels, (how.mirror,)):
        expected = [-how.kernel_width * np.log(plain_mean(one, one, kernels)) for one in bodies]
        got = self_gaps(bodies, kernels, how.kernel_width)
        np.testing.assert_allclose(got, expected, atol=3e-6)
    assert (self_gaps(bodies, how.kernels, how.kernel_width) > 0.01).all()
    assert not self_gaps(bodies, (how.mirror,), how.kernel_width).any()


@pytest.mark.parametrize("bodies", [1, 2])
def test_the_same_is_alike_by_one_and_opposites_by_less_than_nothing(bodies):
    random = np.random.default_rng(0)
    posture, way = 0.3 * random.normal(size=(2, bodies, 1, 75))
    some = (posture + np.linspace(-1, 1, 16)[:, None] * way).astype(np.float32)
    nothing = np.zeros_like(some)
    assert similarity(some, some) == pytest.approx(1, abs=1e-5)
    assert similarity(nothing, nothing) == pytest.approx(1, abs=1e-5)
    assert mirrored(some, mirror_sequence(some)) == pytest.approx(1, abs=1e-5)
    for other in (nothing, -some):
        plain = plain_similarity(some, other, HOW)
        assert similarity(some, other) == pytest.approx(plain, abs=1e-5)
    assert similarity(some, -some) < 0.5 < similarity(some, nothing) < 0.7


@settings(max_examples=25, deadline=None)
@given(a=st.integers(0, 99), b=st.integers(0, 99), m=st.integers(1, 2), n=st.integers(1, 2))
def test_similarity_is_symmetric(a, b, m, n):
    one, other = sequence(a, m), sequence(b, n)
    assert similarity(one, other) == pytest.approx(similarity(other, one), abs=1e-5)
    assert mirrored(one, other) == pytest.approx(mirrored(other, one), abs=1e-5)
    assert similarity(one, other) <= 1 + 1e-5


def test_the_same_at_another_pace_stays_nearer_than_something_else():
    fast = sequence(3)
    position = np.linspace(0, 1, 16) ** 1.6 * 15
    low = np.floor(position).astype(int)
    high, weight = np.minimum(low + 1, 15), (position - low)[:, None]
    slow = (fast[:, low] * (1 - weight) + fast[:, high] * weight).astype(np.float32)
    others = [sequence(seed) for seed in (4, 5, 6)]
    near = WarpingGallery([*others, slow], HOW).similarities(fast)
    assert near.argmax() == 3
    unwarped = plain_similarity(fast, slow, HOW, warping=straight)
    assert near[3] > unwarped + 0.02


def test_a_clip_that_shows_half_of_the_action_or_begins_late_stays_nearer():
    """What the kernels of halves and the open ends are for."""
    long = sequence(3, steps=48)
    action = np.ascontiguousarray(long[:, :32].reshape(1, 16, 2, 75).mean(axis=2))
    half = np.ascontiguousarray(long[:, :16])
    late = np.ascontiguousarray(long[:, 6:38].reshape(1, 16, 2, 75).mean(axis=2))
    only_whole = replace(HOW, kernels=HOW.kernels[:1])
    others = [sequence(seed) for seed in (4, 5, 6)]
    for clip in (half, late):
        near = WarpingGallery([*others, action], HOW).similarities(clip)
        assert near.argmax() == 3
        assert near[3] > near[:3].max() + 0.1
    assert similarity(half, action) > similarity(half, action, only_whole) + 0.05


def test_bodies_are_paired_as_fits_best():
    first, second, third = sequence(1), sequence(2), sequence(3)
    pair, swapped = np.concatenate((first, second)), np.concatenate((second, first))
    assert similarity(pair, swapped) == pytest.approx(1, abs=1e-5)
    mixed = np.concatenate((third, first))
    expected = max(
        similarity(first, third) + similarity(second, first),
        similarity(first, first) + similarity(second, third),
    )
    assert similarity(pair, mixed) == pytest.approx(expected / 2, abs=1e-5)


def test_a_body_without_counterpart_counts_nothing():
    first, second, third = sequence(1), sequence(2), sequence(3)
    pair = np.concatenate((second, first))
    assert similarity(first, pair) == pytest.approx(0.5, abs=1e-5)
    best = max(similarity(third, first), similarity(third, second))
    assert similarity(third, pair) == pytest.approx(best / 2, abs=1e-5)
    assert similarity(pair, third) == pytest.approx(best / 2, abs=1e-5)


def test_a_mixed_gallery_keeps_its_order():
    exemplars = [sequence(seed, bodies=1 + seed % 2) for seed in range(7)]
    for query in (sequence(20), sequence(21, bodies=2)):
        gallery = WarpingGallery(exemplars, HOW)
        assert gallery.size == 7
        together = gallery.similarities(query)
        assert together.dtype == np.float32
        np.testing.assert_allclose(together, [similarity(query, e) for e in exemplars], atol=1e-6)
        copies = gallery.mirrored_similarities(query)
        np.testing.assert_allclose(copies, [mirrored(query, e) for e in exemplars], atol=1e-6)
        halves = [exemplar.astype(np.float16) for exemplar in exemplars]
        same = [half.astype(np.float32) for half in halves]
        np.testing.assert_array_equal(
            WarpingGallery(halves, HOW).similarities(query),
            WarpingGallery(same, HOW).similarities(query),
        )


def test_many_exemplars_are_compared_as_few():
    exemplars = [sequence(seed) for seed in range(dtw._BLOCK + 3)]
    some = [0, dtw._BLOCK - 1, dtw._BLOCK, dtw._BLOCK + 2]
    found = WarpingGallery(exemplars, HOW).similarities(sequence(7))
    expected = WarpingGallery([exemplars[n] for n in some], HOW).similarities(sequence(7))
    np.testing.assert_allclose(found[some], expected, atol=1e-6)


def test_an_empty_gallery_has_no_similarities():
    assert WarpingGallery([], HOW).similarities(sequence(0)).shape == (0,)


def test_a_part_of_a_clip_is_compared_with_a_part_of_an_exemplar():
    """Not the other way around."""
    one_way = replace(HOW, kernels=(Kernel(clip=FIRST, exemplar=WHOLE),))
    clip, exemplar = sequence(1), sequence(2)
    there, back = similarity(clip, exemplar, one_way), similarity(exemplar, clip, one_way)
    assert there == pytest.approx(plain_similarity(clip, exemplar, one_way), abs=1e-5)
    assert abs(there - back) > 0.01


def test_programs_that_run_for_long_compile_at_once():
    assert not dtw._compiling_pays(1)
    dtw.expect_many_pairs()
    assert dtw._compiling_pays(1)
