r"""RIDE, the recurrent image density estimator: a spatial LSTM that feeds an MCGSM.

A fixed neighbourhood forgets what lies beyond its edge. A recurrent network carries it along: the
`SpatialLSTM` reads the neighbourhood of each pixel, and its state :math:`h_{ij}` is the context of
an `MCGSM`, which is the density of the pixel (Theis and Bethge 2015, arXiv:1506.03478).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn
from torch.utils.checkpoint import checkpoint

from gdmlib._checks import check_count
from gdmlib.autoregressive.causal_image import CausalImage, Front
from gdmlib.autoregressive.mcgsm import MCGSM
from gdmlib.autoregressive.neighbourhood import Neighbourhood
from gdmlib.densities.scale_mixture import GaussianScaleMixture
from gdmlib.nn.precision import full_precision
from gdmlib.nn.spatial_lstm import Cell, SpatialLSTM
from gdmlib.nn.whitening import Whitening

Memory = tuple[list[Tensor], list[Tensor]]


class RIDE(CausalImage):
    """A density of grey images of any size, with a memory beyond its neighbourhood.

    Contexts and pixels are whitened first, and the head predicts what linear regression leaves
    over, as in the paper.

    The memory of the paper's cell may grow without bound on images larger than those it was trained
    on; rates and samples are refused with a FloatingPointError where it is no longer finite.

    Args:
        neighbourhood: The causal neighbourhood that the first layer sees at each pixel.
        units: Units of each layer.
        layers: Layers; each sees the hidden states of the one below.
        cell: "paper" or "stable", see `SpatialLSTM`.
        components, scales, features: Of the head, see `MCGSM`.
        head_sees_context: Let the head see the neighbourhood beside the hidden state. The paper's
            does not; with it, an `MCGSM` of the same neighbourhood is a special case.
        event_shape, padding: See `CausalImage`.
        recompute: Bound the memory that a gradient needs, by computing states and densities a
            second time.
        generator: Draws the parameters.
    """

    def __init__(
        self,
        neighbourhood: Neighbourhood,
        *,
        units: int = 32,
        layers: int = 1,
        cell: Cell = "paper",
        components: int = 8,
        scales: int = 4,
        features: int | None = None,
        head_sees_context: bool = False,
        event_shape: Sequence[int] = (1, 32, 32),
        padding: float = 0.5,
        recompute: bool = False,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(neighbourhood, event_shape, padding)
        self.units = check_count(units, "units")
        sizes = [len(neighbourhood)] + [self.units] * (check_count(layers, "layers") - 1)
        self.recompute = recompute
        self.head_sees_context = head_sees_context
        self.whitening = Whitening(len(neighbourhood))
        self.layers = nn.ModuleList(
            SpatialLSTM(d, self.units, cell=cell, generator=generator) for d in sizes
        )
        self.head = MCGSM(
            self.units + head_sees_context * len(neighbourhood),
            components=components,
            scales=scales,
            features=features,
            generator=generator,
        )

    @full_precision
    @torch.no_grad()
    def initialise(self, images: Tensor, conditional: MCGSM | None = None) -> RIDE:
        """Fit the whitening, and the head's scales to what linear regression leaves; return itself.

        Args:
            images: Training images, shape (B, 1, H, W), large enough to hold the neighbourhood.
            conditional: A trained model of the same neighbourhood, and of the head's numbers of
                components, scales and features. Its whitening and parameters are taken over: the
                model then *is* that MCGSM until training makes use of the hidden states. Needs
                ``head_sees_context``.
        """
        self.check(images)
        if conditional is not None:
            self._take_over(conditional)
            return self
        contexts, pixels = self.neighbourhood.pairs(images)
        self.whitening.estimate(contexts, pixels)
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
        sizes = {**conditional.sizes, "pixels": conditional.dim_context}
        own = {**self.head.sizes, "pixels": len(self.neighbourhood)}
        if not self.head_sees_context or sizes != own:
            raise ValueError(
                "conditional: expected a head that sees the context, and the same numbers: "
                f"{own}, got {sizes}"
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

    def hidden(self, white: Tensor) -> Tensor:
        """Return what the head sees, from whitened contexts: (B, H, W, D) -> (B, H, W, ...)."""
        h = white
        for k, layer in enumerate(self.layers):
            try:
                h = layer(h, self.recompute)
            except FloatingPointError as error:
                raise FloatingPointError(f"layer {k}: {error}") from error
        return torch.cat([h, white], dim=3) if self.head_sees_context else h

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

    def _state(self, n: int, height: int, width: int, visits: Tensor) -> list[Memory]:
        blank = self._like().new_zeros(n, height + 1, self.units)

        def ring() -> list[Tensor]:
            return [blank.clone() for _ in range(self.neighbourhood.lag + 1)]

        return [(ring(), ring()) for _ in self.layers]

    def _step(
        self, contexts: Tensor, front: Front, u: Tensor, z: Tensor, state: list[Memory]
    ) -> Tensor:
        """Draw the pixels of a wavefront.

        The state of each layer holds h and c of the last ``lag`` + 1 wavefronts, a row of zeros
        and then those of each row. A pixel's left neighbour was drawn one step ago, its upper
        neighbour ``lag`` steps ago.
        """
        ring = self.neighbourhood.lag + 1
        now, before, above = ((front.step - k) % ring for k in (0, 1, self.neighbourhood.lag))
        own, upper = slice(front.first + 1, front.last + 1), slice(front.first, front.last)
        x = white = self.whitening.context(contexts)
        for layer, (h, c) in zip(self.layers, state, strict=True):
            assert isinstance(layer, SpatialLSTM)
            left = h[before][:, own], c[before][:, own]
            top = h[above][:, upper], c[above][:, upper]
            x, memory = layer.step(x, left, top)
            h[now][:, own], c[now][:, own] = x, memory
        seen = torch.cat([x, white], dim=2) if self.head_sees_context else x
        drawn = self.head.draw_white(seen.flatten(0, 1), u.flatten(), z.flatten())
        return self.whitening.inverse(drawn.reshape(u.shape), white)

    def _finish(self, canvas: Tensor, state: list[Memory]) -> None:
        # The last row has all others before it; `hidden` says where its trouble began.
        if not all(bool(c[:, -1].isfinite().all()) for _, ring in state for c in ring):
            self.hidden(self.whitening.context(self.neighbourhood.contexts(canvas)))
