import json
from dataclasses import replace

import numpy as np
import pytest

from stars_infer.classification.calibration import Calibration
from stars_infer.classification.classifiers import Ridge
from stars_infer.classification.leave_out import LeaveOut, ScoreFeatures
from stars_infer.classification.model_calibration import OF_VECTORS, ModelCalibration
from stars_infer.classification.unknown_share import EXPECTED_UNKNOWN, UnknownShare
from stars_infer.errors import UsageError
from stars_infer.evaluation.open_set import auroc
from tests.stars_infer.classification.test_classifiers import gallery

PRIOR = OF_VECTORS.ridge


def calibration_of(vectors, classes):
    count = int(classes.max()) + 1
    ridge = Ridge().fit(vectors @ vectors.T, classes, count)
    return ridge, Calibration.of(LeaveOut.of(ridge), PRIOR)


def test_margin_is_to_the_best_other_class_and_negative_where_that_is_ahead():
    scores = np.array([[0.9, 0.5, 0.1], [0.2, 0.6, 0.3]])
    best = ScoreFeatures.of(scores)
    np.testing.assert_allclose(best.score, [0.9, 0.6])
    np.testing.assert_allclose(best.margin, [0.4, 0.3])
    np.testing.assert_allclose(best.strength, [1.3, 0.9])
    np.testing.assert_allclose(ScoreFeatures.of(scores, np.array([1, 1])).margin, [-0.4, 0.3])
    np.testing.assert_allclose(ScoreFeatures.of(np.array([[0.7]])).margin, [0.7])


def test_unknown_clips_are_less_likely_known_than_takes_of_known_actions():
    vectors, numbers = gallery(0, classes=24, each=6, width=12)
    held = numbers < 12
    teach = held & (np.arange(len(numbers)) % 2 == 0)
    ridge, calibration = calibration_of(vectors[teach], numbers[teach])
    similarity = vectors[~teach] @ vectors[teach].T
    chance = calibration.chance_known(ScoreFeatures.of(ridge.scores(similarity)))
    known = numbers[~teach] < 12
    assert auroc(chance[known], chance[~known]) > 0.95
    named = chance > calibration.threshold(0.1)
    assert named[known].mean() > 0.8
    assert named[~known].mean() < 0.3


def test_the_share_of_unknown_clips_that_was_asked_for_is_let_pass():
    vectors, numbers = gallery(1, classes=10, each=6, width=8, spread=0.5)
    _, calibration = calibration_of(vectors, numbers)
    shares = [calibration.acceptance_rates(calibration.threshold(s))[0] for s in (0.05, 0.2, 0.5)]
    np.testing.assert_allclose(shares, (0.05, 0.2, 0.5), atol=0.06)
    assert calibration.threshold(None) == 0.5


@pytest.mark.parametrize("classes", [1, 2])
@pytest.mark.parametrize("each", [1, 3])
def test_with_too_few_classes_the_models_own_calibration_speaks(classes, each):
    vectors, numbers = gallery(2, classes=classes, each=each)
    ridge, calibration = calibration_of(vectors, numbers)
    assert (calibration.spread, calibration.right) == (PRIOR.spread, PRIOR.right)
    assert calibration.acceptance_rates(0.5)[0] is None
    score_features = ScoreFeatures.of(ridge.scores(np.stack((vectors[0], -vectors[0])) @ vectors.T))
    same, other = calibration.chance_known(score_features)
    assert same > other
    assert calibration.threshold(0.1) == pytest.approx(0.9)


def test_more_exemplars_move_the_curves_away_from_the_models_own():
    def moved(each):
        vectors, numbers = gallery(3, classes=6, each=each, width=4, spread=0.8)
        return np.abs(np.subtract(calibration_of(vectors, numbers)[1].known, PRIOR.known)).sum()

    assert 0 < moved(2) < moved(12)


def test_a_models_calibration_survives_json():
    assert ModelCalibration.from_json(OF_VECTORS.to_json()) == OF_VECTORS
    with pytest.raises(UsageError, match="curves of three and four numbers"):
        replace(PRIOR, known=(1, 2))
    with pytest.raises(UsageError, match="spread must be above 0"):
        replace(PRIOR, tail=(0.0, 0.0, 0.0))
    with pytest.raises(UsageError, match="slope of the curve for known clips must be above 0"):
        replace(PRIOR, known=(1.0, -1.0, 0.0))


def test_an_index_keeps_its_calibration_as_json():
    vectors, numbers = gallery(3, classes=5, each=3)
    _, calibration = calibration_of(vectors, numbers)
    again = Calibration.from_json(json.loads(json.dumps(calibration.to_json())))
    assert again.to_json() == calibration.to_json()
    for share in (None, 0.05, 0.3):
        assert again.threshold(share) == calibration.threshold(share)


