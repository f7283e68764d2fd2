"""Law 4: the incremental samplers, the walk of NADE and EM in pieces equal the plain way."""

from __future__ import annotations

import pytest
import torch

from gdmlib.autoregressive import FVSBN, NADE, BernoulliMixture, bernoulli, plain_sample
from gdmlib.autoregressive.nade import plain_logits

from .builders import randomise, seeded
from .fast_slow import check_fast_is_slow
from .registry_autoregressive import fvsbn, made, mixture, nade

REJECTED = "law 4, fast equals slow"
ORDER = [7, 3, 0, 5, 1, 8, 2, 6, 4]


SAMPLERS = {
    "FVSBN": lambda: fvsbn(shape=(1, 3, 3), ordering=ORDER),
    "NADE": lambda: nade(shape=(1, 3, 3), ordering=ORDER),
    "MADE": lambda: made(shape=(1, 3, 3), hidden=(20, 9), orderings=[ORDER]),
    "MADE, few units": lambda: made(shape=(1, 3, 3), hidden=(3, 11, 2), orderings=[ORDER]),
    "MADE, direct only": lambda: made(shape=(1, 3, 3), hidden=(), orderings=[ORDER]),
    "MADE, indirect": lambda: made(shape=(1, 3, 3), direct=False, orderings=[ORDER]),
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_incremental_sampler(name):
    model = SAMPLERS[name]()
    check_fast_is_slow(name, model.sample(500, seeded()), plain_sample(model, 500, seeded()))


def events(n=40, d=30):
    return (torch.rand(n, d, generator=seeded()) < 0.4).double()


def test_nade_walk():
    model, x = nade(shape=30, ordering=torch.randperm(30, generator=seeded())), events()
    check_fast_is_slow("NADE", model.logits(x), plain_logits(model, x), 1e-13)


def test_gradient_of_nade_walk():
    x, direction = events(), torch.randn(40, 30, generator=seeded()).double()
    fast, slow = nade(shape=30), nade(shape=30)
    (fast.logits(x) * direction).sum().backward()
    (plain_logits(slow, x) * direction).sum().backward()
    for (name, a), b in zip(fast.named_parameters(), slow.parameters(), strict=True):
        check_fast_is_slow(f"NADE, gradient by {name}", a.grad, b.grad, 1e-12)


def test_nade_walk_does_not_drift_in_float32():
    # The way back subtracts in float32 what the way forth has added, 784 times.
    x = (torch.rand(8, 784, generator=seeded()) < 0.3).float()
    grads = []
    for dtype in (torch.float32, torch.float64):
        model = NADE(784, hidden=16, generator=seeded()).to(dtype)
        model.log_prob(x.to(dtype)).mean().backward()
        grads.append(torch.cat([p.grad.flatten() for p in model.parameters()]).double())
    check_fast_is_slow("NADE, float32", *grads, 1e-5)


def test_em_in_pieces(monkeypatch):
    whole, pieces, x = mixture(), mixture(), events(40, 4)
    likelihood = whole.em_step(x)
    monkeypatch.setattr(bernoulli, "CHUNK", 7)
    assert pieces.em_step(x) == pytest.approx(likelihood, abs=1e-13)
    check_fast_is_slow("EM", pieces.log_odds, whole.log_odds, 1e-12)


def test_fit_of_fvsbn_in_pieces():
    x = (torch.rand(60, 6, generator=seeded()) < 0.4).double()
    whole, pieces = (FVSBN.fit(x, 1.0, chunk=n) for n in (60, 7))
    check_fast_is_slow("FVSBN.fit", pieces.weight, whole.weight, 1e-6)


def test_mixture_by_its_chain_rule():
    model, x = mixture(), events(16, 4)
    factors = model.logits(x)
    chain = -torch.nn.functional.softplus((1 - 2 * x) * factors).sum(dim=1)
    check_fast_is_slow("BernoulliMixture", model.log_prob(x), chain, 1e-13)


class ForgetsTheLast(FVSBN):
    """Updates the logits one pixel too late."""

    def _ancestral(self, t):
        z = torch.zeros_like(t)
        for k in range(t.shape[1]):
            earlier = max(k - 1, 0)
            z[:, k] = self.bias[k] + z[:, :earlier] @ self.weight[k, :earlier] > t[:, k]
        return z


class WalksBackWrongly(NADE):
    """Adds each pixel before the factor looks."""

    def _logits(self, z):
        return super()._logits(z.roll(1, dims=1))


def test_a_broken_sampler_is_rejected():
    model = randomise(ForgetsTheLast(9), 0, 1.0)
    with pytest.raises(AssertionError, match=REJECTED):
        check_fast_is_slow(
            "broken", model.sample(500, seeded()), plain_sample(model, 500, seeded())
        )


def test_a_broken_walk_is_rejected():
    model, x = randomise(WalksBackWrongly(30, hidden=5), 0, 1.0), events()
    with pytest.raises(AssertionError, match=REJECTED):
        check_fast_is_slow("broken", model.logits(x), plain_logits(model, x), 1e-13)


def test_other_shapes_and_dtypes_are_rejected():
    a = torch.zeros(3)
    for b in (torch.zeros(3, 1), torch.zeros(3).double()):
        with pytest.raises(AssertionError, match=f"{REJECTED}.*shape"):
            check_fast_is_slow("broken", a, b)


def test_the_mixture_is_not_its_own_shadow():
    a, b = mixture(0), mixture(1)
    assert isinstance(a, BernoulliMixture)
    with pytest.raises(AssertionError, match=REJECTED):
        check_fast_is_slow("other", a.log_prob(events(9, 4)), b.log_prob(events(9, 4)), 1e-3)
