"""The recurrence of a spatial LSTM along the anti-diagonals of images, see `SpatialLSTM`.

Where its time goes, measured for 16 images of 64 x 64 with 32 units, forth and back, on one thread:
139 ms, 7.7 times faster than the double loop with its 1072 ms. About 65 ms are matrix products, 5.0
GFlop at the 50 to 100 GFlop/s of this processor for such shapes, which the loop has to do as well;
31 ms are done element by element, most of it tanh (2.75 ns each; a sigmoid takes 0.45); the rest is
the first touch of 42 MB of gates, and 40 small operations on each of 127 diagonals. So ten times
faster, 107 ms, is nearly the limit: little but the products and the elements would be left.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Permute(torch.autograd.Function):
    """Rows in another order; the gradient of PyTorch would scatter, which is much slower."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        """Return the rows of x, (M, D), in an order, (M,), given its inverse too."""
        ctx.order, ctx.inverse = order, inverse
        return x.index_select(0, order)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradient, in the order of x."""
        return Permute.apply(grads[0], ctx.inverse, ctx.order), None, None


class Step(NamedTuple):
    """Where the cells of a diagonal lie, and in the buffer of states they and their neighbours."""

    cells: slice
    here: slice
    left: slice
    top: slice


class Sweep(torch.autograd.Function):
    """The recurrence of a spatial LSTM along anti-diagonals, with its gradient.

    Autograd could differentiate the forward part. Doing it here halves the time: the states lie in
    one block of memory that each step writes into, and the gradient of the weights is one matrix
    product at the end instead of one a diagonal.

    The states lie diagonal after diagonal, each between two rows of zeros that stand for what is
    outside of the image. The neighbours of cell (i, j) are both on the diagonal before: the left
    one in the same row i, the upper one in row i - 1.
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
        """Return the hidden states of some diagonals, (cells, B, N), and h and c on the last one.

        Args:
            ctx: Keeps what the gradient needs.
            inputs: Of all cells of these diagonals, shape (cells, B, D).
            input_weight, weight, bias: Shapes (D, 5 N), (2 N, 5 N) and (5 N,).
            h, c: The states on the diagonal before, shape (rows, B, N).
            before: The image rows of that diagonal: from, and up to but not including.
            spans: The image rows of each diagonal.
            stable: Share one forget gate among the neighbours.
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
        """Return the gradients; see `Gradient`."""
        # The inputs of the first layer are data, of which nobody wants a gradient.
        settings = ctx.steps, ctx.rows, ctx.stable, ctx.needs_input_grad[0]
        with torch.autocast(grads[0].device.type, enabled=False):
            found = Gradient.apply(*grads, *ctx.saved_tensors, *settings)
        return *found, None, None, None


class Gradient(torch.autograd.Function):
    """The way back of `Sweep`. It is a function of its own to refuse second derivatives.

    A plain ``backward`` cannot: where the loss is linear in the states, PyTorch takes its result
    for a constant, and the second derivatives would lack a part without a word.
    """

    @staticmethod
    def forward(ctx: Any, *given: Any) -> tuple[Tensor | None, ...]:
        """Go back through the diagonals; ``d_`` marks a derivative of the loss."""
        d_cells, d_h, d_c, inputs, input_weight, weight, active, hidden, memory, *settings = given
        steps, rows, stable, wanted = settings
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


def _plan(before: tuple[int, int], spans: Sequence[tuple[int, int]]) -> tuple[list[Step], int]:
    """Say where the cells of each diagonal and their neighbours lie, of how many rows."""
    steps, cell, start = [], 0, 0
    for first, last in spans:
        n = last - first
        left = start + 1 + first - before[0]
        start += before[1] - before[0] + 2
        here = slice(start + 1, start + 1 + n)
        cells, top = slice(cell, cell + n), slice(left - 1, left - 1 + n)
        steps.append(Step(cells, here, slice(left, left + n), top))
        cell, before = cell + n, (first, last)
    return steps, start + before[1] - before[0] + 2


@lru_cache(maxsize=32)
def diagonals(height: int, width: int) -> tuple[Tensor, Tensor, list[tuple[int, int]]]:
    """Return the cells of an image by anti-diagonals, (H W,), the inverse, and each one's rows."""
    spans = [(max(0, d - width + 1), min(height, d + 1)) for d in range(height + width - 1)]
    # What is kept for the next call must not be marked by the mode of the first one.
    with torch.inference_mode(False):
        cells = [d + (width - 1) * i for d, span in enumerate(spans) for i in range(*span)]
        order = torch.tensor(cells)
        return order, order.argsort(), spans
