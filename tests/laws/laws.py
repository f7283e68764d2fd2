"""The laws, as functions: each takes a case of the registry and raises if the model breaks it.

Adding a model takes one entry in the registry of its family; the laws that its methods ask for then
run over it, see ``registry.having``. Adding a law takes one function here, and one file of tests
that runs it over the registry and over a broken model that it must reject. The laws of derivatives
are in ``derivatives.py``; those of every call, of a model or another function of tensors, in
``general.py``; those of whole images in ``image_laws.py``; and law 7, of games, in ``games.py``.

A law fails with an ``AssertionError`` that begins with its name:

    law 1, normalisation    the probabilities sum, or integrate, to 1
    law 2, sampling         samples fall where log_prob says
    law 9, closed forms     what the textbook derives, the code returns
    law 10, engineering     batches, generators, states, gradients, dtypes, errors
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import safetensors.torch
import torch
from scipy.stats import chi2, norm, poisson
from torch import Generator, Tensor, nn

from .domains import Domain

FALSE_ALARM = 1e-6
"""How often a test of samples may reject a correct sampler, all seeds considered."""


@dataclass(frozen=True)
class Case:
    """A model and where it lives.

    Attributes:
        name: Shown as the name of the test.
        build: Makes the model, float64, always the same.
        other: Makes another model of the same class and sizes, with other numbers.
        domain: The events x of p(x), or the events y of p(y | x).
        inputs: The x of p(y | x), shape (J, ...): the laws hold for each. None for a p(x).
        tolerance: How far the total of the probability may be from 1: more where the density is not
            smooth, so that a quadrature rule is less exact.
        bounded: Whether events live in a bounded region, so that none lies far out.
    """

    name: str
    build: Callable[[], Any]
    other: Callable[[], Any]
    domain: Domain
    inputs: Tensor | None = None
    tolerance: float = 1e-7
    bounded: bool = False

    def __str__(self) -> str:
        return self.name

    @cached_property
    def model(self) -> Any:
        """A model for all who do not change it."""
        return self.build()

    @cached_property
    def expected(self) -> list[Tensor]:
        """The log-density of the domain's points under ``model``, for all who need the sum."""
        return self.log_probs(self.model)

    @torch.no_grad()
    def log_probs(self, model: nn.Module) -> list[Tensor]:
        """Return the log-density of the domain's points: one tensor, or one for each input."""
        points = self.domain.points
        if self.inputs is None:
            return [model.log_prob(points)]
        inputs = [x.expand(len(points), *x.shape) for x in self.inputs]
        return [model.log_prob(points, x) for x in inputs]

    def samples(self, model: nn.Module, n: int, generator: Generator) -> list[Tensor]:
        """Return n samples: one tensor, or one for each input."""
        if self.inputs is None:
            return [model.sample(n, generator)]
        return [model.sample(x.expand(n, *x.shape), generator) for x in self.inputs]

    def arguments(self, n: int) -> tuple[Tensor, ...]:
        """Return n arguments for log_prob, spread over the domain: (x,), or (y, x)."""
        points = self.domain.points
        # The middle half, where the density of a box is not negligible.
        share = torch.linspace(0, 1, n) if self.domain.discrete else torch.linspace(0.3, 0.7, n)
        x = points[(share * (len(points) - 1)).round().long()]
        if self.inputs is None:
            return (x,)
        return x, self.inputs[torch.arange(n) % len(self.inputs)]


def has(model: Any, name: str) -> bool:
    """Say whether a model has a method that an event is enough for.

    A mixture over orderings, which is a MADE with several masks, has conditionals for each mask.
    """
    if name == "conditional_log_prob" and getattr(model, "num_masks", 1) > 1:
        return False
    return callable(getattr(model, name, None))


def fail_unless(condition: object, law: str, case: object, what: str) -> None:
    """Raise an AssertionError that begins with the law's name."""
    if not condition:
        raise AssertionError(f"law {law}: {case}: {what}")


# --- Law 1 ---------------------------------------------------------------------------------------


