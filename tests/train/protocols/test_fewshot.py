import numpy as np
import pytest

from stars_infer.errors import UsageError
from stars_infer.evaluation.fewshot import LabeledClips, evaluate
from stars_infer.similarity.pairwise import cosine_of
from stars_infer.train.protocols.features import pooled_features
from stars_infer.train.protocols.fewshot import fewshot


def test_figures_are_those_of_the_runtime(task, measured, fabric):
    result = fewshot(measured, task, fabric=fabric, shots=[2, 1], draws=7, seed=5)
    vectors = [pooled_features(measured, part, fabric=fabric) for part in (task.train, task.test)]
    clips = LabeledClips(
        similarity=cosine_of(np.concatenate(vectors)),
        labels=[clip.label for part in (task.train, task.test) for clip in part.clips],
        exemplar=np.arange(36) < 18,
        query=np.arange(36) >= 18,
    )
    expected = evaluate(clips, shots=[1, 2], draws=7, seed=5)
    assert [score.setting for score in result.scores] == ["2-shot", "1-shot"]
    for score, n in zip(result.scores, (2, 1), strict=True):
        assert score.accuracy == pytest.approx(expected[n].mean)
        assert score.deviation == pytest.approx(expected[n].std)
        assert score.of == 7
    # Every draw names every query once; the confusion is that of the first number of shots.
    assert result.confusion.sum() == 7 * 18
    assert 100 * np.trace(result.confusion) / (7 * 18) == pytest.approx(result.scores[0].accuracy)


def test_what_cannot_be_measured(task, measured, fabric):
    with pytest.raises(UsageError, match="'bow' has 6 possible examples, too few for 7 shots"):
        fewshot(measured, task, fabric=fabric, shots=[7])
    for wrong in ({"draws": 0}, {"shots": [0]}, {"shots": []}):
        with pytest.raises(UsageError, match="at least 1"):
            fewshot(measured, task, fabric=fabric, **wrong)
