"""The mixture of Bernoullis: values, EM, early stopping, errors."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from gdmlib.autoregressive import BernoulliMixture
from gdmlib.autoregressive.bernoulli import _start


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


def two() -> BernoulliMixture:
    return BernoulliMixture(tensor(0.25, 0.75), tensor([0.9, 0.2], [0.4, 0.6]))


def blobs(n: int = 400, seed: int = 0) -> torch.Tensor:
    """Draw events of 8 pixels from two clear components."""
    probs = torch.full((2, 8), 0.1).double()
    probs[0, :4], probs[1, 4:] = 0.9, 0.9
    model = BernoulliMixture(tensor(0.3, 0.7), probs)
    return model.sample(n, torch.Generator().manual_seed(seed))


def test_by_hand():
    x = tensor([1, 0], [1, 1])
    joint = [[0.25 * 0.9 * 0.8, 0.75 * 0.4 * 0.4], [0.25 * 0.9 * 0.2, 0.75 * 0.4 * 0.6]]
    model = two()
    assert torch.allclose(model.log_joint(x).exp(), tensor(*joint))
    assert torch.allclose(model.log_prob(x).exp(), tensor(*joint).sum(dim=1))
    share = tensor(*joint) / tensor(*joint).sum(dim=1, keepdim=True)
    assert torch.allclose(model.responsibilities(x), share)
    assert torch.allclose(model.probs, tensor([0.9, 0.2], [0.4, 0.6]))


def test_logits_by_hand():
    model = two()
    found = torch.sigmoid(model.logits(tensor([1, 0], [0, 0])))
    first = 0.25 * 0.9 + 0.75 * 0.4
    second = [
        (0.25 * 0.9 * 0.2 + 0.75 * 0.4 * 0.6) / first,
        (0.25 * 0.1 * 0.2 + 0.75 * 0.6 * 0.6) / (1 - first),
    ]
    assert torch.allclose(found, tensor([first, second[0]], [first, second[1]]))


def test_em_finds_the_components():
    model = BernoulliMixture.fit(blobs(), components=2, generator=torch.Generator().manual_seed(1))
    order = model.weights.argsort()
    assert torch.allclose(model.weights[order], tensor(0.3, 0.7), atol=0.07)
    assert bool((model.probs[order[0], :4] > 0.8).all())
    assert bool((model.probs[order[1], :4] < 0.2).all())


def test_history():
    x = blobs()
    generator = torch.Generator().manual_seed(0)
    model = BernoulliMixture.fit(
        x, components=3, smoothing=0.0, tolerance=0.0, n_iter=30, generator=generator
    )
    assert 6 < len(model.history) <= 31
    assert all(b <= a + 1e-12 for a, b in pairwise(model.history))
    assert -float(model.log_prob(x).mean()) == pytest.approx(model.history[-1], abs=1e-12)
    short = BernoulliMixture.fit(x, components=1, tolerance=1e-4)
    assert short.converged and len(short.history) == 3  # one component is found at once


def test_validation_data_stop_the_fit():
    x, valid = blobs(12), blobs(300, seed=5)
    model = BernoulliMixture.fit(
        x,
        components=6,
        smoothing=0.01,
        tolerance=0.0,
        n_iter=200,
        valid=valid,
        patience=3,
        generator=torch.Generator().manual_seed(0),
    )
    best = min(model.valid_history)
    assert -float(model.log_prob(valid).mean()) == pytest.approx(best, abs=1e-12)
    assert model.valid_history.index(best) == len(model.valid_history) - 4
    assert len(model.history) == len(model.valid_history) < 200
    assert not model.converged


def test_certain_pixels_without_smoothing_stay_finite():
    x = blobs()
    x[:, 0] = 1
    model = BernoulliMixture.fit(x, components=2, smoothing=0.0)
    assert bool(model.log_prob(1 - x).isfinite().all())
    assert bool((model.probs[:, 0] > 1 - 1e-12).all())


def test_same_generator_same_fit():
    a, b, c = (
        BernoulliMixture.fit(
            blobs(), components=3, n_iter=3, generator=torch.Generator().manual_seed(s)
        )
        for s in (0, 0, 1)
    )
    assert torch.equal(a.log_odds, b.log_odds)
    assert not torch.equal(a.log_odds, c.log_odds)


def test_completion_knows_the_component():
    probs = torch.full((2, 4), 1e-9).double()
    probs[1] = 1 - 1e-9
    model = BernoulliMixture(tensor(0.5, 0.5), probs)
    x = tensor([1, 0, 0, 0], [0, 1, 1, 1])
    known = torch.tensor([True, False, False, False])
    assert model.complete(x, known).tolist() == [[1, 1, 1, 1], [0, 0, 0, 0]]
    one = BernoulliMixture(tensor(1.0), probs[1:])
    assert one.complete(x, known).tolist() == [[1, 1, 1, 1], [0, 1, 1, 1]]


def test_one_component_has_the_frequencies_after_laplaces_rule():
    x = blobs(30)
    model = BernoulliMixture.fit(x)
    assert torch.allclose(model.probs[0], (x.sum(dim=0) + 1) / 32)
    assert (model.num_pixels, model.weights.tolist()) == (8, [1.0])
    model = BernoulliMixture.fit(x, smoothing=0.5, n_iter=1)
    assert torch.allclose(model.probs[0], (x.sum(dim=0) + 0.5) / 31)


def test_smoothing_gives_every_component_examples_of_its_own():
    x, seed = blobs(40), torch.Generator().manual_seed
    bare, smooth = (
        BernoulliMixture.fit(x, components=2, n_iter=1, smoothing=s, generator=seed(0))
        for s in (0.0, 5.0)
    )
    assert float((bare.weights - 0.5).abs().max()) > 0.05
    assert torch.allclose(smooth.weights, (40 * bare.weights + 5) / 50)


def test_conditionals_are_those_of_the_logits_and_add_up():
    model = two()
    x = tensor([1, 0], [0, 0])
    on = torch.sigmoid(model.logits(x))
    assert torch.allclose(model.conditional_log_prob(x).exp(), torch.where(x == 1, on, 1 - on))
    image = BernoulliMixture(tensor(0.25, 0.75), torch.rand(2, 1, 2, 3).double() * 0.8 + 0.1)
    x = image.sample(20, torch.Generator().manual_seed(0))
    found = image.conditional_log_prob(x)
    assert found.shape == x.shape
    assert torch.allclose(found.flatten(1).sum(dim=1), image.log_prob(x))


def test_the_start_is_halfway_between_the_mean_and_examples():
    x = tensor([1, 1, 0], [0, 1, 0], [1, 1, 1])
    weights, probs = _start(x, 3, torch.Generator().manual_seed(0))
    assert torch.allclose(weights, torch.full((3,), 1 / 3).double())
    rows = (2 * probs - tensor(3 / 5, 4 / 5, 2 / 5)).round(decimals=9)
    assert sorted(rows.tolist()) == sorted(x.tolist())
    again = _start(x, 3, torch.Generator().manual_seed(0))[1]
    others = [_start(x, 3, torch.Generator().manual_seed(seed))[1] for seed in range(1, 6)]
    assert torch.equal(probs, again)
    assert not all(torch.equal(probs, other) for other in others)


def test_steps_are_counted_and_the_tolerance_ends_them():
    x, seed = blobs(), torch.Generator().manual_seed
    assert (
        len(
            BernoulliMixture.fit(
                x, components=2, n_iter=3, tolerance=0.0, generator=seed(1)
            ).history
        )
        == 4
    )
    history = BernoulliMixture.fit(x, components=2, generator=seed(1)).history
    gains = [a - b for a, b in pairwise(history)]
    # The gain that ended the fit is known only when one more step has been taken.
    assert min(gains[:-2]) >= 1e-4 > gains[-2]


def test_as_many_components_as_examples():
    assert (
        len(BernoulliMixture.fit(blobs(3), components=3, generator=torch.Generator()).weights) == 3
    )


def test_weights_that_are_off_by_rounding_are_normalised():
    model = BernoulliMixture(tensor(0.50004, 0.5), tensor([0.5], [0.2]))
    assert float(model.weights.sum()) == pytest.approx(1, abs=1e-12)


def test_completion_obeys_its_generator():
    model = BernoulliMixture(tensor(0.5, 0.5), torch.full((2, 20), 0.5).double())
    mixed = BernoulliMixture(tensor(0.5, 0.5), tensor([1e-9] * 20, [1 - 1e-9] * 20))
    x, nothing = torch.zeros(30, 20).double(), torch.zeros(20).bool()
    for m in (model, mixed):  # one leaves all to the pixels, the other to the component
        a, b, c = (
            m.complete(x, nothing, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
        )
        assert torch.equal(a, b)
        assert not torch.equal(a, c)


def test_errors_name_the_argument():
    model, half = two(), tensor([0.5, 0.5])
    known = torch.ones(2).bool()
    calls = (
        model.log_joint,
        model.log_prob,
        model.logits,
        model.conditional_log_prob,
        lambda x: model.complete(x, known),
    )
    for call in calls:
        with pytest.raises(ValueError, match=r"^x: expected zeros and ones"):
            call(half)
    with pytest.raises(ValueError, match=r"^x: expected a floating-point tensor"):
        BernoulliMixture.fit(blobs(5).long())
    with pytest.raises(ValueError, match=r"^probs: expected a floating-point tensor"):
        BernoulliMixture(tensor(1.0), torch.ones(1, 2).long())
    with pytest.raises(ValueError, match=r"^components: expected an integer"):
        BernoulliMixture.fit(blobs(5), components=1.5)
    for option in ({"n_iter": 0}, {"smoothing": -1.0}, {"tolerance": math.nan}, {"patience": 0}):
        with pytest.raises(ValueError, match=f"^{next(iter(option))}: "):
            BernoulliMixture.fit(blobs(5), **option)


def test_errors():
    with pytest.raises(ValueError, match=r"probs: expected shape \(2, \*event_shape\)"):
        BernoulliMixture(tensor(0.5, 0.5), tensor([0.5, 0.5]))
    with pytest.raises(
        ValueError, match=r"probs: expected more than 0 and less than 1, got .*to 1;"
    ):
        BernoulliMixture(tensor(1.0), tensor([0.5, 1.0]))
    with pytest.raises(ValueError, match="probs: expected more than 0"):
        BernoulliMixture(tensor(1.0), tensor([0.0, 0.5]))
    with pytest.raises(ValueError, match="weights: expected a sum of 1"):
        BernoulliMixture(tensor(0.5, 0.6), tensor([0.5], [0.5]))
    with pytest.raises(ValueError, match=r"probs: expected torch\.float64"):
        BernoulliMixture(tensor(1.0), torch.tensor([[0.5]]))
    x = blobs(5)
    with pytest.raises(ValueError, match="at least 6 examples"):
        BernoulliMixture.fit(x, components=6)
    with pytest.raises(ValueError, match="at least 1 examples"):
        BernoulliMixture.fit(x[:, 0], components=1)
    with pytest.raises(ValueError, match="x: expected zeros and ones"):
        BernoulliMixture.fit(x / 2)
    with pytest.raises(ValueError, match="valid: expected shape"):
        BernoulliMixture.fit(x, valid=x[:, :3])
    with pytest.raises(ValueError, match="smoothing: expected a finite number of at least 0"):
        BernoulliMixture.fit(x).em_step(x, smoothing=-1.0)
