"""Super-resolution: what the networks start as, what they are paid for, and wrong input."""

from __future__ import annotations

import pytest
import torch

from gdmlib import training
from gdmlib.adversarial import (
    RRDB,
    SRGAN,
    DenseBlock,
    RRDBNet,
    SRDiscriminator,
    SRResNet,
    VGGFeatures,
    blend,
    content_features,
)
from gdmlib.data.resize import enlarge, shrink
from gdmlib.nn.dense import start
from gdmlib.nn.photo_features import PhotoFeatures
from gdmlib.nn.vgg import VGG19

SMALL = {"features": 4, "fine": 3, "blocks": 1, "kernel": 3, "norm": "none"}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def srresnet(**options):
    return SRResNet(**SMALL | options, generator=seeded())


def rrdbnet(**options):
    return RRDBNet(**{"features": 4, "blocks": 1, "growth": 2} | options, generator=seeded())


def discriminator(**options):
    sizes = {"features": (3, 4), "hidden": 5, "norm": "none"} | options
    return SRDiscriminator(**sizes, generator=seeded())


@pytest.fixture
def pair(generator):
    high = torch.rand(4, 3, 16, 16, generator=generator)
    return shrink(high, 4), high


# --- networks -------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [srresnet, rrdbnet])
def test_a_network_starts_as_the_bicubic_filter(make, pair):
    low, _ = pair
    assert torch.allclose(make()(low), enlarge(low, 4), atol=1e-6)
    assert not torch.allclose(make(base=False)(low), enlarge(low, 4), atol=1e-2)


@pytest.mark.parametrize("make", [srresnet, rrdbnet])
@pytest.mark.parametrize("steps", [(2,), (3,), (2, 2), (4,)])
def test_the_steps_make_the_scale(make, steps):
    network = make(steps=steps)
    scale = torch.tensor(steps).prod().item()
    assert network.scale == scale
    assert network(torch.rand(1, 3, 5, 6)).shape == (1, 3, 5 * scale, 6 * scale)


def test_the_paper_s_network_has_its_size():
    """Counted by hand: convolutions of 9 and 3, two norms and a slope a block, slopes elsewhere."""
    paper = SRResNet(base=False)
    ends = (3 * 64 * 81 + 64 + 1) + (64 * 3 * 81 + 3)
    convolution, shuffle = 64 * 64 * 9 + 64, 64 * 256 * 9 + 256 + 1
    body = 16 * (2 * convolution + 2 * 128 + 1) + convolution + 128
    assert sum(p.numel() for p in paper.parameters()) == ends + body + 2 * shuffle


@pytest.mark.parametrize("make", [srresnet, rrdbnet])
def test_every_layer_learns(make, pair):
    network = make()
    with torch.no_grad():
        network.last.weight.normal_(generator=seeded(1))
    network.score(*pair).mean().backward()
    for name, p in network.named_parameters():
        assert p.grad is not None and float(p.grad.abs().sum()) > 0, name


def test_the_score_is_the_squared_error_of_each_picture(pair):
    low, high = pair
    error = (enlarge(low, 4) - high).square().mean((1, 2, 3))
    assert torch.allclose(srresnet().score(low, high), error, atol=1e-6)
    with pytest.raises(ValueError, match=r"high: expected shape \(4, 3, 16, 16\)"):
        srresnet().score(low, low)


def test_a_short_training_beats_the_bicubic_filter(generator):
    """The world: sharp squares, of which a bicubic filter makes blurs with halos."""
    corner = torch.randint(0, 12, (200, 2), generator=generator)
    axis = torch.arange(16)
    inside = (axis >= corner[..., None]) & (axis < corner[..., None] + 5)
    high = (inside[:, 0, :, None] & inside[:, 1, None, :]).float()[:, None].expand(-1, 3, -1, -1)
    low = shrink(high, 4)
    network = srresnet(features=8)
    training.train(
        network, (low, high), epochs=12, batch_size=20, lr=1e-2, generator=generator, progress=False
    )
    ours, plain = network.score(low, high).mean(), (enlarge(low, 4) - high).square().mean()
    assert float(ours) < 0.6 * float(plain)


def test_a_dense_block_adds_a_fifth_of_what_sees_everything(generator):
    block = DenseBlock(3, 2, generator)
    assert [layer.in_channels for layer in block.layers] == [3, 5, 7, 9, 11]
    x = torch.rand(1, 3, 5, 5, generator=generator)
    with torch.no_grad():
        before = block(x) - x
        block.layers[-1].weight *= 2
        assert torch.allclose(block(x) - x, 2 * before, atol=1e-6)
        for layer in block.layers:
            layer.weight.zero_()
        assert torch.equal(block(x), x)
    inner = RRDB(3, 2, generator)
    made = inner.blocks(x)
    assert torch.allclose(inner(x), x + 0.2 * made)


# --- the game -------------------------------------------------------------------------------------


def test_without_norms_no_logit_depends_on_the_others(pair):
    _, high = pair
    judge = discriminator()
    assert torch.allclose(judge(high)[:1], judge(high[:1]), atol=1e-6)
    assert judge.together and not discriminator(norm="batch").together
    assert discriminator(norm="instance")(torch.rand(2, 3, 20, 24)).shape == (2,)
    with pytest.raises(ValueError, match="expected at least 4 pixels a side, which are halved"):
        judge(torch.rand(1, 3, 3, 8))


