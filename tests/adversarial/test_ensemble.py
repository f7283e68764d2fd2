"""Many GANs at once are the GANs one after the other."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn

from gdmlib.adversarial import GAN, LOSSES, Ensemble, Stacked, averaged, dense_players
from gdmlib.training import fit

SEEDS = range(3)


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def gans(**options: Any) -> list[GAN]:
    players = [dense_players(2, latent=4, hidden=(8, 8), generator=seeded(s)) for s in SEEDS]
    return [GAN(*both, latent=4, **options).double() for both in players]


def points(n: int) -> Tensor:
    return torch.randn(n, 2, generator=seeded(7)).double() + 1


def parts(monkeypatch: pytest.MonkeyPatch, which: int) -> None:
    """Let a GAN by itself draw the row that the ensemble would give to its number."""
    from gdmlib.adversarial import gan as module

    def row(shape: Any, like: Tensor, generator: Generator | None) -> Tensor:
        return torch.randn(len(SEEDS), *shape, generator=generator, dtype=like.dtype)[which]

    monkeypatch.setattr(module, "standard_normal", row)


@pytest.mark.parametrize("options", [
    *[{"loss": loss} for loss in LOSSES],
    {"penalty": "r1", "penalty_weight": 0.3},
], ids=str)  # fmt: skip
def test_the_steps_of_an_ensemble_are_those_of_its_members(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    x = points(3 * 10 * 12).reshape(12, 3 * 10, 2)
    ensemble = Ensemble(gans(**options))
    turns = ensemble.turns(lr=1e-2, noise=seeded(), average=0.9)
    for batch in x:
        turns(batch)
    found = [m.state_dict() for m in ensemble.members()]
    mean = [{k: v.clone() for k, v in m.generator.state_dict().items()}
            for m in ensemble.members(averaged(turns))]  # fmt: skip
    ensemble.members()
    for i, alone in enumerate(gans(**options)):
        parts(monkeypatch, i)
        step = alone.turns(lr=1e-2, noise=seeded(), average=0.9)
        for batch in x:
            step(batch.reshape(3, 10, 2)[i])
        for name, value in alone.state_dict().items():
            torch.testing.assert_close(found[i][name], value)
        for name, value in averaged(step).state_dict().items():
            torch.testing.assert_close(mean[i][name], value)


def test_a_slope_penalty_is_the_sum_of_all() -> None:
    """A linear critic of known weight has a known slope, whatever is drawn."""
    members = []
    for s in SEEDS:
        judge = nn.Linear(2, 1)
        with torch.no_grad():
            judge.weight.copy_(torch.tensor([[0.0, 2.0 + s]]))
        members.append(GAN(nn.Linear(4, 2), judge, latent=4, loss="wasserstein").double())
    plain = Ensemble(members)
    steep = Ensemble([GAN(m.generator, m.discriminator, latent=4, loss="wasserstein",
                          penalty="gradient", penalty_weight=1.0) for m in members])  # fmt: skip
    x = points(12)
    found = steep.discriminator_loss(x, seeded()) - plain.discriminator_loss(x, seeded())
    assert float(found.detach()) == pytest.approx(1 + 4 + 9, rel=1e-5)


def test_samples_are_those_of_the_members() -> None:
    ensemble = Ensemble(gans())
    x = ensemble.sample(5, seeded())
    z = torch.randn(3, 5, 4, generator=seeded(), dtype=torch.float64)
    for i, gan in enumerate(ensemble.members()):
        torch.testing.assert_close(x[i], gan(z[i]).detach())


class Halves(nn.Module):
    """No sequence of layers: what it does is its own."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x[:, :2]) * self.layer(x[:, 2:])


@pytest.mark.parametrize("network", [
    lambda: nn.Sequential(nn.Linear(4, 4), gate := nn.LeakyReLU(0.2), nn.Linear(4, 4), gate),
    lambda: nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.Tanh(), nn.Linear(4, 2, bias=False)),
    lambda: nn.Sequential(nn.Unflatten(1, (1, 2, 2)), nn.Conv2d(1, 2, 1), nn.Flatten()),
    lambda: Halves(),
], ids=["dense, one gate twice", "layer norm", "convolution", "a layer of its own"])  # fmt: skip
def test_a_stack_gives_what_its_networks_give(network: Any) -> None:
    networks = [network() for _ in SEEDS]
    x = torch.randn(3, 5, 4, generator=seeded())
    found = Stacked(networks)(x)
    expected = torch.stack([n(x[i]) for i, n in enumerate(networks)])
    torch.testing.assert_close(found, expected)


def test_fit_trains_all() -> None:
    ensemble, x = Ensemble(gans()), points(3 * 200)
    before = ensemble.sample(200, seeded()).mean(1)
    turns = ensemble.turns(lr=5e-3, noise=seeded())
    history = fit(turns, x, epochs=30, batch_size=60, generator=seeded(), progress=False)
    after = ensemble.sample(200, seeded()).mean(1)
    away = [(m - x.mean(0)).norm(dim=1) for m in (before, after)]
    assert history.metrics.keys() == {"discriminator", "generator"}
    assert bool((away[1] < 0.5 * away[0].clamp(min=0.6)).all()), away


def test_what_cannot_be_stacked_is_refused() -> None:
    with pytest.raises(ValueError, match="members: expected at least one GAN"):
        Ensemble([])
    with pytest.raises(ValueError, match="one latent, loss and penalty for all"):
        Ensemble([*gans(), *gans(loss="hinge")])
    with pytest.raises(ValueError, match=r"'1.running_mean' is a buffer, .* group norm"):
        Stacked([nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))] * 2)
    with pytest.raises(ValueError, match="expected one architecture"):
        Stacked([nn.Linear(2, 2), nn.Linear(2, 3)])
    with pytest.raises(ValueError, match="expected 2 parts, one a network"):
        Stacked([nn.Linear(2, 2)] * 2)(torch.zeros(3, 5, 2))
    with pytest.raises(ValueError, match="a multiple of 3 events"):
        Ensemble(gans()).discriminator_loss(points(10))
