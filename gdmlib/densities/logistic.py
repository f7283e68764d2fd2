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

from typing import TYPE_CHECKING

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import logsigmoid, one_hot, softplus

from gdmlib._checks import (
    check_count,
    check_dtype,
    check_events,
    check_labels,
    check_not_negative,
    check_tensor,
)
from gdmlib._random import uniform
from gdmlib.training.exact import newton

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


class LogisticRegression(nn.Module):
    """The probability of a label y in {0, 1} given x in d dimensions.

    Args:
        weight: Shape (d,).
        bias: Shape ().

    Raises:
        ValueError: If shapes or dtypes do not agree, or a value is not finite.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        check_tensor(weight, "weight", ndim=1, floating=True)
        check_tensor(bias, "bias", shape=(), floating=True)
        check_dtype(bias, "bias", weight)
        self.event_shape = torch.Size(())
        self.weight = nn.Parameter(weight.detach().clone())
        self.bias = nn.Parameter(bias.detach().clone())

    @classmethod
    def fit(
        cls, x: Tensor, y: Tensor, l2: float = 0.0, intercept: bool = True
    ) -> LogisticRegression:
        """Fit by maximum likelihood, or with a penalty, to a gradient of at most 1e-8.

        Args:
            x: Inputs, shape (N, d).
            y: Labels, 0 or 1, shape (N,).
            l2: Adds ½·l2·‖weight‖² to the negative log-likelihood, summed over the examples. The
                bias is not penalised. (scikit-learn's C is 1 / l2.)
            intercept: Whether to fit the bias; otherwise it is 0.

        Raises:
            ValueError: If x holds NaN or the labels are not 0 and 1; if there is no unique maximum:
                the classes are separable, only one of them occurs, or columns are constant or
                linearly dependent, and l2 is 0.
        """
        check_tensor(x, "x", ndim=2, floating=True)
        check_labels(y, "y", num_classes=2, length=len(x))
        check_not_negative(l2, "l2")
        if intercept:
            _check_all_classes(y, 2)
        z, shift, scale = _standardise(x.double(), intercept)
        sign = 2 * y.double() - 1
        if l2 == 0:
            _check_rank(z, scale, x, intercept)
            _check_overlap(z, y, 2)
        # The penalty speaks of the weights of x, which are those of z divided by the scale.
        penalty = _penalty(l2, scale, intercept)

        def objective(theta: Tensor) -> Tensor:
            return softplus(-sign * (z @ theta)).sum() + 0.5 * (penalty * theta**2).sum()

        def derivatives(theta: Tensor) -> tuple[Tensor, Tensor]:
            a = z @ theta
            gradient = z.T @ (-sign * torch.sigmoid(-sign * a)) + penalty * theta
            curvature = torch.sigmoid(a) * torch.sigmoid(-a)
            return gradient, (z.T * curvature) @ z + penalty.diag()

        theta = newton(objective, derivatives, torch.zeros(z.shape[1]).to(z))
        weight, bias = _unstandardise(theta[None], shift, scale, intercept)
        return cls(weight[0].to(x.dtype), bias[0].to(x.dtype))

    def extra_repr(self) -> str:
        """Return what the printed model says of itself."""
        return f"inputs={len(self.weight)}"

    def logit(self, x: Tensor) -> Tensor:
        """Return the log-odds of y = 1, shape (B, d) -> (B,)."""
        check_events(x, "x", self.weight.shape, self.weight)
        return x @ self.weight + self.bias

    def probs(self, x: Tensor) -> Tensor:
        """Return p(y = 1 | x), shape (B, d) -> (B,)."""
        return torch.sigmoid(self.logit(x))

    def log_prob(self, y: Tensor, x: Tensor) -> Tensor:
        """Return log p(y | x), shapes (B,) and (B, d) -> (B,), in nats."""
        logit = self.logit(x)
        check_labels(y, "y", num_classes=2, length=len(x))
        return logsigmoid((2 * y.to(logit.dtype) - 1) * logit)

    def sample(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """Draw a label for each x, shape (B, d) -> (B,) int64: 1 where a uniform u < p."""
        probs = self.probs(x)
        return (uniform((len(x),), probs, generator) < probs).long()


class MultinomialLogisticRegression(nn.Module):
    """The probability of a label y in {0, ..., K - 1} given x in d dimensions.

    Args:
        weight: Shape (K, d).
        bias: Shape (K,).

    Raises:
        ValueError: If shapes or dtypes do not agree, or a value is not finite.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        check_tensor(weight, "weight", ndim=2, floating=True)
        check_tensor(bias, "bias", shape=(len(weight),), floating=True)
        check_dtype(bias, "bias", weight)
        self.event_shape = torch.Size(())
        self.weight = nn.Parameter(weight.detach().clone())
        self.bias = nn.Parameter(bias.detach().clone())

    @classmethod
    def fit(
        cls, x: Tensor, y: Tensor, num_classes: int | None = None, l2: float = 0.0
    ) -> MultinomialLogisticRegression:
        """Fit by maximum likelihood, or with a penalty, to a gradient of at most 1e-8.

        A constant added to all classes' weights changes no probability; the fit is the one whose
        weights and biases sum to zero over the classes. The Hessian has (K (d + 1))² entries, so
        this is for up to a few thousand weights.

        Args:
            x: Inputs, shape (N, d).
            y: Labels, 0 to K - 1, shape (N,).
            num_classes: The number K of classes; by default the largest label plus 1.
            l2: Adds ½·l2·‖weight‖² to the negative log-likelihood, summed over the examples. The
                biases are not penalised. (scikit-learn's C is 1 / l2.)

        Raises:
            ValueError: If x holds NaN or a label is out of range; if there is no unique maximum: a
                class has no example, or, with l2 = 0, a class can be separated from others, or
                columns are constant or linearly dependent.
        """
        check_tensor(x, "x", ndim=2, floating=True)
        check_tensor(y, "y", ndim=1, integer=True)
        k = max(int(y.max()) + 1, 2) if num_classes is None else num_classes
        check_count(k, "num_classes")
        check_labels(y, "y", num_classes=k, length=len(x))
        check_not_negative(l2, "l2")
        _check_all_classes(y, k)
        z, shift, scale = _standardise(x.double(), True)
        if l2 == 0:
            _check_rank(z, scale, x, True)
            _check_overlap(z, y, k)
        penalty = _penalty(l2, scale, True).repeat(k)
        target = one_hot(y.long(), k).double()
        n, p = z.shape
        # The likelihood is flat along "the same for all classes". The gradient has no part along
        # it, so that curvature added there changes no step, but makes the Hessian invertible.
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

        theta = newton(objective, derivatives, torch.zeros(k * p).to(z))
        weight, bias = _unstandardise(theta.view(k, p), shift, scale, True)
        return cls(weight.to(x.dtype), bias.to(x.dtype))

    def extra_repr(self) -> str:
        """Return what the printed model says of itself."""
        return f"inputs={self.weight.shape[1]}, classes={len(self.bias)}"

    def logits(self, x: Tensor) -> Tensor:
        """Return a logit a class, shape (B, d) -> (B, K)."""
        check_events(x, "x", self.weight.shape[1:], self.weight)
        return x @ self.weight.T + self.bias

    def probs(self, x: Tensor) -> Tensor:
        """Return p(y = k | x), shape (B, d) -> (B, K)."""
        return torch.softmax(self.logits(x), dim=1)

    def log_prob(self, y: Tensor, x: Tensor) -> Tensor:
        """Return log p(y | x), shapes (B,) and (B, d) -> (B,), in nats."""
        log_probs = torch.log_softmax(self.logits(x), dim=1)
        check_labels(y, "y", num_classes=len(self.bias), length=len(x))
        return log_probs.gather(1, y.long()[:, None])[:, 0]

    def sample(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """Draw a label for each x, shape (B, d) -> (B,) int64, by the inverse of the cdf."""
        cumulative = torch.softmax(self.logits(x).double(), dim=1).cumsum(dim=1)
        u = uniform((len(x),), cumulative, generator)
        # The last sum may fall short of 1 by rounding, so it is not asked.
        return (cumulative[:, :-1] <= u[:, None]).sum(dim=1)


def is_separable(z: Tensor, y: Tensor, num_classes: int) -> bool:
    r"""Say whether weights exist that separate the classes, completely or in part.

    They are separable if there are weights :math:`W` with
    :math:`(W_{y_i} - W_k)^\top z_i \ge 0` for all examples i and classes k, and more than 0 for
    at least one. Going along such W the likelihood never falls and has no maximum (Albert and
    Anderson 1984). The linear programme looks for the W in a box with the largest sum of those
    margins (Konis 2007); the sum is 0 if the classes overlap.

    Args:
        z: Inputs, with a column of ones for the bias, of about unit size; shape (N, p), float64.
        y: Labels, shape (N,).
        num_classes: The number K of classes.
    """
    from scipy.optimize import linprog

    margins = _margins(z, y, num_classes)
    found = linprog(
        -margins.sum(axis=0),
        A_ub=-margins,
        b_ub=torch.zeros(margins.shape[0]).numpy(),
        bounds=(-1, 1),
    )
    if found.x is None:
        raise RuntimeError(f"the linear programme for separability failed: {found.message}")
    # Judge the weights themselves: the solver's own tolerance is too wide for nearly touching data.
    reached = margins @ found.x
    return bool(reached.max() > 1e-6 and reached.min() > -1e-9)


def _margins(z: Tensor, y: Tensor, num_classes: int) -> csr_matrix:
    """Return the matrix whose product with the weights, (K p,), is the N (K - 1) margins.

    The row of example i and another class k is z_i in the columns of its own class and -z_i in
    those of class k, and zero elsewhere, so that the matrix is stored as a sparse one.
    """
    from scipy.sparse import csr_matrix

    p = z.shape[1]
    values, columns = [], []
    for k in range(num_classes):
        own, inputs = y[y != k].long(), z[y != k]
        classes = torch.stack([own, torch.full_like(own, k)], dim=1)
        columns.append(p * classes[:, :, None] + torch.arange(p, device=z.device))
        values.append(torch.stack([inputs, -inputs], dim=1))
    value, column = torch.cat(values).cpu(), torch.cat(columns).cpu()
    starts = torch.arange(len(value) + 1) * 2 * p
    shape = (len(value), num_classes * p)
    return csr_matrix((value.flatten().numpy(), column.flatten().numpy(), starts.numpy()), shape)


def _check_overlap(z: Tensor, y: Tensor, num_classes: int) -> None:
    """Refuse separable data."""
    if is_separable(z, y, num_classes):
        raise ValueError(
            "the maximum-likelihood estimate does not exist: a plane separates the classes, "
            "completely or but for points on it, and the likelihood grows without end as the "
            "weights grow; use l2 > 0"
        )


def _check_all_classes(y: Tensor, num_classes: int) -> None:
    """Refuse labels that leave a class out."""
    missing = (torch.bincount(y.long(), minlength=num_classes) == 0).nonzero().flatten().tolist()
    if missing:
        raise ValueError(
            f"y: no example of class {missing[0]}: the maximum-likelihood estimate does not exist, "
            "its bias would go to minus infinity; add examples or relabel the classes"
        )


def _check_rank(z: Tensor, scale: Tensor, x: Tensor, intercept: bool) -> None:
    """Refuse inputs with constant or linearly dependent columns, whose weights are not unique."""
    constant = (x.min(dim=0).values == x.max(dim=0).values).nonzero().flatten().tolist()
    if constant and intercept:
        raise ValueError(
            f"x: constant in column {constant[0]}, like the bias: the weights are not unique; "
            "drop the column or use l2 > 0"
        )
    # The columns are known up to the rounding of x: what is thinner than that is no direction.
    rounding = torch.finfo(x.dtype).eps * float((x.abs().amax(dim=0) / scale).max())
    tolerance = max(10 * rounding, max(z.shape) * torch.finfo(z.dtype).eps)
    rank = int(torch.linalg.matrix_rank(z, rtol=tolerance))
    if rank < z.shape[1]:
        raise ValueError(
            f"x: rank {rank} of {z.shape[1]} columns{' with the bias' * intercept}: columns are "
            "linearly dependent and the weights are not unique; drop columns or use l2 > 0"
        )


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


def _unstandardise(
    theta: Tensor, shift: Tensor, scale: Tensor, intercept: bool
) -> tuple[Tensor, Tensor]:
    """Return weights (K, d) and biases (K,) for x from those for z, (K, d + 1) or (K, d)."""
    weight = theta[:, : len(scale)] / scale
    bias = theta[:, -1] - weight @ shift if intercept else torch.zeros_like(theta[:, 0])
    return weight, bias


def _penalty(l2: float, scale: Tensor, intercept: bool) -> Tensor:
    """Return the penalty of each weight of z; that of the bias is 0."""
    penalty = l2 / scale**2
    return torch.cat([penalty, torch.zeros_like(penalty[:1])]) if intercept else penalty
