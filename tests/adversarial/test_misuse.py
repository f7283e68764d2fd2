"""What a hard user tries on adversaries, and what comes of it: a right result, or words."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from gdmlib import adversarial, data, metrics
from gdmlib.adversarial import (
    GAN,
    LOSSES,
    SRGAN,
    CollapseError,
    ConditionalGenerator,
    CycleGAN,
    DCDiscriminator,
    DCGenerator,
    DivergenceError,
    Ensemble,
    ImagePool,
    Pix2Pix,
    SRDiscriminator,
    SRResNet,
    Watched,
    adversaries,
    averaged,
    blend,
    dense_players,
    games,
    gradient_penalty,
    invert,
    r1_penalty,
)
from gdmlib.data.resize import EnlargingPairs
from gdmlib.metrics import perceptual
from gdmlib.nn import photo_features
from gdmlib.nn.dense import dense
from gdmlib.nn.photo_features import PhotoFeatures
from gdmlib.nn.spectral import layer_norm, spectral
from gdmlib.training import fit

X = torch.randn(30, 2, generator=Generator().manual_seed(0))
PICTURES = torch.rand(2, 3, 16, 16, generator=Generator().manual_seed(1))


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def small(**options: Any) -> GAN:
    return GAN(*dense_players(2, latent=2, hidden=4, generator=seeded()), latent=2, **options)


def enlarger(seed: int = 0) -> SRResNet:
    return SRResNet(features=2, blocks=1, steps=(2,), generator=seeded(seed))


def cyclegan(**options: Any) -> CycleGAN:
    parts = [dense(2, (3,), n, seeded(n)) for n in (2, 2, 1, 1)]
    return CycleGAN(*parts, **options)


def shared() -> GAN:
    layer = nn.Linear(2, 2)
    return GAN(layer, layer, latent=2)


def tied() -> GAN:
    layer = nn.Linear(2, 2)
    return GAN(nn.Sequential(layer, nn.ReLU(), layer), nn.Linear(2, 1), latent=2)


# --- losses --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("size", [300.0, 1e4])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_losses_at_extreme_logits(name, size, dtype):
    """They are those of float64, and their gradients are finite, on whichever side."""
    loss = LOSSES[name]
    for sign in (1, -1):
        real = torch.full((4,), sign * size, dtype=dtype, requires_grad=True)
        fake = torch.full((4,), -sign * size, dtype=dtype, requires_grad=True)
        wide = [x.detach().double() for x in (real, fake)]
        for found, exact in (
            (loss.discriminator(real, fake), loss.discriminator(*wide)),
            (loss.generator(fake, real), loss.generator(wide[1], wide[0])),
        ):
            assert math.isclose(float(found), float(exact), rel_tol=1e-6, abs_tol=1e-30)
            for slope in torch.autograd.grad(found, [real, fake], allow_unused=True):
                assert slope is None or bool(slope.isfinite().all())


def test_gradients_at_extreme_logits_are_those_of_the_formula():
    """σ(c) - 1 for real events, σ(c̃) for made ones, over their number; the hinge's are 0 or 1."""
    real, fake = torch.tensor([-1e4, 1e4]), torch.tensor([1e4, -1e4])
    for name, of_real, of_fake in (
        ("non_saturating", [-0.5, 0.0], [0.5, 0.0]),
        ("hinge", [-0.5, 0.0], [0.5, 0.0]),
        ("wasserstein", [-0.5, -0.5], [0.5, 0.5]),
    ):
        r, f = real.clone().requires_grad_(), fake.clone().requires_grad_()
        LOSSES[name].discriminator(r, f).backward()
        assert r.grad.tolist() == of_real and f.grad.tolist() == of_fake
    f = fake.clone().requires_grad_()
    LOSSES["minimax"].generator(f).backward()  # saturated where it is found out
    assert f.grad.tolist() == [-0.5, 0.0]


