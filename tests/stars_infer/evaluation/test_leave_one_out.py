import numpy as np
import pytest

from stars_infer.classification.model_calibration import OF_SEQUENCES
from stars_infer.clips.clip import Clip
from stars_infer.errors import UsageError
from stars_infer.evaluation.leave_one_out import leave_one_out
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.similarity.features import Features
from stars_infer.similarity.sequence import sequence_of
from stars_infer.synthetic.actions import perform

HOW = SequenceConfig()
PRIOR = OF_SEQUENCES.ridge


def features_of(action, seed):
    clip = Clip.from_array(perform(action, np.random.default_rng(seed)))
    return Features(vector=None, sequence=sequence_of(clip, HOW))


@pytest.fixture(scope="module")
def examples():
    actions = [action for action in ("wave", "squat", "kick") for _ in range(3)]
    return [features_of(action, seed) for seed, action in enumerate(actions)], actions


def asked(features, labels):
    return leave_one_out(features, labels, how=HOW, prior=PRIOR)


def test_examples_are_named_by_the_others(examples):
    found = asked(*examples)
    assert found.labels == ("kick", "squat", "wave")
    assert found.right.all()
    assert found.confusion().tolist() == [[3, 0, 0], [0, 3, 0], [0, 0, 3]]
    assert ((found.confidence > 0) & (found.confidence <= 1)).all()


def test_without_its_action_an_example_is_rated_lower(examples):
    found = asked(*examples)
    assert (found.unknown_rating < found.known_rating).all()
    assert found.unknown_confidence.mean() < found.confidence.mean()


def test_a_wrong_label_is_named_as_what_it_is(examples):
    features, labels = examples
    found = asked(features, ["squat", *labels[1:]])
    assert found.labels[found.named[0]] == "wave"
    assert not found.right[0]
    assert found.confusion()[1, 2] == 1


def test_who_is_alone_cannot_be_asked(examples):
    features, labels = examples
    found = asked(features[:7], labels[:7])
    assert found.asked.tolist() == [True] * 6 + [False]
    assert found.confusion().sum() == 6


def test_two_actions_tell_nothing_of_unknown_ones(examples):
    features, labels = examples
    found = asked(features[:6], labels[:6])
    assert np.isnan(found.unknown_rating).all()
    assert found.right.all()


def test_there_has_to_be_something_to_ask(examples):
    features, labels = examples
    for some in ([0, 1, 2], [0, 3, 6]):
        with pytest.raises(UsageError, match="accuracy needs two actions"):
            asked([features[at] for at in some], [labels[at] for at in some])
