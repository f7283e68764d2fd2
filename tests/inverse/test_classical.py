"""Classical answers: against normal equations, brute force, and other people's minima."""

from __future__ import annotations

import pytest
import torch
from skimage.restoration import denoise_tv_chambolle
from torch.distributions import MultivariateNormal

from gdmlib import inverse
from gdmlib.inverse import primal_dual as tv
from gdmlib.inverse.wavelets import wavelet_matrix


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=rng(seed), dtype=torch.float64)


SQUARE = torch.zeros(1, 16, 16, dtype=torch.float64)
SQUARE[:, 4:9, 5:12] = 1
EVERYTHING = inverse.Masking(torch.ones(16, 16, dtype=torch.bool))


# --- least squares and ridge ---


def test_least_squares_is_numpys():
    a, y = normal(9, 4), normal(9, seed=1)
    expected = torch.linalg.lstsq(a, y[:, None]).solution[:, 0]
    torch.testing.assert_close(inverse.least_squares(inverse.Matrix(a), y), expected)


@pytest.mark.parametrize("shape", [(3, 7), (7, 3)])
def test_ridge_is_the_mode_of_a_gaussian_posterior(shape):
    a, y, mean = normal(*shape), normal(shape[0], seed=1), normal(shape[1], seed=2)
    operator = inverse.Matrix(a)
    got = inverse.ridge(operator, y, noise=0.3, spread=0.7, mean=mean)
    n = shape[1]
    weight = (0.3 / 0.7) ** 2
    left = a.mT @ a + weight * torch.eye(n, dtype=a.dtype)
    torch.testing.assert_close(got, mean + torch.linalg.solve(left, a.mT @ (y - a @ mean)))
    prior = 0.49 * torch.eye(n, dtype=a.dtype)
    posterior = inverse.GaussianPosterior(mean, prior, operator, noise=0.3)
    torch.testing.assert_close(got, posterior.mean(y))


def test_wiener_is_the_posterior_mean_of_independent_waves():
    operator = inverse.Blur(
        (1, 4, 6), torch.tensor([[0.1, 0.2, 0.0], [0.2, 0.3, 0.1]]).double()[:1]
    )
    power = 0.1 + torch.rand(4, 4, generator=rng(), dtype=torch.float64)
    y = normal(2, 1, 4, 6)
    got = inverse.wiener(operator, y, noise=0.2, power=power, mean=0.5)
    # the covariance of such pictures, wave by wave
    units = torch.eye(24, dtype=torch.float64).unflatten(1, (1, 4, 6))
    spectrum = torch.fft.rfft2(units, norm="ortho")
    covariance = torch.fft.irfft2(spectrum * power, s=(4, 6), norm="ortho").flatten(1)
    covariance = (covariance + covariance.mT) / 2
    mean = torch.full((24,), 0.5, dtype=torch.float64)
    exact = inverse.GaussianPosterior(mean, _symmetric(covariance, power), operator, noise=0.2)
    got_of_symmetric = inverse.wiener(operator, y, noise=0.2, power=_even(power), mean=0.5)
    torch.testing.assert_close(got_of_symmetric, exact.mean(y))
    assert got.shape == y.shape


def _even(power):
    """Return powers that are equal for a wave and its mirror image, as those of real pictures."""
    made = power.clone()
    made[1:, 0] = (power[1:, 0] + power[1:, 0].flip(0)) / 2
    made[1:, -1] = (power[1:, -1] + power[1:, -1].flip(0)) / 2
    return made


def _symmetric(_, power):
    units = torch.eye(24, dtype=torch.float64).unflatten(1, (1, 4, 6))
    waves = torch.fft.rfft2(units, norm="ortho") * _even(power)
    return torch.fft.irfft2(waves, s=(4, 6), norm="ortho").flatten(1)


def test_the_power_of_white_noise_is_flat():
    power = inverse.power_spectrum(torch.randn(4_000, 1, 4, 6, generator=rng()))
    assert power.shape == (4, 4)
    flat = power.flatten()[1:]  # without the mean, which was taken away
    assert float((flat - 1).abs().max()) < 0.1


# --- total variation ---


def test_differences_and_their_adjoint():
    x, p = normal(2, 1, 5, 4), normal(2, 1, 2, 5, 4, seed=1)
    left = (tv.differences(x) * p).sum()
    torch.testing.assert_close(left, (x * tv.differences_adjoint(p)).sum())
    torch.testing.assert_close(
        inverse.variation(SQUARE), torch.tensor(24 - 2 + 2**0.5, dtype=torch.float64)
    )


