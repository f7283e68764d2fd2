"""The spatial LSTM, RIDE, and ensembles over flips."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from gdmlib.autoregressive import ride as module
from gdmlib.autoregressive.neighbourhood import Neighbourhood
from gdmlib.autoregressive.ride import (
    RIDE,
    FlipEnsemble,
    SpatialLSTM,
    lstm_step,
    mean_pixel_nats,
    spatial_lstm_step,
    train_ride,
)
from gdmlib.training import History
from tests.laws.image_laws import (
    check_causality,
    check_pixels_normalised,
    check_sweep,
)
from tests.laws.laws import fail_unless
from tests.laws.registry_images import CORNER, mcgsm_image, ride

SIZES = [(1, 1), (1, 6), (6, 1), (3, 5), (5, 3), (7, 7)]


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def image(generator):
    return torch.randn(1, 4, 5, generator=generator).double()


def layer(dim_input: int = 3, units: int = 4) -> SpatialLSTM:
    made = SpatialLSTM(dim_input, units, generator=torch.Generator().manual_seed(1)).double()
    with torch.no_grad():
        made.hidden_weight *= 5
        made.bias += torch.randn(made.bias.shape, generator=torch.Generator().manual_seed(2))
    return made


def inputs(height: int, width: int, batch: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(batch, height, width, 3, generator=generator).double()


# --- law 4: diagonals = double loop


def check_diagonals(lstm: SpatialLSTM, x: torch.Tensor, recompute: bool = False) -> None:
    """The sweep along diagonals gives the states of the double loop, and their gradients."""
    x = x.clone().requires_grad_()
    leaves = [x, *lstm.parameters()]
    fast, slow = lstm(x, recompute), lstm.forward_loop(x)
    weight = torch.randn(fast.shape, generator=torch.Generator().manual_seed(4)).double()
    pairs = [(fast.detach(), slow.detach())]
    pairs += zip(
        torch.autograd.grad((fast * weight).sum(), leaves),
        torch.autograd.grad((slow * weight).sum(), leaves),
        strict=True,
    )
    worst = max(float((a - b).abs().max() / (1 + b.abs().max())) for a, b in pairs)
    fail_unless(worst < 1e-12, "4, fast = slow", "SpatialLSTM", f"they differ by {worst:.3g}")


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_diagonals_are_the_double_loop(size, recompute):
    check_diagonals(layer(), inputs(*size), recompute)


class Swapped(SpatialLSTM):
    """Takes the forget gate of the column for that of the row."""

    def forward_loop(self, x):
        n = self.units
        order = torch.cat(
            [torch.arange(3 * n), torch.arange(4 * n, 5 * n), torch.arange(3 * n, 4 * n)]
        )
        other = SpatialLSTM(self.dim_input, n).double()
        other.input_weight = nn.Parameter(self.input_weight[:, order])
        other.hidden_weight = nn.Parameter(self.hidden_weight[:, order])
        other.bias = nn.Parameter(self.bias[order])
        states = other.forward_loop(x)
        return states + 0 * sum(p.sum() for p in self.parameters())


def test_swapped_forget_gates_are_rejected():
    broken = Swapped(3, 4).double()
    broken.load_state_dict(layer().state_dict())
    with pytest.raises(AssertionError, match="law 4, fast = slow"):
        check_diagonals(broken, inputs(3, 5))


def test_states_differ_if_one_gradient_is_wrong(monkeypatch):
    backward = module._Sweep.backward

    def forgetful(ctx, *grads):
        found = list(backward(ctx, *grads))
        found[2] = found[2] * 1.001
        return tuple(found)

    monkeypatch.setattr(module._Sweep, "backward", staticmethod(forgetful))
    with pytest.raises(AssertionError, match="law 4, fast = slow"):
        check_diagonals(layer(), inputs(3, 5))


def test_gradcheck_of_the_sweep():
    lstm, x = layer(), inputs(3, 4)
    leaves = [x.requires_grad_(), *(p.detach().clone().requires_grad_() for p in lstm.parameters())]
    names = [name for name, _ in lstm.named_parameters()]

    def states(x, *parameters):
        values = dict(zip(names, parameters, strict=True))
        return torch.func.functional_call(lstm, values, (x,))

    torch.autograd.gradcheck(states, leaves)


def test_inference_mode_leaves_no_trace():
    module._diagonals.cache_clear()
    lstm, x = layer(), inputs(3, 4)
    with torch.inference_mode():
        first = lstm(x)
    again = lstm(x)
    again.sum().backward()
    assert torch.equal(first, again)


def test_one_row_is_a_one_dimensional_lstm():
    lstm, x = layer(), inputs(1, 6)
    n = lstm.units
    keep = torch.cat([torch.arange(3 * n), torch.arange(4 * n, 5 * n)])
    h = c = torch.zeros(2, n).double()
    states = []
    for j in range(6):
        h, c = lstm_step(
            x[:, 0, j],
            h,
            c,
            lstm.input_weight[:, keep],
            lstm.hidden_weight[:n, keep],
            lstm.bias[keep],
        )
        states.append(h)
    torch.testing.assert_close(lstm(x)[:, 0], torch.stack(states, dim=1))


def test_a_cell_by_hand():
    gates = torch.tensor([0.3, -1.0, 0.5, 2.0, -0.4]).double()
    left, top = torch.tensor([0.7]).double(), torch.tensor([-1.2]).double()
    h, c = spatial_lstm_step(gates, left, top)

    def sigmoid(a):
        return 1 / (1 + math.exp(-a))

    # f^r goes with the cell above, f^c with the one on the left.
    expected = math.tanh(0.3) * sigmoid(0.5) + 0.7 * sigmoid(-0.4) - 1.2 * sigmoid(2.0)
    assert float(c) == pytest.approx(expected)
    assert float(h) == pytest.approx(math.tanh(expected * sigmoid(-1.0)))


def test_a_fresh_layer_neither_explodes_nor_forgets(generator):
    lstm = SpatialLSTM(12, 32, generator=generator)
    x = torch.randn(4, 64, 64, 12, generator=generator)
    x.requires_grad_()
    slope = torch.autograd.grad(lstm(x)[:, -1, -1].square().sum(), x)[0].square().sum(dim=(0, 3))
    assert 1e-3 < float(slope[:16, :16].mean() / slope[-4:, -4:].mean()) < 10
    with torch.no_grad():
        moved = lstm(x + 1e-4) - lstm(x)
    assert float(moved.abs().max()) < 1e-2


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
    images = torch.randn(2, 1, 40, 40, generator=generator).double()
    plain, thrifty = ride(), ride(recompute=True)
    found = []
    for model in (plain, thrifty):
        x = images.clone().requires_grad_()
        size = saved_bytes(lambda model=model, x=x: model.log_prob(x))
        found.append((size, x.grad, model.layers[0].hidden_weight.grad))
    torch.testing.assert_close(found[0][1], found[1][1])
    torch.testing.assert_close(found[0][2], found[1][2])
    assert found[1][0] < 0.5 * found[0][0]


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(2, 3, 4, 5), r"x: expected shape \(B, H, W, 3\)"),
        (torch.zeros(3, 4, 3), "x: expected shape"),
        (torch.zeros(2, 3, 4, 3).long(), "floating-point"),
    ],
)
def test_bad_inputs(x, message):
    with pytest.raises(ValueError, match=message):
        layer()(x)


# --- RIDE


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
    model = WithoutJacobian(CORNER, 3, 2, 2, 2, 2).double()
    model.load_state_dict(ride().state_dict())
    with pytest.raises(AssertionError, match="law 1, normalisation"):
        check_pixels_normalised(model, image[:, :2, :2])


@pytest.mark.parametrize("head_sees_context", [False, True])
def test_sweep(head_sees_context):
    check_sweep(ride((1, 6, 7), size=0.5, head_sees_context=head_sees_context))


def test_samples_come_from_the_states_of_log_prob():
    # Draw pixel by pixel, each time from the states that the whole image has.
    model = ride((1, 4, 5), size=0.5, head_sees_context=True)
    found = model.sample(2, torch.Generator().manual_seed(5))
    generator = torch.Generator().manual_seed(5)
    u = torch.rand(40, generator=generator, dtype=torch.float64).reshape(2, 4, 5)
    z = torch.randn(2, 4, 5, generator=generator, dtype=torch.float64)
    images = torch.zeros(2, 4, 5).double()
    with torch.no_grad():
        for i in range(4):
            for j in range(5):
                contexts = CORNER.contexts(CORNER.pad(images, model.padding))
                white = model.whitening.context(contexts)
                state = model.hidden(white)[:, i, j]
                drawn = model.head.draw_white(state, u[:, i, j], z[:, i, j])
                images[:, i, j] = model.whitening.inverse(drawn, white[:, i, j])
    torch.testing.assert_close(found[:, 0], images)


def test_gradient_with_respect_to_the_image(image):
    x = image[None, :, :3, :3].clone().requires_grad_()
    assert torch.autograd.gradcheck(ride(size=0.5).log_prob, (x,))
    thrifty = ride(size=0.5, recompute=True)
    assert torch.autograd.gradcheck(thrifty.log_prob, (x,))


def test_any_size_and_the_interior(generator):
    model = ride(size=0.5)
    images = torch.randn(3, 1, 6, 9, generator=generator).double()
    assert model.log_prob(images).shape == (3,)
    assert model.interior_log_prob(images).shape == (3, 5, 7)
    framed = torch.full((3, 1, 7, 11), model.padding).double()
    framed[:, :, 1:, 1:-1] = images
    torch.testing.assert_close(model.interior_log_prob(framed), model.pixel_log_prob(images))


@pytest.fixture
def textures(generator):
    """Return small images with a long memory: each row repeats its first pixel's level."""
    level = torch.randn(300, 1, 8, 1, generator=generator)
    return level + 0.1 * torch.randn(300, 1, 8, 12, generator=generator)


