r"""A mixture of Bernoullis, fitted by expectation–maximisation: the baseline without a chain rule.

.. math:: p(x) = \sum_k w_k \prod_i q_{ki}^{x_i} (1 - q_{ki})^{1 - x_i}

Within a component the pixels are independent; what they have to do with each other, they have by
the component. With K = 1 they are independent altogether. See Bishop (2006), Pattern Recognition
and Machine Learning, section 9.3.3: its equations 9.56 to 9.60 are the two steps of the fit.
"""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Generator, Tensor
from torch.nn.functional import logsigmoid, softplus

from gdmlib._checks import (
    check_count,
    check_mask,
    check_not_negative,
    check_probabilities,
    check_tensor,
    check_values,
    check_zeros_and_ones,
)
from gdmlib._random import permutation, pick, uniform
from gdmlib.densities.density import Binary, Mixture
from gdmlib.densities.exact import em

CHUNK = 10_000  # examples whose components are weighed at a time


class BernoulliMixture(Mixture):
    """A mixture of K components, each with independent pixels.

    Args:
        weights: The probability of each component, shape (K,).
        probs: The probability of a 1 for each component and pixel, shape (K, *event_shape), more
            than 0 and less than 1.

    Attributes:
        log_odds: The log-odds of a 1, shape (K, d).
        valid_history: After ``fit`` with validation data: the mean negative log-likelihood of them.
    """

    support = Binary()
    weights: Tensor
    log_odds: Tensor

    def __init__(self, weights: Tensor, probs: Tensor) -> None:
        super().__init__()
        check_probabilities(weights, "weights")
        check_tensor(probs, "probs", floating=True, like=weights)
        if probs.ndim < 2 or len(probs) != len(weights):
            raise ValueError(
                f"probs: expected shape ({len(weights)}, *event_shape), one row a component, got "
                f"{tuple(probs.shape)}"
            )
        wanted, advice = "more than 0 and less than 1", "; clamp them, or fit with smoothing"
        check_values(probs, "probs", (probs > 0) & (probs < 1), wanted, advice)
        self.event_shape = probs.shape[1:]
        self.num_pixels = math.prod(self.event_shape)
        self.valid_history: list[float] = []
        self.register_buffer("weights", weights / weights.sum())
        self.register_buffer("log_odds", torch.logit(probs.reshape(len(probs), -1)))

    @classmethod
    def fit(
        cls,
        x: Tensor,
        *,
        components: int = 1,
        generator: Generator | None = None,
        smoothing: float = 1.0,
        n_iter: int = 100,
        tolerance: float = 1e-4,
        valid: Tensor | None = None,
        patience: int = 5,
    ) -> BernoulliMixture:
        """Fit by EM from one start; the result is a local maximum.

        The start is halfway between the mean of the data and one example, for each component.

        Args:
            x: Zeros and ones, shape (N, *event_shape), at least as many as components.
            components: The number K of components.
            generator: Chooses the examples to start from.
            smoothing: Imagined examples that each component has seen of a 1, and of a 0, at every
                pixel, and that each component owns: Laplace's rule. With 0, a component with few
                examples is too sure.
            n_iter: The most EM steps to take.
            tolerance: Stop when a step raises the mean log-likelihood by less than this, in nats.
            valid: Zeros and ones, shape (M, *event_shape). Stop when their log-likelihood has not
                risen for ``patience`` steps, and return the model that was best for them.
            patience: See ``valid``.
        """
        x = check_zeros_and_ones(check_tensor(x, "x", floating=True), "x").detach()
        components = check_count(components, "components")
        if x.ndim < 2 or len(x) < components:
            raise ValueError(
                f"x: expected shape (N, *event_shape) with at least {components} examples, one "
                f"a component, got {tuple(x.shape)}"
            )
        model = cls(*_start(x, components, generator))
        step = partial(model.em_step, smoothing=smoothing)
        held_out = None if valid is None else model.check(valid, "valid")
        model.history, model.valid_history, model.converged = em(
            model, model.log_prob, step, x,
            n_iter=n_iter, tolerance=tolerance, valid=held_out, patience=patience,
        )  # fmt: skip
        return model

    @property
    def probs(self) -> Tensor:
        """The probability of a 1 for each component and pixel, shape (K, *event_shape)."""
        return torch.sigmoid(self.log_odds).reshape(-1, *self.event_shape)

    def logits(self, x: Tensor) -> Tensor:
        """Return the log-odds of x_i = 1 given x_0 to x_{i-1}, (B, *event_shape) -> (B, d).

        A mixture has a chain rule as any density has; its factors are mixtures whose weights are
        the responsibilities given the pixels so far.
        """
        z = self.check(x).flatten(1)
        belief = self.weights.log().repeat(len(z), 1)
        columns = []
        for i, a in enumerate(self.log_odds.T):
            on, off = belief + logsigmoid(a), belief + logsigmoid(-a)
            columns.append(on.logsumexp(dim=1) - off.logsumexp(dim=1))
            belief = torch.where(z[:, i : i + 1] == 1, on, off)
        return torch.stack(columns, dim=1)

    def conditional_log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x_i | x_0, ..., x_{i-1}) of every pixel, (B, *event_shape) -> the same."""
        logits = self.logits(x).reshape(x.shape)
        return logsigmoid(torch.where(x == 1, logits, -logits))

    @torch.no_grad()
    def complete(self, x: Tensor, known: Tensor, generator: Generator | None = None) -> Tensor:
        """Draw from p(unknown | known), exactly, whatever is known; see `ChainRule.complete`.

        The known pixels say how probable each component is; one of them draws the others.
        """
        z = self.check(x).flatten(1)
        known = check_mask(known, "known", x.shape[1:], x.shape).to(x.device)
        fixed = known.expand(x.shape).flatten(1).to(z)
        on, off = logsigmoid(self.log_odds), logsigmoid(-self.log_odds)
        seen = (fixed * z) @ on.T + (fixed * (1 - z)) @ off.T
        u = uniform((len(z),), self.weights, generator)
        drawn = self._pixels(pick(self.weights.log() + seen, u), generator)
        return torch.where(fixed == 1, z, drawn).reshape(x.shape)

    @torch.no_grad()
    def em_step(self, x: Tensor, *, smoothing: float = 0.0) -> float:
        """Take one step of EM, in place; return the mean log-likelihood in nats *before* it.

        With a smoothing of 0 it cannot fall, but for probabilities of exactly 0 or 1, which are
        moved inside by the rounding unit of the dtype.
        """
        z = self.check(x).flatten(1)
        check_not_negative(smoothing, "smoothing")
        total = torch.zeros_like(self.weights, dtype=torch.float64)
        ones = torch.zeros_like(self.log_odds, dtype=torch.float64)
        log_prob = 0.0
        for part in z.split(CHUNK):
            joint = self._log_joint(part)
            each = joint.logsumexp(dim=1, keepdim=True)
            share = (joint - each).exp()
            total += share.sum(dim=0, dtype=torch.float64)
            ones += share.T @ part
            log_prob += float(each.sum(dtype=torch.float64))
        eps = torch.finfo(z.dtype).eps
        probs = (ones + smoothing) / (total[:, None] + 2 * smoothing).clamp(min=1e-300)
        self.log_odds.copy_(torch.logit(probs.clamp(eps, 1 - eps)))
        self.weights.copy_((total + smoothing) / (total + smoothing).sum())
        return log_prob / len(z)

    def _log_joint(self, x: Tensor) -> Tensor:
        # log q^x (1 - q)^(1 - x) = x a - log(1 + e^a), with the log-odds a: one matrix product.
        constant = self.weights.log() - softplus(self.log_odds).sum(dim=1)
        return constant + x.flatten(1) @ self.log_odds.T

    def _sample(self, n: int, generator: Generator | None) -> Tensor:
        component = pick(self.weights.log(), uniform((n,), self.weights, generator))
        return self._pixels(component, generator).reshape(n, *self.event_shape)

    def _pixels(self, component: Tensor, generator: Generator | None) -> Tensor:
        """Draw the pixels of one event from each of these components, (n,) -> (n, d)."""
        probs = torch.sigmoid(self.log_odds[component])
        return (uniform(probs.shape, probs, generator) < probs).to(probs)


def _start(x: Tensor, k: int, generator: Generator | None) -> tuple[Tensor, Tensor]:
    """Return weights and probabilities to start from."""
    mean = (x.sum(dim=0) + 1) / (len(x) + 2)
    weights = torch.full((k,), 1 / k, dtype=x.dtype, device=x.device)
    if k == 1:
        return weights, mean[None]
    chosen = permutation(len(x), generator)[:k]
    return weights, (x[chosen.to(x.device)] + mean) / 2
