r"""A mixture of Gaussians, fitted by expectation–maximisation.

.. math:: p(x) = \sum_k w_k\, \mathcal{N}(x \mid \mu_k, \Sigma_k)

If we knew which component each point came from, the fit would be K Gaussian fits. We do not, so EM
goes back and forth (Dempster, Laird and Rubin 1977): given the model, how probable is each
component for each point (E step); given those, K Gaussian fits with weighted points (M step). No
step makes the likelihood smaller.
"""

from __future__ import annotations

import warnings
from functools import partial

import torch
from torch import Generator, Tensor, nn

from gdmlib._checks import (
    check_count,
    check_not_negative,
    check_probabilities,
    check_shapes,
    check_tensor,
)
from gdmlib._random import draw, permutation, pick, standard_normal, uniform
from gdmlib.densities.cholesky import cholesky, solve_lower
from gdmlib.densities.density import Mixture
from gdmlib.densities.exact import em
from gdmlib.densities.gaussian import LOG_2PI


class GaussianMixture(Mixture):
    """A mixture of K Gaussians in d dimensions.

    Args:
        weights: The probability of each component, shape (K,).
        means: Shape (K, d).
        covariances: Shape (K, d, d), each symmetric and positive definite.

    Raises:
        ValueError: If a covariance is singular.
    """

    weights: Tensor
    means: Tensor
    scale_trils: Tensor

    def __init__(self, weights: Tensor, means: Tensor, covariances: Tensor) -> None:
        super().__init__()
        check_shapes(
            weights=(weights, "K"), means=(means, "K d"), covariances=(covariances, "K d d")
        )
        check_probabilities(weights, "weights")
        self.event_shape = means.shape[1:]
        self.register_buffer("weights", weights / weights.sum())
        self.register_buffer("means", means.clone())
        self.register_buffer("scale_trils", _factors(covariances))

    @classmethod
    def fit(
        cls,
        x: Tensor,
        *,
        components: int,
        n_iter: int = 200,
        tolerance: float = 1e-6,
        ridge: float = 1e-6,
        generator: Generator | None = None,
        init: str = "kmeans",
    ) -> GaussianMixture:
        """Fit by EM from one start; the result is a local maximum of the likelihood.

        Args:
            x: Points, shape (N, d), at least as many as components.
            components: The number K of components.
            n_iter: The most EM steps to take.
            tolerance: Stop when a step raises the mean log-likelihood by less than this, in nats.
            ridge: Added to the diagonal of each covariance, in squared units of x. It keeps a
                component from collapsing onto a point, where the likelihood is unbounded.
            generator: Chooses the start.
            init: "kmeans": the clusters that k-means finds. "random": K of the points as means, and
                the covariance of all points for each.

        Raises:
            ValueError: If a component collapses: its points no longer span all d dimensions.
        """
        x = check_tensor(x, "x", ndim=2, floating=True).detach()
        components = check_count(components, "components")
        check_not_negative(ridge, "ridge")
        if len(x) < max(components, 2):
            raise ValueError(
                f"x: expected at least {max(components, 2)} points for {components} "
                f"component{'s' * (components != 1)}, got {len(x)}"
            )
        wide = x.double()
        model = cls(*_start(wide, components, ridge, generator, init))
        step = partial(model.em_step, ridge=ridge)
        model.history, _, model.converged = em(
            model, model.log_prob, step, wide, n_iter=n_iter, tolerance=tolerance
        )
        return model.to(x.dtype)

    @property
    def covariances(self) -> Tensor:
        """The covariance matrices, shape (K, d, d)."""
        return self.scale_trils @ self.scale_trils.mT

    def extra_repr(self) -> str:
        """Return what the printed model says of itself."""
        return f"components={len(self.weights)}, dimensions={self.means.shape[1]}"

    def _log_joint(self, x: Tensor) -> Tensor:
        centred = x - self.means[:, None]
        z = solve_lower(self.scale_trils, centred.mT)
        half_log_dets = self.scale_trils.diagonal(dim1=1, dim2=2).log().sum(dim=1)
        log_normaliser = 0.5 * x.shape[1] * LOG_2PI + half_log_dets
        return self.weights.log() - log_normaliser - 0.5 * (z**2).sum(dim=1).T

    def _sample(self, n: int, generator: Generator | None) -> Tensor:
        component = pick(self.weights.log(), uniform((n,), self.weights, generator))
        z = standard_normal((n, *self.event_shape), self.means, generator)
        return self.means[component] + (self.scale_trils[component] @ z[:, :, None])[:, :, 0]

    @torch.no_grad()
    def em_step(self, x: Tensor, *, ridge: float = 0.0) -> float:
        """Take one step of EM, in place; return the mean log-likelihood in nats *before* it.

        With a ridge of 0 the likelihood cannot fall.
        """
        log_joint = self.log_joint(x)
        log_prob = torch.logsumexp(log_joint, dim=1, keepdim=True)
        weights, means, covariances = _maximise(x, (log_joint - log_prob).exp(), ridge)
        self.scale_trils.copy_(_factors(covariances))
        self.weights.copy_(weights)
        self.means.copy_(means)
        return float(log_prob.mean())


def _maximise(x: Tensor, share: Tensor, ridge: float) -> tuple[Tensor, Tensor, Tensor]:
    """Fit K Gaussians to points that belong to each by a share, (N, K): the M step."""
    total = share.sum(dim=0)
    empty = (total <= torch.finfo(x.dtype).tiny).nonzero().flatten().tolist()
    if empty:
        raise ValueError(
            f"x: component {empty[0]} has lost all its points; use fewer, or another start"
        )
    means = share.T @ x / total[:, None]
    centred = x - means[:, None]
    covariances = (share.T[:, :, None] * centred).mT @ centred / total[:, None, None]
    return total / len(x), means, covariances + ridge * torch.eye(x.shape[1]).to(x)


def _factors(covariances: Tensor) -> Tensor:
    """Return the Cholesky factor of each covariance, shape (K, d, d)."""
    each = [cholesky(c, f"covariance of component {k}") for k, c in enumerate(covariances)]
    return torch.stack(each)


def _start(
    x: Tensor, k: int, ridge: float, generator: Generator | None, init: str
) -> tuple[Tensor, Tensor, Tensor]:
    """Return weights, means and covariances to start from."""
    if init == "kmeans":
        from sklearn.cluster import KMeans
        from sklearn.exceptions import ConvergenceWarning

        seed = int(draw(torch.randint, 2**31 - 1, (), generator=generator))
        with warnings.catch_warnings():
            # Of fewer different points than components: EM starts from components that agree.
            warnings.simplefilter("ignore", ConvergenceWarning)
            kmeans = KMeans(k, n_init=1, random_state=seed).fit(x.cpu().numpy())
        cluster = torch.as_tensor(kmeans.labels_, dtype=torch.int64, device=x.device)
        return _maximise(x, nn.functional.one_hot(cluster, k).to(x), ridge)
    if init == "random":
        _, _, covariance = _maximise(x, torch.ones_like(x[:, :1]), ridge)
        chosen = permutation(len(x), generator)[:k]
        weights = torch.full((k,), 1 / k, dtype=x.dtype, device=x.device)
        return weights, x[chosen.to(x.device)], covariance.expand(k, -1, -1)
    raise ValueError(f'init: expected "kmeans" or "random", got {init!r}')
