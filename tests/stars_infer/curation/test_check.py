import numpy as np
import pytest

from stars_infer import Clip
from stars_infer.curation import neighbors as near_by
from stars_infer.curation.check import check, fit_of, twins
from stars_infer.curation.neighbors import Neighborhood, neighborhood
from stars_infer.preprocessing.prepare import Preprocessing
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.similarity.features import Features
from stars_infer.similarity.pairwise import pairwise
from stars_infer.similarity.sequence import sequence_of
from stars_infer.synthetic.actions import perform
from tests.postures import rotated, rotation

HOW = SequenceConfig(preprocessing=Preprocessing(frames=16), steps=16)
LABELS = ["clap"] * 6 + ["squat"] * 6 + ["wave"] * 6


def clusters(seed=0, *, spread=0.2, width=12):
    """Eighteen clips of three actions, in the order of `LABELS`."""
    random = np.random.default_rng(seed)
    centers = np.repeat(random.normal(size=(3, width)), 6, axis=0)
    return [
        Features(vector=np.float32(center + spread * random.normal(size=width)))
        for center in centers
    ]


def of_kind(found, kind):
    return [one for one in found if one.kind == kind]


def test_nothing_is_found_where_nothing_is_wrong():
    for seed in range(5):
        assert check(clusters(seed), LABELS) == []


@pytest.mark.parametrize("seed", range(5))
def test_a_wrong_label_is_found_with_the_right_one(seed):
    labels = ["squat", *LABELS[1:]]
    (one,) = check(clusters(seed), labels)
    assert (one.kind, one.positions, one.labels) == ("mislabeled", (0,), ("squat", "clap"))
    table = pairwise(clusters(seed), None)
    assert one.similarity == pytest.approx(table[0, 1:6].max(), abs=1e-6)


def test_an_index_of_nothing_but_copies():
    clips = [one for one in clusters()[::3] for _ in range(2)]
    found = check(clips, [label for label in LABELS[::3] for _ in range(2)])
    assert len(of_kind(found, "duplicate")) == 6
    named_twice = [label for label in "abcdef" for _ in range(2)]
    assert len(of_kind(check(clips, named_twice), "duplicate")) == 6


def test_twins_are_duplicates_or_contradictions():
    clips = clusters()
    (one,) = check([*clips, clips[14]], [*LABELS, "wave"])
    assert (one.kind, one.positions, one.labels) == ("duplicate", (18, 14), ("wave",))
    assert one.similarity == pytest.approx(1)
    found = check([*clips, clips[2]], [*LABELS, "wave"])
    (two,) = of_kind(found, "contradiction")
    assert (two.positions, two.labels) == ((18, 2), ("wave", "clap"))
    # The rest says which of the two is wrong.
    (wrong,) = of_kind(found, "mislabeled")
    assert (wrong.positions, wrong.labels) == ((18,), ("wave", "clap"))
    assert found.index(two) < found.index(wrong)


def test_copies_of_a_wrongly_labeled_clip_do_not_vouch_for_each_other():
    clips = clusters()
    found = check([*clips, clips[2], clips[2]], [*LABELS, "wave", "wave"])
    assert {one.positions[0] for one in of_kind(found, "mislabeled")} == {18, 19}


def test_an_outlier_is_found():
    clips = clusters()
    far = -sum(one.vector for one in clips)
    clips[3] = Features(vector=np.float32(far))
    (one,) = check(clips, LABELS)
    assert (one.kind, one.positions, one.labels) == ("outlier", (3,), ("clap",))


def test_two_examples_that_have_nothing_in_common_contradict_each_other():
    clips, labels = clusters(), [*LABELS, "throw", "throw"]
    found = check([*clips, clips[0], clips[6]], labels)
    (one,) = of_kind(found, "disagreement")
    assert (one.labels, one.positions, one.count, one.size) == (("throw",), (18, 19), 2, 2)
    assert not of_kind(found, "mislabeled")
    (few,) = of_kind(found, "few")
    assert (few.labels, few.size) == (("throw",), 2)


def test_actions_that_cannot_be_told_apart_overlap():
    random = np.random.default_rng(1)
    centers = random.normal(size=(3, 12))
    same = [centers[0]] * 12 + [centers[1]] * 6
    clips = [Features(vector=np.float32(c + 0.2 * random.normal(size=12))) for c in same]
    found = of_kind(check(clips, ["clap", "wave"] * 6 + ["squat"] * 6), "overlap")
    (one,) = found
    assert one.labels == ("clap", "wave")
    assert one.size == 12
    assert one.count == len(one.positions) >= 0.2 * 12
    assert all(position < 12 for position in one.positions)


def test_poor_actions_and_tiny_indexes():
    assert check([], []) == []
    (one,) = check(clusters()[:1], ["clap"])
    assert (one.kind, one.labels, one.size) == ("few", ("clap",), 1)
    found = check(clusters()[:7], LABELS[:7])
    assert [(one.kind, one.labels) for one in found] == [("few", ("squat",))]
    assert check(clusters()[:6], LABELS[:6]) == []


