"""Diffusion: schedules, views of one guess, samplers, guidance, training, and what is refused."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor, nn

from gdmlib import training
from gdmlib.densities import GaussianMixture
from gdmlib.latent import (
    Diffusion,
    NoisedMixture,
    Schedule,
    cosine_schedule,
    ddim,
    ddpm,
    geometric_schedule,
    linear_schedule,
)
from gdmlib.nn.timed import TimedMLP


def seeded(seed: int = 0) -> Generator:
    return torch.Generator().manual_seed(seed)


def ring() -> GaussianMixture:
    angle = torch.arange(8, dtype=torch.float64) * math.pi / 4
    weights = torch.tensor([1.0, 3.0] * 4, dtype=torch.float64) / 16
    means = 1.4 * torch.stack([angle.cos(), angle.sin()], dim=1)
    return GaussianMixture(weights, means, 0.04 * torch.eye(2).double().repeat(8, 1, 1))


class Says(nn.Module):
    """A network with one answer for each class, and one for none."""

    classes = 2

    def __init__(self) -> None:
        super().__init__()
        self.answers = nn.Parameter(torch.tensor([1.0, 2.0, 5.0]).double())
        self.asked: list[int] = []

    def forward(self, x: Tensor, time: Tensor, labels: Tensor | None = None) -> Tensor:
        self.asked.append(len(x))
        which = torch.full((len(x),), 2) if labels is None else labels
        return self.answers[which][:, None].expand(x.shape)


def model(parameterisation: str = "epsilon", steps: int = 10, **options) -> Diffusion:
    network = TimedMLP(2, hidden=(8,), classes=3, generator=seeded()).double()
    with torch.no_grad():
        for p in network.parameters():
            p += 0.3 * torch.randn(p.shape, generator=seeded(1)).double()
    return Diffusion(network, 2, cosine_schedule(steps), parameterisation, **options)


X = torch.randn(6, 2, generator=seeded(2)).double()


# --- Schedules -----------------------------------------------------------------------------------


def test_a_schedule_is_its_steps():
    schedule = linear_schedule(1000)
    assert schedule.steps == 1000 and schedule.alpha_bar.dtype == torch.float64
    assert float(schedule.beta[1]) == pytest.approx(1e-4) and float(schedule.beta[0]) == 0
    assert float(schedule.beta[1000]) == pytest.approx(0.02)
    assert float(schedule.alpha_bar[1000]) == pytest.approx(4.0358e-5, rel=1e-4)


def test_no_step_of_few_takes_everything():
    beta = linear_schedule(5).beta
    assert float(beta[1]) == pytest.approx(0.02) and float(beta[5]) == pytest.approx(0.999)


def test_cosine_is_the_formula_until_a_step_would_be_too_large():
    bar = cosine_schedule(100).alpha_bar
    t = torch.arange(101, dtype=torch.float64) / 100
    f = torch.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2
    assert torch.allclose(bar[:100], f[:100] / f[0], atol=1e-12, rtol=0)
    assert float(bar[100] / bar[99]) == pytest.approx(0.001)


def test_the_noise_of_a_geometric_schedule_grows_by_one_factor():
    bar = geometric_schedule(5, low=0.02, high=0.32).alpha_bar
    noise = ((1 - bar) / bar).sqrt()
    assert noise.tolist() == pytest.approx([0, 0.02, 0.04, 0.08, 0.16, 0.32], abs=1e-12)


def test_fewer_steps_over_the_same_noise():
    schedule = cosine_schedule(100)
    short = schedule.respaced(7)
    assert short.steps == 7 and float(short.alpha_bar[-1]) == float(schedule.alpha_bar[-1])
    assert float(short.time[-1]) == 1 and set(short.alpha_bar.tolist()) <= set(
        schedule.alpha_bar.tolist()
    )


def test_two_steps_are_one_jump():
    schedule, n = cosine_schedule(10), 200_000
    noise = torch.randn(2, n, 1, generator=seeded(), dtype=torch.float64)
    beta, x0 = schedule.beta, torch.full((n, 1), 1.5, dtype=torch.float64)
    one = (1 - beta[1]).sqrt() * x0 + beta[1].sqrt() * noise[0]
    two = (1 - beta[2]).sqrt() * one + beta[2].sqrt() * noise[1]
    signal, scale = schedule.coefficients(2, x0[:1])
    assert abs(float(two.mean() - 1.5 * signal)) < 5 * float(scale) / math.sqrt(n)
    assert float(two.var() / scale**2) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(("t", "s"), [(7, 6), (7, 2), (1, 0), (10, 0)])
def test_the_posterior_is_that_of_bayes(t, s):
    schedule = cosine_schedule(10)
    grid = torch.linspace(-9, 9, 60_001, dtype=torch.float64)
    x0, xt = torch.tensor([[1.2]]).double(), torch.tensor([[-0.7]]).double()
    mean, variance = schedule.posterior(x0, xt, t, s)
    if s == 0:
        assert torch.equal(mean, x0) and float(variance) == 0
        return
    now, before = schedule.alpha_bar[t], schedule.alpha_bar[s]
    log_weight = -((grid - before.sqrt() * x0[0]) ** 2) / (2 * (1 - before))
    log_weight += -((xt[0] - (now / before).sqrt() * grid) ** 2) / (2 * (1 - now / before))
    weight = log_weight.softmax(0)
    centre = (weight * grid).sum()
    assert float(mean) == pytest.approx(float(centre), abs=1e-7)
    assert float(variance) == pytest.approx(float((weight * (grid - centre) ** 2).sum()), abs=1e-7)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ([1.0, 0.5, 0.6], "alpha_bar: expected values that fall"),
        ([1.0, 0.5, 0.5], "alpha_bar: expected values that fall"),
        ([0.9, 0.5, 0.1], "alpha_bar: expected 1 at t = 0"),
        ([1.0, 0.5, 0.0], "alpha_bar: expected shares of more than 0"),
        ([1.0, math.nan, 0.1], "alpha_bar: 1 of 3 values are NaN"),
        ([1.0], "alpha_bar: expected the values of t = 0 to T"),
    ],
)
def test_a_schedule_that_is_none_is_refused(values, match):
    with pytest.raises(ValueError, match=match):
        Schedule(torch.tensor(values, dtype=torch.float64))


def test_other_schedules_that_are_refused():
    with pytest.raises(ValueError, match=r"alpha_bar: expected torch.float64, got torch.float32"):
        Schedule(torch.tensor([1.0, 0.5]))
    with pytest.raises(ValueError, match="time: expected values that rise"):
        Schedule(torch.tensor([1.0, 0.5]).double(), torch.tensor([0.5, 0.5]).double())
    with pytest.raises(ValueError, match="low, high: expected 0 < low <= high"):
        linear_schedule(10, low=0.2, high=0.1)
    with pytest.raises(ValueError, match="steps: expected at most 10"):
        cosine_schedule(10).respaced(11)
    with pytest.raises(ValueError, match="largest: expected a variance between 0 and 1"):
        cosine_schedule(10, largest=1.0)
    with pytest.raises(ValueError, match="offset: expected a number of at least 0"):
        cosine_schedule(10, offset=-1.0)
    with pytest.raises(ValueError, match="low, high: expected 0 < low < high"):
        geometric_schedule(10, low=1.0, high=1.0)


@pytest.mark.parametrize(
    ("t", "match"),
    [
        (0, "t: expected at least 1, got 0"),
        (11, "t: expected steps from 1 to 10, got values from 11 to 11"),
        (torch.tensor([1, 2, 3, 4, 5, 11]), "t: expected steps from 1 to 10"),
        (torch.tensor([0, 2, 3, 4, 5, 6]), "t: expected steps from 1 to 10"),
        (torch.full((6,), 0.5), r"whole numbers, got torch.float32; use t.long\(\)"),
        (torch.ones(6, dtype=torch.bool), "whole numbers, got torch.bool"),
        (torch.tensor([1, 2]), r"t: expected shape \(6,\), got \(2,\)"),
        (0.5, "t: expected an integer, got 0.5"),
    ],
)
def test_steps_out_of_range_or_of_another_dtype_are_refused(t, match):
    with pytest.raises(ValueError, match=match):
        model().denoise(X, t)


def test_a_jump_forward_is_refused():
    with pytest.raises(ValueError, match="s: expected steps before t"):
        cosine_schedule(10).posterior(X, X, 3, 3)


# --- The model -----------------------------------------------------------------------------------


@pytest.mark.parametrize("parameterisation", ["epsilon", "x0", "v"])
def test_one_guess_in_three_views(parameterisation):
    made = model(parameterisation)
    for t in (1, 5, 10):
        signal, scale = made.schedule.coefficients(t, X)
        said = made.network(X, made.schedule.time[t].expand(6))
        clean, noise = made.denoise(X, t), made.noise(X, t)
        assert torch.allclose(signal * clean + scale * noise, X, atol=1e-9)
        assert torch.allclose(made.score_function(X, t), -noise / scale, atol=1e-9)
        want = {"epsilon": noise, "x0": clean, "v": signal * noise - scale * clean}
        assert torch.allclose(said, want[parameterisation], atol=1e-8)


@pytest.mark.parametrize("parameterisation", ["epsilon", "x0", "v"])
def test_a_network_that_knows_has_no_loss(parameterisation):
    class Knows(nn.Module):
        """Of data that are all zero it knows the noise."""

        def __init__(self, schedule: Schedule) -> None:
            super().__init__()
            self.schedule, self.one = schedule, nn.Parameter(torch.ones(()).double())

        def forward(self, x: Tensor, time: Tensor) -> Tensor:
            t = (time * self.schedule.steps).round().long()
            signal, scale = self.schedule.coefficients(t, x)
            noise = x / scale
            return {"epsilon": noise, "x0": 0 * x, "v": signal * noise}[parameterisation]

    schedule = cosine_schedule(20)
    made = Diffusion(Knows(schedule), 2, schedule, parameterisation)
    assert float(made.loss(torch.zeros(50, 2).double(), generator=seeded())) < 1e-20
    assert float(made.score(torch.zeros(5, 2).double()).max()) < 1e-20


def test_guidance_strengthens_what_the_class_changes():
    network = Says()
    made = Diffusion(network, 2, cosine_schedule(10))
    x, labels = torch.zeros(2, 2).double(), torch.tensor([0, 1])
    scale = made.schedule.coefficients(5, x)[1]
    for w, want in ((1.0, [1, 2]), (0.0, [5, 5]), (3.0, [5 + 3 * -4, 5 + 3 * -3])):
        noise = made.noise(x, 5, labels, w)
        assert torch.allclose(noise[:, 0], torch.tensor(want).double()), (w, scale)
    assert network.asked == [2, 2, 4]  # both answers come from one pass
    assert torch.allclose(made.noise(x, 5), torch.full((2, 2), 5.0).double())


def test_some_labels_are_left_out_in_training():
    seen = []

    class Notes(Says):
        def forward(self, x, time, labels=None):
            seen.append(labels)
            return super().forward(x, time, labels)

    made = Diffusion(Notes(), 2, cosine_schedule(10), drop=0.25)
    made.loss(torch.zeros(4000, 2).double(), torch.zeros(4000, dtype=torch.int64), seeded())
    assert set(seen[0].unique().tolist()) == {0, 2}
    assert float((seen[0] == 2).float().mean()) == pytest.approx(0.25, abs=0.03)
    made.score(torch.zeros(4, 2).double(), torch.zeros(4, dtype=torch.int64))
    assert all(bool((labels == 0).all()) for labels in seen[1:])


@pytest.mark.parametrize("parameterisation", ["epsilon", "x0"])
def test_a_chain_learns(parameterisation):
    means, weights = torch.tensor([[-1.2, 0.5], [1.2, 0.0]]).double(), torch.tensor([0.3, 0.7])
    world = GaussianMixture(weights.double(), means, 0.15 * torch.eye(2).double().repeat(2, 1, 1))
    x = world.sample(3000, seeded()).float()
    schedule = linear_schedule(100) if parameterisation == "epsilon" else cosine_schedule(100)
    network = TimedMLP(2, hidden=(64, 64), generator=seeded())
    made = Diffusion(network, 2, schedule, parameterisation)
    options = {"epochs": 14, "batch_size": 100, "lr": 5e-3, "average": 0.98}
    torch.manual_seed(0)
    training.train(made, x, x[:500], **options, progress=False, generator=seeded())
    entropy = -float(world.log_prob(x.double()).mean())
    if parameterisation == "epsilon":  # exact near the data, where the bound looks most
        bound = -float(made.elbo(x[:500], generator=seeded()).mean())
        assert entropy - 0.15 < bound < entropy + 0.6
    else:  # exact near the noise, where samples begin
        drawn = ddim(made, 1000, steps=25, generator=seeded())
        assert abs(-float(world.log_prob(drawn.double()).mean()) - entropy) < 0.5


# --- Samplers ------------------------------------------------------------------------------------


def test_samplers_reach_a_world_that_is_known():
    world = NoisedMixture(ring(), cosine_schedule(100))
    entropy = -float(ring().log_prob(ring().sample(4000, seeded())).mean())
    for draw in (ddpm, ddim):
        few, many = (
            float(-ring().log_prob(draw(world, 2000, steps=n, generator=seeded())).mean())
            for n in (3, 100)
        )
        assert abs(many - entropy) < 0.15 < abs(few - entropy)


def test_ddim_is_a_map_of_its_noise():
    made, noise = model("v"), torch.randn(5, 2, generator=seeded()).double()
    assert torch.equal(ddim(made, 5, steps=4, noise=noise), ddim(made, 5, steps=4, noise=noise))
    by_generator = ddim(made, 5, steps=4, generator=seeded(3))
    start = torch.randn(5, 2, generator=seeded(3), dtype=torch.float64)
    assert torch.equal(by_generator, ddim(made, 5, steps=4, noise=start))


def test_guesses_can_be_kept_in_a_range():
    found = ddim(model("epsilon"), 200, steps=5, clip=0.5, generator=seeded())
    assert float(found.abs().max()) <= 0.5


def test_another_chain_can_be_walked():
    made = model("v", steps=40)
    short = made.schedule.respaced(5)
    options = {"generator": seeded(1)}
    want = ddpm(made, 4, steps=5, **options)
    assert torch.equal(ddpm(made, 4, schedule=short, generator=seeded(1)), want)
    assert made.bound(X, generator=seeded(), schedule=short).shape == (6, 6)


@pytest.mark.parametrize("steps", [20, 50, 120])
def test_ddim_takes_fifty_steps_or_all_where_there_are_fewer(steps):
    made, noise = model("v", steps=steps), torch.randn(4, 2, generator=seeded()).double()
    want = ddim(made, 4, steps=min(steps, 50), noise=noise)
    assert torch.equal(ddim(made, 4, noise=noise), want)


def test_the_model_samples_by_all_its_steps():
    made = model("v")
    assert torch.equal(made.sample(3, seeded()), ddpm(made, 3, generator=seeded()))


def test_levels_are_bounded_as_probabilities():
    made = model("x0", levels=3)
    x = torch.tensor([[-1.0, 0.0], [1.0, 1.0]]).double()
    assert bool((made.bound(x, generator=seeded())[:, 0] >= 0).all())
    with pytest.raises(ValueError, match="x: expected 3 levels from -1 to 1, got values from"):
        made.bound(X)


# --- What is refused -----------------------------------------------------------------------------


LABELS = torch.tensor([0, 1, 2, 0, 1, 2])


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda m: ddim(m, 3, guidance=2.0), "guidance: 2 needs labels"),
        (lambda m: m.denoise(X, 3, guidance=0.0), "guidance: 0 needs labels"),
        (lambda m: m.denoise(X, 3, LABELS, math.nan), "guidance: expected a finite number"),
        (lambda m: m.denoise(X, 3, LABELS[:2]), "labels: expected 6 labels"),
        (lambda m: m.denoise(X, 3, LABELS + 1), "labels: expected labels 0 to 2"),
        (lambda m: m.denoise(X, 3, LABELS.float()), "labels: expected integers"),
        (lambda m: m.denoise(X * math.nan, 3), "x: 12 of 12 values are NaN"),
        (lambda m: m.denoise(X.float(), 3), "x: expected torch.float64 like the model"),
        (lambda m: m.loss(X * math.inf), "x: 12 of 12 values are NaN or infinite"),
        (lambda m: ddim(m, 0), "n: expected at least 1"),
        (lambda m: ddim(m, 2, labels=LABELS), r"labels: expected shape \(2,\), got \(6,\)"),
        (lambda m: ddim(m, 6, labels=LABELS.float()), "labels: expected integers"),
        (lambda m: m.schedule.forward(X, 3, X.float()), "noise: expected torch.float64"),
        (lambda m: m.schedule.forward(X, 0, X[:2]), r"noise: expected shape \(6, 2\)"),
        (lambda m: ddim(m, 2, eta=1.5), "eta: expected a number from 0 to 1"),
        (lambda m: ddim(m, 2, steps=11), "steps: expected at most 10"),
        (lambda m: ddpm(m, 2, clip=0.0), "clip: expected a positive number"),
        (lambda m: ddpm(m, 2, noise=X), "noise: expected n = 2 events"),
        (lambda m: ddpm(nn.Linear(2, 2), 2), "model: expected a Diffusion or another Denoiser"),
        (lambda m: Diffusion(m.network, 2, 10), "schedule: expected a Schedule, got int"),
        (lambda m: Diffusion(m.network, 2, m.schedule, "noise"), "parameterisation: expected one"),
        (lambda m: Diffusion(m.network, 2, m.schedule, drop=1.0), "drop: expected a share"),
        (lambda m: Diffusion(m.network, 2, m.schedule, variance="b"), "variance: expected one of"),
        (lambda m: Diffusion(m.network, 2, m.schedule, levels=1), "levels: expected at least 2"),
    ],
)
def test_wrong_arguments_are_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call(model())


def test_labels_for_a_network_without_classes_are_refused():
    made = Diffusion(TimedMLP(2, hidden=(4,)).double(), 2, cosine_schedule(5))
    with pytest.raises(ValueError, match="labels: this model's network was built without classes"):
        made.loss(X, LABELS)
    with pytest.raises(ValueError, match="labels: a mixture has no classes"):
        NoisedMixture(ring(), cosine_schedule(5)).denoise(X, 2, LABELS)


def test_a_world_in_time_from_noise_to_data():
    world, x = NoisedMixture(ring(), cosine_schedule(5)), X
    assert torch.allclose(world.velocity(x, 1.0), x)
    mean = ring().weights @ ring().means
    assert torch.allclose(world.velocity(x, 0.0), mean - x)
    near = world.velocity(x, 1e-9)
    assert torch.allclose(near, mean - x, atol=1e-6)
    with pytest.raises(ValueError, match="u: expected a time from 0, noise, to 1, data"):
        world.velocity(x, 1.5)
