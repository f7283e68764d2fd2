"""Squares cut out of pictures for a training."""

from __future__ import annotations

import pytest
import torch

from gdmlib.data.crops import Crops, turned


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def numbered(*shape: int) -> torch.Tensor:
    return torch.arange(shape[-2] * shape[-1]).view(shape).float()


def test_squares_are_pieces_of_the_pictures_in_one_of_eight_positions() -> None:
    picture = numbered(1, 7, 9)
    crops = Crops([picture], size=3, generator=seeded())
    places = {
        tuple(turned(picture[:, i : i + 3, j : j + 3], k).flatten().tolist())
        for i in range(5)
        for j in range(7)
        for k in range(8)
    }
    found = {tuple(x.flatten().tolist()) for x in crops(torch.rand(6000, 4, generator=seeded()))}
    assert found <= places
    assert len(found) == len(places)  # and all of them come


def test_pictures_come_in_proportion_to_their_areas() -> None:
    pictures = [torch.zeros(1, 10, 10), torch.ones(1, 20, 15)]
    found = Crops(pictures, size=2, generator=seeded())(torch.rand(4000, 4, generator=seeded(1)))
    assert abs(float(found.mean()) - 0.75) < 0.03


def test_each_batch_is_moved() -> None:
    crops = Crops([numbered(1, 20, 20)], size=4, generator=seeded())
    numbers = torch.rand(10, 4, generator=seeded(1))
    assert not torch.equal(crops(numbers), crops(numbers))
    again = Crops([numbered(1, 20, 20)], size=4, generator=seeded())
    first = Crops([numbered(1, 20, 20)], size=4, generator=seeded())
    assert torch.equal(again(numbers), first(numbers))


def test_turned_gives_eight_different_squares() -> None:
    x = numbered(1, 3, 3)
    made = {tuple(turned(x, k).flatten().tolist()) for k in range(8)}
    assert len(made) == 8
    assert torch.equal(turned(x, 0), x)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="pictures: expected at least one"):
        Crops([], size=3)
    with pytest.raises(ValueError, match="size: the smallest picture has 5 pixels a side, got 6"):
        Crops([torch.zeros(1, 5, 9)], size=6)
    with pytest.raises(ValueError, match="numbers: expected shape"):
        Crops([torch.zeros(1, 5, 9)], size=3)(torch.rand(2, 3))
