"""Latents that were hidden are found again."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor, nn

from gdmlib.adversarial import GAN, DCDiscriminator, DCGenerator, invert


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def linear() -> GAN:
    layer = nn.Linear(3, 5)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(5, 3, generator=seeded(1)))
        layer.bias.copy_(torch.randn(5, generator=seeded(2)))
    return GAN(layer, nn.Linear(5, 1), latent=3)


def test_a_linear_generator_is_inverted_as_by_least_squares() -> None:
    gan, x = linear(), torch.randn(4, 5, generator=seeded(3))
    found = invert(gan, x, steps=800, starts=2, generator=seeded())
    layer = gan.generator
    expected = torch.linalg.lstsq(layer.weight.detach(), (x - layer.bias.detach()).T).solution.T
    torch.testing.assert_close(found.latents, expected, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(found.events, gan(found.latents).detach())
    torch.testing.assert_close(found.losses, (found.events - x).square().mean(1))


def test_all_terms_are_weighed_as_said() -> None:
    gan, x = linear(), torch.randn(2, 5, generator=seeded(3))

    def features(x: Tensor) -> Tensor:
        return x[:, :2] * 3

    found = invert(gan, x, features=features, weight=0.5, prior=0.1, steps=50, generator=seeded())
    made = found.events
    expected = (
        (features(made) - features(x)).square().mean(1)
        + 0.5 * (made - x).square().mean(1)
        + 0.1 * found.latents.square().mean(1)
    )
    torch.testing.assert_close(found.losses, expected)


def test_the_history_is_that_of_the_best_so_far() -> None:
    found = invert(linear(), torch.randn(2, 5, generator=seeded(3)), steps=60, generator=seeded())
    assert len(found.history) == 60
    assert all(b <= a for a, b in zip(found.history, found.history[1:], strict=False))
    assert float(found.losses.mean()) <= found.history[-1]


def test_more_starts_are_never_worse() -> None:
    maker = DCGenerator((1, 8, 8), latent=3, channels=(4, 4), generator=seeded())
    with torch.no_grad():
        for p in maker.parameters():
            p.mul_(8)
    gan = GAN(maker, DCDiscriminator((1, 8, 8), channels=(4, 4)), latent=3)
    x = gan.sample(3, seeded(5))
    state = {k: v.clone() for k, v in gan.state_dict().items()}
    one, many = (invert(gan, x, steps=60, starts=s, generator=seeded()).losses for s in (1, 8))
    assert bool((many <= one + 1e-6).all())
    assert float(many.max()) < 0.2 * float(x.var())
    assert all(torch.equal(v, state[k]) for k, v in gan.state_dict().items())
    assert maker.training
    assert all(p.grad is None for p in gan.parameters())


def test_an_event_is_found_by_itself() -> None:
    gan, x = linear(), torch.randn(3, 5, generator=seeded(3))
    both = invert(gan, x, steps=500, starts=1, generator=seeded()).latents
    alone = invert(gan, x[:1], steps=500, starts=1, generator=seeded()).latents
    torch.testing.assert_close(both[:1], alone, rtol=1e-3, atol=1e-3)


def test_something_has_to_be_compared() -> None:
    with pytest.raises(ValueError, match="weight: expected more than 0 where no features"):
        invert(linear(), torch.zeros(1, 5), weight=0.0)
    with pytest.raises(ValueError, match=r"x: expected shape \(B, 5\)"):
        invert(linear(), torch.zeros(1, 4))
