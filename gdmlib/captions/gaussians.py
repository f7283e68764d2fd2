r"""Pictures given their captions as Gaussians, so that Bayes' rule is exact both ways.

Each caption y has a mean picture, a sum of pictures of the things that it says, and all share one
covariance:

.. math:: p(x \mid y) = \mathcal N(x; W^\top \varphi(y), \Sigma), \qquad
    p(x) = \sum_y p(y)\, p(x \mid y), \qquad p(y \mid x) = \frac{p(y)\, p(x \mid y)}{p(x)} .

The sum runs over all captions of the grammar. So the model is a mixture whose components have
names, and whose responsibilities are a captioner.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from gdmlib._checks import check_above_zero, check_labels, check_shapes, check_tensor
from gdmlib._random import pick, standard_normal, uniform
from gdmlib.densities.cholesky import cholesky, solve_lower
from gdmlib.densities.density import Mixture
from gdmlib.densities.gaussian import standard_log_prob
from gdmlib.nn.precision import full_precision


class CaptionGaussians(Mixture):
    """A Gaussian a caption, with means that share their parts and one covariance.

    Args:
        features: What each caption says, φ, shape (K, F).
        parts: Their pictures, W, shape (F, d).
        covariance: Of a picture around its mean, Σ, shape (d, d).
        log_prior: log p(y), shape (K,), up to a constant.
    """

    features: Tensor
    parts: Tensor
    factor: Tensor
    log_prior: Tensor

    def __init__(
        self, features: Tensor, parts: Tensor, covariance: Tensor, log_prior: Tensor
    ) -> None:
        super().__init__()
        check_shapes(
            features=(features, "K F"),
            parts=(parts, "F d"),
            covariance=(covariance, "d d"),
            log_prior=(log_prior, "K"),
        )
        self.event_shape = parts.shape[1:]
        self.register_buffer("features", features.clone())
        self.register_buffer("parts", parts.clone())
        self.register_buffer("factor", cholesky(covariance, "covariance").contiguous())
        self.register_buffer("log_prior", log_prior.log_softmax(dim=0))

    @classmethod
    def fit(
        cls, x: Tensor, y: Tensor, features: Tensor, log_prior: Tensor, *, ridge: float = 1e-3
    ) -> CaptionGaussians:
        """Return the model of greatest likelihood, up to a ridge.

        Args:
            x: Pictures as vectors, shape (B, d).
            y: Numbers of their captions, shape (B,).
            features: What each caption says, shape (K, F).
            log_prior: log p(y), shape (K,).
            ridge: What is added to the diagonals of what is inverted and of the covariance.
        """
        ridge = check_above_zero(ridge, "ridge")
        features = check_tensor(features, "features", ndim=2, floating=True).detach()
        x = check_tensor(x, "x", shape=("B", "d"), floating=True, like=features).detach()
        said = features[check_labels(y, "y", num_classes=len(features), length=len(x))]
        gram = said.mT @ said + ridge * torch.eye(said.shape[1]).to(x)
        parts = torch.linalg.solve(gram, said.mT @ x)
        rest = x - said @ parts
        covariance = rest.mT @ rest / len(x) + ridge * torch.eye(x.shape[1]).to(x)
        return cls(features, parts, covariance, log_prior.detach())

    @full_precision
    def _log_joint(self, x: Tensor) -> Tensor:
        # |a - b|², expanded: no difference of each picture and each mean is kept.
        a = solve_lower(self.factor, x.mT).mT
        b = self.features @ solve_lower(self.factor, self.parts.mT).mT
        volume = self.factor.diagonal().log().sum()
        fixed = self.log_prior - 0.5 * b.square().sum(dim=1) - volume
        return standard_log_prob(a)[:, None] + a @ b.mT + fixed

    @full_precision
    def _sample(self, n: int, generator: Generator | None) -> Tensor:
        which = pick(self.log_prior, uniform((n,), self.parts, generator))
        noise = standard_normal((n, *self.event_shape), self.parts, generator)
        return self.features[which] @ self.parts + noise @ self.factor.mT
