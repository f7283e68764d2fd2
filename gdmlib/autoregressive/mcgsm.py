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

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn

from gdmlib._checks import check_count, check_dtype, check_tensor
from gdmlib._random import standard_normal, uniform
from gdmlib.autoregressive.neighbourhood import CausalImage, Neighbourhood
from gdmlib.densities.gaussian import LOG_2PI
from gdmlib.densities.scale_mixture import GaussianScaleMixture
from gdmlib.training import History, train
from gdmlib.training.exact import lbfgs


class Whitening(nn.Module):
    r"""Remove what is linear: the correlations within contexts, and of contexts with pixels.

    .. math:: \tilde x = W (x - m), \qquad \tilde y = (y - \bar y - r^\top \tilde x) / \sigma

    with :math:`W` the inverse square root of the covariance of the contexts, :math:`r` the linear
    regression on whitened contexts and :math:`\sigma` the standard deviation of what is left.
    A fit then starts from data of unit size in every direction. Densities change by
    :math:`|d\tilde y / dy| = 1/\sigma`. Before ``fit`` it changes nothing.

    Args:
        dim_context: The number D of coordinates of a context; 0 is allowed.
    """

    context_mean: Tensor
    matrix: Tensor
    regression: Tensor
    output_mean: Tensor
    output_std: Tensor

    def __init__(self, dim_context: int) -> None:
        super().__init__()
        self.register_buffer("context_mean", torch.zeros(dim_context))
        self.register_buffer("matrix", torch.eye(dim_context))
        self.register_buffer("regression", torch.zeros(dim_context))
        self.register_buffer("output_mean", torch.zeros(()))
        self.register_buffer("output_std", torch.ones(()))

    @torch.no_grad()
    def fit(self, x: Tensor, y: Tensor, tolerance: float = 1e-7) -> None:
        """Estimate all from contexts, (N, D), and pixels, (N,), in place.

        A direction whose variance is below ``tolerance`` times the largest is left out (its
        whitened coordinate is 0): rounding is all that could be seen in it.

        Raises:
            ValueError: If the contexts explain the pixels exactly: the density would be infinite.
        """
        wide, target = x.double(), y.double()
        mean, output_mean = wide.mean(dim=0), target.mean()
        centred, residual = wide - mean, target - output_mean
        matrix = wide.new_zeros(x.shape[1], x.shape[1])
        if x.shape[1]:
            values, vectors = torch.linalg.eigh(centred.T @ centred / len(x))
            kept = values > tolerance * values[-1].clamp(min=torch.finfo(values.dtype).tiny)
            inverse_root = torch.where(kept, values.clamp(min=1e-300).rsqrt(), 0.0)
            matrix = (vectors * inverse_root) @ vectors.T
        white = centred @ matrix
        regression = white.T @ residual / len(x)
        residual -= white @ regression
        std = residual.square().mean().sqrt()
        if not float(std) > 1e-6 * float(target.square().mean().sqrt()):
            raise ValueError(
                "y: the pixels are an exact linear function of their contexts, so that the density "
                "is infinite; add noise (levels are dequantised by uniform noise), or look for "
                "constant images"
            )
        self.context_mean.copy_(mean)
        self.matrix.copy_(matrix)
        self.regression.copy_(regression)
        self.output_mean.copy_(output_mean)
        self.output_std.copy_(std)

    def context(self, x: Tensor) -> Tensor:
        """Return whitened contexts, shape (..., D) -> (..., D)."""
        return (x - self.context_mean) @ self.matrix

    def output(self, y: Tensor, white: Tensor) -> Tensor:
        """Return whitened pixels, (...), given whitened contexts, (..., D)."""
        return (y - self.output_mean - white @ self.regression) / self.output_std

    def inverse(self, residual: Tensor, white: Tensor) -> Tensor:
        """Return pixels, (...), from whitened pixels and whitened contexts, (..., D)."""
        return self.output_mean + white @ self.regression + self.output_std * residual

    def log_det(self) -> Tensor:
        """Return log |dỹ/dy|, shape (): add it to the log-density of the whitened pixel."""
        return -self.output_std.log()


