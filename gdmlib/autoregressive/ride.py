r"""RIDE, the recurrent image density estimator: a spatial LSTM that feeds an MCGSM.

A fixed neighbourhood forgets what lies beyond its edge. A recurrent network carries it along: the
spatial LSTM sweeps an image from the top left, and its memory at a pixel mixes those of the pixel's
left and upper neighbours (Graves and Schmidhuber 2009; Theis and Bethge 2015, arXiv:1506.03478,
equations 6 to 8):

.. math::

    (g, o, i, f^r, f^c)_{ij} &= (\tanh, \sigma, \sigma, \sigma, \sigma)\;
        T_{A,b}\,(x_{<ij},\ h_{i,j-1},\ h_{i-1,j}) \\
    c_{ij} &= g_{ij} \odot i_{ij} + c_{i,j-1} \odot f^c_{ij} + c_{i-1,j} \odot f^r_{ij} \\
    h_{ij} &= \tanh(c_{ij} \odot o_{ij})

where :math:`T` is affine and :math:`x_{<ij}` a small causal neighbourhood. The density of the pixel
is an `MCGSM` whose context is :math:`h_{ij}`.

The cells of one anti-diagonal do not need one another. An image of H rows and W columns therefore
takes H + W - 1 steps, each one matrix product, and not H · W of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint

from gdmlib._checks import check_count, check_tensor
from gdmlib._random import uniform
from gdmlib.autoregressive.mcgsm import MCGSM, Whitening
from gdmlib.autoregressive.neighbourhood import CausalImage, Neighbourhood, wavefronts
from gdmlib.densities.scale_mixture import GaussianScaleMixture
from gdmlib.training.exact import lbfgs


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


def spatial_lstm_step(gates: Tensor, c_left: Tensor, c_top: Tensor) -> tuple[Tensor, Tensor]:
    """Update the cells of a spatial LSTM.

    Args:
        gates: What goes into the nonlinearities, shape (..., 5 N), in the order g, o, i, f^r, f^c.
        c_left, c_top: Memories of the left and the upper neighbour, shape (..., N).

    Returns:
        Hidden states and memories, each (..., N).
    """
    n = c_left.shape[-1]
    g = torch.tanh(gates[..., :n])
    o, i, f_row, f_column = torch.sigmoid(gates[..., n:]).chunk(4, dim=-1)
    c = g * i + c_left * f_column + c_top * f_row
    return torch.tanh(c * o), c


class SpatialLSTM(nn.Module):
    """One layer of spatial LSTM units.

    Args:
        dim_input: The size D of the input at each pixel.
        units: The number N of units.
        generator: Draws the parameters.

    Attributes:
        input_weight, hidden_weight, bias: Shapes (D, 5 N), (2 N, 5 N), of the left and then of the
            upper hidden state, and (5 N,).
    """

    def __init__(self, dim_input: int, units: int, *, generator: Generator | None = None) -> None:
        super().__init__()
        check_count(dim_input, "dim_input")
        check_count(units, "units")
        self.dim_input, self.units = dim_input, units

        def weight(rows: int, gain: float) -> nn.Parameter:
            noise = torch.randn(rows, 5 * units, generator=generator)
            return nn.Parameter(gain / rows**0.5 * noise)

        self.input_weight = weight(dim_input, 0.5)
        # Larger ones make a chaotic system, whose gradients explode over a long way.
        self.hidden_weight = weight(2 * units, 0.1)
        # With no bias both forget gates are near ½, so that the memory neither dies nor explodes.
        self.bias = nn.Parameter(torch.zeros(5 * units))

    def forward(self, x: Tensor, recompute: bool = False) -> Tensor:
        """Return the hidden states, shape (B, H, W, D) -> (B, H, W, N).

        Args:
            x: Inputs at each pixel.
            recompute: Keep the states of a few diagonals only, and compute the others again when
                gradients are asked for: about a third slower, for a fraction of the memory.
        """
        check_tensor(x, "x", shape=("B", "H", "W", self.dim_input), floating=True, finite=False)
        batch, height, width, _ = x.shape
        order, inverse, spans = _diagonals(height, width)
        order, inverse = order.to(x.device), inverse.to(x.device)
        # Diagonal by diagonal, so that each step reads and writes one block of memory.
        skewed = x.permute(1, 2, 0, 3).reshape(height * width, batch, -1)[order]
        state = [x.new_zeros(0, batch, self.units)] * 2
        # In segments of √(H + W) diagonals: their blocks of memory are small enough to be reused,
        # and with `recompute` as many states are kept at the seams as within one segment.
        length = math.isqrt(len(spans)) + 1
        hidden, position, before = [], 0, (0, 0)
        for k in range(0, len(spans), length):
            part = spans[k : k + length]
            inputs = skewed[position : position + sum(last - first for first, last in part)]
            if recompute:
                h, *state = checkpoint(self._run, inputs, *state, before, part, use_reentrant=False)
            else:
                h, *state = self._run(inputs, state[0], state[1], before, part)
            hidden.append(h)
            position, before = position + len(inputs), part[-1]
        flat = torch.cat(hidden).index_select(0, inverse)
        return flat.reshape(height, width, batch, -1).permute(2, 0, 1, 3)

    def _run(
        self,
        inputs: Tensor,
        h: Tensor,
        c: Tensor,
        before: tuple[int, int],
        spans: Sequence[tuple[int, int]],
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Go through some diagonals, from the states on the one before, see `_Sweep`."""
        weights = self.input_weight, self.hidden_weight, self.bias
        return _Sweep.apply(inputs, *weights, h, c, before, spans)

    def forward_loop(self, x: Tensor) -> Tensor:
        """Return the same, cell by cell: the definition, and slow."""
        batch, height, width, _ = x.shape
        zero = x.new_zeros(batch, self.units)
        h: dict[tuple[int, int], Tensor] = {}
        c: dict[tuple[int, int], Tensor] = {}
        for i in range(height):
            for j in range(width):
                left, top = h.get((i, j - 1), zero), h.get((i - 1, j), zero)
                gates = x[:, i, j] @ self.input_weight + self.bias
                gates = gates + torch.cat([left, top], dim=1) @ self.hidden_weight
                c_left, c_top = c.get((i, j - 1), zero), c.get((i - 1, j), zero)
                h[i, j], c[i, j] = spatial_lstm_step(gates, c_left, c_top)
        rows = [torch.stack([h[i, j] for j in range(width)], dim=1) for i in range(height)]
        return torch.stack(rows, dim=1)

    def step(self, x: Tensor, rows: Tensor, columns: Tensor, h: Tensor, c: Tensor) -> Tensor:
        """Compute the cells at m rows and columns, whose neighbours are known, for a sampler.

        Args:
            x: Their inputs, shape (n, m, D).
            rows, columns: Shape (m,).
            h, c: States of all cells with a row of zeros above and a column of zeros on the left,
                (n, H + 1, W + 1, N); the new ones are written into them.

        Returns:
            The new hidden states, (n, m, N).
        """
        left, top = (slice(None), rows + 1, columns), (slice(None), rows, columns + 1)
        gates = x @ self.input_weight + self.bias
        gates = gates + torch.cat([h[left], h[top]], dim=2) @ self.hidden_weight
        new_h, new_c = spatial_lstm_step(gates, c[left], c[top])
        h[:, rows + 1, columns + 1], c[:, rows + 1, columns + 1] = new_h, new_c
        return new_h


