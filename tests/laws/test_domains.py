"""The domains themselves: enumeration, quadrature and cells."""

from __future__ import annotations

import pytest
import torch

from .domains import binary, box, finite, interval


def test_finite_sets_find_their_events():
    domain = finite(torch.tensor([[0, 1], [1, 0], [1, 1]]))
    found = domain.locate(torch.tensor([[1, 1], [0, 0], [0, 1]]))
    assert found.tolist() == [2, -1, 0]
    assert domain.weights.tolist() == [1, 1, 1]
    assert domain.discrete


def test_binary_vectors_are_all_there_once():
    domain = binary(5)
    assert domain.points.shape == (32, 5)
    assert len(domain.points.unique(dim=0)) == 32
    assert domain.locate(domain.points).tolist() == list(range(32))


def test_quadrature_is_exact_for_polynomials():
    line = interval(-1, 2, cells=3)
    assert float((line.weights * line.points**5).sum()) == pytest.approx((2**6 - 1) / 6, abs=1e-12)
    square = box([0, -1], [2, 1], cells=4)
    x, y = square.points.T
    assert float((square.weights * x**3 * y**2).sum()) == pytest.approx(4 * 2 / 3, abs=1e-12)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_cells_share_the_volume_and_hold_their_points(d):
    domain = box([0.0] * d, [2.0] * d, cells=5, order=3)
    volumes = domain.cell_probabilities(torch.zeros(len(domain.points)))
    torch.testing.assert_close(volumes, torch.full((5**d,), (2 / 5) ** d).double())
    outside = torch.tensor([[-0.1] * d, [2.1] * d])
    assert domain.locate(outside).tolist() == [-1, -1]
    assert domain.locate(torch.full((1, d), 1.99)).tolist() == [5**d - 1]


def test_expectation():
    domain = interval(0, 1)
    uniform = torch.zeros(len(domain.points))
    assert float(domain.expectation(uniform, domain.points)) == pytest.approx(0.5, abs=1e-12)
