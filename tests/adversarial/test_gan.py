"""The GAN as a whole: who pays what, who learns when, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn

from gdmlib.adversarial import (
    GAN,
    LOSSES,
    DCDiscriminator,
    DCGenerator,
    averaged,
    dense_players,
    r1_penalty,
)
from gdmlib.training import fit


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def small(**options: Any) -> GAN:
    return GAN(*dense_players(2, latent=3, hidden=8, generator=seeded()), latent=3, **options)


def points(n: int = 64, seed: int = 1) -> Tensor:
    return torch.randn(n, 2, generator=seeded(seed)) + torch.tensor([3.0, -1.0])


@pytest.mark.parametrize("loss", LOSSES)
def test_each_player_pays_what_the_named_loss_says(loss: str) -> None:
    gan, x = small(loss=loss), points()
    z = torch.randn(64, 3, generator=seeded(5))
    real, fake = gan.discriminator(x), gan.discriminator(gan(z))
    paid = gan.discriminator_loss(x, seeded(5))
    assert paid.keys() == {"loss"}
    torch.testing.assert_close(paid["loss"], LOSSES[loss].discriminator(real, fake))
    torch.testing.assert_close(gan.generator_loss(x, seeded(5)), LOSSES[loss].generator(fake, real))


def test_a_penalty_joins_the_discriminators_loss_and_is_told_apart() -> None:
    plain, gan, x = small(), small(penalty="r1", penalty_weight=3.0), points()
    paid = gan.discriminator_loss(x, seeded(5))
    without = plain.discriminator_loss(x, seeded(5))["loss"]
    expected = r1_penalty(plain.discriminator, x, 3.0)
    torch.testing.assert_close(paid["penalty"], expected)
    torch.testing.assert_close(paid["loss"], without + expected)


@pytest.mark.parametrize("size", [7, 64])
def test_the_gradient_penalty_of_a_linear_critic_is_known(size: int) -> None:
    """(‖w‖ - 1)² whatever the events and however many of them."""
    judge = nn.Linear(2, 1)
    with torch.no_grad():
        judge.weight.copy_(torch.tensor([[3.0, 4.0]]))
    gan = GAN(nn.Linear(3, 2), judge, latent=3, loss="wasserstein", penalty="gradient")
    found = gan.discriminator_loss(points(size), seeded())["penalty"]
    assert float(found.detach()) == pytest.approx(10 * 16.0, rel=1e-5)


def test_the_generator_gets_no_gradient_from_the_discriminators_loss() -> None:
    gan = small()
    gan.discriminator_loss(points(), seeded())["loss"].backward()
    assert all(p.grad is None for p in gan.generator.parameters())


def test_training_moves_the_generator_to_the_data() -> None:
    gan, x = small(), points(2_000)
    turns = gan.turns(lr=5e-3, noise=seeded(), average=0.9)
    fit(turns, x, epochs=12, batch_size=50, generator=seeded(), progress=False)
    before, after = small().sample(500, seeded()).mean(0), gan.sample(500, seeded()).mean(0)
    assert (after - x.mean(0)).norm() < 0.25 * (before - x.mean(0)).norm()


def test_the_discriminator_moves_as_often_as_is_asked_for() -> None:
    gan = small()
    turns = gan.turns(steps=3, noise=seeded())
    moved = []
    for _ in range(6):
        before = gan.generator[0].weight.clone()  # type: ignore[union-attr]
        turns(points())
        moved.append(not torch.equal(before, gan.generator[0].weight))  # type: ignore[union-attr]
    assert moved == [True, False, False, True, False, False]


def test_batch_norm_keeps_real_and_made_events_in_batches_of_their_own() -> None:
    """A batch of both would have one mean, to which real and made events stand in contrast."""
    x = torch.rand(6, 1, 8, 8, generator=seeded()) * 2 - 1
    sizes = {"channels": (4, 4), "generator": seeded()}
    of_batch = DCDiscriminator((1, 8, 8), **sizes)  # type: ignore[arg-type]
    of_one = DCDiscriminator((1, 8, 8), norm="group", **sizes)  # type: ignore[arg-type]
    maker = DCGenerator((1, 8, 8), latent=2, channels=(4, 4), generator=seeded())
    for judge, apart in ((of_batch, True), (of_one, False)):
        gan, seen = GAN(maker, judge, latent=2), []
        judge.body[0].register_forward_hook(lambda m, args, y, s=seen: s.append(len(args[0])))
        gan.discriminator_loss(x, seeded())
        assert seen == ([6, 6] if apart else [12])


def test_samples_do_not_depend_on_their_company_and_leave_no_trace() -> None:
    maker = DCGenerator((1, 8, 8), latent=2, channels=(4, 4), generator=seeded())
    gan = GAN(maker, DCDiscriminator((1, 8, 8), channels=(4, 4)), latent=2)
    state = {k: v.clone() for k, v in gan.state_dict().items()}
    many = gan.sample(5, seeded())
    torch.testing.assert_close(gan.sample(1, seeded()), many[:1])
    assert maker.training
    assert all(torch.equal(v, state[k]) for k, v in gan.state_dict().items())


def test_buffers_of_the_averaged_generator_are_copied_and_can_be_measured_anew() -> None:
    """Statistics belong to the weights they were seen with: those of the average differ."""
    maker = DCGenerator((1, 8, 8), latent=2, channels=(4, 4), generator=seeded())
    gan = GAN(maker, DCDiscriminator((1, 8, 8), channels=(4, 4), generator=seeded()), latent=2)
    turns = gan.turns(lr=0.05, average=0.9, noise=seeded())
    x = torch.rand(32, 1, 8, 8, generator=seeded()) * 2 - 1
    for _ in range(10):
        turns(x)
    mean = averaged(turns)
    copied, own = dict(mean.named_buffers()), dict(maker.named_buffers())
    assert all(torch.equal(copied[k], own[k]) for k in own)
    assert int(copied["body.2.num_batches_tracked"]) == int(own["body.2.num_batches_tracked"]) > 0
    z = torch.randn(512, 2, generator=seeded())
    gap = [(mean.train()(z) - mean.eval()(z)).abs().mean()]
    torch.optim.swa_utils.update_bn([z], mean)
    gap.append((mean.train()(z) - mean.eval()(z)).abs().mean())
    assert gap[1] < 0.2 * gap[0]


def test_labels_reach_both_players() -> None:
    class Told(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return x.sum(1) * 0 + y

    maker = DCGenerator((1, 4, 4), latent=2, channels=(4,), classes=3, generator=seeded())
    gan = GAN(maker, nn.Sequential(), latent=2, classes=3)
    gan.discriminator = nn.ModuleList([Told()])[0]
    seen: list[Tensor] = []
    gan.discriminator.register_forward_hook(lambda m, args, y: seen.append(args[1]))
    x, y = torch.zeros(2, 1, 4, 4), torch.tensor([2, 1])
    gan.discriminator_loss((x, y), seeded())
    assert seen[0].tolist() == [2, 1, 2, 1]
    pictures = gan.sample(2, seeded(), labels=y)
    assert pictures.shape == (2, 1, 4, 4)
    assert not torch.equal(pictures, gan.sample(2, seeded(), labels=torch.tensor([0, 0])))


def test_a_model_starts_from_its_generators_numbers() -> None:
    first, again = small().state_dict(), small().state_dict()
    assert all(torch.equal(first[k], again[k]) for k in first)
    hidden = dense_players(2, latent=4, hidden=(400, 400), generator=seeded())[0][2].weight.detach()
    assert float(hidden.std()) == pytest.approx(math.sqrt(2 / 400), rel=0.02)


def test_what_is_wrong_is_said() -> None:
    players = dense_players(2, latent=3, generator=seeded())
    with pytest.raises(ValueError, match="loss: expected one of minimax"):
        GAN(*players, latent=3, loss="log")
    with pytest.raises(ValueError, match=r"penalty: expected one of 'r1', 'gradient', or None"):
        GAN(*players, latent=3, penalty="r2")
    judge = DCDiscriminator((1, 8, 8), channels=(4, 4))
    maker = DCGenerator((1, 8, 8), latent=2, channels=(4, 4))
    with pytest.raises(ValueError, match=r"'body.3' is a batch norm, .* use norm='group'"):
        GAN(maker, judge, latent=2, penalty="r1")
    with pytest.raises(ValueError, match=r"x: expected shape \(B, 2\), got \(4, 3\)"):
        small().discriminator_loss(torch.zeros(4, 3))
    with pytest.raises(ValueError, match="labels: this model has none"):
        small().generator_loss((points(), torch.zeros(64, dtype=torch.int64)))
    with pytest.raises(ValueError, match=r"z: expected shape \(B, 3\)"):
        small()(torch.zeros(1, 2))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.tensor([0, 3]), "labels 0 to 2, got values from 0 to 3"),
        (torch.tensor([True, False]), "expected signed integers, got torch.bool"),
        (torch.tensor([0, 1], dtype=torch.uint8), "expected signed integers, got torch.uint8"),
        (torch.tensor([0]), "expected 2 labels"),
        (None, "expected 2 labels of 3 classes"),
    ],
)
def test_labels_that_mean_nothing_are_refused(labels: Tensor | None, message: str) -> None:
    maker = DCGenerator((1, 4, 4), latent=2, channels=(4,), classes=3, generator=seeded())
    gan = GAN(maker, nn.Linear(16, 1), latent=2, classes=3)
    with pytest.raises(ValueError, match=message):
        gan.discriminator_loss((torch.zeros(2, 1, 4, 4), labels))


@pytest.mark.parametrize("kind", [DCGenerator, DCDiscriminator])
def test_sides_that_cannot_be_halved_are_refused(kind: Any) -> None:
    sizes = {"latent": 2} if kind is DCGenerator else {}
    with pytest.raises(ValueError, match=r"multiples of 4, .* got \(1, 10, 8\)"):
        kind((1, 10, 8), channels=(4, 4), **sizes)
    with pytest.raises(ValueError, match="event_shape: expected"):
        kind((10, 8), **sizes)


def test_dcgan_reaches_every_pixel_equally_often() -> None:
    """Through all-equal weights a constant map stays constant, but for the border: no board."""
    maker = DCGenerator((1, 32, 32), latent=2, channels=(4, 4, 4), generator=seeded()).eval()
    with torch.no_grad():
        for p in maker.parameters():
            p.fill_(0.1)
    inner = maker.body[1:-1](maker.body[0](torch.ones(1, 2)))[0, 0, 8:-8, 8:-8]
    torch.testing.assert_close(inner, inner.mean().expand_as(inner))


def test_dcgan_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValueError, match=r"norm: expected one of 'batch', 'group', None"):
        DCDiscriminator((1, 8, 8), norm="layer")
    maker = DCGenerator((1, 8, 8), latent=2, channels=(4, 4))
    with pytest.raises(ValueError, match="without classes"):
        maker(torch.zeros(1, 2), torch.zeros(1, dtype=torch.int64))
    with pytest.raises(ValueError, match="one of 3 classes for each"):
        DCGenerator((1, 8, 8), latent=2, classes=3)(torch.zeros(1, 2))


@pytest.mark.parametrize("steps", [1, 2])
def test_events_can_be_made_once_for_both_players(steps: int):
    # One event made of each latent, whoever sees it; the judge moves, and then its own loss of
    # these very events is what the generator descends on.
    maker, judge = dense_players(2, latent=2, hidden=8, generator=seeded(0))
    gan, noise, x = GAN(maker, judge, latent=2), seeded(1), torch.randn(6, 2, generator=seeded(2))
    calls: list[Tensor] = []
    maker.register_forward_hook(lambda module, inputs, output: calls.append(output))
    turns = gan.turns(noise=noise, steps=steps, reuse=True)
    assert turns.settings["reuse"]
    turns(x)
    assert len(calls) == 1
    draws = torch.randn(6, 2, generator=seeded(1))
    fresh, _ = dense_players(2, latent=2, hidden=8, generator=seeded(0))
    torch.testing.assert_close(calls[0], fresh(draws))
    assert all(p.requires_grad for p in gan.parameters())
    wanted = torch.autograd.grad(
        gan.adversarial.generator(judge(fresh(draws))[:, 0]), list(fresh.parameters())
    )
    for p, slope in zip(maker.parameters(), wanted, strict=True):
        torch.testing.assert_close(p.grad, slope)


def test_a_frozen_part_of_the_generator_stays_where_it_is():
    maker, judge = dense_players(2, latent=2, hidden=8, generator=seeded(0))
    maker[0].weight.requires_grad_(False)
    before = maker[0].weight.clone()
    GAN(maker, judge, latent=2).turns(noise=seeded(1), reuse=True)(torch.zeros(3, 2))
    assert torch.equal(maker[0].weight, before)
    assert not maker[0].weight.requires_grad
