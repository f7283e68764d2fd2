r"""Logistic regression: a density of a label y given x.

Binary, with the logit :math:`a = w^\top x + b`:

.. math:: p(y=1 \mid x) = \sigma(a) = \frac{1}{1 + e^{-a}}, \qquad
          \log p(y \mid x) = -\ln\left(1 + e^{-(2y - 1) a}\right)

Multinomial, with a logit a class: :math:`p(y=k \mid x) = \operatorname{softmax}_k(W x + b)`.

The negative log-likelihood is convex, so Newton's method with a line search finds its minimum in a
few steps, to machine precision; for logistic regression it is also called iteratively reweighted
least squares. A minimum need not exist: if a plane separates the classes, steeper is always
likelier (Albert and Anderson 1984). A linear programme decides that before the search starts.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import logsigmoid, one_hot, softplus

from gdmlib._checks import (
    check_count,
    check_events,
    check_labels,
    check_not_negative,
    check_shapes,
    check_tensor,
)
from gdmlib._random import pick, uniform
from gdmlib.densities.density import ConditionalDensity, Labels
from gdmlib.densities.exact import newton
from gdmlib.densities.separability import check_all_classes, check_overlap, check_rank

Problem = tuple[Callable[[Tensor], Tensor], Callable[[Tensor], tuple[Tensor, Tensor]], int]
"""A loss, its gradient and Hessian, and how many rows of weights there are."""


class _Regression(ConditionalDensity):
    """What the two regressions share: weights, (d,) or (K, d), and biases, (), or (K,)."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.detach().clone())
        self.bias = nn.Parameter(bias.detach().clone())

    def _check_inputs(self, x: Tensor) -> Tensor:
        return check_events(x, "x", self.weight.shape[-1:], self.weight)


class LogisticRegression(_Regression):
    """The probability of a label y in {0, 1} given x in d dimensions.

    Args:
        weight: Shape (d,).
        bias: Shape ().
    """

    support = Labels(2)

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        check_shapes(weight=(weight, "d"), bias=(bias, ""))
        super().__init__(weight, bias)

    @classmethod
    def fit(
        cls, x: Tensor, y: Tensor, *, l2: float = 0.0, intercept: bool = True
    ) -> LogisticRegression:
        """Fit by maximum likelihood, or with a penalty, to a gradient of at most 1e-8.

        Args:
            x: Inputs, shape (N, d).
            y: Labels, 0 or 1, shape (N,).
            l2: Adds ½·l2·‖weight‖² to the negative log-likelihood, summed over the examples. The
                bias is not penalised. (scikit-learn's C is 1 / l2.)
            intercept: Whether to fit the bias; otherwise it is 0.

        Raises:
            ValueError: If there is no unique maximum: the classes are separable, only one of them
                occurs, or columns are constant or linearly dependent, and l2 is 0.
        """
        weight, bias = _fit(_binary, x, y, 2, l2, intercept)
        return cls(weight[0], bias[0])

    def extra_repr(self) -> str:
        """Return what the printed model says of itself."""
        return f"inputs={len(self.weight)}"

    def logit(self, x: Tensor) -> Tensor:
        """Return the log-odds of y = 1, shape (B, d) -> (B,)."""
        return self._check_inputs(x) @ self.weight + self.bias

    def probs(self, x: Tensor) -> Tensor:
        """Return p(y = 1 | x), shape (B, d) -> (B,)."""
        return torch.sigmoid(self.logit(x))

    def _log_prob(self, y: Tensor, x: Tensor) -> Tensor:
        logit = x @ self.weight + self.bias
        return logsigmoid((2 * y.to(logit.dtype) - 1) * logit)

    def _sample(self, x: Tensor, generator: Generator | None) -> Tensor:
        probs = torch.sigmoid(x @ self.weight + self.bias)
        return (uniform((len(x),), probs, generator) < probs).long()


