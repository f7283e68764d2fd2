r"""The categorical density over K outcomes, and the multinomial over their counts.

Sampling is by the inverse of the cumulative distribution: the unit interval is cut into K pieces,
the k-th as long as the k-th probability, and a uniform number picks the piece that it falls into.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from gdmlib._checks import (
    check_count,
    check_labels,
    check_not_negative,
    check_probabilities,
    check_tensor,
    check_values,
)
from gdmlib._random import cumulate, pick, uniform, widest
from gdmlib.densities.density import Density, Labels


class Categorical(Density):
    """One of K outcomes, 0 to K - 1.

    Args:
        probs: Probabilities, shape (K,), that sum to 1.
        logits: Instead of probabilities, their logarithms up to a common constant, shape (K,). An
            outcome with logit -inf is impossible.

    Attributes:
        logits: The log-probabilities, shape (K,), normalised.
    """

    event_shape = torch.Size(())
    logits: Tensor

    def __init__(self, probs: Tensor | None = None, *, logits: Tensor | None = None) -> None:
        super().__init__()
        if (probs is None) == (logits is None):
            raise ValueError("expected either probs or logits, and not both")
        if probs is not None:
            logits = check_probabilities(probs, "probs").log()
        assert logits is not None
        check_tensor(logits, "logits", ndim=1, floating=True, finite=False)
        normalised = torch.log_softmax(logits, dim=0)
        if bool(normalised.isnan().any()):
            raise ValueError("logits: expected finite numbers or -inf, got NaN, +inf or only -inf")
        self.support = Labels(len(normalised))
        self.register_buffer("logits", normalised)

    @classmethod
    def fit(cls, x: Tensor, *, num_classes: int, smoothing: float = 0.0) -> Categorical:
        """Fit by maximum likelihood: the relative frequencies.

        Args:
            x: Outcomes, integers from 0 to num_classes - 1, shape (N,).
            num_classes: The number K of possible outcomes.
            smoothing: Added to each count. With 0, an outcome that was never seen is held to be
                impossible; with 1 (Laplace's rule) it keeps the probability 1 / (N + K).
        """
        num_classes = check_count(num_classes, "num_classes")
        labels = check_labels(x, "x", num_classes=num_classes)
        check_not_negative(smoothing, "smoothing")
        counts = torch.bincount(labels, minlength=num_classes) + smoothing
        return cls((counts.double() / counts.sum()).to(torch.get_default_dtype()))

    @property
    def probs(self) -> Tensor:
        """The probabilities, shape (K,)."""
        return self.logits.exp()

    @property
    def cdf(self) -> Tensor:
        """The cumulative probabilities P(x <= k), shape (K,); the last one is exactly 1."""
        return cumulate(self.logits).to(self.logits.dtype)

    def extra_repr(self) -> str:
        """Return what the printed model says of itself."""
        return f"outcomes={len(self.logits)}"

    def _log_prob(self, x: Tensor) -> Tensor:
        return self.logits[x]

    def inverse_cdf(self, u: Tensor) -> Tensor:
        """Return the outcome k with P(x < k) <= u < P(x <= k), shape (B,) -> (B,) int64."""
        check_tensor(u, "u", ndim=1, floating=True)
        check_values(u, "u", (u >= 0) & (u < 1), "numbers of at least 0 and less than 1")
        return pick(self.logits, u.to(widest(u.device)))

    def _sample(self, n: int, generator: Generator | None) -> Tensor:
        return pick(self.logits, uniform((n,), self.logits, generator))

    def entropy(self) -> Tensor:
        """Return the entropy in nats, shape ()."""
        return -torch.where(self.probs > 0, self.probs * self.logits, 0.0).sum()

    def kl(self, other: Categorical) -> Tensor:
        """Return KL(self || other) in nats, shape (); inf if other excludes what self allows."""
        check_tensor(other.logits, "other.logits", shape=self.logits.shape, finite=False)
        terms = self.probs * (self.logits - other.logits)
        return torch.where(self.probs > 0, terms, 0.0).sum()


def multinomial_log_prob(counts: Tensor, probs: Tensor) -> Tensor:
    r"""Return the log-probability that n independent draws give these counts.

    .. math:: \log p(c) = \ln n! - \sum_k \ln c_k! + \sum_k c_k \ln p_k, \quad n = \sum_k c_k

    The factorials nearly cancel for large n, so the sum is done in float64.

    Args:
        counts: How often each outcome came, integers of at least 0, shape (..., K).
        probs: Probabilities, shape (K,), that sum to 1; the result, (...), is of their dtype.
    """
    check_probabilities(probs, "probs")
    check_tensor(counts, "counts", integer=True)
    if counts.ndim == 0 or counts.shape[-1] != len(probs):
        raise ValueError(
            f"counts: expected shape (..., {len(probs)}), one count an outcome, "
            f"got {tuple(counts.shape)}"
        )
    check_values(counts, "counts", counts >= 0, "numbers of at least 0")
    c = counts.double()
    p = probs.double() / probs.double().sum()
    ways = torch.lgamma(c.sum(dim=-1) + 1) - torch.lgamma(c + 1).sum(dim=-1)
    return (ways + torch.xlogy(c, p).sum(dim=-1)).to(probs.dtype)
