"""Logistic regression, binary and multinomial, against scikit-learn's."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import scipy.optimize
import torch
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression as SklearnLogisticRegression

from gdmlib.densities import LogisticRegression, MultinomialLogisticRegression
from gdmlib.densities.exact import newton
from gdmlib.densities.separability import is_separable

NO_MAXIMUM = (
    r"^the maximum-likelihood estimate does not exist: a plane separates the classes, completely "
    r"or but for points on it, and the likelihood grows without end as the weights grow; "
    r"use l2 > 0$"
)


@pytest.fixture(scope="module")
def iris():
    x, y = load_iris(return_X_y=True)
    return torch.as_tensor(x), torch.as_tensor(y)


@pytest.fixture(scope="module")
def two(iris):
    """Versicolor and virginica, which overlap."""
    return iris[0][50:], iris[1][50:] - 1


@pytest.fixture(scope="module")
def three():
    """Three overlapping clouds in two dimensions."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(120) % 3
    centres = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.5]]).double()
    return centres[y] + torch.randn(120, 2, generator=generator).double(), y


def sklearn_fit(x, y, l2=0.0, intercept=True):
    return SklearnLogisticRegression(
        C=1 / l2 if l2 else np.inf,
        tol=1e-12,
        max_iter=100_000,
        solver="newton-cg",
        fit_intercept=intercept,
    ).fit(x.numpy(), y.numpy())


# --- binary: values


def test_probabilities():
    model = LogisticRegression(torch.tensor([1.0, -2.0]), torch.tensor(0.5))
    x = torch.tensor([[0.0, 0.0], [1.0, 2.0]])
    logit = torch.tensor([0.5, -2.5])
    torch.testing.assert_close(model.logit(x), logit)
    torch.testing.assert_close(model.probs(x), torch.sigmoid(logit))
    torch.testing.assert_close(
        model.log_prob(torch.tensor([1, 0]), x), torch.sigmoid(torch.tensor([0.5, 2.5])).log()
    )
    assert model.event_shape == torch.Size(())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_logits(dtype):
    model = LogisticRegression(torch.ones(1, dtype=dtype), torch.zeros((), dtype=dtype))
    x = torch.tensor([[1e4], [-1e4], [1e30]], dtype=dtype)
    ones, zeros = torch.ones(3).long(), torch.zeros(3).long()
    torch.testing.assert_close(
        model.log_prob(zeros, x), torch.tensor([-1e4, 0, -1e30], dtype=dtype)
    )
    torch.testing.assert_close(model.log_prob(ones, x), torch.tensor([0, -1e4, 0], dtype=dtype))
    # Where 1 - p rounds to 0, its logarithm still has all its digits.
    small = model.log_prob(ones[:1], torch.tensor([[20.0]], dtype=dtype))
    torch.testing.assert_close(
        small, torch.tensor([-math.exp(-20)], dtype=dtype), atol=0, rtol=1e-5
    )


