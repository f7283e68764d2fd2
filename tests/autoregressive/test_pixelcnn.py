"""The models of pixels: what they promise beyond the laws."""

from __future__ import annotations

import math
import time

import pytest
import torch

from gdmlib.autoregressive import dependence_map, past, plain_sample, quantise
from gdmlib.autoregressive.pixels.gated import GatedLayer, GatedPixelCNN
from gdmlib.autoregressive.pixels.heads import LogisticMixtureHead, SoftmaxHead
from gdmlib.autoregressive.pixels.layers import Readout
from gdmlib.autoregressive.pixels.pixelcnn import PixelCNN, ResidualBlock
from gdmlib.autoregressive.pixels.row_lstm import RowLSTM, RowLSTMLayer, lstm_cell
from gdmlib.densities.discretised_logistic import logistic_bin_log_prob
from gdmlib.nn.masked_conv import RowsAbove

MODELS = [PixelCNN, GatedPixelCNN, RowLSTM]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def random_images(n, shape, levels=2):
    return torch.randint(0, levels, (n, *shape), generator=seeded()) / (levels - 1)


# --- The scale of a new network


def scales(model, x):
    """Return the standard deviation of the features after every block or layer."""
    found = []

    def note(module, inputs, outputs):
        last = outputs[-1] if isinstance(outputs, tuple) else outputs
        found.append(float(last.detach().std()))

    for module in model.modules():
        if isinstance(module, ResidualBlock | GatedLayer | RowLSTMLayer | RowsAbove):
            module.register_forward_hook(note)
        elif isinstance(module, Readout):
            module.hidden.register_forward_hook(note)
    model.log_prob(x)
    return found


def check_scales(model, x):
    found = scales(model, x)
    assert all(0.5 < scale < 2 for scale in found), f"the scales are {found}"


@pytest.mark.parametrize("layers", [1, 24])
@pytest.mark.parametrize("kind", MODELS)
def test_activations_stay_in_scale_at_any_depth(kind, layers):
    model = kind((1, 20, 20), features=24, layers=layers, generator=seeded())
    check_scales(model, random_images(4, (1, 20, 20)))


def test_activations_stay_in_scale_with_colours():
    x = random_images(2, (3, 12, 12), 256)
    for kind in MODELS:
        model = kind((3, 12, 12), 256, features=24, layers=6, components=4, generator=seeded())
        found = scales(model, x)
        # Colours are between -1 and 1, and seldom at the ends.
        assert all(0.25 < scale < 2 for scale in found), found


class AddsTwice(ResidualBlock):
    """Adds what came in once in the block, and once more outside of it."""

    def forward(self, t, labels):
        return t + super().forward(t, labels)


def test_a_residual_added_twice_is_rejected():
    model = PixelCNN((1, 20, 20), features=24, layers=8, generator=seeded())
    for block in model.layers:
        block.__class__ = AddsTwice
    with pytest.raises(AssertionError, match="the scales are"):
        check_scales(model, random_images(4, (1, 20, 20)))


@pytest.mark.parametrize("kind", MODELS)
def test_a_new_network_is_nearly_indifferent(kind):
    model = kind((1, 10, 10), levels=4, features=16, generator=seeded())
    nats = -model.log_prob(random_images(8, (1, 10, 10), 4)).mean() / 100
    assert float(nats.detach()) == pytest.approx(math.log(4), rel=0.05)
    mixture = kind((1, 10, 10), levels=256, features=16, components=5, generator=seeded())
    nats = -mixture.log_prob(random_images(8, (1, 10, 10), 256)).mean() / 100
    assert float(nats.detach()) == pytest.approx(math.log(256), rel=0.1)


# --- Heads


def test_heads_count_their_colours_and_components():
    with pytest.raises(ValueError, match="num_colours: expected at least 1, got 0"):
        SoftmaxHead(0, 4)
    with pytest.raises(ValueError, match="components: expected at least 1, got 0"):
        LogisticMixtureHead(1, 4, 0)


