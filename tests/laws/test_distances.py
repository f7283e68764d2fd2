"""Laws 9 and 10 for comparisons of two sets of samples, and broken comparisons that they reject."""

from __future__ import annotations

import pytest
import torch

from gdmlib import metrics

from . import distances


def test_frechet_distance():
    distances.check_frechet_of_normals(metrics.frechet_distance)


def test_kernel_distance():
    distances.check_kernel_of_moments(metrics.kernel_distance)


@pytest.mark.parametrize("name", ["frechet_distance", "kernel_distance"])
def test_symmetries(name):
    distances.check_symmetries(getattr(metrics, name), name)


def test_half_spread():
    distances.check_half_spread(metrics.coverage)


def test_coverage_by_chance():
    distances.check_chance_of_coverage(metrics.coverage)


def test_memorisation():
    distances.check_memorisation(metrics.memorisation)


def test_extrapolation():
    distances.check_extrapolation(metrics.extrapolated, metrics.frechet_distance)


def test_typicality():
    distances.check_typicality(metrics.typicality)


def moments(x):
    return x.mean(0), torch.cov(x.T)


def by_elements(a, b):
    """Takes the root of a matrix entry by entry."""
    (ma, sa), (mb, sb) = moments(a), moments(b)
    root = torch.trace((sa @ sb).abs().sqrt())
    return float((ma - mb).square().sum() + torch.trace(sa + sb) - 2 * root)


def without_root(a, b):
    """Forgets the means."""
    shifted = metrics.frechet_distance(a - a.mean(0), b - b.mean(0))
    return float(shifted)


def biased_kernel(a, b):
    """Counts every example as a pair with itself."""

    def mean(x, y):
        return float((x @ y.T / x.shape[1] + 1).pow(3).mean())

    return mean(a, a) + mean(b, b) - 2 * mean(a, b)


def one_sided(a, b):
    """Divides by the spread of the first set."""
    return metrics.frechet_distance(a / a.std(), b / a.std())


def by_place(a, b):
    """Compares the first with the first."""
    n = min(len(a), len(b))
    return float((a[:n] - b[:n]).square().sum())


def axes(a, b):
    """Sees one axis at a time."""
    return float(((a.mean(0) - b.mean(0)).abs() + (a.std(0) - b.std(0)).abs()).sum())


def blind(a, b):
    """Sees no means."""
    return without_root(a, b)


@pytest.mark.parametrize("broken", [by_elements, without_root])
def test_a_broken_frechet_distance_is_rejected(broken):
    with pytest.raises(AssertionError, match="law 9, closed forms: of normals"):
        distances.check_frechet_of_normals(broken)


def test_a_biased_kernel_distance_is_rejected():
    with pytest.raises(AssertionError, match="law 9, closed forms: kernel_distance"):
        distances.check_kernel_of_moments(biased_kernel)


@pytest.mark.parametrize(
    ("broken", "what"),
    [(one_sided, "exchanged"), (by_place, "order"), (axes, "turned"), (blind, "a shift")],
)
def test_a_broken_distance_is_rejected(broken, what):
    with pytest.raises(AssertionError, match=f"law 9, closed forms: .*{what}"):
        distances.check_symmetries(broken, "broken")


def swapped(real, fake, k=5):
    """Takes the one for the other."""
    return metrics.coverage(real=fake, fake=real, k=k)


def off_by_one(real, fake, k=5):
    """Counts a point among its own neighbours."""
    return metrics.coverage(real=real, fake=fake, k=k - 1)


def test_broken_coverage_is_rejected():
    with pytest.raises(AssertionError, match="law 9, closed forms: coverage: half the spread"):
        distances.check_half_spread(swapped)
    with pytest.raises(AssertionError, match="law 9, closed forms: coverage: by chance"):
        distances.check_chance_of_coverage(off_by_one)


def never(samples, train, heldout, **options):
    """Compares with the held-out set alone."""
    half = len(heldout) // 2
    return metrics.memorisation(samples, heldout[:half], heldout[half:], **options)


def of_distances(samples, train, heldout, permutations, generator):
    """Compares the distances to the training set of samples and of held-out examples."""
    mine, theirs = (torch.cdist(x, train).amin(1) for x in (samples, heldout))
    n, m = len(mine), len(theirs)
    wins = float((mine[:, None] > theirs).double().sum())
    z = (wins - n * m / 2) / (n * m * (n + m + 1) / 12) ** 0.5
    p_value = float(torch.special.ndtr(torch.tensor(z)))
    return metrics.Memorisation(0.0, 0.5, p_value, 0.0, 0.0)


@pytest.mark.parametrize(("broken", "what"), [(never, "copies"), (of_distances, "half the spread")])
def test_a_broken_test_of_memorisation_is_rejected(broken, what):
    with pytest.raises(AssertionError, match=f"law 9, closed forms: memorisation: {what}"):
        distances.check_memorisation(broken)


def plain(distance, a, b, **options):
    """Has no line: the distance at the largest size."""
    return metrics.extrapolated(distance, a, b, **options)._replace(value=float(distance(a, b)))


def upside_down(distance, a, b, **options):
    """Adds the bias once more."""
    found = metrics.extrapolated(distance, a, b, **options)
    return found._replace(value=found.value + 2 * found.slope / found.sizes[0])


def one_tailed(log_prob, heldout, **options):
    """Finds suspicious only what is improbable."""
    found = metrics.typicality(log_prob, heldout, **options)
    return found if found.shift < 0 else found._replace(p_value=1.0)


def of_single_ones(log_prob, heldout, **options):
    """Compares the mean of a batch with the spread of single examples."""
    return metrics.typicality(log_prob.mean()[None], heldout, **options)


@pytest.mark.parametrize("broken", [plain, upside_down])
def test_a_broken_extrapolation_is_rejected(broken):
    with pytest.raises(AssertionError, match="law 9, closed forms: of a distance with the bias"):
        distances.check_extrapolation(broken, metrics.frechet_distance)


@pytest.mark.parametrize(
    ("broken", "what"), [(one_tailed, "denser"), (of_single_ones, "the p-value of|of data have")]
)
def test_a_broken_test_of_typicality_is_rejected(broken, what):
    with pytest.raises(AssertionError, match=f"law 9, closed forms: typicality: .*({what})"):
        distances.check_typicality(broken)
