"""Categorical and the multinomial's log-probability."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
import torch

from gdmlib.densities import Categorical, multinomial_log_prob

PROBS = torch.tensor([0.1, 0.2, 0.4, 0.3])


def test_probabilities_and_their_logarithms():
    model = Categorical(PROBS)
    torch.testing.assert_close(model.probs, PROBS)
    torch.testing.assert_close(model.logits, PROBS.log())
    torch.testing.assert_close(model.cdf, torch.tensor([0.1, 0.3, 0.7, 1.0]))
    assert float(model.cdf[-1]) == 1.0
    x = torch.tensor([3, 0, 2])
    torch.testing.assert_close(model.log_prob(x), PROBS[x].log())
    assert model.event_shape == torch.Size(())


def test_logits_are_normalised():
    model = Categorical(logits=PROBS.log() + 100)
    torch.testing.assert_close(model.logits, PROBS.log(), rtol=1e-4, atol=1e-4)


def test_rounding_of_the_sum_is_divided_out():
    model = Categorical(PROBS * 1.00005)
    assert float(model.probs.sum()) == pytest.approx(1.0, abs=1e-6)


def test_extreme_logits_are_stable_in_float32():
    model = Categorical(logits=torch.tensor([0.0, 1e4, -1e30]))
    assert model.log_prob(torch.arange(3)).tolist() == [-1e4, 0.0, pytest.approx(-1e30)]


def test_labels_of_any_integer_type():
    for dtype in (torch.uint8, torch.int32, torch.int64):
        assert Categorical(PROBS).log_prob(torch.tensor([1], dtype=dtype)).shape == (1,)


def test_entropy_and_kl():
    p, q = Categorical(PROBS), Categorical(PROBS.flip(0))
    assert float(p.entropy()) == pytest.approx(scipy.stats.entropy(PROBS), abs=1e-6)
    assert float(p.kl(q)) == pytest.approx(scipy.stats.entropy(PROBS, PROBS.flip(0)), abs=1e-6)
    certain = Categorical(torch.tensor([1.0, 0, 0, 0]))
    assert float(certain.entropy()) == 0.0
    assert float(certain.kl(p)) == pytest.approx(-math.log(0.1), rel=1e-6)
    assert float(p.kl(certain)) == math.inf
    with pytest.raises(ValueError, match=r"^other.logits: expected shape \(4,\), got \(2,\)"):
        p.kl(Categorical(torch.tensor([0.5, 0.5])))


# --- the inverse of the cumulative distribution


def test_inverse_cdf_at_the_steps():
    model = Categorical(torch.tensor([0.25, 0.25, 0.5]))
    u = torch.tensor([0.0, 0.2499, 0.25, 0.4999, 0.5, 0.9999999])
    assert model.inverse_cdf(u).tolist() == [0, 0, 1, 1, 2, 2]


def test_inverse_cdf_skips_impossible_outcomes():
    model = Categorical(torch.tensor([0.0, 0.5, 0.0, 0.5, 0.0]))
    u = torch.tensor([0.0, 0.5, 1 - 2**-53], dtype=torch.float64)
    assert model.inverse_cdf(u).tolist() == [1, 3, 3]


def test_inverse_cdf_never_leaves_the_outcomes():
    # In float32 these probabilities sum to less than the largest u.
    model = Categorical(torch.full((1000,), 1e-3))
    u = torch.tensor([1 - 2**-53], dtype=torch.float64)
    assert model.inverse_cdf(u).tolist() == [999]


def test_sample_inverts_uniform_numbers():
    model = Categorical(PROBS)
    x = model.sample(20, torch.Generator().manual_seed(2))
    u = torch.rand(20, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    assert x.dtype == torch.int64
    assert torch.equal(x, model.inverse_cdf(u))


@pytest.mark.parametrize("u", [[-0.1, 0.5], [0.5, 1.0]])
def test_inverse_cdf_errors(u):
    with pytest.raises(
        ValueError,
        match=rf"^u: expected numbers of at least 0 and less than 1, got values from "
        rf"{u[0]:g} to {u[1]:g}$",
    ):
        Categorical(PROBS).inverse_cdf(torch.tensor(u))


def test_inverse_cdf_type_errors():
    with pytest.raises(ValueError, match=r"^u: expected a floating-point tensor"):
        Categorical(PROBS).inverse_cdf(torch.tensor([0]))
    with pytest.raises(ValueError, match=r"^u: expected 1 dimension"):
        Categorical(PROBS).inverse_cdf(torch.tensor([[0.5]]))


# --- fit and errors


def test_fit_counts():
    x = torch.tensor([0, 2, 2, 2])
    torch.testing.assert_close(
        Categorical.fit(x, num_classes=4).probs, torch.tensor([0.25, 0, 0.75, 0])
    )
    smoothed = Categorical.fit(x, num_classes=4, smoothing=1.0)
    torch.testing.assert_close(smoothed.probs, torch.tensor([2, 1, 4, 1]) / 8)
    assert smoothed.logits.dtype == torch.get_default_dtype()
    assert Categorical.fit(torch.tensor([True, False]), num_classes=2).probs.tolist() == [0.5, 0.5]


def test_fit_errors():
    with pytest.raises(ValueError, match=r"^x: expected labels 0 to 2, got values from 0 to 3$"):
        Categorical.fit(torch.tensor([0, 3]), num_classes=3)
    with pytest.raises(ValueError, match=r"^x: expected labels 0 to 2, got values from -1 to 0$"):
        Categorical.fit(torch.tensor([0, -1]), num_classes=3)
    with pytest.raises(ValueError, match=r"^x: expected at least one element"):
        Categorical.fit(torch.zeros(0).long(), num_classes=3)
    with pytest.raises(ValueError, match=r"^x: expected integers"):
        Categorical.fit(torch.zeros(3), num_classes=3)
    with pytest.raises(ValueError, match=r"^num_classes: expected at least 1, got 0$"):
        Categorical.fit(torch.tensor([0]), num_classes=0)
    with pytest.raises(ValueError, match=r"^smoothing: expected a finite number of at least 0"):
        Categorical.fit(torch.tensor([0]), num_classes=2, smoothing=-0.5)


def test_errors():
    for arguments in ({}, {"probs": PROBS, "logits": PROBS}):
        with pytest.raises(ValueError, match=r"^expected either probs or logits, and not both$"):
            Categorical(**arguments)
    with pytest.raises(ValueError, match=r"^probs: expected a sum of 1, got 2"):
        Categorical(torch.ones(2))
    unusable = r"^logits: expected finite numbers or -inf, got NaN, \+inf or only -inf$"
    for bad in (math.nan, math.inf, -math.inf):
        with pytest.raises(ValueError, match=unusable):
            Categorical(logits=torch.tensor([bad, bad]))
    with pytest.raises(ValueError, match=r"^logits: expected 1 dimension"):
        Categorical(logits=torch.zeros(2, 2))
    with pytest.raises(ValueError, match=r"^logits: expected a floating-point tensor"):
        Categorical(logits=torch.zeros(2).long())
    with pytest.raises(ValueError, match=r"^x: expected labels 0 to 3, got values from 0 to 4$"):
        Categorical(PROBS).log_prob(torch.tensor([0, 4]))


# --- multinomial


def test_multinomial_agrees_with_scipy():
    counts = torch.tensor([[1, 2, 3, 4], [0, 0, 0, 0], [7, 0, 1, 2]])
    found = multinomial_log_prob(counts, PROBS.double())
    p = PROBS.double().numpy()
    expected = [
        scipy.stats.multinomial(int(c.sum()), p / p.sum()).logpmf(c.numpy()) for c in counts
    ]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_multinomial_shapes():
    counts = torch.ones(2, 5, 4).long()
    assert multinomial_log_prob(counts, PROBS).shape == (2, 5)
    assert multinomial_log_prob(counts[0, 0], PROBS).shape == ()
    assert multinomial_log_prob(counts, PROBS).dtype == torch.float32


def test_multinomial_of_many_draws_in_float32():
    # Here ln n! is about 13 million; in float32 the difference would be lost.
    counts = torch.tensor([500_000, 500_000])
    expected = scipy.stats.binom(1_000_000, 0.5).logpmf(500_000)
    assert float(multinomial_log_prob(counts, torch.tensor([0.5, 0.5]))) == pytest.approx(
        expected, rel=1e-6
    )


def test_multinomial_of_impossible_outcomes():
    probs = torch.tensor([0.0, 1.0])
    assert float(multinomial_log_prob(torch.tensor([0, 3]), probs)) == 0.0
    assert float(multinomial_log_prob(torch.tensor([1, 2]), probs)) == -math.inf


def test_multinomial_divides_rounding_out():
    counts = torch.tensor([0, 0, 1, 0])
    assert float(multinomial_log_prob(counts, PROBS.double() * 1.00005)) == pytest.approx(
        math.log(0.4), abs=1e-7
    )


def test_multinomial_errors():
    with pytest.raises(
        ValueError, match=r"^counts: expected numbers of at least 0, got values from -2"
    ):
        multinomial_log_prob(torch.tensor([1, -2, 0, 0]), PROBS)
    with pytest.raises(
        ValueError, match=r"^counts: expected shape \(..., 4\), one count an outcome, got \(3,\)$"
    ):
        multinomial_log_prob(torch.tensor([1, 2, 3]), PROBS)
    with pytest.raises(ValueError, match=r"^counts: expected shape \(..., 4\).* got \(\)$"):
        multinomial_log_prob(torch.tensor(1), PROBS)
    with pytest.raises(ValueError, match=r"^counts: expected integers"):
        multinomial_log_prob(torch.ones(4), PROBS)
    with pytest.raises(ValueError, match=r"^probs: expected a sum of 1"):
        multinomial_log_prob(torch.ones(4).long(), PROBS / 2)
