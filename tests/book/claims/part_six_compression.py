"""Claims of lesson 23."""

from __future__ import annotations

import math

import torch

from gdmlib.compression import BitsBack
from gdmlib.latent import VAE
from tests.book.claims.registry import claim


@claim("23", "last-digit")
def last_digit() -> None:
    """A sum of the same floats in another order differs."""
    x = torch.randn(1000, 38, generator=torch.Generator().manual_seed(0))
    assert bool((sum(x.unbind(1)) != sum(x.flip(1).unbind(1))).any())


@claim("23", "finer-cells")
def finer_cells() -> tuple[str, ...]:
    """Bits back with cells sixteen times as fine: the net length is the same within 1 %."""
    model = VAE((1, 4, 4), latent=8, hidden=(6,), generator=torch.Generator().manual_seed(0))
    x = model.sample(200, torch.Generator().manual_seed(1))
    coarse, fine = BitsBack(model, cells=10), BitsBack(model, cells=14)
    net = [8 * len(c.compress(x)) - c.start_bits for c in (coarse, fine)]
    assert abs(net[1] / net[0] - 1) < 0.01
    assert 8 * math.log2(16) == 32
    return ("32 bits more are put", "grows by 32 bits", "falls by 32 bits")


@claim("23", "second-decoder")
def second_decoder() -> tuple[str, ...]:
    """Pictures of two kinds with one code: the mean errs by 40, a draw by twice as much."""
    x = torch.tensor([100 + 40**0.5, 100 - 40**0.5]).double()  # equally probable
    mean = (x - x.mean()).square().mean()
    drawn = (x[:, None] - x).square().mean()
    return f"{drawn:.0f}", f"{mean:.0f}: the file is the same", f"Less than {mean:.0f}", "0, as far"
