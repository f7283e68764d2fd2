"""The records of plug and play: which weights they restore with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from gdmlib.inverse import ConvDenoiser
from gdmlib.reproduce import plug_and_play
from gdmlib.reproduce.denoising import DENOISER
from gdmlib.reproduce.experiment import Fitting
from gdmlib.reproduce.job import Job
from gdmlib.reproduce.plug_and_play import TRAINING, Rough, denoiser
from gdmlib.training import save_weights

SMALL = {**TRAINING, "features": [4, 6], "blocks": 1}


def small(seed: int) -> ConvDenoiser:
    generator = torch.Generator().manual_seed(seed)
    return ConvDenoiser(features=(4, 6), blocks=1, generator=generator)


def fitting(folder: Path, **changes: object) -> Fitting:
    job = Job("spc_plug_and_play", {**SMALL, "seeds": [0], **changes}, folder=folder)
    return Fitting(job, "method", 0, 1, torch.Generator().manual_seed(0))


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the weights of a run on BSD68 beside; whatever is trained anew has other weights."""
    about = {"experiment": DENOISER.name, "config": json.dumps({**SMALL, "levels": [25]})}
    (tmp_path / DENOISER.name).mkdir()
    save_weights(small(1), tmp_path / DENOISER.name / "seed-0.safetensors", about)
    monkeypatch.setattr(plug_and_play, "photographs", lambda data: None)
    monkeypatch.setattr(plug_and_play, "fit", lambda fitting, found, size, train_crops: small(2))
    folder = tmp_path / "spc_plug_and_play"
    folder.mkdir()
    return folder


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    return all(torch.equal(v, other.state_dict()[k]) for k, v in one.state_dict().items())


def test_weights_that_lie_beside_are_used(beside: Path) -> None:
    made = denoiser(fitting(beside))
    assert same(made, small(1))
    assert not made.training


def test_those_of_other_settings_are_not(beside: Path) -> None:
    assert same(denoiser(fitting(beside, epochs=3)), small(2))


def test_without_any_it_trains_once(beside: Path) -> None:
    (beside.parent / DENOISER.name / "seed-0.safetensors").unlink()
    assert same(denoiser(fitting(beside)), small(2))
    plug_and_play.fit = None  # type: ignore[assignment]
    assert same(denoiser(fitting(beside)), small(2))  # kept


def test_rough_arithmetic_changes_little() -> None:
    model = small(1).requires_grad_(False)
    with torch.no_grad():
        model.last.weight.copy_(0.1 * torch.randn(model.last.weight.shape))
    y = torch.rand(1, 1, 16, 16)
    exact, fast = (Rough(model, enabled).denoise(y, 0.1) for enabled in (False, True))
    assert torch.equal(exact, model.denoise(y, 0.1))
    assert 0 < float((fast - exact).abs().max()) < 0.1 * float((exact - y).abs().max())
