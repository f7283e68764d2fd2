r"""The spatial LSTM: a recurrent layer that sweeps an image from the top left.

Its memory at a pixel mixes those of the pixel's left and upper neighbours (Graves and Schmidhuber
2009; Theis and Bethge 2015, arXiv:1506.03478, equations 6 to 8):

.. math::

    (g, o, i, f^r, f^c)_{ij} &= (\tanh, \sigma, \sigma, \sigma, \sigma)\;
        T_{A,b}\,(x_{ij},\ h_{i,j-1},\ h_{i-1,j}) \\
    c_{ij} &= g_{ij} \odot i_{ij} + c_{i,j-1} \odot f^c_{ij} + c_{i-1,j} \odot f^r_{ij} \\
    h_{ij} &= \tanh(c_{ij} \odot o_{ij})

with an affine :math:`T`. If both forget gates are near 1, the memory doubles from one cell to the
next: nothing bounds it below :math:`2^{H+W}`, which float32 cannot hold for 64 x 64 pixels. The
*stable* cell shares one forget gate :math:`\phi` among the two neighbours by a second gate
:math:`\lambda`, so that its memory is a mean and not a sum (Leifert, Strauß, Grüning, Wustlich and
Labahn 2016, "Cells in multidimensional recurrent neural networks"):

.. math:: f^r = \phi\,(1 - \lambda), \qquad f^c = \phi\,\lambda

By induction :math:`|c_{ij}| \le i + j + 1`, with rows and columns that are counted from 0: each
step adds at most :math:`|g \odot i| \le 1` to the larger of two neighbours.

The cells of one anti-diagonal do not need one another. An image of H rows and W columns therefore
takes H + W - 1 steps, each one matrix product, and not H · W of them.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Generator, Tensor, nn
from torch.utils.checkpoint import checkpoint

from gdmlib._checks import check_count, check_tensor, ordinary
from gdmlib._random import draw
from gdmlib.nn.precision import full_precision
from gdmlib.nn.sweep import Permute, Sweep, diagonals

Cell = Literal["paper", "stable"]


def lstm_step(
    x: Tensor, h: Tensor, c: Tensor, input_weight: Tensor, hidden_weight: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor]:
    """Take a step of a one-dimensional LSTM: the spatial one without an upper neighbour.

    Args:
        x: Input, shape (B, D).
        h, c: Hidden state and memory of the step before, shape (B, N); the new ones are returned.
        input_weight, hidden_weight, bias: Shapes (D, 4 N), (N, 4 N) and (4 N,), in the order g, o,
            i, f.
    """
    gates = x @ input_weight + h @ hidden_weight + bias
    g, o, i, f = gates.chunk(4, dim=-1)
    c = torch.tanh(g) * torch.sigmoid(i) + c * torch.sigmoid(f)
    return torch.tanh(c * torch.sigmoid(o)), c


def spatial_lstm_step(
    gates: Tensor, c_left: Tensor, c_top: Tensor, cell: Cell = "paper"
) -> tuple[Tensor, Tensor]:
    """Return the hidden states and memories, each (..., N), of cells of a spatial LSTM.

    Args:
        gates: What goes into the nonlinearities, shape (..., 5 N), in the order g, o, i, f^r, f^c,
            or g, o, i, φ, λ.
        c_left, c_top: Memories of the left and the upper neighbour, shape (..., N).
        cell: See `SpatialLSTM`.
    """
    n = c_left.shape[-1]
    g = torch.tanh(gates[..., :n])
    o, i, f_row, f_column = torch.sigmoid(gates[..., n:]).chunk(4, dim=-1)
    if cell == "stable":
        f_row, f_column = f_row * (1 - f_column), f_row * f_column
    c = g * i + c_left * f_column + c_top * f_row
    return torch.tanh(c * o), c


class SpatialLSTM(nn.Module):
    """One layer of spatial LSTM units.

    Args:
        dim_input: The size D of the input at each pixel.
        units: The number N of units.
        cell: "paper", two free forget gates, or "stable", two that add up to at most 1.
        generator: Draws the parameters.

    Attributes:
        input_weight, hidden_weight, bias: Shapes (D, 5 N), (2 N, 5 N), of the left and then of the
            upper hidden state, and (5 N,).
    """

    def __init__(
        self,
        dim_input: int,
        units: int,
        *,
        cell: Cell = "paper",
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        if cell not in ("paper", "stable"):
            raise ValueError(f'cell: expected "paper" or "stable", got {cell!r}')
        self.cell = cell
        self.dim_input = check_count(dim_input, "dim_input")
        n = self.units = check_count(units, "units")

        def weight(rows: int, gain: float) -> nn.Parameter:
            noise = draw(torch.randn, rows, 5 * n, generator=generator)
            return nn.Parameter(gain / rows**0.5 * noise)

        self.input_weight = weight(self.dim_input, 0.5)
        # Larger ones make a chaotic system, whose gradients explode over a long way.
        self.hidden_weight = weight(2 * n, 0.1)
        # With no bias both forget gates of the paper are near ½, so that the memory neither dies
        # nor explodes; for the same φ must be near 1.
        bias = torch.zeros(5 * n)
        bias[3 * n : 4 * n] = 4.0 * (cell == "stable")
        self.bias = nn.Parameter(bias)

    @full_precision
    def forward(self, x: Tensor, recompute: bool = False) -> Tensor:
        """Return the hidden states, shape (B, H, W, D) -> (B, H, W, N).

        First derivatives only: `forward_loop`, which `torch.func` is given, has all of them. With
        ``recompute`` it keeps the states of a few diagonals only, and computes the others again
        when gradients are asked for: about a third slower, for a fraction of the memory.

        Raises:
            FloatingPointError: If a memory is NaN or infinite.
        """
        check_tensor(x, "x", shape=("B", "H", "W", self.dim_input), floating=True, finite=False)
        if torch._C._are_functorch_transforms_active():
            return self.forward_loop(x)
        batch, height, width, _ = x.shape
        order, inverse, spans = diagonals(height, width)
        # Diagonal by diagonal, so that each step reads and writes one block of memory.
        images = torch.arange(batch, device=x.device)
        there = (order.to(x.device)[:, None] + height * width * images).flatten()
        back = (batch * inverse.to(x.device) + images[:, None]).flatten()
        skewed = Permute.apply(x.flatten(0, 2), there, back).unflatten(0, (-1, batch))
        # In segments of √(H + W) diagonals: their blocks of memory are small enough to be reused,
        # and with `recompute` as many states are kept at the seams as within one segment.
        hidden, memory = self._segments(skewed, spans, math.isqrt(len(spans)) + 1, recompute)
        # What is not finite stays so in every cell below and to the right, up to the last one.
        if not bool(memory[-1].isfinite().all()):
            raise self._lost(skewed, spans, inverse, width)
        flat = Permute.apply(torch.cat(hidden).flatten(0, 1), back, there)
        return flat.unflatten(0, (batch, height, width))

    def _segments(
        self, skewed: Tensor, spans: list[tuple[int, int]], length: int, recompute: bool
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return the hidden states of each segment of diagonals, and the memories at its end."""
        weights = self.input_weight, self.hidden_weight, self.bias
        state = [skewed.new_zeros(0, skewed.shape[1], self.units)] * 2
        hidden, memory, position, before = [], [], 0, (0, 0)
        for k in range(0, len(spans), length):
            part = spans[k : k + length]
            inputs = skewed[position : position + sum(last - first for first, last in part)]
            sweep = inputs, *weights, *state, before, part, self.cell == "stable"
            if recompute:
                h, *state = checkpoint(Sweep.apply, *sweep, use_reentrant=False)
            else:
                h, *state = Sweep.apply(*sweep)
            hidden.append(h)
            memory.append(state[1])
            position, before = position + len(inputs), part[-1]
        return hidden, memory

    @torch.no_grad()
    def _lost(
        self, skewed: Tensor, spans: list[tuple[int, int]], inverse: Tensor, width: int
    ) -> FloatingPointError:
        """Say where the first memory is that is not finite, in the order of reading."""
        _, memory = self._segments(skewed, spans, 1, False)
        finite = torch.cat([c.isfinite().all(dim=2) for c in memory]).cpu()[inverse]
        image = int((~finite).any(dim=0).nonzero()[0])
        row, column = divmod(int((~finite[:, image]).nonzero()[0]), width)
        advice = "look for NaN among the weights and inputs"
        if self.cell == "paper":
            advice = (
                "the memory may double from cell to cell: read and draw images in pieces of the "
                'size that the model was trained on, use float64, or train with cell="stable"'
            )
        return FloatingPointError(
            f"the memory at row {row}, column {column} of image {image} is NaN or infinite "
            f"(images of {len(finite) // width} x {width} cells); {advice}"
        )

    def forward_loop(self, x: Tensor) -> Tensor:
        """Return the same, cell by cell: the definition, and slow."""
        batch, height, width, _ = x.shape
        x = ordinary(x)
        zero = x.new_zeros(batch, self.units), x.new_zeros(batch, self.units)
        states: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}
        for i in range(height):
            for j in range(width):
                left, top = states.get((i, j - 1), zero), states.get((i - 1, j), zero)
                states[i, j] = self.step(x[:, i, j], left, top)
        rows = [torch.stack([states[i, j][0] for j in range(width)], dim=1) for i in range(height)]
        return torch.stack(rows, dim=1)

    def step(
        self, x: Tensor, left: tuple[Tensor, Tensor], top: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Return states and memories of cells from inputs, (..., D), and those of neighbours."""
        gates = x @ self.input_weight + self.bias
        gates = gates + torch.cat([left[0], top[0]], dim=-1) @ self.hidden_weight
        return spatial_lstm_step(gates, left[1], top[1], self.cell)
