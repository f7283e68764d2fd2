r"""Bits back: lossless coding with a latent variable, at the price of the bound.

A VAE says p(z) and p(x | z), but not p(x), so nobody can cut an interval by it. Write *some* code z
that fits, then x given z: that costs :math:`-\log_2 p(z) - \log_2 p(x \mid z)`, too much, because z
was a choice, and there were many. The choice need not be wasted. Let it carry a message of its own:
take bits that are on the stack already, and decode them by :math:`q(z \mid x)`, as if they had been
a z written with it. The receiver, who gets z and then x, knows q, too, and puts these bits back:

.. math:: \underbrace{+\log_2 q(z \mid x)}_{\text{taken}}
    \underbrace{-\log_2 p(x \mid z) - \log_2 p(z)}_{\text{put}},

on average minus the ELBO (Hinton and van Camp 1993; Townsend, Bird and Barber 2019,
arXiv:1901.04866, whose discretisation of z into cells of equal prior probability this is).
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.special import ndtr, ndtri
from torch import Tensor

from gdmlib._checks import check_count, check_kind
from gdmlib.compression.ans import LOW, Stack
from gdmlib.compression.container import (
    CorruptStreamError,
    Stream,
    checksum,
    fingerprint,
    pack,
    unpack,
    verify,
)
from gdmlib.latent import VAE
from gdmlib.training.loop import evaluating

KIND = b"BACK"
_BITS = 27  # of the shares that cells of z have under q
_PIXEL = 20  # of those of a zero and a one


class BitsBack:
    """Codes zeros and ones by a VAE with a Bernoulli decoder.

    Args:
        model: As trained; receivers need the same.
        cells: Each number of z lies in one of 2^cells cells of equal probability under N(0, 1).
        start: How many random words of 32 bits the stack begins with, a number of z; the first
            event needs bits to take. They can be a message of their own; here they are noise.

    Attributes:
        start_bits: How many bits of a stream are that noise.
    """

    def __init__(self, model: VAE, *, cells: int = 12, start: int = 4) -> None:
        check_kind(model, "model", VAE, "a VAE")
        if model.likelihood != "bernoulli":
            raise ValueError(
                f"model: expected a Bernoulli decoder, got likelihood={model.likelihood!r}; real "
                "numbers have no probability, only levels have"
            )
        self.model, self.cells = model, check_count(cells, "cells")
        if self.cells > 20:
            raise ValueError(f"cells: expected at most 20 bits, got {cells}")
        self.start = check_count(start, "start")
        count = 1 << self.cells
        self._edges = ndtri(np.arange(count + 1) / count)
        self._centres = ndtri((np.arange(count) + 0.5) / count)
        self._model = fingerprint(model, self._centres, words=f"{cells} {start}")

    @property
    def start_bits(self) -> int:
        """How many bits lie on the stack before the first event."""
        return len(self._fresh())

    def compress(self, x: Tensor) -> bytes:
        """Write events of zeros and ones, shape (B, *event_shape), one on top of the other."""
        x = self.model.check(x)
        stack, flat = self._fresh(), x.flatten(1).long().numpy()
        with evaluating(self.model):
            for k in range(len(x)):
                by_q = self._posterior(x[k : k + 1])
                z = self._take(stack, by_q)
                self._pixels(stack, z, flat[k])
                stack.push(z, np.ones_like(z), self.cells)
        shape = tuple(x.shape)
        return pack(Stream(KIND, self._model, shape, checksum(flat), stack.to_bytes()))

    def decompress(self, data: bytes) -> Tensor:
        """Return the events that `compress` wrote, in their order.

        Raises:
            CorruptStreamError: If the stream is damaged or not this model's.
        """
        stream = unpack(data, KIND, self._model)
        if stream.shape[1:] != tuple(self.model.event_shape):
            raise CorruptStreamError(
                f"expected events of shape {tuple(self.model.event_shape)}, the stream has "
                f"{stream.shape[1:]}"
            )
        latent = self.model.latent
        stack = Stack.from_bytes(stream.payload, latent)
        d = self.model.event_shape.numel()
        flat = np.zeros((stream.shape[0], d), dtype=np.int64)
        like = self.model._like()
        with evaluating(self.model):
            for k in reversed(range(len(flat))):
                z = stack.peek(latent, self.cells)
                stack.pop(z, np.ones_like(z), self.cells)
                self._pixels(stack, z, flat[k], write=False)
                x = torch.from_numpy(flat[k]).to(like).reshape(1, *self.model.event_shape)
                self._put(stack, self._posterior(x), z)
        if stack.to_bytes() != self._fresh().to_bytes():
            raise CorruptStreamError("what is left on the stack is not what it began with")
        verify(flat, stream.content)
        return torch.from_numpy(flat).to(like).reshape(stream.shape)

    def _fresh(self) -> Stack:
        """Return a stack with the random words on it."""
        random = np.random.RandomState(0)
        stack = Stack(self.model.latent)
        for _ in range(self.start):
            word = random.randint(1 << 16, size=(2, self.model.latent))
            for half in word:
                stack.push(half, np.ones_like(half), 16)
        assert bool((stack.state >= LOW).all())
        return stack

    def _posterior(self, x: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and standard deviation of q(z | x), (latent,) each."""
        mean, log_variance = self.model._encode(x)
        return mean[0].double().numpy(), np.exp(0.5 * log_variance[0].double().numpy())

    def _begin(self, q: tuple[np.ndarray, np.ndarray], cell: np.ndarray) -> np.ndarray:
        """Return where the shares of cells begin under q: whole numbers of 2^_BITS slots."""
        room = (1 << _BITS) - (1 << self.cells)
        return np.floor(room * ndtr((self._edges[cell] - q[0]) / q[1])).astype(np.int64) + cell

    def _take(self, stack: Stack, q: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """Decode a z by q from the bits that are there, by bisection."""
        slot = stack.peek(len(q[0]), _BITS)
        low = np.zeros(len(slot), dtype=np.int64)
        for k in reversed(range(self.cells)):
            middle = low + (1 << k)
            low = np.where(self._begin(q, middle) <= slot, middle, low)
        start = self._begin(q, low)
        stack.pop(start, self._begin(q, low + 1) - start, _BITS)
        return low

    def _put(self, stack: Stack, q: tuple[np.ndarray, np.ndarray], z: np.ndarray) -> None:
        start = self._begin(q, z)
        stack.push(start, self._begin(q, z + 1) - start, _BITS)

    def _pixels(
        self, stack: Stack, z: np.ndarray, pixels: np.ndarray, *, write: bool = True
    ) -> None:
        """Push the pixels given z, or pop them into ``pixels``; as many at once as there are lanes.

        What is pushed last is popped first: pushes go backwards.
        """
        like = self.model._like()
        codes = torch.from_numpy(self._centres[z]).to(like)[None]
        p = self.model._decode(codes)[0].double().sigmoid().numpy()
        zeros = 1 + np.floor(((1 << _PIXEL) - 2) * (1 - p)).astype(np.int64)
        lanes = len(stack.state)
        groups = range(0, len(pixels), lanes)
        for k in reversed(groups) if write else groups:
            cut, part = zeros[k : k + lanes], pixels[k : k + lanes]
            if not write:
                part[:] = stack.peek(len(cut), _PIXEL) >= cut
            start = np.where(part == 1, cut, 0)
            width = np.where(part == 1, (1 << _PIXEL) - cut, cut)
            (stack.push if write else stack.pop)(start, width, _PIXEL)
