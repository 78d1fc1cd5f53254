import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stars_infer.classify import Neighbour, predict, vote, votes


@pytest.mark.parametrize(
    ("labels", "similarities", "winner"),
    [
        (["a"], [0.1], "a"),
        (["a", "b", "b"], [0.9, 0.5, 0.4], "b"),
        (["a", "b"], [0.9, 0.8], "a"),
        (["a", "b", "b", "a"], [0.9, 0.8, 0.8, 0.1], "b"),
    ],
)
def test_majority_then_sum_of_similarities(labels, similarities, winner):
    assert vote(labels, similarities) == winner


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(-1, 1)), min_size=1, max_size=20))
def test_nobody_has_more_votes_than_the_winner(neighbours):
    neighbours.sort(key=lambda pair: -pair[1])
    labels = [label for label, _ in neighbours]
    winner = vote(labels, [similarity for _, similarity in neighbours])
    assert labels.count(winner) == max(map(labels.count, labels))


@given(
    st.integers(1, 9).flatmap(
        lambda n: st.lists(
            st.lists(
                # Few values, so that ties of counts and of sums come often.
                st.tuples(st.integers(0, 2), st.sampled_from([0.1, 0.25, 0.5, 0.7, 0.75])),
                min_size=n,
                max_size=n,
            ),
            min_size=1,
            max_size=5,
        )
    )
)
def test_many_votes_at_once_are_single_votes(clips):
    for clip in clips:
        clip.sort(key=lambda pair: -pair[1])
    labels = np.array([[label for label, _ in clip] for clip in clips], np.intp)
    near = np.array([[similarity for _, similarity in clip] for clip in clips], np.float32)
    expected = [
        int(vote([str(label) for label in row], [float(s) for s in line]))
        for row, line in zip(labels, near, strict=True)
    ]
    assert votes(labels, near).tolist() == expected


NEAR_ONE_FAR_TWO = (["a", "b", "b"], [0.9, 0.8, 0.8])


@pytest.mark.parametrize(
    ("temperature", "winner"),
    [
        (None, "b"),
        # The two count 2 exp(-0.1 / t) against 1: as much at t = 0.1 / ln 2 = 0.144.
        (0.02, "a"),
        (0.14, "a"),
        (0.15, "b"),
        (1e6, "b"),
    ],
)
def test_at_a_low_temperature_a_much_nearer_exemplar_beats_two(temperature, winner):
    labels, similarities = NEAR_ONE_FAR_TWO
    assert vote(labels, similarities, temperature=temperature) == winner
    numbers = np.array([["ab".index(label) for label in labels]] * 2)
    many = votes(numbers, np.array([similarities] * 2, np.float32), temperature=temperature)
    assert many.tolist() == ["ab".index(winner)] * 2


def test_only_gaps_count_in_a_vote():
    labels = ["a", "b", "b"]
    for shift in (-0.9, 0.0, 5.0):
        assert vote(labels, [shift, shift - 0.01, shift - 0.01], temperature=0.02) == "b"
        assert vote(labels, [shift, shift - 0.02, shift - 0.02], temperature=0.02) == "a"


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(-1, 1)), min_size=1, max_size=9))
def test_at_a_huge_temperature_the_majority_wins_and_at_a_tiny_one_the_nearest(neighbours):
    neighbours.sort(key=lambda pair: -pair[1])
    labels = [label for label, _ in neighbours]
    near = [similarity for _, similarity in neighbours]
    hot = vote(labels, near, temperature=1e9)
    assert labels.count(hot) == max(map(labels.count, labels))
    if len(near) == 1 or near[0] - near[1] > 1e-3:
        assert vote(labels, near, temperature=1e-5) == labels[0]


def test_prediction_votes_by_temperature():
    near = [
        Neighbour(label=label, similarity=similarity, source=label)
        for label, similarity in zip(*NEAR_ONE_FAR_TWO, strict=True)
    ]
    warm, cold = predict(near, 3), predict(near, 3, temperature=0.02)
    assert (warm.label, cold.label) == ("b", "a")
    assert (warm.margin, cold.margin) == (pytest.approx(-0.1), pytest.approx(0.1))
    assert len(cold.neighbours) == 3


def test_prediction_explains_itself():
    near = [
        Neighbour(label=label, similarity=similarity, source=label)
        for label, similarity in (("a", 0.9), ("b", 0.8), ("b", 0.7), ("c", 0.1))
    ]
    answer = predict(near, 3)
    assert (answer.label, answer.similarity) == ("b", 0.8)
    assert answer.margin == pytest.approx(-0.1)
    assert [n.label for n in answer.neighbours] == ["a", "b", "b"]
