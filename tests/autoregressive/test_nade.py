"""NADE: values, the start, learning, errors."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch.autograd import forward_ad
from torch.nn.functional import binary_cross_entropy_with_logits

from gdmlib.autoregressive import FVSBN, NADE
from gdmlib.autoregressive.nade import plain_logits
from gdmlib.training import scores, train
from tests.autoregressive.completion import check_completion


def nats(model, x):
    return float(scores(model, x).mean())


def parity(n: int = 512, seed: int = 0) -> torch.Tensor:
    """Draw three coins and their parity: no regression on single pixels can see the last one."""
    coins = (torch.rand(n, 3, generator=torch.Generator().manual_seed(seed)) < 0.5).float()
    return torch.cat([coins, coins.sum(dim=1, keepdim=True) % 2], dim=1)


def test_two_pixels_by_hand():
    model = NADE(2, hidden=1).double()
    with torch.no_grad():
        for parameter, value in zip(
            (model.weight_in, model.weight_out, model.bias_hidden, model.bias),
            ([[3.0], [9.0]], [[2.0], [-1.0]], [0.5], [0.1, 0.2]),
            strict=True,
        ):
            parameter.copy_(torch.tensor(value))
    found = model.logits(torch.tensor([[1.0, 0.0], [0.0, 1.0]]).double())
    sigma = torch.sigmoid(torch.tensor([0.5, 3.5]).double())
    first = float(0.1 + 2 * sigma[0])
    expected = [[first, float(0.2 - sigma[1])], [first, float(0.2 - sigma[0])]]
    assert torch.allclose(found, torch.tensor(expected).double())


def test_start():
    a, b, c = (NADE(50, hidden=20, generator=torch.Generator().manual_seed(s)) for s in (0, 0, 1))
    assert torch.equal(a.weight_in, b.weight_in)
    assert torch.equal(a.weight_out, b.weight_out)
    assert not torch.equal(a.weight_in, c.weight_in)
    assert 0.9 / math.sqrt(50) < float(a.weight_in.detach().abs().max()) <= 1 / math.sqrt(50)
    assert 0.9 / math.sqrt(20) < float(a.weight_out.detach().abs().max()) <= 1 / math.sqrt(20)
    assert NADE((1, 2, 3)).weight_in.shape == (6, 500)


def test_it_learns_what_a_regression_cannot():
    x = parity()
    model = NADE(4, hidden=12, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(0)
    history = train(
        model, x, x[:100], epochs=100, batch_size=64, lr=0.05, final_lr=0.005, generator=generator
    )
    assert nats(model, x) < 3 * math.log(2) + 0.1
    assert nats(FVSBN.fit(x, 0.1), x) > 4 * math.log(2) - 0.05
    assert min(history.valid["loss"]) < history.valid["loss"][0]
    samples = model.sample(200, torch.Generator().manual_seed(1))
    assert float((samples.sum(dim=1) % 2 == 0).float().mean()) > 0.9


def test_no_gradient_is_asked_for_the_pixels():
    model = NADE(3, hidden=2)
    with torch.no_grad():
        assert torch.equal(model.logits(torch.ones(1, 3)), plain_logits(model, torch.ones(1, 3)))


def test_the_gradient_of_some_parameters_only():
    model = NADE(3, hidden=2)
    model.weight_in.requires_grad_(False)
    model.log_prob(torch.ones(2, 3)).sum().backward()
    assert model.weight_in.grad is None
    assert model.weight_out.grad is not None


def sharp(ordering=(3, 1, 0, 2, 4)) -> NADE:
    """Return a model of 5 pixels with large weights, float64."""
    generator = torch.Generator().manual_seed(0)
    model = NADE(5, hidden=4, ordering=ordering, generator=generator).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator))
    return model


def bits(n: int = 3) -> torch.Tensor:
    return (torch.rand(n, 5, generator=torch.Generator().manual_seed(1)) < 0.5).double()


def by_definition(model: NADE, x: torch.Tensor) -> torch.Tensor:
    """Return log p(x), as plain operations that autograd can differentiate."""
    logits = torch.stack(plain_columns(model, x), dim=1)
    return -binary_cross_entropy_with_logits(logits, x, reduction="none").sum(dim=1)


def plain_columns(model: NADE, x: torch.Tensor) -> list[torch.Tensor]:
    z = x[:, model.ordering]
    columns = []
    for k in model.ordering.argsort().tolist():
        hidden = torch.sigmoid(model.bias_hidden + z[:, :k] @ model.weight_in[:k])
        columns.append(model.bias[k] + hidden @ model.weight_out[k])
    return columns


def test_the_gradient_by_the_pixels_is_the_finite_difference():
    model = sharp()
    z = torch.rand(3, 5, generator=torch.Generator().manual_seed(2)).double().requires_grad_()
    assert torch.autograd.gradcheck(model._logits, z)
    assert torch.autograd.gradgradcheck(model._logits, z)
    x = bits().requires_grad_()
    (found,) = torch.autograd.grad(model.log_prob(x).sum(), x)
    (wanted,) = torch.autograd.grad(by_definition(model, x).sum(), x)
    assert torch.allclose(found, wanted)


def one(log_prob):
    return lambda x: log_prob(x[None])[0]


def jvp(f, x):
    return torch.autograd.functional.jvp(f, x, torch.ones_like(x))[1]


def dual(f, x):
    with forward_ad.dual_level():
        return forward_ad.unpack_dual(f(forward_ad.make_dual(x, torch.ones_like(x)))).tangent


@pytest.mark.parametrize(
    "derive",
    [
        lambda f, x: torch.autograd.functional.hessian(f, x),
        lambda f, x: torch.func.grad(f)(x),
        lambda f, x: torch.func.hessian(f)(x),
        lambda f, x: torch.func.jacrev(torch.func.jacrev(f))(x),
        lambda f, x: torch.func.jacfwd(f)(x),
        lambda f, x: torch.func.vmap(torch.func.grad(f))(x[None])[0],
        lambda f, x: torch.func.vmap(f)(x[None])[0],
        jvp,
        dual,
    ],
)
def test_every_derivative_that_torch_offers_is_that_of_the_definition(derive):
    model, x = sharp(), bits()[0]
    found, wanted = (derive(one(f), x) for f in (model.log_prob, partial(by_definition, model)))
    assert torch.allclose(found, wanted)
    assert bool(found.any())


@pytest.mark.parametrize("enabled", [True, False])
def test_a_gradient_an_example(enabled):
    class LogProb(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = sharp()

        def forward(self, x):
            return self.inner.log_prob(x[None])[0]

    model, x = LogProb(), bits()
    parameters = dict(model.named_parameters())
    with torch.set_grad_enabled(enabled):
        found = torch.func.vmap(
            torch.func.grad(lambda p, x: torch.func.functional_call(model, p, (x,))), (None, 0)
        )(parameters, x)
    for i in range(len(x)):
        loss = by_definition(model.inner, x[i : i + 1])[0]
        wanted = torch.autograd.grad(loss, list(parameters.values()))
        for name, gradient in zip(parameters, wanted, strict=True):
            assert torch.allclose(found[name][i], gradient)


def test_the_forward_derivative_by_the_weights():
    model, x = sharp(), bits()
    named = dict(model.named_parameters())
    steps = {name: torch.randn_like(p) for name, p in named.items()}
    found, wanted = (
        torch.func.jvp(lambda p, f=f: functional_logits(model, p, f, x), (named,), (steps,))[1]
        for f in (model.logits, lambda x: torch.stack(plain_columns(model, x), dim=1))
    )
    assert torch.allclose(found, wanted)


def functional_logits(model, parameters, logits, x):
    class Logits(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = model

        def forward(self, x):
            return logits(x)

    named = {f"inner.{name}": p for name, p in parameters.items()}
    return torch.func.functional_call(Logits(), named, (x,))


def test_many_gradients_by_the_old_vmap_are_refused():
    x = bits().requires_grad_()
    with pytest.raises(RuntimeError, match="Batching rule"):
        torch.autograd.grad(sharp().log_prob(x), x, torch.eye(3).double(), is_grads_batched=True)


def test_completion_with_an_ordering_that_is_not_its_own_inverse():
    generator = torch.Generator().manual_seed(0)
    model = NADE(4, hidden=3, ordering=np.array([1, 3, 0, 2])[::-1], generator=generator).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator))
    check_completion(model, [0, 2])


@pytest.mark.parametrize("hidden", [3, np.int64(3), [3], (np.int64(3),), np.array([3])])
def test_one_layer_is_a_number_or_a_sequence(hidden):
    assert NADE(4, hidden=hidden).weight_in.shape == (4, 3)


@pytest.mark.parametrize("hidden", [(), (3, 4)])
def test_there_is_one_layer(hidden):
    with pytest.raises(ValueError, match=rf"hidden: expected one layer, got {len(hidden)}"):
        NADE(4, hidden=hidden)


@pytest.mark.parametrize("hidden", [0, -1, 2.5])
def test_hidden_units_are_counted(hidden):
    with pytest.raises(ValueError, match=r"^hidden: expected"):
        NADE(3, hidden=hidden)


@pytest.mark.parametrize("shape", [2.5, None, 0, -1, True, (), (2, 0), "ab"])
def test_shapes_of_events_are_whole_numbers(shape):
    with pytest.raises(ValueError, match="event_shape: expected a positive whole number"):
        NADE(shape, hidden=2)


def test_ordering():
    with pytest.raises(ValueError, match="ordering: expected a permutation"):
        NADE(3, hidden=2, ordering=[0, 1, 1])