def test_sample_compares_a_uniform_number_with_p():
    model = LogisticRegression(torch.tensor([1.0]), torch.tensor(0.0))
    x = torch.linspace(-2, 2, 50)[:, None]
    found = model.sample(x, torch.Generator().manual_seed(3))
    u = torch.rand(50, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    assert found.dtype == torch.int64
    assert torch.equal(found, (u < model.probs(x)).long())


def test_labels_may_be_boolean(two):
    x, y = two
    expected = LogisticRegression.fit(x, y)
    found = LogisticRegression.fit(x, y.bool())
    torch.testing.assert_close(found.weight, expected.weight)
    torch.testing.assert_close(found.log_prob(y.bool(), x), expected.log_prob(y, x))


def test_parameters_can_be_trained_and_share_no_memory():
    weight, bias = torch.ones(2), torch.tensor(0.0)
    model = LogisticRegression(weight, bias)
    loss = -model.log_prob(torch.tensor([1]), torch.ones(1, 2)).mean()
    loss.backward()
    torch.optim.SGD(model.parameters(), lr=1.0).step()
    assert float(model.weight.detach()[0]) != 1.0
    assert weight.tolist() == [1.0, 1.0]
    assert float(bias) == 0.0


# --- binary: fit


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("l2", [0.0, 0.5, 10.0])
def test_binary_fit_equals_scikit_learn(two, l2, intercept):
    x, y = two
    ours = LogisticRegression.fit(x, y, l2=l2, intercept=intercept)
    theirs = sklearn_fit(x, y, l2, intercept)
    np.testing.assert_allclose(ours.weight.detach(), theirs.coef_[0], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(ours.bias.detach(), theirs.intercept_, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(
        ours.probs(x).detach(), theirs.predict_proba(x)[:, 1], rtol=1e-5, atol=1e-7
    )


@pytest.mark.parametrize("l2", [0.0, 2.0])
def test_without_intercept_the_bias_is_zero_and_the_gradient_too(two, l2):
    x, y = two
    model = LogisticRegression.fit(x, y, l2=l2, intercept=False)
    assert float(model.bias.detach()) == 0.0
    gradient = x.T @ (y - model.probs(x).detach()) - l2 * model.weight.detach()
    assert float(gradient.abs().max()) < 1e-8


def test_float32_fit_is_the_rounded_float64_fit(two):
    x, y = two
    model = LogisticRegression.fit(x.float(), y)
    assert model.weight.dtype == model.bias.dtype == torch.float32
    wide = LogisticRegression.fit(x.float().double(), y)
    torch.testing.assert_close(model.weight, wide.weight.float())
    torch.testing.assert_close(model.bias, wide.bias.float())


def test_units_do_not_matter(two):
    x, y = two
    scale, shift = torch.tensor([1e-6, 1e6, 1.0, 1e3]), torch.tensor([0.0, 1e7, 100.0, 0.0])
    expected = LogisticRegression.fit(x, y).probs(x).detach()
    scaled = x * scale + shift
    found = LogisticRegression.fit(scaled, y).probs(scaled).detach()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)


def test_a_small_penalty_makes_separable_data_fit():
    x, y = torch.linspace(-3, 3, 50).double()[:, None], torch.arange(50) // 25
    for l2 in (1e-3, 1e-10):
        model = LogisticRegression.fit(x, y, l2=l2)
        gradient = x.T @ (y - model.probs(x).detach()) - l2 * model.weight.detach()
        assert float(gradient.abs().max()) < 1e-8


def test_a_penalty_makes_dependent_columns_fit(two):
    x, y = two
    doubled = LogisticRegression.fit(torch.cat([x, x], dim=1), y, l2=1.0)
    torch.testing.assert_close(doubled.weight[:4], doubled.weight[4:])
    for value in (0.0, 0.1, 1.0):
        column = torch.full((100, 1), value)
        constant = LogisticRegression.fit(torch.cat([x, column], dim=1), y, l2=1.0)
        assert abs(float(constant.weight.detach()[4])) < 1e-10
        torch.testing.assert_close(constant.weight[:4], LogisticRegression.fit(x, y, l2=1.0).weight)


def test_nearly_dependent_columns_are_no_dependent_ones():
    # 20,000 examples in float32, two columns with a correlation of 0.99995: thin, but not flat.
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(20_000, 1, generator=generator)
    x = torch.cat([x, x + 0.01 * torch.randn(20_000, 1, generator=generator)], dim=1)
    y = (torch.rand(20_000, generator=generator) < torch.sigmoid(x[:, 0])).long()
    assert LogisticRegression.fit(x, y).weight.detach().sum() == pytest.approx(1.0, abs=0.1)


# --- binary: no maximum


LINE = torch.tensor([-2.0, -1.0, 0.0, 0.0, 1.0, 2.0]).double()[:, None]


@pytest.mark.parametrize(
    ("x", "y"),
    [
        pytest.param(LINE[[0, 1, 4, 5]], [0, 0, 1, 1], id="complete"),
        pytest.param(LINE[[0, 1, 4, 5]], [1, 1, 0, 0], id="complete, downwards"),
        pytest.param(LINE, [0, 0, 0, 1, 1, 1], id="quasi-complete"),
        pytest.param(LINE + 100, [0, 0, 0, 1, 1, 1], id="quasi-complete, far away"),
        pytest.param(
            torch.cat([1e-6 * LINE, LINE[[3, 0, 5, 1, 4, 2]]], dim=1), [0, 0, 0, 1, 1, 1], id="2-D"
        ),
    ],
)
def test_separable_data_have_no_maximum(x, y):
    with pytest.raises(ValueError, match=NO_MAXIMUM):
        LogisticRegression.fit(x, torch.tensor(y))
    with pytest.raises(ValueError, match=NO_MAXIMUM):
        LogisticRegression.fit(x.float(), torch.tensor(y))
    with pytest.raises(ValueError, match=NO_MAXIMUM):
        MultinomialLogisticRegression.fit(x, torch.tensor(y))


def test_setosa_has_no_maximum(iris):
    x, y = iris
    with pytest.raises(ValueError, match=NO_MAXIMUM):
        LogisticRegression.fit(x, (y == 0).long())
    with pytest.raises(ValueError, match=NO_MAXIMUM):
        MultinomialLogisticRegression.fit(x, y)


@pytest.mark.parametrize("overlap", [1e-2, 1e-4, 1e-6, 1e-8])
def test_the_smallest_overlap_has_a_maximum(overlap):
    x = torch.tensor([-1.0, -0.5, overlap / 2, -overlap / 2, 0.5, 1.0]).double()[:, None]
    y = torch.tensor([0, 0, 0, 1, 1, 1])
    model = LogisticRegression.fit(x, y)
    assert float((x.T @ (y - model.probs(x).detach())).abs().max()) < 1e-8
    with pytest.raises(ValueError, match=NO_MAXIMUM):
        LogisticRegression.fit(x, torch.tensor([0, 0, 1, 0, 1, 1]))


def test_separable_only_through_the_origin():
    x, y = torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([1, 1, 1])
    with pytest.raises(ValueError, match=NO_MAXIMUM):
        LogisticRegression.fit(x, y, intercept=False)
    x, y = torch.tensor([[1.0], [2.0], [3.0], [4.0]]), torch.tensor([1, 1, 0, 0])
    with pytest.raises(ValueError, match=NO_MAXIMUM):
        LogisticRegression.fit(x, y)
    assert float(LogisticRegression.fit(x, y, intercept=False).weight.detach()) < 0


def test_is_separable_by_a_small_margin():
    z = torch.cat([0.01 * LINE, torch.ones(6, 1)], dim=1)
    assert is_separable(z, torch.tensor([0, 0, 0, 1, 1, 1]), 2)
    assert not is_separable(z, torch.tensor([0, 0, 1, 0, 0, 1]), 2)


def test_is_separable_by_random_planes():
    generator = torch.Generator().manual_seed(0)
    for d in (1, 2, 5):
        z = torch.cat([torch.randn(40, d, generator=generator), torch.ones(40, 1)], dim=1).double()
        score = z @ torch.randn(d + 1, generator=generator).double()
        y = (score > score.median()).long()
        assert is_separable(z, y, 2)
        y[score.argsort()[[5, 35]]] = torch.tensor([1, 0])
        assert not is_separable(z, y, 2)


def test_a_middle_class_can_make_the_maximum_exist():
    # 0 and 1 are apart, but 2 overlaps with both: all three must have the same weights.
    z = torch.tensor([0.0, 1, 2, 8, 9, 10, 1.5, 0.5, 9.5, 8.5]).double()
    y = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 2, 2])
    assert not is_separable(torch.stack([z, torch.ones(10)], dim=1), y, 3)
    assert MultinomialLogisticRegression.fit(z[:, None], y).weight.shape == (3, 1)
    # Without the overlap on one side, that side separates.
    y = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 1, 1])
    assert is_separable(torch.stack([z, torch.ones(10)], dim=1), y, 3)


