"""Law 3: no factor sees its own pixel or a later one, and each sees all the earlier ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gdmlib.autoregressive import FVSBN, MADE, NADE

from .builders import randomise
from .causality import check_causal, dependence
from .registry import CAUSAL
from .registry_autoregressive import ORDER, fvsbn, made

BY_NAME = {case.name: case for case in CAUSAL}


@pytest.mark.parametrize("case", CAUSAL, ids=str)
def test_factors_see_the_past_and_nothing_else(case):
    check_causal(case)


def test_names_are_unique():
    assert len(BY_NAME) == len(CAUSAL)


def test_dependence_of_two_pixels_is_the_weight():
    model = FVSBN(2).double()
    with torch.no_grad():
        model.weight[1, 0] = -3.0
    found = dependence(replace(BY_NAME["FVSBN"], build=lambda: model, events=torch.eye(2).double()))
    assert found.tolist() == [[0, 0], [3, 0]]


class SeesItself(FVSBN):
    """Keeps the diagonal."""

    def _logits(self, z):
        return z @ self.weight.tril(0).T + self.bias


class SeesTheFuture(FVSBN):
    """Takes the wrong triangle."""

    def _logits(self, z):
        return z @ self.weight.triu(1).T + self.bias


class ForgetsTheOrdering(FVSBN):
    """Returns the logits in the order of visits, not in that of the image."""

    def logits(self, x):
        return self._logits(x[:, self.ordering])


class BlindToTheFirst(NADE):
    """Begins to remember with the second pixel."""

    def _logits(self, z):
        return super()._logits(torch.cat([0 * z[:, :1], z[:, 1:]], dim=1))


class LeakyOutput(MADE):
    """Uses ≥ instead of > for the output: equation 14 without its strictness."""

    def _kept(self, mask, dtype):
        *kept, _, before = super()._kept(mask, dtype)
        place = self.orderings[mask].argsort()
        return [*kept, place[:, None] + 1 >= self.degrees[-1][mask], before]


@pytest.mark.parametrize(
    ("name", "build", "what"),
    [
        ("FVSBN", lambda: randomise(SeesItself(4), 0, 1.0), "sees itself"),
        ("FVSBN", lambda: randomise(SeesTheFuture(4), 0, 1.0), "comes later"),
        (
            "FVSBN, ordering",
            lambda: randomise(ForgetsTheOrdering(4, ordering=ORDER), 0, 1.0),
            "blind",
        ),
        ("FVSBN, ordering", lambda: fvsbn(ordering=[3, 2, 1, 0]), "sees"),
        ("NADE", lambda: randomise(BlindToTheFirst(4, hidden=5), 0, 1.0), "is blind to 0"),
        ("MADE", lambda: randomise(LeakyOutput(4, hidden=(6, 5)), 0, 1.0), "sees itself"),
        # Two units cannot carry the three degrees of four pixels.
        ("MADE, indirect", lambda: made(hidden=(2,), direct=False), "is blind to"),
    ],
)
def test_a_broken_model_is_rejected(name, build, what):
    with pytest.raises(AssertionError, match=f"law 3, causality: {name}.*{what}"):
        check_causal(replace(BY_NAME[name], build=build))


def test_what_is_not_promised_need_not_be_seen():
    check_causal(
        replace(
            BY_NAME["NADE"],
            build=lambda: randomise(BlindToTheFirst(4, hidden=5), 0, 1.0),
            promised=lambda i, j: j > 0,
        )
    )


def test_an_order_that_is_none_is_rejected():
    with pytest.raises(AssertionError, match="no ordering"):
        check_causal(replace(BY_NAME["FVSBN"], order=[0, 1, 1, 2]))