def test_a_wrong_label_does_not_speak_against_right_ones():
    # One clip of "clap" is called "wave": by it alone, its neighbors would be "wave" too.
    table = np.array(
        [
            [1.00, 0.80, 0.90, 0.20, 0.20],
            [0.80, 1.00, 0.85, 0.20, 0.20],
            [0.90, 0.85, 1.00, 0.10, 0.10],
            [0.20, 0.20, 0.10, 1.00, 0.90],
            [0.20, 0.20, 0.10, 0.90, 1.00],
        ],
        np.float32,
    )
    near = Neighborhood.of_table(table)
    classes = np.array([0, 0, 1, 1, 1])
    fit = fit_of(near, classes, twins(near, classes))
    assert (fit.lead > 0).tolist() == [False, False, True, False, False]
    assert fit.rival.tolist() == [1, 1, 0, 0, 0]
    np.testing.assert_allclose(fit.other, [0.2, 0.2, 0.9, 0.2, 0.2])
    np.testing.assert_allclose(fit.own, [0.8, 0.8, 0.1, 0.9, 0.9])


def test_mislabeled_exemplars_of_a_larger_index_are_found_among_candidates(monkeypatch):
    monkeypatch.setattr(near_by, "ALL_PAIRS_LIMIT", 10)
    monkeypatch.setattr(near_by, "NEIGHBORS", 8)
    labels = ["squat", *LABELS[1:]]
    (one,) = of_kind(check(clusters(), labels), "mislabeled")
    assert (one.positions, one.labels) == ((0,), ("squat", "clap"))


def test_exemplars_are_checked_by_what_the_model_compares():
    """The vectors know nothing, and one sequence has a wrong label."""
    random = np.random.default_rng(0)
    centers = np.repeat(random.normal(size=(3, 1, 1, 75)), 6, axis=0)
    clips = [
        Features(
            vector=np.float32(random.normal(size=4)),
            sequence=np.float32(center + 0.2 * random.normal(size=(1, 16, 75))),
        )
        for center in centers
    ]
    labels = ["squat", *LABELS[1:]]
    told = []
    (one,) = check(clips, labels, how=HOW, progress=lambda *counts: told.append(counts))
    assert (one.kind, one.positions, one.labels) == ("mislabeled", (0,), ("squat", "clap"))
    table = pairwise(clips, HOW.in_any_direction())
    assert one.similarity == pytest.approx(table[0, 1:6].max(), abs=1e-6)
    assert told == [(number, 18) for number in range(1, 19)]
    assert check(clips, LABELS, how=HOW) == []
    assert len(check(clips, LABELS)) > 1


def test_a_copy_that_faces_another_way_is_a_duplicate():
    how = SequenceConfig()
    random = np.random.default_rng(0)
    labels = [action for action in ("clap", "squat", "wave") for _ in range(4)]
    clips = [perform(action, random) for action in labels]
    clips.append(rotated(clips[9], rotation("y", 1.2)))
    features = [
        Features(vector=None, sequence=sequence_of(Clip.from_array(clip), how)) for clip in clips
    ]
    (one,) = of_kind(check(features, [*labels, "wave"], how=how), "duplicate")
    assert (one.positions, one.labels) == ((12, 9), ("wave",))
    assert one.similarity == pytest.approx(1, abs=1e-3)
    assert pairwise(features, how)[12, 9] < 0.995  # as recorded they differ


@pytest.mark.parametrize("sequences", [True, False])
def test_candidates_are_the_nearest_of_all(monkeypatch, sequences):
    random = np.random.default_rng(2)
    points = np.repeat(random.normal(size=(8, 1, 1, 75)), 3, axis=0)
    clips = [
        Features(
            vector=np.float32(point[0, 0, :6] + 0.1 * random.normal(size=6)),
            sequence=np.float32(point + 0.1 * random.normal(size=(1, 16, 75))),
        )
        for point in points
    ]
    how = HOW if sequences else None
    exact = neighborhood(clips, how)
    assert exact.exact
    np.testing.assert_array_equal(exact.similarities[0], np.sort(pairwise(clips, how)[0, 1:])[::-1])
    assert exact.positions.shape == (24, 23)
    monkeypatch.setattr(near_by, "ALL_PAIRS_LIMIT", 20)
    monkeypatch.setattr(near_by, "NEIGHBORS", 6)
    told = []
    some = neighborhood(clips, how, progress=lambda: told.append(1))
    assert not some.exact
    assert len(told) == 24
    assert some.positions.shape == (24, 6)
    np.testing.assert_array_equal(some.positions[:, :2], exact.positions[:, :2])
    np.testing.assert_allclose(some.similarities[:, :2], exact.similarities[:, :2], atol=1e-5)
    assert (some.positions != np.arange(24)[:, None]).all()
