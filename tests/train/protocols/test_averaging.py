"""Averages over samplings of a clip, by hand, before and after a head that is not linear."""

import pytest
import torch

from stars_infer.errors import UsageError
from stars_infer.train.protocols.averaging import classify_samplings


def head(features):
    """Logits of two classes: the square of a number, and 1."""
    return torch.cat((features.square(), torch.ones_like(features)), dim=1)


def test_scores_and_features_by_hand():
    # Samplings 2 and -2 have the scores 4 and 4; their mean feature is 0, whose score is 0.
    features = torch.tensor([[[2.0], [-2.0]], [[0.0], [2.0]]])
    by_scores = classify_samplings(head, features, "scores")
    torch.testing.assert_close(by_scores, torch.tensor([[4.0, 1.0], [2.0, 1.0]]))
    by_features = classify_samplings(head, features, "features")
    torch.testing.assert_close(by_features, torch.tensor([[0.0, 1.0], [1.0, 1.0]]))
    assert by_scores[0].argmax() != by_features[0].argmax()


def test_a_linear_layer_makes_the_same_of_both():
    layer = torch.nn.Linear(4, 3)
    features = torch.randn(5, 7, 4)
    both = [classify_samplings(layer, features, average) for average in ("scores", "features")]
    torch.testing.assert_close(*both)
    with pytest.raises(UsageError, match="--average is scores or features, not 'mean'"):
        classify_samplings(layer, features, "mean")
