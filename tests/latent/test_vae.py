"""Variational autoencoders: closed forms, samples, gradients, training, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from gdmlib import latent, training
from gdmlib.latent import VAE, LinearVAE


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def moved(model: Any, seed: int = 0, size: float = 0.5) -> Any:
    """Give a model numbers that are not those of the start, float64."""
    generator = seeded(seed)
    with torch.no_grad():
        for parameter in filter(lambda p: p.requires_grad, model.parameters()):
            parameter += size * torch.randn(parameter.shape, generator=generator)
    return model.double()


def small(**options: Any) -> VAE:
    return VAE((1, 2, 3), **({"latent": 2, "hidden": (5,)} | options), generator=seeded())


@pytest.fixture
def bits() -> Tensor:
    return (torch.rand(4, 1, 2, 3, generator=seeded(3)) < 0.5).double()


# --- closed forms ---------------------------------------------------------------------------------


def test_divergence_is_that_of_torch() -> None:
    mean, log_variance = torch.randn(2, 5, 3, generator=seeded(), dtype=torch.float64)
    expected = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(latent.kl_to_standard(mean, log_variance), expected)


def test_divergence_by_monte_carlo(bits: Tensor) -> None:
    model = moved(small())
    values = [model.elbo(bits, 50_000, seeded(), closed_form=way) for way in (True, False)]
    torch.testing.assert_close(*values, atol=0.03, rtol=0)


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_likelihood_is_that_of_torch(likelihood: str, bits: Tensor) -> None:
    model = moved(small(likelihood=likelihood))
    z = torch.randn(7, 4, 2, generator=seeded(), dtype=torch.float64)
    mean = torch.stack([model.decode(codes) for codes in z])
    if likelihood == "bernoulli":
        expected = torch.distributions.Bernoulli(mean).log_prob(bits)
    else:
        expected = Normal(mean, (0.5 * model.log_variance).exp()).log_prob(bits)
    torch.testing.assert_close(model.log_likelihood(bits, z), expected.flatten(2).sum(-1))
    torch.testing.assert_close(model.log_likelihood(bits, z[0]), expected[0].flatten(1).sum(-1))


def test_squared_error_is_the_bound_for_a_variance_of_a_half(bits: Tensor) -> None:
    model = moved(small(likelihood="gaussian", variance=0.5))
    mean, log_variance = model.encode(bits)
    model.encoder[-1].weight.data[2:] = 0  # log-variances are the biases: put them far down
    model.encoder[-1].bias.data[2:] = -60
    mean, log_variance = model.encode(bits)
    error = (bits - model.decode(mean)).square().flatten(1).sum(1)
    divergence = latent.kl_to_standard(mean, log_variance).sum(1)
    constant = 0.5 * 6 * np.log(2 * np.pi * 0.5)
    torch.testing.assert_close(-model.elbo(bits), error + divergence + constant)


def test_many_codes_in_one_pass_equal_a_loop(bits: Tensor) -> None:
    model, k = moved(small()), 6
    found = model.importance_bound(bits, k, seeded())
    mean, log_variance = model.encode(bits)
    noise = torch.randn(k, 4, 2, generator=seeded(), dtype=torch.float64)
    weights = []
    for epsilon in noise:
        z = mean + (0.5 * log_variance).exp() * epsilon
        prior = Normal(0.0, 1.0).log_prob(z).sum(1)
        proposal = Normal(mean, (0.5 * log_variance).exp()).log_prob(z).sum(1)
        weights.append(model.log_likelihood(bits, z) + prior - proposal)
    torch.testing.assert_close(found, torch.stack(weights).logsumexp(0) - np.log(k))


# --- probabilistic PCA ----------------------------------------------------------------------------


def test_linear_model_is_scikit_learns() -> None:
    generator = seeded()
    x = torch.randn(300, 2, generator=generator) @ torch.randn(2, 6, generator=generator)
    x = (x + 0.3 * torch.randn(300, 6, generator=generator) + 2).double()
    model = LinearVAE.fit(x, latent=2)
    reference = PCA(n_components=2).fit(x.numpy())
    factor = 299 / 300  # its covariance divides by n - 1
    reference.explained_variance_ *= factor
    reference.noise_variance_ *= factor
    assert float(model.log_prob(x).mean()) == pytest.approx(reference.score(x.numpy()), abs=1e-9)
    assert float(model.elbo(x, 1, generator, False).mean()) == pytest.approx(
        reference.score(x.numpy()), abs=1e-9
    )


def test_training_a_linear_model_reaches_the_optimum() -> None:
    generator = seeded(1)
    x = torch.randn(400, 2, generator=generator) @ torch.randn(2, 5, generator=generator)
    x += 0.5 * torch.randn(400, 5, generator=generator)
    model = LinearVAE(5, latent=2, generator=seeded(1))
    torch.manual_seed(0)
    training.train(model, x, epochs=300, batch_size=100, lr=0.02, generator=generator)
    best = float(LinearVAE.fit(x, latent=2).log_prob(x).mean())
    assert best - 0.01 < float(model.elbo(x, 500, generator).mean()) < best + 0.01


# --- exact answers --------------------------------------------------------------------------------


def test_the_grid_sums_to_one() -> None:
    model = moved(VAE(3, latent=2, hidden=(4,), generator=seeded()))
    events = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * 3)
    total = latent.grid_log_prob(model, events, points=200, limit=7.0).exp().sum()
    assert float(total) == pytest.approx(1, abs=1e-9)


def test_samples_have_the_probabilities_of_the_grid() -> None:
    model = moved(VAE(3, latent=1, hidden=(4,), generator=seeded()), size=1.0)
    events = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * 3)
    expected = latent.grid_log_prob(model, events, points=400, limit=7.0).exp()
    drawn = (model.sample(20_000, seeded()) @ torch.tensor([4.0, 2, 1]).double()).long()
    found = torch.bincount(drawn, minlength=8) / 20_000
    assert float((20_000 * (found - expected).square() / expected).sum()) < 41  # χ², 7 degrees


@pytest.mark.parametrize("variance", [0.25, 4.0])
def test_samples_of_a_gaussian_decoder_have_its_variance(variance: float) -> None:
    model = VAE(3, latent=2, likelihood="gaussian", variance=variance, generator=seeded())
    model.decoder.requires_grad_(False)
    for p in model.decoder.parameters():
        p.zero_()
    drawn = model.sample(4000, generator=seeded(1))
    assert float(drawn.var()) == pytest.approx(variance, rel=0.05)


def test_annealing_comes_close_where_the_encoder_is_bad(bits: Tensor) -> None:
    model = moved(small(), size=1.0)
    with torch.no_grad():
        model.encoder[-1].bias[:2] += 3
    truth = latent.grid_log_prob(model, bits, points=400, limit=8.0)
    found = latent.annealed_importance(model, bits, steps=300, chains=64, generator=seeded())
    bound = model.importance_bound(bits, 64, seeded())
    assert float((found - truth).abs().max()) < 0.15
    assert float((found - truth).abs().max()) < 0.5 * float((bound - truth).abs().max())


def test_the_best_normal_is_better_than_the_encoder_and_below_the_truth(bits: Tensor) -> None:
    model = moved(small(), size=1.0)
    truth = latent.grid_log_prob(model, bits, points=400, limit=8.0)
    best = latent.best_gaussian(model, bits, samples=5000, generator=seeded())
    encoder = model.elbo(bits, 5000, seeded())
    assert bool((encoder < best + 0.05).all())
    assert bool((best < truth + 0.05).all())


# --- gradients ------------------------------------------------------------------------------------


def test_both_estimates_have_the_same_mean(bits: Tensor) -> None:
    model = moved(small())
    found = latent.gradient_estimates(model, bits, 200_000, seeded())
    means = [estimates.mean(0) for estimates in found]
    errors = [estimates.std(0) / 200_000**0.5 for estimates in found]
    assert bool(((means[0] - means[1]).abs() < 5 * (errors[0] + errors[1])).all())
    assert float(errors[1].mean() / errors[0].mean()) > 2  # the score function is the noisier


# --- the loss -------------------------------------------------------------------------------------


def test_beta_and_free_bits(bits: Tensor) -> None:
    plain, doubled, free = (
        moved(small(**options)) for options in ({}, {"beta": 2.0}, {"free_bits": 3.0})
    )
    divergence = latent.kl_to_standard(*plain.encode(bits)).mean(0)
    base = float(plain.loss(bits, seeded()))
    assert base == pytest.approx(-float(plain.elbo(bits, 1, seeded()).mean()))
    assert float(doubled.loss(bits, seeded())) == pytest.approx(base + float(divergence.sum()))
    saved = float((3 - divergence).clamp(min=0).sum())
    assert saved > 0
    assert float(free.loss(bits, seeded())) == pytest.approx(base + saved)


def test_several_codes_descend_on_their_bound(bits: Tensor) -> None:
    model = moved(small(k=5))
    expected = -float(model.importance_bound(bits, 5, seeded()).mean())
    assert float(model.loss(bits, seeded())) == pytest.approx(expected)


@pytest.mark.parametrize("options", [{}, {"k": 3}, {"likelihood": "gaussian"}])
def test_training_helps(options: dict[str, Any], bits: Tensor) -> None:
    x = bits.float().repeat(25, 1, 1, 1)
    model = small(**options)
    before = float(model.score(x).mean())
    torch.manual_seed(0)
    training.train(model, x, x, epochs=30, batch_size=20, lr=0.01, generator=seeded())
    assert float(model.score(x).mean()) < before - 0.5


def test_a_learned_variance_is_a_parameter_and_a_fixed_one_is_not() -> None:
    learned, fixed = (small(likelihood="gaussian", variance=v) for v in (None, 0.25))
    assert learned.num_parameters == fixed.num_parameters + 1 or learned.log_variance.requires_grad
    assert not fixed.log_variance.requires_grad
    assert float(fixed.log_variance.exp()) == pytest.approx(0.25)


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"likelihood": "poisson"}, "likelihood: expected one of .* got 'poisson'"),
        ({"variance": 0.5}, "variance: expected a positive number for a Gaussian decoder"),
        ({"variance": 0.0, "likelihood": "gaussian"}, "variance: expected a positive"),
        ({"latent": 0}, "latent: expected"),
        ({"k": 0}, "k: expected"),
        ({"k": 5, "beta": 2.0}, "k: the bound with 5 codes has no divergence"),
        ({"k": 5, "free_bits": 0.5}, "leave them at 1 and 0, or use k=1"),
        ({"beta": -1.0}, "beta: expected"),
        ({"free_bits": float("nan")}, "free_bits: expected"),
        ({"hidden": (3, 0)}, "hidden: expected"),
    ],
)
def test_constructors_refuse(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(**options)


def test_bad_input_is_refused(bits: Tensor) -> None:
    model = small().double()
    with pytest.raises(ValueError, match="x: expected zeros and ones"):
        model.elbo(0.5 * bits)
    with pytest.raises(ValueError, match="x: "):
        model.elbo(bits * torch.nan)
    with pytest.raises(ValueError, match=r"k: expected"):
        model.importance_bound(bits, 0)
    with pytest.raises(ValueError, match="samples: expected"):
        model.elbo(bits, 0)
    with pytest.raises(ValueError, match="z: expected shape"):
        model.decode(torch.zeros(4, 3, dtype=torch.float64))
    with pytest.raises(ValueError, match="z: expected shape"):
        model.log_likelihood(bits, torch.zeros(3, 2, dtype=torch.float64))
    with pytest.raises(ValueError, match="x: expected shape"):
        model.elbo(bits[:, :, :1])


def test_exact_answers_refuse(bits: Tensor) -> None:
    with pytest.raises(ValueError, match="codes of 1 or 2 numbers, got 3; use annealed_importance"):
        latent.grid_log_prob(small(latent=3).double(), bits)
    with pytest.raises(ValueError, match="limit: expected a positive"):
        latent.grid_log_prob(small().double(), bits, limit=0.0)
    with pytest.raises(ValueError, match="chains: expected"):
        latent.annealed_importance(small().double(), bits, chains=0)


def test_a_linear_fit_refuses() -> None:
    x = torch.randn(20, 4, generator=seeded())
    with pytest.raises(ValueError, match="latent: expected less than 4"):
        LinearVAE.fit(x, latent=4)
    with pytest.raises(ValueError, match="the likelihood has no maximum; use a smaller latent"):
        LinearVAE.fit(x @ torch.diag(torch.tensor([1.0, 1, 0, 0])), latent=2)
    with pytest.raises(ValueError, match="x: expected events"):
        LinearVAE.fit(x[0], latent=2)
    with pytest.raises(ValueError, match="x: expected a floating-point tensor"):
        LinearVAE.fit((10 * x).long(), latent=2)