def test_start_whitens_and_is_no_worse_than_a_linear_model(textures):
    model = RIDE(Neighbourhood([(0, -1)]), 4, 1, 2, 3, generator=torch.Generator().manual_seed(0))
    assert model.start(textures) is model
    with torch.no_grad():
        found = float(model.interior_log_prob(textures).mean())
    linear = -0.5 * math.log(2 * math.pi * math.e) + float(model.whitening.log_det())
    assert found > linear - 0.1


def test_start_from_a_trained_mcgsm(generator):
    inner = mcgsm_image()
    model = RIDE(CORNER, 3, 2, 2, 2, 3, head_sees_context=True, padding=0.3, generator=generator)
    images = torch.randn(4, 1, 5, 6, generator=generator).double()
    model.double().start(images, inner.conditional)
    torch.testing.assert_close(model.pixel_log_prob(images), inner.pixel_log_prob(images))
    model.log_prob(images).sum().backward()
    assert float(model.head.predictors.grad[:, :3].abs().min()) > 0
    for wrong in (RIDE(CORNER, 3, 2, 2, 2, 3), RIDE(CORNER, 3, 2, 2, 2, 2, head_sees_context=True)):
        with pytest.raises(ValueError, match="conditional: expected a head that sees"):
            wrong.double().start(images, inner.conditional)


