r"""Whether a batch is as probable as the data are: neither less, nor more.

In many dimensions nearly all draws of a distribution have nearly the same log-probability, minus
its entropy: they are *typical*. Draws of another distribution r are given, on average, minus
:math:`H(r) + \mathrm{KL}(r \| p)`, which is more whenever r has little entropy. So an outsider
need not look improbable, and a test has to look at both sides.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Generator, Tensor

from gdmlib._checks import check_count, check_tensor
from gdmlib._random import draw


class Typicality(NamedTuple):
    """How far the mean log-probability of a batch is from that of the data.

    Attributes:
        shift: Mean of the batch minus mean of the held-out data, in nats: above 0, the model finds
            the batch more probable than data.
        p_value: How probable a shift as far from 0, on either side, is for as many data.
    """

    shift: float
    p_value: float


def typicality(
    log_prob: Tensor,
    heldout: Tensor,
    *,
    draws: int = 1999,
    generator: Generator | None = None,
) -> Typicality:
    """Ask whether a batch is typical of a model, by its log-probabilities alone.

    Batches of as many held-out examples, drawn with replacement, say how far a mean strays by
    chance. A batch of one says little, because log-probabilities of single examples are spread
    out; the spread of a mean falls with the root of their number. The test sees one number of each
    example: it cannot notice outsiders whose entropy and divergence add up to the entropy of the
    data. After Nalisnick, Matsukawa, Teh and Lakshminarayanan (2019), arXiv:1906.02994.

    Args:
        log_prob: Of the batch, in nats, shape (B,).
        heldout: Of data that the model was not trained on, in nats, shape (N,), at least 2.
        draws: Batches of held-out examples; the smallest p-value is 1 / (draws + 1).
        generator: Draws them.
    """
    draws = check_count(draws, "draws")
    log_prob = check_tensor(log_prob, "log_prob", ndim=1, floating=True).detach().cpu().double()
    heldout = check_tensor(heldout, "heldout", ndim=1, floating=True).detach().cpu().double()
    if len(heldout) < 2:
        raise ValueError("heldout: expected at least 2 log-probabilities, got 1")
    usual = heldout.mean()
    shift = log_prob.mean() - usual
    means = torch.stack([_mean_of_some(heldout, len(log_prob), generator) for _ in range(draws)])
    as_far = int(((means - usual).abs() >= shift.abs() * (1 - 1e-12)).sum())
    return Typicality(float(shift), (1 + as_far) / (1 + draws))


def _mean_of_some(x: Tensor, n: int, generator: Generator | None) -> Tensor:
    return x[draw(torch.randint, len(x), (n,), generator=generator).cpu()].mean()
