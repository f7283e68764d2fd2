r"""MADE, the masked autoencoder for distribution estimation: one network, masked to be causal.

Germain, Gregor, Murray and Larochelle (2015, https://arxiv.org/abs/1502.03509). Number the pixels
1 to d in the order of their visits, and give each hidden unit a degree from 1 to d - 1: how many
pixels it may know. A weight is kept where it hands on no more than is allowed,

.. math::

    M^{W}_{kj} = [\, m(k) \ge m(j) \,] \quad\text{(equations 12, 13)}, \qquad
    M^{V}_{ik} = [\, i > m(k) \,] \quad\text{(equation 14)},

where an input pixel j has the degree j. Output i then knows the pixels before i and no others,
and one pass through the network gives all the factors of the chain rule.

Other orderings, and other degrees, are other masks on the same weights (section 4). A network that
is trained with several of them is several models in one, and their average is better than each.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import dropout, linear, relu

from gdmlib._checks import check_event_shape, check_share, check_sizes
from gdmlib._random import between, pick, uniform
from gdmlib.autoregressive._binary import (
    Orderings,
    bernoulli_log_prob,
    check_orderings,
    hold,
    thresholds,
)
from gdmlib.autoregressive.chain_rule import WholePass
from gdmlib.densities.density import Binary
from gdmlib.nn.masked_dense import degrees, masks

Noise = tuple[list[Tensor], Tensor]


class MADE(WholePass):
    r"""A masked network of any number of hidden layers, with M masks.

    With several masks it is their mixture, the average of probabilities,
    :math:`p(x) = \frac{1}{M} \sum_m p_m(x)`, which is a density again; the average of
    log-probabilities, which training maximises, would not be one.

    Its completions: each mask offers one, and one of them is drawn in proportion to the probability
    that p_m gives to the known pixels of its own. This is a draw from p(unknown | known) if *every*
    ordering visits the known pixels first.

    Args:
        event_shape: See `BinaryAutoregressive`; an event has d pixels in all.
        hidden: The number of units of each hidden layer, a number if there is one; with none,
            (), and ``direct``, this is an FVSBN.
        orderings: One ordering a mask: permutations of 0 to d - 1. Or their number: the first goes
            row by row, and the others are random. The masks differ in the degrees of their units
            too.
        direct: Whether each output also sees the pixels before it directly.
        dropout: The share of the hidden units that is set to zero in training, drawn from torch's
            global generator; never in samples.
        generator: Draws the orderings, the degrees, and the weights to start from.

    Attributes:
        orderings: Shape (M, d): the pixels in the order of their visits, for each mask.
        degrees: For each hidden layer those of its units, shape (M, H): 1 to d - 1, spread evenly
            and then shuffled.
        weights, biases: The parameters of the layers, the last one without its bias: it is
            ``bias``, in the order of the image.
    """

    support = Binary()
    orderings: Tensor
    turn: Tensor

    def __init__(
        self,
        event_shape: int | Sequence[int],
        *,
        hidden: int | Iterable[int] = 500,
        orderings: Orderings = 1,
        direct: bool = True,
        dropout: float = 0.0,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.event_shape = check_event_shape(event_shape)
        self.num_pixels = d = math.prod(self.event_shape)
        self.bias = nn.Parameter(torch.zeros(d))
        sizes = check_sizes(hidden, "hidden")
        if not sizes and not direct:
            raise ValueError("hidden: expected at least one layer, or direct=True")
        self.dropout = check_share(dropout, "dropout")
        self.register_buffer("orderings", check_orderings(orderings, d, generator))
        self.num_masks = len(self.orderings)
        for i, h in enumerate(sizes):
            each = [degrees(h, d, generator) for _ in range(self.num_masks)]
            self.register_buffer(f"degrees_{i}", torch.stack(each))
        self.register_buffer("turn", torch.tensor(0))
        widths = [d, *sizes, d] if sizes else [d]
        weights = [_uniform(out, inputs, generator) for inputs, out in pairwise(widths)]
        self.weights = nn.ParameterList(weights)
        self.biases = nn.ParameterList([nn.Parameter(torch.zeros(h)) for h in sizes])
        self.direct = _uniform(d, d, generator) if direct else None

    @property
    def ordering(self) -> Tensor:
        """The first of the orderings, shape (d,)."""
        return self.orderings[0]

    @property
    def degrees(self) -> list[Tensor]:
        """The degrees of the units of each hidden layer, each (M, H)."""
        return [getattr(self, f"degrees_{i}") for i in range(len(self.biases))]

    def masks(self, mask: int = 0) -> list[Tensor]:
        """Return which weights a mask keeps: Boolean, (out, in) a layer, direct ones at the end."""
        return self._kept(self._check_mask(mask), torch.bool)

    @property
    def num_parameters(self) -> int:
        """The number of parameters that count: the biases, and the weights that some mask keeps."""
        masks = [self.masks(mask) for mask in range(self.num_masks)]
        used = [int(sum(layer).count_nonzero()) for layer in zip(*masks, strict=True)]
        biases = [self.bias, *self.biases]
        return sum(used[: None if self.direct is not None else -1]) + sum(map(len, biases))

    def logits(self, x: Tensor, mask: int = 0) -> Tensor:
        """Return the log-odds of x_i = 1 given those visited before i, as (B, d)."""
        return self._masked(self.check(x).flatten(1), self._check_mask(mask))

    def conditional_log_prob(self, x: Tensor, mask: int | None = None) -> Tensor:
        """Return log p_m(x_i | x_<i) of every pixel; of several masks, one has to be named.

        Their sum over the event is a column of `log_prob_each`.
        """
        return self._conditional_log_prob(self.check(x), mask)

    def log_prob_each(self, x: Tensor) -> Tensor:
        """Return log p_m(x) for every mask, shape (B, *event_shape) -> (B, M), in nats."""
        return self._log_prob_each(self.check(x).flatten(1))

    def loss(self, x: Tensor) -> Tensor:
        """Return the mean negative log-likelihood under one mask, (), a step each (section 4.2)."""
        z = self.check(x).flatten(1)
        mask = int(self.turn) % self.num_masks
        self.turn += 1
        return -self._factors(z, mask).sum(dim=1).mean()

    def _conditional_log_prob(self, x: Tensor, mask: int | None = None) -> Tensor:
        if mask is None and self.num_masks > 1:
            raise ValueError(
                f"mask: expected 0 to {self.num_masks - 1}, got None; each mask has an order of "
                "its own, so say which one, or take log_prob_each"
            )
        return self._factors(x.flatten(1), self._check_mask(mask or 0)).reshape(x.shape)

    def _log_prob_each(self, z: Tensor) -> Tensor:
        return torch.stack([self._factors(z, m).sum(1) for m in range(self.num_masks)], dim=1)

    def _log_prob(self, x: Tensor) -> Tensor:
        return self._log_prob_each(x.flatten(1)).logsumexp(dim=1) - math.log(self.num_masks)

    def _factors(self, z: Tensor, mask: int) -> Tensor:
        """Return the logarithm of each factor of p_m, both (B, d) in the order of the image."""
        return bernoulli_log_prob(self._masked(z, mask), z)

    def _sample(self, n: int, generator: Generator | None) -> Tensor:
        # Each event needs one mask: the offers of all, as for a completion, cost M times that.
        t = thresholds(n, self.num_pixels, self.bias, generator)
        chosen = (self.num_masks * uniform((n,), self.bias, generator)).long()
        x = torch.empty_like(t)
        for mask in chosen.unique().tolist():
            x[chosen == mask] = self._ancestral(t[chosen == mask], mask)
        return x.reshape(n, *self.event_shape)

    def _noise(self, shape: torch.Size, generator: Generator | None) -> Noise:
        n, d = shape[0], self.num_pixels
        t = [thresholds(n, d, self.bias, generator) for _ in range(self.num_masks)]
        return t, uniform((n,), self.bias, generator)

    def _visits(self) -> Tensor:
        return self.ordering

    def _draw_one(self, x: Tensor, place: int, noise: Noise, labels: Tensor | None) -> Tensor:
        return (self.logits(x) > noise[0][0][:, self.ordering.argsort()])[:, place].to(x)

    def _sweep(self, x: Tensor, known: Tensor, noise: Noise) -> Tensor:
        z, fixed = x.flatten(1), known.flatten(1)
        offers, seen = [], []
        for mask, (t, order) in enumerate(zip(noise[0], self.orderings, strict=True)):
            offers.append(self._ancestral(hold(t, z[:, order], fixed[:, order]), mask))
            seen.append((self._factors(offers[-1], mask) * fixed).sum(dim=1))
        chosen = pick(torch.stack(seen, dim=1), noise[1])
        return torch.stack(offers)[chosen, torch.arange(len(z))].reshape(x.shape)

    def _check_mask(self, mask: int) -> int:
        if not 0 <= mask < self.num_masks:
            raise ValueError(f"mask: expected 0 to {self.num_masks - 1}, got {mask}")
        return mask

    def _kept(self, mask: int, dtype: torch.dtype) -> list[Tensor]:
        """Return the masks of each layer in this dtype."""
        units = [each[mask] for each in self.degrees]
        return masks(self.orderings[mask].argsort(), units, dtype)

    def _masked(self, z: Tensor, mask: int) -> Tensor:
        """Return the logits under one mask, both (B, d) in the order of the image."""
        # As numbers, for a product with Booleans takes several times as long.
        *kept, before = self._kept(mask, z.dtype)
        a = self.bias if self.direct is None else linear(z, self.direct * before, self.bias)
        if not self.biases:
            return a
        h = z
        *inner, last = self.weights
        for weight, bias, keep in zip(inner, self.biases, kept, strict=False):
            h = dropout(relu(linear(h, weight * keep, bias)), self.dropout, self.training)
        return a + linear(h, last * kept[-1])

    def _ancestral(self, t: Tensor, mask: int) -> Tensor:
        """Visit the pixels one by one; each is 1 where its logit exceeds t, (n, d) -> (n, d).

        The columns of t are in the order of visits, those of the result in that of the image. When
        k pixels are known, the units of degree k, and no others, can be computed at last. So
        no unit is computed twice, and all d steps cost as much as one pass. Units are sorted by
        degree here: those that are done stand in front, and no mask is needed.
        """
        order = self.orderings[mask]
        place = order.argsort()
        sort = [degrees[mask].argsort() for degrees in self.degrees]
        rows, columns = [*sort, order], [order, *sort]
        weights = [w[r][:, c] for w, r, c in zip(self.weights, rows, columns, strict=len(sort) > 0)]
        biases = [b[s] for b, s in zip(self.biases, sort, strict=True)]
        # done[l][k]: how many units of layer l have a degree of at most k.
        steps = torch.arange(self.num_pixels, device=order.device)
        done = [
            torch.searchsorted(g[mask][s].contiguous(), steps, right=True).tolist()
            for g, s in zip(self.degrees, sort, strict=True)
        ]
        direct = None if self.direct is None else self.direct[order][:, order]
        bias = self.bias[order]
        z = torch.empty_like(t)
        layers = [z, *[torch.empty(len(t), len(b)).to(t) for b in biases]]
        for k in range(self.num_pixels):
            seen = k  # how many inputs of the next layer may be used
            for i, b in enumerate(biases):
                new = slice(done[i][k - 1] if k else 0, done[i][k])
                below = layers[i][:, :seen]
                layers[i + 1][:, new] = relu(linear(below, weights[i][new, :seen], b[new]))
                seen = done[i][k]
            logit = bias[k].expand(len(t))
            if biases:
                logit = logit + layers[-1][:, :seen] @ weights[-1][k, :seen]
            if direct is not None:
                logit = logit + z[:, :k] @ direct[k, :k]
            z[:, k] = logit > t[:, k]
        return z[:, place]


def _uniform(out: int, inputs: int, generator: Generator | None) -> nn.Parameter:
    """Return weights, (out, in), uniform in ±1/√in."""
    start = between(-1, 1, out, inputs, generator=generator)
    return nn.Parameter(start * inputs**-0.5)
