from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import nn

from gdmlib.adversarial import LOSSES, PatchDiscriminator, Pix2Pix, UNetGenerator, averaged
from gdmlib.training import fit, train


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def pictures(n, channels, size=16, seed=0):
    return 2 * torch.rand(n, channels, size, size, generator=seeded(seed)) - 1


def unet(**options):
    sizes = {"channels": (8, 12), "generator": seeded()} | options
    return UNetGenerator((2, 16, 16), 1, **sizes)


def judge(depth=3, **options):
    sizes = {"channels": 4, "layers": 1, "generator": seeded(1)} | options
    return PatchDiscriminator(depth, **sizes)


# --- patches


@pytest.mark.parametrize(
    ("layers", "plain", "field"),
    [(0, 0, 1), (1, 2, 16), (2, 2, 34), (3, 2, 70), (5, 2, 286), (1, 0, 4), (2, 1, 22)],
)
def test_a_logit_sees_its_patch_and_nothing_else(layers, plain, field):
    critic = judge(1, layers=layers, plain=plain, channels=1, norm="none")
    assert critic.receptive_field == field, "Isola et al., appendix 6.1.2, for plain = 2"
    size = min(2 * field + 40, 400)
    if field > 100:
        return
    x = torch.randn(1, 1, size, size, generator=seeded(2), requires_grad=True)
    logits = critic(x)
    row = logits.shape[2] // 2
    (slope,) = torch.autograd.grad(logits[0, 0, row, row], x)
    seen = slope[0, 0] != 0
    assert int(seen.any(1).sum()) == int(seen.any(0).sum()) == field


def test_patches_by_their_size():
    for patch in (1, 4, 7, 10, 16, 22, 34, 70):
        assert PatchDiscriminator.of_patch(patch, 3, channels=1).receptive_field == patch
    published = PatchDiscriminator.of_patch(70, 3, channels=1)
    assert (published.layers, published.plain) == (3, 2)
    with pytest.raises(ValueError, match=r"patch: .*got 5; take 4 or 7"):
        PatchDiscriminator.of_patch(5, 3)


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
@pytest.mark.parametrize("layers", [0, 1, 2, 3])
def test_the_smallest_picture(layers, norm):
    critic = judge(layers=layers, norm=norm)
    assert critic(pictures(1, 3, critic.smallest)).shape[2] >= 1
    if critic.smallest > 1:
        with pytest.raises(ValueError, match=f"at least {critic.smallest} × {critic.smallest}"):
            critic(pictures(1, 3, critic.smallest - 1))


def test_one_pass_for_both_where_no_batch_norm_forbids_it():
    real, fake = pictures(5, 3), pictures(4, 3, seed=1)
    passes = []
    for norm in ("instance", "none", "batch"):
        critic = judge(norm=norm)
        critic.body.register_forward_hook(lambda *_, norm=norm: passes.append(norm))
        apart = [deepcopy(critic)(real), deepcopy(critic)(fake)]
        passes.clear()
        for a, b in zip(critic.both(real, fake), apart, strict=True):
            assert torch.allclose(a, b, atol=1e-6)
        assert len(passes) == (2 if norm == "batch" else 1)


# --- the generator


def test_sizes_that_the_stride_does_not_divide():
    model = UNetGenerator((1, 32, 32), 3, channels=(4, 4, 4))
    assert model(pictures(2, 1, 48)).shape == (2, 3, 48, 48), "any size that can be halved"
    with pytest.raises(ValueError, match=r"multiples of 8, got 36 × 36; pad or crop.* to 40 × 40"):
        model(pictures(2, 1, 36))
    with pytest.raises(ValueError, match=r"event_shape: .*multiples of 8, got 32 × 30"):
        UNetGenerator((1, 32, 30), 3, channels=(4, 4, 4))
    for size in (8, 16, 24):
        assert model(pictures(2, 1, size)).shape[2] == size


def test_skips_let_the_edges_through():
    """Without skips a pixel is known only through the coarsest size; with them it is at hand."""
    sharp, blunt = (unet(skips=skips, norm="none") for skips in (True, False))
    x = pictures(200, 2) / 2
    errors = []
    for model in (sharp, blunt):
        train(
            Pix2Pix(model, l1=1.0, adversarial=0.0), (x, x[:, :1]), epochs=12, batch_size=20,
            lr=5e-3, generator=seeded(), progress=False,
        )  # fmt: skip
        with torch.no_grad():
            errors.append(float((model(x) - x[:, :1]).abs().mean()))
    assert errors[0] < 0.1 < 0.2 < errors[1], "noise does not pass through 12 numbers for 16 pixels"


def test_noise_and_dropout_are_chance_that_is_asked_for():
    x = pictures(1, 2).expand(3, -1, -1, -1)
    for options in ({"noise": 2}, {"dropout": 0.5}):
        model = unet(**options).eval()
        found = model(x, seeded())
        assert not torch.equal(found[0], found[1]), "each answer has chance of its own"
        assert torch.equal(found, model(x, seeded())) and not torch.equal(
            found, model(x, seeded(1))
        )
    plain = unet().eval()
    assert torch.equal(plain(x)[0], plain(x)[1])


# --- the game