def test_penalties_in_float16_are_finite():
    w = torch.zeros(2, dtype=torch.float16, requires_grad=True)
    x = torch.zeros(2, 2).half()
    for penalty in (
        gradient_penalty(lambda x: (x * w).sum(1), x, x, 1.0, seeded()),
        r1_penalty(lambda x: 30 * (x * (w + 1)).sum(1), x),
    ):
        (slope,) = torch.autograd.grad(penalty, w)
        assert bool(penalty.isfinite()) and bool(slope.isfinite().all())
    assert float(r1_penalty(lambda x: 300 * x.sum(1), x)) == 300**2


# --- spectral norm -------------------------------------------------------------------------------


def test_spectral_norm_is_that_of_torch_and_is_loaded():
    network = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))
    weights = [network[k].weight.detach().clone() for k in (0, 2)]
    spectral(network, seeded())
    spectral(network, seeded())  # once is enough
    for k, weight in zip((0, 2), weights, strict=True):
        assert len(network[k].parametrizations.weight) == 1
        for _ in range(50):
            network[k].weight  # noqa: B018  one step of the power method each
        sigma = torch.linalg.matrix_norm(weight, 2)
        torch.testing.assert_close(network[k].weight, weight / sigma, rtol=1e-4, atol=1e-5)
        reference = nn.Linear(*weight.T.shape)
        reference.weight.data.copy_(weight)
        spectral_norm(reference, n_power_iterations=200)
        torch.testing.assert_close(network[k].weight, reference.weight, rtol=1e-4, atol=1e-5)
    other = spectral(nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3)), seeded(1))
    other.load_state_dict(network.state_dict())
    x = torch.randn(3, 5, generator=seeded())
    assert torch.equal(other.eval()(x), network.eval()(x))


def test_spectral_norm_leaves_the_generators_of_gpus_alone(monkeypatch):
    called = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda seed: called.append(seed))
    monkeypatch.setattr(torch.random, "manual_seed", lambda seed: called.append(seed))
    monkeypatch.setattr(torch, "manual_seed", lambda seed: called.append(seed))
    DCDiscriminator((1, 4, 4), channels=2, spectral=True, generator=seeded())
    assert called == []


def test_the_norm_of_maps_without_weights_or_to_zero():
    nothing = nn.Linear(3, 2)
    nn.init.zeros_(nothing.weight)
    assert layer_norm(nothing, 3, generator=seeded()) == 0.0
    assert layer_norm(nn.AvgPool2d(2), (1, 4, 4), generator=seeded()) == pytest.approx(0.5)


# --- watching ------------------------------------------------------------------------------------


def test_patience_survives_an_interruption(tmp_path):
    """A collapse that was seen before the interruption counts after it, and so does what was good.

    The generator dies after batch 6; three looks, every two batches, are to find it.
    """

    def run(epochs: int, path: Path, resume: bool) -> None:
        gan = small()
        watched = Watched(gan.turns(noise=seeded()), gan, X, every=2, patience=3)

        def spoil(module: nn.Module, args: Any, found: Any) -> None:
            if int(watched.turns.batches) >= 6:
                with torch.no_grad():
                    for p in gan.generator.parameters():
                        p.zero_()

        watched.turns.register_forward_hook(spoil)
        options = {"generator": seeded(), "progress": False, "checkpoint": path, "resume": resume}
        fit(watched, X, epochs=epochs, batch_size=4, **options)

    for legs in ((9,), (1, 9)):
        path = tmp_path / f"{len(legs)}.pt"
        for leg in legs[:-1]:
            run(leg, path, False)
        with pytest.raises(CollapseError) as error:
            run(legs[-1], path, len(legs) > 1)
        assert (error.value.step, error.value.good) == (10, 4)
        assert "back at step 4" in str(error.value)


