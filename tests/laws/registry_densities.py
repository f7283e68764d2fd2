"""The cases of ``gdmlib.densities``."""

from __future__ import annotations

import torch

from gdmlib.densities import (
    Categorical,
    ClassConditional,
    GaussianMixture,
    LogisticRegression,
    MultinomialLogisticRegression,
    MultivariateNormal,
    Normal,
)

from .builders import tensor
from .domains import box, finite, interval
from .laws import Case


def normal(mean: float, std: float) -> Normal:
    return Normal(tensor(mean)[0], tensor(std)[0])


def plane(shift: float = 0.0) -> MultivariateNormal:
    return MultivariateNormal(tensor(0.5 + shift, -1), tensor([2, -0.9], [-0.9, 0.7 + shift]))


def space(shift: float = 0.0) -> MultivariateNormal:
    covariance = tensor([1, 0.5, 0.2], [0.5, 2, -0.3], [0.2, -0.3, 0.5 + shift])
    return MultivariateNormal(tensor(0, 1 + shift, -0.5), covariance)


def mixture(shift: float = 0.0) -> GaussianMixture:
    return GaussianMixture(
        tensor(0.2 + shift, 0.8 - shift),
        tensor([-2, 0], [1.5, 1 + shift]),
        tensor([[0.5, 0.2], [0.2, 0.6]], [[1, -0.4], [-0.4, 0.5 + shift]]),
    )


def mixture_on_a_line(shift: float = 0.0) -> GaussianMixture:
    weights = tensor(0.3, 0.3 - shift, 0.4 + shift)
    return GaussianMixture(weights, tensor([-3], [0], [2]), tensor([[0.3]], [[1]], [[0.2]]))


def two_planes(shift: float = 0.0) -> ClassConditional:
    return ClassConditional([plane(), plane(1 + shift)], tensor(0.3 + shift, 0.7 - shift))


def two_lines(shift: float = 0.0) -> ClassConditional:
    return ClassConditional([normal(-1, 0.5), normal(2, 1 + shift)], tensor(0.6, 0.4))


def two_dice(shift: float = 0.0) -> ClassConditional:
    fair = Categorical(tensor(0.25, 0.25, 0.25, 0.25))
    return ClassConditional([fair, die(shift)], tensor(0.6, 0.4))


def die(shift: float = 0.0) -> Categorical:
    return Categorical(tensor(0.1, 0.2 - shift, 0.4, 0.3 + shift))


def logistic(shift: float = 0.0) -> LogisticRegression:
    return LogisticRegression(tensor(1.5, -2), tensor(0.3 + shift)[0])


def multinomial(shift: float = 0.0) -> MultinomialLogisticRegression:
    return MultinomialLogisticRegression(
        tensor([1, -1], [0.5, 2], [-2, 0]), tensor(0, 0.3, -0.2 + shift)
    )


FOUR = finite(torch.arange(4))
INPUTS = tensor([0, 0], [0.4, -0.3], [-1, 0.5])

CASES = [
    Case("Normal", lambda: normal(0.5, 1.5), lambda: normal(1, 2), interval(-9, 10)),
    Case("MultivariateNormal 2-D", plane, lambda: plane(0.3), box([-8, -6.5], [9, 4.5])),
    Case(
        "MultivariateNormal 3-D",
        space,
        lambda: space(0.3),
        box([-6, -8, -5], [6, 10, 4], cells=10, order=5),
    ),
    Case(
        "MultivariateNormal, marginal",
        lambda: space().marginal([2, 0]),
        lambda: space(0.3).marginal([2, 0]),
        box([-5, -6], [4, 6]),
    ),
    Case(
        "MultivariateNormal, conditional",
        lambda: space().conditional([1], tensor(2.0)),
        lambda: space(0.3).conditional([1], tensor(1.0)),
        box([-6, -5], [6, 4]),
    ),
    Case("Categorical", die, lambda: die(0.1), FOUR),
    Case(
        "GaussianMixture 1-D",
        mixture_on_a_line,
        lambda: mixture_on_a_line(0.1),
        box([-8], [7], cells=60),
    ),
    Case("GaussianMixture 2-D", mixture, lambda: mixture(0.1), box([-7, -6], [8, 7], cells=30)),
    Case(
        "ClassConditional of Gaussians",
        two_planes,
        lambda: two_planes(0.1),
        box([-8, -9], [11, 8], cells=30),
    ),
    Case("ClassConditional on a line", two_lines, lambda: two_lines(0.5), interval(-6, 9)),
    Case("ClassConditional of dice", two_dice, lambda: two_dice(0.1), FOUR),
    Case(
        "LogisticRegression",
        logistic,
        lambda: logistic(1.0),
        finite(torch.arange(2)),
        inputs=INPUTS,
    ),
    Case(
        "MultinomialLogisticRegression",
        multinomial,
        lambda: multinomial(1.0),
        finite(torch.arange(3)),
        inputs=INPUTS,
    ),
]