@pytest.mark.parametrize("loss", ["non_saturating", "relativistic"])
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_the_parts_of_the_loss_add_up(loss, norm, pair):
    low, high = pair
    game = SRGAN(
        srresnet(),
        discriminator(norm=norm),
        features=content_features(),
        content=2.0,
        adversarial=0.1,
        pixel=3.0,
        loss=loss,
    )
    found = game.generator_loss(pair)
    made = game(low)
    content = (game.features(made) - game.features(high)).square().mean()
    assert torch.allclose(found["content"], 2 * content)
    assert torch.allclose(found["pixel"], 3 * (made - high).square().mean())
    fake, real = game.discriminator(made), game.discriminator(high)
    paid = game.game.generator(fake, real if loss == "relativistic" else None)
    assert torch.allclose(found["adversarial"], 0.1 * paid, atol=1e-5)
    total = found["content"] + found["pixel"] + found["adversarial"]
    assert torch.allclose(found["loss"], total)
    assert torch.allclose(game.discriminator_loss(pair), game.game.discriminator(real, fake))


@pytest.mark.parametrize("mixed_precision", [False, True])
def test_both_players_move_and_the_features_do_not(mixed_precision, pair):
    game = SRGAN(srresnet(), discriminator(), features=content_features(), pixel=1.0)
    before = {name: value.clone() for name, value in game.state_dict().items()}
    turns = game.turns(lr=1e-3, mixed_precision=mixed_precision)
    history = training.fit(turns, pair, epochs=2, batch_size=2, generator=seeded(), progress=False)
    assert {"discriminator", "generator", "generator content"} <= history.metrics.keys()
    moved = {name for name, value in game.state_dict().items() if not value.equal(before[name])}
    assert any(name.startswith("network") for name in moved)
    assert any(name.startswith("discriminator") for name in moved)
    assert not any(name.startswith("features") for name in moved)


def test_a_game_that_needs_nothing_but_pixels(pair):
    game = SRGAN(srresnet(), discriminator(), content=0.0, adversarial=0.0, pixel=1.0)
    assert torch.allclose(game.generator_loss(pair)["loss"], srresnet().score(*pair).mean())


def test_a_content_loss_needs_features():
    with pytest.raises(ValueError, match="features: a content loss needs them"):
        SRGAN(srresnet(), discriminator())
    with pytest.raises(ValueError, match="adversarial: expected a finite number of at least 0"):
        SRGAN(srresnet(), discriminator(), content=0.0, adversarial=-1.0)


def test_blends_lie_between(pair):
    a, b, c = srresnet(), srresnet(), srresnet()
    with torch.no_grad():
        for p in b.parameters():
            p += 1
    for share in (0.0, 0.3, 1.0):
        blend(c, a, b, share)
        for p, q in zip(a.parameters(), c.parameters(), strict=True):
            assert torch.allclose(q, p + share, atol=1e-6)
    with pytest.raises(ValueError, match="expected networks of one architecture"):
        blend(c, a, srresnet(features=5), 0.5)


# --- features -------------------------------------------------------------------------------------


def test_our_features_tell_pictures_apart_and_have_a_gradient(pair):
    _, high = pair
    features = content_features()
    assert isinstance(features, PhotoFeatures) and not features.training
    assert not any(p.requires_grad for p in features.parameters())
    x = high.clone().requires_grad_(True)
    (features(x) - features(high.flip(0))).square().mean().backward()
    assert float(x.grad.abs().max()) > 0


def test_vgg_is_missed_in_plain_words(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"weights of VGG-19 are not here.*'content'"):
        content_features("vgg19")
    with pytest.raises(ValueError, match="network: expected one of own, vgg19, got 'alexnet'"):
        content_features("alexnet")
    with pytest.raises(ValueError, match="layer: expected one of conv2_2"):
        content_features("vgg19", layer="pool5")


def test_vgg_comes_with_the_weights_that_are_here(monkeypatch):
    network = VGG19()
    start(network, seeded())
    monkeypatch.setattr(VGG19, "load", lambda: network)
    features = content_features("vgg19", layer="conv2_2")
    assert isinstance(features, VGGFeatures) and len(features.body) == 8
    x = torch.rand(1, 3, 8, 8, generator=seeded())
    assert torch.allclose(features(x), network.features[:8](network.standardised(x)), atol=1e-5)


def test_what_both_players_see_is_made_once(pair):
    made, calls = [], []
    for prepare in (None, lambda batch: batch):
        game = SRGAN(
            srresnet(norm="batch"), discriminator(), content=0.0, adversarial=1.0, pixel=1.0
        )
        seen: list[torch.Tensor] = []
        game.network.register_forward_hook(lambda *parts, seen=seen: seen.append(parts[2]))
        turns = game.turns(prepare=prepare, lr=1e-2)
        turns(pair)
        turns(pair)
        made.append(dict(game.named_parameters()))
        calls.append(len(seen))
    assert calls == [2, 4]
    for name, value in made[0].items():
        torch.testing.assert_close(value, made[1][name], msg=name)
        assert value.requires_grad