def plain_loop(model, x, y, order, lr):
    """One pass over the batches, written out: discriminator, then generator."""
    networks = (model.discriminator, model.generator)
    of_d, of_g = (torch.optim.Adam(m.parameters(), lr=lr, betas=(0.5, 0.999)) for m in networks)
    for index in order:
        fake = model.generator(x[index])
        real_pair = torch.cat([x[index], y[index]], 1)
        real, made = (
            model.discriminator(pair)
            for pair in (real_pair, torch.cat([x[index], fake.detach()], 1))
        )
        of_d.zero_grad()
        model.game.discriminator(real, made).backward()
        of_d.step()
        of_g.zero_grad()
        logits = model.discriminator(torch.cat([x[index], fake], 1))
        (model.game.generator(logits) + model.l1 * (fake - y[index]).abs().mean()).backward()
        of_g.step()


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_turns_equal_the_plain_loop(norm):
    x, y = pictures(8, 2).double(), pictures(8, 1, seed=1).double()
    fast = Pix2Pix(unet(), judge(norm=norm), l1=10.0).double()
    slow = deepcopy(fast)
    fit(fast.turns(lr=1e-3), (x, y), epochs=2, batch_size=None, progress=False)
    plain_loop(slow, x, y, [slice(None)] * 2, 1e-3)
    for a, b in zip(fast.state_dict().values(), slow.state_dict().values(), strict=True):
        assert torch.allclose(a, b, atol=1e-9)


def test_the_generator_answers_once_a_batch():
    model = Pix2Pix(unet(noise=1), judge())
    calls = []
    model.generator.register_forward_hook(lambda *_: calls.append(1))
    x, y = pictures(8, 2), pictures(8, 1, seed=1)
    fit(model.turns(noise=seeded()), (x, y), epochs=1, batch_size=4, progress=False)
    assert len(calls) == 2
    assert all(p.requires_grad for p in model.parameters()), "all ask for gradients again"


def test_every_loss_is_a_game_that_can_be_played():
    x, y = pictures(8, 2), pictures(8, 1, seed=1)
    for loss in LOSSES:
        model = Pix2Pix(unet(), judge(), loss=loss)
        before = deepcopy(model.state_dict())
        history = fit(model.turns(lr=1e-3), (x, y), epochs=1, batch_size=8, progress=False)
        assert {"discriminator", "generator", "generator error"} == set(history.metrics)
        assert any(
            not torch.equal(a, before[k])
            for k, a in model.generator.state_dict(prefix="generator.").items()
        )


def test_unconditional_sees_the_answer_alone():
    x, y = pictures(4, 2), pictures(4, 1, seed=1)
    model = Pix2Pix(unet(), judge(1), conditional=False)
    real, _ = model.judge(x, y, -y)
    again, _ = model.judge(-x, y, -y)
    assert torch.equal(real, again)
    fit(model.turns(), (x, y), epochs=1, batch_size=4, progress=False)
    paired = Pix2Pix(unet(), judge())
    assert not torch.equal(paired.judge(x, y, -y)[0], paired.judge(-x, y, -y)[0])


def test_the_error_is_the_weighted_sum():
    model = Pix2Pix(unet(), judge(), l1=3.0, l2=2.0)
    y, fake = pictures(4, 1), pictures(4, 1, seed=1)
    gap = (y - fake).flatten(1)
    wanted = 3 * gap.abs().mean(1) + 2 * gap.square().mean(1)
    assert torch.allclose(model.error(y, fake), wanted)


def test_average_of_the_generator():
    x, y = pictures(8, 2), pictures(8, 1, seed=1)
    model = Pix2Pix(unet(), judge())
    turns = model.turns(lr=1e-2, average=0.9)
    fit(turns, (x, y), epochs=3, batch_size=4, progress=False)
    smooth = averaged(turns)
    assert isinstance(smooth, UNetGenerator)
    assert not torch.equal(smooth.last.weight, model.generator.last.weight)


def test_other_networks_will_do():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(1, 1, 1)

        def forward(self, x):
            return self.layer(x).tanh()

    model = Pix2Pix(Twice(), nn.Sequential(nn.Conv2d(2, 1, 3)))
    fit(model.turns(), (pictures(4, 1), pictures(4, 1)), epochs=1, batch_size=2, progress=False)


# --- bad input


def test_wrong_input_says_what_to_do():
    with pytest.raises(ValueError, match="channels: expected at least one"):
        UNetGenerator((1, 8, 8), 1, channels=())
    with pytest.raises(ValueError, match="norm: expected one of instance"):
        judge(norm="layer")
    with pytest.raises(ValueError, match="discriminator: the adversarial part needs one"):
        Pix2Pix(unet())
    with pytest.raises(ValueError, match="l1, l2, adversarial: all are 0"):
        Pix2Pix(unet(), judge(), l1=0.0, adversarial=0.0)
    with pytest.raises(ValueError, match="l1: expected a finite number"):
        Pix2Pix(unet(), judge(), l1=-1.0)
    with pytest.raises(ValueError, match="discriminator: there is none to play with"):
        Pix2Pix(unet(), adversarial=0.0).turns()
    with pytest.raises(ValueError, match="y: expected pictures from -1 to 1"):
        Pix2Pix(unet(), adversarial=0.0).score(pictures(2, 2), 3 * pictures(2, 1))
    with pytest.raises(ValueError, match="x: expected shape"):
        unet()(pictures(2, 3))
    with pytest.raises(ValueError, match="x: expected shape"):
        judge()(pictures(2, 2))
