from __future__ import annotations

import numpy as np
import pytest
import torch

from gdmlib import data
from gdmlib.data import UnknownDatasetError
from gdmlib.data.embedded import _stratified_test_rows

SPECIES = ("setosa", "versicolor", "virginica")


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Embedded data need no network."""
    import socket

    def refuse(*args):
        raise AssertionError("tried to reach the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_iris():
    flowers = data.iris()
    assert flowers.x.shape == (150, 4) and flowers.x.dtype == torch.float32
    assert flowers.y.dtype == torch.int64 and flowers.y.bincount().tolist() == [50, 50, 50]
    assert flowers.classes == SPECIES
    assert flowers.columns == (
        "sepal length (cm)",
        "sepal width (cm)",
        "petal length (cm)",
        "petal width (cm)",
    )
    assert torch.allclose(flowers.x[0], torch.tensor([5.1, 3.5, 1.4, 0.2]))
    assert "Fisher" in flowers.source and flowers.licence


def test_iris_relabels_in_the_order_given():
    everything = data.iris()
    two = data.iris(["virginica", "versicolor"])
    assert two.classes == ("virginica", "versicolor") and len(two) == 100
    assert torch.equal(two.x[two.y == 0], everything.x[everything.y == 2])
    assert torch.equal(two.x[two.y == 1], everything.x[everything.y == 1])


def test_iris_bad_classes():
    with pytest.raises(UnknownDatasetError, match="did you mean 'setosa'"):
        data.iris(["setose", "virginica"])
    for classes in ([], ["setosa", "setosa"], "setosa"):
        with pytest.raises(ValueError, match="different names"):
            data.iris(classes)


def test_digits_split():
    train, test, everything = (data.digits(split) for split in ("train", "test", "all"))
    assert (len(train), len(test), len(everything)) == (1297, 500, 1797)
    assert everything.x.shape == (1797, 1, 8, 8)
    assert everything.x.min() == 0 and everything.x.max() == 1
    assert torch.equal(16 * everything.x, (16 * everything.x).round())
    share = test.y.bincount() / everything.y.bincount()
    assert (share - 500 / 1797).abs().max() < 1 / 150, "every class in proportion"
    together = torch.cat([train.x, test.x]).flatten(1)
    assert torch.equal(together.sort(0).values, everything.x.flatten(1).sort(0).values), (
        "nothing lost, nothing twice"
    )
    # The split is a promise: results in the course rest on it.
    assert test.y[:12].tolist() == data.digits("test").y[:12].tolist()
    with pytest.raises(UnknownDatasetError, match="did you mean 'test'"):
        data.digits("tests")


def test_digits_split_is_fixed():
    test = data.digits("test")
    checksum = (test.x.flatten(1).sum(1).double() @ torch.arange(500.0).double()).item()
    assert checksum == pytest.approx(DIGITS_CHECKSUM)


DIGITS_CHECKSUM = 2412567.5625


def test_stratified_rows_add_up():
    labels = np.repeat([0, 1, 2], [10, 3, 4])
    mask = _stratified_test_rows(labels, size=6, seed=0)
    assert mask.sum() == 6 and np.bincount(labels[mask]).tolist() == [4, 1, 1]


def test_photographs():
    photographs = data.photographs()
    assert tuple(photographs) == tuple(data.PHOTOGRAPHS)
    for name, image in photographs.items():
        assert image.shape[0] == 3 and min(image.shape[1:]) >= 300
        assert image.dtype == torch.float32 and image.is_contiguous()
        assert 0 <= image.min() < 0.1 and 0.85 < image.max() <= 1
        assert name in photographs.source


@pytest.mark.parametrize("grey", [True, False])
@pytest.mark.parametrize("split", ["train", "test"])
def test_patches_are_cut_where_they_say(split, grey, generator):
    patches = data.photo_patches(40, 9, split, grey=grey, generator=generator)
    assert patches.x.shape == (40, 1 if grey else 3, 9, 9)
    assert patches.x.min() >= 0 and patches.x.max() <= 1
    assert patches.classes == data.PATCH_SPLITS[split]
    photographs = data.photographs()
    weights = torch.tensor([0.2125, 0.7154, 0.0721])[:, None, None]
    row, column = patches.attributes["row"], patches.attributes["column"]
    for i in range(40):
        image = photographs[patches.classes[patches.y[i]]]
        if grey:
            image = (image * weights).sum(0, keepdim=True)
        there = image[:, row[i] : row[i] + 9, column[i] : column[i] + 9]
        assert torch.allclose(patches.x[i], there)


def test_patches_split_by_photograph():
    assert not set(data.PATCH_SPLITS["train"]) & set(data.PATCH_SPLITS["test"])


def test_patches_follow_the_generator():
    draws = [
        data.photo_patches(5, generator=torch.Generator().manual_seed(seed)).x for seed in (1, 1, 2)
    ]
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])


def test_largest_patches_reach_the_border(generator):
    patches = data.photo_patches(3, 300, "test", generator=generator)
    assert patches.x.shape == (3, 1, 300, 300)
    with pytest.raises(ValueError, match="300 pixels a side, got 301"):
        data.photo_patches(3, 301, "test")


def test_bad_patches():
    with pytest.raises(ValueError, match="n: expected at least 1, got 0"):
        data.photo_patches(0)
    with pytest.raises(ValueError, match="size: expected at least 1, got 0"):
        data.photo_patches(1, size=0)
    with pytest.raises(UnknownDatasetError):
        data.photo_patches(1, split="valid")


def test_pictures_are_those_that_scikit_image_reads_and_need_none_of_its_reader(monkeypatch):
    from skimage import data as theirs
    from skimage import io

    left, right, disparity = theirs.stereo_motorcycle()
    arrays = {name: getattr(theirs, name)() for name in ("brick", "grass", "gravel")}
    arrays |= {name: getattr(theirs, name)() for name in ("chelsea", "coffee", "rocket")}
    arrays |= {"hubble": theirs.hubble_deep_field(), "motorcycle": left}
    arrays |= {"left": left, "right": right}
    # In a folder with brackets in its name, its reader finds nothing to read with.
    monkeypatch.delattr(io, "imread")
    ours = data.photographs() | data.textures() | data.stereo()
    assert {"china", "flower", "disparity"} == set(ours) - set(arrays)
    for name, array in arrays.items():
        array = np.atleast_3d(array).transpose(2, 0, 1)
        assert np.array_equal(ours[name].numpy(), array.astype(np.float32) / 255), name
    known = np.isfinite(disparity)
    assert np.array_equal(ours["disparity"][0].numpy()[known], disparity[known])


def test_textures():
    textures = data.textures()
    assert list(textures) == ["brick", "grass", "gravel"]
    assert all(t.shape == (1, 512, 512) and t.max() <= 1 for t in textures.values())


def test_faces():
    faces = data.faces()
    assert faces.x.shape == (200, 1, 25, 25) and faces.y.bincount().tolist() == [100, 100]
    assert faces.classes == ("not a face", "face")
    assert faces.x.min() == 0 and faces.x.max() == 1


def test_stereo_disparity_leads_from_left_to_right():
    pair = data.stereo()
    left, right, disparity = pair["left"], pair["right"], pair["disparity"][0]
    assert left.shape == right.shape == (3, 500, 741)
    assert not torch.isinf(disparity).any() and 0 < disparity.isnan().float().mean() < 0.2
    rows, columns = torch.meshgrid(torch.arange(500), torch.arange(741), indexing="ij")
    there = (columns - disparity.nan_to_num()).round().long()
    known = disparity.isfinite() & (there >= 0)
    difference = left[:, rows[known], columns[known]] - right[:, rows[known], there[known]]
    assert difference.abs().mean() < 0.05
