import numpy as np
import pytest

from stars_infer.classification.calibration import (
    OF_VECTORS,
    Calibration,
    LeaveOut,
    ModelCalibration,
    Prior,
    ScoreFeatures,
)
from stars_infer.classification.classifiers import Ridge
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
    np.testing.assert_allclose(shares, (0.05, 0.2, 0.5), atol=0.03)
    assert calibration.threshold(None) == 0.5


@pytest.mark.parametrize("classes", [1, 2])
@pytest.mark.parametrize("each", [1, 3])
def test_with_too_few_classes_the_models_own_calibration_speaks(classes, each):
    vectors, numbers = gallery(2, classes=classes, each=each)
    ridge, calibration = calibration_of(vectors, numbers)
    assert (calibration.center, calibration.spread) == (PRIOR.center, PRIOR.spread)
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
    with pytest.raises(UsageError, match="two curves of three numbers"):
        Prior(known=(1, 2), right=(1, 2, 3), center=0, spread=1)
