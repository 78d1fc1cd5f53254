"""Vectors get the weight that they earn: none if they know nothing, some if they know the class."""

from dataclasses import replace

import numpy as np
import pytest

from stars_infer.errors import UsageError
from stars_infer.evaluation.fewshot import LabeledClips, evaluate
from stars_infer.evaluation.weighing import LabeledFeatures, _clustered_error, usual_width, weigh
from stars_infer.preprocessing.prepare import Preprocessing
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.similarity.features import Features

HOW = SequenceConfig(preprocessing=Preprocessing(frames=16), steps=16)


def labeled(knowing, *, seed=0, actions=6, each=8, noise=1.4):
    """Clips whose sequences tell the action through much noise, and whose vectors may.

    Args:
        knowing: How much of its action a vector shows beside noise of length one.
        seed: Of the actions and the noise.
        actions: How many.
        each: Clips of each.
        noise: Of the sequences.
    """
    random = np.random.default_rng(seed)
    found, labels = [], []
    for action in range(actions):
        motion, direction = random.normal(size=(1, 16, 75)), np.eye(actions)[action]
        for _ in range(each):
            vector = knowing * direction + random.normal(size=actions) / actions**0.5
            sequence = motion + noise * random.normal(size=motion.shape)
            found.append(Features(vector=np.float32(vector), sequence=np.float32(sequence)))
            labels.append(f"action {action}")
    return LabeledFeatures(name=f"set {seed}", clip_features=found, labels=labels)


def accuracy(data, how):
    everyone = np.ones(len(data.labels), np.bool_)
    clips = LabeledClips.of_features(
        data.clip_features, data.labels, exemplar=everyone, query=everyone, comparison=how
    )
    return np.mean([score.mean for score in evaluate(clips, draws=5).values()])


def test_vectors_that_know_nothing_get_no_weight():
    done = []
    found = weigh([labeled(0.0, noise=0.8)], HOW, draws=3, progress=lambda: done.append(1))
    assert found.weight == 0
    assert found.comparison(HOW) == HOW
    assert found.clips == 48
    assert len(done) == len(found.weights) == len(found.accuracies)
    assert found.accuracies[-1] < found.accuracies[0]


def test_vectors_that_know_the_action_get_a_weight_and_win_elsewhere():
    found = weigh([labeled(1.5, noise=4.0)], HOW, draws=3)
    assert found.weight > 0
    how = found.comparison(HOW)
    assert (how.vector_weight, how.vector_width) == (found.weight, found.width)
    other = labeled(1.5, seed=1, noise=4.0)
    assert accuracy(other, how) > accuracy(other, HOW) + 5
    facts = found.facts()
    assert facts["vector_weight_measured_on"] == "set 0 (48 clips)"
    assert str(facts["vector_weight"]).startswith(f"{found.weight:g}, ")
    assert f"{found.weight:g}: " in str(facts["accuracy_by_vector_weight"])


def test_a_gain_within_its_error_is_not_worth_a_network():
    """Of the weights that are as good as the best, the smallest is taken."""
    found = weigh([labeled(3.0, noise=4.0)], HOW, draws=2, weights=(0.5, 0.9, 0.7))
    assert found.weights == (0.5, 0.7, 0.9)
    best = max(found.accuracies)
    pairs = zip(found.weights, found.accuracies, found.errors, strict=True)
    assert found.weight == next(w for w, right, error in pairs if best - right <= error + 1e-3)


def test_the_error_counts_each_action_once():
    gains = np.array([1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    apart = _clustered_error(gains, range(8))
    together = _clustered_error(gains, ["a"] * 4 + ["b"] * 4)
    assert apart == pytest.approx(gains.std() / 8**0.5)
    assert together == pytest.approx(2 * apart)


def test_the_width_follows_the_vectors():
    data = labeled(1.0)
    near = [replace(one, vector=one.vector + 100) for one in data.clip_features]
    assert usual_width([replace(data, clip_features=near)]) < usual_width([data]) / 100


def test_sets_that_cannot_be_weighed_on():
    with pytest.raises(UsageError, match="weighing needs two actions, found"):
        weigh([labeled(1.0, actions=1)], HOW)
    with pytest.raises(UsageError, match="the action 'action 0' has 1 clips"):
        weigh([labeled(1.0, each=1)], HOW)
    assert labeled(1.0, each=5).shots() == [1, 2]
    taught = np.arange(30) % 5 == 0
    assert replace(labeled(1.0, each=5), exemplar=taught, query=~taught).shots() == [1]
