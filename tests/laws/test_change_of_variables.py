"""Law 6: log-determinants are those of autograd's Jacobian, and inverses are inverses."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gdmlib.latent.coupling import AffineCoupling
from gdmlib.latent.flow_layers import ActNorm, bounded

from .builders import randomise, seeded
from .change_of_variables import check_inverse, check_log_det
from .registry_latent_flows import MAPS, SIZE, moved


@pytest.mark.parametrize("case", MAPS, ids=str)
def test_log_determinants_are_those_of_the_jacobian(case):
    check_log_det(case)


@pytest.mark.parametrize("case", MAPS, ids=str)
def test_one_way_undoes_the_other(case):
    check_inverse(case)


class WithoutScale(AffineCoupling):
    """Forgets the volume."""

    def _move(self, x, steer):
        y, log_scale = super()._move(x, steer)
        return y, 0 * log_scale


class OneSign(AffineCoupling):
    """Forgets that the volume of the way back is the inverse one."""

    def _move_back(self, y, steer):
        x, log_scale = super()._move_back(y, steer)
        return x, -log_scale


class ScaledFirst(AffineCoupling):
    """Undoes the two steps in the order in which they were done."""

    def _move_back(self, y, steer):
        raw, shift = steer
        log_scale = -bounded(raw, self.limit)
        return y * log_scale.exp() - shift, log_scale


class PerPixel(ActNorm):
    """Counts a channel's scale once, not once a pixel."""

    def _log_det(self):
        return self.log_scale.sum()


class KeepsNothing(AffineCoupling):
    """Steers by the numbers that it moves."""

    def _forward(self, x):
        kept, half = self._split(x)
        half, log_det = self._move(half, self._steer(half))
        return self._merge(kept, half), log_det.sum(dim=1)


BY_NAME = {case.name: case for case in MAPS}


def broken(kind):
    return lambda: moved(kind, 4, hidden=(6, 5))(0)


@pytest.mark.parametrize(
    ("law", "name", "build", "what"),
    [
        (check_log_det, "AffineCoupling", broken(WithoutScale), "forward: the log-determinant"),
        (check_log_det, "AffineCoupling", broken(OneSign), "inverse: the log-determinant"),
        (check_log_det, "AffineCoupling", broken(KeepsNothing), "forward: the log-determinant"),
        (check_log_det, "ActNorm of channels",
         lambda: randomise(PerPixel((2, 2, 1)), 0, SIZE), "forward: the log-determinant"),
        (check_inverse, "AffineCoupling", broken(ScaledFirst), "is not x"),
        (check_inverse, "AffineCoupling", broken(OneSign), "do not cancel"),
    ],
)  # fmt: skip
def test_a_broken_map_is_rejected(law, name, build, what):
    case = replace(BY_NAME[name], build=build)
    with pytest.raises(AssertionError, match=f"law 6, change of variables: {name}: .*{what}"):
        law(case)


def test_a_jacobian_is_that_of_one_event():
    matrix = torch.randn(3, 3, generator=seeded()).double()
    found = BY_NAME["InvertibleLinear"].points
    from .change_of_variables import log_volume

    expected = torch.linalg.slogdet(matrix).logabsdet.expand(len(found))
    torch.testing.assert_close(log_volume(lambda x: x @ matrix.T, found), expected)