class _Sweep(torch.autograd.Function):
    """The recurrence of a spatial LSTM along anti-diagonals, with its gradient.

    Autograd could differentiate the forward part. Doing it here halves the time: the states lie in
    one block of memory that each step writes into, and the gradient of the weights is one matrix
    product at the end instead of one a diagonal.

    The states of one diagonal after the other lie in a buffer, each diagonal between two rows of
    zeros, which stand for what is outside of the image. The neighbours of cell (i, j) are both on
    the diagonal before: the left one in the same row i, the upper one in row i - 1. Only first
    derivatives are given.
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
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Go through some diagonals.

        Args:
            ctx: Keeps what the gradient needs.
            inputs: Of all cells of these diagonals, shape (cells, B, D).
            input_weight, weight, bias: Shapes (D, 5 N), (2 N, 5 N) and (5 N,).
            h, c: The states on the diagonal before, shape (rows, B, N).
            before: The image rows of that diagonal: from, and up to but not including.
            spans: The image rows of each diagonal.

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
            torch.mul(g, i, out=memory[here])
            memory[here].addcmul_(memory[left], f_column).addcmul_(memory[top], f_row)
            torch.mul(memory[here], o, out=hidden[here]).tanh_()
        ctx.save_for_backward(inputs, input_weight, weight, active, hidden, memory)
        ctx.steps, ctx.rows = steps, len(h)
        last = steps[-1][1]
        inside = torch.cat([hidden[step[1]] for step in steps])
        return inside, hidden[last].clone(), memory[last].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_cells: Tensor, d_h: Tensor, d_c: Tensor) -> tuple[Tensor | None, ...]:
        """Go back through the diagonals; ``d_`` marks a derivative of the loss."""
        inputs, input_weight, weight, active, hidden, memory = ctx.saved_tensors
        n = hidden.shape[2]
        d_hidden, d_memory = torch.zeros_like(hidden), torch.zeros_like(memory)
        d_gates = torch.empty_like(active)
        d_hidden[ctx.steps[-1][1]], d_memory[ctx.steps[-1][1]] = d_h, d_c
        for cells, here, left, top in reversed(ctx.steps):
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
            d_gated, gated = d_now[..., n:], active[cells][..., n:]
            torch.ops.aten.tanh_backward.grad_input(d_g, g, grad_input=d_g)
            torch.ops.aten.sigmoid_backward.grad_input(d_gated, gated, grad_input=d_gated)
            flat = d_now.flatten(0, 1)
            d_hidden[left].flatten(0, 1).addmm_(flat, weight[:n].T)
            d_hidden[top].flatten(0, 1).addmm_(flat, weight[n:].T)
        flat = d_gates.flatten(0, 1)
        neighbours = [
            torch.cat([hidden[step[side]] for step in ctx.steps]).flatten(0, 1) for side in (2, 3)
        ]
        d_weight = torch.cat([states.T @ flat for states in neighbours])
        # The inputs of the first layer are data, of which nobody wants a gradient.
        wanted = ctx.needs_input_grad[0]
        d_inputs = (flat @ input_weight.T).view_as(inputs) if wanted else None
        d_input_weight = inputs.flatten(0, 1).T @ flat
        first = slice(1, 1 + ctx.rows)
        d_start = d_hidden[first], d_memory[first]
        return d_inputs, d_input_weight, d_weight, flat.sum(dim=0), *d_start, None, None


def _plan(
    before: tuple[int, int], spans: Sequence[tuple[int, int]]
) -> tuple[list[tuple[slice, slice, slice, slice]], int]:
    """Say where each diagonal's cells, states, left and upper neighbours lie, see `_Sweep`.

    Returns:
        For each diagonal four slices, of the cells, and of the buffer of states; and the number of
        rows of that buffer.
    """
    steps, cell, start = [], 0, 0
    for first, last in spans:
        n = last - first
        left = start + 1 + first - before[0]
        start += before[1] - before[0] + 2
        here = slice(start + 1, start + 1 + n)
        steps.append(
            (slice(cell, cell + n), here, slice(left, left + n), slice(left - 1, left - 1 + n))
        )
        cell, before = cell + n, (first, last)
    return steps, start + before[1] - before[0] + 2


class RIDE(CausalImage):
    """A density of grey images of any size, with a memory beyond its neighbourhood.

    ``log_prob`` is a density of all pixels (what lies outside of the image reads as ``padding``);
    ``interior_log_prob`` that of the pixels whose neighbourhood is in the image, given the others.
    Contexts and pixels are whitened first, and the head predicts what linear regression leaves
    over, as in the paper.

    Args:
        neighbourhood: The causal neighbourhood that the first layer sees at each pixel.
        units: Units of each layer.
        layers: Layers; each sees the hidden states of the one below.
        components, scales, features: Of the head, see `MCGSM`.
        head_sees_context: Let the head see the neighbourhood beside the hidden state. The paper's
            does not; with it, an `MCGSM` of the same neighbourhood is a special case.
        event_shape: Of the images that ``sample`` draws: (1, height, width).
        padding: The value outside of the image.
        recompute: Bound the memory that a gradient needs, by computing states and densities a
            second time.
        generator: Draws the parameters.
    """

    def __init__(
        self,
        neighbourhood: Neighbourhood,
        units: int = 32,
        layers: int = 1,
        components: int = 8,
        scales: int = 4,
        features: int | None = None,
        *,
        head_sees_context: bool = False,
        event_shape: Sequence[int] = (1, 32, 32),
        padding: float = 0.5,
        recompute: bool = False,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(neighbourhood, event_shape, padding)
        check_count(layers, "layers")
        sizes = [len(neighbourhood)] + [units] * layers
        self.recompute = recompute
        self.units = units
        self.head_sees_context = head_sees_context
        self.whitening = Whitening(len(neighbourhood))
        self.layers = nn.ModuleList(SpatialLSTM(d, units, generator=generator) for d in sizes[:-1])
        self.head = MCGSM(
            units + head_sees_context * len(neighbourhood),
            components,
            scales,
            features,
            generator=generator,
        )

    @torch.no_grad()
    def start(self, images: Tensor, conditional: MCGSM | None = None) -> RIDE:
        """Fit the whitening, and the head's scales to what linear regression leaves over.

        Args:
            images: Training images, shape (B, 1, H, W), large enough to hold the neighbourhood.
            conditional: A trained model of the same neighbourhood, and of the head's numbers of
                components, scales and features. Its whitening and parameters are taken over: the
                model then *is* that MCGSM until training makes use of the hidden states. Needs
                ``head_sees_context``.

        Returns:
            The model itself, ready to be trained.

        Raises:
            ValueError: If the conditional's sizes are not those of the head.
        """
        self._check_images(images)
        if conditional is not None:
            self._take_over(conditional)
            return self
        contexts, pixels = self.neighbourhood.pairs(images)
        self.whitening.fit(contexts, pixels)
        residual = self.whitening.output(pixels, self.whitening.context(contexts))
        scales = GaussianScaleMixture.fit(
            residual[:: 1 + len(residual) // 20_000, None],
            scales=self.head.eta.shape[1],
            zero_mean=True,
            n_iter=50,
            ridge=1e-6,
        )
        noise = 0.1 * (self.head.alpha - self.head.alpha.mean(dim=0))
        self.head.alpha.copy_(noise - 2 * scales.scales.log())
        self.head.eta.copy_(scales.weights.log().expand_as(self.head.eta))
        return self

    def _take_over(self, conditional: MCGSM) -> None:
        """Copy a trained MCGSM into the whitening and the head, which ignores the states then."""
        sizes = [*conditional.beta.shape, conditional.eta.shape[1], conditional.dim_context]
        own = [*self.head.beta.shape, self.head.eta.shape[1], len(self.neighbourhood)]
        if not self.head_sees_context or sizes != own:
            raise ValueError(
                "conditional: expected a head that sees the context, and the same numbers of "
                f"components, features, scales and pixels: {own}, got {sizes}"
            )
        self.whitening.load_state_dict(conditional.whitening.state_dict())
        for name in ("eta", "alpha", "beta", "offsets"):
            getattr(self.head, name).copy_(getattr(conditional, name))
        # What the head sees is the hidden state, then the context.
        for name, axis in (("features", 0), ("gate", 1), ("predictors", 1)):
            mine = getattr(self.head, name)
            mine.zero_().narrow(axis, self.units, len(self.neighbourhood)).copy_(
                getattr(conditional, name)
            )

    def finetune_head(
        self,
        images: Tensor,
        *,
        n_iter: int = 100,
        valid: Tensor | None = None,
    ) -> list[float]:
        """Fit the head by L-BFGS with the recurrent layers held fixed, on padded images.

        Args:
            images: Training images, shape (B, 1, H, W).
            n_iter: The most steps to take.
            valid: Images that are held out, see `gdmlib.training.exact.lbfgs`.

        Returns:
            The mean negative log-likelihood in nats of *whitened* pixels, at the start and after
            each step.
        """
        held_out = None if valid is None else self._head_pairs(valid)
        return lbfgs(
            self.head,
            self.head.white_log_prob,
            self._head_pairs(images),
            n_iter=n_iter,
            valid=held_out,
        )

    def hidden(self, white: Tensor) -> Tensor:
        """Return what the head sees, from whitened contexts: (B, H, W, D) -> (B, H, W, ...)."""
        h = white
        for layer in self.layers:
            h = layer(h, self.recompute)
        return torch.cat([h, white], dim=3) if self.head_sees_context else h

    @torch.no_grad()
    def _head_pairs(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return whitened pixels, and what the head sees, as rows."""
        self._check_images(images)
        contexts = self.neighbourhood.contexts(self.neighbourhood.pad(images[:, 0], self.padding))
        white = self.whitening.context(contexts)
        residual = self.whitening.output(images[:, 0], white)
        return residual.flatten(), self.hidden(white).flatten(0, 2)

    def _map(self, contexts: Tensor, pixels: Tensor) -> Tensor:
        white = self.whitening.context(contexts)
        residual = self.whitening.output(pixels, white).flatten()
        hidden = self.hidden(white).flatten(0, 2)
        if self.recompute:
            parts = [
                checkpoint(self.head.white_log_prob, r, h, use_reentrant=False)
                for r, h in zip(residual.split(4096), hidden.split(4096), strict=True)
            ]
            found = torch.cat(parts)
        else:
            found = self.head.white_log_prob(residual, hidden)
        return found.reshape(pixels.shape) + self.whitening.log_det()

    def _reference(self) -> Tensor:
        return self.head.eta

    def _state(self, shape: torch.Size) -> list[tuple[Tensor, Tensor]]:
        n, height, width = shape
        blank = self._reference().new_zeros(n, height + 1, width + 1, self.units)
        return [(blank.clone(), blank.clone()) for _ in self.layers]

    def _step(
        self, contexts: Tensor, rows: Tensor, columns: Tensor, u: Tensor, z: Tensor, state: Any
    ) -> Tensor:
        h = white = self.whitening.context(contexts)
        for layer, memory in zip(self.layers, state, strict=True):
            assert isinstance(layer, SpatialLSTM)
            h = layer.step(h, rows, columns, *memory)
        seen = torch.cat([h, white], dim=2) if self.head_sees_context else h
        drawn = self.head.draw_white(seen.flatten(0, 1), u.flatten(), z.flatten())
        return self.whitening.inverse(drawn.reshape(u.shape), white)


