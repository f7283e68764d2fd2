"""Law 1: probabilities sum to 1, densities integrate to 1."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gdmlib.densities import Categorical, LogisticRegression, Normal

from . import laws
from .builders import tensor
from .registry import BY_NAME, having


@pytest.mark.parametrize("case", having("log_prob"), ids=str)
def test_total_is_one(case):
    laws.check_normalised(case)


def test_an_impossible_outcome_adds_nothing():
    laws.check_normalised(
        replace(BY_NAME["Categorical"], build=lambda: Categorical(tensor(0, 0.6, 0.4, 0)))
    )


class WithoutLogStd(Normal):
    """Forgets the logarithm of the standard deviation."""

    def log_prob(self, x):
        return super().log_prob(x) + self.std.log()


class OneSided(LogisticRegression):
    """Gives the probability of y = 1, whatever y is."""

    def log_prob(self, y, x):
        return super().log_prob(y * 0 + 1, x)


class Unnormalised(Categorical):
    """Takes logits for log-probabilities."""

    def log_prob(self, x):
        return super().log_prob(x) + 0.01


@pytest.mark.parametrize(
    ("name", "build"),
    [
        ("Normal", lambda: WithoutLogStd(*tensor(0.5, 1.5))),
        ("LogisticRegression", lambda: OneSided(tensor(1.5, -2), tensor(0.3)[0])),
        ("Categorical", lambda: Unnormalised(tensor(0.1, 0.2, 0.4, 0.3))),
    ],
)
def test_a_broken_model_is_rejected(name, build):
    with pytest.raises(AssertionError, match="law 1, normalisation"):
        laws.check_normalised(replace(BY_NAME[name], build=build))
