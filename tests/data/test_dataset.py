from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from gdmlib.data import (
    CacheError,
    ChecksumError,
    DataNotFoundError,
    Dataset,
    Pictures,
    UnknownDatasetError,
)
from gdmlib.data.dataset import check_name, check_seed


@pytest.fixture
def small() -> Dataset:
    return Dataset(
        name="small",
        x=torch.arange(8.0).reshape(4, 2),
        y=torch.tensor([0, 1, 0, 1]),
        classes=("a", "b"),
        attributes={"weight": torch.arange(4), "modes": torch.zeros(3, 2)},
        shared=("modes",),
    )


def test_length_and_repr(small):
    assert len(small) == 4
    text = repr(small)
    assert text == "Dataset small: x (4, 2), y (4,) in 2 classes, attributes weight, modes"
    assert repr(Dataset("bare", torch.zeros(1, 1))) == "Dataset bare: x (1, 1)"
    assert repr(Dataset("y", torch.zeros(1, 1), torch.zeros(1))) == "Dataset y: x (1, 1), y (1,)"


def test_take(small):
    for index in (small.y == 1, torch.tensor([1, 3]), [1, 3]):
        part = small.take(index)
        assert part.x.tolist() == [[2, 3], [6, 7]]
        assert part.y.tolist() == [1, 1]
        assert part.attributes["weight"].tolist() == [1, 3]
        assert part.attributes["modes"].shape == (3, 2), "what is shared stays whole"
    assert len(small.take([])) == 0
    assert Dataset("bare", torch.zeros(2, 1)).take([0]).y is None


def test_a_loader_of_torch_takes_it(small):
    x, y = next(iter(DataLoader(small, batch_size=3)))
    assert torch.equal(x, small.x[:3]) and torch.equal(y, small.y[:3])
    bare = Dataset("bare", torch.zeros(2, 1))
    assert next(iter(DataLoader(bare))).shape == (1, 1)
    assert len(list(bare)) == 2


def test_is_frozen(small):
    with pytest.raises(AttributeError):
        small.name = "other"


def test_pictures():
    many = {str(i): torch.zeros(1, 2, 3) for i in range(9)}
    pictures = Pictures(many, name="nine", source="us", licence="CC0")
    assert isinstance(pictures, dict) and len(pictures) == 9
    assert repr(pictures).startswith("Pictures nine: 0 (1, 2, 3), 1 (1, 2, 3)")
    assert "(9 in all)" in repr(pictures)
    assert copy.deepcopy(pictures).source == "us"


def test_unknown_name_suggests_the_nearest():
    assert check_name("mnist", ["mnist", "iris"], "set") == "mnist"
    with pytest.raises(UnknownDatasetError, match=r"did you mean 'mnist'.*known are mnist, iris"):
        check_name("mnits", ["mnist", "iris"], "set")
    with pytest.raises(UnknownDatasetError, match="unknown set 'zzz': known are"):
        check_name("zzz", ["mnist", "iris"], "set")
    with pytest.raises(UnknownDatasetError):
        check_name(3, ["mnist"], "set")


def test_seeds():
    for seed in (0, 2**32 - 1, np.int64(7)):
        assert check_seed(seed) == seed and type(check_seed(seed)) is int
    for seed in (-1, 2**32, 2.0, "3", True, None):
        with pytest.raises(ValueError, match=r"^seed: expected .*, got"):
            check_seed(seed)


def test_kinds_of_errors():
    assert issubclass(UnknownDatasetError, ValueError)
    assert issubclass(DataNotFoundError, FileNotFoundError)
    assert issubclass(ChecksumError, OSError) and issubclass(CacheError, OSError)