def test_a_failed_linear_programme_is_reported(monkeypatch, two):
    class Failed:
        x = None
        message = "time limit"

    monkeypatch.setattr(scipy.optimize, "linprog", lambda *args, **options: Failed)
    with pytest.raises(
        RuntimeError, match=r"^the linear programme for separability failed: time limit$"
    ):
        LogisticRegression.fit(*two)


# --- binary: errors


def test_dependent_columns_are_refused(two):
    x, y = two
    with pytest.raises(
        ValueError,
        match=r"^x: constant in column 4, like the bias: the weights are not unique; drop the "
        r"column or use l2 > 0$",
    ):
        LogisticRegression.fit(torch.cat([x, torch.full((100, 1), 0.1)], dim=1), y)
    for dtype in (torch.float32, torch.float64):
        with pytest.raises(
            ValueError,
            match=r"^x: rank 5 of 6 columns with the bias: columns are linearly dependent and the "
            r"weights are not unique; drop columns or use l2 > 0$",
        ):
            LogisticRegression.fit(torch.cat([x, x[:, :1] + x[:, 1:2]], dim=1).to(dtype), y)
        with pytest.raises(ValueError, match=r"^x: rank 4 of 5 columns: columns are linearly"):
            LogisticRegression.fit(
                torch.cat([x, x[:, :1] + x[:, 1:2]], dim=1).to(dtype), y, intercept=False
            )
    # Without a bias one constant column is welcome: it is the bias.
    ones = torch.cat([x, torch.ones(100, 1)], dim=1)
    found = LogisticRegression.fit(ones, y, intercept=False).weight[4]
    torch.testing.assert_close(found, LogisticRegression.fit(x, y).bias)


