"""Law 2: samples fall where log_prob says."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gdmlib.densities import Categorical, LogisticRegression, MultivariateNormal, Normal

from . import laws
from .builders import tensor
from .registry import BY_NAME, having


@pytest.mark.parametrize("case", having("log_prob", "sample"), ids=str)
def test_samples_agree_with_log_prob(case):
    laws.check_samples(case)


def test_an_impossible_outcome_is_never_drawn():
    laws.check_samples(
        replace(BY_NAME["Categorical"], build=lambda: Categorical(tensor(0, 0.6, 0.4, 0)))
    )


class VarianceForStd(Normal):
    """Multiplies the noise by the variance."""

    def sample(self, n, generator=None):
        return self.mean + self.std * (super().sample(n, generator) - self.mean)


class Transposed(MultivariateNormal):
    """Uses z L where z Lᵀ is meant."""

    def sample(self, n, generator=None):
        return self.mean + torch.randn(n, 2, generator=generator).double() @ self.scale_tril


class OffByOne(Categorical):
    """Takes the last outcome whose cumulative probability is below u."""

    def sample(self, n, generator=None):
        return (super().sample(n, generator) - 1).clamp(min=0)


class Impossible(Categorical):
    """Once in a thousand draws an outcome that does not exist."""

    def sample(self, n, generator=None):
        x = super().sample(n, generator)
        x[::1000] = 4
        return x


class Swapped(LogisticRegression):
    """Draws a 1 where u > p."""

    def sample(self, x, generator=None):
        return 1 - super().sample(x, generator)


class TooMany(Normal):
    """Returns a column."""

    def sample(self, n, generator=None):
        return super().sample(n, generator)[:, None]


PLANE = (tensor(0.5, -1), tensor([2, -0.9], [-0.9, 0.7]))


@pytest.mark.parametrize(
    ("name", "build"),
    [
        ("Normal", lambda: VarianceForStd(*tensor(0.5, 1.5))),
        ("Normal", lambda: TooMany(*tensor(0.5, 1.5))),
        ("MultivariateNormal 2-D", lambda: Transposed(*PLANE)),
        ("Categorical", lambda: OffByOne(tensor(0.1, 0.2, 0.4, 0.3))),
        ("Categorical", lambda: Impossible(tensor(0.1, 0.2, 0.4, 0.3))),
        ("LogisticRegression", lambda: Swapped(tensor(1.5, -2), tensor(0.3)[0])),
    ],
)
def test_a_broken_sampler_is_rejected(name, build):
    with pytest.raises(AssertionError, match="law 2, sampling"):
        laws.check_samples(replace(BY_NAME[name], build=build))


def test_false_alarms_are_as_rare_as_stated(monkeypatch):
    # With a rate of 10 %, a correct sampler is rejected by at most about 10 % of 100 seeds.
    monkeypatch.setattr(laws, "FALSE_ALARM", 0.1)
    rejected = 0
    for seed in range(100):
        try:
            laws.check_samples(BY_NAME["Categorical"], n=1000, seed=seed)
        except AssertionError:
            rejected += 1
    assert 1 <= rejected <= 20
