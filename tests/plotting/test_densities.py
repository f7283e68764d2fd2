"""Contours, curves and ellipses are where theory says."""

from __future__ import annotations

import math

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torch.distributions import MultivariateNormal, Normal

from gdmlib import plotting


def standard_normal(x: torch.Tensor) -> torch.Tensor:
    return -0.5 * x.square().sum(dim=-1) - math.log(2 * math.pi)


@pytest.mark.parametrize("filled", [True, False])
def test_contours_of_mass_have_the_radius_that_theory_says(filled):
    ax = plotting.density_contours(
        standard_normal, xlim=(-5, 5), ylim=(-5, 5), mass=(0.5, 0.9), filled=filled, resolution=401
    )
    heights = np.sort(ax.collections[0].levels)[:2]
    radius = np.sqrt(-2 * np.log(2 * math.pi * heights))
    # P(|x| < r) = 1 - exp(-r^2 / 2) for a standard normal in the plane
    assert radius == pytest.approx(np.sqrt(-2 * np.log([0.1, 0.5])), abs=0.02)


def test_contours_at_equal_steps_or_at_given_heights():
    ax = plotting.density_contours(standard_normal, levels=4, filled=False)
    steps = np.diff(ax.collections[0].levels)
    assert len(steps) == 3
    assert np.allclose(steps, steps[0])
    ax = plotting.density_contours(standard_normal, ax=ax, levels=[0.01, 0.1], filled=False)
    assert list(ax.collections[-1].levels) == [0.01, 0.1]
    assert ax.get_xlim() == (-4.0, 4.0)


def test_contours_ask_a_module_in_its_own_dtype_and_keep_no_gradient():
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.mean = torch.nn.Parameter(torch.zeros(2, dtype=torch.float64))

        def log_prob(self, x):
            assert x.dtype == torch.float64
            return standard_normal(x - self.mean)

    plotting.density_contours(Model().log_prob, resolution=20)


def test_contours_of_distributions_of_torch_and_of_a_density_with_holes():
    normal = MultivariateNormal(torch.zeros(2), torch.eye(2))
    plotting.density_contours(normal.log_prob, resolution=20)
    plotting.density_contours(
        lambda x: torch.where(x[:, 0] > 0, -x.sum(1), -math.inf), resolution=20
    )


@pytest.mark.parametrize(
    ("log_prob", "arguments", "message"),
    [
        (standard_normal, {"xlim": (1, 1)}, "xlim"),
        (standard_normal, {"ylim": (0, float("inf"))}, "ylim"),
        (standard_normal, {"resolution": 1}, "resolution"),
        (standard_normal, {"levels": 0}, "levels"),
        (standard_normal, {"levels": [0.2, 0.1]}, "levels"),
        (standard_normal, {"mass": (0.5, 1.0)}, "mass"),
        (standard_normal, {"mass": ()}, "mass"),
        (lambda x: torch.zeros(len(x)), {"mass": (0.2, 0.9)}, "cannot be told apart"),
        (lambda x: torch.zeros(len(x), 1), {}, r"log_prob\(x\): expected shape"),
        (lambda x: torch.full((len(x),), float("nan")), {}, "NaN"),
        (lambda x: torch.full((len(x),), -math.inf), {}, "largest density"),
    ],
)
def test_contours_refuse(log_prob, arguments, message):
    with pytest.raises(ValueError, match=message):
        plotting.density_contours(log_prob, **arguments)
    assert not plt.get_fignums(), "nothing is drawn when the arguments are wrong"


def test_curve_is_the_density_and_a_higher_one_still_fits():
    ax = plotting.density_curve(Normal(0.0, 1.0).log_prob, label="wide", filled=True)
    plotting.density_curve(Normal(0.0, 0.1).log_prob, ax, label="narrow")
    x, y = ax.lines[0].get_data()
    assert y == pytest.approx(np.exp(-0.5 * x**2) / math.sqrt(2 * math.pi), rel=1e-5)
    assert ax.get_ylim()[0] == 0
    assert ax.get_ylim()[1] > 3.9
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["wide", "narrow"]


@pytest.mark.parametrize("arguments", [{"xlim": (1, 0)}, {"resolution": 0}])
def test_curve_refuses(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        plotting.density_curve(Normal(0.0, 1.0).log_prob, **arguments)


def test_ellipse_has_the_axes_of_the_covariance():
    angle = math.radians(30)
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    covariance = turn @ torch.diag(torch.tensor([4.0, 1.0])) @ turn.T
    ax = plotting.covariance_ellipse(torch.tensor([1.0, 2.0]), covariance, label="fit")
    one, two = ax.patches
    assert (one.width, one.height) == (pytest.approx(4.0), pytest.approx(2.0))
    assert two.width == pytest.approx(8.0)
    assert one.angle % 180 == pytest.approx(30.0, abs=1e-3)
    assert one.get_label() == "fit"
    assert ax.get_xlim()[1] > 1 + 2 * 2 * math.cos(angle)


@pytest.mark.parametrize(
    ("covariance", "n_std", "message"),
    [
        (torch.eye(3), 1.0, "covariance: expected shape"),
        (torch.tensor([[1.0, 0.5], [0.0, 1.0]]), 1.0, "symmetric"),
        (torch.tensor([[1.0, 2.0], [2.0, 1.0]]), 1.0, "eigenvalue"),
        (torch.eye(2), [1.0, 0.0], "n_std"),
    ],
)
def test_ellipse_refuses(covariance, n_std, message):
    with pytest.raises(ValueError, match=message):
        plotting.covariance_ellipse(torch.zeros(2), covariance, n_std=n_std)