def test_binary_fit_errors(two):
    x, y = two
    alone = (
        r"^y: no example of class {}: the maximum-likelihood estimate does not exist, its bias "
        r"would go to minus infinity; add examples or relabel the classes$"
    )
    for label in (0, 1):
        with pytest.raises(ValueError, match=alone.format(1 - label)):
            LogisticRegression.fit(x, torch.full((100,), label), l2=1.0)
    # Without a bias, one class has a maximum as soon as the weights are penalised.
    LogisticRegression.fit(x, torch.ones(100).long(), l2=1.0, intercept=False)
    with pytest.raises(ValueError, match=r"^y: expected labels 0 to 1, got values from 0 to 2$"):
        LogisticRegression.fit(x, 2 * y)
    with pytest.raises(ValueError, match=r"^y: expected 100 labels, one an example, got 99$"):
        LogisticRegression.fit(x, y[1:])
    with pytest.raises(ValueError, match=r"^y: expected integers"):
        LogisticRegression.fit(x, y.double())
    with pytest.raises(ValueError, match=r"^x: 1 of 400 values are NaN"):
        bad = x.clone()
        bad[0, 0] = math.nan
        LogisticRegression.fit(bad, y)
    with pytest.raises(ValueError, match=r"^x: expected 2 dimensions"):
        LogisticRegression.fit(x[:, 0], y)
    with pytest.raises(ValueError, match=r"^x: expected a floating-point tensor"):
        LogisticRegression.fit(x.long(), y)
    with pytest.raises(ValueError, match=r"^x: expected at least one element"):
        LogisticRegression.fit(x[:0], y[:0])
    with pytest.raises(ValueError, match=r"^l2: expected a finite number of at least 0, got -1"):
        LogisticRegression.fit(x, y, l2=-1)
    with pytest.raises(ValueError, match=r"^y: no example of class 1"):
        LogisticRegression.fit(x[:1], y[:1])


