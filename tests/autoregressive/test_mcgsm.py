"""Causal neighbourhoods, the MCGSM, and images and patches by it."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from gdmlib.autoregressive.causal_image import wavefronts
from gdmlib.autoregressive.mcgsm import MCGSM, train_mcgsm
from gdmlib.autoregressive.mcgsm_images import MCGSMImage, MCGSMPatch
from gdmlib.autoregressive.neighbourhood import Neighbourhood
from gdmlib.densities import GaussianScaleMixture, MultivariateNormal
from gdmlib.densities.exact import LOG_PRECISION_BOUND, lbfgs
from gdmlib.nn.whitening import Whitening
from gdmlib.training import History
from tests.laws import laws
from tests.laws.image_laws import (
    check_causality,
    check_pixels_normalised,
    check_sweep,
)
from tests.laws.registry import BY_NAME
from tests.laws.registry_images import CORNER, conditional, mcgsm_image, patch, sizes


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def pairs(generator):
    """Return contexts whose size says how noisy the pixel is."""
    x = torch.randn(4000, 3, generator=generator).double()
    x = x * torch.rand(4000, 1, generator=generator).double().mul(3).exp()
    noise = torch.randn(4000, generator=generator) * x.norm(dim=1)
    return x, x @ torch.tensor([1.0, -0.5, 2.0]).double() + 0.2 * noise + 3


# --- neighbourhoods


def test_half_plane():
    nb = Neighbourhood.half_plane(1, 2)
    assert nb.offsets == ((-1, -2), (-1, -1), (-1, 0), (-1, 1), (-1, 2), (0, -2), (0, -1))
    assert (len(nb), nb.top, nb.left, nb.right, nb.lag) == (7, 1, 2, 2, 3)
    assert len(Neighbourhood.half_plane(4, 4)) == 40
    assert Neighbourhood.from_mask(nb.mask(), (1, 2)) == nb
    assert len({nb, Neighbourhood.half_plane(1, 2)}) == 1
    assert repr(nb) == "Neighbourhood(7 pixels: 1 up, 2 to the left, 2 to the right)"


def test_from_mask_takes_the_middle_of_the_last_row():
    mask = torch.tensor([[0, 1, 1], [1, 0, 0]]).bool()
    assert Neighbourhood.from_mask(mask).offsets == ((-1, 0), (-1, 1), (0, -1))
    assert Neighbourhood.from_mask(mask, (1, 1)) == Neighbourhood.from_mask(mask)


@pytest.mark.parametrize(
    ("offsets", "reach"),
    [
        ([(0, -1)], (0, 1, 0, 1)),
        ([(-1, 0)], (1, 0, 0, 1)),
        ([(-1, 3)], (1, 0, 3, 4)),
        ([(-2, 3), (-3, -1)], (3, 1, 3, 2)),
        ([(-2, 4), (0, -2)], (2, 2, 4, 3)),
    ],
)
def test_reach(offsets, reach):
    nb = Neighbourhood(offsets)
    assert (nb.top, nb.left, nb.right, nb.lag) == reach
    assert all(dx + nb.lag * dy < 0 for dy, dx in offsets)


def test_contexts_are_the_pixels_at_the_offsets(generator):
    images = torch.rand(2, 7, 6, generator=generator)
    nb = Neighbourhood([(-2, 1), (0, -2), (-1, 0)])
    contexts, inside = nb.contexts(images), nb.interior(images)
    assert contexts.shape == (2, 5, 3, 3)
    for b in range(2):
        for i in range(5):
            for j in range(3):
                y, x = i + 2, j + 2
                expected = [images[b, y - 2, x + 1], images[b, y, x - 2], images[b, y - 1, x]]
                assert contexts[b, i, j].tolist() == expected
                assert inside[b, i, j] == images[b, y, x]


def test_pairs_are_rows(generator):
    images = torch.rand(2, 1, 5, 6, generator=generator)
    nb = Neighbourhood.half_plane(1, 1)
    x, y = nb.pairs(images)
    assert (x.shape, y.shape) == ((2 * 4 * 4, 4), (2 * 4 * 4,))
    assert torch.equal(x[:, 3].reshape(2, 4, 4), images[:, 0, 1:, :4])
    x, y = nb.pairs(images, padding=0.25)
    assert x.shape == (60, 4)
    assert torch.equal(y.reshape(2, 5, 6), images[:, 0])
    assert x[0].tolist() == [0.25] * 4


@pytest.mark.parametrize("offset", [(0, 0), (0, 1), (1, -3), (1, 0)])
def test_a_context_that_looks_ahead_is_refused(offset):
    with pytest.raises(ValueError, match="not causal"):
        Neighbourhood([(-1, 0), offset])


def test_bad_neighbourhoods():
    with pytest.raises(ValueError, match="at least one pair"):
        Neighbourhood([])
    with pytest.raises(ValueError, match="repeated"):
        Neighbourhood([(-1, 0), (-1, 0)])
    with pytest.raises(ValueError, match="Boolean"):
        Neighbourhood.from_mask(torch.ones(2, 2))
    with pytest.raises(ValueError, match="not causal"):
        Neighbourhood.from_mask(torch.ones(2, 3).bool())
    with pytest.raises(ValueError, match="offsets: expected pairs of whole numbers"):
        Neighbourhood([(0, -1.5)])
    with pytest.raises(ValueError, match=r"^rows: expected at least 0, got -1$"):
        Neighbourhood.half_plane(-1, 2)
    with pytest.raises(ValueError, match=r"^rows: expected an integer, got 1\.5$"):
        Neighbourhood.half_plane(1.5, 2)
    with pytest.raises(ValueError, match=r"2 x 4 pixels are too few .* at least 3 x 5"):
        Neighbourhood.half_plane(2, 2).contexts(torch.zeros(1, 2, 4))
    with pytest.raises(ValueError, match=r"images: expected shape \(B, 1, H, W\)"):
        Neighbourhood.half_plane(2, 2).pairs(torch.zeros(1, 3, 8, 8))


@pytest.mark.parametrize("lag", [1, 2, 3])
def test_wavefronts_visit_each_pixel_once_after_what_it_needs(lag):
    time = torch.full((4, 6), -1)
    steps = list(wavefronts(4, 6, lag))
    assert len(steps) == 6 + 3 * lag
    for t, (rows, columns) in enumerate(steps):
        assert bool((time[rows, columns] == -1).all())
        time[rows, columns] = t
    assert bool((time >= 0).all())
    assert bool((time[:, 1:] > time[:, :-1]).all())
    assert bool((time[1:, : 6 - lag + 1] > time[:-1, lag - 1 :]).all())


# --- whitening


def test_whitening_leaves_nothing_linear(pairs):
    x, y = pairs
    whitening = Whitening(3).double()
    whitening.estimate(x, y)
    white = whitening.context(x)
    residual = whitening.output(y, white)
    torch.testing.assert_close(white.T @ white / len(x), torch.eye(3).double())
    assert float((white.T @ residual).abs().max()) / len(x) < 1e-10
    assert float(residual.square().mean()) == pytest.approx(1)
    torch.testing.assert_close(whitening.inverse(residual, white), y)


def test_whitening_accounts_for_its_jacobian(pairs):
    x, y = pairs
    whitening = Whitening(3).double()
    whitening.estimate(x, y)
    slope = torch.func.grad(lambda y: whitening.output(y, whitening.context(x[0])))(y[0])
    assert float(slope.log()) == pytest.approx(float(whitening.log_det()))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("copies", [1, 3])
def test_whitening_leaves_out_directions_without_variance(seed, copies):
    # What is left of their variance is a rounding error, of either sign.
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(500, 3, generator=generator).double()
    mixed = x @ torch.randn(3, copies, generator=generator).double()
    whitening = Whitening(3 + copies).double()
    whitening.estimate(torch.cat([x, mixed], dim=1), torch.randn(500, generator=generator).double())
    strength = torch.linalg.eigvalsh(whitening.matrix)
    assert float(strength[:copies].abs().max()) < 1e-6
    assert float(strength[copies]) > 0.1
    whitening.estimate(torch.cat([x, mixed], dim=1), x[:, 0] + x[:, 1].square(), tolerance=0.9)
    assert float(torch.linalg.eigvalsh(whitening.matrix)[: copies + 1].abs().max()) < 1e-6


def test_pixels_that_are_a_function_of_the_context_are_refused(pairs):
    with pytest.raises(ValueError, match="exact linear function"):
        MCGSM.start(pairs[0], pairs[0][:, 1])


# --- values


def plain_log_prob(model: MCGSM, y: float, x: torch.Tensor) -> float:
    """Sum over components and scales, one by one."""
    x = (x - model.whitening.context_mean) @ model.whitening.matrix
    w = model.whitening
    y = (y - float(w.output_mean) - float(x @ w.regression)) / float(w.output_std)
    gate, joint = 0.0, 0.0
    for c in range(model.eta.shape[0]):
        energy = 0.0
        for i in range(model.features.shape[1]):
            energy += float(model.beta[c, i]) ** 2 * float(model.features[:, i] @ x) ** 2
        for s in range(model.eta.shape[1]):
            precision = math.exp(model.alpha[c, s])
            log_gate = float(model.eta[c, s] + model.gate[c] @ x) - precision * energy / 2
            mean = float(model.predictors[c] @ x + model.offsets[c])
            density = math.sqrt(precision / (2 * math.pi)) * math.exp(
                -precision * (y - mean) ** 2 / 2
            )
            gate += math.exp(log_gate)
            joint += math.exp(log_gate) * density
    return math.log(joint / gate / float(w.output_std))


def test_batched_mixture_is_the_plain_sum(generator):
    model = conditional()
    y = torch.randn(20, generator=generator).double()
    x = torch.randn(20, 3, generator=generator).double()
    with torch.no_grad():
        found = model.log_prob(y, x)
        slow = [plain_log_prob(model, float(a), b) for a, b in zip(y, x, strict=True)]
    torch.testing.assert_close(found, torch.tensor(slow).double())


def test_a_mixture_without_its_square_root_is_rejected():
    class Broken(MCGSM):
        def _log_joint(self, residual, white):
            return super()._log_joint(residual, white) + 0.5 * self.alpha

    def build():
        model = Broken(3, **sizes(3, 2, 2))
        model.double().load_state_dict(conditional().state_dict())
        return model

    with pytest.raises(AssertionError, match="law 1, normalisation"):
        laws.check_normalised(replace(BY_NAME["MCGSM"], build=build))


def test_a_sampler_that_forgets_the_whitening_is_rejected():
    class Broken(MCGSM):
        def draw(self, x, u, z):
            return self.draw_white(self.whitening.context(x), u, z)

    def build():
        model = Broken(3, **sizes(3, 2, 2))
        model.double().load_state_dict(conditional().state_dict())
        return model

    with pytest.raises(AssertionError, match="law 2, sampling"):
        laws.check_samples(replace(BY_NAME["MCGSM"], build=build))


def test_gate_and_posterior_are_probabilities(generator):
    model = conditional()
    x, y = torch.randn(9, 3, generator=generator).double(), torch.randn(9).double()
    torch.testing.assert_close(model.log_gate(x).exp().sum(dim=(1, 2)), torch.ones(9).double())
    posterior = model.posterior(y, x)
    assert posterior.shape == (9, 3, 2)
    joint = model.log_joint(y, x)
    torch.testing.assert_close(posterior.log(), joint - model.log_prob(y, x)[:, None, None])


def test_gate_reads_the_contrast():
    # A context of high contrast chooses the small precision.
    model = MCGSM(2, **sizes(1, 2)).double()
    with torch.no_grad():
        model.alpha.copy_(torch.tensor([[-2.0, 2.0]]))
        model.eta.copy_(model.alpha)
        model.beta.fill_(1.0)
    flat, strong = model.log_gate(torch.tensor([[0.1, 0.0], [5.0, 3.0]]).double()).exp()
    assert flat[0, 1] > 0.9
    assert strong[0, 0] > 0.9


def test_without_a_context_it_is_a_mixture_of_gaussians(generator):
    model = conditional(0)
    x = torch.zeros(5, 0).double()
    y = torch.randn(5, generator=generator).double()
    weights = model.eta.flatten().softmax(0)
    components = [
        MultivariateNormal((w * model.offsets[c] + m)[None], (w**2 * torch.exp(-a))[None, None])
        for w, m in [(model.whitening.output_std, model.whitening.output_mean)]
        for c in range(3)
        for a in model.alpha[c]
    ]
    with torch.no_grad():
        parts = torch.stack([c.log_prob(y[:, None]).exp() for c in components], dim=1)
        torch.testing.assert_close(model.log_prob(y, x), (parts @ weights).log())
    assert model.sample(x, generator).shape == (5,)
    fitted = MCGSM.fit(x, y, **sizes(2, 2), n_iter=5)
    assert fitted.dim_context == 0


# --- law 9: one component with one scale is linear regression


def check_linear_regression(model: MCGSM, x: torch.Tensor, y: torch.Tensor) -> None:
    """Its mean log-likelihood is that of least squares with an intercept, and so is its mean."""
    design = torch.cat([x, torch.ones(len(x), 1).double()], dim=1)
    weights = torch.linalg.lstsq(design, y[:, None]).solution[:, 0]
    variance = (y - design @ weights).square().mean()
    expected = -0.5 * (math.log(2 * math.pi) + float(variance.log()) + 1)
    with torch.no_grad():
        found = float(model.log_prob(y, x).mean())
        white = model.whitening.context(x)
        mean = model.whitening.inverse(model.means(white)[:, 0], white)
    laws.fail_unless(
        abs(found - expected) < 1e-7 and torch.allclose(mean, design @ weights, atol=1e-3),
        "9, closed forms",
        "MCGSM",
        f"average log-likelihood {found:.9f}, linear regression has {expected:.9f}",
    )


def test_one_component_one_scale_is_linear_regression(pairs):
    check_linear_regression(MCGSM.fit(*pairs, **sizes(1, 1), n_iter=300), *pairs)


def test_a_regression_without_intercept_is_rejected(pairs):
    model = MCGSM.fit(*pairs, **sizes(1, 1), n_iter=300)
    with torch.no_grad():
        model.whitening.output_mean.zero_()
    with pytest.raises(AssertionError, match="law 9, closed forms"):
        check_linear_regression(model, *pairs)


# --- fitting


def test_fit_finds_that_contrast_sets_the_noise(pairs):
    x, y = pairs
    linear = MCGSM.fit(x, y, **sizes(1, 1), generator=torch.Generator().manual_seed(0))
    start = MCGSM.start(x, y, **sizes(2, 4), generator=torch.Generator().manual_seed(0))
    model = MCGSM.fit(x, y, **sizes(2, 4), n_iter=60, generator=torch.Generator().manual_seed(0))
    scores = [float(m.log_prob(y, x).mean().detach()) for m in (linear, start, model)]
    # The start, one joint scale mixture, knows most of it already.
    assert scores[0] + 0.2 < scores[1] < scores[2] - 0.04
    assert model.history[-1] == pytest.approx(-scores[2], abs=1e-6)
    assert model.history[0] == pytest.approx(-scores[1], abs=1e-6)
    assert len(model.history) <= 61


def test_the_start_is_a_scale_mixture_of_features_and_pixel(pairs):
    x, y = pairs
    generator = torch.Generator().manual_seed(0)
    model = MCGSM.start(x, y, **sizes(400, 3, 2), generator=generator)
    white, residual = model.whiten(x, y)
    seen = torch.cat([white @ model.features, residual[:, None]], dim=1).detach()
    joint = GaussianScaleMixture.fit(
        seen, scales=3, zero_mean=True, n_iter=30, tolerance=1e-4, ridge=1e-6
    )
    # p(s | x) ∝ π_s N(features | 0, σ_s²), with two features, and y has the standard deviation σ_s.
    eta = joint.weights.log() - 2 * joint.scales.log()
    torch.testing.assert_close(model.eta.detach(), eta.expand(400, 3), atol=1e-5, rtol=0)
    alpha = model.alpha.detach()
    torch.testing.assert_close(alpha.mean(dim=0), -2 * joint.scales.log(), atol=0.02, rtol=0)
    assert 0.08 < float(alpha.std(dim=0).mean()) < 0.12
    assert float(model.beta.detach().mean()) == pytest.approx(1, abs=0.02)
    more = MCGSM.start(x, y, **sizes(400, 3, 6), generator=generator)
    assert float(more.beta.detach().mean()) == pytest.approx(0.5**0.5, abs=0.02)


@pytest.mark.parametrize("patience", [2, 5])
def test_lbfgs_stops_after_so_many_steps_without_improvement(pairs, patience):
    x, y = pairs
    held, scores = (y[40:1000], x[40:1000]), []
    model = MCGSM.start(x[:40], y[:40], **sizes(4, 4), generator=torch.Generator().manual_seed(0))

    def log_prob(y, x):
        found = model.log_prob(y, x)
        if len(y) == 960:
            scores.append(-float(found.detach().mean()))
        return found

    lbfgs(model, log_prob, (y[:40], x[:40]), n_iter=300, valid=held, patience=patience)
    assert len(scores) == scores.index(min(scores)) + 1 + patience


def test_fit_needs_no_gradients_around_it_and_takes_data_that_have_some(pairs):
    x, y = pairs
    expected = MCGSM.fit(x, y, **sizes(2, 2), n_iter=3, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        generator = torch.Generator().manual_seed(0)
        again = MCGSM.fit(x, y, **sizes(2, 2), n_iter=3, generator=generator)
    one = torch.ones((), requires_grad=True)
    data, generator = (x * one, y * one), torch.Generator().manual_seed(0)
    graph = MCGSM.fit(*data, **sizes(2, 2), n_iter=3, valid=data, generator=generator)
    assert len(again.history) == 4
    for name, value in expected.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])
        assert torch.allclose(value, graph.state_dict()[name])
    assert again.eta.requires_grad
    copy.deepcopy(graph)
    rows = x[:200] * one
    assert MCGSMPatch.fit(rows, **sizes(1, 1), n_iter=2, valid=rows).event_shape == (3,)


def test_what_a_pair_costs(pairs):
    x, y = torch.randn(7, 3).double(), torch.randn(7).double()
    model = conditional()
    assert torch.equal(model.score(x, y), -model.log_prob(y, x))


def test_pairs_come_back_as_pairs(generator):
    x, y = torch.randn(7, 3).double(), torch.randn(7).double()
    model = conditional()
    white, residual = model.whiten(x, y)
    assert (white.shape, residual.shape) == ((7, 3), (7,))
    found = model.white_log_prob(residual, white) + model.whitening.log_det()
    torch.testing.assert_close(found, model.log_prob(y, x))


def test_fit_in_float32_is_that_of_float64(pairs):
    narrow = MCGSM.fit(pairs[0].float(), pairs[1].float(), **sizes(2, 2), n_iter=30)
    assert narrow.eta.dtype == torch.float32
    assert bool(narrow.log_prob(pairs[1].float() * 1e3, pairs[0].float() * 1e3).isfinite().all())


def test_validation_keeps_the_best_and_stops(pairs):
    x, y = pairs
    few = x[:40], y[:40]
    held = x[40:1000], y[40:1000]
    model = MCGSM.fit(*few, **sizes(4, 4), n_iter=300, valid=held, generator=torch.Generator())
    longer = MCGSM.fit(*few, **sizes(4, 4), n_iter=300, generator=torch.Generator())
    assert len(model.history) < 300
    best = float(model.log_prob(held[1], held[0]).mean().detach())
    assert best > float(longer.log_prob(held[1], held[0]).mean().detach()) + 0.1


def test_same_generator_same_start(pairs):
    models = [MCGSM.start(*pairs, generator=torch.Generator().manual_seed(s)) for s in (3, 3, 4)]
    first, same, other = (m.log_prob(pairs[1], pairs[0]) for m in models)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_more_features_than_directions(pairs):
    model = MCGSM.start(*pairs, **sizes(2, 2, 7))
    assert model.features.shape == (3, 7)
    basis = model.features[:, :3]
    torch.testing.assert_close(basis.T @ basis, torch.eye(3).double(), atol=1e-6, rtol=0)
    assert MCGSM(3, **sizes(2, 2, 0)).features.shape == (3, 0)
    assert bool(MCGSM.start(*pairs, **sizes(2, 2, 0)).log_prob(pairs[1], pairs[0]).isfinite().all())


def test_lbfgs_gradient_does_not_depend_on_the_chunks(pairs):
    x, y = pairs
    models = [MCGSM.start(x, y, **sizes(2, 2), generator=torch.Generator()) for _ in range(2)]
    histories = [
        lbfgs(m, m.log_prob, (y, x), n_iter=5, chunk=c)
        for m, c in zip(models, (77, 4000), strict=True)
    ]
    assert histories[0] == pytest.approx(histories[1], abs=1e-9)


def test_lbfgs_keeps_precisions_in_bounds():
    # Half of the pixels coincide, so that a precision would grow without end.
    y = torch.cat([torch.zeros(200), torch.randn(200, generator=torch.Generator())])
    model = MCGSM.fit(torch.zeros(400, 0), y, **sizes(2, 2), n_iter=100)
    assert float(model.alpha.detach().abs().max()) <= LOG_PRECISION_BOUND
    assert math.isfinite(model.history[-1])


def test_lbfgs_says_when_the_start_is_not_finite(pairs):
    model = MCGSM.start(*pairs, **sizes(2, 2))
    with torch.no_grad():
        model.eta.fill_(math.inf)
    with pytest.raises(FloatingPointError, match="at the start is nan"):
        lbfgs(model, model.log_prob, (pairs[1], pairs[0]))


def adam(model: MCGSM, x: torch.Tensor, y: torch.Tensor, **options: Any) -> History:
    settings = {"epochs": 4, "batch_size": 100, **options}
    generator = torch.Generator().manual_seed(0)
    return train_mcgsm(model, x, y, generator=generator, **settings)


def test_adam_comes_near_to_lbfgs(pairs):
    x, y = pairs
    start = MCGSM.start(x, y, **sizes(2, 4), generator=torch.Generator().manual_seed(0))
    best = MCGSM.fit(x, y, **sizes(2, 4), n_iter=60, generator=torch.Generator().manual_seed(0))
    model = copy.deepcopy(start)
    history = adam(model, x, y, epochs=12, lr=1e-2, valid=(x[:500], y[:500]))
    scores = [float(m.log_prob(y, x).mean().detach()) for m in (start, model, best)]
    assert scores[1] - scores[0] > 0.6 * (scores[2] - scores[0])
    # Both losses are of y itself, not of the whitened pixel.
    held = -float(model.log_prob(y[:500], x[:500]).mean().detach())
    assert min(history.valid["loss"]) == pytest.approx(held, abs=1e-6)
    assert history["loss"][-1] == pytest.approx(-scores[1], abs=0.02)


def test_adam_ends_with_the_best_epoch(pairs):
    x, y = pairs
    model = MCGSM.start(x[:40], y[:40], **sizes(4, 4), generator=torch.Generator().manual_seed(0))
    held = x[40:1000], y[40:1000]
    options = {"epochs": 30, "batch_size": 10, "lr": 0.05}
    history = adam(model, x[:40], y[:40], valid=held, **options)
    assert history.best_epoch < 30
    found = -float(model.log_prob(held[1], held[0]).mean().detach())
    assert found == pytest.approx(min(history.valid["loss"]), abs=1e-6)


def test_adam_passes_on_what_it_is_given(pairs, monkeypatch):
    x, y = pairs
    model, seen = MCGSM.start(x, y, **sizes(2, 2), generator=torch.Generator()), {}

    def spy(model, data, valid, **options):
        seen.update(options, data=data, valid=valid)

    monkeypatch.setattr("gdmlib.training.train", spy)
    given = {"batch_size": 3, "lr": 0.5, "betas": (0.1, 0.2), "clip": 4.0}
    train_mcgsm(model, x, y, (x[:7], y[:7]), **given)
    data, valid, score = (seen.pop(key) for key in ("data", "valid", "score"))
    assert seen == given
    torch.testing.assert_close(data, model.whiten(x, y))
    torch.testing.assert_close(valid, model.whiten(x[:7], y[:7]))
    torch.testing.assert_close(score(model, *data), -model.log_prob(y, x))
    train_mcgsm(model, x, y)
    assert [seen[key] for key in ("batch_size", "lr", "betas")] == [1000, 4e-3, (0.9, 0.99)]


def test_adam_without_a_context(generator):
    y = 3 + 2 * torch.randn(1000, generator=generator).double()
    x = y.new_empty(1000, 0)
    model = MCGSM.start(x, y, **sizes(2, 2), generator=generator)
    adam(model, x, y, lr=1e-2, valid=(x, y))
    entropy = 0.5 + 0.5 * math.log(2 * math.pi) + float(y.std().log())
    assert -float(model.log_prob(y, x).mean().detach()) == pytest.approx(entropy, abs=0.02)


def test_interrupted_adam_ends_like_an_uninterrupted_one(pairs, tmp_path):
    def stop(epoch, history):
        if epoch == 2:
            raise KeyboardInterrupt

    whole, parts, again = (
        MCGSM.start(*pairs, **sizes(2, 2), generator=torch.Generator().manual_seed(0))
        for _ in range(3)
    )
    adam(whole, *pairs)
    with pytest.raises(KeyboardInterrupt):
        adam(parts, *pairs, checkpoint=tmp_path / "run.pt", on_epoch=stop)
    adam(again, *pairs, checkpoint=tmp_path / "run.pt", resume=True)
    for a, b in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(whole.eta, parts.eta)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, y: MCGSM(-1), "dim_context"),
        (lambda x, y: MCGSM(3, components=0), "components"),
        (lambda x, y: MCGSM(3, scales=0), "scales"),
        (lambda x, y: MCGSM(3, features=-1), "features"),
        (lambda x, y: MCGSM.fit(x[:1], y[:1]), "at least 2 pixels"),
        (lambda x, y: MCGSM.fit(x[:9], y), "y: expected 9, one for each x, got 4000"),
        (lambda x, y: MCGSM.fit(x * math.nan, y), "x: .* NaN"),
        (lambda x, y: MCGSM.fit(x, y, valid=(x[:, :2], y)), "x: expected shape"),
        (lambda x, y: MCGSM.fit(x, y, n_iter=0), "n_iter"),
        (
            lambda x, y: train_mcgsm(conditional(3), x[:9], y, epochs=1),
            "y: expected 9, one for each",
        ),
        (lambda x, y: train_mcgsm(conditional(3), x, y.float(), epochs=1), "y: "),
        (lambda x, y: train_mcgsm(conditional(3), x, y, epochs=0), "epochs"),
        (lambda x, y: conditional().sample(x[:0]), "^x: expected at least one context, got none$"),
        (lambda x, y: MCGSMPatch([]), "contexts of 0, 1, 2"),
        (lambda x, y: MCGSMPatch([conditional(1)]), "contexts of 0, 1, 2"),
        (lambda x, y: MCGSMPatch.fit(y), "^x: expected 2 dimensions"),
        (lambda x, y: MCGSMPatch.fit(x, features=-1), "^features: expected at least 0"),
        (lambda x, y: MCGSMPatch.fit(x, valid=x[:, :2]), r"valid: expected shape \(M, 3\)"),
        (lambda x, y: MCGSMImage(conditional(3), CORNER), "context of 4 numbers"),
        (lambda x, y: MCGSMImage(conditional(4), CORNER, (8, 8)), "event_shape"),
        (lambda x, y: MCGSMImage(conditional(4), CORNER, padding=math.nan), "padding"),
    ],
)
def test_bad_arguments(call, message, pairs):
    with pytest.raises(ValueError, match=message):
        call(*pairs)


# --- patches


def test_patch_is_the_sum_of_its_conditionals(generator):
    model = patch()
    x = torch.randn(5, 2, generator=generator).double()
    first, second = model.conditionals
    expected = first.log_prob(x[:, 0], x[:, :0]) + second.log_prob(x[:, 1], x[:, :1])
    torch.testing.assert_close(model.log_prob(x), expected)
    torch.testing.assert_close(model.conditional_log_prob(x).sum(dim=1), expected)


def test_what_is_known_of_a_patch_is_kept(generator):
    model = patch()
    x = torch.randn(4, 2, generator=generator).double()
    known = torch.tensor([[True, True], [True, False], [False, True], [False, False]])
    done = model.complete(x, known, generator)
    assert torch.equal(done == x, known)
    # The second number is drawn given the first one.
    many = torch.tensor([[0.4, 0.0]]).double().expand(20_000, 2)
    drawn = model.complete(many, torch.tensor([True, False]), generator)[:, 1]
    again = model.conditionals[1].sample(many[:, :1], generator)
    assert float(drawn.mean()) == pytest.approx(float(again.mean()), abs=0.05)
    assert float(drawn.std()) == pytest.approx(float(again.std()), rel=0.05)


def test_patch_fit_passes_on_what_it_is_given(generator):
    x = torch.randn(200, 2, generator=generator)
    options = {"n_iter": 3, "generator": generator}
    model = MCGSMPatch.fit(x, **sizes(3, 2, 0), **options)
    assert model.conditionals[1].eta.shape == (3, 2)
    assert model.conditionals[1].features.shape == (1, 0)
    assert [len(inner.history) for inner in model.conditionals] == [4, 4]
    twins = [
        MCGSMPatch.fit(x, n_iter=1, generator=torch.Generator().manual_seed(s)).log_prob(x)
        for s in (0, 0, 1)
    ]
    assert torch.equal(twins[0], twins[1])
    assert not torch.equal(twins[0], twins[2])


def test_patch_fit_stops_where_held_out_vectors_are_worse(generator):
    x = torch.randn(30, 2, generator=generator)
    held = torch.randn(300, 2, generator=generator)
    options = {**sizes(4, 4), "n_iter": 200}
    careful = MCGSMPatch.fit(x, valid=held, generator=torch.Generator().manual_seed(0), **options)
    greedy = MCGSMPatch.fit(x, generator=torch.Generator().manual_seed(0), **options)
    assert float((careful.log_prob(held) - greedy.log_prob(held)).mean().detach()) > 0.1


def test_patch_fit_learns_a_gaussian(generator):
    truth = MultivariateNormal(
        torch.tensor([1.0, -1.0, 0.0]).double(),
        torch.tensor([[1.0, 0.8, 0.2], [0.8, 1.0, 0.5], [0.2, 0.5, 1.0]]).double(),
    )
    x, held = truth.sample(3000, generator), truth.sample(3000, generator)
    seen = []
    model = MCGSMPatch.fit(
        x,
        **sizes(2, 2, 2),
        n_iter=30,
        valid=held,
        generator=generator,
        on_coordinate=lambda i, m: seen.append((i, m.dim_context, m.features.shape[1])),
    )
    assert seen == [(0, 0, 0), (1, 1, 1), (2, 2, 2)]
    assert model.event_shape == (3,)
    gap = truth.log_prob(held).mean() - model.log_prob(held).mean().detach()
    assert float(gap) < 0.01
    drawn = model.sample(3000, generator)
    torch.testing.assert_close(torch.cov(drawn.T), truth.covariance, atol=0.1, rtol=0)


# --- images


@pytest.fixture
def image(generator):
    return torch.randn(1, 4, 5, generator=generator).double()


def in_corner(i, j, k, m):
    return (k - i, m - j) in CORNER.offsets


def test_pixels_are_normalised(image):
    check_pixels_normalised(mcgsm_image(), image[:, :3, :3])


def test_causality(image):
    check_causality(mcgsm_image(), image, in_corner)


def check_mcgsm_sweep(model):
    check_sweep(model, lambda seen, i, j, u, z: model.conditional.draw(seen[:, i, j], u, z))


def test_sweep():
    check_mcgsm_sweep(mcgsm_image((1, 6, 7)))
    model = mcgsm_image((1, 5, 8))
    far = Neighbourhood([(-1, 3), (-2, 5), (-1, -2), (0, -1)])
    check_mcgsm_sweep(MCGSMImage(model.conditional, far, (1, 5, 8)))


class Leaky(Neighbourhood):
    """Looks at the next pixel, and is not asked whether it may."""

    def __init__(self):
        super().__init__(CORNER.offsets)
        self.offsets = ((-1, 0), (0, 1), (-1, 1), (0, -1))


def test_broken_images_are_rejected(image):
    leaky = MCGSMImage(mcgsm_image().conditional, Leaky(), (1, 5, 6))
    with pytest.raises(AssertionError, match=r"law 3, causality: .* depends on the later pixel"):
        check_causality(leaky, image, in_corner)
    blind = MCGSMImage(
        mcgsm_image().conditional, Neighbourhood([(-1, -1), (-1, 0), (0, -1), (0, -2)])
    )
    with pytest.raises(AssertionError, match=r"law 3, causality: .* is blind to"):
        check_causality(blind, image, in_corner)
    hasty = mcgsm_image((1, 5, 6))
    hasty.neighbourhood = Neighbourhood(CORNER.offsets)
    hasty.neighbourhood.lag = 1
    with pytest.raises(AssertionError, match="law 4, fast = slow"):
        check_mcgsm_sweep(hasty)
    double = mcgsm_image()
    double._map = lambda contexts, pixels: MCGSMImage._map(double, contexts, pixels) + 0.01
    with pytest.raises(AssertionError, match="law 1, normalisation"):
        check_pixels_normalised(double, image[:, :2, :2])


def test_image_is_the_sum_over_pixels(image):
    model = mcgsm_image()
    each = model.conditional_log_prob(image[None])
    assert each.shape == (1, 1, 4, 5)
    torch.testing.assert_close(model.log_prob(image[None]), each.sum(dim=(1, 2, 3)))
    inside = model.interior_log_prob(image[None])
    # Inside, the border does not matter.
    torch.testing.assert_close(inside, each[:, :, 1:, 1:-1])


def test_padding_is_what_lies_outside(image):
    model = mcgsm_image()
    framed = torch.full((1, 1, 5, 7), 0.3).double()
    framed[0, 0, 1:, 1:-1] = image[0]
    torch.testing.assert_close(
        model.interior_log_prob(framed), model.conditional_log_prob(image[None])
    )


def test_complete_keeps_what_is_known(image, generator):
    model = mcgsm_image()
    known = torch.zeros(1, 4, 5, dtype=torch.bool)
    known[:, :2] = True
    images = image.repeat(3, 1, 1, 1)
    done = model.complete(images, known, generator)
    assert torch.equal(done[:, :, :2], images[:, :, :2])
    assert not torch.equal(done[0, :, 2:], done[1, :, 2:])
    everything = model.complete(images, torch.ones(1, 4, 5).bool(), generator)
    assert torch.equal(everything, images)


def test_known_pixels_of_one_image_are_drawn_in_another(image, generator):
    model = mcgsm_image()
    known = torch.zeros(2, 1, 4, 5, dtype=torch.bool)
    known[0, :, :2], known[1, :, 2:] = True, True
    images = image.repeat(2, 1, 1, 1)
    assert torch.equal(model.complete(images, known, generator) == images, known)


def test_sizes_may_be_numbers_of_numpy(generator):
    two, nb = np.int64(2), Neighbourhood.half_plane(np.int64(1), np.int64(1))
    inner = MCGSM(np.int64(4), components=two, scales=two, features=two, generator=generator)
    model = MCGSMImage(inner, nb, tuple(np.array([1, 3, 4])))
    assert model.sample(two, generator).shape == (2, 1, 3, 4)
    assert model.event_shape == (1, 3, 4)
    assert MCGSM.fit(torch.randn(30, 4), torch.randn(30), n_iter=two).dim_context == 4


def test_an_image_costs_its_interior(image):
    model = mcgsm_image()
    expected = -model.interior_log_prob(image[None]).flatten(1).mean(dim=1)
    torch.testing.assert_close(model.score(image[None]), expected)
    assert model.score(image.repeat(3, 1, 1, 1)).shape == (3,)


@pytest.mark.parametrize(
    "call",
    [
        lambda m, x, g: m.log_prob(x),
        lambda m, x, g: m.conditional_log_prob(x),
        lambda m, x, g: m.interior_log_prob(x),
        lambda m, x, g: m.sample(2, g),
        lambda m, x, g: m.complete(x, torch.zeros(1, 4, 5).bool(), g),
        lambda m, x, g: m.sample_interior(x, g),
        lambda m, x, g: m.conditional.log_prob(x[0, 0, :, 0], x[0, 0, :, 1:]),
        lambda m, x, g: m.conditional.posterior(x[0, 0, :, 0], x[0, 0, :, 1:]),
        lambda m, x, g: m.conditional.sample(x[0, 0, :, 1:], g),
        lambda m, x, g: m.conditional.whiten(x[0, 0, :, 1:], x[0, 0, :, 0])[0],
    ],
)
@torch.no_grad()
def test_mixed_precision_changes_nothing(call, image):
    model, x = mcgsm_image().float(), image[None].float()
    expected = call(model, x, torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(call(model, x, torch.Generator().manual_seed(0)), expected)


def test_completions_follow_the_conditional():
    # With the first pixel known, the second one is a sample of its conditional.
    model = mcgsm_image((1, 1, 2))
    images = torch.full((20_000, 1, 1, 2), 0.7).double()
    known = torch.tensor([[[True, False]]])
    drawn = model.complete(images, known, torch.Generator().manual_seed(0))[:, 0, 0, 1]
    context = torch.tensor([[0.3, 0.3, 0.3, 0.7]]).double().expand(20_000, 4)
    again = model.conditional.sample(context, torch.Generator().manual_seed(1))
    assert float((drawn.mean() - again.mean()).abs()) < 5 * float(again.std()) / 100
    assert float(drawn.std()) == pytest.approx(float(again.std()), rel=0.05)


def test_sample_interior_grows_from_the_border(generator):
    model = mcgsm_image()
    seed = torch.randn(2, 1, 6, 7, generator=generator).double()
    before = seed.clone()
    grown = model.sample_interior(seed, generator)
    assert torch.equal(seed, before)
    border = torch.ones(6, 7).bool()
    border[1:, 1:-1] = False
    assert torch.equal(grown[:, :, border], seed[:, :, border])
    assert not bool((grown[:, :, ~border] == seed[:, :, ~border]).any())


def test_images_of_another_size_than_the_samples(generator):
    model = mcgsm_image((1, 3, 9))
    assert model.sample(2, generator).shape == (2, 1, 3, 9)
    assert model.log_prob(torch.randn(2, 1, 6, 4).double()).shape == (2,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.log_prob(torch.zeros(2, 3, 8, 8).double()), r"expected shape \(B, 1, H, W\)"),
        (lambda m: m.log_prob(torch.zeros(2, 1, 8, 8)), "expected torch.float64"),
        (lambda m: m.interior_log_prob(torch.zeros(2, 1, 1, 8).double()), "too few"),
        (lambda m: m.complete(torch.zeros(2, 1, 4, 4).double(), torch.ones(1, 4, 4)), "Boolean"),
        (
            lambda m: m.complete(torch.zeros(2, 1, 4, 4).double(), torch.ones(4, 4) > 0),
            r"known: .* \(1, 4, 4\), or \(2, 1, 4, 4\)",
        ),
        (lambda m: m.sample(0), "at least 1"),
    ],
)
def test_bad_images(call, message):
    with pytest.raises(ValueError, match=message):
        call(mcgsm_image())
