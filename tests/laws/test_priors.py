"""Law 8: what solvers climb is the gradient of log p, of every density by its event."""

from __future__ import annotations

import pytest
import torch

from gdmlib.inverse import CausalPrior, gradient

from .derivatives import Smooth, check_second_derivatives
from .input_gradients import check_input_gradient
from .priors import PICTURES, PRIORS
from .registry import having
from .registry_images import mcgsm_image

# Forward-mode derivatives of PyTorch compile something on their first use.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")

DENSITIES = [case for case in having("log_prob") if case.arguments(1)[0].is_floating_point()]


class Given:
    """A p(y | x) at given x, as a density of y."""

    def __init__(self, case):
        self.case = case

    def log_prob(self, y):
        x = self.case.arguments(2)[1:]
        return self.case.model.log_prob(y, *(a[:1].expand(len(y), *a.shape[1:]) for a in x))


@pytest.mark.parametrize("case", DENSITIES, ids=str)
def test_every_density_has_the_gradient_of_its_event(case):
    events = case.arguments(2)[0]
    prior = case.model if case.inputs is None else Given(case)
    if events.ndim == 1:  # a density of numbers: an event has no dimension of its own
        prior, events = Numbers(prior), events[:, None]
    check_input_gradient(str(case), prior, events)


class Numbers:
    """A density of single numbers as one of vectors of length 1."""

    def __init__(self, inner):
        self.inner = inner

    def log_prob(self, x):
        return self.inner.log_prob(x[:, 0])


@pytest.mark.parametrize("name", PRIORS)
def test_every_prior_has_the_gradient_of_its_log_prob(name):
    check_input_gradient(name, *PRIORS[name])


@pytest.mark.parametrize("name", PRIORS)
def test_second_derivatives_of_priors_are_right_or_refused(name):
    prior, x = PRIORS[name]
    check_second_derivatives(Smooth(name, prior.log_prob, (x,)))


class Blocked(CausalPrior):
    """Forgets that pixels are contexts of others."""

    def _of(self, x):
        grey = x.flatten(0, 1)[:, None]
        contexts = self.model.neighbourhood.contexts(grey[:, 0].detach())
        pixels = self.model.neighbourhood.window(grey[:, 0])
        return self.model._map(contexts, pixels).sum(dim=(1, 2)).unflatten(0, x.shape[:2]).sum(1)


class Mixed:
    """Looks at the whole batch."""

    def log_prob(self, x):
        return -(x - x.mean(dim=0)).flatten(1).square().sum(dim=1)


class Scaled:
    """Has the gradient of another density."""

    def log_prob(self, x):
        return -Twice.apply(x).flatten(1).sum(dim=1)


class Twice(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.saved_tensors[0]


@pytest.mark.parametrize("broken", [Blocked(mcgsm_image()), Mixed(), Scaled()])
def test_a_wrong_gradient_is_rejected(broken):
    with pytest.raises(AssertionError, match="law 8, priors: broken: the gradient is off"):
        check_input_gradient("broken", broken, PICTURES)


def test_the_gradient_leaves_parameters_alone():
    model = mcgsm_image()
    gradient(CausalPrior(model), PICTURES)
    assert all(p.grad is None for p in model.parameters())