class MCGSM(nn.Module):
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
        whitening: See `Whitening`.
        history: After ``fit``: the mean negative log-likelihood in nats at the start and after each
            step.
    """

    def __init__(
        self,
        dim_context: int,
        components: int = 8,
        scales: int = 4,
        features: int | None = None,
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        if dim_context != 0:
            check_count(dim_context, "dim_context")
        check_count(components, "components")
        check_count(scales, "scales")
        if features is None or dim_context == 0:
            features = dim_context
        if features < 0:
            raise ValueError(f"features: expected at least 0, got {features}")
        self.event_shape = torch.Size(())
        self.dim_context = dim_context
        self.history: list[float] = []
        c, s = components, scales

        def noise(*shape: int, std: float) -> Tensor:
            return std * torch.randn(*shape, generator=generator)

        # Orthonormal features look in different directions from the start; bases are repeated if
        # there are to be more features than directions.
        bases = 1 + (features - 1) // max(dim_context, 1)
        blocks = torch.randn(bases, dim_context, dim_context, generator=generator)
        basis = torch.linalg.qr(blocks).Q.movedim(0, 1).flatten(1)[:, :features]
        self.eta = nn.Parameter(torch.zeros(c, s))
        self.alpha = nn.Parameter(
            torch.linspace(-2, 2, s).repeat(c, 1) if s > 1 else noise(c, s, std=0.1)
        )
        self.beta = nn.Parameter(0.1 + noise(c, features, std=0.02))
        self.features = nn.Parameter(basis.contiguous())
        self.gate = nn.Parameter(torch.zeros(c, dim_context))
        self.predictors = nn.Parameter(noise(c, dim_context, std=0.1 / max(1.0, dim_context**0.5)))
        self.offsets = nn.Parameter(noise(c, std=0.01))
        self.whitening = Whitening(dim_context)

    @classmethod
    def start(
        cls,
        x: Tensor,
        y: Tensor,
        components: int = 8,
        scales: int = 4,
        features: int | None = None,
        *,
        generator: Generator | None = None,
    ) -> MCGSM:
        """Return a model that is ready to be trained: whitened, and started near a good place.

        The start is one Gaussian scale mixture of features and pixel together, fitted by EM and
        repeated for each component with a little noise. It knows already that contexts of high
        contrast make large errors.

        Args:
            x, y: Contexts, shape (N, D), and pixels, (N,).
            components, scales, features, generator: As for the class.

        Raises:
            ValueError: If shapes do not agree, there are fewer than 2 pairs, or a value is NaN.
        """
        _check_pairs(y, x, None)
        if len(y) < 2:
            raise ValueError("y: expected at least 2 pixels to start from, got 1")
        model = cls(x.shape[1], components, scales, features, generator=generator)
        model.to(dtype=x.dtype, device=x.device)
        model.whitening.fit(x, y)
        some = slice(None, None, 1 + len(y) // 20_000)  # spread over the data, which may be ordered
        model._start_scales(x[some], y[some], generator)
        return model

    @classmethod
    def fit(
        cls,
        x: Tensor,
        y: Tensor,
        components: int = 8,
        scales: int = 4,
        features: int | None = None,
        *,
        n_iter: int = 200,
        valid: tuple[Tensor, Tensor] | None = None,
        generator: Generator | None = None,
    ) -> MCGSM:
        """Fit by maximum likelihood with L-BFGS on all the data.

        With millions of pairs stochastic gradients are faster: give a model from ``start`` to
        `train_mcgsm`.

        Args:
            x, y: Contexts, shape (N, D), and pixels, (N,).
            components, scales, features, generator: As for the class.
            n_iter: The most L-BFGS steps to take.
            valid: Contexts and pixels that are held out: the fit keeps the parameters that
                predict them best, and stops when 20 steps have not improved on them.

        Raises:
            ValueError: If shapes do not agree, there are fewer than 2 pairs, or a value is NaN.
        """
        model = cls.start(x, y, components, scales, features, generator=generator)
        if valid is not None:
            _check_pairs(valid[1], valid[0], x.shape[1])
            valid = (valid[1], valid[0])
        model.history = lbfgs(model, model.log_prob, (y, x), n_iter=n_iter, valid=valid)
        return model

    def log_gate(self, white: Tensor) -> Tensor:
        """Return log p(c, s | x) for whitened contexts, shape (B, D) -> (B, C, S)."""
        energy = (white @ self.features).square() @ self.beta.square().T
        logits = self.eta + (white @ self.gate.T)[..., None]
        logits = logits - 0.5 * self.alpha.exp() * energy[..., None]
        return torch.log_softmax(logits.flatten(-2), dim=-1).unflatten(-1, self.eta.shape)

    def means(self, white: Tensor) -> Tensor:
        """Return the experts' predictions of the whitened pixel, shape (B, D) -> (B, C)."""
        return white @ self.predictors.T + self.offsets

    def log_joint(self, y: Tensor, x: Tensor) -> Tensor:
        """Return log p(c, s, y | x), shapes (B,) and (B, D) -> (B, C, S), in nats."""
        self._check_pairs(y, x)
        white = self.whitening.context(x)
        return self._log_joint(self.whitening.output(y, white), white) + self.whitening.log_det()

    def log_prob(self, y: Tensor, x: Tensor) -> Tensor:
        """Return log p(y | x), shapes (B,) and (B, D) -> (B,), in nats."""
        return torch.logsumexp(self.log_joint(y, x).flatten(1), dim=1)

    def posterior(self, y: Tensor, x: Tensor) -> Tensor:
        """Return p(c, s | x, y), shapes (B,) and (B, D) -> (B, C, S)."""
        joint = self.log_joint(y, x)
        return torch.softmax(joint.flatten(1), dim=1).reshape(joint.shape)

    @torch.no_grad()
    def sample(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """Draw a y for each context, shape (B, D) -> (B,)."""
        self._check_contexts(x)
        check_dtype(x, "x", self.eta)
        u = uniform((len(x),), self.eta, generator)
        return self.draw(x, u, standard_normal((len(x),), self.eta, generator))

    def draw(self, x: Tensor, u: Tensor, z: Tensor) -> Tensor:
        """Turn noise into samples: u, uniform on [0, 1), picks c and s; z is standard normal.

        Shapes (B, D), (B,) and (B,) -> (B,).
        """
        white = self.whitening.context(x)
        return self.whitening.inverse(self.draw_white(white, u, z), white)

    def draw_white(self, white: Tensor, u: Tensor, z: Tensor) -> Tensor:
        """Do the same for whitened contexts and pixels."""
        cumulative = self.log_gate(white).flatten(1).double().exp().cumsum(dim=1)
        # The last sum may fall short of 1 by rounding, so it is not asked.
        index = (cumulative[:, :-1] <= u[:, None]).sum(dim=1)
        mean = self.means(white).gather(1, index[:, None] // self.eta.shape[1])[:, 0]
        return mean + z * torch.exp(-0.5 * self.alpha.flatten()[index])

    @torch.no_grad()
    def whiten(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return whitened pixels, (B,), and contexts, (B, D), as ``white_log_prob`` takes them."""
        self._check_pairs(y, x)
        white = self.whitening.context(x)
        return self.whitening.output(y, white), white

    def white_log_prob(self, residual: Tensor, white: Tensor) -> Tensor:
        """Return the log-density of whitened pixels, (B,), given whitened contexts, (B, D)."""
        return torch.logsumexp(self._log_joint(residual, white).flatten(1), dim=1)

    def _log_joint(self, residual: Tensor, white: Tensor) -> Tensor:
        error = (residual[..., None] - self.means(white)).square()
        expert = 0.5 * (self.alpha - LOG_2PI - self.alpha.exp() * error[..., None])
        return self.log_gate(white) + expert

    def _check_pairs(self, y: Tensor, x: Tensor) -> None:
        _check_pairs(y, x, self.dim_context)
        check_dtype(x, "x", self.eta)
        check_dtype(y, "y", self.eta)

    def _check_contexts(self, x: Tensor) -> None:
        check_tensor(x, "x", shape=("B", self.dim_context), floating=True, nonempty=False)
        if len(x) == 0:
            raise ValueError("x: expected at least one context, got none")

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
        noise = torch.randn(self.eta.shape, generator=generator).to(self.eta)
        self.alpha.copy_(log_precision + 0.1 * noise * (scales > 1))
        self.eta.copy_(joint.weights.log() + 0.5 * size * log_precision)
        spread = torch.randn(self.beta.shape, generator=generator).to(self.beta)
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
        x, y: Contexts, shape (N, D), and pixels, (N,).
        valid: Contexts and pixels that are held out.
        batch_size, lr, betas, options: As for `gdmlib.training.train`.
    """

    def nats(model: MCGSM, white: Tensor, residual: Tensor) -> Tensor:
        return -model.white_log_prob(residual, white) - model.whitening.log_det()

    def whitened(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        residual, white = model.whiten(x, y)
        return white, residual

    held_out = None if valid is None else whitened(*valid)
    return train(
        model, whitened(x, y), held_out, batch_size=batch_size, lr=lr, betas=betas, score=nats,
        **options,
    )  # fmt: skip


class MCGSMImage(CausalImage):
    """A density of grey images of any size: an `MCGSM` for each pixel given its neighbourhood.

    ``log_prob`` is a density of *all* pixels: what a context sees outside of the image reads as
    ``padding``. ``interior_log_prob`` is the density of the pixels whose context lies in the image,
    given the others, which is what the papers call the rate of whole images.

    Args:
        conditional: The density of a pixel given its context, of as many numbers as the
            neighbourhood has.
        neighbourhood: The causal context.
        event_shape: Of the images that ``sample`` draws: (1, height, width).
        padding: The value outside of the image.

    Raises:
        ValueError: If the sizes of conditional and neighbourhood do not agree.
    """

    def __init__(
        self,
        conditional: MCGSM,
        neighbourhood: Neighbourhood,
        event_shape: Sequence[int] = (1, 32, 32),
        padding: float = 0.5,
    ) -> None:
        super().__init__(neighbourhood, event_shape, padding)
        if conditional.dim_context != len(neighbourhood):
            raise ValueError(
                f"conditional: expected a context of {len(neighbourhood)} numbers, as the "
                f"neighbourhood has, got {conditional.dim_context}"
            )
        self.conditional = conditional

    def _map(self, contexts: Tensor, pixels: Tensor) -> Tensor:
        rows = self.conditional.log_prob(pixels.flatten(), contexts.flatten(0, 2))
        return rows.reshape(pixels.shape)

    def _reference(self) -> Tensor:
        return self.conditional.eta

    def _step(
        self, contexts: Tensor, rows: Tensor, columns: Tensor, u: Tensor, z: Tensor, state: Any
    ) -> Tensor:
        drawn = self.conditional.draw(contexts.flatten(0, 1), u.flatten(), z.flatten())
        return drawn.reshape(u.shape)


class MCGSMPatch(nn.Module):
    r"""A density of vectors of d numbers, such as small patches: one `MCGSM` a coordinate.

    .. math:: p(x) = \prod_{i=1}^{d} p_i(x_i \mid x_1, \dots, x_{i-1})

    Each coordinate sees all before it, and each has a model of its own: a pixel at the border of a
    patch, with a smaller context, is not treated as one whose context was padded. This is how the
    patch rates of Theis and Bethge (2015, table 1) are defined.

    Args:
        conditionals: One model a coordinate; the i-th one has a context of i numbers, from 0.

    Raises:
        ValueError: If there is none, or the sizes of the contexts are not 0, 1, 2, ...
    """

    def __init__(self, conditionals: Sequence[MCGSM]) -> None:
        super().__init__()
        sizes = [model.dim_context for model in conditionals]
        if not sizes or sizes != list(range(len(sizes))):
            raise ValueError(
                f"conditionals: expected contexts of 0, 1, 2, ... numbers, got {sizes}"
            )
        self.conditionals = nn.ModuleList(conditionals)
        self.event_shape = torch.Size((len(sizes),))

    @classmethod
    def fit(
        cls,
        x: Tensor,
        components: int = 8,
        scales: int = 4,
        features: int | None = None,
        *,
        n_iter: int = 200,
        valid: Tensor | None = None,
        generator: Generator | None = None,
        on_coordinate: Callable[[int, MCGSM], None] | None = None,
    ) -> MCGSMPatch:
        """Fit each coordinate on its own by L-BFGS.

        Args:
            x: Vectors, shape (N, d).
            components, scales, features, n_iter, generator: As for `MCGSM.fit`; a coordinate
                with a smaller context has as many features as it can.
            valid: Vectors that are held out, shape (M, d).
            on_coordinate: Called with the coordinate's number and its model after each fit.
        """
        check_tensor(x, "x", ndim=2, floating=True)
        if valid is not None:
            check_tensor(valid, "valid", shape=("M", x.shape[1]), floating=True)
        conditionals = []
        for i in range(x.shape[1]):
            held_out = None if valid is None else (valid[:, :i], valid[:, i])
            conditionals.append(
                MCGSM.fit(
                    x[:, :i],
                    x[:, i],
                    components,
                    scales,
                    None if features is None else min(i, features),
                    n_iter=n_iter,
                    valid=held_out,
                    generator=generator,
                )
            )
            if on_coordinate is not None:
                on_coordinate(i, conditionals[-1])
        return cls(conditionals)

    def conditional_log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x_i | x_<i) for each coordinate, shape (B, d) -> (B, d), in nats."""
        check_tensor(x, "x", shape=("B", len(self.conditionals)), floating=True)
        terms = [model.log_prob(x[:, i], x[:, :i]) for i, model in enumerate(self._models())]
        return torch.stack(terms, dim=1)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return the log-density of each vector, shape (B, d) -> (B,), in nats."""
        return self.conditional_log_prob(x).sum(dim=1)

    @torch.no_grad()
    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        """Draw n vectors, shape (n, d), coordinate by coordinate."""
        x = self._models()[0].eta.new_zeros(check_count(n), 0)
        for model in self._models():
            x = torch.cat([x, model.sample(x, generator)[:, None]], dim=1)
        return x

    def _models(self) -> list[MCGSM]:
        return [model for model in self.conditionals if isinstance(model, MCGSM)]


def _check_pairs(y: Tensor, x: Tensor, dim_context: int | None) -> None:
    """Refuse contexts and pixels that are not (B, D) and (B,)."""
    check_tensor(y, "y", ndim=1, floating=True)
    check_tensor(
        x,
        "x",
        shape=(len(y), "D" if dim_context is None else dim_context),
        floating=True,
        nonempty=False,
    )
