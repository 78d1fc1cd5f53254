import sys

import numpy as np
import pytest
import torch

from stars_infer.errors import UsageError
from stars_infer.train.protocols.features import random_crop_features
from stars_infer.train.protocols.linear import LinearConfig, fit_linear, linear
from stars_infer.train.protocols.paper_settings import PAPERS

CPU = torch.device("cpu")


def named(head, features):
    with torch.no_grad():
        return head(features).argmax(dim=1).numpy()


def test_separable_classes_are_learnt_and_random_labels_are_not():
    random = torch.Generator().manual_seed(0)
    labels = np.arange(200) % 4
    centers = torch.randn(4, 16, generator=random) * 3
    features = centers[labels] + 0.1 * torch.randn(200, 16, generator=random)
    fit = {"classes": 4, "config": LinearConfig(epochs=20), "device": CPU}
    head = fit_linear(features[None, :100], labels[:100], **fit)
    assert (named(head, features[100:]) == labels[100:]).all()
    noise = torch.randn(1000, 16, generator=random)
    shuffled = np.random.default_rng(0).integers(0, 4, 1000)
    head = fit_linear(noise[None, :500], shuffled[:500], **fit)
    assert 0.18 < np.mean(named(head, noise[500:]) == shuffled[500:]) < 0.32


def test_one_step_by_hand():
    # From zero weights: gradient = (softmax - target) x / N, one step at the full rate.
    features = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    config = LinearConfig(epochs=1, lr=0.5)
    torch.manual_seed(0)
    head = fit_linear(features[None], np.array([0, 1]), classes=2, config=config, device=CPU)
    first = torch.nn.Linear(2, 2)
    random = torch.Generator().manual_seed(0)
    torch.nn.init.xavier_uniform_(first.weight, generator=random)
    with torch.no_grad():
        weight = first.weight.clone()
        slope = torch.softmax(features @ weight.T, dim=1) - torch.eye(2)
        expected = weight - 0.5 * slope.T @ features / 2
    torch.testing.assert_close(head.weight.detach(), expected)
    torch.testing.assert_close(head.bias.detach(), -0.5 * slope.mean(dim=0))


def test_every_crop_is_used_in_its_epoch():
    # The first crop says nothing, so that only the second moves the weights.
    features = torch.stack([torch.zeros(2, 2), torch.eye(2)])
    fit = {"classes": 2, "device": CPU}
    one, two = (
        fit_linear(features, np.array([0, 1]), config=LinearConfig(epochs=n, batch=2), **fit)
        for n in (1, 2)
    )
    first = torch.nn.init.xavier_uniform_(
        torch.empty(2, 2), generator=torch.Generator().manual_seed(0)
    )
    torch.testing.assert_close(one.weight.detach(), first)
    assert (two.weight.detach() - first).diagonal().min() > 0


def test_two_crops_are_used_in_turn_and_a_hundred_once():
    crops = list(torch.randn(3, 4, 2, generator=torch.Generator().manual_seed(0)))
    asked = []

    def made():
        for number, crop in enumerate(crops):
            asked.append(number)
            yield crop

    fit = {"labels": np.array([0, 1, 0, 1]), "classes": 2, "device": CPU}
    config = LinearConfig(epochs=3, crops=3, batch=4)
    fresh = fit_linear(made(), config=config, **fit)
    assert asked == [0, 1, 2]
    two = fit_linear(crops[:2], config=LinearConfig(epochs=3, crops=2, batch=4), **fit)
    again = fit_linear([*crops[:2], crops[0]], config=config, **fit)
    torch.testing.assert_close(two.weight, again.weight, rtol=0, atol=0)
    assert not torch.equal(two.weight, fresh.weight)


@pytest.mark.parametrize(
    ("paper", "shortest", "rotation", "uniform"),
    [("stars", 0.5, 0.0, False), ("mamp-code", 0.5, 0.3, False), ("skeleton2vec", 1.0, 0.3, True)],
)
def test_the_views_of_the_papers_probes(
    task, measured, fabric, monkeypatch, paper, shortest, rotation, uniform
):
    """A fresh view of every clip in every epoch, cropped, turned and sampled as the paper does."""
    module, drawn = sys.modules[linear.__module__], []

    def watched(pack, encode, views, **how):
        drawn.append((views.shortest_crop, views.rotation, views.uniform_sampling, how["crops"]))
        return random_crop_features(pack, encode, views, **how)

    monkeypatch.setattr(module, "random_crop_features", watched)
    probe = {**PAPERS[paper].linear, "epochs": 3}
    linear(measured, task, fabric=fabric, config=LinearConfig(**probe))
    assert drawn == [(shortest, rotation, uniform, 3)]


@pytest.mark.parametrize("crops", [0, 2])
def test_protocol_learns_three_motions(task, measured, fabric, crops):
    config = LinearConfig(batch=6, crops=crops, rotation=0.0)
    result = linear(measured, task, fabric=fabric, config=config)
    assert result.scores[0].accuracy > 65
    assert result.settings["crops"] == crops
    again = linear(measured, task, fabric=fabric, config=config)
    assert (again.predictions["accuracy"] == result.predictions["accuracy"]).all()


def test_the_rate_drops_or_follows_a_cosine():
    cosine, drop = LinearConfig(lr=3.0), LinearConfig(lr=3.0, milestone=0.6)
    assert [cosine.rate(step, 10) for step in (0, 5)] == pytest.approx([3.0, 1.5])
    assert [drop.rate(step, 10) for step in (0, 5, 6, 9)] == pytest.approx([3.0, 3.0, 0.3, 0.3])
    twice = LinearConfig(lr=3.0, milestone=0.4, second_milestone=2 / 3)
    rates = [twice.rate(step, 150) for step in (59, 60, 99, 100, 149)]
    assert rates == pytest.approx([3.0, 0.3, 0.3, 0.03, 0.03])


def test_impossible_settings():
    for wrong in (
        {"epochs": 0}, {"crops": -1}, {"lr": 0.0}, {"momentum": 1.0}, {"milestone": 0.0},
        {"second_milestone": 0.5}, {"milestone": 0.5, "second_milestone": 0.4},
    ):  # fmt: skip
        with pytest.raises(UsageError):
            LinearConfig(**wrong)
