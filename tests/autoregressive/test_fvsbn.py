"""The fully visible sigmoid belief network: values, the exact fit, completion, errors."""

from __future__ import annotations

import copy
import math
import warnings

import numpy as np
import pytest
import torch

from gdmlib.autoregressive import FVSBN, BernoulliMixture, fvsbn_solver
from gdmlib.autoregressive.fvsbn import BLOCK, distances
from gdmlib.densities import LogisticRegression
from gdmlib.training import scores, train
from tests.autoregressive.completion import check_completion


def nats(model, x):
    return float(scores(model, x).mean())


def chain(n: int = 400, d: int = 6, seed: int = 0) -> torch.Tensor:
    """Return binary chains, in which each pixel mostly repeats the one before it, float64."""
    generator = torch.Generator().manual_seed(seed)
    flips = (torch.rand(n, d, generator=generator) < 0.25).double()
    return flips.cumsum(dim=1) % 2


def with_weights(*rows: list[float], ordering=None) -> FVSBN:
    model = FVSBN(len(rows), ordering=ordering).double()
    with torch.no_grad():
        model.weight.copy_(torch.tensor(rows))
        model.bias.copy_(torch.arange(len(rows)) / 2)
    return model


# --- values


def test_two_pixels_by_hand():
    model = with_weights([0.0, 0.0], [-2.0, 0.0])
    x = torch.tensor([[0.0, 1.0], [1.0, 1.0], [1.0, 0.0]]).double()
    sigma = torch.sigmoid(torch.tensor([0.5, -1.5]).double())
    expected = [0.5 * sigma[0], 0.5 * sigma[1], 0.5 * (1 - sigma[1])]
    assert torch.allclose(model.log_prob(x).exp(), torch.stack(expected))
    assert torch.allclose(model.logits(x)[:, 1], torch.tensor([0.5, -1.5, -1.5]).double())


def test_a_new_model_is_indifferent():
    model = FVSBN((1, 2, 3))
    assert torch.allclose(model.log_prob(torch.ones(2, 1, 2, 3)), torch.tensor(-6 * math.log(2)))
    assert model.sample(3).shape == (3, 1, 2, 3)
    assert model.num_parameters == 21
    assert model.event_shape == (1, 2, 3)


def test_only_the_part_below_the_diagonal_counts():
    below = with_weights([0, 0, 0], [1, 0, 0], [2, 3, 0])
    full = with_weights([9, 9, 9], [1, 9, 9], [2, 3, 9])
    x = torch.tensor([[1.0, 1.0, 0.0]]).double()
    assert torch.equal(below.log_prob(x), full.log_prob(x))
    assert torch.equal(below.weights, full.weights)


def test_weights_are_in_the_order_of_the_image():
    # Visits 2, 0, 1: pixel 0 sees pixel 2, and pixel 1 sees both.
    model = with_weights([0, 0, 0], [1, 0, 0], [2, 3, 0], ordering=[2, 0, 1])
    assert model.weights.tolist() == [[0, 0, 1], [3, 0, 2], [0, 0, 0]]
    x = torch.tensor([[1.0, 0.0, 1.0]]).double()
    # The biases are 0, ½ and 1 in the order of visits.
    assert model.logits(x).tolist() == [[0.5 + 1, 1 + 3 + 2, 0]]


def test_certain_pixels_are_drawn_for_certain():
    model = with_weights([0, 0, 0], [200, 0, 0], [0, -200, 0])
    with torch.no_grad():
        model.bias.copy_(torch.tensor([0.0, -100.0, 100.0]))
    x = model.sample(200, torch.Generator().manual_seed(0))
    assert torch.equal(x[:, 0], x[:, 1])
    assert torch.equal(x[:, 2], 1 - x[:, 1])
    assert 60 < x[:, 0].sum() < 140


def test_completion_takes_one_mask_an_event():
    model = with_weights([0, 0], [300, 0])
    with torch.no_grad():
        model.bias[1] = -150
    x = torch.tensor([[1.0, 0.0], [1.0, 0.0]]).double()
    known = torch.tensor([[True, False], [True, True]])
    assert model.complete(x, known).tolist() == [[1, 1], [1, 0]]


