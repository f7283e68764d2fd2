"""Gradient steps on the likelihood: what the recipe refuses, and that it stops at NaN."""

from __future__ import annotations

import math

import pytest
import torch

from gdmlib.autoregressive import MADE, NADE, fit_likelihood, mean_nll
from gdmlib.training import CheckpointError


def coins(n=40):
    return (torch.rand(n, 4, generator=torch.Generator().manual_seed(0)) > 0.5).float()


def small(hidden=3):
    return NADE(4, hidden=hidden, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"epochs": 0}, "epochs: expected a whole number of at least 1"),
        ({"batch_size": 0}, "batch_size: expected a whole number of at least 1"),
        ({"lr": -1.0}, "learning rate"),
        ({"final_lr": -1.0}, "final_lr: expected a finite number of at least 0"),
        ({"final_lr": math.nan}, "final_lr: expected a finite number of at least 0"),
        ({"valid": coins() / 2}, "x: expected zeros and ones"),
    ],
)
def test_bad_options(options, says):
    with pytest.raises(ValueError, match=says):
        fit_likelihood(small(), coins(), **{"epochs": 1, "progress": False, **options})


def test_bad_batches_of_the_mean():
    with pytest.raises(ValueError, match="batch_size: expected at least 1, got 0"):
        mean_nll(small(), coins(), 0)


def test_nan_stops_the_training_and_leaves_the_last_good_checkpoint(tmp_path):
    path, options = tmp_path / "run.pt", {"batch_size": 10, "progress": False}
    fit_likelihood(small(), coins(), epochs=2, checkpoint=path, **options)
    model, steps = small(), []

    def spoil(gradient):
        steps.append(1)
        return gradient * (math.nan if len(steps) == 6 else 1)  # in the second step of epoch 4

    model.weight_in.register_hook(spoil)
    with pytest.raises(FloatingPointError, match="epoch 4, step 3: loss is nan"):
        fit_likelihood(model, coins(), epochs=6, checkpoint=path, resume=True, **options)
    again = small()
    history = fit_likelihood(again, coins(), epochs=3, checkpoint=path, resume=True, **options)
    assert history.epoch == [1, 2, 3]
    assert all(bool(p.isfinite().all()) for p in again.parameters())


def test_another_configuration_is_not_resumed(tmp_path):
    options = {"checkpoint": tmp_path / "run.pt", "progress": False}
    fit_likelihood(small(), coins(), epochs=2, final_lr=1e-4, **options)
    for model, change, says in [
        (small(), {"lr": 0.1}, r"learning rate of optimizer was \[0.001\], now \[0.1\]"),
        (small(), {"epochs": 3}, "steps of schedule was 2, now 3"),
        (small(), {"batch_size": 7}, "batch_size was 100, now 7"),
        (small(4), {}, "does not fit what is trained now .*size mismatch"),
        (MADE(4, hidden=3), {}, "does not fit what is trained now"),
    ]:
        with pytest.raises(CheckpointError, match=says):
            fit_likelihood(
                model,
                coins(),
                resume=True,
                **{"epochs": 2, "final_lr": 1e-4, **options, **change},
            )
