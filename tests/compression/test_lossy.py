"""The learned lossy code: odds that sum to one, files, rates, and what training descends on."""

from __future__ import annotations

import math

import pytest
import torch

from gdmlib.compression import (
    CorruptStreamError,
    LossyAutoencoder,
    compress_lossy,
    decompress_lossy,
)
from gdmlib.compression.lossy import CODES, RANGE
from gdmlib.densities.discretised_logistic import logistic_bin_log_prob


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def pictures(n=3, side=40, seed=0):
    x = torch.rand(n, 1, side, side, generator=seeded(seed))
    return torch.nn.functional.avg_pool2d(x, 5, 1, 2)


@pytest.fixture(scope="module")
def model():
    made = LossyAutoencoder(hidden=8, generator=seeded()).initialise(pictures(20))
    with torch.no_grad():
        for p in (made.odds_out.weight, made.correction.weight):
            p.add_(0.02 * torch.randn(p.shape, generator=seeded(1)))
    return made.eval().requires_grad_(False)


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (40, 24), (19, 43)])
def test_files_hold_the_rounded_code(model, shape):
    x = pictures(1, 48)[0, 0, : shape[0], : shape[1]]
    for rate in (0, 3):
        found = decompress_lossy(model, compress_lossy(model, x, rate))
        code = model.encode(x[None, None], rate).round()
        expected = model.decode(code, rate, shape)[0, 0].clamp(0, 1)
        assert found.shape == x.shape
        assert torch.allclose(found, expected, atol=1e-5)


def test_files_are_as_long_as_the_odds_say(model):
    x = pictures(1, 160)[0, 0]
    for rate in range(4):
        code = model.encode(x[None, None], rate).round()
        bits = -float(model.code_log_prob(code, rate).sum()) / math.log(2)
        size = 8 * len(compress_lossy(model, x, rate))
        assert 0.99 * bits < size < 1.01 * bits + 8 * (8 * CODES + 64)


def test_odds_sum_to_one(model):
    centre, log_scale = model.odds(torch.zeros(1, 4 * CODES), 2)
    k = torch.arange(-RANGE, RANGE + 1.0).double()[:, None]
    cells = logistic_bin_log_prob(
        k + RANGE, centre.double() + RANGE, log_scale.double(), 2 * RANGE + 1
    )
    assert torch.allclose(cells.exp().sum(0), torch.ones(CODES).double(), atol=1e-9)


def test_odds_do_not_look_ahead(model):
    y = torch.randn(1, CODES, 3, 4, generator=seeded()).round()
    other = y.clone()
    other[0, :, 1, 1] += 1
    changed = (model.code_log_prob(y, 1) != model.code_log_prob(other, 1)).any(1)[0]
    assert changed.tolist() == [
        [False] * 4,
        [False, True, True, False],
        [True, True, True, False],
    ]


def test_finer_rulers_cost_more_and_err_less(model):
    x = pictures(1, 80)[0, 0]
    sizes = [len(compress_lossy(model, x, rate)) for rate in range(4)]
    errors = [float((decompress_lossy(model, compress_lossy(model, x, r)) - x).square().mean())
              for r in range(4)]  # fmt: skip
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)


def test_training_lowers_the_loss():
    made = LossyAutoencoder(hidden=8, generator=seeded()).initialise(pictures(20))
    x, optimizer = pictures(8, 32), torch.optim.Adam(made.parameters(), lr=3e-3)
    losses = []
    for _ in range(12):
        loss = made.loss(x, seeded())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.97 * losses[0]
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in made.parameters())


def test_damage_and_wrong_arguments(model):
    x = pictures(1)[0, 0]
    data = compress_lossy(model, x, 1)
    with pytest.raises(CorruptStreamError, match="nothing of it was decoded"):
        decompress_lossy(model, data[:50] + b"?" + data[51:])
    with pytest.raises(CorruptStreamError):
        decompress_lossy(model, data[:-5])
    with pytest.raises(CorruptStreamError, match="another model"):
        decompress_lossy(LossyAutoencoder(hidden=8, generator=seeded()), data)
    with pytest.raises(ValueError, match="rate: expected 0 to 3"):
        compress_lossy(model, x, 4)
    with pytest.raises(ValueError, match="x: "):
        compress_lossy(model, x[None], 0)
    for wrong in (255 * x, x - 0.5):
        with pytest.raises(
            ValueError, match=r"x: expected a grey picture in \[0, 1\].*use x.clamp"
        ):
            compress_lossy(model, wrong, 0)
    with pytest.raises(ValueError, match="lambdas"):
        LossyAutoencoder(lambdas=(0.0,))