def test_factors_add_up_in_any_order():
    model = FVSBN.fit(chain(d=6).reshape(-1, 1, 2, 3), 1.0, ordering=[2, 0, 1, 5, 3, 4])
    x = chain(5).reshape(-1, 1, 2, 3)
    factors = model.conditional_log_prob(x)
    assert factors.shape == x.shape
    assert torch.allclose(factors.flatten(1).sum(dim=1), model.log_prob(x))
    terms = -torch.nn.functional.softplus((1 - 2 * x).flatten(1) * model.logits(x))
    assert torch.allclose(factors.flatten(1), terms)


def test_completion_with_an_ordering_that_is_not_its_own_inverse():
    model = with_weights(
        [0, 0, 0, 0], [2, 0, 0, 0], [-3, 1, 0, 0], [1, -2, 2, 0], ordering=[2, 0, 3, 1]
    )
    check_completion(model, [0, 2])


# --- the exact fit


def test_fit_is_one_logistic_regression_a_pixel():
    x, order = chain(), [3, 0, 5, 1, 4, 2]
    model = FVSBN.fit(x, 0.5, ordering=order, tolerance=0.0)
    for k in range(1, 6):
        before, pixel = order[:k], order[k]
        one = LogisticRegression.fit(x[:, before], x[:, pixel].long(), l2=0.5)
        assert torch.allclose(model.weights[pixel, before], one.weight, atol=1e-6)
        assert torch.allclose(model.bias[k], one.bias, atol=1e-6)
    assert model.ordering.tolist() == order
    assert model.l2.tolist() == [0.5] * 6


def test_fit_in_float32_and_of_images():
    x = chain()
    wide = FVSBN.fit(x, 1.0, tolerance=0.0)
    narrow = FVSBN.fit(x.float().reshape(-1, 1, 2, 3), 1.0)
    assert narrow.weight.dtype == torch.float32
    assert narrow.event_shape == (1, 2, 3)
    assert torch.allclose(narrow.weight.double(), wide.weight, atol=2e-3)


def test_path_goes_from_strong_to_weak():
    x, valid = chain(100), chain(100, seed=1)
    seen = []
    model = FVSBN.fit(x, [1.0, 100.0, 10.0], valid=valid, on_strength=seen.append)
    assert [point.l2 for point in model.path] == [100, 10, 1]
    assert seen == model.path
    assert model.path[0].train > model.path[1].train > model.path[2].train
    for point in model.path:
        alone = FVSBN.fit(x, point.l2, tolerance=0.0)
        assert point.train == pytest.approx(nats(alone, x), abs=1e-4)
        assert point.valid == pytest.approx(nats(alone, valid), abs=1e-4)
        assert point.evaluations > 1


def test_one_strength_for_all_is_the_best_of_the_path():
    x, valid = chain(60, d=12), chain(300, d=12, seed=1)
    model = FVSBN.fit(x, [30.0, 10.0, 3.0, 1.0, 0.1], valid=valid, per_pixel=False)
    best = min(model.path, key=lambda point: point.valid)
    assert nats(model, valid) == pytest.approx(best.valid, abs=1e-9)
    assert model.l2.tolist() == [best.l2] * 12


def test_a_strength_a_pixel_is_at_least_as_good_for_the_validation_data():
    x, valid, order = chain(60, d=12), chain(300, d=12, seed=1), list(range(11, -1, -1))
    strengths = [30.0, 10.0, 3.0, 1.0, 0.1]
    model = FVSBN.fit(x, strengths, valid=valid, ordering=order)
    assert nats(model, valid) < min(point.valid for point in model.path)
    assert len(set(model.l2.tolist())) > 1
    # Each pixel alone has the strength that says it took.
    for strength in strengths:
        single = FVSBN.fit(x, strength, ordering=order, tolerance=0.0)
        rows = model.l2[model.ordering] == strength
        assert torch.allclose(model.weight[rows], single.weight[rows], atol=1e-2)


def test_the_strengths_are_in_the_order_of_the_image():
    # Visits 2, 0, 1. Pixel 2, the first, has no weights; pixel 0 is a copy of it, pixel 1 is noise.
    generator = torch.Generator().manual_seed(0)
    x, valid = (torch.rand(n, 3, generator=generator).double().round() for n in (40, 400))
    x[:, 0], valid[:, 0] = x[:, 2], valid[:, 2]
    model = FVSBN.fit(x, [1e4, 0.1], ordering=[2, 0, 1], valid=valid)
    assert model.l2.tolist()[:2] == [0.1, 1e4]


