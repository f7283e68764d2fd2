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

from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.autograd.function import once_differentiable

from gdmlib._checks import check_count
from gdmlib.autoregressive._binary import BinaryAutoregressive


class NADE(BinaryAutoregressive):
    """One hidden layer, shared by all pixels.

    Args:
        event_shape: The shape of an event, d pixels in all: d, (d,) or that of an image, (1, H, W).
        hidden: The number H of hidden units.
        ordering: The pixels in the order of their visits, a permutation of 0 to d - 1; None goes
            row by row.
        generator: Draws the weights to start from, uniform in ±1/√d and ±1/√H.

    Attributes:
        weight_in, weight_out: Parameters of shape (d, H): W and V, in the order of visits.
        bias_hidden, bias: Parameters of shape (H,) and (d,): c and b.

    Raises:
        ValueError: If a size is not positive or the ordering is no permutation.
    """

    def __init__(
        self,
        event_shape: int | Sequence[int],
        hidden: int = 500,
        *,
        ordering: Sequence[int] | Tensor | None = None,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(event_shape, ordering)
        d, h = self.num_pixels, check_count(hidden, "hidden")
        self.weight_in = _uniform(d, h, d**-0.5, generator)
        self.weight_out = _uniform(d, h, h**-0.5, generator)
        self.bias_hidden = nn.Parameter(torch.zeros(h))

    def _logits(self, z: Tensor) -> Tensor:
        return _Walk.apply(z, self.weight_in, self.weight_out, self.bias_hidden, self.bias)

    def _ancestral(self, t: Tensor) -> Tensor:
        a = self.bias_hidden.repeat(len(t), 1)
        z = torch.empty_like(t)
        for k in range(self.num_pixels):
            logit = torch.sigmoid(a) @ self.weight_out[k] + self.bias[k]
            z[:, k] = logit > t[:, k]
            a.addr_(z[:, k], self.weight_in[k])
        return z


def _uniform(d: int, h: int, scale: float, generator: Generator | None) -> nn.Parameter:
    return nn.Parameter(torch.empty(d, h).uniform_(-scale, scale, generator=generator))


def plain_logits(model: NADE, x: Tensor) -> Tensor:
    """Return the logits by the definition, a sum over all earlier pixels for each: O(d²H).

    It is what the walk is tested against. Shapes as for :meth:`NADE.logits`.
    """
    z = x.reshape(len(x), -1)[:, model.ordering]
    logits = torch.empty_like(z)
    for k in range(model.num_pixels):
        hidden = torch.sigmoid(model.bias_hidden + z[:, :k] @ model.weight_in[:k])
        logits[:, k] = model.bias[k] + hidden @ model.weight_out[k]
    return logits[:, model.ordering.argsort()]


class _Walk(torch.autograd.Function):
    """The logits, (B, d), from pixels z (B, d) and the weights, and their derivatives.

    Autograd would keep the hidden layer of every pixel, B·d·H numbers, 200 MB for a batch of 128
    binarised digits with 500 units. Instead only the sum behind the last one is kept, and the way
    back subtracts what the way forth has added. So all that a step touches stays in the cache.
    """

    @staticmethod
    def forward(ctx: Any, z: Tensor, w: Tensor, v: Tensor, c: Tensor, b: Tensor) -> Tensor:
        pixels = z.T.contiguous()
        a = c.repeat(len(z), 1)
        h = torch.empty_like(a)
        logits = b[:, None].repeat(1, len(z))
        for k in range(len(pixels)):
            torch.sigmoid(a, out=h)
            logits[k].addmv_(h, v[k])
            a.addr_(pixels[k], w[k])
        ctx.save_for_backward(pixels, w, v, a)
        return logits.T

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        pixels, w, v, end = ctx.saved_tensors
        delta = grads[0].T.contiguous()
        a, h = end.clone(), torch.empty_like(end)
        later = torch.zeros_like(a)  # the derivative by a, summed over the pixels still to come
        gw, gv = torch.empty_like(w), torch.empty_like(v)
        for k in reversed(range(len(pixels))):
            torch.mv(later.T, pixels[k], out=gw[k])
            a.addr_(pixels[k], w[k], alpha=-1)
            torch.sigmoid(a, out=h)
            torch.mv(h.T, delta[k], out=gv[k])
            h.addcmul_(h, h, value=-1).mul_(v[k])  # σ' = h - h²
            later.addcmul_(h, delta[k][:, None])
        return None, gw, gv, later.sum(dim=0), delta.sum(dim=1)
