"""Masks, scales and memories of the layers."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import conv2d

from gdmlib.autoregressive.pixels.heads import SoftmaxHead
from gdmlib.autoregressive.pixels.layers import (
    GATE_STD,
    ClassShift,
    Position,
    Readout,
    Setting,
    gate,
)
from gdmlib.nn.conv_memory import ConvMemory, PointMemory, RowsMemory
from gdmlib.nn.masked_conv import MaskedConv2d, RowsAbove, colour_groups


def test_masks_of_one_colour():
    first, later = (MaskedConv2d(1, 1, 5, kind=kind).mask[0, 0].int() for kind in "AB")
    full = [1, 1, 1, 1, 1]
    assert first.tolist() == [full, full, [1, 1, 0, 0, 0]]
    assert later.tolist() == [full, full, [1, 1, 1, 0, 0]]
    row = MaskedConv2d(1, 1, 5, kind="A", rows=False).mask[0, 0].int()
    assert row.tolist() == [[1, 1, 0]]


def test_masks_of_colours_at_the_centre():
    # Rows: to red, green, blue; columns: from red, green, blue.
    first, later = (
        MaskedConv2d(3, 3, 3, kind=kind, colours=3).mask[:, :, 1, 1].int().tolist() for kind in "AB"
    )
    assert first == [[0, 0, 0], [1, 0, 0], [1, 1, 0]]
    assert later == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    # Elsewhere, colours do not matter.
    mask = MaskedConv2d(3, 6, 3, kind="A", colours=3).mask
    assert bool(mask[:, :, 0].all()) and bool(mask[:, :, 1, 0].all())
    assert not bool(mask[:, :, 1, 2].any())


def test_groups_of_channels():
    assert colour_groups(6, 3).tolist() == [0, 0, 1, 1, 2, 2]
    assert colour_groups(6, 3, parts=2).tolist() == [0, 1, 2, 0, 1, 2]
    with pytest.raises(ValueError, match=r"that 6 divides.*each of 3 colours.*got 8"):
        colour_groups(8, 3, parts=2)


def test_it_is_the_full_convolution_with_a_masked_kernel():
    generator = torch.Generator().manual_seed(0)
    layer = MaskedConv2d(3, 6, 5, kind="A", colours=3, generator=generator)
    x = torch.randn(2, 3, 7, 6, generator=generator)
    full = torch.zeros(6, 3, 5, 5)
    full[:, :, :3] = layer.masked_weight()
    torch.testing.assert_close(layer(x), conv2d(x, full, layer.bias, padding=2))


def test_rows_above_see_both_sides_but_no_row_below():
    layer = RowsAbove(1, 1, 3)
    x = torch.zeros(1, 1, 5, 5)
    x[0, 0, 2, 2] = 1
    seen = layer(x)[0, 0] != 0
    assert seen.nonzero().tolist() == [[i, j] for i in (2, 3) for j in (1, 2, 3)]
    strict = RowsAbove(1, 1, 3, strict=True)
    assert (strict(x)[0, 0] != 0).nonzero().tolist() == [[3, 1], [3, 2], [3, 3]]
    assert strict(x[:, :, :1]).tolist() == [[[[0] * 5]]]


@pytest.mark.parametrize("kind", ["A", "B"])
def test_outputs_have_the_scale_of_the_gain(kind):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4, 12, 30, 30, generator=generator)
    layer = MaskedConv2d(12, 48, 5, kind=kind, colours=3, gain=1.5, generator=generator)
    # Whatever the mask lets through: the first colours see less than the last.
    std = layer(x)[:, :, 5:, 5:-5].std(dim=(0, 2, 3))
    assert float(std.detach().mean()) == pytest.approx(1.5, rel=0.05)
    above = RowsAbove(12, 48, 5, gain=1.5, generator=generator)
    assert float(above(x)[:, :, 5:, 5:-5].std().detach()) == pytest.approx(1.5, rel=0.05)
    gated = gate(torch.randn(4, 100, 20, 20, generator=generator))
    assert float(gated.std()) == pytest.approx(GATE_STD, abs=0.005)


def test_a_readout_keeps_the_scale_of_what_layers_add_up_to():
    generator = torch.Generator().manual_seed(0)
    readout = Readout(64, SoftmaxHead(1, 2), Setting(generator=generator))
    t = 2**0.5 * torch.randn(4, 64, 20, 20, generator=generator)
    assert float(readout.hidden(t.relu()).detach().square().mean()) == pytest.approx(1, rel=0.1)
    assert float(readout(t).detach().abs().max()) < 0.6  # nearly indifferent


def test_the_generator_makes_the_weights():
    seeds = [torch.Generator().manual_seed(3) for _ in range(2)]
    a, b = (MaskedConv2d(2, 4, 3, generator=seed) for seed in seeds)
    assert torch.equal(a.weight, b.weight)
    assert not torch.equal(a.weight, MaskedConv2d(2, 4, 3, generator=seeds[0]).weight)


def test_a_memory_gives_what_the_convolution_gives():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 6, 4, 5, generator=generator)
    layer = MaskedConv2d(6, 12, 5, colours=3, parts=2, generator=generator)
    extra = torch.randn(2, 5, 12, generator=generator)
    memory = ConvMemory(layer, 2, 5)
    expected = layer(x) + extra.transpose(1, 2)[:, :, None]
    for i in range(4):
        memory.start_row(extra)
        for j in range(5):
            for colour in range(3):
                value = x[:, 2 * colour : 2 * colour + 2, i, j]
                found = memory.step(value, j, colour)
                torch.testing.assert_close(found, expected[:, layer.target == colour, i, j])
        torch.testing.assert_close(memory.row(), x[:, :, i].transpose(1, 2))


def test_a_memory_of_a_point():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 6, 1, 1, generator=generator)
    layer = MaskedConv2d(6, 12, 1, colours=3, parts=2, generator=generator)
    torch.nn.init.normal_(layer.bias, generator=generator)
    memory, expected = PointMemory(layer), layer(x)[..., 0, 0]
    for _ in range(2):
        for colour in range(3):
            found = memory.step(x[:, 2 * colour : 2 * colour + 2, 0, 0], colour)
            torch.testing.assert_close(found, expected[:, layer.target == colour])


@pytest.mark.parametrize("strict", [False, True])
def test_a_memory_of_rows(strict):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 5, 6, generator=generator)
    layer = RowsAbove(3, 4, 5, strict=strict, generator=generator)
    memory = RowsMemory(layer, 2, 6)
    expected = layer(x)
    above = torch.cat([torch.zeros(2, 3, 1, 6), x], dim=2)
    for i in range(5):
        row = above[:, :, i] if strict else x[:, :, i]
        found = memory.step(row.transpose(1, 2)).transpose(1, 2)
        torch.testing.assert_close(found, expected[:, :, i])


def test_shifts_by_class_and_place():
    a = torch.zeros(2, 3, 4, 5)
    assert ClassShift(None, 3)(a, None) is a and ClassShift(None, 3).row(None) is None
    shift = ClassShift(7, 3, torch.Generator().manual_seed(0))
    labels = torch.tensor([6, 0])
    assert shift.table is not None
    torch.testing.assert_close(shift(a, labels)[:, :, 3, 4], shift.table[labels])
    place = Position(3, 4, 5)
    assert torch.equal(place(a), a)
    assert Position(None, 4, 5)(a) is a and Position(None, 4, 5).row(2) is None
    torch.nn.init.normal_(place.table)
    torch.testing.assert_close(place(a)[1, :, 2], place.row(2)[0].T)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: MaskedConv2d(1, 1, 4), "kernel_size: expected an odd number, got 4"),
        (lambda: MaskedConv2d(1, 1, 3, kind="C"), 'kind: expected "A" or "B", got \'C\''),
        (lambda: MaskedConv2d(4, 6, 3, colours=3), "got 4"),
        (lambda: RowsAbove(1, 1, 1), "kernel_size: expected an odd number above 1, got 1"),
        (lambda: RowsAbove(1, 1, 6), "kernel_size: expected an odd number above 1, got 6"),
    ],
)
def test_bad_layers(make, says):
    with pytest.raises(ValueError, match=says):
        make()
