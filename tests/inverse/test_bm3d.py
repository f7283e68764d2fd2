"""BM3D, where its package is installed, and a clear message where it is not."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gdmlib.inverse import BM3D, MissingBM3DError


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple[int, ...], float, str]]:
    """Put a package in its place that notes how it is called and halves the picture."""
    calls = []

    def bm3d(z: np.ndarray, sigma_psd: float, stage_arg: str) -> np.ndarray:
        calls.append((z.shape, sigma_psd, stage_arg))
        return z / 2

    stages = SimpleNamespace(ALL_STAGES="all", HARD_THRESHOLDING="half")
    monkeypatch.setitem(sys.modules, "bm3d", SimpleNamespace(bm3d=bm3d, BM3DStages=stages))
    return calls


def test_each_plane_goes_alone_with_its_standard_deviation(package: list) -> None:
    y = torch.rand(2, 3, 8, 9)
    made = BM3D().denoise(y, torch.tensor([0.1, 0.2]))
    torch.testing.assert_close(made, y / 2)
    assert package == [((8, 9), pytest.approx(s), "all") for s in (0.1, 0.1, 0.1, 0.2, 0.2, 0.2)]
    assert made.dtype == torch.float32


def test_the_first_half_alone(package: list) -> None:
    BM3D(stages=1).denoise(torch.rand(1, 8, 8), 0.1)
    assert package[0][2] == "half"


def test_bad_input(package: list) -> None:
    with pytest.raises(ValueError, match="stages: expected one of 1, 2, got 3"):
        BM3D(stages=3)
    with pytest.raises(ValueError, match="sigma: expected standard deviations"):
        BM3D().denoise(torch.rand(1, 8, 8), 0.0)
    with pytest.raises(ValueError, match=r"y: expected shape \(\.\.\., channels, height, width\)"):
        BM3D().denoise(torch.rand(8, 8), 0.1)
    assert not package


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bm3d", None)
    with pytest.raises(MissingBM3DError, match="pip install bm3d"):
        BM3D()


def test_the_package_itself_takes_a_standard_deviation() -> None:
    pytest.importorskip("bm3d")
    x = torch.linspace(0.2, 0.8, 64).expand(1, 64, 64)
    y = x + 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    error = float((BM3D().denoise(y, 0.1) - x).square().mean())
    assert error < 0.1 * 0.1**2
