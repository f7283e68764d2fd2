"""MADE: masks, orderings, the ensemble, learning, errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from gdmlib.autoregressive import FVSBN, MADE
from gdmlib.training import scores, train
from tests.autoregressive.completion import check_completion


def nats(model, x):
    return float(scores(model, x).mean())


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def parity(n: int = 512) -> torch.Tensor:
    coins = (torch.rand(n, 3, generator=seeded()) < 0.5).float()
    return torch.cat([coins, coins.sum(dim=1, keepdim=True) % 2], dim=1)


# --- masks


def test_masks_by_hand():
    model = MADE(3, hidden=(2, 2), orderings=[[1, 2, 0]])
    for degrees in model.degrees:
        degrees.copy_(torch.tensor([[2, 1]]))
    first, second, last, direct = (mask.int().tolist() for mask in model.masks())
    # Pixel 1 has the degree 1, pixel 2 the degree 2, pixel 0 the degree 3.
    assert first == [[0, 1, 1], [0, 1, 0]]
    assert second == [[1, 1], [0, 1]]
    assert last == [[1, 1], [0, 0], [0, 1]]
    assert direct == [[0, 1, 1], [0, 0, 0], [0, 1, 0]]


@pytest.mark.parametrize("hidden", [(9,), (20, 13), (9, 9, 9)])
def test_the_masks_together_let_through_just_the_past(hidden):
    model = MADE(10, hidden=hidden, orderings=4, generator=seeded())
    for mask in range(4):
        *kept, before = (m.long() for m in model.masks(mask))
        paths = kept[0]
        for m in kept[1:]:
            paths = m @ paths
        # The product of the masks counts the paths from each input to each output.
        assert torch.equal(paths > 0, before > 0)


def test_degrees_are_spread_evenly():
    model = MADE(5, hidden=(8, 3), orderings=3, generator=seeded())
    for degrees in model.degrees[0]:
        assert torch.bincount(degrees).tolist() == [0, 2, 2, 2, 2]
    for degrees in model.degrees[1]:
        assert degrees.sort().values.tolist() == [1, 2, 3]
    assert not torch.equal(model.degrees[0][0], model.degrees[0][1])


def test_orderings():
    model = MADE((1, 2, 3), hidden=(4,), orderings=3, generator=seeded())
    assert model.orderings[0].tolist() == list(range(6))
    assert model.orderings.sort(dim=1).values.tolist() == [list(range(6))] * 3
    assert not torch.equal(model.orderings[1], model.orderings[2])
    assert torch.equal(model.ordering, model.orderings[0])
    given = MADE(3, hidden=(4,), orderings=torch.tensor([[2, 1, 0], [0, 1, 2]]))
    assert given.orderings.tolist() == [[2, 1, 0], [0, 1, 2]]


def test_without_hidden_layers_it_is_an_fvsbn():
    made = MADE(4, hidden=(), orderings=[[2, 0, 3, 1]], generator=seeded())
    fvsbn = FVSBN(4, ordering=[2, 0, 3, 1])
    order = fvsbn.ordering
    with torch.no_grad():
        made.bias.copy_(torch.tensor([0.1, 0.2, 0.3, 0.4]))
        fvsbn.weight.copy_(made.direct[order][:, order])
        fvsbn.bias.copy_(made.bias[order])
    x = (torch.rand(9, 4, generator=seeded()) < 0.5).float()
    assert torch.allclose(made.log_prob(x), fvsbn.log_prob(x), atol=1e-6)


# --- the ensemble


def test_the_ensemble_averages_probabilities():
    model = MADE(4, hidden=(5,), orderings=3, generator=seeded()).double()
    x = (torch.rand(6, 4, generator=seeded()) < 0.5).double()
    each = model.log_prob_each(x)
    assert each.shape == (6, 3)
    assert torch.allclose(model.log_prob(x).exp(), each.exp().mean(dim=1))
    terms = -torch.nn.functional.softplus((1 - 2 * x) * model.logits(x, 1))
    assert torch.allclose(terms.sum(dim=1), each[:, 1])
    # By Jensen's inequality, the mixture is at least as good as its members are on average.
    assert bool((model.log_prob(x) >= each.mean(dim=1)).all())


def test_loss_takes_the_masks_in_turn():
    model = MADE(4, hidden=(5,), orderings=3, generator=seeded())
    x = parity(20)
    expected = -model.log_prob_each(x).mean(dim=0)
    found = torch.stack([model.loss(x) for _ in range(5)])
    assert torch.allclose(found, expected[[0, 1, 2, 0, 1]])
    # The turn is part of the state, so that a run which is resumed goes on where it was.
    again = MADE(4, hidden=(5,), orderings=3)
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.loss(x), model.loss(x))


def test_samples_come_from_all_masks():
    # Under the first ordering, pixel 0 is a coin; under the second it is always 0.
    model = MADE(2, hidden=(), orderings=[[0, 1], [1, 0]])
    with torch.no_grad():
        model.direct.copy_(torch.tensor([[0.0, -100.0], [0.0, 0.0]]))
        model.bias.copy_(torch.tensor([0.0, 100.0]))
    x = model.sample(1000, seeded())
    assert 200 < float(x[:, 0].sum()) < 300
    assert bool((x[:, 1] == 1).all())


def test_completion_weighs_the_masks_by_what_is_known():
    # The known pixel 1 is 1 for certain under the first mask, and 0 for certain under the second,
    # which sees pixel 0 before it.
    model = MADE(3, hidden=(), orderings=[[1, 0, 2], [0, 1, 2]])
    with torch.no_grad():
        model.direct.zero_()
        model.direct[1, 0] = -100
        model.bias.copy_(torch.tensor([100.0, 50.0, 0.0]))
    x = torch.tensor([[1.0, 1.0, 0.0]]).expand(50, 3)
    known = torch.tensor([True, True, False])
    assert bool((model.complete(x, known, seeded())[:, :2] == 1).all())


# --- learning


@pytest.mark.parametrize("orderings", [1, 4])
def test_it_learns_what_a_regression_cannot(orderings):
    x = parity()
    model = MADE(4, hidden=(32, 32), orderings=orderings, generator=seeded())
    train(model, x, epochs=60, batch_size=64, lr=0.02, final_lr=1e-3, generator=seeded())
    assert nats(model, x) < 3 * math.log(2) + 0.1
    samples = model.sample(200, seeded())
    assert float((samples.sum(dim=1) % 2 == 0).float().mean()) > 0.9


def test_start():
    a, b, c = (MADE(50, hidden=(20,), orderings=2, generator=seeded(s)) for s in (0, 0, 1))
    for name, value in a.state_dict().items():
        assert torch.equal(value, b.state_dict()[name])
    assert not torch.equal(a.weights[0], c.weights[0])
    assert 0.9 / math.sqrt(50) < float(a.weights[0].detach().abs().max()) <= 1 / math.sqrt(50)
    assert 0.9 / math.sqrt(20) < float(a.weights[1].detach().abs().max()) <= 1 / math.sqrt(20)


# --- errors


def test_errors():
    with pytest.raises(ValueError, match="hidden: expected at least one layer, or direct=True"):
        MADE(3, hidden=(), direct=False)
    with pytest.raises(ValueError, match="hidden: expected at least 1, got 0"):
        MADE(3, hidden=(4, 0))
    with pytest.raises(ValueError, match=r"orderings\[1\]: expected a permutation"):
        MADE(3, hidden=(4,), orderings=[[0, 1, 2], [0, 1, 1]])
    with pytest.raises(ValueError, match="orderings: expected at least 1, got 0"):
        MADE(3, hidden=(4,), orderings=0)
    with pytest.raises(ValueError, match="orderings: expected at least one, got none"):
        MADE(3, hidden=(4,), orderings=[])
    model = MADE(3, hidden=(4,), orderings=2)
    for mask in (-1, 2):
        with pytest.raises(ValueError, match=f"mask: expected 0 to 1, got {mask}"):
            model.logits(torch.zeros(1, 3), mask)
    with pytest.raises(ValueError, match="x: expected zeros and ones"):
        model.loss(torch.full((1, 3), 0.5))


def test_mixed_precision_ends_at_the_logits():
    x = torch.randint(0, 2, (64, 9), generator=seeded()).float()
    full, mixed = (MADE(9, hidden=[20], generator=seeded()) for _ in range(2))
    for model, option in ((full, False), (mixed, True)):
        train(
            model,
            x,
            epochs=5,
            lr=0.01,
            final_lr=0.01,
            generator=seeded(),
            mixed_precision=option,
            progress=False,
        )
    assert nats(mixed, x) == pytest.approx(nats(full, x), abs=0.1)
    assert not torch.equal(full.weights[0], mixed.weights[0])
    with torch.autocast("cpu", torch.bfloat16):
        assert mixed.log_prob(x).dtype == torch.float32


def test_dropout_is_for_training_alone():
    x = torch.randint(0, 2, (8, 9), generator=seeded()).float()
    plain = MADE(9, hidden=[40], generator=seeded())
    model = MADE(9, hidden=[40], dropout=0.5, generator=seeded())
    model.train()
    assert not torch.equal(model.log_prob(x), model.log_prob(x))
    assert torch.equal(model.sample(5, seeded()), plain.sample(5, seeded()))
    model.eval()
    assert torch.equal(model.log_prob(x), plain.log_prob(x))
    with pytest.raises(ValueError, match="dropout: expected a share"):
        MADE(9, hidden=[40], dropout=1.0)


def test_orderings_are_permutations_or_their_number():
    with pytest.raises(ValueError, match="orderings: expected a number or permutations"):
        MADE(4, orderings=2.5)


@pytest.mark.parametrize("hidden", [5, np.int64(5), (5,), [5], np.array([5])])
def test_one_layer_is_a_number_or_a_sequence(hidden):
    model = MADE(4, hidden=hidden, orderings=np.array([[3, 1, 0, 2]]), generator=seeded())
    assert [len(bias) for bias in model.biases] == [5]
    assert model.orderings.tolist() == [[3, 1, 0, 2]]


def test_factors_of_one_mask():
    model = MADE((1, 2, 2), hidden=(5,), orderings=3, generator=seeded()).double()
    x = (torch.rand(6, 1, 2, 2, generator=seeded()) < 0.5).double()
    for mask in range(3):
        found = model.conditional_log_prob(x, mask)
        assert found.shape == x.shape
        assert torch.allclose(found.flatten(1).sum(dim=1), model.log_prob_each(x)[:, mask])
        terms = -torch.nn.functional.softplus((1 - 2 * x).flatten(1) * model.logits(x, mask))
        assert torch.allclose(found.flatten(1), terms)
    with pytest.raises(ValueError, match="mask: expected 0 to 2, got None; each mask has an order"):
        model.conditional_log_prob(x)
    alone = MADE((1, 2, 2), hidden=5, generator=seeded()).double()
    assert torch.equal(alone.conditional_log_prob(x), alone.conditional_log_prob(x, 0))


@pytest.mark.parametrize("direct", [True, False])
def test_parameters_that_count(direct):
    model = MADE(3, hidden=2, orderings=[[0, 1, 2], [2, 1, 0]], direct=direct, generator=seeded())
    # Degrees 1 and 2 under both masks: the units hear 1 and 2 pixels, and are heard by 2 and 1.
    model.degrees_0.copy_(torch.tensor([[1, 2], [1, 2]]))
    # Unit 0 hears pixel 0 under one mask and pixel 2 under the other, unit 1 hears all. Pixels 0
    # and 2 hear both units under one mask, pixel 1 hears unit 0. There are 5 biases.
    assert model.num_parameters == (2 + 3) + (2 + 1 + 2) + 6 * direct + 5
    seen = model.masks(0)[0] | model.masks(1)[0]
    # A weight that no mask keeps has no gradient, whatever the mask.
    model.log_prob(torch.ones(1, 3)).sum().backward()
    assert not bool(model.weights[0].grad[~seen].any())


def test_completion_with_orderings_that_are_not_their_own_inverse():
    orderings = [[2, 0, 3, 1], [0, 2, 1, 3]]  # both visit the known pixels 0 and 2 first
    model = MADE(4, hidden=(6,), orderings=orderings, generator=seeded()).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=seeded(1)))
    check_completion(model, [0, 2])


def test_dropout_is_rescaled():
    # Units that are certain, and weights of 1: each output is the number of units that are left.
    model = MADE(2, hidden=1000, direct=False, dropout=0.75)
    with torch.no_grad():
        for weight in model.weights:
            weight.zero_()
        model.weights[1].fill_(1e-3)
        model.biases[0].fill_(1.0)
    model.train()
    torch.manual_seed(0)
    x = torch.zeros(1, 2)
    mean = torch.stack([model.logits(x)[0, 1].detach() for _ in range(50)]).mean()
    model.eval()
    assert float(model.logits(x)[0, 1].detach()) == pytest.approx(1, abs=1e-5)
    assert float(mean) == pytest.approx(1, abs=0.05)


def test_there_are_so_many_masks_and_no_more():
    with pytest.raises(ValueError, match="mask: expected 0 to 1, got 2"):
        MADE(4, hidden=[5], orderings=2).masks(2)
