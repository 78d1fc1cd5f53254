"""Averages over samplings of a clip, by hand, before and after a head that is not linear."""

import pytest
import torch

from stars_infer.errors import UsageError
from stars_infer.train.protocols.averaging import classify_samplings


def head(features):
    """Logits of two classes: the square of a number, and 1."""
    return torch.cat((features.square(), torch.ones_like(features)), dim=1)


def test_scores_and_features_by_hand():
    # Samplings 2 and -2: each has the logits 4 and 1; their mean feature is 0, logits 0 and 1.
    features = torch.tensor([[[2.0], [-2.0]], [[0.0], [2.0]]])
    scores = classify_samplings(head, features, "scores").exp()
    four, none = torch.softmax(torch.tensor([[4.0, 1.0], [0.0, 1.0]]), dim=1)
    torch.testing.assert_close(scores, torch.stack([four, (four + none) / 2]))
    by_features = classify_samplings(head, features, "features")
    torch.testing.assert_close(by_features, torch.tensor([[0.0, 1.0], [1.0, 1.0]]))
    assert scores[0].argmax() != by_features[0].argmax()


def test_one_sampling_keeps_its_logits():
    features = torch.tensor([[[3.0]]])
    for average in ("scores", "features"):
        logits = classify_samplings(head, features, average)
        torch.testing.assert_close(logits, torch.tensor([[9.0, 1.0]]))
    with pytest.raises(UsageError, match="--average is scores or features, not 'mean'"):
        classify_samplings(head, features, "mean")
