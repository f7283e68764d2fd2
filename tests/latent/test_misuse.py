"""What may be asked of the latent models in odd ways: the right value, or an error that helps."""

from __future__ import annotations

import math
import re

import pytest
import torch
from torch import Generator, nn

from gdmlib import latent
from gdmlib.latent import (
    IAF,
    MAF,
    VAE,
    ActNorm,
    ConvAutoencoder,
    Dequantised,
    Diffusion,
    Flow,
    FlowMatching,
    Inverted,
    LinearVAE,
    Logit,
    NoisedMixture,
    UniformDequantiser,
    VariationalDequantiser,
    cosine_schedule,
    couple,
    ddim,
    linear_schedule,
    rational_quadratic,
)
from gdmlib.metrics import Judge
from gdmlib.nn.timed import TimedMLP, time_features
from gdmlib.nn.unet import UNet


def seeded(seed: int = 0) -> Generator:
    return torch.Generator().manual_seed(seed)


X = torch.randn(6, 2, generator=seeded())
SCHEDULE = cosine_schedule(5)
LABELS = torch.tensor([0, 1, 0, 1, 0, 1])


def diffusion() -> Diffusion:
    return Diffusion(TimedMLP(2, hidden=(3,), classes=2, generator=seeded()), 2, SCHEDULE)


def flow(*parts: nn.Module, base=None) -> Flow:
    return Flow(2, parts, base)


# --- Values --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [UniformDequantiser, VariationalDequantiser])
@pytest.mark.parametrize(("levels", "dtype"), [(3, "float32"), (256, "float32"), (256, "float64"),
                                               (1000, "float32"), (256, "float16")])  # fmt: skip
def test_noise_stays_in_the_cell_of_every_level(kind, levels, dtype, monkeypatch):
    dtype, nearly = getattr(torch, dtype), 1 - 2.0**-24
    model = kind(levels, levels, **({"hidden": ()} if kind is VariationalDequantiser else {}))
    x = (torch.arange(levels, dtype=dtype) / (levels - 1))[None]
    for u in (0.0, 0.5, nearly):
        monkeypatch.setattr(type(model), "_noise", lambda self, x, g, u=u: (
            torch.full_like(x, u), x.new_zeros(len(x))))  # fmt: skip
        y, _ = model.to(dtype)(x)
        found = (y.double() * levels).floor()
        assert torch.equal(found[0], torch.arange(levels).double())
        assert bool(((y > 0) & (y < 1)).all())


def test_half_precision_does_not_spoil_the_start_of_a_scale():
    layer, x = ActNorm(2).half(), (300 * torch.randn(500, 2, generator=seeded())).half()
    layer.initialise(x)  # their squares are beyond the largest half
    assert float(layer(x)[0].float().std()) == pytest.approx(1, abs=0.01)


