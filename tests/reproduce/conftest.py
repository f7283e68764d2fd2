"""Stand-in pictures, and a judge that knows them, for the records that are judged by samples."""

from __future__ import annotations

import pytest
import torch

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