def test_strengths_may_be_arrays():
    x, valid = chain(100), chain(100, seed=1)
    wanted = FVSBN.fit(x, [10.0, 1.0], valid=valid)
    for l2 in (np.logspace(0, 1, 2), torch.tensor([1.0, 10.0]), (np.int64(1), 10)):
        assert FVSBN.fit(x, l2, valid=valid).path == wanted.path
    assert FVSBN.fit(x, np.float64(10)).path[0].train == wanted.path[0].train


def test_the_validation_loss_counts_every_chunk():
    x, valid = chain(50), chain(40, seed=1)
    valid[:20] = 0
    whole, pieces = (FVSBN.fit(x, [10.0, 1.0], valid=valid, chunk=n) for n in (10_000, 17))
    for a, b in zip(whole.path, pieces.path, strict=True):
        assert b.valid == pytest.approx(a.valid, rel=1e-6)
        assert b.train == pytest.approx(a.train, rel=1e-6)


def test_the_tolerance_ends_the_search():
    x = chain(d=12)
    rough, fine = (FVSBN.fit(x, 0.1, tolerance=t).path[0] for t in (10.0, 0.0))
    assert rough.evaluations < fine.evaluations
    assert rough.train > fine.train


# --- a fit that is worse than none


def sparse(n: int, seed: int) -> torch.Tensor:
    """Return independent pixels that are mostly 0: each weight that is fitted overfits, float64."""
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(n, 40, generator=generator) < 0.1).double()


@pytest.mark.parametrize("per_pixel", [True, False])
def test_without_a_strength_the_fit_is_no_worse_than_independent_pixels(per_pixel):
    x, valid = sparse(60, 0), sparse(500, 1)
    alone = nats(BernoulliMixture.fit(x), valid)
    assert nats(FVSBN.fit(x, 0.1), valid) > alone + 5
    judged = FVSBN.fit(x, valid=valid, per_pixel=per_pixel)
    assert nats(judged, valid) <= alone + 1e-9
    assert judged.path[0].l2 == math.inf
    assert judged.path[0].valid == pytest.approx(alone, abs=1e-9)
    assert judged.path[0].evaluations == 0
    # No pixel is chosen to be worse, and with nothing to learn, none is chosen to have weights.
    if not per_pixel:
        assert judged.l2.isinf().all()
        assert not bool(judged.weight.any())
    unjudged = FVSBN.fit(x, per_pixel=per_pixel)
    assert nats(unjudged, valid) < alone + 1  # six examples have chosen


def test_without_a_strength_a_tenth_chooses_and_all_are_fitted():
    x, order = chain(200), [3, 0, 5, 1, 4, 2]
    model = FVSBN.fit(x, ordering=order, tolerance=0.0)
    kept_back = torch.arange(200) % 10 == 0
    chosen = FVSBN.fit(
        x[~kept_back], valid=x[kept_back], ordering=order, per_pixel=False, tolerance=0.0
    )
    assert model.path == chosen.path
    assert model.l2.tolist() == chosen.l2.tolist()
    assert len(set(model.l2.tolist())) == 1
    whole = FVSBN.fit(x, float(model.l2[0]), ordering=order, tolerance=0.0)
    assert torch.equal(model.weight, whole.weight)
    assert torch.equal(model.bias, whole.bias)


def test_without_a_strength_every_option_is_passed_on():
    x, seen = chain(200), []
    kept_back = torch.arange(200) % 10 == 0
    relative = torch.rand(6, 6, generator=torch.Generator().manual_seed(0)).double() * 5
    for options in ({}, {"relative": relative}, {"n_iter": 2}, {"tolerance": 1.0}):
        options = {"tolerance": 0.0} | options
        model = FVSBN.fit(x, on_strength=seen.append, **options)
        part = FVSBN.fit(x[~kept_back], valid=x[kept_back], per_pixel=False, **options)
        assert model.path == part.path
        assert torch.equal(model.weight, FVSBN.fit(x, float(model.l2[0]), **options).weight)
        assert seen[-len(model.path) :] == model.path
    assert len(seen) == 4 * len(model.path)


def test_one_example_cannot_choose():
    with pytest.raises(ValueError, match=r"^x: expected at least 2 examples.* got 1; give l2$"):
        FVSBN.fit(chain(1))
    assert float(FVSBN.fit(chain(2)).l2[0]) > 0  # two can


