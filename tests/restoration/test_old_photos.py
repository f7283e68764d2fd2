"""Old photographs: two kinds of damage, codes of any size, and a map between them."""

from __future__ import annotations

import pytest
import torch

from gdmlib.adversarial import PatchDiscriminator
from gdmlib.restoration import PictureVAE, Restorer, SmallUNet, age, alignment, imitate
from gdmlib.training import fit, train

PICTURES = torch.rand(6, 1, 16, 20, generator=torch.Generator().manual_seed(9))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small(**options) -> Restorer:
    return Restorer(code=3, features=6, blocks=1, generator=seeded(), **options)


@pytest.mark.parametrize("damage", [age, imitate])
def test_damage_repeats_and_stays_in_range(damage):
    found = damage(PICTURES, seeded())
    assert found.shape == (6, 3, 16, 20) and found.min() >= 0 and found.max() <= 1
    assert torch.equal(found, damage(PICTURES, seeded()))
    assert not torch.equal(found, damage(PICTURES, seeded(1)))
    with pytest.raises(ValueError, match=r"x: expected values in .0, 1., got values from"):
        damage(255 * PICTURES)
    with pytest.raises(ValueError, match="x: expected shape"):
        damage(PICTURES[:, 0])
    with pytest.raises(ValueError, match="NaN"):
        damage(PICTURES / 0)


def test_the_years_fade_more_than_we_imagine():
    flat = PICTURES.round()
    old, imagined = age(flat, seeded()), imitate(flat, seeded())
    assert old.flatten(1).std(1).mean() < imagined.flatten(1).std(1).mean()
    assert (old[:, 0] > old[:, 2]).float().mean() > 0.9  # yellowed


def test_codes_of_any_size():
    model = small()
    old = age(PICTURES, seeded())
    mean, log_variance = model.old.encode(old)
    assert mean.shape == log_variance.shape == (6, 3, 4, 5)
    assert model(old).shape == PICTURES.shape
    assert model.score(old, PICTURES).shape == (6,)
    assert torch.allclose(model(old[:2]), model(old)[:2], atol=1e-5)


def test_training_lowers_each_loss():
    model, old = small(), imitate(PICTURES, seeded())
    options = {"epochs": 15, "batch_size": 3, "lr": 5e-3, "progress": False}
    for losses in (
        train(model.clean, PICTURES, loss=lambda m, x: m.loss(x, seeded(1)), **options),
        train(model, (old, PICTURES), loss=lambda m, x, y: m.mapping_loss(x, y), **options),
        train(model, (old, PICTURES), **options),
    ):
        assert losses.metrics["loss"][-1] < losses.metrics["loss"][0]


def test_alignment_moves_codes_of_imitations_where_the_opponent_looks():
    """Against an opponent that stands still, imitations come to pass for real; else they do not."""
    fooled = []
    for weight in (0.0, 50.0):
        model = PictureVAE(3, code=2, features=6, generator=seeded())
        opponent = PatchDiscriminator(
            2, channels=8, layers=0, plain=0, norm="none", generator=seeded(1)
        )
        turns = alignment(model, opponent, weight=weight, lr=(5e-3, 0.0), generator=seeded(2))
        pictures = age(PICTURES, seeded(3)), imitate(PICTURES, seeded(4))
        history = fit(turns, pictures, epochs=12, batch_size=3, generator=seeded(3), progress=False)
        fooled.append(history.metrics["generator fooled"])
    assert fooled[0][0] == pytest.approx(fooled[1][0], rel=0.5)
    assert fooled[1][-1] < 0.7 * fooled[0][-1]


def test_bad_input_is_refused():
    model = small()
    with pytest.raises(ValueError, match="multiples of 4"):
        model(torch.rand(1, 3, 16, 18))
    with pytest.raises(ValueError, match="x: expected shape"):
        model(PICTURES)
    with pytest.raises(ValueError, match="z: expected shape"):
        model.clean.decode(torch.rand(1, 4, 4, 4))
    with pytest.raises(ValueError, match="clean: expected shape"):
        model.score(age(PICTURES, seeded()), PICTURES[..., :16])
    with pytest.raises(ValueError, match="weight: expected a finite number of at least 0"):
        alignment(model.old, model.mapping, weight=-1.0)
    with pytest.raises(ValueError, match="NaN"):
        model(torch.full((1, 3, 16, 16), float("nan")))
    with pytest.raises(ValueError, match="x: expected shape"):
        SmallUNet(2, 1, features=4)(torch.rand(1, 3, 8, 8))


def test_a_small_unet_starts_at_zero_and_sees_far():
    net = SmallUNet(2, 1, features=4, generator=seeded())
    x = torch.rand(1, 2, 32, 32, generator=seeded())
    assert (net(x) == 0).all()
    with torch.no_grad():
        net.last[2].weight.fill_(0.1)
    changed = x.clone()
    changed[..., 16, 16] += 1
    moved = (net(changed) - net(x)).abs().amax((0, 1)) > 0
    assert moved[16, 4] and moved[2, 16]
