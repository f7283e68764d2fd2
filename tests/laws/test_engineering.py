"""Law 10: batches, generators, states, gradients, dtypes and errors."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gdmlib.densities import Normal

from . import laws
from .builders import tensor
from .derivatives import check_gradients
from .registry import BY_NAME, having

ENGINEERING = {
    laws.check_batch_is_stack: ("log_prob",),
    laws.check_same_generator: ("sample",),
    laws.check_state: ("log_prob",),
    check_gradients: ("log_prob",),
    laws.check_float32: ("log_prob",),
    laws.check_errors: ("log_prob", "sample"),
}


@pytest.mark.parametrize(
    ("case", "law"),
    [
        pytest.param(case, law, id=f"{case}-{law.__name__}")
        for law, abilities in ENGINEERING.items()
        for case in having(*abilities)
    ],
)
def test_engineering(case, law):
    law(case)


class SeesTheBatch(Normal):
    """Standardises by the batch."""

    def log_prob(self, x):
        return super().log_prob(x - x.mean())


class GlobalRandomness(Normal):
    """Ignores its generator."""

    def sample(self, n, generator=None):
        return super().sample(n)


class AlwaysTheSame(Normal):
    """Seeds itself."""

    def sample(self, n, generator=None):
        return super().sample(n, torch.Generator().manual_seed(0))


class HiddenState(Normal):
    """Keeps a number where state_dict does not see it."""

    def __init__(self, mean, std):
        super().__init__(mean, std)
        self.scale = float(std)

    def log_prob(self, x):
        return super().log_prob(x) - self.scale


class Detached(Normal):
    """Stops the gradient."""

    def log_prob(self, x):
        return super().log_prob(x.detach())


class ByExponential(Normal):
    """Takes the logarithm of the density, which underflows in the tails."""

    def log_prob(self, x):
        return super().log_prob(x).exp().log()


class Inaccurate(Normal):
    """Loses digits in float32."""

    def log_prob(self, x):
        return super().log_prob(x) + 1000 - 1000 * (1 + 1e-6 * (x.dtype == torch.float32))


class AcceptsAnything(Normal):
    """Broadcasts whatever comes."""

    def log_prob(self, x):
        x = torch.as_tensor(x)
        return -0.5 * ((x - self.mean) / self.std) ** 2 - self.std.log() - 0.919


class WrongError(Normal):
    """Fails with an error of another type."""

    def log_prob(self, x):
        if x.ndim != 1:
            raise IndexError("dimension out of range")
        return super().log_prob(x)


class SilentError(Normal):
    """Fails without a word."""

    def log_prob(self, x):
        try:
            return super().log_prob(x)
        except ValueError:
            raise ValueError from None


@pytest.mark.parametrize(
    ("law", "broken", "what"),
    [
        (laws.check_batch_is_stack, SeesTheBatch, "a batch and its members"),
        (laws.check_same_generator, GlobalRandomness, "one seed gives two"),
        (laws.check_same_generator, AlwaysTheSame, "the seed is ignored"),
        (laws.check_state, HiddenState, "does not hold the whole model"),
        (check_gradients, Detached, "gradients"),
        (laws.check_float32, ByExponential, "not finite"),
        (laws.check_float32, Inaccurate, "is off by"),
        (laws.check_errors, AcceptsAnything, "accepted"),
        (laws.check_errors, WrongError, "IndexError, not ValueError"),
        (laws.check_errors, SilentError, "the error says"),
    ],
)
def test_a_broken_model_is_rejected(law, broken, what):
    case = replace(
        BY_NAME["Normal"],
        build=lambda: broken(*tensor(0.5, 1.5)),
        other=lambda: broken(*tensor(1, 2)),
    )
    with pytest.raises(AssertionError, match=f"law 10, engineering: Normal.*{what}"):
        law(case)


def test_a_case_needs_two_different_models():
    case = replace(BY_NAME["Normal"], other=BY_NAME["Normal"].build)
    with pytest.raises(AssertionError, match="no other one"):
        laws.check_state(case)
