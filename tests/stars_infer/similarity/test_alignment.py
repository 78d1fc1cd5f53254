import numpy as np
import pytest

from stars_infer.clips.clip import Clip
from stars_infer.errors import ClipError
from stars_infer.preprocessing.views import mirror_clip
from stars_infer.readers.files import read_clip
from stars_infer.similarity.alignment import align, warping_path
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.similarity.dtw import WarpingGallery, warping_distances
from stars_infer.similarity.sequence import sequence_of
from stars_infer.synthetic.actions import ACTIONS, perform


def clip_of(action, seed=0, **said):
    return Clip.from_array(perform(action, np.random.default_rng(seed), **said), source=action)


@pytest.mark.parametrize("free", [0, 1, 4])
def test_the_path_costs_what_the_comparison_says(free):
    tables = np.random.default_rng(free).exponential(size=(12, 12, 5))
    for costs, told in zip(
        np.moveaxis(tables, 2, 0), warping_distances(tables, free=free), strict=True
    ):
        cost, (first, second) = warping_path(costs, free=free)
        assert cost == pytest.approx(float(told))
        left_out = 0.3 * (first[0] + second[0] + 22 - first[-1] - second[-1])
        assert costs[first, second].sum() + left_out == pytest.approx(cost)
        moves = np.stack((np.diff(first), np.diff(second)), axis=1)
        assert ((moves == 0) | (moves == 1)).all()
        assert moves.any(axis=1).all()


@pytest.mark.parametrize("action", ACTIONS)
def test_a_clip_lies_over_itself(action):
    clip = clip_of(action)
    found = align(clip, clip)
    np.testing.assert_array_equal(found.first_frames, found.second_frames)
    assert found.words() == ()
    assert found.similarity == pytest.approx(1, abs=1e-3)
    assert not found.limb_distances.any()


def test_the_path_leads_through_time():
    clip = clip_of("wave")
    slow = Clip.from_array(np.repeat(clip.bodies, 2, axis=1), fps=30)
    found = align(clip, slow)
    inner = (found.first_frames > 4) & (found.first_frames < clip.frames - 5)
    assert np.abs(found.second_frames - 2 * found.first_frames)[inner].max() < 5
    assert (np.diff(found.first_seconds) >= 0).all()
    assert (np.diff(found.second_seconds) >= 0).all()
    assert 0 <= found.first_seconds[0] < found.first_seconds[-1] <= clip.frames / clip.fps


def test_the_first_half_lies_over_the_first_half():
    whole = clip_of("squat")
    middle = whole.frames // 2
    half = Clip.from_array(whole.bodies[:, :middle])
    found = align(half, whole)
    assert np.abs(found.first_frames - found.second_frames).max() < 0.15 * whole.frames
    back = align(whole, half)
    np.testing.assert_allclose(back.first_frames, found.second_frames)


def test_a_raised_arm_is_named_with_its_time():
    bodies = perform("walk", np.random.default_rng(3), seconds=3)
    changed = bodies.copy()
    raised = slice(45, 63)  # 1.5 to 2.1 s
    changed[:, raised, 9:12, 1] += 0.45
    changed[:, raised, 23:25, 1] += 0.45
    found = align(Clip.from_array(changed), Clip.from_array(bodies))
    largest = found.differences[0]
    assert (largest.limb, largest.direction) == ("right arm", "higher")
    assert largest.start == pytest.approx(1.5, abs=0.25)
    assert largest.end == pytest.approx(2.1, abs=0.25)
    assert largest.words().startswith("the right arm, 1.")
    assert largest.words().endswith(" cm higher")
    other_way = align(Clip.from_array(bodies), Clip.from_array(changed)).differences[0]
    assert (other_way.limb, other_way.direction) == ("right arm", "lower")


def test_facing_height_and_place_make_no_difference():
    bodies = perform("kick", np.random.default_rng(2))
    turned = 0.8 * bodies @ np.float32([[0, 0, -1], [0, 1, 0], [1, 0, 0]]) + np.float32([2, 0, 1])
    assert align(Clip.from_array(turned), Clip.from_array(bodies)).words() == ()


def test_the_mirror_image_of_a_mirror_image_is_the_same():
    clip = clip_of("wave")
    mirrored = mirror_clip(clip)
    assert align(mirrored, clip).differences
    found = align(mirrored, clip, mirrored=True)
    assert found.mirrored
    assert found.words() == ()


def test_two_people_are_paired_and_told_apart():
    clip = clip_of("handshake")
    swapped = Clip.from_array(clip.bodies[::-1])
    found = align(clip, swapped)
    assert found.similarity == pytest.approx(1, abs=1e-3)
    assert found.words() == ()
    alone = align(clip_of("wave"), clip)
    assert not any("person" in words for words in alone.words())


def test_the_similarity_is_the_models():
    how = SequenceConfig()
    wave, kick = clip_of("wave"), clip_of("kick")
    gallery = WarpingGallery([sequence_of(kick, how)], how)
    assert align(wave, kick, how).similarity == gallery.similarities(sequence_of(wave, how))[0]


def test_json_has_the_path_and_the_words():
    found = align(clip_of("jump"), clip_of("wave")).to_json()
    assert len(found["first"]) == len(found["second"]) == len(found["distances"])
    assert len(found["limbs"]) == len(found["distances"][0]) == 6
    assert found["differences"][0]["words"].startswith("the ")


def test_a_flat_clip_is_compared_with_flat_ones_only():
    wave = clip_of("wave")
    flat = Clip.from_array(wave.bodies, flat=True, source="video.json")
    with pytest.raises(ClipError, match="2D"):
        align(flat, wave)
    assert align(flat, flat).words() == ()


def test_somebody_in_a_wheelchair_is_told_from_somebody_who_stands(shared):
    folder = shared / "data/irds/elbow_flexion_right"
    standing = read_clip(folder / "s215_g0_r1_c1.npy", layout="ntu25")
    sitting = read_clip(folder / "s217_g0_r8_c1.npy", layout="ntu25")
    told = {(one.limb, one.direction) for one in align(standing, sitting).differences}
    assert ("hips", "higher") in told
    assert ("left leg", "further back") in told