SHARES = (0.01, EXPECTED_UNKNOWN, 0.9)


def test_the_chance_of_being_known_follows_from_the_share_of_unknown_clips_by_bayes_rule():
    vectors, numbers = gallery(1, classes=8, each=4, spread=0.5)
    ridge, calibration = calibration_of(vectors, numbers)
    asked = ScoreFeatures.of(ridge.scores(vectors[:9] @ vectors.T))
    even = calibration.chance_known(asked, 0.5)
    for share in SHARES:
        chance = calibration.chance_known(asked, share)
        np.testing.assert_allclose(
            chance, (1 - share) * even / ((1 - share) * even + share * (1 - even))
        )
    np.testing.assert_array_equal(
        calibration.chance_known(asked), calibration.chance_known(asked, EXPECTED_UNKNOWN)
    )


@pytest.mark.parametrize("classes", [2, 8])
def test_a_limit_names_the_same_clips_whatever_the_share_of_unknown_clips(classes):
    vectors, numbers = gallery(1, classes=classes, each=4, spread=0.5)
    ridge, calibration = calibration_of(vectors, numbers)
    asked = ScoreFeatures.of(ridge.scores(vectors @ vectors.T))
    for limit in (0.05, 0.2, 0.5):
        named = [
            calibration.chance_known(asked, share) > calibration.threshold(limit, share)
            for share in SHARES
        ]
        np.testing.assert_array_equal(named[0], named[1])
        np.testing.assert_array_equal(named[0], named[2])
        rates = {
            calibration.acceptance_rates(calibration.threshold(limit, share), share)
            for share in SHARES
        }
        assert len(rates) == 1
    assert {calibration.threshold(None, share) for share in SHARES} == {0.5}


def test_a_limit_finer_than_the_classes_can_measure_is_said_and_kept_nearly():
    """With five classes left out, a sixth exceeds all of them in one case of six.

    Two that resemble each other double that, if the index holds one of them.
    """
    shares, finest = [], None
    for seed in range(60):
        vectors, numbers = gallery(seed, classes=10, each=4, width=6, spread=0.4)
        held = numbers < 5
        ridge, calibration = calibration_of(vectors[held], numbers[held])
        finest = calibration.finest
        asked = ScoreFeatures.of(ridge.scores(vectors[~held] @ vectors[held].T))
        chance = calibration.chance_known(asked)
        shares.append([(chance > calibration.threshold(limit)).mean() for limit in (0.01, 0.3)])
    assert finest == pytest.approx(2 / 6)
    strict, loose = np.mean(shares, axis=0)
    assert strict < finest / 2
    assert loose == pytest.approx(0.3, abs=0.1)


def test_every_class_counts_the_same_for_a_limit():
    """A class of many exemplars that resembles another does not decide alone."""
    vectors, numbers = gallery(5, classes=6, each=12, width=8, spread=0.5)
    few = (numbers == 0) | (np.arange(len(numbers)) % 12 < 2)
    _, calibration = calibration_of(vectors[few], numbers[few])
    np.testing.assert_allclose(calibration.weights.sum(), 6)
    np.testing.assert_allclose(calibration.weights[:12], 1 / 12)
    np.testing.assert_allclose(calibration.weights[12:], 1 / 2)


def test_fewer_known_than_unknown_exemplars_do_not_make_clips_less_likely_known():
    """Exemplars that are alone in their class say nothing about known clips."""
    vectors, numbers = gallery(4, classes=12, each=4, width=12)
    balanced = np.arange(len(numbers)) % 4 < 2
    alone = balanced & ((numbers < 3) | (np.arange(len(numbers)) % 4 < 1))
    _, both = calibration_of(vectors[balanced], numbers[balanced])
    ridge, few = calibration_of(vectors[alone], numbers[alone])
    assert len(both.known_scores) == 24
    assert len(few.known_scores) == 6
    asked = ScoreFeatures.of(ridge.scores(vectors[~balanced] @ vectors[alone].T))
    assert few.chance_known(asked, 0.5).mean() > 0.5


def test_a_batch_that_fits_worse_than_unknown_exemplars_teaches_no_share():
    vectors, numbers = gallery(1, classes=8, each=4, width=12)
    ridge, calibration = calibration_of(vectors, numbers)
    known = calibration.log_odds(ScoreFeatures.of(ridge.scores(vectors @ vectors.T)))
    assert calibration.learn_share(known, UnknownShare()) < 0.1
    far = np.full((20, len(vectors)), -1.0)  # from every exemplar
    unlike = calibration.log_odds(ScoreFeatures.of(ridge.scores(far)))
    assert unlike.mean() < calibration.tail[0]
    assert calibration.learn_share(unlike, UnknownShare()) == EXPECTED_UNKNOWN
