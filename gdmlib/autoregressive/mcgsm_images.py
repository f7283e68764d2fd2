"""Images and patches by MCGSMs: one model for all pixels, or one for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn

from gdmlib._checks import check_count, check_tensor
from gdmlib._random import standard_normal, uniform
from gdmlib.autoregressive.causal_image import CausalImage, Front
from gdmlib.autoregressive.chain_rule import ChainRule
from gdmlib.autoregressive.mcgsm import MCGSM
from gdmlib.autoregressive.neighbourhood import Neighbourhood


class MCGSMImage(CausalImage):
    """A density of grey images of any size: an `MCGSM` for each pixel given its neighbourhood.

    Args:
        conditional: The density of a pixel given its context, of as many numbers as the
            neighbourhood has.
        neighbourhood, event_shape, padding: See `CausalImage`.
    """

    def __init__(
        self,
        conditional: MCGSM,
        neighbourhood: Neighbourhood,
        event_shape: Sequence[int] = (1, 32, 32),
        padding: float = 0.5,
    ) -> None:
        super().__init__(neighbourhood, event_shape, padding)
        if conditional.dim_context != len(neighbourhood):
            raise ValueError(
                f"conditional: expected a context of {len(neighbourhood)} numbers, as the "
                f"neighbourhood has, got {conditional.dim_context}"
            )
        self.conditional = conditional

    def _map(self, contexts: Tensor, pixels: Tensor) -> Tensor:
        rows = self.conditional.log_prob(pixels.flatten(), contexts.flatten(0, 2))
        return rows.reshape(pixels.shape)

    def _step(self, contexts: Tensor, front: Front, u: Tensor, z: Tensor, state: Any) -> Tensor:
        drawn = self.conditional.draw(contexts.flatten(0, 1), u.flatten(), z.flatten())
        return drawn.reshape(u.shape)


class MCGSMPatch(ChainRule):
    r"""A density of vectors of d numbers, such as small patches: one `MCGSM` a coordinate.

    .. math:: p(x) = \prod_{i=1}^{d} p_i(x_i \mid x_1, \dots, x_{i-1})

    Each coordinate sees all before it, and each has a model of its own: a pixel at the border of a
    patch, with a smaller context, is not treated as one whose context was padded. This is how the
    patch rates of Theis and Bethge (2015, table 1) are defined.

    Args:
        conditionals: One model a coordinate; the i-th one has a context of i numbers, from 0.
    """

    conditionals: list[MCGSM]

    def __init__(self, conditionals: Sequence[MCGSM]) -> None:
        super().__init__()
        sizes = [model.dim_context for model in conditionals]
        if not sizes or sizes != list(range(len(sizes))):
            raise ValueError(
                f"conditionals: expected contexts of 0, 1, 2, ... numbers, got {sizes}"
            )
        self.conditionals = nn.ModuleList(conditionals)  # type: ignore[assignment]
        self.event_shape = torch.Size((len(sizes),))

    @classmethod
    def fit(
        cls,
        x: Tensor,
        *,
        features: int | None = None,
        valid: Tensor | None = None,
        on_coordinate: Callable[[int, MCGSM], None] | None = None,
        **options: Any,
    ) -> MCGSMPatch:
        """Fit each coordinate on its own by L-BFGS.

        Args:
            x: Vectors, shape (N, d).
            features: Of each coordinate; one with a smaller context has as many as it can.
            valid: Vectors that are held out, shape (M, d).
            on_coordinate: Called with the coordinate's number and its model after each fit.
            options: As for `MCGSM.fit`.
        """
        check_tensor(x, "x", ndim=2, floating=True)
        if valid is not None:
            check_tensor(valid, "valid", shape=("M", x.shape[1]), floating=True)
        conditionals = []
        for i in range(x.shape[1]):
            held_out = None if valid is None else (valid[:, :i], valid[:, i])
            sizes = {"features": at_most(features, i), **options}
            model = MCGSM.fit(x[:, :i], x[:, i], valid=held_out, **sizes)
            conditionals.append(model)
            if on_coordinate is not None:
                on_coordinate(i, model)
        return cls(conditionals)

    def _conditional_log_prob(self, x: Tensor) -> Tensor:
        terms = [model.log_prob(x[:, i], x[:, :i]) for i, model in enumerate(self.conditionals)]
        return torch.stack(terms, dim=1)

    def _noise(self, shape: torch.Size, generator: Generator | None) -> list[tuple[Tensor, Tensor]]:
        like, n = self._like(), shape[:1]
        return [
            (uniform(n, like, generator), standard_normal(n, like, generator))
            for _ in self.conditionals
        ]

    def _sweep(self, x: Tensor, known: Tensor, noise: list[tuple[Tensor, Tensor]]) -> Tensor:
        for i, (model, (u, z)) in enumerate(zip(self.conditionals, noise, strict=True)):
            x[:, i] = torch.where(known[:, i], x[:, i], model.draw(x[:, :i], u, z))
        return x


def at_most(features: int | None, dim_context: int) -> int | None:
    """Return as many quadratic features as were asked for, if the context has as many numbers."""
    return None if features is None else min(check_count(features, "features", 0), dim_context)
