"""The U-Net and the network for vectors: sizes, what they look at, and what is refused."""

from __future__ import annotations

import math

import pytest
import torch

from gdmlib.nn.timed import TimedMLP
from gdmlib.nn.unet import UNet


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def moved(network):
    """Return a network whose last layer is not 0."""
    with torch.no_grad():
        for p in network.parameters():
            p += 0.1 * torch.randn(p.shape, generator=seeded(1))
    return network.double()


def unet(event_shape=(1, 8, 8), **options):
    sizes = {"channels": (4, 6, 8), "classes": 3} | options
    return moved(UNet(event_shape, **sizes, generator=seeded()))


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 8, 12), (1, 4, 4), (2, 28, 32)])
def test_sizes_that_can_be_halved(shape):
    x = torch.randn(2, *shape).double()
    assert unet(shape)(x, torch.rand(2).double()).shape == x.shape


@pytest.mark.parametrize(("shape", "size"), [((1, 6, 8), "6 × 8"), ((1, 8, 30), "8 × 30")])
def test_sizes_that_cannot_be_halved_are_refused(shape, size):
    says = f"multiples of 4, so that they can be halved 2 times, got {size}; pad the pictures to 8"
    with pytest.raises(ValueError, match=says):
        unet(shape)
    assert unet(shape, channels=(4, 4)) is not None


def test_it_sees_the_whole_picture():
    network = unet((1, 16, 16), channels=(4, 4, 4, 4))
    x = torch.randn(1, 1, 16, 16).double().requires_grad_()
    network(x, torch.tensor([0.3]).double())[0, 0, 8, 8].backward()
    assert bool((x.grad[0, 0] != 0).all())


def test_it_starts_at_zero():
    network = UNet((1, 8, 8), channels=(4, 8), generator=seeded())
    assert float(network(torch.randn(2, 1, 8, 8), torch.rand(2)).abs().max()) == 0
    mlp = TimedMLP(3, hidden=(4,), generator=seeded())
    assert float(mlp(torch.randn(2, 3), torch.rand(2)).abs().max()) == 0


@pytest.mark.parametrize(
    ("network", "shape"),
    [(unet(), (1, 8, 8)), (moved(TimedMLP((2, 2), hidden=(6,), classes=3)), (2, 2))],
    ids=["UNet", "TimedMLP"],
)
def test_time_and_class_are_heard(network, shape):
    x, time = torch.randn(1, *shape).double(), torch.tensor([0.3]).double()
    one = network(x, time, torch.tensor([1]))
    assert not torch.allclose(one, network(x, time + 0.02, torch.tensor([1])))
    assert not torch.allclose(one, network(x, time, torch.tensor([2])))
    assert torch.equal(network(x, time, torch.tensor([3])), network(x, time))  # 3 stands for none


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda n, x, t: n(x[:, :, :4], t), r"x: expected shape \(B, 1, 8, 8\)"),
        (lambda n, x, t: n(x * math.nan, t), "x: 128 of 128 values are NaN"),
        (lambda n, x, t: n(x, t[:1]), r"time: expected shape \(2,\)"),
        (lambda n, x, t: n(x, t + 1), "time: expected times from 0 to 1, got values from 1"),
        (lambda n, x, t: n(x, (100 * t).long()), "time: expected a floating-point tensor"),
        (lambda n, x, t: n(x, t * math.nan), "time: 2 of 2 values are NaN"),
        (lambda n, x, t: n(x, t, torch.tensor([0, 4])), "labels: expected labels 0 to 3"),
        (lambda n, x, t: UNet((1, 8, 8), channels=()), "channels: expected at least one"),
        (lambda n, x, t: UNet((8, 8)), "event_shape: expected "),
        (lambda n, x, t: UNet((1, 8, 8), channels=(0, 4)), "channels: expected at least 1"),
        (lambda n, x, t: TimedMLP(2, hidden=()), "hidden: expected at least one"),
        (
            lambda n, x, t: unet(classes=None)(x, t, torch.tensor([0, 1])),
            "labels: this network was built without classes",
        ),
    ],
)
def test_wrong_arguments_are_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call(unet(), torch.randn(2, 1, 8, 8).double(), 0.5 + 0.1 * torch.rand(2).double())
