"""GaussianMixture, against scikit-learn's."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import sklearn.mixture
import torch
from sklearn.datasets import load_iris

from gdmlib.densities import GaussianMixture, MultivariateNormal

WEIGHTS = torch.tensor([0.3, 0.7]).double()
MEANS = torch.tensor([[0.0, 1.0], [4.0, -1.0]]).double()
COVARIANCES = torch.tensor([[[1.0, 0.3], [0.3, 0.5]], [[0.7, -0.2], [-0.2, 1.5]]]).double()


@pytest.fixture(scope="module")
def iris():
    return torch.as_tensor(load_iris().data)


def model() -> GaussianMixture:
    return GaussianMixture(WEIGHTS, MEANS, COVARIANCES)


def theirs(weights, means, covariances, **options) -> sklearn.mixture.GaussianMixture:
    """Return scikit-learn's mixture that starts from these numbers."""
    return sklearn.mixture.GaussianMixture(
        len(weights),
        weights_init=weights.numpy(),
        means_init=means.numpy(),
        precisions_init=np.linalg.inv(covariances.numpy()),
        **options,
    )


def points(n: int = 200) -> torch.Tensor:
    return model().sample(n, torch.Generator().manual_seed(0))


# --- values


def test_log_prob_is_the_logarithm_of_the_weighted_sum():
    x = 2 * points(30)
    parts = [MultivariateNormal(m, c) for m, c in zip(MEANS, COVARIANCES, strict=True)]
    joint = torch.stack([p.log_prob(x) for p in parts], dim=1) + WEIGHTS.log()
    torch.testing.assert_close(model().log_joint(x), joint)
    torch.testing.assert_close(model().log_prob(x), joint.exp().sum(dim=1).log())
    torch.testing.assert_close(model().responsibilities(x), joint.softmax(dim=1))
    torch.testing.assert_close(model().covariances, COVARIANCES)
    assert model().event_shape == torch.Size((2,))
    assert model().history == []
    assert model().converged is False


def test_far_tail_is_finite_in_float32():
    x = torch.tensor([[1e4, -1e4], [1e15, 1e15]])
    found = model().float().log_prob(x)
    torch.testing.assert_close(found.double(), model().log_prob(x.double()), rtol=1e-5, atol=0)
    assert bool(model().float().responsibilities(x).isfinite().all())


def test_a_component_without_weight_adds_nothing():
    alone = GaussianMixture(torch.tensor([1.0, 0.0]).double(), MEANS, COVARIANCES)
    x = points(5)
    expected = MultivariateNormal(MEANS[0], COVARIANCES[0]).log_prob(x)
    torch.testing.assert_close(alone.log_prob(x), expected)


def test_rounding_of_the_weights_is_divided_out():
    off = GaussianMixture(1.00005 * WEIGHTS, MEANS, COVARIANCES)
    torch.testing.assert_close(off.weights, WEIGHTS)


def test_does_not_share_memory_with_its_arguments():
    means = MEANS.clone()
    mixture = GaussianMixture(WEIGHTS, means, COVARIANCES)
    mixture.em_step(points())
    assert torch.equal(means, MEANS)


# --- EM


def test_em_step_is_that_of_scikit_learn():
    x = points()
    start = torch.tensor([[1.0, 1.0], [3.0, 0.0]]).double()
    eye = torch.eye(2).double().expand(2, 2, 2)
    ours = GaussianMixture(torch.tensor([0.5, 0.5]).double(), start, eye)
    sk = theirs(ours.weights, start, eye.clone(), max_iter=5, tol=0.0, reg_covar=1e-3)
    with pytest.warns(UserWarning, match="did not converge"):
        sk.fit(x.numpy())
    before = [ours.em_step(x, ridge=1e-3) for _ in range(5)]
    np.testing.assert_allclose(ours.weights, sk.weights_, atol=1e-12)
    np.testing.assert_allclose(ours.means, sk.means_, atol=1e-12)
    np.testing.assert_allclose(ours.covariances, sk.covariances_, atol=1e-12)
    np.testing.assert_allclose(ours.log_prob(x), sk.score_samples(x.numpy()), atol=1e-10)
    assert before[-1] == pytest.approx(sk.lower_bound_, abs=1e-12)
    assert isinstance(before[0], float)


def test_em_step_returns_the_likelihood_before_the_step():
    ours, x = model(), points()
    expected = float(ours.log_prob(x).mean())
    assert ours.em_step(x) == pytest.approx(expected, abs=1e-12)


def test_fit_reaches_the_optimum_of_scikit_learn(iris):
    ours = GaussianMixture.fit(
        iris, components=3, n_iter=2000, tolerance=1e-10, generator=torch.Generator().manual_seed(0)
    )
    sk = sklearn.mixture.GaussianMixture(3, tol=1e-10, max_iter=2000, n_init=5, random_state=0)
    assert float(ours.log_prob(iris).mean()) == pytest.approx(sk.fit(iris).score(iris), abs=1e-6)
    assert ours.converged
    mine, its = ours.weights.sort().values, np.sort(sk.weights_)
    np.testing.assert_allclose(mine, its, atol=1e-4)


