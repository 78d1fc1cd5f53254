"""Weights that do not fit a network are refused in one line that says what is wrong."""

import pytest
import torch
from torch import nn

from stars_infer.errors import ModelError
from stars_infer.train.checkpoint import load_weights


def test_weights_that_do_not_fit_are_told_in_one_line():
    network = nn.Sequential(nn.Linear(2, 3), *(nn.Linear(3, 3) for _ in range(40)))
    weights = network.state_dict()
    del weights["0.bias"]
    weights |= {"x" * 500: torch.zeros(1), "1.weight": torch.zeros(2, 2)}
    with pytest.raises(ModelError) as refused:
        load_weights(network, weights, source="run")
    said = str(refused.value)
    assert said.startswith(
        "run: the weights do not fit the network: 1 missing ('0.bias'), 1 unknown"
    )
    assert said.endswith("1 of another shape ('1.weight')")
    assert len(said) < 250
    with pytest.raises(ModelError, match=r"82 missing \('0.weight'\)$"):
        load_weights(network, {}, source="run")
    with pytest.raises(ModelError, match="1 unknown"):
        load_weights(nn.Sequential(), {"a": torch.zeros(1)}, source="run")