def test_a_mixture_of_colours_by_hand():
    head = LogisticMixtureHead(3, 8, components=2)
    assert head.num_parameters == 2 * (1 + 3 + 3 + 3) == len(head.initial_bias())
    parameters = torch.randn(5, 20, generator=seeded()).double()
    pixel = random_images(5, (3,), 8).double()
    logits, rest = parameters[:, :2], parameters[:, 2:].reshape(5, 9, 2)
    means, scales, slopes = rest[:, :3], rest[:, 3:6], rest[:, 6:].tanh()
    r, g, b = (2 * pixel - 1).unbind(dim=1)
    centres = [
        means[:, 0],
        means[:, 1] + slopes[:, 0] * r[:, None],
        means[:, 2] + slopes[:, 1] * r[:, None] + slopes[:, 2] * g[:, None],
    ]
    total = torch.log_softmax(logits, dim=1)
    for c, colour in enumerate((r, g, b)):
        level = (colour[:, None] + 1) * 3.5
        total = total + logistic_bin_log_prob(
            level, 3.5 * (1 + centres[c]), scales[:, c] + math.log(3.5), 8
        )
    torch.testing.assert_close(head.log_prob(parameters, pixel), total.logsumexp(dim=1))


@pytest.mark.parametrize("head", [SoftmaxHead(3, 5), LogisticMixtureHead(3, 5, 4)], ids=str)
def test_the_conditionals_multiply_to_the_whole(head):
    parameters = 2 * torch.randn(50, head.num_parameters, generator=seeded()).double()
    pixel = random_images(50, (3,), 5).double()
    log_probs = head.distribution(parameters, pixel)
    assert log_probs.shape == (50, 3, 5)
    torch.testing.assert_close(log_probs.exp().sum(dim=2), torch.ones(50, 3).double())
    level = (pixel * 4).round().long()[..., None]
    chosen = log_probs.gather(2, level)[..., 0].sum(dim=1)
    torch.testing.assert_close(chosen, head.log_prob(parameters, pixel))


def test_256_levels_of_three_colours_sum_to_one_at_the_extremes_in_float32():
    head = LogisticMixtureHead(3, 256, 3)
    for size in (1.0, 10.0, 100.0, 1e4):
        parameters = size * torch.randn(20, head.num_parameters, generator=seeded())
        # What the first colours say about the component must not leave the last without any.
        pixel = random_images(20, (3,), 256)
        total = head.distribution(parameters, pixel).double().exp().sum(dim=2)
        torch.testing.assert_close(total, torch.ones_like(total), rtol=0, atol=2e-4)
        assert bool(head.log_prob(parameters, pixel).isfinite().all())


def test_the_initial_mixture_covers_all_levels():
    head = LogisticMixtureHead(1, 256, 10)
    probs = head.distribution(head.initial_bias()[None], torch.zeros(1, 1)).exp()[0, 0]
    assert float(probs[1:-1].min()) > 0.5 / 256 and float(probs.max()) < 8 / 256


# --- Images


def test_quantise():
    x = torch.tensor([0.0, 0.24, 0.26, 0.74, 1.0])
    assert quantise(x, 3).tolist() == [0.0, 0.0, 0.5, 0.5, 1.0]
    assert quantise(x, 2).tolist() == [0, 0, 0, 1, 1]
    with pytest.raises(ValueError, match=r"x: expected values in \[0, 1\], got values from 0 to 5"):
        quantise(5 * x, 2)
    with pytest.raises(ValueError, match="levels: expected at least 2"):
        quantise(x, 1)
    with pytest.raises(ValueError, match="x: expected a floating-point tensor"):
        quantise(x.long(), 2)


def test_pixel_distribution_is_what_log_prob_sums():
    model = GatedPixelCNN((3, 4, 4), 5, features=6, layers=2, generator=seeded()).double()
    x = random_images(3, (3, 4, 4), 5).double()
    probs = model.pixel_distribution(x)
    assert probs.shape == (3, 3, 4, 4, 5)
    torch.testing.assert_close(probs.sum(dim=-1), torch.ones(3, 3, 4, 4).double())
    level = (x * 4).round().long()[..., None]
    found = probs.gather(4, level).log().sum(dim=(1, 2, 3, 4))
    torch.testing.assert_close(found, model.log_prob(x))