def test_a_weight_that_is_not_finite_is_named_with_its_step():
    """Not at the next look, nor at the end of the epoch: at once, and the last good state is back.

    A loss is finite where its gradient is not, as that of √ is at 0.
    """
    gan = small()
    calls = []

    def loss(batch: Tensor) -> Tensor:
        calls.append(1)
        paid = gan.generator_loss(batch, seeded())
        if len(calls) == 5:  # the derivative of √ at 0
            paid = paid + (0 * next(gan.generator.parameters())).sum().sqrt()
        return paid

    turns = adversaries(
        gan.generator,
        gan.discriminator,
        generator_loss=loss,
        discriminator_loss=lambda batch: gan.discriminator_loss(batch, seeded()),
    )
    watched = Watched(turns, gan, X, every=2)
    with pytest.raises(
        DivergenceError, match=r"by step 5: the weight 'generator\.\S+' is not"
    ) as e:
        fit(watched, X, epochs=9, batch_size=10, generator=seeded(), progress=False)
    assert (e.value.step, e.value.good) == (5, 4)
    assert all(bool(p.isfinite().all()) for p in gan.parameters())


def test_a_file_that_cannot_be_kept_is_told_before_the_training(tmp_path):
    gan = small()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="cannot write"):
        Watched(gan.turns(), gan, X, keep=tmp_path / "file" / "good.safetensors")


# --- turns ---------------------------------------------------------------------------------------


def test_an_epoch_without_a_turn_of_a_player():
    """Of three batches an epoch each fifth is the generator's: its losses have gaps."""
    history = fit(
        small().turns(steps=5, noise=seeded()), X, epochs=4, batch_size=10, generator=seeded(),
        progress=False,
    )  # fmt: skip
    assert [math.isnan(value) for value in history["generator"]] == [False, False, True, False]
    assert all(map(math.isfinite, history["discriminator"]))


def test_frozen_layers_of_a_translator_stay():
    maker = adversarial.UNetGenerator((1, 8, 8), 1, channels=(2, 2), generator=seeded())
    judge = adversarial.PatchDiscriminator(2, channels=2, layers=1, plain=1, generator=seeded())
    model = Pix2Pix(maker, judge)
    maker.down.requires_grad_(False)
    before = [p.detach().clone() for p in maker.down.parameters()]
    x = 2 * torch.rand(4, 1, 8, 8, generator=seeded()) - 1
    fit(model.turns(), (x, x), epochs=3, batch_size=2, generator=seeded(), progress=False)
    assert all(torch.equal(a, b) for a, b in zip(maker.down.parameters(), before, strict=True))
    assert not any(p.requires_grad for p in maker.down.parameters())


def test_the_average_of_weights_and_the_copy_of_buffers():
    """By hand: the weights' average from the first step on, and the buffers as they are now."""
    maker = DCGenerator((1, 4, 4), latent=2, channels=(3,), generator=seeded())
    gan = GAN(maker, DCDiscriminator((1, 4, 4), channels=(2,), generator=seeded()), latent=2)
    turns = gan.turns(average=0.9, noise=seeded(), lr=1e-2)
    x = torch.rand(6, 1, 4, 4, generator=seeded())
    turns(x)
    expected = {k: v.detach().clone() for k, v in maker.named_parameters()}
    for _ in range(4):
        turns(x)
        for k, v in maker.named_parameters():
            expected[k].mul_(0.9).add_(0.1 * v.detach())
    found = averaged(turns)
    for k, v in found.named_parameters():
        torch.testing.assert_close(v, expected[k], rtol=1e-5, atol=1e-7)
    for (k, a), b in zip(found.named_buffers(), maker.buffers(), strict=True):
        assert torch.equal(a, b), k


# --- measures ------------------------------------------------------------------------------------


@pytest.fixture
def unloaded():
    perceptual._network.cache_clear()
    yield
    perceptual._network.cache_clear()


def test_the_perceptual_distance_does_not_depend_on_who_measures(unloaded):
    x, y = PICTURES, PICTURES.flip(-1)
    expected = metrics.perceptual_distance(x, y)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(metrics.perceptual_distance(x, y), expected)
    perceptual._network.cache_clear()
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.equal(metrics.perceptual_distance(x, y), expected)
    finally:
        torch.set_default_dtype(torch.float32)
    perceptual._network.cache_clear()
    with torch.inference_mode():
        assert torch.equal(metrics.perceptual_distance(x, y), expected)
    assert torch.equal(metrics.perceptual_distance(x, y), expected)
    assert torch.equal(metrics.perceptual_distance(y, x), expected)
    assert metrics.perceptual_distance(x, x).tolist() == [0.0, 0.0]