@pytest.mark.unmutated
def test_the_warning_of_a_bad_fit_points_to_the_call():
    with pytest.warns(UserWarning, match="worse than independent pixels") as caught:
        FVSBN.fit(sparse(60, 0), 0.1, valid=sparse(500, 1))
    assert caught[0].filename == __file__


def test_a_fit_that_is_worse_than_independent_pixels_says_so():
    x, valid = sparse(60, 0), sparse(500, 1)
    with pytest.warns(UserWarning, match="worse than independent pixels.*larger l2"):
        FVSBN.fit(x, 0.1, valid=valid)
    with pytest.warns(UserWarning, match="worse than independent pixels"):
        FVSBN.fit(x, [0.1, 0.2], valid=valid, per_pixel=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FVSBN.fit(x, valid=valid)
        FVSBN.fit(chain(), 1.0, valid=chain(seed=1))


# --- without a penalty


def related(n: int = 500, d: int = 12, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    factors = torch.randn(n, 3, generator=generator) @ torch.randn(3, d, generator=generator)
    return (torch.rand(n, d, generator=generator) < torch.sigmoid(1.5 * factors)).float()


def test_a_maximum_that_exists_is_proven_without_a_linear_programme(monkeypatch):
    monkeypatch.setattr(fvsbn_solver, "is_separable", None)
    model = FVSBN.fit(related(), 0.0, tolerance=0.0)
    assert float(model.weight.detach().abs().max()) < 20


def test_nothing_is_proven_that_a_linear_programme_denies(monkeypatch):
    # Few examples: some pixels are separable and some are not.
    denied, proven = 0, 0
    real = fvsbn_solver._proves

    def both(residual, past):
        nonlocal denied, proven
        found = real(residual, past)
        separable = fvsbn_solver.is_separable(past, (residual > 0).long(), 2)
        assert not (found and separable)
        denied, proven = denied + separable, proven + found
        return True

    monkeypatch.setattr(fvsbn_solver, "_proves", both)
    for seed in range(6):
        x = related(60, 8, seed).double()
        x[0], x[1] = 0, 1
        fvsbn_solver.check_overlap(x, torch.arange(8))
        x[:, 5] = x[:, 2] * x[:, 3]
        fvsbn_solver.check_overlap(x, torch.arange(8))
    assert denied >= 6
    assert proven >= 30


# --- the data come as they come


def test_fit_in_any_mode_of_autograd():
    x, valid = chain(50), chain(50, seed=1)
    wanted = FVSBN.fit(x, [10.0, 1.0], valid=valid)
    slope = torch.ones(6).double().requires_grad_()
    with torch.no_grad():
        plain = FVSBN.fit(x, [10.0, 1.0], valid=valid)
    carried = FVSBN.fit(x * slope, [10.0, 1.0], valid=valid * slope)
    for model in (plain, carried):
        assert torch.equal(model.weight, wanted.weight)
        assert torch.equal(model.l2, wanted.l2)
        assert copy.deepcopy(model).weight.requires_grad
    assert slope.grad is None


def test_validation_data_without_a_choice_are_only_looked_at():
    model = FVSBN.fit(chain(50), 1.0, valid=chain(50, seed=1))
    assert model.path[0].valid == pytest.approx(nats(model, chain(50, seed=1)), abs=1e-9)
    assert FVSBN.fit(chain(50), 1.0).path[0].valid is None


def test_a_pixel_that_never_changes_follows_laplace():
    x = chain(98)
    x[:, 2], x[:, 4] = 1.0, 0.0
    model = FVSBN.fit(x, 1.0)
    p = torch.sigmoid(model.logits(x))
    assert torch.allclose(p[:, 2], torch.tensor(99 / 100).double())
    assert torch.allclose(p[:, 4], torch.tensor(1 / 100).double())


def test_relative_strengths():
    x, order = chain(), [5, 0, 4, 1, 3, 2]
    relative = torch.rand(6, 6, generator=torch.Generator().manual_seed(0)).double() + 0.1
    relative[3, 2] = 0.0  # no penalty
    model = FVSBN.fit(x, 20.0, relative=relative, ordering=order, tolerance=0.0)
    residual = (x - torch.sigmoid(model.logits(x))).detach()
    gap = residual.T @ x - 20 * relative * model.weights.detach()
    past = model.weights != 0
    assert int(past.sum()) == 15
    assert float(gap[past].abs().max()) < 1e-6
    # A weight of which the strength is huge is none; one for all is the usual penalty.
    relative[2, 3] = 1e9
    stiff = FVSBN.fit(x, 1.0, relative=relative, ordering=order).weights.detach()
    assert abs(float(stiff[2, 3])) < 1e-6
    same = FVSBN.fit(x, 2.0, relative=torch.full((6, 6), 0.5).double(), tolerance=0.0)
    assert torch.allclose(same.weight, FVSBN.fit(x, 1.0, tolerance=0.0).weight, atol=1e-7)


def test_distances():
    found = distances((1, 2, 3))
    assert found[0].tolist() == pytest.approx([0, 1, 2, 1, 2**0.5, 5**0.5])
    assert torch.equal(found, found.T)
    for shape in [(3, 2, 2), (4, 4), (2, 1, 4, 4)]:
        with pytest.raises(ValueError, match=r"event_shape: expected \(1, H, W\)"):
            distances(shape)


def test_n_iter_limits_the_search():
    short, long = FVSBN.fit(chain(), 0.1, n_iter=3), FVSBN.fit(chain(), 0.1)
    assert short.path[0].evaluations < long.path[0].evaluations
    assert short.path[0].train > long.path[0].train
    assert short.path[0].evaluations <= 2 * 3


def test_more_pixels_than_a_block():
    generator = torch.Generator().manual_seed(0)
    x = (torch.rand(40, 200, generator=generator) < 0.3).double()
    x[:, 180] = x[:, 20]
    model = FVSBN.fit(x, 3.0, tolerance=0.0, n_iter=100)
    residual = (x - torch.sigmoid(model.logits(x))).detach()
    slopes = (residual.T @ x - 3.0 * model.weight.detach()).tril(-1)
    assert float(slopes.abs().max()) < 1e-5
    assert int(model.weights[180].argmax()) == 20


def test_logits_by_blocks_are_one_triangular_product():
    generator = torch.Generator().manual_seed(0)
    model = FVSBN(300).double()
    assert model.num_pixels > 2 * BLOCK
    with torch.no_grad():
        model.weight.normal_(generator=generator)
        model.bias.normal_(generator=generator)
    x = (torch.rand(20, 300, generator=generator) < 0.3).double()
    slope = torch.randn(20, 300, generator=generator, dtype=torch.float64)
    found, wanted = model.logits(x), x @ model.weight.tril(-1).T + model.bias
    torch.testing.assert_close(found, wanted)
    for parameter in (model.weight, model.bias):
        mine, plain = (
            torch.autograd.grad(y, parameter, slope, retain_graph=True) for y in (found, wanted)
        )
        torch.testing.assert_close(mine, plain)


# --- by gradient


def test_gradient_steps_come_to_the_same_place():
    x = chain()
    model = FVSBN(6).double()
    history = train(model, x, epochs=300, batch_size=400, lr=0.1, final_lr=0.1, progress=False)
    assert len(history) == 300
    exact = FVSBN.fit(x, 1e-3)
    assert nats(model, x) == pytest.approx(nats(exact, x), abs=1e-3)


def test_gradient_steps_keep_what_is_best_for_the_validation_data():
    x, valid = chain(20, d=10), chain(200, d=10, seed=1)
    model = FVSBN(10).double()
    generator = torch.Generator().manual_seed(0)
    epochs = []
    history = train(
        model,
        x,
        valid,
        epochs=80,
        batch_size=5,
        lr=0.2,
        final_lr=0.01,
        generator=generator,
        on_epoch=lambda epoch, history: epochs.append(epoch),
    )
    assert epochs == list(range(1, 81))
    assert nats(model, valid) == pytest.approx(min(history.valid["loss"]), abs=1e-9)
    assert history.best_epoch < 80


# --- errors


@pytest.mark.parametrize(
    ("ordering", "message"),
    [
        ([0, 1], "got 2 entries"),
        ([0, 1, 1], "1 comes more than once"),
        ([0, 1, 3], "got 3"),
        ([0, -1, 2], "got -1"),
        ([0.0, 1.0, 2.0], "whole numbers"),
        ([[0, 1, 2]], "whole numbers"),
    ],
)
def test_an_ordering_is_a_permutation(ordering, message):
    with pytest.raises(ValueError, match=f"^ordering: expected .*{message}"):
        FVSBN(3, ordering=ordering)


def test_orderings_may_be_tensors():
    order = torch.tensor([2, 0, 1])
    model = FVSBN(3, ordering=order)
    order[0] = 0
    assert model.ordering.tolist() == [2, 0, 1]


@pytest.mark.parametrize("shape", [0, (), (1, 0), (1, -2), 2.5, (True,)])
def test_event_shapes_are_positive(shape):
    with pytest.raises((ValueError, TypeError)):
        FVSBN(shape)


def test_pixels_are_zeros_and_ones():
    model = FVSBN(2)
    grey = torch.tensor([[0.0, 0.3]])
    with pytest.raises(
        ValueError, match=r"^x: expected zeros and ones, got values from 0 to 0\.3;"
    ):
        model.log_prob(grey)
    with pytest.raises(ValueError, match=r"^x: expected zeros and ones"):
        FVSBN.fit(grey)
    with pytest.raises(ValueError, match=r"^x: expected zeros and ones"):
        model.complete(grey, torch.tensor([True, True]))
    with pytest.raises(ValueError, match=r"^valid: expected zeros and ones"):
        FVSBN.fit(grey.round(), valid=grey)


def test_known_is_a_mask():
    model, x = FVSBN((1, 2, 2)), torch.zeros(3, 1, 2, 2)
    with pytest.raises(ValueError, match=r"^known: expected a Boolean mask, got torch\.int64"):
        model.complete(x, torch.ones(1, 2, 2).long())
    with pytest.raises(ValueError, match=r"^known: expected shape \(1, 2, 2\), or \(3, 1, 2, 2\)"):
        model.complete(x, torch.ones(4, dtype=torch.bool))
    with pytest.raises(TypeError, match="known"):
        model.complete(x, [True])


def test_fit_options():
    x = chain(20)
    with pytest.raises(ValueError, match="valid: expected data to choose one of 2 strengths by"):
        FVSBN.fit(x, [1.0, 2.0])
    with pytest.raises(ValueError, match="l2: expected at least one strength"):
        FVSBN.fit(x, [])
    with pytest.raises(ValueError, match="l2: expected a finite number of at least 0, got -1"):
        FVSBN.fit(x, -1.0)
    with pytest.raises(ValueError, match=r"x: expected shape \(N, \*event_shape\), got \(20,\)"):
        FVSBN.fit(x[:, 0])
    with pytest.raises(ValueError, match="ordering: expected a permutation"):
        FVSBN.fit(x, ordering=[0, 0, 1, 2, 3, 4])
    with pytest.raises(ValueError, match="n_iter"):
        FVSBN.fit(x, n_iter=0)
    with pytest.raises(ValueError, match=r"^chunk: expected at least 1, got 0"):
        FVSBN.fit(x, chunk=0)
    with pytest.raises(ValueError, match="valid: expected shape"):
        FVSBN.fit(x, valid=x[:, :5])
    with pytest.raises(ValueError, match=r"relative: expected shape \(6, 6\), got \(6,\)"):
        FVSBN.fit(x, relative=torch.ones(6))
    with pytest.raises(ValueError, match="relative: expected at least 0, got -1"):
        FVSBN.fit(x, relative=-torch.ones(6, 6), n_iter=1)


def test_without_a_penalty_the_maximum_must_exist():
    x = chain()
    constant = x.clone()
    constant[:, 3] = 1
    with pytest.raises(ValueError, match="does not exist for pixel 3: it never changes"):
        FVSBN.fit(constant, 0.0)
    copied = x.clone()
    copied[:, 4] = x[:, 1]
    with pytest.raises(ValueError, match="does not exist for pixel 4: the pixels before it"):
        FVSBN.fit(copied, 0.0)
    # In the other order it is the other pixel that is given away.
    with pytest.raises(ValueError, match="does not exist for pixel 1"):
        FVSBN.fit(copied, 0.0, ordering=[5, 4, 3, 2, 1, 0])


@pytest.mark.parametrize("tolerance", [-1.0, float("nan")])
def test_the_tolerance_is_checked(tolerance):
    with pytest.raises(ValueError, match="tolerance: expected a finite number"):
        FVSBN.fit(torch.eye(3), 1.0, tolerance=tolerance)
