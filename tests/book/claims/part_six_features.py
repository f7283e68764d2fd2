"""Claims of lesson 21."""

from __future__ import annotations

import torch

from gdmlib import data
from gdmlib.features import at_error, gram, nearest, recall_at
from gdmlib.metrics import perceptual_distance, psnr
from tests.book.claims.registry import claim


@claim("21", "tiled-gram")
def tiled_gram() -> tuple[str, ...]:
    """Without the division, four times as many places have four times the products."""
    f = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    tiled = f.repeat(1, 1, 2, 2)
    ratio = (gram(tiled) * 256) / (gram(f) * 64)
    assert torch.allclose(ratio, torch.full_like(ratio, 4.0), atol=1e-3)
    return ("four times those of the style", "four times as large", "half its size")


@claim("21", "equal-error")
def equal_error() -> None:
    """A blur and a change of light, both at 28.0 dB: the features forgive the light."""
    x = data.photographs()["chelsea"][:, 100:164, 130:194]
    pair = [at_error(name, x, 10**-2.8)[None] for name in ("light", "blur")]
    assert all(abs(float(psnr(x[None], y)) - 28.0) < 0.05 for y in pair)
    light, blur = (float(perceptual_distance(x[None], y)) for y in pair)
    assert light < 0.3 * blur


@claim("21", "counts-itself")
def counts_itself() -> tuple[str, ...]:
    """Random rankings, with the query in the first place and without it."""
    labels = torch.arange(40).repeat_interleave(11)
    z = torch.randn(440, 60, generator=torch.Generator().manual_seed(0))
    honest = float(recall_at(nearest(z, k=10), labels).mean())
    hits = (labels[nearest(z, z, k=10)] == labels[:, None]).double()
    assert abs(honest - 10 / 439) < 0.01 and abs(float(hits.mean()) - 0.12) < 0.01
    return f"{(1 + 9 * 10 / 439) / 10:.2f} instead of {10 / 439:.2f}", "0.02", "1.0", "0.10"
