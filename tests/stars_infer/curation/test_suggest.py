import numpy as np
import pytest

from stars_infer.classification.prediction import Prediction
from stars_infer.curation import suggest as suggestion
from stars_infer.curation.suggest import (
    Suggestion,
    as_named,
    choose,
    doubt,
    novelty_threshold,
    suggest,
)
from stars_infer.errors import UsageError
from stars_infer.preprocessing.prepare import Preprocessing
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.similarity.features import Features
from stars_infer.similarity.pairwise import between, pairwise

HOW = SequenceConfig(preprocessing=Preprocessing(frames=8), steps=8)


def at(*degrees):
    """Clips whose vectors point so."""
    angles = np.deg2rad(np.array(degrees, np.float64))
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    return [Features(vector=vector) for vector in vectors]


def test_without_an_index_each_group_is_represented_by_its_middle():
    # Three groups in planes of their own.
    planes = [(0, 4, angle) for angle in (-4, -2, 0, 2, 4)] + [(1, 5, a) for a in (-2, 0, 2)]
    clips = []
    for x, y, angle in [*planes, (2, 6, 0)]:
        vector = np.zeros(7, np.float32)
        vector[[x, y]] = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
        clips.append(Features(vector=vector))
    got = suggest(clips, 3)
    assert {one.position: one.stands_for for one in got} == {2: 5, 6: 3, 8: 1}
    assert {one.reason for one in got} == {"representative"}
    assert all(one.similarity is None and one.labels == () for one in got)


def test_copies_are_not_suggested_before_something_else():
    clips = at(*[50] * 20, 0, 180)
    positions = [one.position for one in suggest(clips, 3)]
    assert sorted(position if position >= 20 else 0 for position in positions) == [0, 20, 21]


def test_reasons():
    known = at(0, 20, 60, 80)
    labels = ["clap", "clap", "wave", "wave"]
    clips = at(40, 41, 39, 180, 181, 182, 100, 101, 102, 1)
    got = {one.position: one for one in suggest(clips, 3, exemplars=known, labels=labels)}
    by_reason = {one.reason: one for one in got.values()}
    assert set(by_reason) == {"new", "between", "variant"}
    assert by_reason["new"].position == 4
    assert by_reason["new"].labels == ()
    assert by_reason["between"].position in (0, 1, 2)
    assert set(by_reason["between"].labels) == {"clap", "wave"}
    assert by_reason["variant"].labels == ("wave",)
    assert by_reason["new"].similarity == pytest.approx(np.cos(np.deg2rad(101)), abs=1e-5)


def test_no_clip_is_suggested_that_an_exemplar_stands_for():
    clips = at(0, 0.1, 90, 90.1)
    got = suggest(clips, 1, exemplars=at(0), labels=["clap"])
    assert got[0].position in (2, 3)
    assert got[0].stands_for == 2
    assert got[0].reason == "variant"
    assert got[0].labels == ("clap",)


def test_the_greedy_choice_is_that_of_the_definition():
    random = np.random.default_rng(3)
    clips = [Features(vector=random.normal(size=3).astype(np.float32)) for _ in range(30)]
    known = [Features(vector=random.normal(size=3).astype(np.float32)) for _ in range(4)]
    labels = ["a", "b", "a", "c"]
    table, near = pairwise(clips, None), between(clips, known, None)
    weight, chosen = doubt(near, labels), []
    for _ in range(5):
        totals = [
            sum(
                weight[i] * max(near[i].max(), *(table[i, j] for j in [*chosen, position]))
                for i in range(30)
            )
            if position not in chosen
            else -np.inf
            for position in range(30)
        ]
        chosen.append(int(np.argmax(totals)))
    assert choose(table, near, labels, 5).positions.tolist() == chosen


