"""Autoencoders: what passes the code, what stands in its way, and what is refused."""

from __future__ import annotations

import pytest
import torch

from gdmlib.latent import ConvAutoencoder, DeepAutoencoder, LinearAutoencoder
from gdmlib.training import scores, train

SHAPE = (1, 8, 4)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def pictures(n=60, shape=SHAPE, seed=0):
    return torch.rand(n, *shape, generator=seeded(seed))


def build(kind, **options):
    return kind(SHAPE, latent=3, generator=seeded(), **options)


KINDS = [LinearAutoencoder, DeepAutoencoder, ConvAutoencoder]


@pytest.mark.parametrize("kind", KINDS)
def test_shapes_and_score(kind):
    model, x = build(kind), pictures(5)
    z = model.encode(x)
    assert z.shape == (5, 3)
    assert model.decode(z).shape == x.shape
    assert torch.equal(model(x), model.decode(z))
    expected = ((model(x) - x) ** 2).sum(dim=(1, 2, 3))
    assert torch.allclose(model.score(x), expected)
    assert torch.allclose(model.loss(x), expected.mean())


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_is_a_start_and_a_state_is_the_model(kind):
    model, same, other = build(kind), build(kind), kind(SHAPE, latent=3, generator=seeded(1))
    x = pictures(4)
    assert torch.equal(model(x), same(x))
    assert not torch.equal(model(x), other(x))
    other.load_state_dict(model.state_dict())
    assert torch.equal(model(x), other(x))


@pytest.mark.parametrize("kind", KINDS)
def test_training_lowers_the_error(kind):
    model, x = build(kind), pictures()
    before = float(scores(model, x).mean())
    history = train(model, x, x, epochs=30, batch_size=20, lr=1e-2, generator=seeded())
    assert float(scores(model, x).mean()) < 0.7 * before
    assert history.valid["loss"][-1] == pytest.approx(float(scores(model, x).mean()), rel=1e-3)


# --- Noise, and few active numbers ---------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_of_a_denoiser_compares_with_the_clean_event(kind):
    model, x = build(kind, noise=0.5), pictures()
    noise = 0.5 * torch.randn(x.shape, generator=seeded(7))
    expected = ((model(x + noise) - x) ** 2).sum(dim=(1, 2, 3)).mean()
    assert torch.allclose(model.loss(x, seeded(7)), expected)
    assert torch.equal(model.score(x), build(kind).score(x))  # judged without noise


def test_the_noise_of_a_loss_follows_its_generator():
    model, x = build(DeepAutoencoder, noise=0.5), pictures()
    assert torch.equal(model.loss(x, seeded(1)), model.loss(x, seeded(1)))
    assert not torch.equal(model.loss(x, seeded(1)), model.loss(x, seeded(2)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_sparse_code_keeps_the_largest(kind):
    model, plain = build(kind, sparse=2), build(kind)
    x = pictures()
    z, full = model.encode(x), plain.encode(x)
    assert bool(((z != 0).sum(dim=1) == 2).all())
    kept = z != 0
    assert torch.equal(z[kept], full[kept])
    smallest = torch.where(kept, full, torch.inf).amin(dim=1)
    assert bool((torch.where(kept, -torch.inf, full).amax(dim=1) <= smallest).all())
    assert torch.equal(model(x), plain.decode(z))


@pytest.mark.parametrize("kind", KINDS)
def test_l1_is_a_price_of_the_loss_and_not_of_the_score(kind):
    model, x = build(kind, l1=0.3), pictures()
    price = 0.3 * model.encode(x).abs().sum(dim=1).mean()
    assert torch.allclose(model.loss(x), model.score(x).mean() + price)


def test_l1_makes_codes_smaller():
    sizes = []
    for l1 in (0.0, 1.0):
        model, x = build(DeepAutoencoder, l1=l1), pictures()
        train(model, x, epochs=30, batch_size=20, lr=1e-2, generator=seeded())
        sizes.append(model.encode(x).abs().mean().item())
    assert sizes[1] < 0.5 * sizes[0]


# --- The linear one ------------------------------------------------------------------------------


def test_the_fit_is_the_same_however_often_and_keeps_the_dtype():
    x = pictures(40)
    one, two = (LinearAutoencoder.fit(x, latent=4) for _ in range(2))
    assert torch.equal(one(x), two(x))
    assert one(x).dtype == torch.float32
    wide = LinearAutoencoder.fit(x.double(), latent=4)
    assert torch.allclose(one(x).double(), wide(x.double()), atol=1e-5)


def test_codes_of_the_fit_are_centred_and_uncorrelated():
    x = pictures(40).double()
    z = LinearAutoencoder.fit(x, latent=4).encode(x)
    covariance = torch.cov(z.T)
    assert z.mean(dim=0).abs().max().item() < 1e-12
    assert (covariance - covariance.diag().diag()).abs().max().item() < 1e-12


def test_as_many_numbers_as_there_are_let_everything_through():
    x = pictures(40, (2, 3)).double()
    assert float(LinearAutoencoder.fit(x, latent=6).score(x).max()) < 1e-24


# --- What is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DeepAutoencoder(4, latent=0), "latent: expected at least 1, got 0"),
        (lambda: DeepAutoencoder(4, latent=2, hidden=(3, 0)), "hidden: expected at least 1"),
        (lambda: DeepAutoencoder(4, latent=2, noise=-1.0), "noise: expected a finite number"),
        (lambda: DeepAutoencoder(4, latent=2, noise=float("nan")), "noise: expected a finite"),
        (lambda: DeepAutoencoder(4, latent=2, l1=-1.0), "l1: expected a finite number"),
        (lambda: DeepAutoencoder(4, latent=2, sparse=3), "sparse: expected at most latent, 2"),
        (lambda: DeepAutoencoder(4, latent=2, sparse=0), "sparse: expected at least 1"),
        (lambda: DeepAutoencoder((), latent=2), "event_shape: expected a positive whole number"),
        (lambda: ConvAutoencoder((1, 8, 6), latent=2), "multiples of 4, for 2 layers halve them"),
        (lambda: ConvAutoencoder((8, 8), latent=2), "event_shape: expected \\(channels, height"),
        (lambda: ConvAutoencoder((1, 8, 8), latent=2, channels=0), "channels: expected at least"),
        (lambda: LinearAutoencoder.fit(pictures(3), latent=4), "latent: expected at most 3, for 3"),
        (lambda: LinearAutoencoder.fit(torch.ones(3), latent=1), "x: expected events, shape"),
        (lambda: LinearAutoencoder.fit(torch.ones(3, 2).long(), latent=1), "floating-point"),
        (lambda: LinearAutoencoder.fit(torch.full((3, 2), torch.nan), latent=1), "NaN"),
        (lambda: build(ConvAutoencoder).encode(pictures(2, (1, 4, 4))), "x: expected shape"),
        (lambda: build(DeepAutoencoder).score(pictures(2).double()), "expected torch.float32"),
        (lambda: build(DeepAutoencoder).loss(torch.full((2, *SHAPE), torch.nan)), "x: .* NaN"),
        (lambda: build(DeepAutoencoder).decode(torch.zeros(2, 4)), "z: expected shape \\(B, 3\\)"),
        (lambda: build(DeepAutoencoder).decode(torch.full((2, 3), torch.inf)), "z: .* infinite"),
    ],
)
def test_wrong_input_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
