"""Mixtures of Gaussians for patches: their fit, their denoiser, and pictures by them."""

from __future__ import annotations

import sys

import pytest
import torch

from gdmlib.densities import GaussianMixture
from gdmlib.inverse import Masking, Matrix, PatchDenoiser, PatchPrior, epll, fit_patch_mixture
from gdmlib.inverse.plug_and_play import falling


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed)).double()


def covariances(k, d, seed=0):
    a = randn(k, d, d, seed=seed) / d**0.5
    return a @ a.mT + 0.05 * torch.eye(d).double()


def mixture(k=3, d=4):
    weights = torch.linspace(1, 2, k).double()
    return GaussianMixture(
        weights / weights.sum(), 0.5 + 0.1 * randn(k, d, seed=1), covariances(k, d)
    )


# --- the fit ---


def patterns(n=4000, d=9):
    """Draw patches of two kinds: rows that vary, and columns that vary."""
    rows = randn(n // 2, 3, 1).expand(-1, 3, 3)
    columns = randn(n // 2, 1, 3, seed=1).expand(-1, 3, 3)
    both = torch.cat([rows, columns]).flatten(1) + 0.05 * randn(n, d, seed=2)
    return 0.5 + both + randn(n, 1, seed=3)


def test_two_kinds_of_patch_are_found():
    x = patterns()
    model = fit_patch_mixture(x, components=2, n_iter=30, generator=seeded())
    share = model.responsibilities(x)
    sure = share.max(dim=1).values.mean()
    assert float(sure) > 0.97
    first = share[:2000].mean(dim=0)
    assert float(first.max()) > 0.95
    torch.testing.assert_close(model.weights, torch.tensor([0.5, 0.5]).double(), atol=0.03, rtol=0)
    assert model.history[-1] < model.history[0] - 1
    assert all(b <= a + 1e-6 for a, b in zip(model.history, model.history[1:], strict=False))


def test_one_kind_is_the_covariance_and_a_brightness():
    x = patterns(500)
    model = fit_patch_mixture(x, components=1, n_iter=2, brightness=0.3, ridge=1e-3)
    pattern = x - x.mean(dim=1, keepdim=True)
    expected = pattern.T @ pattern / 500 + 1e-3 * torch.eye(9) + 0.09 * torch.ones(9, 9)
    torch.testing.assert_close(model.covariances[0], expected)
    assert model.means.unique().tolist() == [0.5]


def test_pieces_do_not_change_the_fit(monkeypatch):
    x = patterns(300)
    whole = fit_patch_mixture(x, components=2, n_iter=3, generator=seeded())
    monkeypatch.setattr(sys.modules["gdmlib.inverse.patch_mixture"], "_AT_ONCE", 70)
    parts = fit_patch_mixture(x, components=2, n_iter=3, generator=seeded())
    torch.testing.assert_close(parts.covariances, whole.covariances, atol=1e-9, rtol=1e-9)
    torch.testing.assert_close(parts.weights, whole.weights, atol=1e-9, rtol=1e-9)


def test_a_fit_to_single_precision_is_in_single_precision():
    # One step: after some, what rounding did to the first has grown.
    x = patterns(300)
    double = fit_patch_mixture(x, components=2, n_iter=1, generator=seeded())
    single = fit_patch_mixture(x.float(), components=2, n_iter=1, generator=seeded())
    assert single.weights.dtype == torch.float32
    torch.testing.assert_close(single.covariances.double(), double.covariances, atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"components": 0}, "components: expected at least 1"),
        ({"components": 500}, "x: expected more than 500 patches"),
        ({"n_iter": 0}, "n_iter: expected at least 1"),
        ({"ridge": -1.0}, "ridge: expected a finite number"),
        ({"brightness": float("nan")}, "brightness: expected a finite number"),
        ({"x": torch.rand(10, 1)}, "at least 2 pixels"),
        ({"x": torch.full((10, 4), torch.nan)}, "x: 40 of 40 values are NaN"),
    ],
)
def test_a_fit_refuses_bad_input(change, match):
    settings = {"x": patterns(500), "components": 2} | change
    with pytest.raises(ValueError, match=match):
        fit_patch_mixture(settings.pop("x"), **settings)


# --- the denoiser ---


def test_the_mean_of_a_noisy_patch_is_that_of_the_posterior():
    model, x, s = mixture(), randn(5, 4, seed=2), 0.3
    seen = GaussianMixture(
        model.weights, model.means, model.covariances + s**2 * torch.eye(4).double()
    )
    gain = model.covariances @ torch.linalg.inv(seen.covariances)
    each = model.means + torch.einsum("nki,kji->nkj", x[:, None] - model.means, gain)
    share = seen.responsibilities(x)
    expected = (share[:, :, None] * each).sum(dim=1)
    torch.testing.assert_close(PatchDenoiser(model, mean=True).patches(x, s), expected)
    best = each[torch.arange(5), share.argmax(dim=1)]
    torch.testing.assert_close(PatchDenoiser(model).patches(x, s), best)


def test_the_mean_is_tweedies_formula():
    model, s = mixture(), 0.3
    x = randn(5, 4, seed=2).requires_grad_()
    eye = torch.eye(4).double()
    seen = GaussianMixture(model.weights, model.means, model.covariances + s**2 * eye)
    (score,) = torch.autograd.grad(seen.log_prob(x).sum(), x)
    found = PatchDenoiser(model, mean=True).patches(x.detach(), s)
    torch.testing.assert_close(found, x.detach() + s**2 * score)


