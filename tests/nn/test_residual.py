"""Residual blocks: what they add, what they keep, where they start, and what is refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gdmlib.nn.residual import (
    BORDERS,
    GATES,
    NORMS,
    Residual,
    check_halves,
    convolution,
    gate_named,
    norm_named,
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


X = torch.randn(2, 4, 6, 5, generator=seeded(1))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("border", BORDERS)
def test_it_adds_what_its_layers_say(norm, gate, border):
    block = Residual(4, norm=norm, gate=gate, border=border, generator=seeded())
    h = X
    for layer in block.body:
        h = layer(h)
    y = block(X)
    assert y.shape == X.shape
    assert torch.equal(y, X + h)
    assert float((y - X).detach().std()) > 0.01


def test_with_weights_of_0_it_is_the_identity():
    block = Residual(4, norm="none", generator=seeded())
    with torch.no_grad():
        for p in block.parameters():
            p.zero_()
    assert torch.equal(block(X), X)


def test_the_norms_look_at_what_they_say():
    # Changing the second picture changes the first one's result under batch norm alone.
    other = torch.cat([X[:1], 3 * X[1:] + 1])
    for norm, moves in (("instance", False), ("batch", True), ("none", False)):
        block = Residual(4, norm=norm, generator=seeded()).train()
        gap = float((block(X)[0] - block(other)[0]).abs().max())
        assert (gap > 1e-3) is moves, norm


def test_the_borders_are_what_they_say():
    constant = torch.ones(1, 1, 5, 5)
    for border in BORDERS:
        layer = convolution(1, 1, border=border, generator=seeded())
        with torch.no_grad():
            layer.weight.fill_(1.0)
        y = layer(constant)[0, 0]
        assert float(y[2, 2]) == 9
        assert float(y[0, 0]) == (4 if border == "zeros" else 9)
    mirror = convolution(1, 1, border="reflect", generator=seeded())
    with torch.no_grad():
        mirror.weight.zero_()
        mirror.weight[0, 0, 1, 0] = 1  # the pixel to the left
    row = torch.arange(5.0).expand(1, 1, 5, 5)
    assert mirror(row)[0, 0, 0].tolist() == [1, 0, 1, 2, 3]


@pytest.mark.parametrize(("stride", "size"), [(1, 7), (2, 3), (1, 1)])
def test_a_convolution_keeps_or_divides_the_size(stride, size):
    layer = convolution(4, 3, size, stride=stride, generator=seeded())
    x = torch.randn(2, 4, 8, 12, generator=seeded(1))
    assert layer(x).shape == (2, 3, 8 // stride, 12 // stride)


def test_the_weights_come_from_the_generator():
    first, second, other = (
        torch.cat([p.flatten() for p in Residual(4, generator=seeded(s)).parameters()])
        for s in (0, 0, 1)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    wide = convolution(4, 3, gain=2.0, generator=seeded()).weight
    assert torch.equal(wide, 2 * convolution(4, 3, generator=seeded()).weight)
    assert float(wide.abs().max()) <= 2 / 36**0.5
    assert float(wide.abs().max()) > 1.9 / 36**0.5


def test_the_gates_are_what_they_say():
    x = torch.tensor([-1.0, 2.0])
    found = {name: gate_named(name)(x).tolist() for name in GATES}
    assert found["relu"] == [0, 2]
    assert found["leaky_relu"] == pytest.approx([-0.2, 2])
    assert found["prelu"] == [-0.25, 2]
    assert len(list(gate_named("prelu").parameters())) == 1
    assert isinstance(norm_named("none", 3), nn.Identity)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Residual(0), "features: expected at least 1"),
        (lambda: Residual(4, norm="layer"), "norm: expected one of instance, batch, none"),
        (lambda: Residual(4, gate="tanh"), "gate: expected one of relu, leaky_relu, prelu"),
        (lambda: Residual(4, border="wrap"), "border: expected one of reflect, replicate, zeros"),
        (lambda: convolution(4, 4, 2), "size: expected an odd kernel"),
        (lambda: convolution(4, 4, stride=0), "stride: expected at least 1"),
        (lambda: Residual(4)(X[:, :3]), "x: expected shape \\(B, 4, height, width\\)"),
        (lambda: Residual(4)(X.double()), "x: expected torch.float32 like the model"),
    ],
)
def test_what_is_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()


def test_sizes_that_cannot_be_halved_are_refused():
    assert check_halves(X[..., :4, :4], "x", 2, "this network").shape == (2, 4, 4, 4)
    says = "x: this network takes heights and widths that are multiples of 4, got 6 × 5; pad"
    with pytest.raises(ValueError, match=says + " the pictures to 8 × 8, or crop them"):
        check_halves(X, "x", 2, "this network")
    assert check_halves(X, "x", 0, "this network") is X
