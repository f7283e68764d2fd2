r"""A mixture of Gaussians for the patches of photographs, of any brightness.

A patch is a mean brightness and a pattern. The pattern is one of K kinds (flat ground, an edge of
some direction, a texture), each a Gaussian with mean zero, fitted by EM; any brightness is about as
good as any other, so the mean gets one wide Gaussian of its own (Zoran and Weiss 2011, "From
learning models of natural image patches to whole image restoration", section 5). Both together
are again a mixture of Gaussians, of whole patches,

.. math:: p(x) = \sum_k w_k\, \mathcal N\bigl(x \mid \tfrac12 \mathbf 1,\
    \Sigma_k + \tau^2 \mathbf 1 \mathbf 1^\top\bigr),

so that all closed forms of mixtures hold for it: its samples, its gradient, and what noise or a
linear measurement makes of it.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from gdmlib._checks import check_count, check_not_negative, check_tensor
from gdmlib._random import permutation
from gdmlib.densities.mixture import GaussianMixture

_AT_ONCE = 2000  # patches whose products with all components are held in memory


def fit_patch_mixture(
    x: Tensor,
    *,
    components: int,
    n_iter: int = 30,
    brightness: float = 0.3,
    ridge: float = 1e-6,
    generator: Generator | None = None,
) -> GaussianMixture:
    """Fit the patterns by EM, patches in pieces, so that a million of them need little memory.

    Args:
        x: Patches with values around [0, 1], shape (N, d), more than components.
        components: The number K of kinds of pattern.
        n_iter: Steps of EM.
        brightness: The standard deviation τ of the mean brightness.
        ridge: Added to the diagonal of each covariance.
        generator: Chooses the patches that each kind starts from.

    Returns:
        The mixture, of the dtype of x; its ``history`` holds the mean negative log-likelihood of
        the patterns (without their brightness), in nats, before each step.
    """
    # Layouts are rounded differently, and in EM that grows.
    x = check_tensor(x, "x", ndim=2, floating=True).detach().contiguous()
    k, n_iter = check_count(components, "components"), check_count(n_iter, "n_iter")
    check_not_negative(ridge, "ridge")
    check_not_negative(brightness, "brightness")
    n, d = x.shape
    if d < 2 or n <= k:
        raise ValueError(
            f"x: expected more than {k} patches of at least 2 pixels for {k} components, got "
            f"shape {tuple(x.shape)}"
        )
    pattern = x - x.mean(dim=1, keepdim=True)
    weights, covariances = _start(pattern, k, ridge, generator)
    history = []
    for _ in range(n_iter):
        nats, weights, covariances = _em_step(pattern, weights, covariances, ridge)
        history.append(nats)
    bright = brightness**2 * torch.ones(d, d, dtype=torch.float64)
    means = torch.full((k, d), 0.5, dtype=torch.float64)
    model = GaussianMixture(weights.cpu(), means, covariances.cpu() + bright).to(x)
    model.history = history
    return model


def _start(x: Tensor, k: int, ridge: float, generator: Generator | None) -> tuple[Tensor, Tensor]:
    """Return equal weights, and for each kind the covariance of a few patches at random."""
    some = max(2 * x.shape[1], 16)
    total = _covariance(x.double(), ridge)
    found = []
    for _ in range(k):
        rows = permutation(len(x), generator)[:some].to(x.device)
        found.append(0.5 * _covariance(x[rows].double(), ridge) + 0.5 * total / k)
    return torch.full((k,), 1 / k).to(total), torch.stack(found)


def _covariance(x: Tensor, ridge: float) -> Tensor:
    return x.T @ x / len(x) + ridge * torch.eye(x.shape[1]).to(x)


def _em_step(
    x: Tensor, weights: Tensor, covariances: Tensor, ridge: float
) -> tuple[float, Tensor, Tensor]:
    """Return the mean negative log-likelihood before the step, and weights and covariances."""
    k, d = covariances.shape[:2]
    current = GaussianMixture(weights, weights.new_zeros(k, d), covariances).to(x)
    count, square, nats = torch.zeros_like(weights), torch.zeros_like(covariances), 0.0
    for part in x.split(_AT_ONCE):
        joint = current.log_joint(part)
        log_prob = joint.logsumexp(dim=1, keepdim=True)
        nats -= float(log_prob.double().sum())
        share = (joint - log_prob).exp().T  # (K, n)
        count += share.double().sum(dim=1)
        for total, mine in zip(square, share, strict=True):
            total += (part.T * mine) @ part
    count = count.clamp(min=1e-3)  # a kind that has lost all patches keeps only its ridge
    square = (square + square.mT) / 2  # which rounding made a little lopsided
    covariances = square / count[:, None, None] + ridge * torch.eye(d).to(square)
    return nats / len(x), count / count.sum(), covariances
