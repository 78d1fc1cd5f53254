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


def test_prediction_explains_itself():
    near = [
        Neighbour(label=label, similarity=similarity, source=label)
        for label, similarity in (("a", 0.9), ("b", 0.8), ("b", 0.7), ("c", 0.1))
    ]
    answer = predict(near, 3)
    assert (answer.label, answer.similarity) == ("b", 0.8)
    assert answer.margin == pytest.approx(-0.1)
    assert [n.label for n in answer.neighbours] == ["a", "b", "b"]