def texture_model(textures: torch.Tensor, **options: Any) -> RIDE:
    generator = torch.Generator().manual_seed(0)
    return RIDE(Neighbourhood([(0, -1)]), 8, 1, 2, 2, generator=generator, **options).start(
        textures
    )


def train(model: RIDE, images: torch.Tensor, **options: Any) -> History:
    settings = {"epochs": 20, "batch_size": 30, "lr": 1e-2, **options}
    settings.setdefault("generator", torch.Generator().manual_seed(0))
    return train_ride(model, images, **settings)


def test_training_finds_what_the_neighbourhood_cannot_see(textures):
    # With one pixel to look at the best error is 0.14; the mean of many pixels leaves 0.1.
    model = texture_model(textures)
    before = mean_pixel_nats(model, textures)
    history = train(model, textures, valid=textures[:60])
    assert mean_pixel_nats(model, textures) < before - 0.15
    found = mean_pixel_nats(model, textures[:60])
    assert min(history.valid["loss"]) == pytest.approx(found, abs=1e-5)


def test_mean_pixel_nats_does_not_depend_on_the_batches(textures):
    model = texture_model(textures)
    with torch.no_grad():
        expected = -float(model.interior_log_prob(textures[:7]).mean())
    for size in (2, 7, 20):
        found = mean_pixel_nats(model, textures[:7], batch_size=size)
        assert found == pytest.approx(expected, abs=1e-5)


