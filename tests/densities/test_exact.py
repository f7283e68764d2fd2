"""The loop of EM and L-BFGS, on problems that can be followed by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from gdmlib.densities.exact import LOG_PRECISION_BOUND, em, lbfgs


class Level(nn.Module):
    """A log-likelihood that is a number of the model plus that of the example."""

    def __init__(self, gains: list[float]) -> None:
        super().__init__()
        self.gains = gains
        self.register_buffer("level", torch.zeros(()).double())
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def log_prob(self, x: Tensor) -> Tensor:
        return self.level + x

    def step(self, x: Tensor) -> float:
        before = float(self.log_prob(x).mean())
        self.level += self.gains[int(self.steps)]
        self.steps += 1
        return before


X = torch.tensor([-1.0, -3.0, -5.0]).double()


@pytest.mark.parametrize("chunk", [2, 10_000])
def test_em_stops_one_step_after_a_small_gain(chunk):
    model = Level([1.0, 0.5, 0.25, 0.125, 9.0])
    history, valid, converged = em(
        model, model.log_prob, model.step, X, n_iter=5, tolerance=0.3, chunk=chunk
    )
    assert history == [3.0, 2.0, 1.5, 1.25, 1.125]
    assert valid == [] and converged is True and int(model.steps) == 4


def test_em_takes_no_more_steps_than_asked():
    model = Level([1.0, 0.5, 0.25])
    history, _, converged = em(model, model.log_prob, model.step, X, n_iter=2, tolerance=0.0)
    assert history == [3.0, 2.0, 1.5] and converged is False


def test_em_keeps_what_is_best_for_held_out_data():
    model = Level([1.0, 1.0, 1.0, 1.0, 1.0, 1.0])

    def log_prob(x: Tensor) -> Tensor:  # the example of held-out data is best at level 2
        return torch.where(x == 0, -((model.level - 2) ** 2), model.log_prob(x))

    held_out = torch.zeros(1).double()
    history, valid, converged = em(
        model, log_prob, model.step, X, n_iter=6, tolerance=0.0, valid=held_out, patience=2
    )
    assert history == [3.0, 2.0, 1.0, 0.0, -1.0]
    assert valid == [4.0, 1.0, 0.0, 1.0, 4.0]
    assert converged is False and float(model.level) == 2 and int(model.steps) == 2


def test_em_refuses_what_makes_no_sense():
    model = Level([1.0])
    for option in ({"n_iter": 0}, {"patience": 0}, {"tolerance": -1.0}):
        options = {"n_iter": 1, "tolerance": 0.0} | option
        with pytest.raises(ValueError, match=f"^{next(iter(option))}: "):
            em(model, model.log_prob, model.step, X, **options)


class Shift(nn.Module):
    """A Gaussian with a free mean."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(()).double())

    def log_prob(self, x: Tensor) -> Tensor:
        return -0.5 * (x - self.mean) ** 2


def test_lbfgs_turns_gradients_on_and_leaves_the_graph_of_the_data():
    for x in (X, X.clone().requires_grad_() * 1.0):
        model = Shift()
        with torch.no_grad():
            history = lbfgs(model, model.log_prob, (x,), chunk=2)
        assert float(model.mean.detach()) == pytest.approx(-3, abs=1e-6)
        assert history[-1] == pytest.approx(4 / 3, abs=1e-9) and history[0] > history[-1]


def test_lbfgs_takes_a_step_at_least():
    with pytest.raises(ValueError, match=r"^n_iter: expected at least 1, got 0"):
        lbfgs(Shift(), Shift().log_prob, (X,), n_iter=0)


def test_lbfgs_goes_through_its_data_in_chunks_and_ends_with_the_best():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(30, 4, generator=generator).double() * torch.tensor([1.0, 3.0, 9.0, 27.0])
    model, asked, held = nn.Linear(4, 1, bias=False).double(), [], []
    nn.init.zeros_(model.weight)

    def log_prob(x, y):
        found = -(model(x)[:, 0] - y).square()
        if torch.is_grad_enabled():
            asked.append(len(y))
        else:
            held.append((len(y), float(found.sum())))
        return found

    valid = x[:10], 0.3 * x[:10].sum(dim=1)
    lbfgs(model, log_prob, (x, x.sum(dim=1)), n_iter=30, valid=valid, patience=30, chunk=8)
    assert asked[:8] == [8, 8, 8, 6] * 2
    assert [n for n, _ in held[:4]] == [8, 2] * 2
    scores = [a + b for (_, a), (_, b) in zip(held[::2], held[1::2], strict=True)]
    assert max(scores) > scores[-1] + 1
    assert float(log_prob(*valid).detach().sum()) == pytest.approx(max(scores))


def test_lbfgs_keeps_log_precisions_in_bounds_and_nothing_else():
    class Part(nn.Module):
        def __init__(self):
            super().__init__()
            self.alpha = nn.Parameter(torch.zeros(()).double())
            self.mean = nn.Parameter(torch.zeros(()).double())

    model = nn.ModuleDict({"part": Part()})

    def log_prob(x):  # best at 100 and 100
        part = model["part"]
        return -((part.alpha - 100) ** 2) - (part.mean - 100) ** 2 + 0 * x

    lbfgs(model, log_prob, (X,))
    found = float(model["part"].alpha.detach()), float(model["part"].mean.detach())
    assert found == pytest.approx((LOG_PRECISION_BOUND, 100), abs=1e-3)


@pytest.mark.parametrize("n_iter", [1, 3])
def test_lbfgs_ends_with_the_likelihood_that_it_says(n_iter):
    x = torch.linspace(-1, 3, 12).double().reshape(4, 3)
    model = nn.Linear(3, 1).double()

    def log_prob(x):
        return -((model(x)[:, 0] - x[:, 0] ** 2) ** 2) - 0.1 * model(x)[:, 0] ** 4

    history = lbfgs(model, log_prob, (x,), n_iter=n_iter)
    assert len(history) == n_iter + 1
    assert -float(log_prob(x).mean().detach()) == pytest.approx(history[-1]) == min(history)


def test_em_judges_in_chunks():
    model, asked = nn.Linear(1, 1), []

    def log_prob(x):
        asked.append(len(x))
        return x[:, 0]

    em(model, log_prob, lambda x: 0.0, torch.zeros(7, 1), n_iter=1, tolerance=0.0, chunk=3)
    assert asked == [3, 3, 1]