@pytest.mark.parametrize("weight", [0.05, 0.2])
def test_total_variation_reaches_the_minimum(weight):
    y = EVERYTHING.measure(SQUARE, 0.1, rng())
    found = inverse.total_variation(EVERYTHING, y, weight, steps=2_000, tolerance=1e-7)
    assert found.gap < 1e-6

    def objective(x):
        return 0.5 * (EVERYTHING(x) - y).square().sum() + weight * inverse.variation(x)

    other = denoise_tv_chambolle(
        EVERYTHING.adjoint(y)[0].numpy(), weight=weight, eps=1e-12, max_num_iter=20_000
    )
    other = torch.tensor(other)[None]
    assert objective(found.image) <= objective(other) * (1 + 1e-6)
    assert objective(other) <= objective(found.image) * 1.01  # they mean the same by TV
    for seed in range(20):  # nobody near is better
        near = found.image + 0.01 * normal(1, 16, 16, seed=seed)
        assert objective(near) > objective(found.image)


def test_total_variation_finds_a_square_from_few_measurements():
    camera = inverse.single_pixel((1, 16, 16), rate=0.5, generator=rng()).double()
    both = torch.stack([SQUARE, SQUARE.mT])
    found = inverse.total_variation(camera, camera(both), steps=4_000, tolerance=1e-6)
    torch.testing.assert_close(found.image, both, atol=1e-3, rtol=0)
    torch.testing.assert_close(camera(found.image), camera(both))
    assert found.gap <= 1e-6
    assert found.iterations < 4_000
    alone = inverse.total_variation(camera, camera(SQUARE), steps=found.iterations, tolerance=0)
    torch.testing.assert_close(alone.image, found.image[0], atol=1e-6, rtol=0)


def test_the_gap_is_never_below_the_truth():
    camera = inverse.single_pixel((1, 16, 16), rate=0.4, generator=rng()).double()
    y = camera.measure(SQUARE, 0.05, rng())
    for weight in (None, 0.1):
        best = inverse.total_variation(camera, y, weight, steps=2_000, tolerance=1e-9).image
        early = inverse.total_variation(camera, y, weight, steps=60, tolerance=0, every=60)

        def objective(x, weight=weight):
            error = 0.5 * (camera(x) - y).square().sum() if weight else 0.0
            return error + (weight or 1.0) * inverse.variation(x)

        excess = 1 - objective(best) / objective(early.image)
        assert 0 < excess <= early.gap


# --- wavelets ---


@pytest.mark.parametrize("kind", ["haar", "db2"])
def test_wavelets_are_orthonormal_and_sparse(kind):
    w = wavelet_matrix(8, kind).double()
    torch.testing.assert_close(w @ w.mT, torch.eye(8, dtype=torch.float64), atol=1e-6, rtol=0)
    x = normal(2, 1, 16, 8)
    c = inverse.wavelets(x, 2, kind)
    torch.testing.assert_close(c.square().sum(), x.square().sum(), atol=0, rtol=1e-5)
    torch.testing.assert_close(inverse.wavelets(c, 2, kind, back=True), x, atol=1e-5, rtol=0)
    flat = inverse.wavelets(torch.ones(1, 16, 16), 2, kind)
    assert float(flat[0, 4:].abs().max()) < 1e-6  # a constant has no details


def test_shrinkage_is_a_proximal_map():
    x = normal(1, 8, 8)
    found = inverse.shrink_wavelets(x, 0.3, levels=2)
    c, small = inverse.wavelets(x, 2), inverse.wavelets(found, 2)
    torch.testing.assert_close(small[0, :2, :2], c[0, :2, :2], atol=1e-5, rtol=0)
    torch.testing.assert_close(
        small[0, 2:], c[0, 2:].sign() * (c[0, 2:].abs() - 0.3).clamp(min=0), atol=1e-5, rtol=0
    )


def test_sparse_wavelets_denoise_and_complete():
    y = EVERYTHING.measure(SQUARE, 0.1, rng())
    once = inverse.sparse_wavelets(EVERYTHING, y, 0.2, kind="haar")
    direct = inverse.shrink_wavelets(EVERYTHING.adjoint(y), 0.2, kind="haar")
    torch.testing.assert_close(once.image, direct, atol=1e-4, rtol=0)
    holes = inverse.Masking.random((1, 16, 16), missing=0.3, generator=rng())
    seen = []
    filled = inverse.sparse_wavelets(
        holes, holes(SQUARE), 0.02, kind="haar", shifts=8, watch=seen.append
    )
    before = (inverse.least_squares(holes, holes(SQUARE)) - SQUARE).square().mean()
    assert (filled.image - SQUARE).square().mean() < before / 3
    assert len(seen) == filled.iterations


# --- the exact posterior ---


