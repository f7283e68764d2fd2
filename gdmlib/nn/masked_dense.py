r"""Dense layers that obey an order: the masks of MADE, which masked flows share.

Numbers stand in the places 0 to d - 1 of an order, and each hidden unit has a degree from 1 to
d - 1: how many of them it may know. A weight is kept where it hands on no more than is allowed
(Germain, Gregor, Murray and Larochelle 2015, https://arxiv.org/abs/1502.03509, equations 12 to 14).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import linear, silu

from gdmlib._random import between, permutation


def degrees(h: int, d: int, generator: Generator | None) -> Tensor:
    """Return the degrees of h units, 1 to d - 1 spread evenly, in random order."""
    return (1 + torch.arange(h) * max(d - 1, 1) // h)[permutation(h, generator)]


def masks(place: Tensor, units: Sequence[Tensor], dtype: torch.dtype) -> list[Tensor]:
    """Return which weights are kept, as numbers of this dtype, (out, in) a layer.

    Args:
        place: The place of each input in the order, from 0, (d,).
        units: The degrees of the units, a tensor for each hidden layer.

    Returns:
        From the inputs through the hidden layers to the outputs, and last from inputs to outputs.
    """
    # Small whole numbers are exact in float32, and faster to compare.
    place = place.float()
    known = [place + 1, *[each.float() for each in units]]
    pairs = [*pairwise([*known, place])] if len(units) else []
    pairs.append((known[0], place))
    blanks = [torch.empty(len(b), len(a), dtype=dtype, device=a.device) for a, b in pairs]
    return [torch.ge(b[:, None], a, out=o) for (a, b), o in zip(pairs, blanks, strict=True)]


class MaskedDense(nn.Module):
    """A network from d numbers to some for each, which know only those before it in an order.

    Args:
        ordering: The numbers in the order of their visits, a permutation of 0 to d - 1.
        hidden: The sizes of the hidden layers.
        outputs: How many numbers for each; they start at 0.
        generator: Draws degrees and weights.

    Attributes:
        ordering: Buffer of shape (d,).
    """

    ordering: Tensor

    def __init__(
        self, ordering: Tensor, hidden: Iterable[int], outputs: int, generator: Generator | None
    ) -> None:
        super().__init__()
        sizes, d = list(hidden), len(ordering)
        self.register_buffer("ordering", ordering)
        for i, h in enumerate(sizes):
            self.register_buffer(f"degrees_{i}", degrees(h, d, generator))
        weights = [
            between(-1, 1, out, inputs, generator=generator) * inputs**-0.5
            for inputs, out in pairwise([d, *sizes])
        ]
        self.weights = nn.ParameterList(weights)
        self.biases = nn.ParameterList([torch.zeros(h) for h in sizes])
        self.last = nn.Parameter(torch.zeros(outputs, d, sizes[-1]))
        self.bias = nn.Parameter(torch.zeros(outputs, d))

    @property
    def degrees(self) -> list[Tensor]:
        """The degrees of the units of each hidden layer, each (H,)."""
        return [getattr(self, f"degrees_{i}") for i in range(len(self.biases))]

    @property
    def num_parameters(self) -> int:
        """The number of parameters that count: those that a mask forbids do not."""
        *kept, last, _ = masks(self.ordering.argsort(), self.degrees, torch.float32)
        used = sum(int(mask.count_nonzero()) for mask in kept)
        return (
            used
            + len(self.last) * int(last.count_nonzero())
            + sum(p.numel() for p in [*self.biases, self.bias])
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the numbers for each of d, (B, d) -> (B, outputs, d)."""
        *kept, last, _ = masks(self.ordering.argsort(), self.degrees, x.dtype)
        h = x
        for weight, bias, mask in zip(self.weights, self.biases, kept, strict=True):
            h = silu(linear(h, weight * mask, bias))
        found = linear(h, (self.last * last).flatten(0, 1), self.bias.flatten())
        return found.unflatten(1, self.bias.shape)

    @torch.no_grad()
    def walk(self, n: int, visit: Callable[[int, Tensor], Tensor]) -> Tensor:
        """Visit the numbers in order: all d visits cost as much as one pass.

        When k numbers are known, the units of degree k, and no others, can be computed at last.
        Units are sorted by degree here: those that are done stand in front, and no mask is needed.

        Args:
            n: The number of events.
            visit: Is told the next number and the network's numbers for it, (n, outputs), and
                returns what the number is, (n,).

        Returns:
            The numbers, (n, d).
        """
        order, d = self.ordering, len(self.ordering)
        sort = [each.argsort() for each in self.degrees]
        rows, columns = sort, [order, *sort]
        weights = [w[r][:, c] for w, r, c in zip(self.weights, rows, columns, strict=False)]
        biases = [b[s] for b, s in zip(self.biases, sort, strict=True)]
        last = self.last[:, order][:, :, sort[-1]].transpose(0, 1).contiguous()
        bias = self.bias[:, order].T.contiguous()
        # done[l][k]: how many units of layer l have a degree of at most k.
        steps = torch.arange(d, device=order.device)
        done = [
            torch.searchsorted(each[s].contiguous(), steps, right=True).tolist()
            for each, s in zip(self.degrees, sort, strict=True)
        ]
        # Rows are numbers and units here, so that those in front lie in one piece.
        z = self.bias.new_empty(d, n)
        layers = [z, *[self.bias.new_empty(len(b), n) for b in biases]]
        for k, number in enumerate(order.tolist()):
            seen = k
            for i, b in enumerate(biases):
                first, end = done[i][k - 1] if k else 0, done[i][k]
                if end > first:
                    below = layers[i][:seen]
                    a = torch.addmm(b[first:end, None], weights[i][first:end, :seen], below)
                    layers[i + 1][first:end] = silu(a)
                seen = end
            found = torch.addmm(bias[k][:, None], last[k][:, :seen], layers[-1][:seen])
            z[k] = visit(number, found.T)
        return z[order.argsort()].T
