"""What is only passed on must be seen to matter: masks, classes, sizes, dtypes, precision."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from gdmlib.autoregressive import GatedPixelCNN, PixelCNN, RowLSTM, dependence_map, plain_sample

MODELS = [PixelCNN, GatedPixelCNN, RowLSTM]
KINDS = pytest.mark.parametrize("kind", MODELS)
SMALL = {"layers": 1, "kernel_size": 3, "first_kernel": 3}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def build(kind, shape, levels=2, *, sharp=10, **options):
    """Return a small model that is far from indifferent."""
    model = kind(shape, levels, **{"features": 6, **SMALL, **options}, generator=seeded())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.2 * torch.randn(parameter.shape, generator=seeded(1))
        model.readout.last.weight *= sharp
    return model


def random_images(n, shape, levels=2):
    return torch.randint(0, levels, (n, *shape), generator=seeded()) / (levels - 1)


# --- Conditionals


@pytest.mark.parametrize(
    ("shape", "levels", "options"),
    [((1, 3, 4), 3, {}), ((3, 3, 4), 3, {}), ((3, 2, 3), 8, {"components": 3})],
)
@KINDS
def test_conditionals_are_those_of_the_distribution_and_sum_to_log_prob(
    kind, shape, levels, options
):
    model = build(kind, shape, levels, num_classes=2, **options).double()
    x = random_images(4, shape, levels).double()
    x, labels = (x * (levels - 1)).round() / (levels - 1), torch.tensor([0, 1, 1, 0])
    found = model.conditional_log_prob(x, labels)
    assert found.shape == x.shape
    torch.testing.assert_close(found.flatten(1).sum(dim=1), model.log_prob(x, labels))
    level = (x * (levels - 1)).round().long()[..., None]
    chosen = model.pixel_distribution(x, labels).gather(4, level)[..., 0].log()
    torch.testing.assert_close(found, chosen)
    assert not torch.allclose(found, model.conditional_log_prob(x, 1 - labels))


# --- Completion


def frequency(model, x, known, labels=None):
    """Return how often each value of an image is 1 when the unknown ones are drawn 4000 times."""
    many = x.expand(4000, *x.shape[1:])
    labels = None if labels is None else labels.expand(4000)
    return model.complete(many, known, seeded(), labels).mean(dim=0)


@KINDS
def test_completion_is_given_the_class(kind):
    model = kind((1, 1, 3), **SMALL, features=16, num_classes=2, generator=seeded(1))
    with torch.no_grad():
        for name, table in model.named_parameters():
            if name.endswith("table"):
                table *= 30
        model.readout.last.weight *= 10
    known = torch.tensor([True, True, False]).reshape(1, 1, 3)
    x = torch.tensor([1.0, 0.0, 0.0]).reshape(1, 1, 1, 3)
    expected = []
    for label in (torch.tensor([0]), torch.tensor([1])):
        expected.append(float(model.pixel_distribution(x, label)[0, 0, 0, 2, 1].detach()))
        found = float(frequency(model, x, known, label)[0, 0, 2])
        assert abs(found - expected[-1]) < 5 * math.sqrt(0.25 / 4000)
    assert abs(expected[0] - expected[1]) > 0.1


@KINDS
def test_a_pixel_known_in_one_image_is_drawn_in_another(kind):
    model = kind((1, 2, 2), **SMALL, features=6, generator=seeded())  # nearly indifferent
    known = torch.zeros(400, 1, 2, 2, dtype=torch.bool)
    known[::2, :, 0] = True
    found = model.complete(torch.ones(400, 1, 2, 2), known, seeded())
    assert bool((found[known] == 1).all())
    share = found[1::2].mean(dim=0)
    assert bool(((share > 0.2) & (share < 0.8)).all())


@pytest.mark.parametrize("components", [None, 3])
@KINDS
def test_a_colour_is_known_by_itself(kind, components):
    model = build(kind, (3, 1, 2), components=components)
    known = torch.zeros(3, 1, 2, dtype=torch.bool)
    known[0] = True
    x = torch.ones(1, 3, 1, 2)
    found = model.complete(x.expand(400, 3, 1, 2), known, seeded())
    assert bool((found[:, 0] == 1).all())
    assert found[:, 1:].flatten(1).unique(dim=0).shape[0] > 1
    expected = model.pixel_distribution(x)[0, 1, 0, 0, 1]
    share = frequency(model, x, known)[1, 0, 0]
    assert abs(float((share - expected).detach())) < 5 * math.sqrt(0.25 / 4000)


@KINDS
def test_each_image_may_know_another_colour(kind):
    model = build(kind, (3, 1, 2), 8)
    x = torch.full((3, 3, 1, 2), 1 / 7).repeat(40, 1, 1, 1)
    known = torch.eye(3, dtype=torch.bool)[:, :, None, None].expand(3, 3, 1, 2).repeat(40, 1, 1, 1)
    drawn = model.complete(x, known, seeded(2))
    assert torch.equal(drawn[known], x[known])
    for colour in range(3):
        others = drawn[:, colour][~known[:, colour]]
        assert len(others.unique()) > 1  # what is not known is drawn
    known[:, 0] = False  # red is known nowhere
    drawn = model.complete(x, known, seeded(2))
    assert torch.equal(drawn[known], x[known])


# --- Sizes


@pytest.mark.parametrize(
    "option",
    [
        {"features": 9},
        {"layers": 2},
        {"kernel_size": 5},
        {"first_kernel": 5},
        {"position": True},
        {"components": 2},
        {"num_classes": 2},
    ],
    ids=lambda option: next(iter(option)),
)
@KINDS
def test_each_option_changes_the_network(kind, option):
    plain, other = (kind((3, 6, 6), 4, **{"features": 6, **SMALL, **o}) for o in ({}, option))
    weights = [{k: v.shape for k, v in m.state_dict().items()} for m in (plain, other)]
    assert weights[0] != weights[1]


@KINDS
def test_what_is_not_given_is_as_usual(kind):
    by_hand = kind((1, 5, 5), **kind.usual, first_kernel=7, generator=seeded())
    usual = kind((1, 5, 5), generator=seeded())
    x = random_images(2, (1, 5, 5))
    assert torch.equal(by_hand.log_prob(x), usual.log_prob(x))


@KINDS
def test_each_place_has_an_influence_of_its_own(kind):
    model = kind((1, 3, 3), **SMALL, position=True, generator=seeded())
    x = random_images(2, (1, 3, 3))
    before = model.pixel_distribution(x)
    assert model.position.table.shape == (model.readout.hidden.weight.shape[1], 3, 3)
    with torch.no_grad():
        model.position.table[:, 2, 2] += torch.randn(len(model.position.table), generator=seeded())
        moved = (model.pixel_distribution(x) != before).flatten(0, 1).any(dim=-1).any(dim=0)
    assert moved.tolist() == [[False] * 3, [False] * 3, [False, False, True]]


@KINDS
def test_dropout_acts_in_training_alone(kind):
    model = kind((1, 4, 4), **SMALL, features=8, dropout=0.5, generator=seeded())
    x = random_images(2, (1, 4, 4))
    assert not torch.equal(model.log_prob(x), model.log_prob(x))
    assert torch.equal(model.sample(3, seeded()), plain_sample(model, 3, seeded()))
    model.eval()
    assert torch.equal(model.log_prob(x), model.log_prob(x))


@KINDS
def test_sizes_may_be_of_numpy(kind):
    one, three = np.int64(1), np.int64(3)
    sizes = {"features": three, "layers": one, "kernel_size": three, "first_kernel": three}
    shape = (three, three, three)
    model = kind(shape, three, **sizes, num_classes=three, generator=seeded())
    plain = kind(
        (3, 3, 3), 3, **{k: int(v) for k, v in sizes.items()}, num_classes=3, generator=seeded()
    )
    x, labels = random_images(2, (3, 3, 3), 3), torch.tensor([0, 2])
    assert next(model.parameters()).dtype == torch.float32
    assert torch.equal(model.log_prob(x, labels), plain.log_prob(x, labels))
    assert model.sample(np.int64(2), seeded(), labels).shape == (2, 3, 3, 3)


def test_the_forget_gate_of_a_new_lstm_remembers():
    layer = RowLSTM((1, 3, 3), features=4, layers=1).layers[0]
    assert layer.input.bias.reshape(4, 4).tolist() == [[0] * 4, [1] * 4, [0] * 4, [0] * 4]


# --- Dtypes, memory and precision


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int32, torch.int64])
@KINDS
def test_labels_of_any_integer_dtype(kind, dtype):
    model = build(kind, (1, 3, 3), num_classes=2)
    x, labels = random_images(3, (1, 3, 3)), torch.tensor([1, 0, 1])
    other = labels.to(dtype)
    for call in (model.log_prob, model.conditional_log_prob, model.pixel_distribution):
        assert torch.equal(call(x, other), call(x, labels))
        assert not torch.equal(call(x, other), call(x, 1 - labels))
    assert torch.equal(model.sample(3, seeded(), other), model.sample(3, seeded(), labels))
    assert torch.equal(plain_sample(model, 3, seeded(), other), model.sample(3, seeded(), labels))


@KINDS
def test_how_images_lie_in_memory_does_not_matter(kind):
    model = build(kind, (3, 4, 4), 3)
    x = random_images(3, (3, 4, 4), 3)
    wide = torch.zeros(3, 3, 4, 8)
    wide[..., ::2] = x
    for same in (x.contiguous(memory_format=torch.channels_last), wide[..., ::2]):
        assert not same.is_contiguous() and torch.equal(same, x)
        torch.testing.assert_close(model.log_prob(same), model.log_prob(x))
        known = torch.ones(3, 4, 4, dtype=torch.bool)
        known[:, 2:] = False
        expected = model.complete(x, known, seeded())
        assert torch.equal(model.complete(same, known, seeded()), expected)


@pytest.mark.parametrize("components", [None, 3])
@KINDS
def test_probabilities_are_precise_under_mixed_precision(kind, components):
    model = build(kind, (3, 4, 4), 8, components=components, sharp=1)
    x = random_images(3, (3, 4, 4), 8)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        probs, log_prob = model.pixel_distribution(x), model.log_prob(x)
        conditional = model.conditional_log_prob(x)
        drawn = model.sample(3, seeded())
    assert probs.dtype == log_prob.dtype == conditional.dtype == torch.float32
    assert float((probs.sum(dim=-1) - 1).abs().max()) < 1e-5
    torch.testing.assert_close(conditional.sum(dim=(1, 2, 3)), log_prob)
    level = (x * 7).round().long()[..., None]
    chosen = probs.double().gather(4, level).log().sum(dim=(1, 2, 3, 4))
    torch.testing.assert_close(log_prob.double(), chosen, rtol=1e-4, atol=1e-4)
    assert torch.equal(drawn, model.sample(3, seeded()))


@KINDS
def test_samples_may_be_learned_from(kind):
    model = build(kind, (1, 3, 3))
    drawn = model.sample(2, seeded())
    assert not drawn.is_inference()
    model.log_prob(drawn).sum().backward()
    assert float(model.readout.last.weight.grad.abs().sum()) > 0


@pytest.mark.parametrize("components", [None, 2])
@KINDS
def test_derivatives_of_first_and_second_order(kind, components):
    model = build(kind, (1, 2, 2), 3, features=2, components=components).double()
    x = random_images(2, (1, 2, 2), 3).double()
    bias = model.readout.hidden.bias

    def log_prob(value):
        named = {"readout.hidden.bias": value}
        return torch.func.functional_call(model, named, (x,)).sum()

    model.forward = model.log_prob
    value = bias.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(log_prob, value)
    assert torch.autograd.gradgradcheck(log_prob, value)


def test_the_dependence_map_needs_no_gradients_of_the_caller():
    model = build(GatedPixelCNN, (1, 3, 3))
    expected = dependence_map(model, (2, 2), generator=seeded())
    with torch.no_grad():
        found = dependence_map(model, (2, 2), generator=seeded())
    assert torch.equal(found, expected) and float(found.max()) > 0


def test_the_dependence_map_takes_so_many_images_of_all_classes(monkeypatch):
    seen, outputs = [], PixelCNN._outputs

    def spy(model, z, labels):
        seen.append((len(z), labels.tolist(), model.training))
        return outputs(model, z, labels)

    monkeypatch.setattr(PixelCNN, "_outputs", spy)
    model = PixelCNN((1, 3, 3), features=2, layers=1, num_classes=2).train()
    dependence_map(model, (1, 1), images=3)
    assert seen == [(3, [0, 1, 0], False)]


def gain(conv):
    """Return the standard deviation of what a new convolution puts out."""
    size = conv.weight[0].numel()
    seen = conv.mask.flatten(1).sum(dim=1)[:, None] if hasattr(conv, "mask") else size
    return float((conv.weight.detach().flatten(1) * torch.as_tensor(seen).sqrt()).std())


def test_new_layers_have_the_scale_that_their_place_asks_for():
    def second(kind):
        sizes = {"features": 48, "layers": 2, "kernel_size": 3, "num_classes": 90}
        model = kind((1, 4, 4), generator=torch.Generator().manual_seed(0), **sizes)
        assert gain(model.readout.hidden) == pytest.approx(1, rel=0.1)
        assert gain(model.readout.last) == pytest.approx(0.1, rel=0.2)
        if kind is GatedPixelCNN:  # the first layer sees a convolution, the second one gates
            assert gain(model.layers[0].above) == pytest.approx(1, rel=0.1)
        return model.layers[1]

    gated, plain, lstm = (second(kind) for kind in (GatedPixelCNN, PixelCNN, RowLSTM))
    half, root = 0.5**0.5, 2**0.5  # a layer of two adds half of the power
    found = [gain(conv) for conv in (gated.above, gated.left, gated.link, gated.mix)]
    assert found == pytest.approx([1 / 0.34, half / 1.5**0.5, half, half / 0.34], rel=0.1)
    found = [gain(conv) for conv in (plain.reduce, plain.look, plain.expand)]
    assert found == pytest.approx([root, root, root * half], rel=0.1)
    found = [gain(conv) for conv in (lstm.input, lstm.state, lstm.expand)]
    assert found == pytest.approx([half, half / 0.3, half / 0.3], rel=0.1)
    assert float(plain.shift.table.detach().std()) == pytest.approx(0.1, rel=0.1)
