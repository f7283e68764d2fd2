"""Claims of lessons 08 to 11."""

from __future__ import annotations

import math

import torch
from torch.distributions import MultivariateNormal, kl_divergence

from gdmlib import data
from gdmlib.latent import LinearAutoencoder
from tests.book.claims.registry import claim


@claim("08", "left-out")
def left_out() -> tuple[str, ...]:
    """The library's linear autoencoder on data with exactly these eigenvalues."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(400, 4, generator=generator).double()
    x = x - x.mean(0)
    x = x @ torch.linalg.inv(torch.linalg.cholesky(x.T @ x / 400)).T
    variances = torch.tensor([5.0, 3.0, 1.0, 0.5]).double()
    turn = torch.linalg.qr(torch.randn(4, 4, generator=generator).double()).Q
    x = x * variances.sqrt() @ turn
    loss = float(LinearAutoencoder.fit(x, latent=2).score(x).detach().mean())
    return f"{loss:g}"[:4], f"{variances[:2].sum():g}", f"{variances[2:].mean():g}", "0"


@claim("08", "best-denoiser")
def best_denoiser() -> tuple[str, ...]:
    """The posterior mean, counted; Tweedie's formula gives the same."""
    generator = torch.Generator().manual_seed(0)
    clean = torch.randn(2_000_000, generator=generator)
    noisy = clean + torch.randn(2_000_000, generator=generator)
    counted = float(clean[(noisy - 2).abs() < 0.05].mean())
    by_score = 2 + 1 * (-2 / 2)  # the score of N(0, 2) at 2
    assert abs(counted - by_score) < 0.03
    return f"{by_score:.0f}, the mean", "2: a wide", "0, the most", f"{2 / math.sqrt(2):.2f}, or"


@claim("08", "least-error")
def least_error() -> None:
    """A linear autoencoder of glyphs: only the black picture is better than glyphs."""
    glyphs = data.glyphs(600, size=16).x
    model = LinearAutoencoder.fit(glyphs, latent=8).requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    shuffled = glyphs.flatten(1)[:, torch.randperm(256, generator=generator)].view_as(glyphs)
    letters = data.glyphs(200, size=16, characters="W").x
    usual = float(model.score(glyphs).mean())
    assert float(model.score(torch.zeros(1, 1, 16, 16)).mean()) < usual
    noise = torch.rand(50, 1, 16, 16, generator=generator)
    assert all(float(model.score(x).mean()) > 1.2 * usual for x in (shuffled, noise, letters))


@claim("09", "which-kl")
def which_kl() -> tuple[str, ...]:
    """A linear world: the gap is the divergence from the posterior and not that from the prior."""
    W, noise = torch.tensor([[1.0], [0.5], [2.0]]).double(), 0.5
    x, eye = torch.tensor([1.0, -0.3, 0.8]).double(), torch.eye(3).double()
    log_p = MultivariateNormal(torch.zeros(3).double(), W @ W.T + noise**2 * eye).log_prob(x)
    precision = 1 + W.T @ W / noise**2
    posterior = MultivariateNormal((precision.inverse() @ W.T @ x) / noise**2, precision.inverse())
    prior = MultivariateNormal(torch.zeros(1).double(), torch.eye(1).double())
    q = MultivariateNormal(torch.tensor([-0.5]).double(), 0.09 * torch.eye(1).double())
    fit = MultivariateNormal(W @ q.mean, noise**2 * eye).log_prob(x)
    fit = fit - (W @ q.covariance_matrix @ W.T).trace() / (2 * noise**2)
    gap = log_p - (fit - kl_divergence(q, prior))
    assert abs(gap - kl_divergence(q, posterior)) < 1e-9
    assert abs(gap - kl_divergence(q, prior)) > 0.1
    known = f"{-50 - -53} nats of KL divergence away from the"
    return f"{known} posterior", f"{known} prior"