@pytest.mark.parametrize("kind", MODELS)
def test_samples_are_images_of_these_levels(kind):
    model = kind((3, 4, 3), 6, features=6, generator=seeded())
    x = model.sample(4, seeded())
    assert x.shape == (4, 3, 4, 3) and x.dtype == torch.float32
    assert torch.equal(quantise(x, 6), x)
    assert bool(model.log_prob(x).isfinite().all())


def test_all_256_levels_pass_the_check_in_float32():
    model = PixelCNN((1, 16, 16), 256, features=2, layers=1)
    x = torch.arange(256).reshape(1, 1, 16, 16) / 255
    assert model.log_prob(x).shape == (1,)
    assert torch.equal(quantise(x, 256), x)


def test_samples_can_be_given_classes():
    model = GatedPixelCNN((1, 3, 3), features=16, layers=1, num_classes=2, generator=seeded())
    with torch.no_grad():
        torch.nn.init.normal_(model.layers[0].shift_left.table, std=3.0, generator=seeded())
        model.readout.last.weight *= 30
    labels = torch.arange(2).repeat(200)
    x = model.sample(400, seeded(), labels)
    gain = (model.log_prob(x, labels) - model.log_prob(x, 1 - labels)).detach()
    assert float(gain.mean()) > 5 * float(gain.std()) / 20


def test_dropout_is_for_training_alone():
    model = GatedPixelCNN((1, 4, 4), features=8, layers=2, dropout=0.5, generator=seeded())
    x = random_images(2, (1, 4, 4))
    assert not torch.equal(model.log_prob(x), model.log_prob(x))
    before = torch.random.get_rng_state()
    found = model.sample(3, seeded(1))
    plain = plain_sample(model, 3, seeded(1))
    assert torch.equal(found, plain) and model.training
    assert torch.equal(before, torch.random.get_rng_state())
    model.eval()
    assert torch.equal(model.log_prob(x), model.log_prob(x))


# --- Completion


@pytest.mark.parametrize("kind", MODELS)
def test_completion_keeps_what_is_known_and_draws_the_rest(kind):
    model = kind((1, 6, 6), features=8, generator=seeded())
    x = random_images(5, (1, 6, 6))
    known = torch.zeros(1, 6, 6, dtype=torch.bool)
    known[:, :3] = True
    found = model.complete(x, known, seeded(1))
    assert torch.equal(found[:, :, :3], x[:, :, :3])
    assert not torch.equal(found, x)
    # What stood in the unknown part does not matter.
    assert torch.equal(found, model.complete(torch.where(known, x, 1 - x), known, seeded(1)))
    # With nothing known it is a sample, with everything known a copy.
    nothing = model.complete(x, torch.zeros_like(known), seeded(2))
    assert torch.equal(nothing, model.sample(5, seeded(2)))
    assert torch.equal(model.complete(x, torch.ones_like(known), seeded(1)), x)
    # A mask for each image.
    each = torch.rand(5, 1, 6, 6, generator=seeded()) < 0.5
    found = model.complete(x, each, seeded(3))
    assert torch.equal(found[each], x[each])


def test_completion_has_the_conditional_distribution():
    model = GatedPixelCNN((1, 1, 3), features=6, layers=1, generator=seeded()).double()
    with torch.no_grad():
        model.readout.last.weight *= 30
    known = torch.tensor([True, True, False]).reshape(1, 1, 3)
    x = torch.tensor([1.0, 0.0, 0.0]).double().expand(4000, 1, 1, 3)
    found = float(model.complete(x, known, seeded())[:, 0, 0, 2].mean())
    expected = float(model.pixel_distribution(x[:1])[0, 0, 0, 2, 1].detach())
    assert abs(found - expected) < 5 * math.sqrt(0.25 / 4000)