def test_doubt_is_one_between_two_actions_and_less_beside_one():
    near = np.array([[0.8, 0.8, 0.1], [0.9, 0.5, 0.1], [0.9, 0.1, 0.9]], np.float32)
    got = doubt(near, ["a", "b", "a"])
    gap = (0.2 + 0.1 + 0.1) / 3
    np.testing.assert_allclose(got, [1, np.exp(-0.4 / (2 * gap)), np.exp(-0.8 / (2 * gap))], 1e-5)
    assert (doubt(near, ["a", "a", "a"]) == 1).all()


def test_a_new_action_is_less_similar_than_the_usual_similarity_of_different_actions():
    table = np.array([[1, 0.9, 0.3], [0.9, 1, 0.5], [0.3, 0.5, 1]], np.float32)
    assert novelty_threshold(table, ["a", "a", "b"]) == pytest.approx(0.5)
    assert novelty_threshold(table, ["a", "a", "a"]) is None


def test_fewer_clips_than_asked_for_and_none():
    assert sorted(one.position for one in suggest(at(0, 90), 10)) == [0, 1]
    assert suggest([], 3) == []
    with pytest.raises(UsageError, match="n must be at least 1, not 0"):
        suggest(at(0), 0)
    with pytest.raises(UsageError, match="label for each example, got 0 labels of 1"):
        suggest(at(0), 1, exemplars=at(3))


def test_of_many_clips_some_are_drawn(monkeypatch):
    monkeypatch.setattr(suggestion, "MAX_CLIPS", 10)
    clips = at(*range(0, 80, 2))
    positions = [{one.position for one in suggest(clips, 10, seed=seed)} for seed in (0, 0, 1)]
    assert positions[0] == positions[1] != positions[2]
    assert max(positions[0]) > 10


def test_progress_counts_to_its_total():
    random = np.random.default_rng(0)
    clips = [
        Features(vector=None, sequence=random.normal(size=(1, 8, 75)).astype(np.float32))
        for _ in range(6)
    ]
    told = []
    suggest(clips[:4], 2, how=HOW, progress=lambda *counts: told.append(counts))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    told.clear()
    suggest(
        clips[:4],
        2,
        exemplars=clips[4:],
        labels=["a", "b"],
        how=HOW,
        progress=lambda *counts: told.append(counts),
    )
    assert told == [(number, 8) for number in range(1, 9)]


def test_clips_are_chosen_by_what_the_model_compares():
    """The vectors are all the same; the sequences are of three groups, and one is known."""
    random = np.random.default_rng(0)
    centers = np.repeat(random.normal(size=(3, 1, 1, 75)), [4, 3, 2], axis=0)
    clips = [
        Features(
            vector=np.ones(4, np.float32),
            sequence=np.float32(center + 0.1 * random.normal(size=(1, 8, 75))),
        )
        for center in centers
    ]
    got = suggest(clips[1:], 2, exemplars=clips[:1], labels=["clap"], how=HOW)
    assert got[0].position in (3, 4, 5)
    assert got[1].position in (6, 7)
    assert [one.stands_for for one in got] == [3, 2]
    near = between([clips[1 + one.position] for one in got], clips[:1], HOW)
    for one, similarity in zip(got, near[:, 0], strict=True):
        assert one.similarity == pytest.approx(similarity, abs=1e-6)


def test_what_is_new_is_what_the_index_calls_unknown():
    def one(reason, *labels):
        return Suggestion(position=0, reason=reason, labels=labels, similarity=0.5, stands_for=1)

    def answer(*, known):
        return Prediction(
            label="clap", known=known, chance_known=0.5, confidence=0.5, second=None,
            similarity=0.5, margin=None, neighbors=(),
        )  # fmt: skip

    asked = [one("new"), one("new"), one("variant", "wave"), one("between", "wave", "clap")]
    got = as_named(asked, [answer(known=known) for known in (True, False, False, True)])
    assert [(each.reason, each.labels) for each in got] == [
        ("variant", ("clap",)),
        ("new", ()),
        ("new", ()),
        ("between", ("wave", "clap")),
    ]
