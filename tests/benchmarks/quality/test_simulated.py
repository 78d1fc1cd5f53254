"""Sets of actions that are made of recordings."""

from collections import Counter

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra [train] is not installed")

from simulated import Variety, drawn_actions, simulated_set

from stars_infer.synthetic.actions import SOLO_ACTIONS, perform
from stars_infer.train.datasets.pack import SourceClip


@pytest.fixture(scope="module")
def windows():
    random = np.random.default_rng(0)
    return [
        SourceClip(actors=perform(name, random), label=f"{name} {number}", subject="", source="")
        for number in range(6)
        for name in SOLO_ACTIONS
    ]


@pytest.fixture(scope="module")
def found(windows):
    return simulated_set("one", windows, Variety(scale=0.5), np.random.default_rng(5))


def test_people_who_are_asked_are_not_those_who_teach(found):
    assert 8 <= len(set(found.labels)) <= 28
    labels = np.array(found.labels)
    assert set(Counter(labels[found.query]).values()) == {6}
    assert set(Counter(labels[found.exemplar]).values()) <= {6, 10}
    np.testing.assert_array_equal(found.exemplar, ~found.query)
    assert {clip.bodies.shape for clip in found.clips} == {(1, 64, 25, 3)}


def test_takes_of_an_action_are_more_alike_than_those_of_others(found):
    some = slice(None, None, 3)
    flat = np.stack([(clip.bodies - clip.bodies[:, :, :1])[:, ::8].ravel() for clip in found.clips])
    same = np.equal.outer(found.labels[some], found.labels[some])
    flat = flat[some]
    apart = np.linalg.norm(flat[:, None] - flat, axis=2)
    assert np.median(apart[same & (apart > 0)]) < 0.8 * np.median(apart[~same])


def test_actions_are_drawn_anew_and_again(windows):
    draws = [drawn_actions(windows, 20, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    first, again, other = (np.stack([action.numpy() for action in some]) for some in draws)
    np.testing.assert_array_equal(first, again)
    assert len(np.unique(first.round(4).reshape(20, -1), axis=0)) > 10
    assert not np.array_equal(first, other)
