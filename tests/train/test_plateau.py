"""The rate that drops when the loss no longer falls, by hand, and across a resume."""

import json

import pytest
import torch

from stars_infer.errors import UsageError
from stars_infer.train.optimizer import make_optimizer, set_learning_rate
from stars_infer.train.plateau import PLATEAU, Plateau
from stars_infer.train.recipe import load_recipe
from stars_infer.train.run import LoopConfig, RunConfig


def factors(plateau, losses):
    """Factor before each step."""
    found = []
    for loss in losses:
        found.append(plateau.factor)
        plateau.add(torch.tensor(loss))
    return found


def test_drops_by_hand():
    # Two steps an epoch, means 2, 1, 1, 1, 1: one epoch that is not lower is borne, the next drops.
    losses = [3.0, 1.0, 1.0, 1.0, 0.5, 1.5, 2.0, 0.0, 1.0, 1.0, 9.0]
    got = factors(Plateau(1, epoch=2), losses)
    assert got == pytest.approx([1.0] * 8 + [0.1] * 3)
    assert factors(Plateau(2, epoch=2), losses) == pytest.approx([1.0] * 10 + [0.1])


def test_a_falling_loss_keeps_the_rate():
    assert factors(Plateau(0, epoch=1), [5.0, 4.0, 3.0, 2.0]) == [1.0] * 4
    # A fall of less than a ten-thousandth is none.
    assert factors(Plateau(0, epoch=1), [5.0, 4.9999, 4.9998])[-1] == pytest.approx(0.1)


def test_it_goes_on_in_the_middle_of_an_epoch():
    losses = [0.1 * n for n in (5, 9, 3, 7, 8, 7, 6, 9, 9, 9, 5, 7, 9, 8)]
    config = RunConfig(method="mae", data="x", clips=3, loop=LoopConfig(batch=1, plateau=0))
    whole = Plateau.of(config, {})
    expected = factors(whole, losses)
    assert len(set(expected)) > 2
    first = Plateau.of(config, {})
    begun = factors(first, losses[:7])
    kept = json.loads(json.dumps({PLATEAU: first.state()}))
    assert begun + factors(Plateau.of(config, kept), losses[7:]) == expected


def test_the_rate_of_skeattnclrs_fine_tuning():
    config = load_recipe("finetune-skeattnclr").configure(data="x", clips=40091).loop
    assert (config.optimizer, config.lr, config.plateau) == ("sgd", 0.05, 10)
    optimizer = make_optimizer(torch.nn.Linear(2, 2), config, depth=1)
    assert isinstance(optimizer, torch.optim.SGD)
    rates = [
        set_learning_rate(optimizer, config, step, steps=9, warmup=0, factor=factor)
        for step, factor in ((0, 1.0), (8, 0.1))
    ]
    assert rates == pytest.approx([0.05, 0.005])
    with pytest.raises(UsageError, match="goes without milestone"):
        LoopConfig(plateau=3, milestone=0.5)
    with pytest.raises(UsageError, match="plateau is a number of epochs"):
        LoopConfig(plateau=-1)
