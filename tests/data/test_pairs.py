from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import avg_pool2d

from gdmlib import data
from gdmlib.data import FACADE_CLASSES, TINTS, UnknownDatasetError


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


PHOTOS = {"edge_pairs": data.edge_pairs, "colour_pairs": data.colour_pairs}


@pytest.mark.parametrize("name", PHOTOS)
def test_crops_of_photographs(name):
    found = PHOTOS[name](40, 24, names=("flower", "coffee"), generator=seeded())
    y = found.attributes["target"]
    assert found.x.shape == (40, 1, 24, 24) and y.shape == (40, 3, 24, 24)
    assert found.x.min() >= 0 and found.x.max() <= 1 and y.min() >= 0 and y.max() <= 1
    assert found.classes == ("flower", "coffee") and set(found.y.tolist()) == {0, 1}
    assert "vultilion" in found.source and found.licence
    again = PHOTOS[name](40, 24, names=("flower", "coffee"), generator=seeded())
    assert torch.equal(found.x, again.x)
    small = avg_pool2d(data.photographs()["flower"], 2)
    k = int((found.y == 0).nonzero()[0])
    row, column = int(found.attributes["row"][k]), int(found.attributes["column"][k])
    assert torch.equal(y[k], small[:, row : row + 24, column : column + 24])


@pytest.mark.parametrize("name", PHOTOS)
def test_no_pixel_is_in_both_splits(name):
    train, test = (
        PHOTOS[name](300, 24, split=s, names=("flower",), generator=seeded())
        for s in ("train", "test")
    )
    assert int(train.attributes["row"].max()) + 24 <= int(test.attributes["row"].min())
    small = avg_pool2d(data.photographs()["flower"], 2)
    row, column = (int(test.attributes[k][0]) for k in ("row", "column"))
    there = small[:, row : row + 24, column : column + 24]
    assert torch.equal(test.attributes["target"][0], there)


def test_edges_lie_where_the_picture_changes():
    found = data.edge_pairs(60, 32, generator=seeded())
    assert set(found.x.unique().tolist()) == {0.0, 1.0}
    grey = found.attributes["target"].mean(1, keepdim=True)
    slope = (grey[..., :-1, 1:] - grey[..., :-1, :-1]).square()
    slope = slope + (grey[..., 1:, :-1] - grey[..., :-1, :-1]).square()
    on = found.x[..., :-1, :-1] == 1
    assert slope[on].mean() > 5 * slope[~on].mean()


def test_grey_is_the_luma():
    found = data.colour_pairs(5, 16, generator=seeded())
    wanted = torch.einsum(
        "nchw,c->nhw", found.attributes["target"], torch.tensor([0.299, 0.587, 0.114])
    )
    assert torch.allclose(found.x[:, 0], wanted, atol=1e-6)


def test_outlines_surround_the_ink():
    found = data.outline_pairs(50)
    ink = found.attributes["target"]
    assert torch.equal(ink, data.glyphs(50, 16).x) and torch.equal(found.y, data.glyphs(50, 16).y)
    filled = ink > 0.99
    assert found.x[filled].max() < 0.02, "no line where the ink is full"
    assert (found.x + ink <= 1 + 1e-6).all() and found.x.amax((1, 2, 3)).min() > 0.5


def test_painted_glyphs_hide_their_colour():
    found = data.outline_pairs(2000, tints=TINTS, shares=(0.7, 0.3))
    tint = found.attributes["tint"]
    assert abs(float((tint == 0).float().mean()) - 0.7) < 0.035
    assert torch.equal(found.x, data.outline_pairs(2000).x), "the outline does not know"
    ink = data.glyphs(2000, 16).x
    wanted = ink * torch.tensor(TINTS)[tint][:, :, None, None]
    assert torch.allclose(found.attributes["target"], wanted)
    for k in range(10):  # independent of the character
        assert abs(float((tint[found.y == k] == 0).float().mean()) - 0.7) < 0.13
    half = data.outline_pairs(2000, tints=TINTS).attributes["tint"]
    assert abs(float(half.float().mean()) - 0.5) < 0.04


def test_facades_fit_their_maps():
    found = data.facade_pairs(60, 32, generator=seeded())
    y, plan = found.attributes["target"], found.attributes["map"]
    assert found.x.shape == (60, 6, 32, 32) and y.shape == (60, 3, 32, 32)
    assert y.min() >= 0 and y.max() <= 1
    assert torch.equal(found.x.argmax(1), plan) and torch.equal(
        found.x.sum(1), torch.ones(60, 32, 32)
    )
    seen = plan.unique().tolist()
    assert seen == list(range(len(FACADE_CLASSES)))
    assert (plan == 4).any(-1).any(-1).all(), "each house has a door"
    bars, walls = (y.mean(1)[plan == k].std() for k in (5, 0))
    assert bars > 2 * walls, "bars are black and white, the sky is smooth"


def test_facades_hide_what_the_map_does_not_tell():
    found = data.facade_pairs(400, 32, generator=seeded())
    counts = found.attributes["wall"].bincount(minlength=4)
    assert counts.min() > 60, "four colours of walls, equally often"
    red = found.attributes["target"][:, 0] - found.attributes["target"][:, 2]
    wall, bricks = found.attributes["wall"], found.attributes["map"] == 2
    of = [float(red[wall == k][bricks[wall == k]].mean()) for k in range(4)]
    assert of[0] > 0.2 and of[2] < 0, "bricks are red, or bluish grey"


def test_one_facade_does_not_depend_on_the_others():
    few, many = (data.facade_pairs(n, 24, generator=seeded()) for n in (1, 1))
    assert torch.equal(few.attributes["target"], many.attributes["target"])
    state = np.random.get_state()[1].copy()
    data.facade_pairs(2, 24, generator=seeded())
    assert (np.random.get_state()[1] == state).all(), "numpy's own stream is left alone"


def test_wrong_input_says_what_to_do():
    with pytest.raises(UnknownDatasetError, match="did you mean 'flower'"):
        data.edge_pairs(3, names=("flowers",))
    with pytest.raises(ValueError, match="names: expected a sequence"):
        data.colour_pairs(3, names="flower")
    with pytest.raises(UnknownDatasetError, match="split of edge_pairs"):
        data.edge_pairs(3, split="valid")
    with pytest.raises(ValueError, match="size: the smallest part for test has 80 pixels"):
        data.edge_pairs(3, size=100, split="test")
    with pytest.raises(ValueError, match="size: expected at least 24"):
        data.facade_pairs(3, size=16)
    with pytest.raises(ValueError, match="shares: nothing is painted"):
        data.outline_pairs(3, shares=(0.5, 0.5))
    with pytest.raises(ValueError, match="shares: expected 2, one a tint"):
        data.outline_pairs(3, tints=TINTS, shares=(1.0,))
    with pytest.raises(ValueError, match="sigma: expected a finite number"):
        data.edge_pairs(3, sigma=-1.0)
