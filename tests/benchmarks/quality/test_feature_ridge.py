"""A ridge that sees inner products only answers as one that sees the features."""

import sys

import numpy as np
import pytest
from feature_ridge import ALPHAS, FeatureRidge, inner_products
from sklearn.linear_model import RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from stars_infer.errors import MissingExtraError


@pytest.mark.parametrize(
    ("classes", "each", "width"), [(5, 1, 300), (5, 4, 300), (4, 20, 12), (2, 3, 50)]
)
def test_scores_are_those_of_a_ridge_on_the_features(classes, each, width):
    random = np.random.default_rng([classes, each, width])
    labels = np.repeat(np.arange(classes), each + 10)
    features = random.normal(size=(classes, width))[labels]
    features += 2 * random.normal(size=features.shape)
    features *= random.uniform(0.01, 100, width)
    features += random.uniform(-100, 100, width)
    exemplars = np.concatenate([np.flatnonzero(labels == one)[:each] for one in range(classes)])
    queries = np.setdiff1d(np.arange(len(labels)), exemplars)
    features[exemplars, 3] = 7.0  # what all exemplars share tells nothing

    primal = make_pipeline(StandardScaler(), RidgeClassifierCV(alphas=ALPHAS))
    primal.fit(features[exemplars], labels[exemplars])
    expected = primal.decision_function(features[queries])
    similarity = inner_products(features)
    dual = FeatureRidge().fit(similarity(exemplars, exemplars), labels[exemplars], classes)
    scores = dual.scores(similarity(queries, exemplars))

    assert scores.shape == (len(queries), classes)
    assert np.allclose(scores if classes > 2 else scores[:, 1], expected, atol=1e-8)
    assert np.array_equal(scores.argmax(axis=1), primal.predict(features[queries]))
    assert len(set(scores.argmax(axis=1))) == classes


def test_other_clips_have_no_say():
    features = np.random.default_rng(0).normal(size=(9, 4))
    exemplars, queries = np.arange(3), np.array([3, 4])
    before = inner_products(features)(queries, exemplars)
    features[5:] += 10
    assert np.array_equal(inner_products(features)(queries, exemplars), before)
    assert np.allclose(inner_products(features)(queries[:1], exemplars)[0], before[0])


def test_a_missing_library_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.preprocessing", None)
    with pytest.raises(MissingExtraError, match=r"needs scikit-learn, .*\[bench\]"):
        inner_products(np.zeros((2, 3)))