@claim("09", "mean-over-pixels")
def mean_over_pixels() -> tuple[str, ...]:
    """The variance for which one over twice it is the factor of the squares."""
    d = 28 * 28
    variance = 1 / (2 * (1 / d))
    return f"variance {variance:.0f}", f"variance $1/{d}$"


@claim("09", "diagonal")
def diagonal() -> tuple[str, ...]:
    """The best of many diagonal Gaussians, by their divergence."""
    precision = torch.tensor([[2.0, 1.0], [1.0, 2.0]]).double()
    covariance, zero = precision.inverse(), torch.zeros(2).double()
    posterior = MultivariateNormal(zero, covariance)
    tried = torch.linspace(0.2, 1.2, 201).double()
    costs = [
        float(kl_divergence(MultivariateNormal(zero, v * torch.eye(2).double()), posterior))
        for v in tried
    ]
    best = float(tried[torch.tensor(costs).argmin()])
    return f"{best:.2f}", f"{float(covariance[0, 0]):.2f}", "2.00", "1.00"


@claim("10", "coupling")
def coupling() -> tuple[str, ...]:
    """Autograd on such a layer: a steep scale, a large shift."""

    def layer(x: torch.Tensor) -> torch.Tensor:
        s, t = 0.7 + 5 * (x[0] - 1), 100 + 30 * (x[0] - 1)
        return torch.stack([x[0], x[1] * torch.exp(s) + t])

    x = torch.tensor([1.0, 0.4]).double()
    jacobian = torch.autograd.functional.jacobian(layer, x)
    found = float(torch.linalg.slogdet(jacobian).logabsdet)
    return f"{found:.1f}", "100.7", "5.7: the slope", "-0.7"


@claim("10", "summit")
def summit() -> tuple[str, ...]:
    """Draws of a Gaussian in 64 dimensions."""
    z = torch.randn(20_000, 64, generator=torch.Generator().manual_seed(0))
    higher = float(z.square().sum(1).mean()) / 2
    assert abs(float(z.norm(dim=1).mean()) - 8) < 0.1
    return f"{higher:.0f}", "0: draws", "8, the distance", f"{2 * round(higher)}"


@claim("11", "one-jump")
def one_jump() -> tuple[str, ...]:
    """Two steps that shrink by one half each, walked."""
    generator = torch.Generator().manual_seed(0)
    x = torch.full((1_000_000,), 2.0)
    for _ in range(2):
        x = math.sqrt(0.5) * x + math.sqrt(0.5) * torch.randn(len(x), generator=generator)
    right = f"Mean {math.sqrt(0.25) * 2:.2f} and variance {1 - 0.25:.2f}"
    assert abs(float(x.mean()) - 1) < 0.01 and abs(float(x.var()) - 0.75) < 0.01
    return right, "Mean 0.50 and variance 0.75", "Mean 1.00 and variance 0.25"


@claim("11", "loss-floor")
def loss_floor() -> None:
    """The best linear prediction of the noise is the best of all here, and leaves one half."""
    generator = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 1_000_000, generator=generator)
    seen = math.sqrt(0.5) * clean + math.sqrt(0.5) * noise
    slope = (seen * noise).mean() / seen.square().mean()
    assert abs(float((noise - slope * seen).square().mean()) - 0.5) < 0.01
    assert abs(float(noise.square().mean()) - 1) < 0.01


@claim("11", "one-step")
def one_step() -> None:
    """The exact velocity at pure noise, from many lines that start near a place."""
    generator = torch.Generator().manual_seed(0)
    x = torch.where(torch.rand(1_000_000, generator=generator) < 0.25, -3.0, 1.0)  # mean 0
    z = torch.randn(1_000_000, generator=generator)
    for place in (-1.0, 0.5, 2.0):
        velocity = (x - z)[(z - place).abs() < 0.05].mean()
        assert abs(place + float(velocity) - float(x.mean())) < 0.05