def check_normalised(case: Case) -> None:
    """Probabilities sum to 1 over a finite set; densities integrate to 1 over space."""
    for log_prob in case.expected:
        total = float(case.domain.cell_probabilities(log_prob).sum())
        fail_unless(
            abs(total - 1) <= case.tolerance, "1, normalisation", case, f"the total is {total:.9f}"
        )


# --- Law 2 ---------------------------------------------------------------------------------------


def check_samples(case: Case, n: int = 10_000, seed: int = 0) -> None:
    """Samples agree with log_prob: a χ² test on the cells, and two-sided tests of the moments.

    All tests together reject a correct sampler with a probability of at most ``FALSE_ALARM``; the
    moments are means and all second moments of the coordinates.
    """
    samples = case.samples(case.model, n, torch.Generator().manual_seed(seed))
    event_shape = case.domain.points.shape[1:]
    points = _moments(case.domain.points)
    alarm = FALSE_ALARM / len(samples) / (1 + points.shape[1])
    for log_prob, drawn in zip(case.expected, samples, strict=True):
        shape = tuple(drawn.shape)
        fail_unless(shape == (n, *event_shape), "2, sampling", case, f"samples of shape {shape}")
        p_value = _chi_square(case.domain, log_prob, case.domain.locate(drawn))
        fail_unless(p_value > alarm, "2, sampling", case, f"χ² test on cells, p = {p_value:.3g}")
        mean = case.domain.expectation(log_prob, points)
        variance = case.domain.expectation(log_prob, (points - mean) ** 2)
        z = (_moments(drawn).mean(dim=0) - mean).abs() / (variance / n).sqrt().clamp(min=1e-12)
        worst, limit = float(z.max()), float(norm.isf(alarm / 2))
        fail_unless(worst < limit, "2, sampling", case, f"a moment is {worst:.1f} std errors off")


def _moments(x: Tensor) -> Tensor:
    """Return all coordinates and their products in pairs, shape (n, *event) -> (n, m)."""
    x = x.reshape(len(x), -1).double()
    pairs = [x[:, i] * x[:, j] for i, j in combinations_with_replacement(range(x.shape[1]), 2)]
    return torch.cat([x, torch.stack(pairs, dim=1)], dim=1)


def _chi_square(domain: Domain, log_prob: Tensor, cells: Tensor) -> float:
    """Return the p-value of the counts of cells; cells that expect fewer than 10 are pooled."""
    n = len(cells)
    expected = n * domain.cell_probabilities(log_prob)
    counts = torch.bincount(cells[cells >= 0], minlength=len(expected)).double()
    large = expected >= 10
    # The pool holds all that is not in a large cell, the outside of the domain as well.
    expected_rest = max(n - float(expected[large].sum()), 0.0)
    rest = n - float(counts[large].sum())
    statistic = float(((counts - expected)[large] ** 2 / expected[large]).sum())
    if expected_rest >= 10:
        return float(chi2.sf(statistic + (rest - expected_rest) ** 2 / expected_rest, large.sum()))
    # A small pool has its own, exact test, and each of the two gets half of the false alarms.
    p_values = chi2.sf(statistic, max(int(large.sum()) - 1, 1)), poisson.sf(rest - 1, expected_rest)
    return float(2 * min(p_values))


# --- Law 9 ---------------------------------------------------------------------------------------


def check_gaussian_maximum(model: nn.Module, x: Tensor, tolerance: float = 1e-10) -> None:
    """At the maximum, the average log-likelihood is -½ (d ln 2π + ln|Σ̂| + d)."""
    columns = x.reshape(len(x), -1).numpy()
    d = columns.shape[1]
    covariance = np.atleast_2d(np.cov(columns.T, bias=True))
    expected = -0.5 * (d * math.log(2 * math.pi) + np.linalg.slogdet(covariance)[1] + d)
    found = float(model.log_prob(x).mean())
    fail_unless(
        abs(found - expected) <= tolerance,
        "9, closed forms",
        type(model).__name__,
        f"average log-likelihood {found:.9f}, the Gaussian maximum is {expected:.9f}",
    )


