r"""Samples from p(x | y): a diffusion that is led by what was measured.

A diffusion walks from noise to data along the score of each noisy marginal. To end at pictures that
agree with y = A x + noise, each step needs the score of the posterior,

.. math:: \nabla \log q_t(x_t \mid y) = \nabla \log q_t(x_t) + \nabla \log q_t(y \mid x_t),

and the second term is an integral over all clean pictures. Two guesses, from the denoiser's
:math:`\hat x_0(x_t)` and its derivative :math:`J`:

- ``"dps"`` takes the clean picture for known. The step goes down
  :math:`\zeta\, \nabla \lVert y - A \hat x_0 \rVert` beside the usual one (Chung, Kim, Mccann,
  Klasky and Ye 2023, https://arxiv.org/abs/2209.14687, algorithm 1);
- ``"pigdm"`` takes it for normal around the guess with variance :math:`r_t^2 = 1 - \bar\alpha_t`,
  so that the term is :math:`J^\top A^\top (r_t^2 A A^\top + \sigma^2)^{-1} (y - A \hat x_0)` (Song,
  Vahdat, Mardani and Kautz 2023, "Pseudoinverse-guided diffusion models", equation 8).

Both are biased. How much, a Gaussian mixture says: its posterior is a mixture again
(`mixture_posterior`), known with all its noisy versions.
"""

from __future__ import annotations

import math
from collections.abc import Collection

import torch
from torch import Generator, Tensor

from gdmlib._checks import check_choice, check_count, check_kind, check_not_negative, check_range
from gdmlib._random import standard_normal
from gdmlib.inverse.batches import rows_of
from gdmlib.inverse.operators import Operator, check_operator
from gdmlib.inverse.restored import Restored
from gdmlib.latent.denoiser import Ask, Denoiser
from gdmlib.latent.schedule import Schedule

METHODS = ("dps", "pigdm")


def posterior_sample(
    model: Denoiser,
    operator: Operator,
    y: Tensor,
    n: int = 1,
    *,
    noise: float,
    method: str = "pigdm",
    steps: int | None = None,
    scale: float = 1.0,
    eta: float = 1.0,
    low: float = -1.0,
    high: float = 1.0,
    clip: bool = True,
    keep: Collection[int] = (),
    generator: Generator | None = None,
) -> Restored:
    """Draw n pictures for each measurement, about from p(x | y).

    Args:
        model: A `Diffusion`, or a flow by `FlowDenoiser`, or a denoiser of pictures by
            `DenoiserDiffusion`; its events are those of the operator.
        operator: A.
        y: Measurements, shape (..., *measurement_shape).
        n: How many pictures of each.
        noise: Standard deviation σ of the measurements' noise; 0 for "dps", or a square A Aᵀ.
        method: "dps" or "pigdm".
        steps: As for `Schedule.respaced`; None for all steps of the model.
        scale: ζ of "dps", or a factor of the term of "pigdm", for which 1 is what it is.
        eta: New noise in each step, 0, as in DDIM, to 1, as in DDPM.
        low, high: What black and white are for the model.
        clip: Keep the guesses of the clean picture between low and high.
        keep: Steps whose guesses are kept as frames, counted from 1, the noisiest.
        generator: Draws all noise.

    Returns:
        The pictures, shape (n, ..., *event_shape), and in ``history`` of each step
        ``missed``, the root mean square of y - A x of its guess, (n, ...).

    Raises:
        FloatingPointError: If the walk diverges.
    """
    check_choice(method, "method", METHODS)
    check_not_negative(noise, "noise")
    check_not_negative(scale, "scale")
    if check_not_negative(eta, "eta") > 1:
        raise ValueError(f"eta: expected a number from 0 to 1, got {eta}")
    check_range(low, high)
    check_kind(model, "model", Denoiser, "a Diffusion, or a FlowDenoiser")
    check_operator(operator, model.event_shape)
    rows, batch = rows_of(operator, y)
    n, chain = check_count(n), model.schedule
    if steps is not None:
        chain = chain.respaced(steps)
    # In the model's scale: z = low + span x, and A z = span y + A low.
    span, dark = high - low, torch.full(tuple(operator.event_shape), low).to(rows)
    rows = (span * rows + operator(dark[None])).repeat(n, *[1] * (rows.ndim - 1))
    walk = _Walk(model, operator, rows, span * noise, method, scale)
    z = standard_normal((len(rows), *model.event_shape), model._like(), generator)
    frames, history = [], []
    for step, t in enumerate(range(chain.steps, 0, -1), 1):
        clean, led, away = walk.guess(z, chain, t, (low, high) if clip else None)
        history.append({"missed": (away / span).unflatten(0, (n, *batch))})
        z = _step(z, led if method == "pigdm" else clean, chain, t, eta, generator)
        if method == "dps":
            z = z + led
        if not bool(z.isfinite().all()):
            raise FloatingPointError(walk.diverged(t, chain.steps))
        if step in keep:
            frames.append(((clean - low) / span).reshape(n, *batch, *operator.event_shape))
    image = ((z - low) / span).reshape(n, *batch, *operator.event_shape)
    return Restored(image, chain.steps, tuple(history), frames=tuple(frames))


