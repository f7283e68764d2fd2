"""Flow matching: paths, samples, exact densities, coupling, and what is refused."""

from __future__ import annotations

import math
from itertools import permutations

import pytest
import torch
from torch import Generator, Tensor, nn

from gdmlib import training
from gdmlib.densities import GaussianMixture
from gdmlib.latent import FlowMatching, NoisedMixture, cosine_schedule, couple
from gdmlib.nn.timed import TimedMLP


def seeded(seed: int = 0) -> Generator:
    return torch.Generator().manual_seed(seed)


def two() -> GaussianMixture:
    covariances = torch.tensor([[[0.2, 0.1], [0.1, 0.3]], [[0.3, 0.0], [0.0, 0.1]]])
    weights, means = torch.tensor([0.3, 0.7]), torch.tensor([[-1.0, 0.5], [1.0, 0.0]])
    return GaussianMixture(weights.double(), means.double(), covariances.double())


class Exact(nn.Module):
    """The exact field of a world that is known; all times of a batch are one."""

    def __init__(self) -> None:
        super().__init__()
        self.world = NoisedMixture(two(), cosine_schedule(5))
        self.one = nn.Parameter(torch.ones(()).double())

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        return self.world.velocity.__wrapped__(self.world, x, float(time[0]))


class Linear(nn.Module):
    """v = A x: its flow and its divergence are known."""

    def __init__(self) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.tensor([[0.3, -1.0], [0.5, 0.2]]).double())

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        return x @ self.matrix.T


