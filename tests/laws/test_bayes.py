"""Bayes' rule both ways, over all mixtures, and over some that get it wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gdmlib.captions import CaptionGaussians

from .bayes import check_both_ways
from .registry import BY_NAME, having
from .registry_captions import gaussians

MIXTURES = having("log_joint", "responsibilities")


class ForgetsThePrior(CaptionGaussians):
    """Takes all captions for equally probable, but only when it reads a picture."""

    def responsibilities(self, x):
        return (self.log_joint(x) - self.log_prior).softmax(dim=1)


class KnowsOneCaption(CaptionGaussians):
    """Sums the joint law over half of the captions."""

    def _log_prob(self, x):
        return self._log_joint(x)[:, ::2].logsumexp(dim=1)


@pytest.mark.parametrize("case", MIXTURES, ids=str)
def test_both_factorizations_are_one_law(case):
    check_both_ways(case)


def test_captions_are_among_them():
    assert "CaptionGaussians" in {case.name for case in MIXTURES}
    assert len(MIXTURES) > 3


@pytest.mark.parametrize("kind", [ForgetsThePrior, KnowsOneCaption])
def test_wrong_ones_are_found(kind):
    case = replace(BY_NAME["CaptionGaussians"], build=lambda: gaussians(0, kind))
    assert torch.isfinite(case.model.log_prob(case.domain.points)).all()
    with pytest.raises(AssertionError, match=r"law 9, Bayes' rule: .* the two factorizations"):
        check_both_ways(case)
