"""Flows as a whole: what they are made of, how they start, and what they refuse."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, nn

from gdmlib import data, training
from gdmlib.densities import MultivariateNormal
from gdmlib.latent.coupling import AffineCoupling, RealNVP, first_half
from gdmlib.latent.flow import Flow, Inverted, StandardNormal
from gdmlib.latent.flow_layers import ActNorm, InvertibleLinear, Planar, Squeeze
from gdmlib.latent.masked_flow import IAF, MAF, MaskedAutoregressive
from gdmlib.latent.spline import SplineCoupling, SplineFlow, rational_quadratic


def seeded(seed: int = 0) -> Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=seeded(seed))


class Doubled(nn.Module):
    """A map as a reader may write it: no `Transform`."""

    def forward(self, x):
        return 2 * x, x.new_full((len(x),), x[0].numel() * math.log(2))

    def inverse(self, y):
        return y / 2, y.new_full((len(y),), -y[0].numel() * math.log(2))


# --- what it is -----------------------------------------------------------------------------------


def test_forward_is_from_data_to_noise():
    # One and the same scale of 2 narrows in some libraries and widens in others.
    flow = Flow(1, [Doubled()])
    x = torch.tensor([[0.3], [-1.0]])
    expected = torch.distributions.Normal(0, 0.5).log_prob(x)[:, 0]
    torch.testing.assert_close(flow.log_prob(x), expected)
    assert float(flow.sample(20_000, seeded()).std()) == pytest.approx(0.5, rel=0.02)


def test_maps_of_one_s_own_stand_beside_the_library_s():
    flow = Flow(2, [Doubled(), AffineCoupling(2, generator=seeded()), Doubled()])
    x = normal(5, 2)
    z, log_det = flow(x)
    back, other = flow.inverse(z)
    torch.testing.assert_close(back, x)
    torch.testing.assert_close(other, -log_det)
    assert flow.num_parameters == sum(p.numel() for p in flow.parameters())
    flow.initialise(x)


def test_the_noise_may_have_another_density():
    base = MultivariateNormal(torch.tensor([1.0, 2.0]), torch.eye(2))
    flow = Flow(2, [], base)
    x = normal(4, 2)
    torch.testing.assert_close(flow.log_prob(x), base.log_prob(x))


def test_a_new_flow_is_its_noise():
    x = normal(6, 4)
    expected = StandardNormal(4).log_prob(x)
    for kind in (RealNVP, SplineFlow, MAF, IAF):
        torch.testing.assert_close(kind(4, generator=seeded()).log_prob(x), expected)


def test_the_number_of_parameters_leaves_masked_weights_out():
    maf = MaskedAutoregressive(3, hidden=4, generator=seeded())
    x = normal(50, 3).requires_grad_()
    with torch.no_grad():
        for p in maf.parameters():
            p.add_(normal(*p.shape))
    y, log_det = maf(x)
    (y.square().sum() + log_det.square().sum()).backward()
    used = sum(int((p.grad != 0).sum()) for p in maf.parameters())
    assert maf.num_parameters == used
    assert Flow(3, [maf]).num_parameters == used


def test_maps_must_fit_each_other():
    squeeze = Squeeze((1, 4, 4))
    with pytest.raises(ValueError, match=r"transforms\[1\]: ActNorm takes .*\(1, 4, 4\), but gets"):
        Flow((1, 4, 4), [squeeze, ActNorm((1, 4, 4))])
    with pytest.raises(ValueError, match=r"transforms\[0\]: expected a map with forward and inv"):
        Flow(2, [nn.Linear(2, 2)])
    with pytest.raises(ValueError, match=r"base: expected a density of events of shape \(4, 2, 2"):
        Flow((1, 4, 4), [squeeze], StandardNormal((1, 4, 4)))


@pytest.mark.parametrize("kind", [RealNVP, SplineFlow, MAF, IAF])
def test_wrong_events_are_refused_on_both_sides(kind):
    flow = kind(2, layers=1, generator=seeded())
    for function, name in [(flow.log_prob, "x"), (flow, "x"), (flow.inverse, "z")]:
        with pytest.raises(ValueError, match=f"{name}: 1 of 2 values are NaN"):
            function(torch.tensor([[0.0, math.nan]]))
        with pytest.raises(ValueError, match=f"{name}: expected shape"):
            function(torch.zeros(3, 4))
        with pytest.raises(ValueError, match=f"{name}: .*float64"):
            function(torch.zeros(3, 2).double())
    part = flow.transforms[1]
    for function, name in [(part, "x"), (part.inverse, "y")]:
        with pytest.raises(ValueError, match=f"{name}: 1 of 2 values are NaN"):
            function(torch.tensor([[0.0, math.nan]]))


# --- actnorm --------------------------------------------------------------------------------------


def test_the_first_batch_of_training_initialises():
    x = 5 + 3 * normal(200, 2)
    flow = RealNVP(2, layers=2, generator=seeded())
    flow.loss(x)
    first = flow.transforms[0]
    assert bool(first.ready)
    y = first(x)[0]
    torch.testing.assert_close(y.mean(dim=0), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.std(dim=0, correction=0), torch.ones(2))
    before = first.shift.clone()
    flow.loss(x + 100)  # only the first
    assert torch.equal(before, first.shift)


def test_data_and_not_samples_initialise():
    flow = RealNVP(2, layers=2, generator=seeded())
    expected = StandardNormal(2).sample(5, seeded(3))
    torch.testing.assert_close(flow.sample(5, seeded(3)), expected)
    flow.eval().loss(5 + normal(9, 2))
    assert not bool(flow.transforms[0].ready)  # neither samples nor an evaluation do
    flow.initialise(5 + normal(9, 2))
    assert all(bool(t.ready) for t in flow.transforms if isinstance(t, ActNorm))


def test_that_it_is_initialised_is_part_of_the_state():
    flow, other = (RealNVP(2, layers=1, generator=seeded(s)) for s in (0, 1))
    flow.loss(4 + normal(20, 2))
    other.load_state_dict(flow.state_dict())
    expected = flow.log_prob(normal(3, 2))
    other.loss(normal(20, 2) - 50)
    torch.testing.assert_close(other.log_prob(normal(3, 2)), expected)


def test_channels_of_images_are_normalised_together():
    x = 2 + 3 * normal(40, 3, 2, 2)
    layer = ActNorm((3, 2, 2))
    layer.initialise(x)
    assert layer.shift.shape == (3, 1, 1)
    y, log_det = layer(x)
    torch.testing.assert_close(y.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    assert log_det[0].item() == pytest.approx(4 * layer.log_scale.sum().item())


def test_constant_numbers_are_only_shifted():
    x = torch.stack([torch.full((9,), 7.0), normal(9)], dim=1)
    layer = ActNorm(2)
    layer.initialise(x)
    assert layer(x)[0][:, 0].abs().max() == 0
    assert float(layer.log_scale[0]) == 0
    with pytest.raises(ValueError, match="x: expected at least 2 events to initialise by, got 1"):
        ActNorm(2).initialise(x[:1])


# --- couplings ------------------------------------------------------------------------------------


def test_a_coupling_keeps_one_half():
    x = normal(5, 1, 2, 4)
    layer = AffineCoupling((1, 2, 4), mask="checkerboard", channels=3, generator=seeded())
    with torch.no_grad():
        layer.network[-1].weight.add_(1.0)
    kept = first_half((1, 2, 4), "checkerboard")
    y = layer(x)[0]
    assert torch.equal(y[:, kept], x[:, kept])
    assert bool((y[:, ~kept] != x[:, ~kept]).all())
    assert kept[0].tolist() == [[True, False, True, False], [False, True, False, True]]


@pytest.mark.parametrize("options", [{}, {"flip": False}, {"flip": True}])
@pytest.mark.parametrize("kind", [AffineCoupling, SplineCoupling])
def test_the_first_half_is_kept_unless_a_coupling_is_flipped(kind, options):
    x, layer = normal(5, 4), kind(4, generator=seeded(), **options)
    with torch.no_grad():
        layer.network[-1].weight.add_(1.0)
        y = layer(x)[0]
    kept = slice(2, None) if options.get("flip") else slice(2)
    moved = slice(2) if options.get("flip") else slice(2, None)
    assert torch.equal(y[:, kept], x[:, kept])
    assert bool((y[:, moved] != x[:, moved]).any())


@pytest.mark.parametrize("kind", [AffineCoupling, SplineCoupling, RealNVP, SplineFlow])
def test_odd_sizes_have_no_halves(kind):
    with pytest.raises(
        ValueError, match="even number of numbers, two halves, got 3; append one, or"
    ):
        kind(3, generator=seeded())
    with pytest.raises(
        ValueError, match="even number of numbers, two halves, got 1; append one, or"
    ):
        kind(1, generator=seeded())
    mask = {} if kind in (RealNVP, SplineFlow) else {"mask": "checkerboard"}
    with pytest.raises(ValueError, match=r"checkerboard.* got 3 × 5; crop or pad a row, to 4 × 5"):
        kind((1, 3, 5), generator=seeded(), **mask)


def test_gates_have_names():
    relu = RealNVP(2, layers=1, gate="relu", generator=seeded())
    assert isinstance(relu.transforms[1].network[1], nn.ReLU)
    assert isinstance(SplineFlow((1, 2, 2), channels=3).transforms[1].network[1], nn.Tanh)
    with pytest.raises(ValueError, match="gate: expected one of tanh, relu, got 'sine'"):
        AffineCoupling(2, gate="sine", generator=seeded())


def test_channels_must_be_even():
    with pytest.raises(ValueError, match=r"even number of channels.* got 3; Squeeze it first, or"):
        AffineCoupling((3, 4, 4), generator=seeded())
    with pytest.raises(ValueError, match="mask: expected one of halves, checkerboard, got 'rows'"):
        AffineCoupling((2, 4, 4), mask="rows", generator=seeded())
    with pytest.raises(ValueError, match=r"event_shape: expected \(channels, height, width\)"):
        AffineCoupling(4, mask="checkerboard", generator=seeded())
    with pytest.raises(ValueError, match=r"event_shape: expected \(channels, height, width\)"):
        AffineCoupling(4, channels=3, generator=seeded())


@pytest.mark.parametrize(
    ("shape", "levels", "says"),
    [
        ((1, 5, 4), 2, "that 2 divides, to be squeezed 1 times, got 5 × 4; crop or pad to 4 × 4"),
        ((1, 28, 28), 4, "that 8 divides, to be squeezed 3 times, got 28 × 28; .* to 24 × 24"),
    ],
)
def test_images_that_cannot_be_squeezed_are_refused(shape, levels, says):
    with pytest.raises(ValueError, match=says):
        RealNVP(shape, levels=levels, generator=seeded())
    if levels == 2:
        with pytest.raises(ValueError, match=says):
            Squeeze(shape)
    with pytest.raises(ValueError, match=r"event_shape: expected \(channels, height, width\)"):
        RealNVP(4, levels=2, generator=seeded())


def test_a_squeezed_image_has_four_times_the_channels():
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    y, log_det = Squeeze((1, 4, 4))(x)
    assert y[0, :, 0, 0].tolist() == [0, 1, 4, 5]  # a block of pixels
    assert log_det.tolist() == [0]
    flow = RealNVP((1, 4, 4), layers=4, levels=3, generator=seeded())
    assert flow.base.event_shape == (16, 1, 1)


# --- splines --------------------------------------------------------------------------------------


def test_a_spline_is_smooth_and_monotone_and_ends_in_the_identity():
    steer = 2 * normal(1, 3 * 6 - 1, 1).double()
    x = torch.linspace(-5, 5, 4001).double()[:, None]
    y, log_slope = rational_quadratic(x, steer.expand(len(x), -1, 1), bound=3.0)
    assert bool((y[1:] > y[:-1]).all())
    slope = (y[2:] - y[:-2]) / (x[2:] - x[:-2])
    assert float((slope.log() - log_slope[1:-1]).abs().mean()) < 1e-3
    outside = (x.abs() >= 3)[:, 0]
    assert torch.equal(y[outside], x[outside])
    assert float(log_slope[outside].abs().max()) == 0
    back, other = rational_quadratic(y, steer.expand(len(x), -1, 1), bound=3.0, inverse=True)
    torch.testing.assert_close(back, x, atol=1e-9, rtol=0)
    torch.testing.assert_close(other, -log_slope, atol=1e-8, rtol=0)


def test_a_spline_of_zeros_is_the_identity():
    x = normal(6, 2).double()
    y, log_slope = rational_quadratic(x, torch.zeros(6, 11, 2).double())
    torch.testing.assert_close(y, x)
    assert float(log_slope.abs().max()) < 1e-12


def test_what_steers_a_spline_has_its_sizes():
    with pytest.raises(
        ValueError, match=r"steer: expected 3 · bins - 1 numbers for each x, .*got 6"
    ):
        rational_quadratic(torch.zeros(4, 2), torch.zeros(4, 6, 2))
    with pytest.raises(ValueError, match="x: expected a floating-point tensor"):
        rational_quadratic(torch.zeros(4, 2).long(), torch.zeros(4, 5, 2))
    with pytest.raises(ValueError, match="bins: expected at least 2, got 1"):
        SplineCoupling(2, bins=1, generator=seeded())
    with pytest.raises(ValueError, match="bound: expected a positive number, got -1"):
        SplineCoupling(2, bound=-1.0, generator=seeded())
    with pytest.raises(ValueError, match="bins: expected at most"):
        SplineCoupling(2, bins=2000, generator=seeded())


# --- matrices and planes --------------------------------------------------------------------------


def test_a_matrix_to_start_from_is_kept():
    weight = normal(4, 4).double()
    layer = InvertibleLinear(4, weight=weight)
    torch.testing.assert_close(layer.weight(), weight)
    x = normal(3, 4).double()
    torch.testing.assert_close(layer(x)[0], x @ weight.T)
    rotation = InvertibleLinear((3, 2, 2), generator=seeded()).weight()
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(3), atol=1e-5, rtol=0)


def test_a_singular_matrix_is_refused():
    weight = normal(3, 3)
    weight[2] = weight[0] - weight[1]
    with pytest.raises(
        ValueError, match="weight: expected an invertible matrix, got one of rank 2"
    ):
        InvertibleLinear(3, weight=weight)
    with pytest.raises(ValueError, match="weight: expected shape"):
        InvertibleLinear(2, weight=torch.eye(3))
    with pytest.raises(ValueError, match=r"weight: .*NaN"):
        InvertibleLinear(2, weight=torch.tensor([[1.0, math.nan], [0.0, 1.0]]))
    with pytest.raises(ValueError, match=r"event_shape: expected \(numbers,\) or \(channels"):
        InvertibleLinear((2, 2))


def test_a_plane_is_invertible_whatever_its_parameters():
    layer = Planar(2, generator=seeded()).double()
    with torch.no_grad():
        layer.w.copy_(torch.tensor([3.0, 1.0]))
        layer.u.copy_(torch.tensor([-4.0, -2.0]))  # wᵀu = -14: not invertible if it were used
    x = normal(50, 2).double()
    y, log_det = layer(x)
    back, _ = layer.inverse(y)
    torch.testing.assert_close(back, x, atol=1e-8, rtol=0)
    assert bool(log_det.isfinite().all())


# --- masked maps ----------------------------------------------------------------------------------


def test_the_quick_inverse_is_that_of_one_pass_a_number():
    layer = MaskedAutoregressive(
        (1, 2, 3), hidden=(7, 5), ordering=[3, 1, 0, 5, 4, 2], generator=seeded()
    ).double()
    with torch.no_grad():
        for p in layer.parameters():
            p.add_(0.3 * normal(*p.shape, seed=2))
        y = normal(4, 1, 2, 3).double()
        quick = layer.inverse(y)
        slow = layer._one_by_one(y.flatten(1)).reshape(y.shape)
    torch.testing.assert_close(quick[0], slow)


def test_the_inverse_of_a_masked_map_can_be_trained():
    flow = IAF(2, layers=2, hidden=4, generator=seeded())
    flow.loss(normal(8, 2)).backward()
    assert all(p.grad is not None for p in flow.parameters())


@pytest.mark.parametrize("flow", [MAF, IAF])
def test_every_other_map_visits_the_numbers_the_other_way_round(flow):
    made = flow(4, layers=3, hidden=(8,), generator=seeded())
    maps = [m for m in made.modules() if isinstance(m, MaskedAutoregressive)]
    for i, map_ in enumerate(maps):
        with torch.no_grad():
            for p in map_.parameters():
                p.add_(torch.randn(p.shape, generator=seeded(1)))
        moves = torch.func.jacrev(lambda x, map_=map_: map_(x)[0])(normal(1, 4))[0, :, 0]
        later = moves.triu(1) if i % 2 == 0 else moves.tril(-1)
        assert not bool(later.any()) and bool(moves.any())
    assert len(maps) == 3


def test_masked_maps_say_what_they_need():
    with pytest.raises(ValueError, match="hidden: expected at least one layer, got none"):
        MaskedAutoregressive(2, hidden=())
    with pytest.raises(ValueError, match="ordering: expected a permutation of 0 to 1"):
        MaskedAutoregressive(2, ordering=[0, 0])
    with pytest.raises(ValueError, match="layers: expected at least 1, got 0"):
        MAF(2, layers=0)


def test_inverted_twice_is_the_map():
    layer = ActNorm(2)
    layer.initialise(normal(9, 2))
    x = normal(3, 2)
    torch.testing.assert_close(Inverted(Inverted(layer))(x), layer(x))


# --- training -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [RealNVP, SplineFlow, MAF])
def test_training_finds_a_bent_density(kind):
    x = normal(2000, 2)
    x[:, 1] = 0.3 * x[:, 1] + x[:, 0].square()
    flow = kind(2, layers=4, hidden=16, generator=seeded())
    training.train(flow, x, epochs=15, batch_size=100, lr=1e-2, generator=seeded(), progress=False)
    y = normal(4000, 2, seed=9)
    true = StandardNormal(2).log_prob(y) - math.log(0.3)
    y[:, 1] = 0.3 * y[:, 1] + y[:, 0].square()
    gap = float((true - flow.log_prob(y)).mean())
    assert -0.02 < gap < 0.25


def test_splines_come_close_to_the_entropy_of_a_mixture():
    drawn = data.toy("blobs", 6000, seeded())
    modes, std = drawn.attributes["modes"], drawn.attributes["std"]
    flow = SplineFlow(2, layers=3, bins=8, bound=3.0, hidden=32, gate="relu", generator=seeded())
    training.train(
        flow, drawn.x, epochs=12, batch_size=200, lr=1e-2, generator=seeded(), progress=False
    )
    x = data.toy("blobs", 20_000, seeded(9)).x
    each = -((x[:, None] - modes) / std).square().sum(2) / 2
    true = each.logsumexp(1) - math.log(len(modes) * 2 * math.pi) - 2 * std.log()
    gap = (true - flow.log_prob(x).detach()).mean().item()  # the Kullback-Leibler divergence
    assert -0.005 < gap < 0.05
