"""What the densities share."""

from __future__ import annotations

import math

import pytest
import torch

from gdmlib import densities
from gdmlib.densities import _common as common


def test_check_count():
    assert common.check_count(1) == 1
    with pytest.raises(ValueError, match=r"^n: expected at least 1, got 0$"):
        common.check_count(0)
    with pytest.raises(ValueError, match=r"^k: expected an integer, got True$"):
        common.check_count(True, "k")
    with pytest.raises(ValueError, match=r"^k: expected an integer, got 2.0$"):
        common.check_count(2.0, "k")


@pytest.mark.parametrize("value", [-1e-9, math.nan, math.inf])
def test_check_not_negative(value):
    assert common.check_not_negative(0.0, "l2") == 0.0
    assert common.check_not_negative(3, "l2") == 3
    with pytest.raises(
        ValueError, match=rf"^l2: expected a finite number of at least 0, got {value}$"
    ):
        common.check_not_negative(value, "l2")


def test_check_probabilities():
    probs = torch.tensor([0.0, 0.3, 0.70005])
    assert common.check_probabilities(probs, "prior") is probs
    with pytest.raises(
        ValueError, match=r"^prior: expected probabilities of at least 0, got -0.1$"
    ):
        common.check_probabilities(torch.tensor([-0.1, 1.1]), "prior")
    for total, values in [("0.9", [0.4, 0.5]), ("1.0002", [0.5, 0.5002])]:
        with pytest.raises(
            ValueError,
            match=rf"^prior: expected a sum of 1, got {total}; use prior / prior.sum\(\)$",
        ):
            common.check_probabilities(torch.tensor(values), "prior")
    for bad in (torch.tensor([[1.0]]), torch.tensor([1]), torch.tensor([math.nan])):
        with pytest.raises(ValueError, match=r"^prior: "):
            common.check_probabilities(bad, "prior")


def test_check_events():
    like = torch.zeros(()).double()
    x = torch.zeros(4, 2).double()
    assert common.check_events(x, "x", (2,), like) is x
    with pytest.raises(ValueError, match=r"^x: expected shape \(B, 3\), got \(4, 2\)$"):
        common.check_events(x, "x", (3,), like)
    with pytest.raises(
        ValueError,
        match=r"^x: expected torch.float64 like the model, got torch.float32; "
        r"use x.to\(torch.float64\), or model.to\(torch.float32\)$",
    ):
        common.check_events(x.float(), "x", (2,), like)
    with pytest.raises(ValueError, match=r"^x: expected a floating-point tensor"):
        common.check_events(x.long(), "x", (2,), like)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_standard_normal(dtype):
    like = torch.zeros(()).to(dtype)
    z = common.standard_normal((2, 3), like, torch.Generator().manual_seed(0))
    expected = torch.randn(2, 3, generator=torch.Generator().manual_seed(0), dtype=dtype)
    assert z.dtype == dtype
    assert torch.equal(z, expected)
    torch.manual_seed(0)
    fresh = common.standard_normal((2, 3), like, None)
    torch.manual_seed(0)
    assert torch.equal(fresh, torch.randn(2, 3, dtype=dtype))


def test_uniform_is_float64_for_any_model():
    u = common.uniform(5, torch.zeros(()), torch.Generator().manual_seed(0))
    expected = torch.rand(5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.equal(u, expected)
    torch.manual_seed(0)
    fresh = common.uniform(5, torch.zeros(()), None)
    torch.manual_seed(0)
    assert torch.equal(fresh, torch.rand(5, dtype=torch.float64))


def test_numbers_are_drawn_on_the_generator_s_device_and_moved_to_the_model_s():
    # The meta device stands for an accelerator: it has a shape and a dtype, but no numbers.
    like = torch.zeros((), device="meta")
    for generator in (None, torch.Generator().manual_seed(0)):
        assert common.uniform(5, like, generator).device.type == "meta"
        assert common.standard_normal((5,), like, generator).device.type == "meta"


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