# --- Speed


@pytest.mark.unmutated
@pytest.mark.parametrize("kind", [PixelCNN, GatedPixelCNN])
def test_the_incremental_sampler_is_much_faster(kind):
    model = kind((1, 28, 28), features=16, layers=4, kernel_size=3, generator=seeded())

    def seconds(call):
        start = time.process_time()
        call()
        return time.process_time() - start

    with torch.no_grad():
        x = random_images(16, (1, 28, 28))
        passes = min(seconds(lambda: model._outputs(x, None)) for _ in range(3))
        sample = min(seconds(lambda: model.sample(16, seeded())) for _ in range(2))
    assert 784 * passes / sample > 20


# --- The dependence map


def test_dependence_map_leaves_the_model_alone_and_repeats():
    model = GatedPixelCNN((3, 4, 4), 4, features=6, layers=2, num_classes=3, generator=seeded())
    model.train()
    first = dependence_map(model, (2, 2), colour=1, generator=seeded())
    assert first.shape == (3, 4, 4) and first.dtype == torch.float64
    assert torch.equal(first, dependence_map(model, (2, 2), colour=1, generator=seeded()))
    assert model.training and next(model.parameters()).dtype == torch.float32
    assert all(p.grad is None for p in model.parameters())
    # A pixel's own colours before, and none after.
    assert (first[:, 2, 2] > 0).tolist() == [True, False, False]


def test_past():
    before = past((2, 2, 2), (1, 0), colour=1)
    assert before.int().tolist() == [[[1, 1], [1, 0]], [[1, 1], [0, 0]]]
    for pixel, colour in [((2, 0), 0), ((0, 2), 0), ((0, -1), 0), ((0, 0), 2)]:
        with pytest.raises(ValueError, match="pixel: expected row, column and colour inside of"):
            past((2, 2, 2), pixel, colour)


# --- The LSTM


def test_a_row_lstm_is_the_double_loop():
    model = RowLSTM((1, 3, 4), features=2, layers=1, generator=seeded()).double()
    layer = model.layers[0]
    t = torch.randn(2, 4, 3, 4, generator=seeded()).double()
    is_ = layer.input(t)
    h = c = torch.zeros(2, 2, 4).double()
    weight = layer.state.weight
    rows = []
    for i in range(3):
        new_h, new_c = torch.zeros_like(h), torch.zeros_like(c)
        for j in range(4):
            a = is_[:, :, i, j].clone()
            for k, tap in enumerate((-1, 0, 1)):
                if 0 <= j + tap < 4:
                    a += h[:, :, j + tap] @ weight[:, :, k].T
            output, forget, update, content = a.split(2, dim=1)
            new_c[:, :, j] = forget.sigmoid() * c[:, :, j] + update.sigmoid() * content.tanh()
            new_h[:, :, j] = output.sigmoid() * new_c[:, :, j].tanh()
        h, c = new_h, new_c
        rows.append(h)
    torch.testing.assert_close(layer(t, None), t + layer.expand(torch.stack(rows, dim=2)))
    again, _ = lstm_cell(torch.zeros(1, 8), torch.zeros(1, 2))
    assert again.tolist() == [[0, 0]]


# --- Errors and small things


def test_weights_that_count():
    model = PixelCNN((1, 5, 5), features=2, layers=1, kernel_size=3, first_kernel=3)
    look, block, readout = 4 * 4 + 4, (4 * 2 + 2) + (2 * 2 * 5 + 2) + (2 * 4 + 4), 20 + 10
    assert model.num_parameters == look + block + readout


