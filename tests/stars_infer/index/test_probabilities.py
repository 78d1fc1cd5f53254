"""Chances of every action: what they sum to, and which is highest."""

import numpy as np
import pytest

from stars_infer import ExemplarIndex
from stars_infer.classification.prediction import ClassifyOptions
from tests.stars_infer.index.toy import SEQUENCES, VECTORS, moving, new, pointing, taught

QUERIES = [moving(action, noise=noise) for action in range(4) for noise in (0.1, 0.8)]


@pytest.mark.parametrize("classifier", ["ridge", "vote", "majority", "prototypes"])
def test_rows_sum_to_the_chance_of_being_known(classifier):
    options = ClassifyOptions(classifier=classifier)
    with taught(ExemplarIndex.in_memory(SEQUENCES)) as index:
        chances = index.predict_proba(QUERIES, options)
        check(index, chances, index.classify(QUERIES, options))
        assert (chances > 0).all()
        unsure = index.predict_proba([moving(0), moving(77)], options)
    assert unsure[0].sum() > unsure[1].sum()


def check(index, chances, answers):
    assert chances.dtype == np.float64
    assert chances.shape == (len(answers), len(index.labels))
    np.testing.assert_allclose(chances.sum(axis=1), [one.chance_known for one in answers])
    for row, answer in zip(chances, answers, strict=True):
        assert row[index.labels.index(answer.label)] == pytest.approx(answer.confidence, rel=1e-12)
        others = [n for n, label in enumerate(index.labels) if label != answer.label]
        best = max(others, key=lambda number: row[number])
        assert index.labels[best] == answer.second


def test_a_large_index_gives_the_same_kind_of_chances(tmp_path, monkeypatch):
    monkeypatch.setattr("stars_infer.index.small.EXHAUSTIVE_LIMIT", 20)
    with ExemplarIndex.open(tmp_path / "stars.db", VECTORS) as index:
        index.add([new(str(n % 5), pointing(n % 5, tilt=n / 100), str(n)) for n in range(60)])
        queries = [pointing(n, tilt=0.3) for n in range(7)]
        check(index, index.predict_proba(queries), index.classify(queries))


def test_one_action_alone_has_its_confidence():
    with taught(ExemplarIndex.in_memory(SEQUENCES), actions=1) as index:
        (answer,) = index.classify([moving(0)])
        np.testing.assert_array_equal(index.predict_proba([moving(0)]), [[answer.confidence]])
        assert index.predict_proba([]).shape == (0, 1)
