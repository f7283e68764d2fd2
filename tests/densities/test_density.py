"""What every density shares."""

from __future__ import annotations

import torch

from gdmlib import densities


def test_printed_models_say_what_they_are():
    two, three = torch.zeros(2), torch.eye(2).expand(3, 2, 2)
    third = torch.full((3,), 1 / 3)
    assert repr(densities.Normal(0.123456, 2.0)) == "Normal(mean=0.1235, std=2)"
    assert repr(densities.MultivariateNormal(two, torch.eye(2))) == (
        "MultivariateNormal(dimensions=2)"
    )
    assert repr(densities.Categorical(third)) == "Categorical(outcomes=3)"
    mixture = densities.GaussianMixture(third, torch.zeros(3, 2), three)
    assert repr(mixture) == "GaussianMixture(components=3, dimensions=2)"
    assert repr(densities.LogisticRegression(two, torch.tensor(0.0))) == (
        "LogisticRegression(inputs=2)"
    )
    multinomial = densities.MultinomialLogisticRegression(torch.zeros(3, 2), torch.zeros(3))
    assert repr(multinomial) == "MultinomialLogisticRegression(inputs=2, classes=3)"
