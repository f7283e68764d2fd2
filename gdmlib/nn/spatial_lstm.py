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
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple, SupportsIndex

import torch
from torch import Generator, Tensor, nn
from torch.utils.checkpoint import checkpoint

from gdmlib._checks import check_count, check_tensor
from gdmlib.nn.precision import full_precision

Cell = Literal["paper", "stable"]


def lstm_step(
    x: Tensor, h: Tensor, c: Tensor, input_weight: Tensor, hidden_weight: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor]:
    """Take one step of a one-dimensional LSTM along a sequence.

    It is the spatial LSTM without an upper neighbour, with h = tanh(c ⊙ o).

    Args:
        x: Input, shape (B, D).
        h, c: Hidden state and memory of the step before, shape (B, N).
        input_weight, hidden_weight, bias: Shapes (D, 4 N), (N, 4 N) and (4 N,), in the order g, o,
            i, f.

    Returns:
        The new hidden state and memory.
    """
    gates = x @ input_weight + h @ hidden_weight + bias
    g, o, i, f = gates.chunk(4, dim=-1)
    c = torch.tanh(g) * torch.sigmoid(i) + c * torch.sigmoid(f)
    return torch.tanh(c * torch.sigmoid(o)), c


def spatial_lstm_step(
    gates: Tensor, c_left: Tensor, c_top: Tensor, cell: Cell = "paper"
) -> tuple[Tensor, Tensor]:
    """Update the cells of a spatial LSTM.

    Args:
        gates: What goes into the nonlinearities, shape (..., 5 N), in the order g, o, i, f^r, f^c,
            or g, o, i, φ, λ.
        c_left, c_top: Memories of the left and the upper neighbour, shape (..., N).
        cell: See `SpatialLSTM`.

    Returns:
        Hidden states and memories, each (..., N).
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
        dim_input: SupportsIndex,
        units: SupportsIndex,
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
            noise = torch.randn(rows, 5 * n, generator=generator)
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

        First derivatives only: `forward_loop`, which `torch.func` is given, has all of them.

        Args:
            x: Inputs at each pixel.
            recompute: Keep the states of a few diagonals only, and compute the others again when
                gradients are asked for: about a third slower, for a fraction of the memory.

        Raises:
            FloatingPointError: If a memory is NaN or infinite.
        """
        check_tensor(x, "x", shape=("B", "H", "W", self.dim_input), floating=True, finite=False)
        if torch._C._are_functorch_transforms_active():
            return self.forward_loop(x)
        batch, height, width, _ = x.shape
        order, inverse, spans = _diagonals(height, width)
        # Diagonal by diagonal, so that each step reads and writes one block of memory.
        images = torch.arange(batch, device=x.device)
        there = (order.to(x.device)[:, None] + height * width * images).flatten()
        back = (batch * inverse.to(x.device) + images[:, None]).flatten()
        skewed = _Permute.apply(x.flatten(0, 2), there, back).unflatten(0, (-1, batch))
        # In segments of √(H + W) diagonals: their blocks of memory are small enough to be reused,
        # and with `recompute` as many states are kept at the seams as within one segment.
        hidden, memory = self._segments(skewed, spans, math.isqrt(len(spans)) + 1, recompute)
        # What is not finite stays so in every cell below and to the right, up to the last one.
        if not bool(memory[-1].isfinite().all()):
            raise self._lost(skewed, spans, inverse, width)
        flat = _Permute.apply(torch.cat(hidden).flatten(0, 1), back, there)
        return flat.unflatten(0, (batch, height, width))

    def _segments(
        self, skewed: Tensor, spans: list[tuple[int, int]], length: int, recompute: bool
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Go through all diagonals, some at a time.

        Returns:
            The hidden states of each segment, and the memories on its last diagonal.
        """
        weights = self.input_weight, self.hidden_weight, self.bias
        state = [skewed.new_zeros(0, skewed.shape[1], self.units)] * 2
        hidden, memory, position, before = [], [], 0, (0, 0)
        for k in range(0, len(spans), length):
            part = spans[k : k + length]
            inputs = skewed[position : position + sum(last - first for first, last in part)]
            sweep = inputs, *weights, *state, before, part, self.cell == "stable"
            if recompute:
                h, *state = checkpoint(_Sweep.apply, *sweep, use_reentrant=False)
            else:
                h, *state = _Sweep.apply(*sweep)
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
        """Compute cells whose neighbours are known.

        Args:
            x: Their inputs, shape (..., D).
            left, top: Hidden states and memories of their neighbours, each (..., N).

        Returns:
            Their hidden states and memories.
        """
        gates = x @ self.input_weight + self.bias
        gates = gates + torch.cat([left[0], top[0]], dim=-1) @ self.hidden_weight
        return spatial_lstm_step(gates, left[1], top[1], self.cell)


class _Permute(torch.autograd.Function):
    """Rows in another order; the gradient of PyTorch would scatter, which is much slower."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        """Return the rows of x, (M, D), in an order, (M,), given its inverse too."""
        ctx.order, ctx.inverse = order, inverse
        return x.index_select(0, order)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradient, in the order of x."""
        return _Permute.apply(grads[0], ctx.inverse, ctx.order), None, None


class _Step(NamedTuple):
    """Where the cells of a diagonal lie, and in the buffer of states they and their neighbours."""

    cells: slice
    here: slice
    left: slice
    top: slice


class _Sweep(torch.autograd.Function):
    """The recurrence of a spatial LSTM along anti-diagonals, with its gradient.

    Autograd could differentiate the forward part. Doing it here halves the time: the states lie in
    one block of memory that each step writes into, and the gradient of the weights is one matrix
    product at the end instead of one a diagonal.

    The states of one diagonal after the other lie in a buffer, each diagonal between two rows of
    zeros, which stand for what is outside of the image. The neighbours of cell (i, j) are both on
    the diagonal before: the left one in the same row i, the upper one in row i - 1.
    """

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        input_weight: Tensor,
        weight: Tensor,
        bias: Tensor,
        h: Tensor,
        c: Tensor,
        before: tuple[int, int],
        spans: Sequence[tuple[int, int]],
        stable: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Go through some diagonals.

        Args:
            ctx: Keeps what the gradient needs.
            inputs: Of all cells of these diagonals, shape (cells, B, D).
            input_weight, weight, bias: Shapes (D, 5 N), (2 N, 5 N) and (5 N,).
            h, c: The states on the diagonal before, shape (rows, B, N).
            before: The image rows of that diagonal: from, and up to but not including.
            spans: The image rows of each diagonal.
            stable: Share one forget gate among the neighbours.

        Returns:
            The hidden states of all cells, (cells, B, N), and h and c on the last diagonal.
        """
        n = h.shape[2]
        steps, size = _plan(before, spans)
        hidden, memory = h.new_zeros(size, *h.shape[1:]), c.new_zeros(size, *h.shape[1:])
        hidden[1 : 1 + len(h)], memory[1 : 1 + len(c)] = h, c
        # The inputs do not wait for any state: one matrix product for all cells.
        active = torch.addmm(bias, inputs.flatten(0, 1), input_weight)
        active = active.unflatten(0, inputs.shape[:2])
        for cells, here, left, top in steps:
            now = active[cells].flatten(0, 1)
            now.addmm_(hidden[left].flatten(0, 1), weight[:n])
            now.addmm_(hidden[top].flatten(0, 1), weight[n:])
            now[:, :n].tanh_()
            now[:, n:].sigmoid_()
            g, o, i, f_row, f_column = active[cells].chunk(5, dim=2)
            if stable:  # from φ and λ to the two gates
                f_column.mul_(f_row)
                f_row.sub_(f_column)
            torch.mul(g, i, out=memory[here])
            memory[here].addcmul_(memory[left], f_column).addcmul_(memory[top], f_row)
            torch.mul(memory[here], o, out=hidden[here]).tanh_()
        ctx.save_for_backward(inputs, input_weight, weight, active, hidden, memory)
        ctx.steps, ctx.rows, ctx.stable = steps, len(h), stable
        last = steps[-1].here
        inside = torch.cat([hidden[step.here] for step in steps])
        return inside, hidden[last].clone(), memory[last].clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients; see `_Gradient`."""
        # The inputs of the first layer are data, of which nobody wants a gradient.
        settings = ctx.steps, ctx.rows, ctx.stable, ctx.needs_input_grad[0]
        with torch.autocast(grads[0].device.type, enabled=False):
            found = _Gradient.apply(*grads, *ctx.saved_tensors, *settings)
        return *found, None, None, None


class _Gradient(torch.autograd.Function):
    """The way back of `_Sweep`. It is a function of its own to refuse second derivatives.

    A plain ``backward`` cannot: where the loss is linear in the states, PyTorch takes its result
    for a constant, and the second derivatives would lack a part without a word.
    """

    @staticmethod
    def forward(
        ctx: Any,
        d_cells: Tensor,
        d_h: Tensor,
        d_c: Tensor,
        inputs: Tensor,
        input_weight: Tensor,
        weight: Tensor,
        active: Tensor,
        hidden: Tensor,
        memory: Tensor,
        steps: list[_Step],
        rows: int,
        stable: bool,
        wanted: bool,
    ) -> tuple[Tensor | None, ...]:
        """Go back through the diagonals; ``d_`` marks a derivative of the loss."""
        n = hidden.shape[2]
        d_hidden, d_memory = torch.zeros_like(hidden), torch.zeros_like(memory)
        d_gates = torch.empty_like(active)
        d_hidden[steps[-1].here], d_memory[steps[-1].here] = d_h, d_c
        for cells, here, left, top in reversed(steps):
            g, o, i, f_row, f_column = active[cells].chunk(5, dim=2)
            d_state = d_hidden[here].add_(d_cells[cells])
            # h = tanh(c ⊙ o)
            d_product = torch.ops.aten.tanh_backward(d_state, hidden[here])
            d_here = d_memory[here].addcmul_(d_product, o)
            d_now = d_gates[cells]
            d_g, d_o, d_i, d_row, d_column = d_now.chunk(5, dim=2)
            torch.mul(d_here, i, out=d_g)
            torch.mul(d_product, memory[here], out=d_o)
            torch.mul(d_here, g, out=d_i)
            torch.mul(d_here, memory[top], out=d_row)
            torch.mul(d_here, memory[left], out=d_column)
            d_memory[left].addcmul_(d_here, f_column)
            d_memory[top].addcmul_(d_here, f_row)
            torch.ops.aten.tanh_backward.grad_input(d_g, g, grad_input=d_g)
            gated = slice(n, 3 * n if stable else 5 * n)
            d_gated = d_now[..., gated]
            torch.ops.aten.sigmoid_backward.grad_input(
                d_gated, active[cells][..., gated], grad_input=d_gated
            )
            if stable:
                _unshare(f_row, f_column, d_row, d_column)
            flat = d_now.flatten(0, 1)
            d_hidden[left].flatten(0, 1).addmm_(flat, weight[:n].T)
            d_hidden[top].flatten(0, 1).addmm_(flat, weight[n:].T)
        flat = d_gates.flatten(0, 1)
        lefts, tops = (torch.cat([hidden[step[side]] for step in steps]) for side in (2, 3))
        d_weight = torch.cat([states.flatten(0, 1).T @ flat for states in (lefts, tops)])
        d_inputs = (flat @ input_weight.T).view_as(inputs) if wanted else None
        d_input_weight = inputs.flatten(0, 1).T @ flat
        first = slice(1, 1 + rows)
        return d_inputs, d_input_weight, d_weight, flat.sum(dim=0), d_hidden[first], d_memory[first]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Refuse to differentiate a second time."""
        raise RuntimeError(
            "SpatialLSTM.forward has no second derivatives; SpatialLSTM.forward_loop has"
        )


def _unshare(f_row: Tensor, f_column: Tensor, d_row: Tensor, d_column: Tensor) -> None:
    """Turn derivatives by f^r and f^c into those by what goes into φ and λ, in place.

    f^r = φ (1 - λ), f^c = φ λ, and a sigmoid s has the derivative s (1 - s).
    """
    phi = f_row + f_column
    both = d_row * f_row + d_column * f_column
    # λ (1 - λ) φ = f^r f^c / φ; where φ underflows, so does this.
    share = f_row * f_column / phi.clamp(min=torch.finfo(phi.dtype).tiny)
    d_column.sub_(d_row).mul_(share)
    torch.mul(both, 1 - phi, out=d_row)


def _plan(before: tuple[int, int], spans: Sequence[tuple[int, int]]) -> tuple[list[_Step], int]:
    """Say where the cells of each diagonal and their neighbours lie, see `_Sweep`.

    Returns:
        The steps, and the number of rows of the buffer of states.
    """
    steps, cell, start = [], 0, 0
    for first, last in spans:
        n = last - first
        left = start + 1 + first - before[0]
        start += before[1] - before[0] + 2
        here = slice(start + 1, start + 1 + n)
        steps.append(
            _Step(slice(cell, cell + n), here, slice(left, left + n), slice(left - 1, left - 1 + n))
        )
        cell, before = cell + n, (first, last)
    return steps, start + before[1] - before[0] + 2


@lru_cache(maxsize=32)
def _diagonals(height: int, width: int) -> tuple[Tensor, Tensor, list[tuple[int, int]]]:
    """Order the cells of an image by anti-diagonals.

    Returns:
        The index of each cell, in the new order, (H * W,); the inverse of that permutation; and the
        rows of each diagonal, from and up to but not including.
    """
    spans = [(max(0, d - width + 1), min(height, d + 1)) for d in range(height + width - 1)]
    # What is kept for the next call must not be marked by the mode of the first one.
    with torch.inference_mode(False):
        cells = [d + (width - 1) * i for d, span in enumerate(spans) for i in range(*span)]
        order = torch.tensor(cells)
        return order, order.argsort(), spans
