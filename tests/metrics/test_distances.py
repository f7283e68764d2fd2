"""Distances and neighbours by hand, by peers where they are installed, and with bad input."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch

from gdmlib import metrics


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


@pytest.mark.parametrize("n", [50, 500, 2000])
def test_what_chance_alone_gives_in_64_dimensions(n):
    """To first order 2 d / n for the means, and d (d + 1) / (2 n) for the covariances.

    Other libraries gave 42.83 for 50 examples and 4.60 for 500, in one draw each.
    """
    draws = [normal(n, 64, seed=s) for s in range(12)]
    found = [metrics.frechet_distance(a, b) for a, b in zip(draws[::2], draws[1::2], strict=True)]
    expected = 42.83 if n == 50 else 2 * 64 / n + 64 * 65 / (2 * n)
    assert sum(found) / 6 == pytest.approx(expected, rel=0.05 if n == 50 else 0.02)


def test_frechet_distance_of_singular_covariances(generator):
    a = normal(9, 30)
    assert metrics.frechet_distance(a, a) == pytest.approx(0, abs=1e-10)
    assert metrics.frechet_distance(a, a + 1) == pytest.approx(30)
    flat = torch.cat([normal(50, 2), torch.zeros(50, 3).double()], dim=1)
    assert metrics.frechet_distance(flat, flat[torch.randperm(50)]) == pytest.approx(0, abs=1e-10)
    assert metrics.frechet_distance(a.float(), a.float() + 1) == pytest.approx(30, rel=1e-5)
    pictures = normal(9, 1, 5, 6)
    assert metrics.frechet_distance(pictures, 2 * pictures) == metrics.frechet_distance(
        pictures.flatten(1), 2 * pictures.flatten(1)
    )


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_kernel_distance_by_a_double_loop(degree):
    a, b = normal(7, 3), normal(5, 3, seed=1) + 0.3

    def k(x, y):
        return float((x @ y / 3 + 1) ** degree)

    within = [
        sum(k(x[i], x[j]) for i in range(len(x)) for j in range(len(x)) if i != j)
        / (len(x) * (len(x) - 1))
        for x in (a, b)
    ]
    across = sum(k(x, y) for x in a for y in b) / 35
    expected = sum(within) - 2 * across
    assert metrics.kernel_distance(a, b, degree) == pytest.approx(expected, rel=1e-10)


def test_kernel_distance_in_parts_is_the_whole():
    a, b = normal(2300, 2), normal(1001, 2, seed=1)
    gram = partial(lambda x, y: (x @ y.T / 2 + 1) ** 3)
    within = sum(
        (gram(x, x).sum() - gram(x, x).diagonal().sum()) / (len(x) * (len(x) - 1)) for x in (a, b)
    )
    expected = float(within - 2 * gram(a, b).mean())
    assert metrics.kernel_distance(a, b) == pytest.approx(expected, rel=1e-8, abs=1e-10)


@pytest.mark.parametrize("distance", [metrics.frechet_distance, metrics.kernel_distance])
def test_of_an_honest_sampler_the_value_is_the_floor(distance, generator):
    found = metrics.with_floor(distance, normal(300, 16), normal(600, 16, seed=1), repeats=20,
                               generator=generator)  # fmt: skip
    assert found.size == 300
    assert abs(found.value - found.floor) < 4 * found.spread
    off = metrics.with_floor(distance, normal(300, 16) + 0.5, normal(600, 16, seed=1),
                             generator=generator)  # fmt: skip
    assert off.value > off.floor + 10 * off.spread


def test_value_and_floor_have_sets_of_the_same_sizes(generator):
    seen = []

    def distance(a, b):
        seen.append((len(a), len(b)))
        return float(len(a) + a.sum() * 0)

    found = metrics.with_floor(distance, normal(10, 2), normal(50, 2), repeats=3)
    assert set(seen) == {(10, 40)} and len(seen) == 6 and found.size == 10
    seen.clear()
    assert metrics.with_floor(distance, normal(100, 2), normal(51, 2)).size == 25
    assert set(seen) == {(25, 26)}
    assert str(metrics.Floored(4.2231, 4.41, 0.123, 500)) == "4.22 (floor 4.41 ± 0.12, n = 500)"
    assert str(metrics.Floored(134.26, 14.1, 12.3, 50)) == "134 (floor 14 ± 12, n = 50)"


def test_the_real_examples_are_divided():
    """No real example is on both sides, and each takes both sides in time."""
    real, sides = torch.arange(12.0).double()[:, None], set()

    def distance(a, b):
        if float(a.min()) >= 0:  # the floor's
            both = torch.cat([a, b]).flatten().sort().values
            assert torch.equal(both, real.flatten())
            sides.add(tuple(sorted(a.flatten().tolist())))
        return 0.0

    metrics.with_floor(distance, torch.full((4, 1), -1.0).double(), real)
    assert len(sides) > 5


def test_coverage_by_hand():
    real = torch.tensor([[0.0], [1.0], [2.0], [10.0]])
    fake = torch.tensor([[0.5], [1.2], [30.0]])
    # With k = 1 the real balls reach 1, 1, 1 and 8 far, those of the samples 0.7, 0.7 and 28.8.
    found = metrics.coverage(real=real, fake=fake, k=1)
    assert found.precision == pytest.approx(2 / 3)
    assert found.recall == pytest.approx(4 / 4)  # 0 and 1 by 0.5, 2 by 30.0, of radius 28.8, too
    assert found.density == pytest.approx((2 + 2) / 3)
    assert found.coverage == pytest.approx(3 / 4)


def test_one_outlier_among_the_real_ones_moves_nothing():
    real, fake = normal(400, 8), normal(400, 8, seed=1)
    far = torch.cat([real[:-1], real[-1:] + 1000])
    with_it, without = metrics.coverage(real=far, fake=fake), metrics.coverage(real=real, fake=fake)
    assert with_it.density == pytest.approx(without.density, abs=0.01 + 1 / 5)
    assert with_it.coverage == pytest.approx(without.coverage, abs=0.01)


def test_coverage_in_parts_is_the_whole(monkeypatch):
    real, fake = normal(120, 3), normal(90, 3, seed=1)
    expected = metrics.coverage(real=real, fake=fake)
    monkeypatch.setattr("gdmlib.metrics.neighbours._ROWS", 7)
    assert metrics.coverage(real=real, fake=fake) == expected
    arguments = fake, real[:60], real[60:]
    found = metrics.memorisation(*arguments, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr("gdmlib.metrics.neighbours._ROWS", 500)
    again = metrics.memorisation(*arguments, generator=torch.Generator().manual_seed(0))
    assert found == pytest.approx(again)


def test_scipy_and_scikit_learn_agree():
    from scipy.linalg import sqrtm
    from sklearn.metrics.pairwise import polynomial_kernel
    from sklearn.neighbors import NearestNeighbors

    a, b = normal(60, 5), 1.3 * normal(50, 5, seed=1) @ normal(5, 5, seed=2) + 0.2
    sa, sb = torch.cov(a.T).numpy(), torch.cov(b.T).numpy()
    gap = float((a.mean(0) - b.mean(0)).square().sum())
    expected = gap + (sa + sb - 2 * sqrtm(sa @ sb).real).trace()
    assert metrics.frechet_distance(a, b) == pytest.approx(expected)

    within = [(k.sum() - k.trace()) / (len(k) * (len(k) - 1))
              for k in (polynomial_kernel(x, gamma=1 / 5, coef0=1) for x in (a, b))]  # fmt: skip
    across = polynomial_kernel(a, b, gamma=1 / 5, coef0=1).mean()
    assert metrics.kernel_distance(a, b) == pytest.approx(sum(within) - 2 * across)

    radius = NearestNeighbors(n_neighbors=3).fit(a).kneighbors()[0][:, -1]
    inside = torch.cdist(a, b) <= torch.from_numpy(radius)[:, None]
    found = metrics.coverage(real=a, fake=b, k=3)
    assert found.precision == pytest.approx(float(inside.any(0).double().mean()))
    assert found.coverage == pytest.approx(float(inside.any(1).double().mean()))
    assert found.density == pytest.approx(float(inside.sum()) / (3 * len(b)))

    found = metrics.memorisation(b, a[:30], a[30:], permutations=9)
    to_train = NearestNeighbors(n_neighbors=1).fit(a[:30]).kneighbors(b)[0][:, 0]
    to_others = NearestNeighbors(n_neighbors=1).fit(a[30:]).kneighbors(b)[0][:, 0]
    assert found.share == pytest.approx((to_train < to_others).mean())
    assert found.distance == pytest.approx(sorted(to_train)[24])


def test_reference_values_of_other_libraries():
    """Two sets that everybody can write down: torch-fidelity 0.4.0 and prdc 0.2 gave these."""
    i = torch.arange(150 * 6).double()
    a = (torch.sin(i**2) + torch.cos(3 * i)).reshape(150, 6)
    b = 1.2 * (torch.cos(i**2) + torch.sin(2 * i)).reshape(150, 6)[:130]
    assert metrics.frechet_distance(a, b) == pytest.approx(3.0101894365, rel=1e-8)
    assert metrics.kernel_distance(a[:130], b) == pytest.approx(1.4527462248, rel=1e-8)
    expected = (0.3461538462, 0.6466666667, 0.1446153846, 0.2666666667)
    assert metrics.coverage(real=a, fake=b) == pytest.approx(expected)


def test_memorisation_by_hand(generator):
    train, heldout = torch.tensor([[0.0], [10.0], [20.0]]), torch.tensor([[5.0], [16.0]])
    samples = torch.tensor([[0.0], [1.0], [6.0], [15.0], [20.0]])
    found = metrics.memorisation(samples, train, heldout, generator=generator)
    assert found.share == pytest.approx(3 / 5) and found.expected == 3 / 5
    assert found.distance == 1 and found.baseline == 4  # of 0, 1, 4, 5, 0; of 5, 4: the lower
    # The weights are 2, 0, 1, 1, 1 of 5: of the ten choices of three, seven weigh 3 or more.
    assert found.p_value == pytest.approx(7 / 10, abs=0.03)


def test_neighbours_at_one_distance_share_the_sample(generator):
    train, heldout = torch.tensor([[0.0], [1.0], [7.0]]), torch.tensor([[0.0], [1.0], [9.0]])
    found = metrics.memorisation(train[:2], train, heldout, generator=generator)
    assert found.share == 0.5 and found.p_value > 0.5


def test_pictures_are_compared_pixel_by_pixel():
    samples, train, heldout = normal(9, 12), normal(9, 12, seed=1), normal(7, 12, seed=2)
    pictures = [x.unflatten(1, (1, 3, 4)) for x in (samples, train, heldout)]
    options = {"permutations": 9, "generator": torch.Generator().manual_seed(0)}
    expected = metrics.memorisation(samples, train, heldout, **options)
    options["generator"].manual_seed(0)
    assert metrics.memorisation(*pictures, **options) == expected
    expected = metrics.coverage(real=train, fake=samples)
    assert metrics.coverage(real=pictures[1], fake=pictures[0]) == expected
    halves = metrics.with_floor(metrics.frechet_distance, pictures[0], pictures[1])
    assert halves.size == 4


def test_half_of_the_samples_copied_is_enough(generator):
    train, heldout = normal(500, 16), normal(500, 16, seed=1)
    honest, copies = normal(300, 16, seed=2), train[:300] + 0.1 * normal(300, 16, seed=3)
    found = metrics.memorisation(torch.cat([honest, copies]), train, heldout, generator=generator)
    assert found.share == pytest.approx(0.75, abs=0.06) and found.p_value == 1 / 2000


A, B = normal(20, 3), normal(20, 3, seed=1)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: metrics.frechet_distance(A, B[:, :2]), r"b: expected shape \(M, 3\), got \(20, 2"),
        (lambda: metrics.frechet_distance(A[0], B), r"a: expected a set of examples, .*got \(3,\)"),
        (lambda: metrics.frechet_distance(A[:1], B), "a: a covariance needs at least 2 examples"),
        (lambda: metrics.frechet_distance(A, B / 0), "b: 60 of 60 values are NaN or infinite"),
        (lambda: metrics.frechet_distance(A.long(), B), "a: expected a floating-point tensor"),
        (lambda: metrics.kernel_distance(A, B[:1]), "b: an average over pairs needs at least 2"),
        (lambda: metrics.kernel_distance(A, B, 0), "degree: expected at least 1"),
        (lambda: metrics.coverage(real=A, fake=B[:5]), "fake: expected more than k = 5 .* got 5"),
        (lambda: metrics.coverage(real=A[:3], fake=B), "real: expected more than k = 5 .* got 3"),
        (lambda: metrics.coverage(real=A, fake=B, k=0), "k: expected at least 1"),
        (lambda: metrics.coverage(real=A, fake=B[:, :2]), r"fake: expected shape \(M, 3\)"),
        (lambda: metrics.memorisation(A, B, B[:1]), "heldout: expected at least 2 examples"),
        (lambda: metrics.memorisation(A, B, B[:, :1]), r"heldout: expected shape \(M, 3\)"),
        (lambda: metrics.memorisation(A, B * math.nan, B), "train: .* NaN"),
        (lambda: metrics.memorisation(A, B, A, permutations=0), "permutations: expected at least"),
        (lambda: metrics.with_floor(metrics.frechet_distance, A, B[:3]), "real: a floor needs"),
        (lambda: metrics.with_floor(metrics.frechet_distance, A, B, repeats=1), "repeats: expec"),
        (lambda: metrics.with_floor(metrics.frechet_distance, A, B[:, :1]), "real: expected shape"),
        (lambda: metrics.extrapolated(metrics.frechet_distance, A[:7], B), "need at least 8 .* 7"),
        (lambda: metrics.extrapolated(metrics.frechet_distance, A, B, halvings=0), "halvings: exp"),
        (lambda: metrics.extrapolated(metrics.frechet_distance, A, B[:, :1]), "b: expected shape"),
        (lambda: metrics.typicality(A, B[:, 0]), "log_prob: expected 1 dimension"),
        (lambda: metrics.typicality(A[:, 0], B[:1, 0]), "heldout: expected at least 2"),
        (lambda: metrics.typicality(A[:, 0], B[:, 0] * math.nan), "heldout: .* NaN"),
        (lambda: metrics.typicality(A[:, 0], B[:, 0], draws=0), "draws: expected at least 1"),
    ],
)
def test_bad_input(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_samples_that_carry_a_graph_are_taken(generator):
    a, b = A.clone().requires_grad_() * 1, B.clone().requires_grad_() * 1
    assert metrics.frechet_distance(a, b) == metrics.frechet_distance(A, B)
    assert metrics.kernel_distance(a, b) == metrics.kernel_distance(A, B)
    assert metrics.coverage(real=a, fake=b) == metrics.coverage(real=A, fake=B)
    assert metrics.memorisation(a, b, a + 1, permutations=9, generator=generator).expected == 0.5
    metrics.with_floor(metrics.frechet_distance, a, b, generator=generator)


def test_real_and_fake_have_to_be_named():
    with pytest.raises(TypeError, match="positional"):
        metrics.coverage(A, B)


def test_every_size_uses_every_example():
    seen = {}

    def distance(x, y):
        seen.setdefault(len(x), []).append((x, y))
        return float(len(x))

    a, b = torch.arange(40.0)[:, None], torch.arange(50.0)[:, None]
    found = metrics.extrapolated(distance, a, b, halvings=3)
    assert found.sizes == (40, 20, 10, 5) and found.distances == (40, 20, 10, 5)
    assert [len(pairs) for pairs in seen.values()] == [1, 2, 4, 8]
    for pairs in seen.values():
        firsts, seconds = (torch.cat(x).flatten() for x in zip(*pairs, strict=True))
        assert firsts.sort().values.tolist() == list(range(40))
        assert len(set(seconds.tolist())) == 40
    odd = metrics.extrapolated(distance, a[:39], b, halvings=2)
    assert odd.sizes == (39, 19, 9)


def test_typicality_by_hand():
    heldout = torch.tensor([0.0, 1.0])
    found = metrics.typicality(torch.tensor([2.5, 3.5]), heldout, draws=99)
    assert found.shift == 2.5 and found.p_value == 0.01
    usual = metrics.typicality(torch.tensor([0.5]), heldout, draws=99)
    assert usual.shift == 0 and usual.p_value == 1.0
    edge = metrics.typicality(torch.tensor([1.0]), heldout, draws=99)  # every draw is as far
    assert edge.p_value == 1.0
    low, high = (metrics.typicality(torch.tensor([x]), heldout, draws=9) for x in (-9.0, 9.0))
    assert low.shift == -9.5 and high.shift == 8.5 and low.p_value == high.p_value == 0.1
