"""The spatial LSTM, RIDE, and ensembles over flips."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from gdmlib.autoregressive.neighbourhood import Neighbourhood
from gdmlib.autoregressive.ride import RIDE
from gdmlib.densities import FlipEnsemble, GaussianScaleMixture
from gdmlib.training import History, gradient_step, scores
from gdmlib.training import train as descend
from tests.laws.image_laws import (
    check_causality,
    check_pixels_normalised,
    check_sweep,
)
from tests.laws.registry_images import CORNER, mcgsm_image, ride, sizes


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def image(generator):
    return torch.randn(1, 4, 5, generator=generator).double()


def saved_bytes(call) -> int:
    """Return the size of what autograd keeps between a call and its gradient."""
    seen = {}

    def pack(x):
        seen[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        result = call()
    result.sum().backward()
    return sum(seen.values())


def test_recomputing_bounds_the_memory_and_changes_nothing(generator):
    images = torch.randn(2, 1, 48, 48, generator=generator).double()  # more than one part
    plain, thrifty = ride(), ride(recompute=True)
    found = []
    for model in (plain, thrifty):
        x = images.clone().requires_grad_()
        size = saved_bytes(lambda model=model, x=x: model.log_prob(x))
        found.append((size, x.grad, model.layers[0].hidden_weight.grad))
    torch.testing.assert_close(found[0][1], found[1][1])
    torch.testing.assert_close(found[0][2], found[1][2])
    assert found[1][0] < 0.5 * found[0][0]


def reachable(i, j, k, m):
    """Say whether some cell above or to the left of (i, j), or itself, sees pixel (k, m)."""
    return any((k - a, m - b) in CORNER.offsets for a in range(i + 1) for b in range(j + 1))


@pytest.mark.parametrize("head_sees_context", [False, True])
def test_causality(image, head_sees_context):
    check_causality(ride(size=0.5, head_sees_context=head_sees_context), image, reachable)


def test_a_ride_without_recurrence_is_blind(image):
    model = ride(size=0.5)
    with torch.no_grad():
        for lstm in model.layers:
            lstm.hidden_weight.zero_()
            n = lstm.units
            lstm.bias[3 * n :] = -1e4  # forget everything
    with pytest.raises(AssertionError, match=r"law 3, causality: RIDE: .* is blind to"):
        check_causality(model, image, reachable)


def test_pixels_are_normalised(image):
    check_pixels_normalised(ride(), image[:, :3, :3])
    check_pixels_normalised(ride(head_sees_context=True), image[:, :2, :3])


class WithoutJacobian(RIDE):
    """Forgets that the pixels were whitened."""

    def _map(self, contexts, pixels):
        return super()._map(contexts, pixels) - self.whitening.log_det()


def test_a_ride_without_the_jacobian_is_rejected(image):
    model = WithoutJacobian(CORNER, units=3, layers=2, **sizes(2, 2, 2)).double()
    model.load_state_dict(ride().state_dict())
    with pytest.raises(AssertionError, match="law 1, normalisation"):
        check_pixels_normalised(model, image[:, :2, :2])


@pytest.mark.parametrize("options", [{}, {"cell": "stable"}, {"layers": 1}], ids=str)
@pytest.mark.parametrize("head_sees_context", [False, True])
def test_sweep(head_sees_context, options):
    model = ride((1, 6, 7), size=0.5, head_sees_context=head_sees_context, **options)

    def draw(seen, i, j, u, z):
        # From the states that the whole image has.
        white = model.whitening.context(seen)
        drawn = model.head.draw_white(model.hidden(white)[:, i, j], u, z)
        return model.whitening.inverse(drawn, white[:, i, j])

    check_sweep(model, draw)


def test_gradient_with_respect_to_the_image(image):
    x = image[None, :, :3, :3].clone().requires_grad_()
    assert torch.autograd.gradcheck(ride(size=0.5).log_prob, (x,))
    thrifty = ride(size=0.5, recompute=True)
    assert torch.autograd.gradcheck(thrifty.log_prob, (x,))


def test_any_size_and_the_interior(generator):
    model = ride(size=0.5)
    images = torch.randn(3, 1, 6, 9, generator=generator).double()
    assert model.log_prob(images).shape == (3,)
    assert model.interior_log_prob(images).shape == (3, 1, 5, 7)
    framed = torch.full((3, 1, 7, 11), model.padding).double()
    framed[:, :, 1:, 1:-1] = images
    torch.testing.assert_close(model.interior_log_prob(framed), model.conditional_log_prob(images))


@pytest.fixture
def textures(generator):
    """Return small images with a long memory: each row repeats its first pixel's level."""
    level = torch.randn(300, 1, 8, 1, generator=generator)
    return level + 0.1 * torch.randn(300, 1, 8, 12, generator=generator)


