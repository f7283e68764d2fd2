r"""A density a class, put together by Bayes' rule.

.. math::

    p(x) = \sum_k p(k)\, p(x \mid k), \qquad
    p(k \mid x) = \frac{p(k)\, p(x \mid k)}{p(x)}

The same model generates (draw a class, then an x of that class) and classifies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor, nn

from gdmlib._checks import check_count, check_labels, check_probabilities, check_tensor
from gdmlib._random import pick, uniform
from gdmlib.densities.density import Density
from gdmlib.densities.gaussian import MultivariateNormal


class ClassConditional(Density):
    """A joint density p(x, k) = p(k) p(x | k) of an event x and its class k.

    Args:
        densities: One density a class, K of them, all with the same ``event_shape``.
        prior: The probability of each class, shape (K,).
    """

    densities: list[Density]
    prior: Tensor

    def __init__(self, densities: Sequence[Density], prior: Tensor) -> None:
        super().__init__()
        check_probabilities(prior, "prior")
        if len(densities) != len(prior):
            raise ValueError(
                f"densities: expected {len(prior)}, one an entry of the prior, got {len(densities)}"
            )
        shapes = [tuple(density.event_shape) for density in densities]
        if len(set(shapes)) > 1:
            raise ValueError(f"densities: expected one event_shape for all, got {shapes}")
        self.event_shape = torch.Size(shapes[0])
        self.densities = nn.ModuleList(densities)  # type: ignore[assignment]
        self.register_buffer("prior", prior / prior.sum())

    @classmethod
    def fit(
        cls, x: Tensor, y: Tensor, *, density: Callable[[Tensor], Density] = MultivariateNormal.fit
    ) -> ClassConditional:
        """Fit the prior to the labels, and a density to the events of each class.

        Both are fits of maximum likelihood if ``density`` is: the log-likelihood of the pairs
        (x, y) is a sum of the two parts.

        Args:
            x: Events, shape (N, *event_shape).
            y: Their classes, integers from 0 to K - 1, shape (N,).
            density: Fits a density to the events of one class. To pass options, for instance
                ``functools.partial(MultivariateNormal.fit, ridge=0.01)``.

        Raises:
            ValueError: If a class between 0 and the largest label has no example.
        """
        x = check_tensor(x, "x").detach()
        check_tensor(y, "y", ndim=1, integer=True)
        num_classes = max(int(y.max()) + 1, 1)
        y = check_labels(y, "y", num_classes=num_classes, length=len(x))
        counts = torch.bincount(y, minlength=num_classes)
        if bool((counts == 0).any()):
            missing = int(counts.argmin())
            raise ValueError(
                f"y: no example of class {missing}; relabel the classes from 0 without gaps"
            )
        densities = [density(x[y == k]) for k in range(num_classes)]
        dtype = x.dtype if x.is_floating_point() else torch.get_default_dtype()
        return cls(densities, (counts.double() / len(y)).to(dtype))

    def check(self, x: Tensor, name: str = "x") -> Tensor:
        """Return events, (B, *event_shape), if they are valid for the first of the densities."""
        return self.densities[0].check(x, name)

    def log_joint(self, x: Tensor) -> Tensor:
        """Return log p(x, k) for each class, shape (B, *event_shape) -> (B, K), in nats."""
        conditional = [density.log_prob(x) for density in self.densities]
        return torch.stack(conditional, dim=1) + self.prior.log()

    def posterior(self, x: Tensor) -> Tensor:
        """Return p(k | x), shape (B, *event_shape) -> (B, K)."""
        return torch.softmax(self.log_joint(x), dim=1)

    def predict(self, x: Tensor) -> Tensor:
        """Return the most probable class of each x, shape (B, *event_shape) -> (B,) int64."""
        return self.log_joint(x).argmax(dim=1)

    def sample_joint(self, n: int, generator: Generator | None = None) -> tuple[Tensor, Tensor]:
        """Draw n events and their classes, shapes (n, *event_shape) and (n,) int64."""
        y = pick(self.prior.log(), uniform((check_count(n),), self.prior, generator))
        parts = [
            (y == k, density.sample(int((y == k).sum()), generator))
            for k, density in enumerate(self.densities)
            if bool((y == k).any())
        ]
        x = torch.empty(len(y), *self.event_shape, dtype=parts[0][1].dtype, device=y.device)
        for drawn, events in parts:
            x[drawn] = events
        return x, y

    def _log_prob(self, x: Tensor) -> Tensor:
        return torch.logsumexp(self.log_joint(x), dim=1)

    def _sample(self, n: int, generator: Generator | None) -> Tensor:
        return self.sample_joint(n, generator)[0]
