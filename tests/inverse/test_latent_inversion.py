"""The picture that a decoder can make and that agrees best."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gdmlib.adversarial import GAN
from gdmlib.inverse import Matrix, latent_inversion
from gdmlib.latent import VAE


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed))


W, B, A = randn(6, 2), randn(6, seed=1), randn(3, 6, seed=2)


class Linear(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 6)
        with torch.no_grad():
            self.layer.weight.copy_(W)
            self.layer.bias.copy_(B)

    def forward(self, w):
        return self.layer(w).unflatten(1, (1, 2, 3))


def gan():
    return GAN(Linear(), nn.Linear(6, 1), latent=2)


def vae():
    model = VAE((1, 2, 3), latent=2, hidden=(), likelihood="gaussian", generator=seeded())
    with torch.no_grad():
        layer = next(m for m in model.decoder.modules() if isinstance(m, nn.Linear))
        layer.weight.copy_(W)
        layer.bias.copy_(B)
    return model


def operator():
    return Matrix(A, (1, 2, 3))


@pytest.mark.parametrize("build", [gan, vae])
@pytest.mark.parametrize("prior", [0.0, 1.0, 3.0])
def test_a_linear_decoder_is_inverted_as_by_ridge_regression(build, prior):
    y, noise = randn(2, 2, 3, seed=3), 0.5
    found = latent_inversion(
        operator(), y, build(), noise=noise, prior=prior, steps=800, starts=2, generator=seeded()
    )
    inner = A @ W
    left = inner.T @ inner / noise**2 + prior * torch.eye(2)
    right = (y - A @ B) @ inner / noise**2
    expected = torch.linalg.solve(left, right[..., None])[..., 0]
    torch.testing.assert_close(found.latents, expected, atol=2e-3, rtol=2e-3)
    image = (expected @ W.T + B).view(2, 2, 1, 2, 3)
    torch.testing.assert_close(found.image, image, atol=1e-2, rtol=1e-2)
    away = (operator()(image) - y).square().sum(-1) / (2 * noise**2)
    losses = away + prior * expected.square().sum(-1) / 2
    torch.testing.assert_close(found.losses, losses, atol=1e-3, rtol=1e-3)
    assert len(found.history) == 800


def test_a_picture_may_be_made_to_agree():
    y = randn(3, seed=3)
    settings = {"noise": 0.5, "steps": 50, "generator": seeded()}
    found = latent_inversion(operator(), y, gan(), agree=True, **settings)
    torch.testing.assert_close(operator()(found.image), y, atol=1e-4, rtol=1e-4)
    made = (found.latents @ W.T + B).view(1, 2, 3)
    torch.testing.assert_close(found.image, operator().project(made, y), atol=1e-4, rtol=1e-4)


def test_black_and_white_are_the_models():
    y = randn(2, 3, seed=3)
    plain = latent_inversion(operator(), y, gan(), noise=0.5, steps=60, generator=seeded())
    scaled = latent_inversion(  # x = (z + 1) / 2
        operator(), (y + A.sum(dim=1)) / 2, gan(), noise=0.25, low=-1.0, high=1.0, steps=60,
        generator=seeded(),
    )  # fmt: skip
    torch.testing.assert_close(scaled.latents, plain.latents, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(scaled.image, (plain.image + 1) / 2, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"model": nn.Linear(2, 2)}, "model: expected a VAE or a GAN, got Linear"),
        ({"noise": 0.0}, "noise: expected a positive number"),
        ({"prior": -1.0}, "prior: expected a finite number"),
        ({"steps": 0}, "steps: expected at least 1"),
        ({"starts": 0}, "starts: expected at least 1"),
        ({"low": 1.0}, "low, high: expected low < high"),
        ({"y": torch.rand(2)}, "y: expected shape"),
        ({"operator": Matrix(torch.rand(2, 4), (1, 2, 2))}, "operator: expected events"),
    ],
)
def test_bad_input_is_refused(change, match):
    settings = {"operator": operator(), "y": torch.rand(3), "model": gan(), "noise": 0.1} | change
    with pytest.raises(ValueError, match=match):
        latent_inversion(**settings)