class FlipEnsemble(nn.Module):
    r"""The mixture of an image density with itself on flipped images: EoRIDE.

    .. math:: p(x) = \frac1K \sum_k q(\text{flip}_k(x))

    A flip moves pixels about, so that its Jacobian is 1 and the mixture is a density. It suits
    images whose statistics do not know left from right or, less so, up from down.

    Args:
        model: The density q of images.
        vertical: Flip up and down as well: K is 4, otherwise 2.
        transpose: Swap rows and columns as well, which doubles K; for square images.

    Raises:
        ValueError: If images that are not square should be transposed.
    """

    def __init__(
        self, model: CausalImage, *, vertical: bool = True, transpose: bool = False
    ) -> None:
        super().__init__()
        self.event_shape = model.event_shape
        if transpose and self.event_shape[-1] != self.event_shape[-2]:
            raise ValueError(
                f"transpose: expected square images, the model's are {tuple(self.event_shape)}"
            )
        self.model = model
        flips: list[tuple[int, ...]] = [(), (3,)]
        if vertical:
            flips += [(2,), (2, 3)]
        self.flips = [(dims, swap) for swap in (False, True)[: 1 + transpose] for dims in flips]

    def log_prob(self, images: Tensor) -> Tensor:
        """Return the log-density of each image, shape (B, 1, H, W) -> (B,), in nats."""
        check_tensor(images, "images", shape=("B", 1, "H", "W"), floating=True)
        each = [
            self.model.log_prob((images.mT if swap else images).flip(dims))
            for dims, swap in self.flips
        ]
        return torch.logsumexp(torch.stack(each), dim=0) - math.log(len(each))

    @torch.no_grad()
    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        """Draw n images, shape (n, *event_shape): those of the model, each flipped at random."""
        images = self.model.sample(n, generator)
        chosen = (uniform((n,), images, generator) * len(self.flips)).long()
        for k, (dims, swap) in enumerate(self.flips):
            back = images[chosen == k].flip(dims)
            images[chosen == k] = back.mT if swap else back
        return images


@lru_cache(maxsize=32)
def _diagonals(height: int, width: int) -> tuple[Tensor, Tensor, list[tuple[int, int]]]:
    """Order the cells of an image by anti-diagonals.

    Returns:
        The index of each cell, in the new order, (H * W,); the inverse of that permutation; and the
        rows of each diagonal, from and up to but not including.
    """
    # What is kept for the next call must not be marked by the mode of the first one.
    with torch.inference_mode(False):
        fronts = list(wavefronts(height, width, 1))
        order = torch.cat([rows * width + columns for rows, columns in fronts])
        spans = [(int(rows[0]), int(rows[-1]) + 1) for rows, _ in fronts]
        return order, order.argsort(), spans