def test_start_whitens_and_is_no_worse_than_a_linear_model(textures):
    model = RIDE(
        Neighbourhood([(0, -1)]), units=4, **sizes(2, 3), generator=torch.Generator().manual_seed(0)
    )
    assert model.initialise(textures) is model
    with torch.no_grad():
        found = float(model.interior_log_prob(textures).mean())
    linear = -0.5 * math.log(2 * math.pi * math.e) + float(model.whitening.log_det())
    assert found > linear - 0.1


def test_the_head_starts_with_the_scales_of_what_is_left_over(textures):
    nb = Neighbourhood([(0, -1)])
    model = RIDE(nb, units=4, **sizes(3, 2), generator=torch.Generator())
    noise = 0.1 * (model.head.alpha - model.head.alpha.mean(dim=0)).detach()
    model.initialise(textures)
    contexts, pixels = nb.pairs(textures)
    residual = model.whitening.output(pixels, model.whitening.context(contexts))
    mixture = GaussianScaleMixture.fit(
        residual[:: 1 + len(residual) // 20_000, None],
        scales=2,
        zero_mean=True,
        n_iter=50,
        ridge=1e-6,
    )
    alpha = noise - 2 * mixture.scales.log()
    torch.testing.assert_close(model.head.alpha.detach(), alpha)
    eta = mixture.weights.log().expand(3, 2)
    torch.testing.assert_close(model.head.eta.detach(), eta)


def test_start_from_a_trained_mcgsm(generator):
    inner = mcgsm_image()
    model = RIDE(
        CORNER,
        units=3,
        layers=2,
        **sizes(2, 2, 3),
        head_sees_context=True,
        padding=0.3,
        generator=generator,
    )
    images = torch.randn(4, 1, 5, 6, generator=generator).double()
    model.double().initialise(images, inner.conditional)
    torch.testing.assert_close(
        model.conditional_log_prob(images), inner.conditional_log_prob(images)
    )
    model.log_prob(images).sum().backward()
    assert float(model.head.predictors.grad[:, :3].abs().min()) > 0
    for wrong in (
        RIDE(CORNER, **sizes(2, 2, 3)),
        RIDE(CORNER, **sizes(2, 2, 2), head_sees_context=True),
    ):
        with pytest.raises(ValueError, match="conditional: expected a head that sees"):
            wrong.double().initialise(images, inner.conditional)


# --- a memory that grows


def greedy(shape=(1, 4, 4), cell="paper") -> RIDE:
    """Return a model whose second layer adds 1 in each cell and forgets nothing."""
    model = RIDE(CORNER, units=2, layers=2, cell=cell, **sizes(2, 2), event_shape=shape)
    second = model.layers[1]
    with torch.no_grad():
        second.hidden_weight.zero_()
        second.input_weight.zero_()
        second.bias.fill_(50.0)
        second.bias[2:4] = -10.0
    return model


def overflows(i: int, j: int) -> bool:
    """Say whether the sum over all ways to a cell is too large for float32."""
    return math.comb(i + j + 2, i + 1) - 1 > torch.finfo(torch.float32).max


@torch.no_grad()
@pytest.mark.parametrize(
    ("call", "top", "sides"),
    [
        (lambda m, x: m.log_prob(x), 0, 0),
        (lambda m, x: m.conditional_log_prob(x), 0, 0),
        (lambda m, x: m.interior_log_prob(x), 1, 2),
        (lambda m, x: nats(m, x), 1, 2),
        (lambda m, x: m.sample(2), 0, 0),
        (lambda m, x: m.complete(x, torch.zeros(1, 75, 80).bool()), 0, 0),
        (lambda m, x: m.sample_interior(x), 1, 2),
    ],
)
def test_a_memory_that_overflows_is_refused(call, top, sides):
    height, width = 75 - top, 80 - sides
    i, j = next((i, j) for i in range(height) for j in range(width) if overflows(i, j))
    message = rf"layer 1: .*row {i}, column {j} of image 0 .*{height} x {width}.*stable"
    x = torch.zeros(2, 1, 75, 80)
    with pytest.raises(FloatingPointError, match=message):
        call(greedy((1, 75, 80)), x)
    call(greedy((1, 75, 80), "stable"), x)


@torch.no_grad()
def test_mixed_precision_changes_nothing(image):
    model, x = ride((1, 4, 5), head_sees_context=True).float(), image[None].float()
    ensemble = FlipEnsemble(model)
    calls = [
        lambda: model.log_prob(x),
        lambda: model.interior_log_prob(x),
        lambda: model.sample(2, torch.Generator().manual_seed(0)),
        lambda: ensemble.log_prob(x),
        lambda: ensemble.sample(2, torch.Generator().manual_seed(0)),
        lambda: ride((1, 4, 5)).float().initialise(x.repeat(1, 1, 5, 5)).log_prob(x),
    ]
    for call in calls:
        expected = call()
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(call(), expected)


def test_a_step_in_mixed_precision_is_one_in_full_precision(image):
    models = [ride((1, 4, 5)).float() for _ in range(2)]
    for mixed, model in enumerate(models):
        step = gradient_step(
            model,
            torch.optim.SGD(model.parameters(), lr=0.1),
            lambda x, model=model: -model.log_prob(x).mean(),
            mixed_precision=bool(mixed),
        )
        step(image[None].float())
    assert torch.equal(models[0].layers[0].hidden_weight, models[1].layers[0].hidden_weight)


# --- training


def texture_model(textures: torch.Tensor, **options: Any) -> RIDE:
    generator = torch.Generator().manual_seed(0)
    return RIDE(
        Neighbourhood([(0, -1)]), units=8, **sizes(2, 2), generator=generator, **options
    ).initialise(textures)


def train(model: RIDE, images: torch.Tensor, **options: Any) -> History:
    settings = {"epochs": 20, "batch_size": 30, "lr": 1e-2, "clip": 1.0, **options}
    settings.setdefault("generator", torch.Generator().manual_seed(0))
    if settings.pop("padded", False):
        settings["loss"] = lambda model, x: -model.conditional_log_prob(x).mean()
    return descend(model, images, **settings)


def nats(model: RIDE, images: torch.Tensor) -> float:
    return float(scores(model, images).mean())


def test_training_finds_what_the_neighbourhood_cannot_see(textures):
    # With one pixel to look at the best error is 0.14; the mean of many pixels leaves 0.1.
    model = texture_model(textures)
    before = nats(model, textures)
    history = train(model, textures, valid=textures[:60])
    assert nats(model, textures) < before - 0.15
    found = nats(model, textures[:60])
    assert min(history.valid["loss"]) == pytest.approx(found, abs=1e-5)


def test_the_loss_counts_the_border_only_if_padded(textures):
    # The padding is far from any pixel: to count the border costs much.
    model = texture_model(textures, padding=50.0)
    options = {"epochs": 1, "lr": 1e-9}
    inside = train(model, textures, **options)["loss"][0]
    everywhere = train(model, textures, padded=True, **options)["loss"][0]
    assert inside == pytest.approx(nats(model, textures), abs=1e-3)
    with torch.no_grad():
        expected = -float(model.conditional_log_prob(textures).mean())
    assert everywhere == pytest.approx(expected, rel=1e-3)
    assert everywhere > inside + 1


def test_what_prepare_returns_is_what_trains(textures):
    model = texture_model(textures)
    levels = (10 * textures).to(torch.int16)
    seen = []

    def prepare(batch):
        seen.append(batch)
        return batch / 10

    history = train(model, levels, epochs=1, lr=1e-9, prepare=prepare)
    assert torch.cat(seen).dtype == torch.int16
    assert sum(len(batch) for batch in seen) == 300
    expected = nats(model, levels / 10)
    assert history["loss"][0] == pytest.approx(expected, abs=1e-3)


def test_an_interrupted_training_ends_like_an_uninterrupted_one(textures, tmp_path):
    def run(model, **options):
        generator = torch.Generator().manual_seed(3)

        def noisy(x):
            return x + 0.1 * torch.randn(x.shape, generator=generator)

        options = {"epochs": 4, "weight_decay": 0.1, **options}
        train(model, textures[:90], prepare=noisy, generator=generator, **options)

    def stop(epoch, history):
        if epoch == 2:
            raise KeyboardInterrupt

    whole, parts, again = (texture_model(textures) for _ in range(3))
    run(whole)
    with pytest.raises(KeyboardInterrupt):
        run(parts, checkpoint=tmp_path / "run.pt", on_epoch=stop)
    run(again, checkpoint=tmp_path / "run.pt", resume=True)
    for a, b in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(whole.head.eta, parts.head.eta)


def test_bad_training(textures):
    model = texture_model(textures)
    with pytest.raises(ValueError, match="too few for a context"):
        train(model, textures[..., :1])
    with pytest.raises(ValueError, match="clip: expected a positive norm"):
        train(model, textures, clip=0.0)
    with torch.no_grad():
        model.head.eta.fill_(math.nan)
    with pytest.raises(FloatingPointError, match="loss is nan"):
        train(model, textures)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"units": 0}, "units"),
        ({"layers": 0}, "layers"),
        ({"components": 0}, "components"),
        ({"cell": "other"}, "cell"),
        ({"event_shape": (3, 8, 8)}, "event_shape"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        RIDE(CORNER, **options)