def check_principal_subspace(model: nn.Module, x: Tensor, tolerance: float = 1e-8) -> None:
    """The best linear autoencoder spans the first principal components, and leaves the others.

    ``model`` has ``latent``, ``basis()``, (d, latent), ``encode`` and ``score(x)``, squared errors.
    """
    columns, law = x.reshape(len(x), -1).numpy(), "9, closed forms"
    eigenvalues, vectors = np.linalg.eigh(np.cov(columns.T, bias=True))
    k, name = model.latent, type(model).__name__
    cosines = np.linalg.svd(vectors[:, -k:].T @ model.basis().detach().numpy(), compute_uv=False)
    # 1 - cos² keeps the digits of a small angle.
    angle = math.sqrt(max(0.0, 1 - float(cosines.min()) ** 2))
    says = f"the sine of the largest principal angle is {angle:.3g}"
    fail_unless(angle <= math.sqrt(tolerance), law, name, says)
    expected = float(eigenvalues[:-k].sum())
    found = float(model.score(x).detach().mean())
    says = f"the mean squared error {found:.9f}, the other eigenvalues sum to {expected:.9f}"
    fail_unless(abs(found - expected) <= tolerance * (1 + expected), law, name, says)


def check_stationary(model: nn.Module, x: Tensor, y: Tensor, l2: float = 0.0) -> None:
    """At the optimum of a logistic regression Xᵀ(y - p) = λ w, and Σ (y - p) = 0.

    ``model`` has ``weight`` (d,) or (K, d), ``bias``, and ``probs(x)``, (N,) or (N, K).
    """
    probs = model.probs(x).detach()
    target = y if probs.ndim == 1 else nn.functional.one_hot(y, probs.shape[1])
    residual = (target.to(probs) - probs).reshape(len(x), -1)
    weight = model.weight.detach().reshape(residual.shape[1], -1)
    slope = (residual.T @ x - l2 * weight).abs().max()
    level = residual.sum(dim=0).abs().max()
    worst = float(torch.maximum(slope, level))
    fail_unless(
        worst <= 1e-8,
        "9, closed forms",
        type(model).__name__,
        f"the gradient of the penalised likelihood is {worst:.3g}, not 0",
    )


def check_ridge_is_map(
    ridge: Callable[[Tensor, Tensor, float], Tensor],
    conditional_mean: Callable[[Tensor, Tensor, Tensor], Tensor],
    noise: float = 0.5,
    scale: float = 2.0,
) -> None:
    """Ridge regression is the mean of w given y, with λ = σ_noise² / σ_w².

    With w ~ N(0, σ_w² I) and y = X w + noise, the pair (w, y) is jointly Gaussian.

    Args:
        ridge: Solves for the weights from X, y and λ.
        conditional_mean: The mean of the first coordinates of a centred Gaussian with a covariance
            (first argument), given that those of an index (second) have the values of the third.
        noise, scale: The standard deviations of the noise and of the weights.
    """
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(12, 3, generator=generator).double()
    y = x @ torch.tensor([1.0, -2.0, 0.5]).double() + torch.randn(12, generator=generator)
    top = scale**2 * torch.cat([torch.eye(3).double(), x.T], dim=1)
    seen = scale**2 * x @ x.T + noise**2 * torch.eye(12).double()
    joint = torch.cat([top, torch.cat([top[:, 3:].T, seen], dim=1)])
    gap = ridge(x, y, noise**2 / scale**2) - conditional_mean(joint, torch.arange(3, 15), y)
    worst = float(gap.abs().max())
    fail_unless(worst <= 1e-10, "9, closed forms", "ridge = MAP", f"they differ by {worst:.3g}")


def check_em_never_falls(
    model: nn.Module, step: Callable[[nn.Module, Tensor], object], x: Tensor, n_iter: int = 40
) -> None:
    """A step of EM never makes the likelihood smaller."""
    before = float(model.log_prob(x).mean())
    for i in range(n_iter):
        step(model, x)
        after = float(model.log_prob(x).mean())
        fail_unless(
            after >= before - 1e-12,
            "9, closed forms",
            type(model).__name__,
            f"EM step {i + 1} took the log-likelihood from {before:.9f} to {after:.9f}",
        )
        before = after


