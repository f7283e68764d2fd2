"""The converters, on small made-up files."""

from __future__ import annotations

import gzip
import io
import zipfile

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from gdmlib.data import convert


def write_table(path, rows):
    np.savetxt(path, rows, fmt="%d", delimiter=",")
    return path


def rows_as_set(table):
    return sorted(map(tuple, table.tolist()))


@pytest.fixture
def bits():
    return np.random.default_rng(0).integers(0, 2, size=(20, 6), dtype=np.uint8)


def test_adult(tmp_path, bits):
    lines = []
    for i, row in enumerate(np.concatenate([bits, 1 - bits])):
        ones = " ".join(f"{column + 1}:1" for column in np.flatnonzero(row))
        lines.append(f"{'+1' if i % 2 else '-1'} {ones} \n")
    (tmp_path / "full").write_text("".join(lines))
    originals = {
        "train": write_table(tmp_path / "train", bits[[3, 1, 4]]),
        "valid": write_table(tmp_path / "valid", bits[[15, 9]]),
        "full": tmp_path / "full",
    }
    arrays = convert.adult(originals, rows=20)
    left = np.delete(bits, [3, 1, 4, 15, 9], axis=0)
    assert rows_as_set(arrays["test"]) == rows_as_set(left)
    assert np.array_equal(arrays["train"], bits[[3, 1, 4]])
    assert arrays["test"].dtype == np.uint8


def test_without_keeps_copies_and_order():
    rows = np.array([[1], [2], [1], [3], [1]], dtype=np.uint8)
    assert convert._without(rows, rows[[0, 2]])[:, 0].tolist() == [2, 3, 1]
    with pytest.raises(ValueError, match="1 training or validation rows"):
        convert._without(rows, np.array([[9]], dtype=np.uint8))


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 0, 1)])
def test_connect4(tmp_path, order):
    states = np.random.default_rng(1).integers(0, 3, size=(30, 4))
    bits = np.eye(3, dtype=np.uint8)[np.array(order)[states]].reshape(30, 12)
    with gzip.open(tmp_path / "full", "wt") as stream:
        stream.write("a1\ta2\ttarget\tb1\tb2\n")
        for row in states:
            stream.write("\t".join(map(str, [*row[:2], 7, *row[2:]])) + "\n")
    originals = {
        "train": write_table(tmp_path / "train", bits[:10]),
        "valid": write_table(tmp_path / "valid", bits[10:15]),
        "full": tmp_path / "full",
    }
    assert rows_as_set(convert.connect4(originals)["test"]) == rows_as_set(bits[15:])
    write_table(tmp_path / "train", np.ones((2, 12)))
    with pytest.raises(ValueError, match="no order"):
        convert.connect4(originals)


def test_named_splits(tmp_path, bits):
    np.savez(
        tmp_path / "a.npz",
        inputsize=6,
        train_data=bits[:5].astype(float),
        valid_data=bits[5:8],
        test_data=bits[8:],
    )
    arrays = convert.named_splits({"all": tmp_path / "a.npz"})
    assert np.array_equal(arrays["train"], bits[:5]) and arrays["train"].dtype == np.uint8
    assert np.array_equal(arrays["test"], bits[8:])


def test_red_wine(tmp_path):
    wines = np.random.default_rng(0).integers(0, 5, size=(1599, 12)) / 2
    header = ";".join(f'"column {i}"' for i in range(12))
    np.savetxt(tmp_path / "a.csv", wines, delimiter=";", header=header, comments="", fmt="%.1f")
    arrays = convert.red_wine({"all": tmp_path / "a.csv"})
    assert arrays["data"].shape == (1599, 11) and arrays["data"].dtype == np.float32
    assert rows_as_set(arrays["data"]) == rows_as_set(wines[:, :11].astype(np.float32))
    assert np.bincount(arrays["fold"]).tolist() == [0, *[159] * 9, 168]


def test_red_wine_gives_the_very_file(tmp_path, real_data):
    from gdmlib.data.checksums import read_arrays

    real = read_arrays(real_data / "red_wine/red_wine.npz")
    shuffled = real["data"][np.random.default_rng(0).permutation(1599)]
    with (tmp_path / "a.csv").open("w") as stream:
        stream.write("header\n")
        for row in shuffled:
            stream.write(";".join(map(str, row)) + ";5\n")
    arrays = convert.red_wine({"all": tmp_path / "a.csv"})
    assert np.array_equal(arrays["data"], real["data"])
    assert np.array_equal(arrays["fold"], real["fold"]) and arrays["fold"].dtype == np.uint8


def test_frey_faces(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, size=(3, 28, 20), dtype=np.uint8)
    savemat(tmp_path / "a.mat", {"ff": images.reshape(3, -1).T})
    assert np.array_equal(convert.frey_faces({"all": tmp_path / "a.mat"})["images"], images)


def test_noto_emoji(tmp_path):
    colours = {"emoji_u2": (0, 255, 0, 255), "emoji_u1": (255, 0, 0, 128)}
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("noto-48c/README.md", "no picture")
        for size in (32, 72):
            for name, colour in colours.items():
                stream = io.BytesIO()
                Image.new("RGBA", (size, size), colour).save(stream, format="PNG")
                packed.writestr(f"noto-48c/png/{size}/{name}.png", stream.getvalue())
    arrays = convert.noto_emoji({"32": tmp_path / "a.zip"})
    assert arrays["names"].tolist() == ["emoji_u1", "emoji_u2"]
    assert arrays["images"].shape == (2, 32, 32, 4)
    assert arrays["images"][0, 0, 0].tolist() == [255, 0, 0, 128]


def test_cifar10_labels(tmp_path):
    labels = np.random.default_rng(0).integers(0, 10, size=51_000)
    (tmp_path / "a.js").write_text(f"var labels={labels.tolist()};\n")
    arrays = convert.cifar10_labels({"all": tmp_path / "a.js"})
    assert np.array_equal(arrays["train"], labels[:10_000])
    assert np.array_equal(arrays["test"], labels[50_000:]) and arrays["test"].dtype == np.uint8


def test_boundaries(tmp_path):
    people = np.empty((1, 4), dtype=object)
    for i in range(4):
        drawn = np.zeros((5, 7), dtype=np.uint8)
        drawn[0, : i + 1] = 1
        people[0, i] = {"Segmentation": drawn + 1, "Boundaries": drawn}
    savemat(tmp_path / "a.mat", {"groundTruth": people})
    image = convert.boundaries({"all": tmp_path / "a.mat"})["image"]
    assert image.shape == (5, 7) and image.dtype == np.uint8
    assert image[0].tolist() == [255, 191, 128, 64, 0, 0, 0]


def test_picture(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, size=(4, 6, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.bmp")
    assert np.array_equal(convert.picture({"all": tmp_path / "a.bmp"})["image"], pixels)