@pytest.mark.parametrize("init", ["kmeans", "random"])
def test_history(init):
    x = points()
    ours = GaussianMixture.fit(
        x, components=2, init=init, generator=torch.Generator().manual_seed(0)
    )
    gains = -np.diff(ours.history)
    assert ours.converged
    assert len(ours.history) < 201
    assert (gains > -1e-9).all()
    # The last gain that was looked at is the first below the tolerance; one step follows it.
    assert (gains[:-2] >= 1e-6).all()
    assert gains[-2] < 1e-6
    assert ours.history[-1] == pytest.approx(-float(ours.log_prob(x).mean()), abs=1e-12)


def test_sampling_is_an_affine_map_of_noise():
    generator = torch.Generator().manual_seed(1)
    u = torch.rand(6, generator=generator, dtype=torch.float64)
    z = torch.randn(6, 2, generator=generator, dtype=torch.float64)
    component = (u >= 0.3).long()
    noise = [torch.linalg.cholesky(COVARIANCES[k]) @ e for k, e in zip(component, z, strict=True)]
    found = model().sample(6, torch.Generator().manual_seed(1))
    torch.testing.assert_close(found, MEANS[component] + torch.stack(noise))


def test_two_steps_are_enough_to_tell_that_nothing_is_gained():
    ours = GaussianMixture.fit(points(2), components=1, tolerance=1e9, ridge=0.1)
    assert len(ours.history) == 3
    assert ours.converged


def test_history_has_one_entry_more_than_steps():
    for n_iter in (1, 3):
        ours = GaussianMixture.fit(points(), components=2, n_iter=n_iter, tolerance=0.0)
        assert len(ours.history) == n_iter + 1
        assert ours.converged is False


def test_one_component_is_the_gaussian_fit():
    x = points().float()
    for init in ("kmeans", "random"):
        ours = GaussianMixture.fit(x, components=1, ridge=0.0, init=init)
        expected = MultivariateNormal.fit(x)
        torch.testing.assert_close(ours.means[0], expected.mean)
        torch.testing.assert_close(ours.covariances[0], expected.covariance)
        assert ours.weights.tolist() == [1.0]
        assert ours.means.dtype == torch.float32


def test_random_start():
    # Before its first step: K of the points, equal weights, the covariance of all points.
    x = points(20)
    chosen = x[torch.randperm(20, generator=torch.Generator().manual_seed(7))[:3]]
    spread = MultivariateNormal.fit(x, ridge=0.5).covariance
    start = GaussianMixture(torch.full((3,), 1 / 3).double(), chosen, spread.expand(3, 2, 2))
    ours = GaussianMixture.fit(
        x,
        components=3,
        n_iter=1,
        ridge=0.5,
        init="random",
        generator=torch.Generator().manual_seed(7),
    )
    assert ours.history[0] == pytest.approx(-float(start.log_prob(x).mean()), abs=1e-12)
    start.em_step(x, ridge=0.5)
    torch.testing.assert_close(ours.covariances, start.covariances)


def test_kmeans_start():
    # Two far clusters: the start is already the answer.
    x = torch.cat([points(10), points(30) + 1000])
    ours = GaussianMixture.fit(x, components=2, n_iter=1, ridge=0.25)
    few = int(ours.weights.argmin())
    assert float(ours.weights[few]) == pytest.approx(0.25, abs=1e-12)
    expected = MultivariateNormal.fit(x[:10], ridge=0.25)
    torch.testing.assert_close(ours.means[few], expected.mean)
    torch.testing.assert_close(ours.covariances[few], expected.covariance)
    assert ours.history[1] == pytest.approx(ours.history[0], abs=1e-9)


