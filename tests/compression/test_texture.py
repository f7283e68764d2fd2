"""The second decoder of a file, and its game."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import avg_pool2d, softplus

from gdmlib.adversarial.play import averaged
from gdmlib.compression import HiFiC, TextureDecoder, TextureJudge
from gdmlib.nn.photo_features import PhotoFeatures
from gdmlib.training import fit


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def decoder(**sizes):
    return TextureDecoder(**{"features": 8, "blocks": 1} | sizes, generator=seeded())


def game(**weights):
    judge = TextureJudge(channels=8, layers=1, plain=1, norm="none", generator=seeded(1))
    features = PhotoFeatures(((4,), (4,)), gate="elu", generator=seeded(2))
    return HiFiC(decoder(), judge, features, **weights)


def textures(n=32, side=16):
    """Return pictures that lost their grain, and the same with it."""
    low = avg_pool2d(torch.rand(n, 1, side, side, generator=seeded(3)), 7, 1, 3)
    return low, (low + 0.15 * torch.randn(low.shape, generator=seeded(4))).clamp(0, 1)


@pytest.mark.parametrize("shape", [(1, 1), (4, 7), (9, 16)])
def test_it_begins_as_the_plain_decoder(shape):
    x = torch.rand(2, 1, *shape, generator=seeded())
    assert torch.equal(decoder()(x, seeded()), x)


def test_noise_is_drawn_and_repeated():
    made = decoder(noise=3)
    torch.nn.init.normal_(made.leave.weight, std=0.1, generator=seeded())
    x = torch.rand(1, 1, 8, 8, generator=seeded())
    first, again, other = (made(x, seeded(k)) for k in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    plain = decoder(noise=0)
    torch.nn.init.normal_(plain.leave.weight, std=0.1, generator=seeded())
    assert torch.equal(plain(x, seeded(1)), plain(x, seeded(2)))


def test_the_loss_is_that_of_the_formula():
    model = game(error=7.0, content=2.0, adversarial=3.0)
    torch.nn.init.normal_(model.generator.leave.weight, std=0.1, generator=seeded())
    low, x = textures(3)
    made = model(low, seeded(5))
    seen = [model.features(v.expand(-1, 3, -1, -1)) for v in (x, made)]
    judged = model.discriminator(torch.cat([low, made], dim=1))
    expected = 7 * (made - x).square().mean() + 2 * (seen[0] - seen[1]).square().mean()
    assert torch.allclose(model.error(x, made).mean(), expected)
    expected = expected + 3 * softplus(-judged).mean()
    turns = model.turns(lr=0.0, noise=seeded(5))
    assert turns((low, x))["generator"] == pytest.approx(expected.item(), rel=1e-5)
    alone = game(content=0.0).error(x, made).mean()
    assert torch.allclose(alone, 1000 * (made - x).square().mean())


def test_the_judge_sees_what_was_decoded():
    judge = game().discriminator
    low, x = textures(2)
    first = judge(torch.cat([low, x], dim=1))
    moved = judge(torch.cat([low.roll(3, -1), x], dim=1))
    assert not torch.allclose(first, moved)


def test_the_game_brings_grain_back():
    """The error alone leaves what was decoded nearly as flat as it is."""
    low, x = textures()
    spreads = []
    for weight in (0.0, 20.0):
        model = game(error=50.0, content=0.0, adversarial=weight)
        turns = model.turns(lr=5e-3, average=0.9, noise=seeded(6))
        fit(turns, (low, x), epochs=25, batch_size=8, generator=seeded(7), progress=False)
        with torch.no_grad():
            made = averaged(turns)(low, seeded(8))
        spreads.append(float((made - low).std() / (x - low).std()))
    assert spreads[0] < 0.3 < 0.4 < spreads[1] < 1.5, spreads


def test_wrong_arguments():
    with pytest.raises(ValueError, match="decoded: "):
        decoder()(torch.rand(1, 3, 8, 8))
    with pytest.raises(ValueError, match="x: "):
        game().discriminator(torch.rand(1, 1, 8, 8))
    with pytest.raises(ValueError, match="content: "):
        game(content=-1.0)