def test_binary_errors():
    with pytest.raises(ValueError, match=r"^weight: expected shape \(d,\), got \(1, 2\)"):
        LogisticRegression(torch.zeros(1, 2), torch.tensor(0.0))
    with pytest.raises(ValueError, match=r"^weight: expected a floating-point tensor"):
        LogisticRegression(torch.zeros(2).long(), torch.tensor(0.0))
    with pytest.raises(ValueError, match=r"^bias: expected shape \(\), got \(1,\)"):
        LogisticRegression(torch.zeros(2), torch.zeros(1))
    with pytest.raises(ValueError, match=r"^bias: expected a floating-point tensor"):
        LogisticRegression(torch.zeros(2), torch.tensor(0))
    with pytest.raises(ValueError, match=r"^bias: expected torch.float32 like the model"):
        LogisticRegression(torch.zeros(2), torch.tensor(0.0).double())
    model = LogisticRegression(torch.zeros(2), torch.tensor(0.0))
    for call in (model.probs, model.logit, model.sample):
        with pytest.raises(ValueError, match=r"^x: expected shape \(B, 2\), got \(4, 3\)"):
            call(torch.zeros(4, 3))
    with pytest.raises(ValueError, match=r"^y: expected labels 0 to 1, got values from 0 to 2$"):
        model.log_prob(torch.tensor([0, 2]), torch.zeros(2, 2))
    with pytest.raises(ValueError, match=r"^y: expected 2, one for each x, got 3$"):
        model.log_prob(torch.tensor([0, 1, 1]), torch.zeros(2, 2))


# --- multinomial


def test_multinomial_probabilities():
    weight, bias = torch.tensor([[1.0], [0.0], [-1.0]]), torch.tensor([0.0, 1.0, 0.0])
    model = MultinomialLogisticRegression(weight, bias)
    x = torch.tensor([[2.0], [0.0]])
    logits = torch.tensor([[2.0, 1.0, -2.0], [0.0, 1.0, 0.0]])
    torch.testing.assert_close(model.logits(x), logits)
    torch.testing.assert_close(model.probs(x), logits.softmax(dim=1))
    y = torch.tensor([2, 1])
    torch.testing.assert_close(model.log_prob(y, x), logits.log_softmax(dim=1)[torch.arange(2), y])
    assert model.event_shape == torch.Size(())


def test_multinomial_extreme_logits():
    model = MultinomialLogisticRegression(torch.tensor([[1.0], [0.0]]), torch.zeros(2))
    x = torch.tensor([[1e4], [-1e30]])
    assert model.log_prob(torch.tensor([1, 0]), x).tolist() == [-1e4, pytest.approx(-1e30)]
    assert model.log_prob(torch.tensor([0, 1]), x).tolist() == [0.0, 0.0]


def test_two_classes_are_the_binary_model(two):
    x, y = two
    binary = LogisticRegression.fit(x, y)
    both = MultinomialLogisticRegression.fit(x, y)
    torch.testing.assert_close(both.weight[1] - both.weight[0], binary.weight)
    torch.testing.assert_close(both.bias[1] - both.bias[0], binary.bias)
    torch.testing.assert_close(both.probs(x)[:, 1], binary.probs(x))
    torch.testing.assert_close(both.log_prob(y, x), binary.log_prob(y, x))