def check_kl(case: Case, n: int = 10_000, seed: int = 0) -> None:
    """KL(p || q) equals the sum of p (log p - log q), and its Monte Carlo estimate."""
    p, q = case.build(), case.other()
    found = float(p.kl(q))
    log_p, log_q = p.log_prob(case.domain.points), q.log_prob(case.domain.points)
    gap = torch.where(log_p > -math.inf, log_p - log_q, 0.0)
    exact = float(case.domain.expectation(log_p, gap))
    fail_unless(
        abs(found - exact) <= 1e-7,
        "9, closed forms",
        case,
        f"KL is {found:.9f}, the sum gives {exact:.9f}",
    )
    x = p.sample(n, torch.Generator().manual_seed(seed))
    terms = p.log_prob(x) - q.log_prob(x)
    error = float(abs(terms.mean() - found) / (terms.std() / math.sqrt(n)))
    fail_unless(
        error < norm.isf(FALSE_ALARM / 2),
        "9, closed forms",
        case,
        f"KL is {error:.1f} standard errors from its Monte Carlo estimate",
    )
    fail_unless(abs(float(p.kl(p))) < 1e-12, "9, closed forms", case, "KL(p || p) is not 0")


def check_entropy(case: Case) -> None:
    """The entropy equals minus the sum of p log p."""
    model = case.build()
    log_p = model.log_prob(case.domain.points)
    exact = -float(case.domain.expectation(log_p, torch.where(log_p > -math.inf, log_p, 0.0)))
    found = float(model.entropy())
    fail_unless(
        abs(found - exact) <= 1e-7,
        "9, closed forms",
        case,
        f"entropy is {found:.9f}, the sum gives {exact:.9f}",
    )


def check_multinomial(log_prob: Callable[[Tensor, Tensor], Tensor], n: int = 6) -> None:
    """The multinomial's probabilities of all counts that sum to n sum to 1."""
    probs = torch.tensor([0.2, 0.5, 0.3]).double()
    counts = torch.cartesian_prod(*[torch.arange(n + 1)] * 3)
    counts = counts[counts.sum(dim=1) == n]
    total = float(log_prob(counts, probs).exp().sum())
    fail_unless(abs(total - 1) <= 1e-12, "9, closed forms", "multinomial", f"total {total:.9f}")


# --- Law 10 --------------------------------------------------------------------------------------


def check_batch_is_stack(case: Case) -> None:
    """The log-density of a batch is that of its members, each alone."""
    model, arguments = case.build(), case.arguments(7)
    batch = model.log_prob(*arguments)
    singles = torch.cat([model.log_prob(*[a[i : i + 1] for a in arguments]) for i in range(7)])
    fail_unless(
        batch.shape == (7,) and torch.allclose(batch, singles, rtol=1e-12, atol=1e-12),
        "10, engineering",
        case,
        "a batch and its members alone give different log-densities",
    )


def check_same_generator(case: Case) -> None:
    """The same generator gives the same samples, another one others; the global one is not used."""
    model = case.build()

    def draw(seed: int) -> Tensor:
        return torch.cat(case.samples(model, 50, torch.Generator().manual_seed(seed)))

    before = torch.random.get_rng_state()
    same = torch.equal(draw(3), draw(3))
    fail_unless(same, "10, engineering", case, "one seed gives two different samples")
    untouched = torch.equal(before, torch.random.get_rng_state())
    fail_unless(untouched, "10, engineering", case, "sampling uses the global generator")
    fail_unless(not torch.equal(draw(3), draw(4)), "10, engineering", case, "the seed is ignored")
    with torch.random.fork_rng():
        torch.manual_seed(5)
        first = case.samples(model, 50, None)
        second = case.samples(model, 50, None)
        torch.manual_seed(5)
        again = case.samples(model, 50, None)
    fresh = not all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    repeated = all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    fail_unless(
        fresh and repeated, "10, engineering", case, "without a generator, torch's own is not used"
    )