@pytest.mark.parametrize("init", ["kmeans", "random"])
def test_the_generator_decides(init):
    x = torch.rand(200, 2, generator=torch.Generator().manual_seed(0))

    def means(seed: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        return GaussianMixture.fit(x, components=5, n_iter=3, init=init, generator=generator).means

    assert torch.equal(means(1), means(1))
    assert not torch.allclose(means(1), means(2))


def test_ridge_keeps_a_component_from_collapsing():
    x = torch.cat([points(20), torch.full((5, 2), 50.0).double()])
    ours = GaussianMixture.fit(x, components=2, ridge=1e-3)
    assert float(torch.linalg.eigvalsh(ours.covariances)[:, 0].min()) >= 0.999e-3
    with pytest.raises(ValueError, match=r"^covariance of component [01]: singular"):
        GaussianMixture.fit(x, components=2, ridge=0.0)


def test_default_ridge():
    constant = torch.cat([points(20), torch.ones(20, 1)], dim=1)
    ours = GaussianMixture.fit(constant, components=2, n_iter=2)
    np.testing.assert_allclose(ours.covariances[:, 2, 2], 1e-6, rtol=1e-6)


# --- errors


def test_fit_errors():
    x = points(5)
    with pytest.raises(
        ValueError, match=r"^x: expected at least 6 points for 6 components, got 5$"
    ):
        GaussianMixture.fit(x, components=6)
    with pytest.raises(ValueError, match=r"^x: expected at least 2 points for 1 component, got 1$"):
        GaussianMixture.fit(x[:1], components=1)
    with pytest.raises(ValueError, match=r"^x: 1 of 10 values are NaN"):
        GaussianMixture.fit(torch.where(x == x[0, 0], math.nan, x), components=2)
    with pytest.raises(ValueError, match=r"^x: expected at least one element"):
        GaussianMixture.fit(x[:0], components=2)
    with pytest.raises(ValueError, match=r"^x: expected 2 dimensions"):
        GaussianMixture.fit(x[:, 0], components=2)
    with pytest.raises(ValueError, match=r"^x: expected a floating-point tensor"):
        GaussianMixture.fit(x.long(), components=2)
    with pytest.raises(ValueError, match=r"^components: expected at least 1, got 0$"):
        GaussianMixture.fit(x, components=0)
    with pytest.raises(ValueError, match=r"^n_iter: expected at least 1, got 0$"):
        GaussianMixture.fit(x, components=2, n_iter=0)
    with pytest.raises(
        ValueError, match=r"^tolerance: expected a finite number of at least 0, got -1"
    ):
        GaussianMixture.fit(x, components=2, tolerance=-1)
    with pytest.raises(ValueError, match=r"^ridge: expected a finite number of at least 0, got -1"):
        GaussianMixture.fit(x, components=2, ridge=-1)
    with pytest.raises(ValueError, match=r"""^init: expected "kmeans" or "random", got 'best'$"""):
        GaussianMixture.fit(x, components=2, init="best")


def test_as_many_components_as_points_are_allowed():
    assert GaussianMixture.fit(points(3), components=3, n_iter=1).means.shape == (3, 2)


def test_a_lost_component_is_named():
    far = GaussianMixture(WEIGHTS, MEANS + torch.tensor([[0.0, 0.0], [1e6, 0.0]]), COVARIANCES)
    with pytest.raises(
        ValueError,
        match=r"^x: component 1 has lost all its points; use fewer, or another start$",
    ):
        far.em_step(points(10))


def test_errors():
    with pytest.raises(ValueError, match=r"^weights: expected a sum of 1, got 0.5"):
        GaussianMixture(WEIGHTS / 2, MEANS, COVARIANCES)
    with pytest.raises(ValueError, match=r"^means: expected shape \(2, d\), got \(1, 2\)"):
        GaussianMixture(WEIGHTS, MEANS[:1], COVARIANCES)
    with pytest.raises(ValueError, match=r"^means: expected a floating-point tensor"):
        GaussianMixture(WEIGHTS, MEANS.long(), COVARIANCES)
    with pytest.raises(ValueError, match=r"^covariances: expected shape \(2, 2, 2\), got \(2, 2\)"):
        GaussianMixture(WEIGHTS, MEANS, COVARIANCES[0])
    with pytest.raises(ValueError, match=r"^covariances: expected a floating-point tensor"):
        GaussianMixture(WEIGHTS, MEANS, COVARIANCES.long())
    with pytest.raises(ValueError, match=r"^means: expected torch.float64 like the model"):
        GaussianMixture(WEIGHTS, MEANS.float(), COVARIANCES)
    with pytest.raises(ValueError, match=r"^covariances: expected torch.float64 like the model"):
        GaussianMixture(WEIGHTS, MEANS, COVARIANCES.float())
    singular = torch.stack([COVARIANCES[0], torch.ones(2, 2).double()])
    with pytest.raises(ValueError, match=r"^covariance of component 1: singular.* rank 1 of 2"):
        GaussianMixture(WEIGHTS, MEANS, singular)
    for call in ("log_prob", "log_joint", "responsibilities", "em_step"):
        with pytest.raises(ValueError, match=r"^x: expected shape \(B, 2\), got \(4, 3\)"):
            getattr(model(), call)(torch.zeros(4, 3).double())


def test_points_that_are_the_same_are_no_warning_of_kmeans():
    x = torch.tensor([[0.0, 0.0], [1.0, 1.0]]).repeat(20, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match="has lost all its points; use fewer"):
            GaussianMixture.fit(x, components=4, ridge=1e-3)
        assert GaussianMixture.fit(x, components=2, ridge=1e-3).weights.tolist() == [0.5, 0.5]
