"""Stand-in pictures, and a judge that knows them, for the records that are judged by samples.

Where the optional package bm3d is missing, one that takes means stands in for it.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from gdmlib.metrics import Judge
from gdmlib.reproduce import judged
from gdmlib.training import train


@pytest.fixture(scope="session")
def parts():
    return judged._stand_in()


@pytest.fixture(scope="session")
def judge(parts):
    def seeded():
        return torch.Generator().manual_seed(0)

    judge = Judge(parts.train[0].shape[1:], generator=seeded())
    train(judge, parts.train, epochs=60, batch_size=20, lr=5e-3, generator=seeded(), progress=False)
    return judge.eval().requires_grad_(False)


@pytest.fixture(autouse=True)
def bm3d(monkeypatch: pytest.MonkeyPatch) -> None:
    if find_spec("bm3d") is not None:
        return

    def of_plane(z: np.ndarray, sigma_psd: float, stage_arg: float) -> np.ndarray:
        return gaussian_filter(z, stage_arg * min(sigma_psd, 1.0))

    stages = SimpleNamespace(ALL_STAGES=2.0, HARD_THRESHOLDING=1.0)
    monkeypatch.setitem(sys.modules, "bm3d", SimpleNamespace(bm3d=of_plane, BM3DStages=stages))