class MultinomialLogisticRegression(_Regression):
    """The probability of a label y in {0, ..., K - 1} given x in d dimensions.

    Args:
        weight: Shape (K, d).
        bias: Shape (K,).
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        check_shapes(weight=(weight, "K d"), bias=(bias, "K"))
        super().__init__(weight, bias)
        self.support = Labels(len(weight))

    @classmethod
    def fit(
        cls, x: Tensor, y: Tensor, *, num_classes: int | None = None, l2: float = 0.0
    ) -> MultinomialLogisticRegression:
        """Fit as `LogisticRegression.fit` does, with ``num_classes`` or the largest label plus 1.

        A constant added to all classes' weights changes no probability; the fit is the one whose
        weights and biases sum to zero over the classes. The Hessian has (K (d + 1))² entries, so
        this is for up to a few thousand weights.

        Raises:
            ValueError: If there is no unique maximum: a class has no example, or, with l2 = 0, a
                class can be separated from others, or columns are constant or linearly dependent.
        """
        check_tensor(y, "y", ndim=1, integer=True)
        k = max(int(y.max()) + 1, 2) if num_classes is None else num_classes
        return cls(*_fit(_multinomial, x, y, check_count(k, "num_classes"), l2, True))

    def extra_repr(self) -> str:
        """Return what the printed model says of itself."""
        return f"inputs={self.weight.shape[1]}, classes={len(self.bias)}"

    def logits(self, x: Tensor) -> Tensor:
        """Return a logit a class, shape (B, d) -> (B, K)."""
        return self._check_inputs(x) @ self.weight.T + self.bias

    def probs(self, x: Tensor) -> Tensor:
        """Return p(y = k | x), shape (B, d) -> (B, K)."""
        return torch.softmax(self.logits(x), dim=1)

    def _log_prob(self, y: Tensor, x: Tensor) -> Tensor:
        log_probs = torch.log_softmax(x @ self.weight.T + self.bias, dim=1)
        return log_probs.gather(1, y[:, None])[:, 0]

    def _sample(self, x: Tensor, generator: Generator | None) -> Tensor:
        logits = x @ self.weight.T + self.bias
        return pick(logits, uniform((len(x),), logits, generator))


def _fit(
    problem: Callable[..., Problem], x: Tensor, y: Tensor, k: int, l2: float, intercept: bool
) -> tuple[Tensor, Tensor]:
    """Solve a problem on standardised inputs; return weights, (rows, d), and biases, (rows,)."""
    x = check_tensor(x, "x", ndim=2, floating=True).detach()
    y = check_labels(y, "y", num_classes=k, length=len(x))
    check_not_negative(l2, "l2")
    if intercept:
        check_all_classes(y, k)
    z, shift, scale = _standardise(x.double(), intercept)
    if l2 == 0:
        check_rank(z, scale, x, intercept)
        check_overlap(z, y, k)
    # The penalty speaks of the weights of x, which are those of z divided by the scale; that of the
    # bias is 0.
    penalty = l2 / scale**2
    if intercept:
        penalty = torch.cat([penalty, torch.zeros_like(penalty[:1])])
    objective, derivatives, rows = problem(z, y, k, penalty)
    start = torch.zeros(rows * z.shape[1]).to(z)
    theta = newton(objective, derivatives, start).view(rows, -1)
    weight = theta[:, : len(scale)] / scale
    bias = theta[:, -1] - weight @ shift if intercept else torch.zeros_like(theta[:, 0])
    return weight.to(x.dtype), bias.to(x.dtype)


def _binary(z: Tensor, y: Tensor, k: int, penalty: Tensor) -> Problem:
    """Return the problem of inputs, (N, p), labels, and the penalty of each weight, (p,)."""
    sign = 2 * y.double() - 1

    def objective(theta: Tensor) -> Tensor:
        return softplus(-sign * (z @ theta)).sum() + 0.5 * (penalty * theta**2).sum()

    def derivatives(theta: Tensor) -> tuple[Tensor, Tensor]:
        a = z @ theta
        gradient = z.T @ (-sign * torch.sigmoid(-sign * a)) + penalty * theta
        curvature = torch.sigmoid(a) * torch.sigmoid(-a)
        return gradient, (z.T * curvature) @ z + penalty.diag()

    return objective, derivatives, 1


def _multinomial(z: Tensor, y: Tensor, k: int, penalty: Tensor) -> Problem:
    penalty, target = penalty.repeat(k), one_hot(y, k).double()
    n, p = z.shape
    # The likelihood is flat along "the same for all classes". The gradient has no part along it, so
    # that curvature added there changes no step, but makes the Hessian invertible.
    flat = torch.kron(torch.ones(k, k), torch.eye(p)).to(z)

    def objective(theta: Tensor) -> Tensor:
        log_p = torch.log_softmax(z @ theta.view(k, p).T, dim=1)
        return -(target * log_p).sum() + 0.5 * (penalty * theta**2).sum()

    def derivatives(theta: Tensor) -> tuple[Tensor, Tensor]:
        probs = torch.softmax(z @ theta.view(k, p).T, dim=1)
        gradient = ((probs - target).T @ z).flatten() + penalty * theta
        # Block (j, l) of the Hessian is Σ_i p_j (δ_jl - p_l) z_i z_iᵀ.
        each = (probs[:, :, None] * z[:, None, :]).reshape(n, k * p)
        blocks = torch.block_diag(*[(z.T * probs[:, j]) @ z for j in range(k)])
        return gradient, blocks - each.T @ each + penalty.diag() + flat

    return objective, derivatives, k


def _standardise(x: Tensor, intercept: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Return z = (x - shift) / scale, with a column of ones for the bias, shift and scale.

    Newton's method does not need it, but the tolerances are then free of units. Without a bias
    nothing may be shifted.
    """
    shift = x.mean(dim=0) if intercept else torch.zeros_like(x[0])
    scale = (x - shift).square().mean(dim=0).sqrt()
    # A constant column keeps its scale; what its mean leaves of it is rounding.
    rounding = 10 * torch.finfo(x.dtype).eps * x.abs().amax(dim=0)
    scale = torch.where(scale > rounding, scale, 1.0)
    z = (x - shift) / scale
    return (torch.cat([z, torch.ones_like(z[:, :1])], dim=1) if intercept else z), shift, scale