def check_state(case: Case) -> None:
    """Another model that loads the state is the same model: by state_dict, and by safetensors."""
    model, arguments = case.build(), case.arguments(7)
    expected = model.log_prob(*arguments)
    stored = safetensors.torch.load(safetensors.torch.save(model.state_dict()))
    for state in (model.state_dict(), stored):
        loaded = case.other()
        different = not torch.allclose(loaded.log_prob(*arguments), expected)
        fail_unless(different, "10, engineering", case, "the other model is no other one")
        loaded.load_state_dict(state)
        same = torch.equal(loaded.log_prob(*arguments), expected)
        fail_unless(same, "10, engineering", case, "the state does not hold the whole model")


def _continuous(case: Case, arguments: tuple[Tensor, ...]) -> list[int]:
    """Return which arguments can be moved far: a pixel of 0 or 1 cannot, float or not."""
    fixed = 0 if case.domain.discrete else None
    return [i for i, a in enumerate(arguments) if a.is_floating_point() and i != fixed]


def check_float32(case: Case) -> None:
    """In float32, log_prob is that of float64 to rounding, and finite a thousand times further out.

    The far arguments, where there are any, reach densities around exp(-10^7).
    """
    wide, narrow = case.build(), case.build().float()
    for far in (1.0,) if case.bounded else (1.0, 1e3):
        arguments = list(case.arguments(25))
        for i in _continuous(case, case.arguments(25)):
            arguments[i] = arguments[i] * far
        rounded = [a.float() if a.is_floating_point() else a for a in arguments]
        again = [a.double() if a.is_floating_point() else a for a in rounded]
        found, expected = narrow.log_prob(*rounded).detach(), wide.log_prob(*again).detach()
        fail_unless(
            found.dtype == torch.float32 and bool(found.isfinite().all()),
            "10, engineering",
            case,
            f"float32 gives {found.dtype} and {int((~found.isfinite()).sum())} values not finite",
        )
        error = float(((found - expected).abs() / (1 + expected.abs())).max())
        fail_unless(error < 2e-5, "10, engineering", case, f"float32 is off by {error:.3g}")


def check_errors(case: Case) -> None:
    """Wrong input is refused with an error of the right type that says what is wrong."""
    model, arguments = case.build(), case.arguments(4)
    for what, bad in _bad_arguments(case, arguments):
        _must_raise(case, what, lambda bad=bad: model.log_prob(*bad))
    _must_raise(case, "a list", lambda: model.log_prob([0.0], *arguments[1:]), TypeError)
    if case.inputs is None:
        for n in (0, -1, 2.5):
            _must_raise(case, f"sample({n})", lambda n=n: model.sample(n))
    else:
        _must_raise(case, "inputs with NaN", lambda: model.sample(case.inputs * math.nan))


def _bad_arguments(case: Case, arguments: tuple[Tensor, ...]) -> list[tuple[str, tuple]]:
    """Return a name and arguments, each wrong in one way."""
    bad = []
    for i, a in enumerate(arguments):

        def put(value: Tensor, i: int = i) -> tuple:
            return (*arguments[:i], value, *arguments[i + 1 :])

        bad += [("one dimension more", put(a[..., None])), ("no event", put(a[:0]))]
        bad += [("a single event without batch", put(a[0]))]
        if a.is_floating_point():
            bad += [("integers", put(a.long())), ("another dtype", put(a.float()))]
            bad += [("NaN", put(a * math.nan)), ("infinity", put(a + math.inf))]
        else:
            bad += [("real numbers", put(a.double())), ("negative", put(a - 1 - a.max()))]
            bad += [("too large", put(a + case.domain.points.max() + 1))]
        if a.ndim > 1:
            bad += [("one coordinate more", put(torch.cat([a, a[:, :1]], dim=1)))]
        if len(arguments) > 1:
            bad += [("different lengths", put(a[1:]))]
    return bad


def _must_raise(
    case: Case, what: str, call: Callable[[], object], error: type[Exception] = ValueError
) -> None:
    try:
        call()
    except error as raised:
        says = str(raised)
        fail_unless(len(says) > 15, "10, engineering", case, f"{what}: the error says {says!r}")
    except Exception as raised:
        kind = type(raised).__name__
        fail_unless(False, "10, engineering", case, f"{what}: {kind}, not {error.__name__}")
    else:
        fail_unless(False, "10, engineering", case, f"{what}: accepted")
