"""The laws for models of pixels, and the broken models that they reject."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from gdmlib.autoregressive import (
    GatedPixelCNN,
    PixelCNN,
    RowLSTM,
    dependence_map,
    past,
    plain_sample,
)
from gdmlib.autoregressive.pixels.heads import LogisticMixtureHead
from gdmlib.nn.masked_conv import MaskedConv2d
from tests.laws import causality, laws
from tests.laws.registry import BY_NAME
from tests.laws.registry_pixelcnn import CAUSAL, COLOUR, OfClass, images, network

MODELS = [PixelCNN, GatedPixelCNN, RowLSTM]


# --- Broken in one way each


def leaky():
    """Type B in the first layer: a colour sees itself."""
    model = network(GatedPixelCNN, 0, COLOUR, 2, features=3)
    model.left = MaskedConv2d(3, 3, 3, kind="B", colours=3, rows=False).double()
    return model


class Interior(LogisticMixtureHead):
    """Forgets that the first and the last bin reach to infinity."""

    def _log_joint(self, parameters, pixel, colours):
        levels = self.levels
        moved = (pixel * (levels - 1) + 1) / (levels + 1)
        self.levels = levels + 2
        total = super()._log_joint(parameters, moved, colours)
        self.levels = levels
        return total


def without_edges():
    model = network(GatedPixelCNN, 0, COLOUR, 3, features=2, components=2)
    model.head = Interior(3, 3, 2)
    return model


@pytest.mark.parametrize(
    ("name", "broken"),
    [("GatedPixelCNN, colour", leaky), ("GatedPixelCNN, mixture, colour", without_edges)],
)
def test_a_total_that_is_not_one_is_rejected(name, broken):
    with pytest.raises(AssertionError, match="law 1, normalisation"):
        laws.check_normalised(replace(BY_NAME[name], build=broken))


class Shifted(GatedPixelCNN):
    """Draws with the chances of the next column."""

    def _noise(self, shape, generator):
        return super()._noise(shape, generator).sort(dim=3).values


def test_a_broken_sampler_is_rejected():
    case = BY_NAME["GatedPixelCNN"]
    broken = replace(case, build=lambda: network(Shifted, 0, (1, 2, 2), 3, features=2))
    with pytest.raises(AssertionError, match="law 2, sampling"):
        laws.check_samples(broken)


# --- Law 3: nothing of the future, all of the past that the design promises


@pytest.mark.parametrize("case", CAUSAL, ids=str)
def test_no_leak_and_no_blind_spot(case):
    causality.check_causal(case)


def test_colours_in_the_wrong_order_are_rejected():
    case = CAUSAL[1]
    order = [i + (9 if i < 9 else -9 if i < 18 else 0) for i in case.order]
    with pytest.raises(AssertionError, match="law 3, causality"):
        causality.check_causal(replace(case, order=order))


def check_causal(model, pixel, colour):
    """As law 3, for one colour of one pixel of an image of any size, by derivatives."""
    seen = dependence_map(model, pixel, colour=colour, generator=torch.Generator().manual_seed(0))
    before = past(model.event_shape, pixel, colour)
    leak = (seen > 0) & ~before
    assert not bool(leak.any()), f"law 3, causality: {leak.nonzero().tolist()} leak into {pixel}"
    missed = (seen == 0) & before
    assert not bool(missed.any()), f"law 3, causality: {missed.nonzero().tolist()} unseen"


@pytest.mark.parametrize("components", [None, 2])
@pytest.mark.parametrize("kind", MODELS)
def test_colours_depend_on_the_past_alone_and_on_all_of_it(kind, components):
    # As wide as this image, no view is too narrow and no spot blind.
    generator = torch.Generator().manual_seed(0)
    options = {"layers": 3, "kernel_size": 5, "first_kernel": 7, "components": components}
    model = kind((3, 4, 3), 4, features=24, generator=generator, **options)
    for pixel in [(0, 0), (0, 2), (2, 1), (3, 2)]:
        for colour in range(3):
            check_causal(model, pixel, colour)


def test_a_leak_is_rejected():
    with pytest.raises(AssertionError, match=r"law 3, causality.*leak"):
        check_causal(leaky(), (0, 1), 1)


def offsets(kernel, kind):
    """What a masked convolution sees of a grey image, as offsets."""
    m = kernel // 2
    box = [(dy, dx) for dy in range(-m, 1) for dx in range(-m, m + 1)]
    return [o for o in box if o < (0, 0) or (kind == "B" and o == (0, 0))]


def spread(places, steps, size):
    """Follow the steps from each place, inside of the image."""
    moved = {(y + dy, x + dx) for y, x in places for dy, dx in steps}
    return {(y, x) for y, x in moved if 0 <= y < size and 0 <= x < size}


def as_mask(places, size):
    mask = torch.zeros(1, size, size, dtype=torch.bool)
    for y, x in places:
        mask[0, y, x] = True
    return mask


@pytest.mark.parametrize("pixel", [(8, 0), (8, 4), (5, 8)])
def test_the_plain_network_sees_what_its_masks_let_through_and_has_a_blind_spot(pixel):
    size, layers = 9, 12
    model = PixelCNN((1, size, size), features=8, layers=layers, kernel_size=3, first_kernel=3)
    places = {pixel}
    for _ in range(layers):
        places = spread(places, offsets(3, "B"), size)
    promised = as_mask(spread(places, offsets(3, "A"), size), size)
    seen = dependence_map(model, pixel, generator=torch.Generator().manual_seed(0)) > 0
    assert torch.equal(seen, promised)
    # Deeper does not help: a mask leads at most one column to the right for each row up.
    y, x = pixel
    triangle = {(i, j) for i in range(y) for j in range(size) if j - x > y - i}
    assert torch.equal(past(model.event_shape, pixel) & ~seen, as_mask(triangle, size))


@pytest.mark.parametrize("pixel", [(8, 0), (8, 4), (5, 8), (0, 3)])
def test_the_gated_network_sees_all_of_the_past(pixel):
    model = GatedPixelCNN((1, 9, 9), features=8, layers=7, kernel_size=3, first_kernel=3)
    assert model.reach == 8
    check_causal(model, pixel, 0)


def test_the_gated_network_sees_what_its_reach_promises():
    model = GatedPixelCNN((1, 9, 15), features=8, layers=2, kernel_size=3, first_kernel=5)
    row, column = 8, 7
    seen = dependence_map(model, (row, column))[0] > 0
    assert model.reach == 4
    promised = torch.zeros(9, 15, dtype=torch.bool)
    promised[row - model.reach : row, column - model.reach : column + model.reach + 1] = True
    promised[row, column - model.reach : column] = True
    assert torch.equal(seen, promised)


def test_the_default_gated_network_has_no_blind_spot_at_full_size():
    model = GatedPixelCNN((1, 28, 28), features=8)
    seen = dependence_map(model, (14, 5), images=1, generator=torch.Generator().manual_seed(0))
    before = past(model.event_shape, (14, 5))
    assert int(before.sum()) == 397
    assert int(((seen == 0) & before).sum()) == 0
    assert int(((seen > 0) & ~before).sum()) == 0


def test_the_row_lstm_sees_a_triangle():
    model = RowLSTM((1, 8, 15), features=8, layers=1, kernel_size=3, first_kernel=3)
    seen = dependence_map(model, (7, 7), generator=torch.Generator().manual_seed(0))[0] > 0
    for up in range(1, 8):
        # One column a row; the masked convolutions add two to the left and one to the right, up.
        row = seen[7 - up].nonzero().flatten() - 7
        assert int(row.max()) == up
        assert int(row.min()) == max(-up - 2, -7)


def test_a_network_that_looks_at_nothing_is_rejected():
    model = GatedPixelCNN((1, 3, 3), features=4, layers=1)
    nn.init.zeros_(model.readout.last.weight)
    with pytest.raises(AssertionError, match=r"law 3, causality.*unseen"):
        check_causal(model, (2, 2), 0)


# --- Law 4: the incremental sampler is the plain one


def check_memory(model, x, labels=None, tolerance=1e-10):
    """Pixel by pixel, given what came before, the numbers of the head are those of a full pass."""
    z = 2 * x - 1
    with torch.no_grad():
        full = model._outputs(z, labels)
        memory = model.memory(len(x), labels)
        for i in range(x.shape[2]):
            memory.start_row()
            for j in range(x.shape[3]):
                for group, colours in enumerate(model.head.groups):
                    found = memory.evaluate(j, group)
                    expected = model.head.split(full[:, :, i, j])[group]
                    worst = float((found - expected).abs().max())
                    assert worst <= tolerance, f"law 4, fast = slow: off by {worst:.3g} at {i, j}"
                    memory.remember(z[:, colours[0] : colours[-1] + 1, i, j], j, group)


CONFIGURATIONS = {
    "binary": {"event_shape": (1, 6, 5), "levels": 2},
    "colour": {"event_shape": (3, 5, 4), "levels": 3},
    "classes": {"event_shape": (1, 5, 6), "levels": 3, "num_classes": 3},
    "mixture": {"event_shape": (3, 4, 5), "levels": 16, "components": 3},
    "position": {"event_shape": (3, 4, 5), "levels": 2, "position": True},
    "narrow": {"event_shape": (2, 4, 1), "levels": 2},
    "one row": {"event_shape": (1, 1, 7), "levels": 2},
    "one pixel": {"event_shape": (3, 1, 1), "levels": 3, "num_classes": 2},
}


def configured(kind, name, **more):
    options = {"layers": 2, "kernel_size": 5, "first_kernel": 7, **CONFIGURATIONS[name], **more}
    shape, levels = options.pop("event_shape"), options.pop("levels")
    generator = torch.Generator().manual_seed(0)
    model = kind(shape, levels, features=6, generator=generator, **options)
    classes = model.num_classes
    labels = None if classes is None else torch.arange(5) % classes
    x = torch.randint(0, levels, (5, *shape), generator=generator) / (levels - 1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
        model.readout.last.weight *= 5
    return model, x, labels


@pytest.mark.parametrize("name", CONFIGURATIONS)
@pytest.mark.parametrize("kind", MODELS)
def test_incremental_equals_full(kind, name):
    model, x, labels = configured(kind, name)
    check_memory(model, x, labels, tolerance=1e-5)
    model = model.double()
    check_memory(model, x.double(), labels, tolerance=1e-12)
    seeds = [torch.Generator().manual_seed(7) for _ in range(2)]
    assert torch.equal(model.sample(5, seeds[0], labels), plain_sample(model, 5, seeds[1], labels))


@pytest.mark.parametrize("kind", [PixelCNN, RowLSTM])
def test_a_kernel_of_one_has_nothing_to_remember(kind):
    model, x, labels = configured(kind, "colour", kernel_size=1)
    check_memory(model, x, labels, tolerance=1e-5)


def test_a_forgetful_memory_is_rejected():
    model, x, _ = configured(GatedPixelCNN, "binary")
    keep = model.memory

    def forgetful(n, labels=None):
        memory = keep(n, labels)
        step = memory.above.step
        memory.above.step = lambda row: step(row * 0)
        return memory

    model.memory = forgetful
    with pytest.raises(AssertionError, match="law 4, fast = slow"):
        check_memory(model, x)


def test_all_images_of_a_class_sum_to_one_and_classes_differ():
    model = network(PixelCNN, 0, (1, 2, 2), 2, features=2, num_classes=3)
    points = images((1, 2, 2), 2).points
    totals = [OfClass(model, k).log_prob(points) for k in range(3)]
    for log_prob in totals:
        assert float(log_prob.exp().sum().detach()) == pytest.approx(1, abs=1e-12)
    assert not torch.allclose(totals[0], totals[1])