def test_the_loss_counts_the_border_only_if_padded(textures):
    # The padding is far from any pixel: to count the border costs much.
    model = texture_model(textures, padding=50.0)
    options = {"epochs": 1, "lr": 1e-9}
    inside = train(model, textures, **options)["loss"][0]
    everywhere = train(model, textures, padded=True, **options)["loss"][0]
    assert inside == pytest.approx(mean_pixel_nats(model, textures), abs=1e-3)
    with torch.no_grad():
        expected = -float(model.pixel_log_prob(textures).mean())
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
    expected = mean_pixel_nats(model, levels / 10)
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


def test_finetuning_the_head_raises_the_likelihood(textures):
    model = RIDE(CORNER, 4, 1, 2, 2, generator=torch.Generator().manual_seed(0)).start(textures)
    before = float(model.log_prob(textures).mean().detach())
    state = {k: v.clone() for k, v in model.layers.state_dict().items()}
    history = model.finetune_head(textures[:200], n_iter=20, valid=textures[200:])
    after = float(model.log_prob(textures).mean().detach())
    assert after > before
    assert history[-1] < history[0]
    assert all(torch.equal(state[k], v) for k, v in model.layers.state_dict().items())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"units": 0}, "units"),
        ({"layers": 0}, "layers"),
        ({"components": 0}, "components"),
        ({"event_shape": (3, 8, 8)}, "event_shape"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        RIDE(CORNER, **options)


# --- flips


def transformed(x: torch.Tensor, k: int) -> torch.Tensor:
    """Return the k-th of the eight symmetries of a square."""
    x = torch.rot90(x, k % 4, dims=(-2, -1))
    return x.flip(-1) if k >= 4 else x


def test_the_ensemble_is_the_mean_over_the_symmetries(generator):
    model = mcgsm_image((1, 3, 3))
    x = torch.randn(5, 1, 3, 3, generator=generator).double()
    ensemble = FlipEnsemble(model, transpose=True)
    each = torch.stack([model.log_prob(transformed(x, k)).exp() for k in range(8)])
    torch.testing.assert_close(ensemble.log_prob(x), each.mean(dim=0).log())
    for k in range(8):
        torch.testing.assert_close(ensemble.log_prob(transformed(x, k)), ensemble.log_prob(x))


def test_two_and_four_flips(generator):
    model = mcgsm_image((1, 2, 4))
    x = torch.randn(5, 1, 2, 4, generator=generator).double()
    two = FlipEnsemble(model, vertical=False).log_prob(x)
    flipped = [model.log_prob(x).exp(), model.log_prob(x.flip(3)).exp()]
    torch.testing.assert_close(two, (sum(flipped) / 2).log())
    four = FlipEnsemble(model).log_prob(x)
    flipped += [model.log_prob(x.flip(2)).exp(), model.log_prob(x.flip(2, 3)).exp()]
    torch.testing.assert_close(four, (sum(flipped) / 4).log())


@pytest.mark.parametrize("options", [{}, {"vertical": False}, {"transpose": True}])
def test_samples_of_an_ensemble_are_flipped_samples(options, generator):
    class Fixed(nn.Module):
        event_shape = torch.Size((1, 2, 2))

        def sample(self, n, generator):
            return torch.arange(4.0).reshape(1, 1, 2, 2).repeat(n, 1, 1, 1)

        def log_prob(self, x):
            return torch.where(
                (x == torch.arange(4.0).reshape(1, 2, 2)).all(-1).all(-1)[:, 0], 0.0, -50.0
            )

    ensemble = FlipEnsemble(Fixed(), **options)
    drawn = ensemble.sample(400, generator)
    k = len(ensemble.flips)
    # Each of the K images is drawn, and has the probability 1 / K.
    assert len(torch.unique(drawn, dim=0)) == k
    torch.testing.assert_close(ensemble.log_prob(drawn), torch.full((400,), -math.log(k)))


def test_bad_ensembles():
    with pytest.raises(ValueError, match="expected square images"):
        FlipEnsemble(mcgsm_image((1, 2, 3)), transpose=True)
    with pytest.raises(ValueError, match="images: expected shape"):
        FlipEnsemble(mcgsm_image()).log_prob(torch.zeros(2, 4))
