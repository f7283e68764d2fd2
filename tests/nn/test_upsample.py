"""Layers that enlarge: a constant and a ramp go through, and where checkerboards come from."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gdmlib.nn.upsample import KINDS, icnr, upsampler

kinds = pytest.mark.parametrize("kind", KINDS)
factors = pytest.mark.parametrize("factor", [2, 3, 4])


@kinds
@factors
def test_a_constant_stays_constant(kind, factor, generator):
    layer = upsampler(3, 2, factor, kind=kind, generator=generator).double()
    x = torch.rand(2, 3, 1, 1, generator=generator).double().expand(2, 3, 5, 4)
    y = layer(x).detach()
    assert y.shape == (2, 2, 5 * factor, 4 * factor)
    assert float((y - y.mean((2, 3), keepdim=True)).abs().max()) < 1e-6
    assert float(y.abs().max()) > 1e-3


@kinds
@factors
def test_a_ramp_stays_straight(kind, factor, generator):
    layer = upsampler(1, 1, factor, kind=kind, generator=generator).double()
    ramp = torch.arange(9.0).double().expand(1, 1, 9, 9)
    for x in (ramp, ramp.mT):
        y = layer(x).detach()[0, 0]
        y = y if x is ramp else y.mT
        blocks = y[4 * factor].reshape(9, factor).mean(1)  # a pixel each
        steps = blocks.diff()[1:-1]
        assert torch.allclose(steps, steps.mean().expand(len(steps)), atol=1e-6)
        assert float(steps.mean().abs()) > 1e-3


@factors
def test_icnr_starts_as_a_convolution_and_the_nearest_pixel(factor, generator):
    layer = upsampler(3, 2, factor, generator=generator)
    x = torch.rand(1, 3, 5, 5, generator=generator)
    y = layer(x)
    nearest = y[..., ::factor, ::factor].repeat_interleave(factor, 2).repeat_interleave(factor, 3)
    assert torch.equal(y, nearest)
    convolution = layer[0]
    assert isinstance(convolution, nn.Conv2d) and not bool(convolution.bias.any())


def test_without_icnr_a_constant_becomes_a_checkerboard(generator):
    layer = upsampler(3, 1, 2, generator=generator)
    with torch.no_grad():
        layer[0].weight.uniform_(-0.2, 0.2, generator=generator)
        y = layer(torch.ones(1, 3, 4, 4))[0, 0]
    assert float(y.std()) > 0.01
    assert torch.allclose(y[:2, :2], y[2:4, 2:4])  # the same two by two everywhere


def test_a_transposed_convolution_starts_as_a_tent(generator):
    layer = upsampler(1, 1, 2, kind="transposed", generator=generator)
    x = torch.zeros(1, 1, 5, 5)
    x[..., 2, 2] = 1
    y = layer(x).detach()[0, 0]
    line = y[4].abs() / y[4].abs().max()
    assert torch.allclose(line[3:7], torch.tensor([1 / 3, 1.0, 1.0, 1 / 3]), atol=1e-5)


def test_what_cannot_be_enlarged_is_named():
    with pytest.raises(ValueError, match="kind: expected one of pixel_shuffle, transposed, resize"):
        upsampler(1, 1, kind="bicubic")
    with pytest.raises(ValueError, match=r"layer: expected a multiple of 4 features.*got 6"):
        icnr(nn.Conv2d(1, 6, 3), 2)
    with pytest.raises(ValueError, match="factor: expected at least 1, got 0"):
        upsampler(1, 1, 0)
