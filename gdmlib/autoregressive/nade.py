r"""NADE, the neural autoregressive distribution estimator: a hidden layer that is shared.

Larochelle and Murray (2011, https://proceedings.mlr.press/v15/larochelle11a.html), equations 6 and
7: the logit of each pixel comes from a hidden layer that has seen the pixels before it,

.. math::

    h_i = \sigma\Bigl(c + \sum_{j < i} W_{j} x_j\Bigr), \qquad
    p(x_i = 1 \mid x_{<i}) = \sigma(b_i + V_i^\top h_i) .

The weights :math:`W_j` of a pixel serve all factors that look at it. So the sum in the brackets
need not be formed anew for each pixel: it grows by one term. All d factors cost O(dH) together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn

from gdmlib._checks import check_sizes
from gdmlib._random import between
from gdmlib.autoregressive._binary import BinaryAutoregressive, Ordering

Way = Callable[..., tuple[Tensor, ...]]


class NADE(BinaryAutoregressive):
    """One hidden layer, shared by all pixels.

    Args:
        event_shape, ordering: See `BinaryAutoregressive`; an event has d pixels in all.
        hidden: The number H of hidden units, or a sequence that holds this number.
        generator: Draws the weights to start from, uniform in ±1/√d and ±1/√H.

    Attributes:
        weight_in, weight_out: Parameters of shape (d, H): W and V, in the order of visits.
        bias_hidden, bias: Parameters of shape (H,) and (d,): c and b.
    """

    def __init__(
        self,
        event_shape: int | Sequence[int],
        *,
        hidden: int | Iterable[int] = 500,
        ordering: Ordering = None,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(event_shape, ordering)
        sizes = check_sizes(hidden, "hidden")
        if len(sizes) != 1:
            raise ValueError(f"hidden: expected one layer, got {len(sizes)}; MADE may have more")
        d, h = self.num_pixels, sizes[0]
        self.weight_in = _uniform(d, h, d**-0.5, generator)
        self.weight_out = _uniform(d, h, h**-0.5, generator)
        self.bias_hidden = nn.Parameter(torch.zeros(h))

    def _logits(self, z: Tensor) -> Tensor:
        return _Walk.apply(z, self.weight_in, self.weight_out, self.bias_hidden, self.bias)[0].T

    def _ancestral(self, t: Tensor) -> Tensor:
        # Rows are pixels here, and every step writes into memory that is there already.
        limits = t.T.contiguous()
        z, logit = torch.empty_like(limits), torch.empty_like(limits[0])
        a = self.bias_hidden.repeat(len(t), 1)
        h = torch.empty_like(a)
        steps = (limits, z, self.weight_in, self.weight_out, self.bias)
        for limit, pixel, w, v, b in zip(*(each.unbind() for each in steps), strict=True):
            torch.sigmoid(a, out=h)
            torch.mv(h, v, out=logit).add_(b)
            torch.gt(logit, limit, out=pixel)
            a.addr_(pixel, w)
        return z.T


def _uniform(d: int, h: int, scale: float, generator: Generator | None) -> nn.Parameter:
    return nn.Parameter(between(-scale, scale, d, h, generator=generator))


def plain_logits(model: NADE, x: Tensor) -> Tensor:
    """Return `NADE.logits` by the definition, a sum over all earlier pixels for each: O(d²H)."""
    z = x.reshape(len(x), -1)[:, model.ordering]
    logits = torch.empty_like(z)
    for k in range(model.num_pixels):
        hidden = torch.sigmoid(model.bias_hidden + z[:, :k] @ model.weight_in[:k])
        logits[:, k] = model.bias[k] + hidden @ model.weight_out[k]
    return logits[:, model.ordering.argsort()]


class _Walk(torch.autograd.Function):
    """The logits, (d, B), from pixels z (B, d) and the weights, and their derivatives.

    Autograd would keep the hidden layer of every pixel, B·d·H numbers, 200 MB for a batch of 128
    binarised digits with 500 units. Instead only the sum behind the last one is kept, and the way
    back subtracts what the way forth has added. So all that a step touches stays in the cache.

    What differentiates the derivatives again, forward, or for many examples at once
    (``create_graph=True``, `torch.func`), gets them by the definition: in ordinary operations,
    which keep all those numbers.
    """

    @staticmethod
    def forward(z: Tensor, w: Tensor, v: Tensor, c: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        pixels = z.T.contiguous()
        a = c.repeat(len(z), 1)
        h = torch.empty_like(a)
        logits = b[:, None].repeat(1, len(z))
        for k in range(len(pixels)):
            torch.sigmoid(a, out=h)
            logits[k].addmv_(h, v[k])
            a.addr_(pixels[k], w[k])
        return logits, a

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor]) -> None:
        end = output[1]
        ctx.mark_non_differentiable(end)
        ctx.save_for_backward(*inputs[:4], end)
        ctx.save_for_forward(*inputs[:4])

    @staticmethod
    def backward(ctx: Any, delta: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        way: Way = _backward_by_definition if torch.is_grad_enabled() else _walk_back
        *by_weights, by_pixels = way(*ctx.saved_tensors, delta, ctx.needs_input_grad[0])
        return by_pixels, *by_weights

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> tuple[Tensor, None]:
        z, w, v, c = ctx.saved_tensors
        inputs = (z, w, v, c, c.new_zeros(z.shape[1]))
        dz, dw, dv, dc, db = (
            torch.zeros_like(x) if d is None else d for x, d in zip(inputs, tangents, strict=True)
        )
        h = _sums(z, w, c)[0].sigmoid()
        da = _sums(dz, w, dc)[0] + _sums(z, dw, torch.zeros_like(c))[0]
        return (db + (h * (1 - h) * da * v + h * dv).sum(dim=2)).T, None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], *inputs: Tensor
    ) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
        return torch.vmap(_by_definition, in_dims)(*inputs), (0, 0)


def _walk_back(
    z: Tensor, w: Tensor, v: Tensor, c: Tensor, end: Tensor, delta: Tensor, by_pixels: bool
) -> tuple[Tensor, ...]:
    """Return the derivatives by w, v, c, b and, if asked for, by z, from those by the logits."""
    pixels, delta = z.T.contiguous(), delta.contiguous()
    a, h = end.clone(), torch.empty_like(end)
    later = torch.zeros_like(a)  # the derivative by a, summed over the pixels still to come
    gw, gv = torch.empty_like(w), torch.empty_like(v)
    gz = torch.empty_like(pixels if by_pixels else pixels[:0])
    for k in reversed(range(len(pixels))):
        torch.mv(later.T, pixels[k], out=gw[k])
        if by_pixels:
            torch.mv(later, w[k], out=gz[k])
        a.addr_(pixels[k], w[k], alpha=-1)
        torch.sigmoid(a, out=h)
        torch.mv(h.T, delta[k], out=gv[k])
        h.addcmul_(h, h, value=-1).mul_(v[k])  # σ' = h - h²
        later.addcmul_(h, delta[k][:, None])
    return gw, gv, later.sum(dim=0), delta.sum(dim=1), gz.T


def _sums(z: Tensor, w: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """Return what enters each pixel's hidden layer, (B, d, H), and what would enter the next."""
    terms = z[:, :, None] * w
    sums = c + terms.cumsum(dim=1)
    return sums - terms, sums[:, -1]


def _by_definition(z: Tensor, w: Tensor, v: Tensor, c: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return what the walk returns."""
    a, end = _sums(z, w, c)
    return (b + (a.sigmoid() * v).sum(dim=2)).T, end


def _backward_by_definition(
    z: Tensor, w: Tensor, v: Tensor, c: Tensor, end: Tensor, delta: Tensor, by_pixels: bool
) -> tuple[Tensor, ...]:
    """Return what the walk back returns, in operations that can be differentiated again."""
    inputs = z, w, v, c, torch.zeros_like(z[0])
    by_z, *by_weights = torch.func.vjp(lambda *x: _by_definition(*x)[0], *inputs)[1](delta)
    return *by_weights, by_z
