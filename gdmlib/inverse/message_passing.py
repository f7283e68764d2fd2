r"""Plug and play for cameras with random patterns, where the level of noise is known at each step.

Behind random orthonormal patterns, the error of a guess x spreads over all directions alike. One
long step to the measurements,

.. math:: r = x + \tfrac nm A^\top (y - A x), \qquad
    \sigma^2 = \tfrac{n - m}{m} \tfrac 1n \|x - x_0\|^2 + \tfrac nm s^2,

makes of x a picture that looks like the truth :math:`x_0` plus *white Gaussian noise* of level σ,
just what a denoiser is made for; and since :math:`\|y - A x\|^2 / m` estimates the error of x, it
says σ without being told. For that to hold in the next step, the new guess must not lean on the
noise that it has just seen. With the divergence d of the denoiser, the mean of its derivatives,

.. math:: x \leftarrow \frac{D(r, \sigma) - d\, r}{1 - d}

does not (orthogonal approximate message passing: Ma and Ping 2017,
https://arxiv.org/abs/1602.06509; Rangan, Schniter and Fletcher 2019,
https://arxiv.org/abs/1610.03082; with a denoiser of pictures: Metzler, Maleki and Baraniuk 2016,
https://arxiv.org/abs/1406.4175). A dozen steps do, and there is no schedule to tune. A mask or a
blur does not spread errors: there `plug_and_play` is right.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from gdmlib._checks import check_count, check_not_negative
from gdmlib._random import standard_normal
from gdmlib.inverse.batches import batch_of, check_start, grey
from gdmlib.inverse.operators import Operator, check_operator
from gdmlib.inverse.plug_and_play import Denoises, check_denoiser, frames_at
from gdmlib.inverse.restored import Restored

FAINTEST = 1e-4
"""Noise is never taken to be fainter than this."""
PROBE = 0.1
"""How far, in levels of noise, the denoiser's input is moved to learn its divergence."""
MOST = 0.95
"""The largest divergence that is taken out: at 1 the denoiser leaves all noise where it is."""


@torch.no_grad()
def message_passing(
    operator: Operator,
    y: Tensor,
    denoiser: Denoises,
    *,
    noise: float = 0.0,
    steps: int = 16,
    start: Tensor | None = None,
    correct: bool = True,
    keep: int = 0,
    generator: Generator | None = None,
) -> Restored:
    """Restore pictures seen behind random orthonormal patterns.

    Args:
        operator: What measured; it must be orthonormal, and its patterns random.
        y: Measurements, (..., *measurement_shape).
        denoiser: Has a method ``denoise(picture, sigma)``, where sigma may differ between pictures.
        noise: Standard deviation of the noise in y. At 0 the result explains y exactly.
        steps: How many; the denoiser works twice in each.
        start: Pictures to begin with, (..., *event_shape); a grey square by default.
        correct: Whether the new guess is freed of the noise it has seen, as it should.
        keep: How many pictures along the way to return as frames.
        generator: Draws the directions in which divergences are measured.

    Returns:
        The restored pictures; ``history`` has the mean level of noise and the mean divergence.
    """
    if not check_operator(operator).orthonormal:
        raise ValueError(
            "operator: expected orthonormal measurements, A Aᵀ = I; use plug_and_play for others"
        )
    noise, steps = check_not_negative(noise, "noise"), check_count(steps, "steps")
    n, m = operator.event_shape.numel(), operator.measurement_shape.numel()
    moments = frames_at(steps, check_count(keep, "keep", least=0))
    check_denoiser(denoiser)
    y = operator.check_measurements(y)
    if start is None:
        x = grey(operator, y)
    else:
        x = check_start(operator, y, batch_of(operator, y), start)
    ndim, history, frames, made = len(operator.event_shape), [], [], x
    for k in range(steps):
        left = y - operator(x)
        error = left.square().flatten(y.ndim - len(operator.measurement_shape)).mean(-1)
        variance = (error - noise**2).clamp(min=0) * (n - m) / m + n / m * noise**2
        sigma = variance.sqrt().clamp(min=FAINTEST)
        r = x + n / m * operator.adjoint(left)
        made = denoiser.denoise(r, sigma)
        each = sigma[(..., *[None] * ndim)]
        d = sigma.new_zeros(())
        if correct:
            probe = standard_normal(r.shape, r, generator)
            moved = denoiser.denoise(r + PROBE * each * probe, sigma)
            d = (probe * (moved - made) / (PROBE * each)).flatten(-ndim).mean(-1)
            d = d.clamp(0, MOST)[(..., *[None] * ndim)]
        x = (made - d * r) / (1 - d)
        history.append({"sigma": float(sigma.mean()), "divergence": float(d.mean())})
        if k in moments:
            frames.append(made)
    image = made if noise else operator.project(made, y)
    return Restored(image, steps, tuple(history), None, tuple(frames))
