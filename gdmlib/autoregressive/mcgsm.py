r"""The mixture of conditional Gaussian scale mixtures: a density of a pixel given its context.

Suppose that a context :math:`x` and the next pixel :math:`y` together are a mixture of Gaussian
scale mixtures. Then the pixel given its context is a mixture of experts, whose gate looks at the
context (Theis, Hosseini and Bethge 2012, doi:10.1371/journal.pone.0039857, in the factored form of
Theis and Bethge 2015, arXiv:1506.03478, section 2.2):

.. math::

    p(y \mid x) &= \sum_{c,s} p(c, s \mid x)\, p(y \mid x, c, s) \\
    p(c, s \mid x) &\propto \exp\Big(\eta_{cs} + w_c^\top x
        - \tfrac12 e^{\alpha_{cs}} \sum_i \beta_{ci}^2 (b_i^\top x)^2\Big) \\
    p(y \mid x, c, s) &= \mathcal{N}\big(y \mid a_c^\top x + u_c,\ e^{-\alpha_{cs}}\big)

A component c is a kind of structure (an edge of some direction, flat ground): it predicts with its
own linear filter :math:`a_c`. A scale s says how strong the contrast is: a context of high contrast
promises a large error of the prediction, through the same :math:`\alpha_{cs}` in gate and expert.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Generator, Tensor, nn

from gdmlib._checks import check_count, check_tensor, ordinary
from gdmlib._random import draw, pick, standard_normal, uniform
from gdmlib.densities.density import ConditionalDensity
from gdmlib.densities.gaussian import LOG_2PI
from gdmlib.densities.scale_mixture import GaussianScaleMixture
from gdmlib.nn.precision import full_precision
from gdmlib.nn.whitening import Whitening

if TYPE_CHECKING:
    from gdmlib.training import History
from gdmlib.densities.exact import lbfgs


class MCGSM(ConditionalDensity):
    """The density of a number y given a context x of D numbers.

    The parameters act on whitened contexts and pixels; ``log_prob`` and ``sample`` speak of y and x
    themselves. A new model has standard normal experts with no whitening: use ``start`` or ``fit``.

    Args:
        dim_context: The number D of coordinates of a context; with 0 the model is a mixture of
            Gaussians.
        components, scales: The numbers C of components and S of scales.
        features: The number F of quadratic features of the gate; by default D.
        generator: Draws the random part of the parameters.

    Attributes:
        eta, alpha: Log-weights and log-precisions, shape (C, S).
        beta, features: The weights β of the quadratic features, (C, F), and the features b, (D, F).
        gate: The linear part w of the gate, (C, D); zero at first.
        predictors, offsets: The linear predictions a, (C, D), and u, (C,).
        history: After ``fit``: the mean negative log-likelihood in nats at the start and after each
            step.
    """

    def __init__(
        self,
        dim_context: int,
        *,
        components: int = 8,
        scales: int = 4,
        features: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        d = self.dim_context = check_count(dim_context, "dim_context", least=0)
        c, s = check_count(components, "components"), check_count(scales, "scales")
        f = d if features is None else check_count(features, "features", least=0)
        f = f if d else 0
        self.history: list[float] = []

        def noise(*shape: int, std: float) -> Tensor:
            return std * draw(torch.randn, *shape, generator=generator)

        # Orthonormal features look in different directions from the start; bases are repeated if
        # there are to be more features than directions.
        bases = 1 + (f - 1) // max(d, 1)
        blocks = draw(torch.randn, bases, d, d, generator=generator)
        basis = torch.linalg.qr(blocks).Q.movedim(0, 1).flatten(1)[:, :f]
        self.eta = nn.Parameter(torch.zeros(c, s))
        self.alpha = nn.Parameter(
            torch.linspace(-2, 2, s).repeat(c, 1) if s > 1 else noise(c, s, std=0.1)
        )
        self.beta = nn.Parameter(0.1 + noise(c, f, std=0.02))
        self.features = nn.Parameter(basis.contiguous())
        self.gate = nn.Parameter(torch.zeros(c, d))
        self.predictors = nn.Parameter(noise(c, d, std=0.1 / max(1.0, d**0.5)))
        self.offsets = nn.Parameter(noise(c, std=0.01))
        self.whitening = Whitening(d)

    @classmethod
    def start(
        cls, x: Tensor, y: Tensor, *, generator: Generator | None = None, **sizes: Any
    ) -> MCGSM:
        """Return a model that is ready to be trained: whitened, and started near a good place.

        The start is one Gaussian scale mixture of features and pixel together, fitted by EM and
        repeated for each component with a little noise. It knows already that contexts of high
        contrast make large errors.

        Args:
            x, y: At least two contexts and pixels, shapes (N, D) and (N,).
            generator, sizes: As for the class: components, scales, features.
        """
        check_tensor(x, "x", ndim=2, floating=True, nonempty=False)
        model = cls(x.shape[1], **sizes, generator=generator).to(x)
        model._check_pairs(y, x)
        if len(y) < 2:
            raise ValueError("y: expected at least 2 pixels to start from, got 1")
        model.whitening.estimate(x, y)
        some = slice(None, None, 1 + len(y) // 20_000)  # spread over the data, which may be ordered
        model._start_scales(x[some], y[some], generator)
        return model

    @classmethod
    def fit(
        cls,
        x: Tensor,
        y: Tensor,
        *,
        n_iter: int = 200,
        valid: tuple[Tensor, Tensor] | None = None,
        **options: Any,
    ) -> MCGSM:
        """Fit by maximum likelihood with L-BFGS on all the data, from `start`.

        With millions of pairs stochastic gradients are faster: train a model from `start`.

        Args:
            x, y, options: As for `start`.
            n_iter: The most L-BFGS steps to take.
            valid: Contexts and pixels that are held out: the fit keeps the parameters that
                predict them best, and stops when 20 steps have not improved on them.
        """
        model = cls.start(x, y, **options)
        held_out = None if valid is None else model._check_pairs(valid[1], valid[0])
        with torch.enable_grad():
            data = y.detach(), x.detach()
            n_iter = check_count(n_iter, "n_iter")
            model.history = lbfgs(model, model.log_prob, data, n_iter=n_iter, valid=held_out)
        return model

    @property
    def sizes(self) -> dict[str, int]:
        """The numbers of components, scales and features."""
        (components, scales), features = self.eta.shape, self.beta.shape[1]
        return {"components": components, "scales": scales, "features": features}

    def log_gate(self, white: Tensor) -> Tensor:
        """Return log p(c, s | x) for whitened contexts, shape (B, D) -> (B, C, S)."""
        logits = self._gate_logits(white)
        return torch.log_softmax(logits.flatten(-2), dim=-1).unflatten(-1, self.eta.shape)

    def _gate_logits(self, white: Tensor) -> Tensor:
        energy = (white @ self.features).square() @ self.beta.square().T
        logits = self.eta + (white @ self.gate.T)[..., None]
        return logits - 0.5 * self.alpha.exp() * energy[..., None]

    def means(self, white: Tensor) -> Tensor:
        """Return the experts' predictions of the whitened pixel, shape (B, D) -> (B, C)."""
        return white @ self.predictors.T + self.offsets

    @full_precision
    def log_joint(self, y: Tensor, x: Tensor) -> Tensor:
        """Return log p(c, s, y | x), shapes (B,) and (B, D) -> (B, C, S), in nats."""
        return self._log_joint_of_pairs(*self._check_pairs(y, x))

    def posterior(self, y: Tensor, x: Tensor) -> Tensor:
        """Return p(c, s | x, y), shapes (B,) and (B, D) -> (B, C, S)."""
        joint = self.log_joint(y, x)
        return torch.softmax(joint.flatten(1), dim=1).reshape(joint.shape)

    @full_precision
    def draw(self, x: Tensor, u: Tensor, z: Tensor) -> Tensor:
        """Return samples, (B,): u, uniform on [0, 1), picks c and s; z is standard normal."""
        white = self.whitening.context(x)
        return self.whitening.inverse(self.draw_white(white, u, z), white)

    def draw_white(self, white: Tensor, u: Tensor, z: Tensor) -> Tensor:
        """Do the same for whitened contexts and pixels."""
        white, u, z = ordinary(white), ordinary(u), ordinary(z)
        index = pick(self._gate_logits(white).flatten(1), u)
        mean = self.means(white).gather(1, index[:, None] // self.eta.shape[1])[:, 0]
        return mean + z * torch.exp(-0.5 * self.alpha.flatten()[index])

    @full_precision
    @torch.no_grad()
    def whiten(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return whitened contexts, (B, D), and pixels, (B,)."""
        self._check_pairs(y, x)
        white = self.whitening.context(x)
        return white, self.whitening.output(y, white)

    def white_log_prob(self, residual: Tensor, white: Tensor) -> Tensor:
        """Return the log-density of whitened pixels, (B,), given whitened contexts, (B, D)."""
        return torch.logsumexp(self._log_joint(residual, white).flatten(1), dim=1)

    def _check_inputs(self, x: Tensor) -> Tensor:
        shape = "B", self.dim_context
        check_tensor(x, "x", shape=shape, floating=True, nonempty=False, like=self.eta)
        if len(x) == 0:
            raise ValueError("x: expected at least one context, got none")
        return x

    @full_precision
    def _log_prob(self, y: Tensor, x: Tensor) -> Tensor:
        return torch.logsumexp(self._log_joint_of_pairs(y, x).flatten(1), dim=1)

    def _sample(self, x: Tensor, generator: Generator | None) -> Tensor:
        u = uniform((len(x),), self.eta, generator)
        return self.draw(x, u, standard_normal((len(x),), self.eta, generator))

    def _log_joint_of_pairs(self, y: Tensor, x: Tensor) -> Tensor:
        white = self.whitening.context(x)
        return self._log_joint(self.whitening.output(y, white), white) + self.whitening.log_det()

    def _log_joint(self, residual: Tensor, white: Tensor) -> Tensor:
        error = (residual[..., None] - self.means(white)).square()
        expert = 0.5 * (self.alpha - LOG_2PI - self.alpha.exp() * error[..., None])
        return self.log_gate(white) + expert

    @torch.no_grad()
    def _start_scales(self, x: Tensor, y: Tensor, generator: Generator | None) -> None:
        """Set gate and scales to those of one scale mixture of features and pixel together."""
        white = self.whitening.context(x)
        residual = self.whitening.output(y, white)
        features, scales = self.features.shape[1], self.eta.shape[1]
        seen = torch.cat([white @ self.features[:, : x.shape[1]], residual[:, None]], dim=1)
        # Leave out directions without variance, and keep the variance of the rest at one.
        alive = seen.square().mean(dim=0) > 1e-3
        joint = GaussianScaleMixture.fit(
            seen[:, alive], scales=scales, zero_mean=True, n_iter=30, tolerance=1e-4, ridge=1e-6
        )
        log_precision = -2 * joint.scales.log()
        # p(s | x) ∝ π_s N(features | 0, σ_s²): its log-determinant goes into η.
        size = int(alive.sum()) - 1
        noise = draw(torch.randn, self.eta.shape, generator=generator).to(self.eta)
        self.alpha.copy_(log_precision + 0.1 * noise * (scales > 1))
        self.eta.copy_(joint.weights.log() + 0.5 * size * log_precision)
        spread = draw(torch.randn, self.beta.shape, generator=generator).to(self.beta)
        # Several bases share the energy of one.
        self.beta.copy_((size / max(features, 1)) ** 0.5 * (1 + 0.1 * spread))


def train_mcgsm(
    model: MCGSM,
    x: Tensor,
    y: Tensor,
    valid: tuple[Tensor, Tensor] | None = None,
    *,
    batch_size: int = 1000,
    lr: float = 4e-3,
    betas: tuple[float, float] = (0.9, 0.99),
    **options: Any,
) -> History:
    """Train by `gdmlib.training.train` on pairs that are whitened once, and not in every step.

    L-BFGS (`MCGSM.fit`) is better for a few thousand pairs. With millions, a step on some of them
    says nearly as much as one on all, and many steps pay more than exact ones.

    Args:
        model: From `MCGSM.start`; changed in place. The whitening stays as it is.
        x, y, valid: As for `MCGSM.fit`; the rest as for `gdmlib.training.train`.
    """
    from gdmlib.training import train  # a model alone needs no loop

    def nats(model: MCGSM, white: Tensor, residual: Tensor) -> Tensor:
        return -model.white_log_prob(residual, white) - model.whitening.log_det()

    held_out = None if valid is None else model.whiten(*valid)
    return train(
        model, model.whiten(x, y), held_out, batch_size=batch_size, lr=lr, betas=betas, score=nats,
        **options,
    )  # fmt: skip