def test_a_picture_is_the_average_of_its_patches():
    model, x = PatchDenoiser(mixture()), randn(2, 3, 4, 5, seed=3)
    total, count = torch.zeros_like(x), torch.zeros_like(x)
    for i in range(3):
        for j in range(4):
            part = x[..., i : i + 2, j : j + 2]
            clean = model.patches(part.flatten(-2).flatten(0, 1), 0.2).view_as(part)
            total[..., i : i + 2, j : j + 2] += clean
            count[..., i : i + 2, j : j + 2] += 1
    torch.testing.assert_close(model.denoise(x, 0.2), total / count)


def test_many_patches_are_taken_in_pieces(monkeypatch):
    model, x = PatchDenoiser(mixture()), randn(1, 1, 9, 9)
    whole = model.denoise(x, 0.2)
    monkeypatch.setattr(sys.modules["gdmlib.inverse.epll"], "_AT_ONCE", 7)
    torch.testing.assert_close(model.denoise(x, 0.2), whole)


# --- pictures ---


def picture():
    x = torch.zeros(1, 1, 12, 12).double()
    x[..., 3:9, 4:10] = 1
    return x


def fitted():
    x = picture()
    places = PatchPrior(mixture(d=9)).patches(x)[0].flatten(1)
    some = places.repeat(30, 1) + 0.02 * randn(30 * len(places), 9)
    return fit_patch_mixture(some, components=6, n_iter=20, generator=seeded())


def test_missing_pixels_are_filled_in():
    x, model = picture(), fitted()
    mask = torch.rand(1, 12, 12, generator=seeded(4)) < 0.6
    operator = Masking(mask)
    y = operator(x)
    found = epll(operator, y, model, steps=30, keep=[0, 30])
    before, after = ((f - x).square().mean() for f in found.frames)
    assert float(after) < 0.25 * float(before)
    torch.testing.assert_close(operator(found.image), y)
    assert torch.equal(found.frames[1], found.image)
    assert [entry["sigma"] for entry in found.history] == pytest.approx(falling((0.2, 0.003), 30))


def test_noise_is_taken_out():
    x, model = picture(), fitted()
    operator = Matrix(torch.eye(144).double(), (1, 12, 12))
    noisy = operator(x + 0.1 * randn(1, 1, 12, 12, seed=5))
    found = epll(operator, noisy, model, noise=0.1, sigmas=[0.1, 0.05, 0.03])
    assert float((found.image - x).square().mean()) < 0.4 * 0.01
    exact = epll(operator, noisy, model, noise=0.0, sigmas=[0.1])
    torch.testing.assert_close(operator(exact.image), noisy)


def test_a_round_is_the_minimum_of_what_it_says():
    """Of |A x - y|² / 2σ² + |x - mean of twins|² / 2s², by its normal equations."""
    x, model = picture(), PatchDenoiser(fitted())
    a = randn(20, 144, seed=6)
    operator, y = Matrix(a, (1, 12, 12)), randn(1, 20, seed=7)
    found = epll(operator, y, model, noise=0.3, sigmas=[0.2], start=x).image.flatten()
    clean = model.denoise(x, 0.2).flatten()
    left = a.T @ a / 0.09 + torch.eye(144).double() / 0.04
    expected = torch.linalg.solve(left, a.T @ y[0] / 0.09 + clean / 0.04)
    torch.testing.assert_close(found, expected)


def test_leading_dimensions_are_a_batch():
    operator, model = Masking(torch.rand(1, 12, 12, generator=seeded(4)) < 0.6), fitted()
    y = operator(picture().expand(2, 3, 1, 12, 12))
    found = epll(operator, y, model, steps=2)
    assert found.image.shape == (2, 3, 1, 12, 12)
    torch.testing.assert_close(epll(operator, y[0, 0], model, steps=2).image, found.image[1, 2])


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"noise": -1.0}, "noise: expected a finite number of at least 0"),
        ({"sigmas": []}, "sigmas: expected finite numbers, one or more"),
        ({"sigmas": [0.1, 0.0]}, "sigmas: expected positive numbers"),
        ({"steps": 0}, "steps: expected at least 1"),
        ({"y": torch.rand(3, 2).double()}, "y: expected shape"),
        ({"mixture": mixture(d=3)}, "mixture: expected square patches"),
        ({"mixture": mixture(d=25)}, "x: expected pictures with sides of at least 5"),
    ],
)
def test_epll_refuses_bad_input(change, match):
    operator = Matrix(randn(3, 16), (1, 4, 4))
    settings = {"y": torch.rand(2, 3).double(), "mixture": mixture(d=4)} | change
    with pytest.raises(ValueError, match=match):
        epll(operator, settings.pop("y"), settings.pop("mixture"), **settings)


def test_what_is_unknown_begins_grey_and_not_black():
    operator = Masking.random((1, 12, 12), missing=0.7, generator=seeded()).double()
    y = operator(0.6 + 0.05 * randn(2, 1, 12, 12))
    grey = operator.project(torch.full((2, 1, 12, 12), 0.5).double(), y)
    found = epll(operator, y, mixture(), steps=5, keep=(0,))
    torch.testing.assert_close(found.frames[0], grey)
    torch.testing.assert_close(found.image, epll(operator, y, mixture(), steps=5, start=grey).image)
    black = epll(operator, y, mixture(), steps=5, start=operator.pseudo_inverse(y)).image
    assert (found.image - 0.6).square().mean() < (black - 0.6).square().mean()