@pytest.mark.parametrize("kind", MODELS)
def test_one_seed_makes_one_model(kind):
    a, b, c = (kind((1, 3, 3), features=4, generator=seeded(s)) for s in (0, 0, 1))
    x = random_images(2, (1, 3, 3))
    assert torch.equal(a.log_prob(x), b.log_prob(x))
    assert not torch.equal(a.log_prob(x), c.log_prob(x))


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (torch.rand(2, 1, 4, 4), "x: expected 3 levels, k / 2 for k = 0 to 2, got 0.*quantise"),
        (torch.full((2, 1, 4, 4), 1.5), "x: expected 3 levels.*got 1.5"),
        (torch.full((2, 1, 4, 4), -0.5), "x: expected 3 levels.*got -0.5"),
        (torch.zeros(2, 3, 4, 4), r"x: expected shape \(B, 1, 4, 4\), got \(2, 3, 4, 4\)"),
        (torch.zeros(2, 1, 4, 5), "x: expected shape"),
        (torch.zeros(1, 4, 4), "x: expected shape"),
        (torch.zeros(2, 1, 4, 4, dtype=torch.uint8), "x: expected a floating-point tensor"),
        (torch.zeros(2, 1, 4, 4).double(), "x: expected torch.float32 like the model"),
        (torch.full((2, 1, 4, 4), math.nan), "x: 32 of 32 values are NaN"),
    ],
)
@pytest.mark.parametrize("kind", MODELS)
def test_bad_images(kind, x, says):
    model = kind((1, 4, 4), 3, features=2, layers=1)
    known = torch.ones(1, 4, 4, dtype=torch.bool)
    calls = (model.log_prob, model.pixel_distribution, lambda x: model.complete(x, known))
    for call in calls:
        with pytest.raises(ValueError, match=says):
            call(x)


def test_bad_labels_and_masks():
    model = PixelCNN((1, 4, 4), features=2, layers=1, num_classes=3)
    x = torch.zeros(2, 1, 4, 4)
    known = torch.ones(1, 4, 4, dtype=torch.bool)
    for labels, says in [
        (None, "labels: expected a class from 0 to 2 for each of 2 images"),
        (torch.tensor([0, 3]), "labels: expected labels 0 to 2, got values from 0 to 3"),
        (torch.tensor([0]), "labels: expected 2 labels"),
        (torch.zeros(2), "labels: expected integers"),
    ]:
        for call in (
            lambda labels: model.log_prob(x, labels),
            lambda labels: model.sample(2, None, labels),
            lambda labels: model.complete(x, known, None, labels),
        ):
            with pytest.raises(ValueError, match=says):
                call(labels)
    plain = PixelCNN((1, 4, 4), features=2, layers=1)
    with pytest.raises(
        ValueError, match=r"^labels: this model has no classes; build it with num_classes=\.\.\.$"
    ):
        plain.log_prob(x, torch.zeros(2).long())
    with pytest.raises(ValueError, match="known: expected a Boolean mask"):
        plain.complete(x, known.float())
    with pytest.raises(ValueError, match="known: expected shape"):
        plain.complete(x, known[:, :2])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"event_shape": (4, 4)}, r"event_shape: expected \(channels, height, width\)"),
        ({"event_shape": (1, 0, 4)}, r"event_shape: .* positive whole numbers, got \(1, 0, 4\)"),
        ({"levels": 1}, "levels: expected at least 2"),
        ({"layers": 0}, "layers: expected at least 1"),
        ({"features": 0}, "features: expected at least 1"),
        ({"components": 0}, "components: expected at least 1"),
        ({"num_classes": 0}, "num_classes: expected at least 1"),
        ({"kernel_size": 4}, "kernel_size: expected an odd number"),
        ({"first_kernel": 0}, "first_kernel: expected at least 1"),
        ({"event_shape": (3, 4, 4), "features": 4}, "features: expected a multiple of 3, .*got 4"),
        ({"event_shape": 4}, r"event_shape: expected \(channels, height, width\), .*, got 4"),
    ],
)
@pytest.mark.parametrize("kind", MODELS)
def test_bad_models(kind, options, says):
    good = {"event_shape": (1, 4, 4), "features": 3, "layers": 1}
    with pytest.raises(ValueError, match=f"^{says}"):
        kind(**{**good, **options})


def test_bad_dropout():
    with pytest.raises(ValueError, match=r"dropout: expected a share.*got 1"):
        GatedPixelCNN((1, 4, 4), dropout=1.0)
