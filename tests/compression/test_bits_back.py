"""Bits back: events come back, at the price of the bound, and so do the bits that were borrowed."""

from __future__ import annotations

import math

import pytest
import torch

from gdmlib.compression import BitsBack, CorruptStreamError
from gdmlib.latent import VAE


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def vae(seed=0, **options):
    model = VAE((1, 4, 5), latent=3, hidden=(8,), generator=seeded(seed), **options)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.5 * torch.randn(p.shape, generator=seeded(seed + 1)))
    return model


def test_events_come_back_at_the_price_of_the_bound():
    model = vae()
    x = model.sample(400, seeded(5))
    coder = BitsBack(model)
    data = coder.compress(x)
    assert torch.equal(coder.decompress(data), x)
    bound = -float(model.elbo(x, 400, seeded()).detach().sum()) / math.log(2)
    bits = 8 * len(data) - coder.start_bits
    # The rate is one draw of z an event: its spread is that of the estimate of the bound.
    spread = float(model.elbo(x, 1, seeded()).detach().std()) / math.log(2) * 20
    assert abs(bits - bound) < 0.01 * bound + 8 * 64 + 3 * spread


def test_without_bits_back_it_would_cost_more():
    """What is taken by q is what a plain two-part code wastes."""
    model = vae()
    x = model.sample(300, seeded(5))
    coder = BitsBack(model)
    bits = 8 * len(coder.compress(x)) - coder.start_bits
    mean, log_variance = model.encode(x)
    kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
    nats = -(model.elbo(x, 200, seeded()) + kl).sum()  # -E log p(x | z)
    two_parts = float(nats.detach()) / math.log(2) + len(x) * 3 * coder.cells
    assert bits < 0.8 * two_parts


def test_the_order_of_events_is_kept_and_one_is_enough():
    coder = BitsBack(vae(), cells=6)
    x = vae().sample(7, seeded())
    assert torch.equal(coder.decompress(coder.compress(x)), x)
    assert torch.equal(coder.decompress(coder.compress(x[:1])), x[:1])


def test_damage_and_other_models_are_refused():
    model = vae()
    data = BitsBack(model).compress(model.sample(3, seeded()))
    damaged = bytearray(data)
    damaged[70] ^= 1
    with pytest.raises(CorruptStreamError, match="nothing of it was decoded"):
        BitsBack(model).decompress(bytes(damaged))
    with pytest.raises(CorruptStreamError):
        BitsBack(model).decompress(data[:40])
    for other in (BitsBack(vae(1)), BitsBack(model, cells=8)):
        with pytest.raises(CorruptStreamError, match="another model"):
            other.decompress(data)


def test_wrong_arguments():
    with pytest.raises(ValueError, match="Bernoulli"):
        BitsBack(vae(likelihood="gaussian"))
    with pytest.raises(ValueError, match="cells"):
        BitsBack(vae(), cells=21)
    with pytest.raises(ValueError, match="x: "):
        BitsBack(vae()).compress(torch.full((1, 1, 4, 5), 0.5))