class Box(nn.Module):
    """The exact field of a uniform law on [0, 1)^d, as noise makes it of a single level."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.ones(()).double())

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        u = time.clamp(1e-9, 1 - 1e-9)[:, None]
        spread, normal = (1 - u) / u, torch.distributions.Normal(0.0, 1.0)
        a, b = (-x / u) / spread, (1 - x / u) / spread
        density = normal.log_prob(a).exp() - normal.log_prob(b).exp()
        image = x / u + spread * density / (normal.cdf(b) - normal.cdf(a)).clamp(min=1e-300)
        return (image - x) / (1 - u)


X = torch.randn(7, 2, generator=seeded(2)).double()


@pytest.mark.parametrize(("steps", "most"), [(10, 6e-3), (20, 1e-3), (40, 3e-4)])
def test_noise_in_the_gaps_of_levels_costs_what_it_should(steps, most):
    """Its exact code is 0 bits. In even steps it costs 0.018, 0.007 and 0.004 too few."""
    x = torch.rand(4000, 2, generator=seeded()).double()
    with torch.no_grad():
        found = FlowMatching(Box(), 2).log_prob(x, steps=steps)
    assert abs(float(found.mean())) / (2 * math.log(2)) < most


@pytest.mark.parametrize("method", ["euler", "midpoint"])
def test_the_density_of_a_linear_field(method):
    made = FlowMatching(Linear(), 2, steps=400, method=method)
    map_ = torch.linalg.matrix_exp(made.network.matrix.detach())
    covariance = map_ @ map_.T
    exact = torch.distributions.MultivariateNormal(torch.zeros(2).double(), covariance)
    with torch.no_grad():
        found = made.log_prob(X)
    gap = float((found - exact.log_prob(X)).abs().max())
    assert gap < (1e-2 if method == "euler" else 1e-4)
    noise = torch.randn(5, 2, generator=seeded()).double()
    assert torch.allclose(made.sample(5, noise=noise), noise @ map_.T, atol=1e-2)


def test_the_middle_of_the_step_is_of_second_order():
    made, x = FlowMatching(Exact(), 2), two().sample(50, seeded())
    gaps = [
        float((made.log_prob(x, steps=n) - two().log_prob(x)).abs().mean()) for n in (20, 40, 80)
    ]
    assert gaps[2] < 1e-3 and gaps[1] / gaps[2] > 3
    plain = float((made.log_prob(x, steps=80, method="euler") - two().log_prob(x)).abs().mean())
    assert plain > 10 * gaps[2]


def test_samples_by_the_middle_of_the_step_are_of_second_order():
    noise = torch.randn(50, 2, generator=seeded()).double()

    def made(steps: int, method: str) -> Tensor:
        return FlowMatching(Exact(), 2, method=method).sample(50, noise=noise, steps=steps)

    fine = made(640, "midpoint")
    gaps = [float((made(n, "midpoint") - fine).abs().mean()) for n in (20, 40, 80)]
    assert gaps[0] / gaps[1] > 3 and gaps[1] / gaps[2] > 3
    plain = [float((made(n, "euler") - fine).abs().mean()) for n in (40, 80)]
    assert 1.5 < plain[0] / plain[1] < 2.5 and plain[1] > 10 * gaps[2]


def test_samples_of_the_exact_field():
    made = FlowMatching(Exact(), 2)
    drawn = made.sample(4000, seeded(), steps=30)
    entropy = -float(two().log_prob(two().sample(4000, seeded(1))).mean())
    assert -float(two().log_prob(drawn).mean()) == pytest.approx(entropy, abs=0.08)


def test_a_density_of_the_plane_integrates_to_one():
    network = TimedMLP(2, hidden=(6,), generator=seeded()).double()
    with torch.no_grad():
        for p in network.parameters():
            p += 0.4 * torch.randn(p.shape, generator=seeded(1)).double()
    made = FlowMatching(network, 2, steps=12)
    axis = torch.linspace(-7, 7, 71, dtype=torch.float64)
    with torch.no_grad():
        p = made.log_prob(torch.cartesian_prod(axis, axis)).exp()
    assert float(p.sum()) * 0.2**2 == pytest.approx(1, abs=5e-3)


def test_the_estimate_of_the_divergence_is_right_on_average():
    made = FlowMatching(Exact(), 2, steps=3)
    exact = made.log_prob(X)
    many = torch.stack([made.log_prob(X, probes=2, generator=seeded(i)) for i in range(60)])
    error = many.std(dim=0) / math.sqrt(60)
    assert bool(((many.mean(dim=0) - exact).abs() < 5 * error + 1e-6).all())
    # in one dimension a probe of ±1 is exact
    line = FlowMatching(TimedMLP(1, hidden=(3,), generator=seeded()).double(), 1, steps=3)
    x = X[:, :1].contiguous()
    assert torch.allclose(line.log_prob(x, probes=1, generator=seeded()), line.log_prob(x))


def test_the_best_pairs_of_all():
    x, noise = X[:5], torch.randn(5, 2, generator=seeded(4)).double()
    cost = torch.cdist(x, noise).square()
    best = min(sum(float(cost[i, j]) for i, j in enumerate(p)) for p in permutations(range(5)))
    chosen = couple(x, noise)
    assert sorted(chosen.tolist()) == list(range(5))
    assert float((x - noise[chosen]).square().sum()) == pytest.approx(best)


@pytest.mark.parametrize("coupling", ["independent", "optimal"])
def test_it_learns_and_is_its_density(coupling):
    x = two().sample(3000, seeded()).float()
    network = TimedMLP(2, hidden=(64, 64), generator=seeded())
    made = FlowMatching(network, 2, coupling=coupling, steps=20)
    torch.manual_seed(0)
    options = {"epochs": 12, "batch_size": 100, "lr": 5e-3, "average": 0.98}
    training.train(made, x, x[:300], **options, progress=False, generator=seeded())
    entropy = -float(two().log_prob(x[:500].double()).mean())
    with torch.no_grad():
        assert entropy - 0.05 < -float(made.log_prob(x[:500]).mean()) < entropy + 0.25
    if coupling == "optimal":  # straight enough for very few steps
        drawn = made.sample(2000, seeded(), steps=2, method="euler")
        assert -float(two().log_prob(drawn.double()).mean()) < entropy + 0.5


def test_guidance_and_classes():
    class Says(nn.Module):
        classes = 2

        def __init__(self) -> None:
            super().__init__()
            self.answers = nn.Parameter(torch.tensor([1.0, 2.0, 5.0]).double())

        def forward(self, x, time, labels=None):
            which = torch.full((len(x),), 2) if labels is None else labels
            return self.answers[which][:, None].expand(x.shape)

    made, labels = FlowMatching(Says(), 2), torch.tensor([0, 1])
    zero = torch.zeros(2, 2).double()
    for w, want in ((1.0, [1, 2]), (0.0, [5, 5]), (3.0, [-7, -4])):
        found = made.velocity(zero, 0.5, labels, w)
        assert torch.allclose(found[:, 0], torch.tensor(want).double())
        drawn = made.sample(2, noise=zero, steps=4, labels=labels, guidance=w)
        assert torch.allclose(drawn[:, 0], torch.tensor(want).double())
    assert float(made.loss(zero, labels, seeded())) > 0
    told = [made.score(zero, torch.full((2,), k)) for k in (0, 1)]
    assert all(bool((one != made.score(zero)).all()) for one in told)
    assert torch.equal(made.score(zero, labels), torch.stack([told[0][0], told[1][1]]))
    shift = made.log_prob(zero, labels=labels) - made.log_prob(zero)
    assert torch.allclose(shift, torch.tensor([24.0, 21.0]).double())


LABELS = torch.zeros(7, dtype=torch.int64)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda m: m.velocity(X, 1.5), "u: expected times from 0, noise, to 1, data, got 1.5"),
        (lambda m: m.velocity(X, torch.tensor([-0.1] * 7)), "u: expected times from 0, noise"),
        (lambda m: m.velocity(X, torch.ones(3)), r"u: expected shape \(7,\), got \(3,\)"),
        (lambda m: m.velocity(X, torch.ones(7, dtype=torch.int64)), "u: expected a floating"),
        (lambda m: m.velocity(X, math.nan), "u: 1 of 1 values are NaN"),
        (lambda m: m.velocity(X * math.nan, 0.5), "x: 14 of 14 values are NaN"),
        (lambda m: m.sample(2, guidance=2.0), "guidance: 2 needs labels"),
        (lambda m: m.sample(7, labels=LABELS), "labels: this model's network was built without"),
        (lambda m: m.sample(2, noise=X), "noise: expected n = 2 events"),
        (lambda m: m.sample(2, steps=0), "steps: expected at least 1"),
        (lambda m: m.sample(2, method="heun"), "method: expected one of"),
        (lambda m: m.log_prob(X, probes=0), "probes: expected at least 1"),
        (lambda m: m.log_prob(X.float()), "x: expected torch.float64 like the model"),
        (lambda m: m.loss(X, LABELS), "labels: this model's network was built without classes"),
        (lambda m: FlowMatching(m.network, 2, coupling="best"), "coupling: expected one of"),
        (lambda m: couple(X, X[:3]), r"noise: expected shape \(7, 2\)"),
    ],
)
def test_wrong_arguments_are_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call(FlowMatching(TimedMLP(2, hidden=(4,)).double(), 2))
