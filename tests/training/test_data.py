"""What can be trained on, and advice that helps when it is followed."""

from __future__ import annotations

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from gdmlib import data
from gdmlib.training import fit

X, Y = torch.randn(6, 2), torch.arange(6)


class Pairs(torch.utils.data.Dataset):
    def __len__(self):
        return 6

    def __getitem__(self, index):
        if index >= 6:
            raise IndexError
        return X[index]


def trained_on(x):
    return fit(lambda batch: {"loss": 0.0}, x, epochs=1, state={}, progress=False)


@pytest.mark.parametrize(
    ("given", "advice", "followed"),
    [
        (list(X), r"torch\.stack\(data\)", lambda given: torch.stack(given)),
        ([X, Y], r"tuple\(data\)", lambda given: tuple(given)),
        ([X, X[:2]], r"torch\.cat\(data\)", lambda given: torch.cat(given)),
        ([[1.0, 2.0]], r"torch\.tensor\(data\)", lambda given: torch.tensor(given)),
        (data.digits("test"), r"data\.x", lambda given: (given.x, given.y)),
        (TensorDataset(X, Y), r"data\.tensors", lambda given: given.tensors),
        (Pairs(), r"torch\.stack\(\[x for x in data\]\)", lambda g: torch.stack(list(g))),
        (DataLoader(TensorDataset(X)), "loader's dataset", lambda given: given.dataset.tensors),
        (X.numpy(), r"torch\.as_tensor", lambda given: torch.as_tensor(given)),
        (None, r"convert it with torch\.as_tensor\(\.\.\.\)$", None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_advice_works_when_it_is_followed(given, advice, followed):
    with pytest.raises(TypeError, match=rf"^data: expected a torch\.Tensor.*{advice}"):
        trained_on(given)
    if followed is not None:
        assert len(trained_on(followed(given))) == 1


def test_examples_without_numbers_are_examples():
    assert len(trained_on((X[:, :0], Y))) == 1
