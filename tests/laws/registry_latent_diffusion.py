"""Flow matching in one dimension: the one among the walkers that is a density."""

from __future__ import annotations

from gdmlib.latent.flow_matching import FlowMatching
from gdmlib.nn.timed import TimedMLP

from .builders import randomise, seeded
from .domains import box
from .laws import Case


def matching(seed: int = 0, d: int = 1, size: float = 0.2) -> FlowMatching:
    network = TimedMLP(d, hidden=(4,), generator=seeded(seed))
    return randomise(FlowMatching(network, d, steps=24), seed, size).eval()


CASES = [
    # The equation is solved in steps, forth and back, and each way has an error of its own.
    Case(
        "FlowMatching",
        matching,
        lambda: matching(1),
        box([-14], [14], cells=60),
        tolerance=1e-3,
    )
]
CAUSAL: list[object] = []
