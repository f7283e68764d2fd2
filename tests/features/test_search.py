"""Nearest neighbours, recall, and the space that is trained for them."""

from __future__ import annotations

import math
import string

import pytest
import torch

from gdmlib import data
from gdmlib.features import Embedding, nearest, recall_at, warped
from gdmlib.training import train


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


LINE = torch.tensor([0.0, 1.0, 2.5, 7.0, 7.5])[:, None]


def test_the_nearest_come_first_and_never_the_query():
    assert nearest(LINE, k=2).tolist() == [[1, 2], [0, 2], [1, 0], [4, 2], [3, 2]]
    assert nearest(LINE[[4]], LINE, k=3).tolist() == [[4, 3, 2]]
    same = torch.zeros(4, 2)
    assert nearest(same, k=3).tolist() == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]
    many = torch.randn(1100, 3, generator=seeded())
    assert torch.equal(nearest(many, many, k=2)[:, 1:], nearest(many, k=1))


def test_recall_counts_what_is_relevant_and_not_the_query():
    labels = torch.tensor([0, 0, 0, 1, 1])
    assert recall_at(nearest(LINE, k=2), labels).tolist() == [1, 1, 1, 1, 1]
    assert recall_at(nearest(LINE, k=1), labels).tolist() == [1, 1, 1, 1, 1]
    wrong = torch.tensor([0, 1, 0, 1, 0])
    assert recall_at(nearest(LINE, k=2), wrong).tolist() == [0.5, 0, 0.5, 0, 0.5]
    itself = torch.arange(5)[:, None].expand(5, 1)
    assert recall_at(itself, labels).tolist() == [0] * 5  # to find oneself is no success
    found = nearest(LINE[:2], LINE, k=3)
    assert recall_at(found, labels[:2], labels).tolist() == [1, 1]


def test_chance_has_the_recall_of_chance():
    x = torch.randn(600, 4, generator=seeded())
    labels = torch.arange(600) % 6
    found = float(recall_at(nearest(x, k=10), labels).mean())
    assert abs(found - 99 / 599) < 4 * math.sqrt(0.14 / 6000)


def test_wrong_searches_are_named():
    with pytest.raises(
        ValueError, match=r"k: the gallery has 4 other pictures, got k=5; take k <= 4"
    ):
        nearest(LINE, k=5)
    with pytest.raises(ValueError, match=r"k: the gallery has 5 pictures, got k=6"):
        nearest(LINE, LINE, k=6)
    with pytest.raises(ValueError, match="k: expected at least 1, got 0"):
        nearest(LINE, k=0)
    with pytest.raises(ValueError, match="queries: 1 of 5 values are NaN"):
        nearest(torch.where(LINE > 7, torch.nan, LINE)[[0, 1, 2, 3, 4]], k=1)
    with pytest.raises(
        ValueError, match=r"gallery: expected shape \(N, 1, 8, 8\), got \(2, 1, 9, 8\)"
    ):
        nearest(torch.zeros(1, 1, 8, 8), torch.zeros(2, 1, 9, 8), k=1)
    with pytest.raises(ValueError, match=r"labels: expected shape \(5,\), one a query"):
        recall_at(nearest(LINE, k=1), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(ValueError, match="labels: nothing else has the label 2"):
        recall_at(nearest(LINE, k=1), torch.tensor([0, 0, 2, 1, 1]))
    with pytest.raises(ValueError, match="found: expected indices from 0 to 1"):
        recall_at(torch.tensor([[3]]), torch.tensor([0]), torch.tensor([0, 1]))


def test_the_loss_is_the_probability_of_a_fellow():
    model = Embedding(8, channels=(3,), features=4, temperature=0.5, generator=seeded())
    x, y = torch.rand(5, 1, 8, 8, generator=seeded(1)), torch.tensor([0, 0, 1, 1, 2])
    z = model(x).detach()
    assert torch.allclose(z.square().sum(1), torch.ones(5))
    expected = []
    for i in range(4):  # the fifth has no fellow
        p = torch.tensor([0.0 if k == i else math.exp(z[i] @ z[k] / 0.5) for k in range(5)])
        expected.append(-math.log(p[y == y[i]].sum() / p.sum()))
    assert float(model.loss(x, y).detach()) == pytest.approx(sum(expected) / 4, abs=1e-5)
    with pytest.raises(ValueError, match="y: expected at least two pictures of one class"):
        model.loss(x, torch.arange(5))
    with pytest.raises(ValueError, match=r"x: expected shape \(B, 1, 8, 8\)"):
        model(x[:, :, :7])


def test_what_letters_taught_holds_for_digits():
    size = 12
    letters = data.glyphs(1500, size=size, characters=string.ascii_uppercase, seed=1)
    digits = data.glyphs(200, size=size, split="test", seed=2)
    model = Embedding(size, channels=(16, 32), features=16, generator=seeded())
    raw = float(recall_at(nearest(digits.x), digits.y).mean())
    train(model, (letters.x, letters.y), epochs=4, lr=1e-2, generator=seeded(), progress=False)
    with torch.no_grad():
        learned = float(recall_at(nearest(model(digits.x)), digits.y).mean())
    assert learned > 1.15 * raw


def test_warped_pictures_stay_what_they_are():
    x = data.glyphs(20, size=24, seed=3).x
    y = warped(x, generator=seeded())
    assert y.shape == x.shape and not torch.allclose(x, y, atol=0.1)
    assert torch.equal(y, warped(x, generator=seeded()))
    assert 0.6 < float(y.sum() / x.sum()) < 1.5
