"""Training of the models of pixels."""

from __future__ import annotations

import copy

import pytest
import torch

from gdmlib.autoregressive import GatedPixelCNN
from gdmlib.autoregressive.pixel_training import mean_nats, train_pixels


def stripes(n=200):
    """Images of vertical or horizontal stripes, and which: two bits of information each."""
    generator = torch.Generator().manual_seed(0)
    kind = torch.randint(0, 2, (n,), generator=generator)
    phase = torch.randint(0, 2, (n,), generator=generator)
    up, across = torch.meshgrid(torch.arange(5), torch.arange(5), indexing="ij")
    both = torch.stack([up, across])[kind]
    return ((both + phase[:, None, None]) % 2).float()[:, None], kind


def small(**options):
    generator = torch.Generator().manual_seed(0)
    return GatedPixelCNN((1, 5, 5), features=8, layers=2, generator=generator, **options)


def train(model, data, **options):
    settings = {"epochs": 8, "batch_size": 20, "lr": 0.02, "clip": 100.0, **options}
    return train_pixels(model, data, generator=torch.Generator().manual_seed(0), **settings)


def test_it_learns_what_there_is_to_learn():
    x, kind = stripes()
    model = small()
    history = train(model, x, valid=x[:50])
    # Four images: log 4 = 1.39 nats is the least there can be; at first, 25 log 2 = 17.3.
    assert history["loss"][0] > 4
    assert 1.3 < mean_nats(model, x) < 1.8
    assert history.valid["loss"][-1] == pytest.approx(mean_nats(model, x[:50]), rel=1e-5)
    drawn = model.sample(50, torch.Generator().manual_seed(0)).flatten(1)
    exact = [bool((image == x.flatten(1)).all(dim=1).any()) for image in drawn]
    assert sum(exact) >= 45
    given = small(num_classes=2)
    train(given, (x, kind), valid=(x, kind))
    # The class is one of the two bits.
    assert 0.65 < mean_nats(given, (x, kind)) < 1.1


def test_mixed_precision_learns_the_same():
    x, _ = stripes()
    full, mixed = small(), small()
    train(full, x, epochs=4)
    train(mixed, x, epochs=4, mixed_precision=True)
    assert mean_nats(mixed, x) == pytest.approx(mean_nats(full, x), abs=0.3)
    name = "readout.last.weight"
    assert not torch.equal(full.state_dict()[name], mixed.state_dict()[name])
    with torch.autocast("cpu", torch.bfloat16):
        rough = mixed.log_prob(x[:20])
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, mixed.log_prob(x[:20]), atol=0.3, rtol=0.05)


def test_the_average_of_the_weights_is_kept():
    x, _ = stripes(60)
    plain, smooth, still = small(), small(), small()
    start = copy.deepcopy(plain.state_dict())
    train(plain, x, epochs=2)
    history = train(smooth, x, epochs=2, average=0.9, valid=x)
    train(still, x, epochs=2, average=0.0)
    assert history.valid["loss"][-1] == pytest.approx(mean_nats(smooth, x), rel=1e-5)
    name = "readout.last.weight"
    assert not torch.equal(plain.state_dict()[name], smooth.state_dict()[name])
    moved = [float((m.state_dict()[name] - start[name]).norm()) for m in (plain, smooth)]
    assert moved[1] < moved[0]
    # Nothing kept of what was: the last weights.
    torch.testing.assert_close(still.state_dict()[name], plain.state_dict()[name])


def test_an_interrupted_run_ends_like_an_uninterrupted_one(tmp_path):
    x, _ = stripes(60)
    whole, parts = small(dropout=0.2), small(dropout=0.2)
    torch.manual_seed(0)
    train(whole, x, epochs=4, average=0.9)
    torch.manual_seed(0)
    settings = {"epochs": 4, "average": 0.9, "checkpoint": tmp_path / "run.pt"}

    def stop(epoch, history):
        if epoch == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(parts, x, on_epoch=stop, **settings)
    again = small(dropout=0.2)
    train(again, x, resume=True, **settings)
    for a, b in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


def test_bad_arguments_and_losses():
    x, _ = stripes(20)
    with pytest.raises(ValueError, match=r"average: expected a share.*got 1"):
        train(small(), x, average=1.0)
    with pytest.raises(ValueError, match="batch_size: expected at least 1, got 0"):
        train(small(), x, batch_size=0)
    with pytest.raises(ValueError, match="batch_size: expected at least 1, got 0"):
        mean_nats(small(), x, 0)
    broken = small()
    torch.nn.init.constant_(broken.readout.last.bias, torch.nan)
    with pytest.raises(FloatingPointError, match="loss is nan"):
        train(broken, x)