@pytest.mark.parametrize("l2", [0.0, 0.5])
def test_multinomial_fit_equals_scikit_learn(three, l2):
    x, y = three
    ours = MultinomialLogisticRegression.fit(x, y, l2=l2)
    theirs = sklearn_fit(x, y, l2)
    np.testing.assert_allclose(
        ours.probs(x).detach(), theirs.predict_proba(x), rtol=1e-6, atol=1e-8
    )
    np.testing.assert_allclose(ours.weight.detach(), theirs.coef_, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(
        ours.bias.detach(), theirs.intercept_ - theirs.intercept_.mean(), rtol=1e-5, atol=1e-7
    )


def test_multinomial_fit_is_centred_and_stationary(iris):
    x, y = iris
    model = MultinomialLogisticRegression.fit(x, y, l2=0.1)
    assert float(model.weight.detach().sum(dim=0).abs().max()) < 1e-10
    assert float(model.bias.detach().sum().abs()) < 1e-10
    residual = torch.nn.functional.one_hot(y) - model.probs(x).detach()
    assert float((residual.T @ x - 0.1 * model.weight.detach()).abs().max()) < 1e-8


def test_multinomial_float32_fit(three):
    x, y = three
    model = MultinomialLogisticRegression.fit(x.float(), y)
    assert model.weight.dtype == model.bias.dtype == torch.float32


def test_multinomial_sample_inverts_the_cdf():
    weight = torch.tensor([[1.0], [0.0], [-1.0]])
    model = MultinomialLogisticRegression(weight, torch.zeros(3))
    x = torch.linspace(-2, 2, 50)[:, None]
    found = model.sample(x, torch.Generator().manual_seed(3))
    u = torch.rand(50, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    cumulative = model.probs(x).double().cumsum(dim=1)
    expected = [
        int(torch.searchsorted(c, v, right=True)) for c, v in zip(cumulative, u, strict=True)
    ]
    assert found.dtype == torch.int64
    assert found.tolist() == expected


def test_multinomial_fit_errors(three):
    x, y = three
    with pytest.raises(ValueError, match=r"^y: no example of class 3: the maximum-likelihood"):
        MultinomialLogisticRegression.fit(x, y, num_classes=4, l2=1.0)
    with pytest.raises(ValueError, match=r"^y: no example of class 1: the maximum-likelihood"):
        MultinomialLogisticRegression.fit(x, torch.zeros(120).long(), l2=1.0)
    with pytest.raises(ValueError, match=r"^y: expected labels 0 to 1, got values from 0 to 2$"):
        MultinomialLogisticRegression.fit(x, y, num_classes=2)
    with pytest.raises(ValueError, match=r"^y: expected labels 0 to 1, got values from -1 to 1$"):
        MultinomialLogisticRegression.fit(x, y - 1)
    with pytest.raises(ValueError, match=r"^num_classes: expected at least 1, got 0$"):
        MultinomialLogisticRegression.fit(x, y, num_classes=0)
    with pytest.raises(ValueError, match=r"^y: expected 120 labels, one an example, got 119$"):
        MultinomialLogisticRegression.fit(x, y[1:])
    with pytest.raises(ValueError, match=r"^y: expected integers"):
        MultinomialLogisticRegression.fit(x, y.double())
    with pytest.raises(ValueError, match=r"^y: expected 1 dimension"):
        MultinomialLogisticRegression.fit(x, y[:, None])
    with pytest.raises(ValueError, match=r"^x: expected 2 dimensions"):
        MultinomialLogisticRegression.fit(x[:, 0], y)
    with pytest.raises(ValueError, match=r"^x: expected a floating-point tensor"):
        MultinomialLogisticRegression.fit(x.long(), y)
    with pytest.raises(ValueError, match=r"^x: 240 of 240 values are NaN"):
        MultinomialLogisticRegression.fit(x * math.nan, y)
    with pytest.raises(ValueError, match=r"^l2: expected a finite number of at least 0, got -1"):
        MultinomialLogisticRegression.fit(x, y, l2=-1)
    with pytest.raises(ValueError, match=r"^x: constant in column 2, like the bias"):
        MultinomialLogisticRegression.fit(torch.cat([x, torch.ones(120, 1)], dim=1), y)
    with pytest.raises(ValueError, match=r"^x: rank 3 of 4 columns with the bias"):
        MultinomialLogisticRegression.fit(torch.cat([x, x[:, :1] - x[:, 1:]], dim=1), y)


def test_multinomial_errors():
    with pytest.raises(ValueError, match=r"^weight: expected shape \(K, d\), got \(3,\)"):
        MultinomialLogisticRegression(torch.zeros(3), torch.zeros(3))
    with pytest.raises(ValueError, match=r"^weight: expected a floating-point tensor"):
        MultinomialLogisticRegression(torch.zeros(3, 2).long(), torch.zeros(3))
    with pytest.raises(ValueError, match=r"^bias: expected shape \(3,\), got \(2,\)"):
        MultinomialLogisticRegression(torch.zeros(3, 2), torch.zeros(2))
    with pytest.raises(ValueError, match=r"^bias: expected a floating-point tensor"):
        MultinomialLogisticRegression(torch.zeros(3, 2), torch.zeros(3).long())
    with pytest.raises(ValueError, match=r"^bias: expected torch.float32 like the model"):
        MultinomialLogisticRegression(torch.zeros(3, 2), torch.zeros(3).double())
    model = MultinomialLogisticRegression(torch.zeros(3, 2), torch.zeros(3))
    for call in (model.probs, model.logits, model.sample):
        with pytest.raises(ValueError, match=r"^x: expected shape \(B, 2\), got \(4, 3\)"):
            call(torch.zeros(4, 3))
    with pytest.raises(ValueError, match=r"^y: expected labels 0 to 2, got values from 0 to 3$"):
        model.log_prob(torch.tensor([0, 3]), torch.zeros(2, 2))
    with pytest.raises(ValueError, match=r"^y: expected 2, one for each x, got 3$"):
        model.log_prob(torch.tensor([0, 1, 1]), torch.zeros(2, 2))


# --- Newton's method


def quadratic(scale):
    hessian = torch.diag(torch.tensor(scale).double())
    target = torch.arange(1.0, 1.0 + len(scale)).double()

    def objective(t):
        return 0.5 * (t - target) @ hessian @ (t - target)

    return objective, lambda t: (hessian @ (t - target), hessian), target


def test_newton_solves_a_quadratic_in_one_step():
    objective, derivatives, target = quadratic([1.0, 1e6])
    calls = []

    def counted(t):
        calls.append(t)
        return derivatives(t)

    torch.testing.assert_close(newton(objective, counted, torch.zeros(2).double()), target)
    assert len(calls) == 2


def test_newton_shortens_steps_that_overshoot():
    # Pure Newton diverges on log cosh from |t| > 1.09.
    def objective(t):
        return torch.log(torch.cosh(t)).sum()

    def derivatives(t):
        return torch.tanh(t), torch.diag(1 / torch.cosh(t) ** 2)

    found = newton(objective, derivatives, torch.tensor([3.0]).double())
    assert abs(float(found)) < 1e-10


def test_newton_never_goes_up():
    # From 1.15 the pure Newton step leads to -1.32, a little higher, and from there away.
    values = []

    def derivatives(t):
        values.append(float(torch.log(torch.cosh(t))))
        return torch.tanh(t), torch.diag(1 / torch.cosh(t) ** 2)

    start = torch.tensor([1.15]).double()
    newton(lambda t: torch.log(torch.cosh(t)).sum(), derivatives, start)
    assert all(b < a for a, b in pairwise(values[:-1]))
    assert len(values) < 10


def test_newton_says_that_it_did_not_converge():
    # The exponential falls for ever.
    with pytest.raises(
        RuntimeError,
        match=r"^Newton's method did not converge in 3 steps: gradient .*, wanted 1e-10; "
        r"standardise x or raise l2$",
    ):
        newton(
            lambda t: torch.exp(-t).sum(),
            lambda t: (-torch.exp(-t), torch.diag(torch.exp(-t))),
            torch.zeros(1).double(),
            n_iter=3,
        )