def test_the_posterior_is_that_of_the_joint_density():
    a, mean = normal(3, 5), normal(5, seed=1)
    root = normal(5, 5, seed=2)
    covariance, noise = root @ root.mT, 0.4
    posterior = inverse.GaussianPosterior(mean, covariance, inverse.Matrix(a), noise)
    x, y = normal(4, 5, seed=3), normal(4, 3, seed=4)
    prior = MultivariateNormal(mean, covariance)
    eye = torch.eye(3, dtype=torch.float64)
    seen = MultivariateNormal(mean @ a.mT, a @ covariance @ a.mT + noise**2 * eye)
    likelihood = MultivariateNormal(x @ a.mT, noise**2 * eye)
    expected = prior.log_prob(x) + likelihood.log_prob(y) - seen.log_prob(y)
    torch.testing.assert_close(posterior.log_prob(x, y), expected, atol=1e-5, rtol=1e-5)


def test_samples_of_the_posterior_and_their_coverage():
    a, mean = normal(2, 4), normal(4, seed=1)
    root = normal(4, 4, seed=2)
    covariance = root @ root.mT
    operator = inverse.Matrix(a)
    posterior = inverse.GaussianPosterior(mean, covariance, operator, noise=0.5)
    x = MultivariateNormal(mean, covariance).sample((20_000,))
    y = operator.measure(x, 0.5, rng())
    inside = ((x - posterior.mean(y)).abs() < 1.2816 * posterior.spread).double().mean(0)
    assert float((inside - 0.8).abs().max()) < 0.02  # 80 % of the truths in the central 80 %
    drawn = posterior.sample(y[:2], 40_000, rng(1))
    assert drawn.shape == (40_000, 2, 4)
    torch.testing.assert_close(drawn.mean(0), posterior.mean(y[:2]), atol=0.08, rtol=0)
    torch.testing.assert_close(drawn[:, 0].T.cov(), posterior.covariance, atol=0.15, rtol=0.05)


def test_without_noise_the_posterior_explains_the_measurements():
    operator = inverse.Matrix(torch.cat([normal(2, 4), normal(2, 4)]))  # each said twice
    root = normal(4, 4, seed=2)
    posterior = inverse.GaussianPosterior(normal(4, seed=1), root @ root.mT, operator)
    y = operator(normal(4, seed=5))
    for x in posterior.sample(y, 3, rng()):
        torch.testing.assert_close(operator(x), y, atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match="noise > 0"):
        posterior.log_prob(normal(4), y)


# --- wrong input ---


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: inverse.ridge(EVERYTHING, torch.zeros(256), noise=-1), "noise"),
        (lambda: inverse.ridge(EVERYTHING, torch.zeros(256), noise=1, spread=0), "spread"),
        (lambda: inverse.ridge(EVERYTHING, torch.zeros(255), noise=1), "the operator measures"),
        (lambda: inverse.total_variation(EVERYTHING, torch.zeros(256), 0.0), "weight"),
        (lambda: inverse.total_variation(EVERYTHING, torch.zeros(256), ratio=0), "ratio"),
        (lambda: inverse.total_variation(EVERYTHING, torch.full((256,), torch.nan)), "finite"),
        (lambda: inverse.sparse_wavelets(EVERYTHING, torch.zeros(256), 0.0), "weight"),
        (lambda: inverse.wavelets(torch.zeros(1, 12, 16), 3), "multiples of 8"),
        (lambda: inverse.wavelets(torch.zeros(1, 16, 16), 2, "db9"), "'haar', 'db2'"),
        (lambda: inverse.shrink_wavelets(torch.zeros(1, 16, 16), -1.0), "threshold"),
        (lambda: inverse.GaussianPosterior(
            torch.zeros(255), torch.eye(255), EVERYTHING), "mean"),
        (lambda: inverse.GaussianPosterior(
            torch.zeros(256), torch.eye(255), EVERYTHING), "covariance"),
        (lambda: inverse.GaussianPosterior(
            torch.zeros(256), torch.ones(256, 256).triu(), EVERYTHING), "symmetric"),
        (lambda: inverse.power_spectrum(torch.zeros(4, 4)), "4 dimensions"),
        (lambda: inverse.wiener(inverse.Blur.gaussian((1, 8, 8), 1.0), torch.zeros(1, 8, 8),
                                noise=0.0, power=torch.ones(8, 5)), "least_squares"),
        (lambda: inverse.wiener(inverse.Blur.gaussian((1, 8, 8), 1.0), torch.zeros(1, 8, 8),
                                noise=0.1, power=torch.ones(8, 8)), "power"),
    ],
)  # fmt: skip
def test_wrong_input(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong()
