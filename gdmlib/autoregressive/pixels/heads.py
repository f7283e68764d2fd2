r"""What a network of pixels says about one pixel: a distribution over the levels of each colour.

A network gives every pixel a row of numbers, made from the pixels before it. A head reads them as

.. math:: p(r, g, b) = p(r)\, p(g \mid r)\, p(b \mid r, g).

- `SoftmaxHead`: one logit a level and a colour. The network knows the order of the colours (see
  `gdmlib.nn.masked_conv`): numbers of g are made from r, those of b from r and g.
- `LogisticMixtureHead`: one mixture for the whole pixel, in which r moves the centre of g, and r
  and g that of b. The network need not tell colours apart.

Both work on rows: ``parameters`` has one row a pixel, and so has ``pixel``, the colours in [0, 1].
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from gdmlib._checks import check_count
from gdmlib.densities.discretised_logistic import logistic_bin_log_prob


class PixelHead(nn.Module, ABC):
    """A distribution over the colours of a pixel.

    Args:
        num_colours, levels: The number C of colours, in the order of the channels, and the number L
            of levels of each, at least 2.

    Attributes:
        groups: The colours whose distributions are read from the same numbers: ``((0,), (1,),
            (2,))`` or ``((0, 1, 2),)``. The network has as many groups of features.
        num_parameters: The numbers P a pixel, shared out equally among the groups.
    """

    groups: tuple[tuple[int, ...], ...]
    num_parameters: int

    def __init__(self, num_colours: int, levels: int) -> None:
        super().__init__()
        self.num_colours = check_count(num_colours, "num_colours")
        self.levels = check_count(levels, "levels", least=2)

    def initial_bias(self) -> Tensor:
        """Return the numbers from which a good start is made, shape (P,)."""
        return torch.zeros(self.num_parameters)

    def split(self, parameters: Tensor) -> tuple[Tensor, ...]:
        """Return the part of each group, (N, P) -> (N, P / groups) each."""
        return parameters.chunk(len(self.groups), dim=1)

    def distribution(self, parameters: Tensor, pixel: Tensor) -> Tensor:
        """Return the log-probabilities of all levels of all colours, (N, C, L).

        Those of a colour are given the colours before it in ``pixel``, (N, C).
        """
        parts = zip(self.groups, self.split(parameters), strict=True)
        found = [self.conditional(part, pixel, c) for colours, part in parts for c in colours]
        return torch.stack(found, dim=1)

    @abstractmethod
    def conditional(self, parameters: Tensor, pixel: Tensor, colour: int) -> Tensor:
        """Return the log-probabilities of the levels of one colour given those before it, (N, L).

        ``parameters`` are those of the colour's group, (N, P / groups).
        """

    @abstractmethod
    def conditional_log_prob(self, parameters: Tensor, pixel: Tensor) -> Tensor:
        """Return log p of each colour given those before it, (N, P) and (N, C) -> (N, C)."""

    def log_prob(self, parameters: Tensor, pixel: Tensor) -> Tensor:
        """Return log p of each pixel, (N, P) and (N, C) -> (N,), in nats."""
        return self.conditional_log_prob(parameters, pixel).sum(dim=1)


class SoftmaxHead(PixelHead):
    """A probability of its own for every level."""

    def __init__(self, num_colours: int, levels: int) -> None:
        super().__init__(num_colours, levels)
        self.groups = tuple((colour,) for colour in range(num_colours))
        self.num_parameters = num_colours * levels

    def conditional(self, parameters: Tensor, pixel: Tensor, colour: int) -> Tensor:
        """Return the log-probabilities of the levels; ``parameters`` are their logits."""
        return torch.log_softmax(parameters, dim=1)

    def conditional_log_prob(self, parameters: Tensor, pixel: Tensor) -> Tensor:
        """Return log p of each colour, the log-softmax of its logits at its level."""
        logits = parameters.reshape(-1, self.levels)
        level = (pixel * (self.levels - 1)).round().long()
        loss = nn.functional.cross_entropy(logits, level.flatten(), reduction="none")
        return -loss.reshape(level.shape)


class LogisticMixtureHead(PixelHead):
    r"""A mixture of K discretised logistic densities for the whole pixel (PixelCNN++).

    Given the component k, colours depend on each other through their means alone, linearly
    (Salimans et al. 2017, equation 2, https://arxiv.org/abs/1701.05517), with colours between -1
    and 1:

    .. math::

        \mu_g = m_g + \alpha r, \qquad \mu_b = m_b + \beta r + \gamma g

    Args:
        num_colours, levels: See `PixelHead`.
        components: The number K of logistic densities.
    """

    def __init__(self, num_colours: int, levels: int, components: int = 10) -> None:
        super().__init__(num_colours, levels)
        self.components = check_count(components, "components")
        self.groups = (tuple(range(num_colours)),)
        # The coefficients of colour c start at the (0 + 1 + ... + c - 1)-th.
        self.sizes = (1, num_colours, num_colours, num_colours * (num_colours - 1) // 2)
        self.num_parameters = components * sum(self.sizes)

    def initial_bias(self) -> Tensor:
        """Return centres spread over the levels, and scales that let neighbours overlap."""
        k, c = self.components, self.num_colours
        centres = (torch.arange(k) + 0.5) * 2 / k - 1
        scales = torch.full((c, k), -math.log(k) - 0.5)
        parts = [torch.zeros(k), centres.repeat(c), scales.flatten()]
        return torch.cat([*parts, torch.zeros(self.sizes[3] * k)])

    def conditional(self, parameters: Tensor, pixel: Tensor, colour: int) -> Tensor:
        """Return the log-probabilities of the levels of one colour given those before it."""
        # The colours before this one say which component the pixel is likely to be of.
        # Normalised first: added to a very improbable colour's -1e8, a bin would lose its digits.
        log_weights = torch.log_softmax(self._log_joint(parameters, pixel, colour), dim=1)
        mean, log_scale = self._component(parameters, pixel, colour)
        level = torch.arange(self.levels, device=pixel.device, dtype=pixel.dtype)
        bins = logistic_bin_log_prob(level, mean[..., None], log_scale[..., None], self.levels)
        return torch.logsumexp(log_weights[..., None] + bins, dim=1)

    def log_prob(self, parameters: Tensor, pixel: Tensor) -> Tensor:
        """Return log p of each pixel, all colours under one mixture."""
        return torch.logsumexp(self._log_joint(parameters, pixel, self.num_colours), dim=1)

    def conditional_log_prob(self, parameters: Tensor, pixel: Tensor) -> Tensor:
        """Return log p of each colour, under the mixture that those before it leave."""
        log_weights = self._log_joint(parameters, pixel, 0)
        found = []
        for colour in range(self.num_colours):
            joint = log_weights + self._log_bin(parameters, pixel, colour)
            found.append(torch.logsumexp(joint, dim=1))
            log_weights = torch.log_softmax(joint, dim=1)
        return torch.stack(found, dim=1)

    def _log_joint(self, parameters: Tensor, pixel: Tensor, colours: int) -> Tensor:
        """Return log p(k, first few colours) for each component k, (N, K)."""
        total = torch.log_softmax(parameters[:, : self.components], dim=1)
        for colour in range(colours):
            total = total + self._log_bin(parameters, pixel, colour)
        return total

    def _log_bin(self, parameters: Tensor, pixel: Tensor, colour: int) -> Tensor:
        """Return log p(colour | k, those before it) for each component k, (N, K)."""
        mean, log_scale = self._component(parameters, pixel, colour)
        level = pixel[:, colour, None] * (self.levels - 1)
        return logistic_bin_log_prob(level, mean, log_scale, self.levels)

    def _component(self, parameters: Tensor, pixel: Tensor, colour: int) -> tuple[Tensor, Tensor]:
        """Return the centre and the log-scale of each component for a colour, in levels, (N, K)."""
        shape = (len(parameters), -1, self.components)
        _, means, log_scales, coefficients = parameters.reshape(shape).split(self.sizes, dim=1)
        mean = means[:, colour]
        start = colour * (colour - 1) // 2
        for before in range(colour):
            slope = torch.tanh(coefficients[:, start + before])
            mean = mean + slope * (2 * pixel[:, before, None] - 1)
        half_range = (self.levels - 1) / 2
        return half_range * (1 + mean), log_scales[:, colour] + math.log(half_range)
