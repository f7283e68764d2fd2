"""A game that has gone wrong is noticed, and the last good weights are there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn

from gdmlib.adversarial import GAN, CollapseError, DivergenceError, Watched, dense_players
from gdmlib.training import fit, load_weights


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def small(**options: Any) -> GAN:
    return GAN(*dense_players(2, latent=3, hidden=8, generator=seeded()), latent=3, **options)


def points() -> Tensor:
    return torch.randn(200, 2, generator=seeded(1))


def broken_at(gan: GAN, step: int, how: Any, **options: Any) -> Watched:
    """Return a watched game whose generator is spoilt after so many batches."""
    turns = gan.turns(lr=1e-3, noise=seeded())
    watched = Watched(turns, gan, points(), every=5, patience=2, **options)

    def spoil(module: nn.Module, args: Any, found: Any) -> None:
        if int(turns.batches) >= step:
            with torch.no_grad():
                how(gan.generator)

    turns.register_forward_hook(spoil)
    return watched


def flatten(generator: nn.Module) -> None:
    for p in generator.parameters():
        p.mul_(0.0 if p.ndim == 2 else 1.0)


def test_a_healthy_game_goes_on_and_is_kept(tmp_path: Path) -> None:
    gan = small()
    watched = broken_at(gan, 10**9, flatten, keep=tmp_path / "good.safetensors")
    fit(watched, points(), epochs=2, batch_size=20, generator=seeded(), progress=False)
    assert watched.good == 20
    again = small()
    load_weights(again, tmp_path / "good.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(gan.parameters(), again.parameters(), strict=True))


def test_watching_changes_nothing() -> None:
    plain, gan = small(), small()
    steps = (
        plain.turns(noise=seeded()),
        Watched(gan.turns(noise=seeded()), gan, points(), every=2),
    )
    for step in steps:
        fit(step, points(), epochs=2, batch_size=20, generator=seeded(), progress=False)
    for a, b in zip(plain.parameters(), gan.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_collapse_is_noticed_and_undone(tmp_path: Path) -> None:
    gan, path = small(), tmp_path / "good.safetensors"
    watched = broken_at(gan, 12, flatten, keep=path)
    with pytest.raises(
        CollapseError, match=r"collapsed by step 20: .* back at step 10.*good\.saf"
    ) as e:
        fit(watched, points(), epochs=9, batch_size=20, generator=seeded(), progress=False)
    assert (e.value.step, e.value.good) == (20, 10)
    assert float(gan.sample(64, seeded()).std()) > 0.1
    again = small()
    load_weights(again, path)
    assert all(torch.equal(a, b) for a, b in zip(gan.parameters(), again.parameters(), strict=True))


def test_weights_that_are_not_finite_are_noticed_and_undone() -> None:
    gan = small()

    def spoil(generator: nn.Module) -> None:
        next(generator.parameters()).fill_(torch.nan)

    watched = broken_at(gan, 10, spoil)
    with pytest.raises(DivergenceError, match=r"diverged by step 1[0-9]: .*back at step 5") as e:
        fit(watched, points(), epochs=9, batch_size=20, generator=seeded(), progress=False)
    assert e.value.good == 5
    assert all(bool(p.isfinite().all()) for p in gan.parameters())


def test_samples_far_outside_the_data_are_noticed() -> None:
    def spoil(generator: nn.Module) -> None:
        list(generator.parameters())[-1].fill_(1e4)

    with pytest.raises(DivergenceError, match="away from the mean of the data"):
        fit(broken_at(small(), 6, spoil), points(), epochs=9, batch_size=20, progress=False)


def test_a_game_that_really_diverges_is_noticed() -> None:
    """Two linear players without a bound: each pushes the other on."""
    gan = GAN(nn.Linear(3, 2), nn.Linear(2, 1), latent=3, loss="wasserstein")
    turns = gan.turns(lr=0.5, betas=(0.9, 0.9), noise=seeded())
    watched = Watched(turns, gan, points(), every=5, most=20.0)
    with pytest.raises(DivergenceError) as e:
        fit(watched, points(), epochs=50, batch_size=20, generator=seeded(), progress=False)
    assert e.value.step % 5 == 0


def test_a_generator_that_never_lived_has_no_good_state() -> None:
    gan = small()
    with torch.no_grad():
        flatten(gan.generator)
    with pytest.raises(CollapseError, match="not well at any step") as e:
        fit(broken_at(gan, 0, flatten), points(), epochs=9, batch_size=20, progress=False)
    assert e.value.good is None


def test_a_resumed_run_is_the_same_as_one_in_one_go(tmp_path: Path) -> None:
    path, results = tmp_path / "run.pt", []
    for legs in ((4,), (2, 4)):
        for epochs in legs:
            gan, noise = small(), seeded()
            watched = Watched(gan.turns(noise=noise), gan, points(), every=3)
            fit(watched, points(), epochs=epochs, batch_size=20, generator=seeded(),
                checkpoint=path, resume=len(legs) > 1, progress=False)  # fmt: skip
        results.append(gan)
        path.unlink()
    for a, b in zip(*[gan.parameters() for gan in results], strict=True):
        assert torch.equal(a, b)


def test_limits_must_make_sense() -> None:
    gan = small()
    with pytest.raises(ValueError, match="0 < least < 1 < most"):
        Watched(gan.turns(), gan, points(), least=2.0)
    with pytest.raises(ValueError, match="at least 2 events"):
        Watched(gan.turns(), gan, points()[:1])