class _Walk:
    """What leads the walk: the operator, and measurements in the model's scale, one an event."""

    def __init__(
        self,
        model: Denoiser,
        operator: Operator,
        y: Tensor,
        noise: float,
        method: str,
        scale: float,
    ) -> None:
        self.model, self.operator, self.y, self.noise = model, operator, y, noise
        self.method, self.scale = method, scale

    def diverged(self, t: int, steps: int) -> str:
        """Return what to say of it."""
        return (
            f"the walk diverged in step {steps - t + 1} of {steps}: take more steps, or a scale "
            f"below {self.scale:g}"
        )

    def guess(
        self, z: Tensor, chain: Schedule, t: int, limits: tuple[float, float] | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the guess, what leads ("pigdm": a better guess, "dps": a shift), and |y - A x|."""
        at, bar = torch.full((len(z),), t), float(chain.alpha_bar[t])
        with torch.inference_mode(False), torch.enable_grad():
            z = z.detach().clone().requires_grad_()
            clean = self.model._clean(z, chain.alpha_bar[at], chain.time[at], Ask())
            if limits is not None:
                clean = clean.clamp(*limits)
            if not bool(clean.isfinite().all()):
                raise FloatingPointError(self.diverged(t, chain.steps))
            picture = clean.reshape(-1, *self.operator.event_shape)
            missed = self.y - self.operator(picture)
            if self.method == "dps":
                goal = -self.scale * missed.flatten(1).square().sum(dim=1).add(1e-20).sqrt()
            else:
                spread = 1 - bar
                ridge = max(self.noise**2 / spread, 1e-10)
                pull = self.operator.solve_gram(missed.detach(), ridge) / spread
                goal = self.scale * (pull * (self.y - missed)).flatten(1).sum(dim=1)
            (slope,) = torch.autograd.grad(goal.sum(), z)
        clean, missed = clean.detach(), missed.detach()
        away = missed.flatten(1).square().mean(dim=1).sqrt()
        if self.method == "dps":
            return clean, slope, away
        led = clean + (1 - bar) / math.sqrt(bar) * slope
        return clean, led if limits is None else led.clamp(*limits), away


def _step(
    z: Tensor, clean: Tensor, chain: Schedule, t: int, eta: float, generator: Generator | None
) -> Tensor:
    """Return a step of DDIM, with the share eta of DDPM's noise, from a guess of x0."""
    after, before = float(chain.alpha_bar[t]), float(chain.alpha_bar[t - 1])
    fresh = eta**2 * (1 - before) / (1 - after) * (1 - after / before)
    rest = math.sqrt(max(1 - before - fresh, 0.0)) / math.sqrt(1 - after)
    z = math.sqrt(before) * clean + rest * (z - math.sqrt(after) * clean)
    if fresh:
        z = z + math.sqrt(fresh) * standard_normal(z.shape, z, generator)
    return z
