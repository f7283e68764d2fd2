"""The gradient of a RIDE as a prior: diagonals against the plain double loop over pixels.

``python -m benchmarks.inverse_gradient`` prints processor seconds of one gradient of log p by a
grey picture, side by side in one run, and how far the two gradients are apart.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from typing import Any

import torch
from torch import Tensor

from gdmlib.autoregressive import RIDE, Neighbourhood
from gdmlib.inverse import CausalPrior, gradient
from gdmlib.nn.spatial_lstm import SpatialLSTM


class LoopRIDE(RIDE):
    """The same density, pixel by pixel, as its formulas stand in the paper."""

    def _map(self, contexts: Tensor, pixels: Tensor) -> Tensor:
        white = self.whitening.context(contexts)
        residual = self.whitening.output(pixels, white)
        _, height, width = residual.shape
        hidden = white
        for layer in self.layers:
            assert isinstance(layer, SpatialLSTM)
            hidden = layer.forward_loop(hidden)
        if self.head_sees_context:
            hidden = torch.cat([hidden, white], dim=3)
        found = [
            self.head.white_log_prob(residual[:, i, j], hidden[:, i, j])
            for i in range(height)
            for j in range(width)
        ]
        return torch.stack(found, dim=1).view_as(residual) + self.whitening.log_det()


def build(kind: type[RIDE]) -> RIDE:
    """Return a RIDE of the size of the records, with seeded weights."""
    return kind(
        Neighbourhood.half_plane(rows=4, columns=4),
        units=32,
        cell="stable",
        components=16,
        scales=4,
        features=40,
        head_sees_context=True,
        generator=torch.Generator().manual_seed(0),
    )


def measure(side: int, repeats: int) -> dict[str, Any]:
    """Return processor seconds of both, the ratio, and the relative distance of the gradients."""
    x = torch.rand(1, 1, side, side, generator=torch.Generator().manual_seed(1))

    def timed(prior: CausalPrior, times: int) -> tuple[float, Tensor]:
        seconds = []
        for _ in range(times):
            began = time.process_time()
            found = gradient(prior, x)
            seconds.append(time.process_time() - began)
        return statistics.median(seconds), found

    gradient(CausalPrior(build(RIDE)), x)  # plans of the sweep are kept from then on
    fast, a = timed(CausalPrior(build(RIDE)), repeats)
    slow, b = timed(CausalPrior(build(LoopRIDE)), 1)
    return {
        "side": side,
        "seconds": {"diagonals": round(fast, 3), "double loop": round(slow, 3)},
        "ratio": round(slow / fast, 1),
        "apart": float((a - b).norm() / b.norm()),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def main() -> None:
    """Print one measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=160)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    print(json.dumps(measure(given.side, given.repeats), indent=2))


if __name__ == "__main__":
    main()
