"""The records of variational autoencoders: how log p is estimated, and how the film is parted."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from gdmlib.latent import VAE, grid_log_prob
from gdmlib.reproduce import latent, run
from gdmlib.training import scores


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def model():
    model = VAE(6, latent=1, hidden=5, generator=seeded())
    with torch.no_grad():
        for value in model.parameters():
            value += 0.5 * torch.randn(value.shape, generator=seeded(1))
    return model


@pytest.fixture
def bits():
    return (torch.rand(40, 6, generator=seeded(2)) < 0.5).float()


def test_codes_a_few_at_a_time_are_all_counted(model, bits, monkeypatch):
    passes = []
    bound = model.importance_bound
    monkeypatch.setattr(model, "importance_bound", lambda x, k: passes.append(k) or bound(x, k))
    monkeypatch.setattr(latent, "AT_ONCE", 10 * bits.numel())
    torch.manual_seed(0)
    found = latent.cost(model, bits, test_codes=1037).detach()
    assert passes == [10] * 103 + [7]
    exact = -grid_log_prob(model, bits)
    assert torch.allclose(found, exact, atol=0.05)
    assert float((found - exact).mean()) == pytest.approx(0, abs=5e-3)


def test_fewer_codes_cost_more(model, bits):
    torch.manual_seed(0)
    with torch.no_grad():
        one, many = (latent.cost(model, bits.repeat(50, 1), k).mean() for k in (1, 50))
    assert float(one) > float(many) + 0.01


def test_the_setting_says_how_many_codes():
    changes = {"epochs": 1, "lr": 1e-9}
    values = [
        run("vae_mnist_k1", smoke=True, device="cpu", changes={**changes, "test_codes": k})
        for k in (1, 500)
    ]
    assert values[0].config["test_codes"] == 1
    assert values[0].metric.value > values[1].metric.value
    # Units that are indifferent at first: eight fair coins.
    assert values[1].metric.value == pytest.approx(8 * math.log(2), abs=2.0)


@pytest.mark.parametrize("k", [2, 5])
def test_a_model_is_judged_by_the_bound_on_which_it_descends(k, bits):
    model = VAE(6, latent=1, hidden=5, k=k, generator=seeded())
    torch.manual_seed(0)
    found = scores(model, bits)
    torch.manual_seed(0)
    assert torch.allclose(found, -model.importance_bound(bits, k).detach().double(), atol=1e-5)


def test_weights_start_as_wide_as_glorots():
    model = latent.glorot((1, 4, 4), latent=3, hidden=[200, 100], generator=seeded())
    layers = [m for m in model.modules() if isinstance(m, nn.Linear)]
    assert [layer.out_features for layer in layers] == [200, 100, 6, 100, 200, 16]
    for layer in layers:
        wide = math.sqrt(6 / (layer.in_features + layer.out_features))
        assert 0.95 * wide < float(layer.weight.detach().abs().max()) <= wide
        assert not bool(layer.bias.any())


def test_the_film_is_parted_by_time():
    levels = torch.arange(20)[:, None, None].expand(20, 2, 2) / 255
    parts = latent._in_order("film", levels)
    assert [len(part) for part in parts[:3]] == [14, 2, 4]
    frames = torch.cat(parts[:3])[:, 0, 0] * 256
    assert torch.equal(frames.floor(), torch.arange(20.0))
    assert float(frames.frac().std()) > 0.2  # noise
    assert torch.equal(parts.test, latent._in_order("film", levels).test)