def test_missing_weights_are_missed_in_words(monkeypatch, tmp_path):
    monkeypatch.setattr(photo_features, "weights_of", lambda name: tmp_path / name)
    with pytest.raises(FileNotFoundError, match=r"not here.*perceptual_training metric"):
        PhotoFeatures.load("metric")


# --- words ---------------------------------------------------------------------------------------

EXPANDING = games.Game(lambda z: z)
BATCH_NORM = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
RESNETS = [enlarger(k) for k in range(2)]
ERRORS = {
    "no network": (lambda: GAN("net", nn.Linear(2, 1), latent=2), "generator: expected a network"),
    "another latent": (lambda: GAN(*dense_players(2, latent=3), latent=2), "latent: the generator"),
    "other events": (lambda: small(event_shape=3).sample(2), r"event_shape: .*\(3,\).*\(2, 2\)"),
    "one logit for all": (
        lambda: GAN(nn.Linear(2, 2), nn.Sequential(nn.Flatten(0), nn.LazyLinear(1)), latent=2)
        .discriminator_loss(X), "discriminator: expected logits of each of"),
    "a loss in a list": (lambda: small(loss=["hinge"]), "loss: expected one of"),
    "three rates": (lambda: small().turns(lr=(1, 1, 1)), "lr: expected a rate, or one"),
    "a word for a rate": (lambda: small().turns(lr="fast"), "lr: expected a finite number"),
    "one beta": (lambda: small().turns(betas=0.5), "betas: expected the two"),
    "betas": (lambda: small().turns(betas=(0.5, 1.0)), "betas: expected a share"),
    "shared": (lambda: shared().turns(), "discriminator: shares a parameter"),
    "tied": (lambda: Ensemble([tied(), tied()]), "networks: .*tied"),
    "three of a pair": (lambda: small().discriminator_loss((X, X, X)), "batch: .*got 3"),
    "bytes": (lambda: r1_penalty(nn.Linear(2, 1), X.byte()), "real: expected a floating-point"),
    "no events": (lambda: r1_penalty(nn.Linear(2, 1), X[:0]), "real: expected at least one"),
    "R1 through batch norm": (lambda: r1_penalty(BATCH_NORM, X), "critic: '1' is a batch norm"),
    "a constant critic": (lambda: r1_penalty(lambda x: torch.ones(2), X), "critic: .*a constant"),
    "other made ones": (
        lambda: gradient_penalty(nn.Linear(2, 1), X, X.double()), "fake: expected torch.float32"),
    "features of nothing": (
        lambda: invert(small(), X, features=lambda x: x.sum(), steps=1), "features: .*got"),
    "one event to watch": (
        lambda: Watched(small().turns(), small(), torch.ones(5, 2)), "x: expected different"),
    "zeros under a spectral norm": (
        lambda: spectral(dense(2, (3,), 1, seeded())), "network: all weights of its layer '2'"),
    "a Boolean class": (
        lambda: DCGenerator((1, 4, 4), latent=2, channels=2, classes=2)(
            torch.zeros(1, 2), torch.tensor([True])), "labels: expected signed integers"),
    "no layers": (lambda: DCGenerator((1, 4, 4), latent=2, channels=()), "channels: .*got none"),
    "no layers of classes": (
        lambda: ConditionalGenerator((1, 4, 4), latent=2, channels=(), classes=2),
        "channels: .*got none"),
    "a single pixel alone": (
        lambda: DCGenerator((1, 2, 2), latent=2, channels=2)(torch.zeros(1, 2)),
        "batch norm takes the spread .*batch_size"),
    "a question alone": (
        lambda: Pix2Pix(nn.Conv2d(1, 1, 1), nn.Conv2d(2, 1, 1)).turns()(PICTURES[:, :1]),
        "batch: expected questions and answers"),
    "other answers": (
        lambda: Pix2Pix(nn.Conv2d(1, 1, 1), l1=1.0, adversarial=0.0).score(
            PICTURES[:, :1], PICTURES[:1, :1]), r"y: expected shape \(2, 1, 16, 16\)"),
    "no judge": (
        lambda: Pix2Pix(nn.Conv2d(1, 1, 1), adversarial=0.0).judge(*[PICTURES[:, :1]] * 3),
        "discriminator: there is none"),
    "nothing to learn": (
        lambda: cyclegan(cycle=0.0, adversarial=0.0), "cycle, adversarial: both are 0"),
    "three cycles": (lambda: cyclegan(cycle=(1, 2, 3)), "cycle: expected a weight, or one for"),
    "another domain's numbers": (
        lambda: cyclegan().map_loss((X, X.double())), "y: expected torch.float32"),
    "a batch alone": (lambda: cyclegan().map_loss(X), "batch: expected events of both"),
    "a pool of other events": (
        lambda: [pool(PICTURES[..., :k]) for pool in [ImagePool(2)] for k in (4, 5)],
        "images: expected shape"),
    "a pool of one number": (lambda: ImagePool(2)(torch.tensor(1.0)), "images: expected some"),
    "small pictures alone": (
        lambda: SRGAN(RESNETS[0], SRDiscriminator(features=(2,), hidden=2), content=0.0)
        .generator_loss(PICTURES), "batch: expected small and large"),
    "one large picture": (
        lambda: SRGAN(RESNETS[0], SRDiscriminator(features=(2,), hidden=2), content=0.0)
        .generator_loss((PICTURES[..., :8, :8], PICTURES[:1])), r"high: expected shape \(2, 3, 16"),
    "a share of NaN": (lambda: blend(*RESNETS, RESNETS[0], math.nan), "share: expected a finite"),
    "another precision": (
        lambda: blend(RESNETS[0], RESNETS[1], enlarger().double(), 0.5), "model, a, b: .*dtype"),
    "no factors": (lambda: SRResNet(features=2, blocks=1, steps=()), "steps: .*got none"),
    "a flat picture": (
        lambda: EnlargingPairs([PICTURES[0, 0]], size=8), "pictures: expected 3 dimensions"),
    "pictures of two kinds": (
        lambda: EnlargingPairs([PICTURES[0], PICTURES[0, :1]], size=8), "pictures: .*1 of torch"),
    "points that stay": (lambda: games.measured_factor(torch.zeros(9, 2)), "path: .*that move"),
    "one point": (lambda: games.measured_factor(torch.tensor(1.0)), "path: expected at least"),
    "a singular step": (
        lambda: games.run(EXPANDING, games.proximal(1.0), torch.ones(2), 2), "lr: no step of 1"),
    "a field of other points": (
        lambda: games.Game(lambda z: z[..., :1]).field(X), "field: expected velocities of shape"),
    "half a game": (lambda: games.Game(lambda z: z, (1,)), "sizes: expected those of two"),
    "nothing left": (lambda: data.edge_pairs(2, 8, reduce=1000), "reduce: 'flower' has"),
    "paint of 5": (lambda: data.outline_pairs(2, 8, tints=((5, 0, 1),)), "tints: expected numbers"),
    "paint of two": (lambda: data.outline_pairs(2, 8, tints=((0, 1),)), "tints: expected colours"),
    "one share": (lambda: data.scans(2, 8, sick=0.5), "sick: expected two shares"),
    "words": (lambda: data.scans(2, 8, sick="ab"), "sick: expected two shares"),
    "a seed of characters": (
        lambda: data.unpaired("italic", 2, 8, seed=2**31), r"seed: expected less than 2\*\*31"),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_what_is_wrong_is_said(name):
    call, says = ERRORS[name]
    with pytest.raises(ValueError, match=says):
        call()