def test_mixed_precision_does_not_change_the_start_of_a_flow():
    x = 5 + 3 * torch.randn(100, 2, generator=seeded())
    plain, mixed = (MAF(2, layers=2, hidden=8, generator=seeded()) for _ in range(2))
    for model in (plain, mixed):
        with torch.no_grad():
            model.transforms[1].network.last.add_(0.5)
    plain.initialise(x)
    with torch.autocast("cpu", torch.bfloat16):
        mixed.initialise(x)
    for a, b in zip(plain.state_dict().values(), mixed.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_flows_within_a_flow_see_the_first_batch_too():
    inner, base = MAF(2, layers=1, hidden=3), IAF(2, layers=1, hidden=3)
    whole, x = flow(inner, base=base), 5 + 3 * torch.randn(200, 2, generator=seeded())
    assert not whole.ready
    whole.loss(x)
    assert whole.ready and inner.ready and base.ready
    z = inner(x)[0]
    torch.testing.assert_close(z.mean(0), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(z.std(0, correction=0), torch.ones(2))
    torch.testing.assert_close(base(z)[0].mean(0), torch.zeros(2), atol=1e-5, rtol=0)


def test_a_divergence_near_zero_keeps_its_digits():
    log_variance = torch.tensor([1e-4, -3e-4, 1e-6])
    found = latent.kl_to_standard(torch.zeros(3), log_variance)
    assert torch.allclose(found, log_variance.square() / 4, rtol=1e-3)


def test_the_gradient_estimates_of_a_linear_model_carry_no_graph():
    found = latent.gradient_estimates(LinearVAE(2, latent=1, generator=seeded()), X, 3, seeded())
    assert not found.reparametrised.requires_grad and not found.score_function.requires_grad


def test_pairs_are_of_numbers_and_of_noise_with_a_graph():
    x, noise = torch.tensor([0.0, 5.0, 1.0]), torch.tensor([4.0, 2.0, -1.0])
    assert couple(x, noise.requires_grad_()).tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    "build",
    [
        lambda: TimedMLP(2, hidden=3, classes=2),
        lambda: UNet((1, 4, 4), channels=(2, 3), classes=2),
        lambda: VAE(4, latent=2, hidden=3),
        lambda: ConvAutoencoder((1, 4, 4), latent=2),
        lambda: LinearVAE(4, latent=2),
        lambda: Judge((1, 4, 4)),
    ],
    ids=["TimedMLP", "UNet", "VAE", "ConvAutoencoder", "LinearVAE", "Judge"],
)
def test_models_are_built_on_the_default_device(build):
    with torch.device("meta"):
        assert all(p.is_meta for p in build().parameters())


# --- Errors --------------------------------------------------------------------------------------


ERRORS = {
    "bound": (lambda: rational_quadratic(X, torch.zeros(6, 5, 2), bound=-1.0),
              "bound: expected a positive number, got -1.0"),
    "no bound": (lambda: rational_quadratic(X, torch.zeros(6, 5, 2), bound=math.nan),
                 "bound: expected a positive number, got nan"),
    "bins": (lambda: rational_quadratic(X, torch.zeros(6, 1502, 2)),
             "bins: expected at most 500, got 501"),
    "NaN starts no scale": (lambda: ActNorm(2).initialise(X * math.nan), "x: 12 of 12 values are"),
    "a scale of float64": (lambda: ActNorm(2).initialise(X.double()), "x: expected torch.float32"),
    "a scale of other events": (lambda: ActNorm(3).initialise(X), r"x: expected shape \(B, 3\)"),
    "no density": (lambda: flow(base=nn.Linear(2, 2)), "base: expected a density, got Linear"),
    "outside": (lambda: Inverted(Logit(2)).inverse(5 + X), "y: expected numbers above"),
    "a network": (lambda: Dequantised(nn.Linear(2, 2), UniformDequantiser(2)),
                  "density: expected a Density, got Linear"),
    "no noise": (lambda: Dequantised(MAF(2, hidden=3), None),
                 "dequantiser: expected a Dequantiser, got NoneType"),
    "a name": (lambda: Diffusion("net", 2, SCHEDULE), "network: expected a module such as"),
    "nothing": (lambda: FlowMatching(None, 2), "network: expected a module .* got NoneType"),
    "five": (lambda: ddim(diffusion(), 2, schedule=5), "schedule: expected a Schedule, got int"),
    "zero": (lambda: diffusion().bound(X, schedule=0), "schedule: expected a Schedule, got int"),
    "before": (lambda: SCHEDULE.posterior(X, X, 3, -1), "s: expected at least 0, got -1"),
    "infinite": (lambda: linear_schedule(5, high=math.inf), "low, high: expected 0 < low <= high"),
    "many": (lambda: diffusion().denoise(X, 3, LABELS, torch.ones(6)),
             "guidance: expected a finite number"),
    "a mixture": (lambda: NoisedMixture(None, SCHEDULE), "mixture: expected a GaussianMixture"),
    "a flow": (lambda: latent.grid_log_prob(MAF(2, hidden=3), X),
               "model: expected a VAE or another LatentModel, got MAF"),
    "pace": (lambda: latent.best_gaussian(LinearVAE(2, latent=1), X, lr=math.inf),
             "lr: expected a positive number, got inf"),
    "one number": (lambda: couple(X[0, 0], X[0, 0]), r"x: expected events, shape \(B, ...\)"),
    "whole times": (lambda: time_features(torch.tensor([0, 1])), "time: expected a floating-point"),
    "no time": (lambda: time_features(torch.tensor([math.nan])), "time: 1 of 1 values are NaN"),
    "channels": (lambda: Judge((1, 4, 4), channels=(3,)), "channels: expected two numbers, got"),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_misuse_is_refused_by_name(name):
    call, says = ERRORS[name]
    with pytest.raises(ValueError) as error:
        call()
    assert re.search(says, str(error.value)), str(error.value)


def test_codes_of_no_tensor_are_refused():
    with pytest.raises(TypeError, match=r"z: expected a torch\.Tensor, got list"):
        LinearVAE(2, latent=1).log_likelihood(X, [[0.0]])
