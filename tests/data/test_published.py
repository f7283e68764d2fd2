"""The downloadable sets: read from small made-up files, and, where they are, from the real ones."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from gdmlib import data
from gdmlib.data import (
    ChecksumError,
    DataNotFoundError,
    UnknownDatasetError,
    declare,
    download,
    published,
    reading,
)
from gdmlib.data.checksums import registry
from gdmlib.data.download import Remote

RNG = np.random.default_rng(0)


def idx(array: np.ndarray) -> bytes:
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return gzip.compress(header + array.tobytes())


def noise(*shape: int) -> np.ndarray:
    return RNG.integers(0, 256, size=shape, dtype=np.uint8)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """An empty data folder, whose files have no checksums."""
    place = tmp_path / "data"
    monkeypatch.setenv("GDMLIB_DATA", str(place))
    monkeypatch.setattr(download, "registry", dict)

    def listed(prefix: str) -> tuple[str, ...]:
        every = (str(p.relative_to(place)) for p in place.rglob("*") if p.is_file())
        return tuple(sorted(path for path in every if path.startswith(prefix)))

    monkeypatch.setattr(reading, "files", listed)
    monkeypatch.setattr(declare, "files", listed)
    return place


def put(folder: Path, path: str, content: bytes | np.ndarray | dict) -> None:
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        target.write_bytes(content)
    elif isinstance(content, np.ndarray):
        Image.fromarray(content).save(target)
    else:
        np.savez(target, **content)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_mnist_and_fashion(folder, name):
    images, labels = noise(6, 28, 28), np.arange(6, dtype=np.uint8)
    for part in ("train", "t10k"):
        put(folder, f"{name}/{part}-images-idx3-ubyte.gz", idx(images))
        put(folder, f"{name}/{part}-labels-idx1-ubyte.gz", idx(labels))
    for split in ("train", "test"):
        loaded = getattr(data, name)(split)
        assert loaded.x.shape == (6, 1, 28, 28) and loaded.x.dtype == torch.float32
        assert torch.equal((255 * loaded.x[:, 0]).round().byte(), torch.from_numpy(images))
        assert loaded.y.tolist() == list(range(6)) and len(loaded.classes) == 10
    with pytest.raises(UnknownDatasetError, match="did you mean 'train'"):
        getattr(data, name)("trian")


def test_binarised_mnist(folder, monkeypatch):
    images = np.zeros((10, 28, 28), dtype=np.uint8)
    images[:, :, 10:20], images[:, :, 20:] = 51, 255
    put(folder, "mnist/train-images-idx3-ubyte.gz", idx(images))
    put(folder, "mnist/train-labels-idx1-ubyte.gz", idx(np.arange(10, dtype=np.uint8)))
    first = data.binarised_mnist("train")
    assert set(first.x.unique().tolist()) == {0.0, 1.0}
    assert (first.x[..., :10] == 0).all() and (first.x[..., 20:] == 1).all()
    # 2800 draws with probability 0.2: standard deviation 0.0076.
    assert first.x[..., 10:20].mean() == pytest.approx(0.2, abs=0.04)
    assert torch.equal(first.x, data.binarised_mnist("train").x)
    assert not torch.equal(first.x, data.binarised_mnist("train", seed=1).x)
    assert "not the original static draw" in first.source
    for seed in (-1, 0.5, True):
        with pytest.raises(ValueError, match="seed"):
            data.binarised_mnist("train", seed=seed)
    with pytest.raises(UnknownDatasetError):
        data.binarised_mnist("validation set")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not gzipped",
        idx(np.arange(9, dtype=np.uint8))[:-9],
        gzip.compress(b"\0\0\x08"),
        gzip.compress(struct.pack(">HBBI", 0, 8, 1, 99) + b"short"),
        gzip.compress(struct.pack(">HBBI", 1, 8, 1, 1) + b"x"),
    ],
    # Names, for gzip writes the time: each test process would make up another.
    ids=["empty", "not gzipped", "cut off", "half a header", "too short", "wrong magic"],
)
def test_damaged_idx(tmp_path, content):
    (tmp_path / "a.gz").write_bytes(content)
    with pytest.raises(ChecksumError, match=r"a\.gz"):
        published.read_idx(tmp_path / "a.gz")


def test_caltech_silhouettes(folder):
    picture = noise(28, 28) % 2
    content = {"classnames": np.array([["a", "b"]], dtype=object)}
    for part in ("train", "val", "test"):
        content[f"{part}_data"] = np.stack([picture.T.ravel()] * 2)
        content[f"{part}_labels"] = np.array([[1], [2]], dtype=np.uint8)
    place = folder / "caltech101_silhouettes/caltech101_silhouettes_28_split1.mat"
    place.parent.mkdir(parents=True)
    savemat(place, content)
    for split in ("train", "valid", "test"):
        loaded = data.caltech_silhouettes(split)
        assert torch.equal(loaded.x[1, 0], torch.from_numpy(picture).float())
        assert loaded.y.tolist() == [0, 1] and loaded.classes == ("a", "b")


def test_binary_density(folder):
    table = {split: noise(4, 6) % 2 for split in ("train", "valid", "test")}
    put(folder, "binary_density/nips.npz", table)
    loaded = data.binary_density("nips", "valid")
    assert torch.equal(loaded.x, torch.from_numpy(table["valid"]).float())
    assert loaded.y is None and loaded.licence == "none stated"
    with pytest.raises(UnknownDatasetError, match="did you mean 'nips'"):
        data.binary_density("nip")


def test_red_wine(folder):
    put(
        folder,
        "red_wine/red_wine.npz",
        {"data": np.ones((3, 11), np.float32), "fold": np.array([1, 2, 10], np.uint8)},
    )
    wine = data.red_wine()
    assert wine.x.shape == (3, 11) and len(wine.columns) == 11
    assert wine.attributes["fold"].tolist() == [1, 2, 10]


def test_bsds500_and_restoration(folder):
    colour, grey = noise(4, 6, 3), noise(6, 4)
    put(folder, "bsds500/images/val/12.png", colour)
    put(folder, "bsds500/boundaries/val/12.png", grey)
    photographs = data.bsds500("valid")
    assert list(photographs) == ["12"] and photographs["12"].shape == (3, 4, 6)
    assert torch.equal((255 * photographs["12"][0]).round().byte(), torch.tensor(colour[..., 0]))
    assert data.bsds500("valid", boundaries=True)["12"].shape == (1, 6, 4)

    put(folder, "restoration_sets/set14/bridge.png", grey)
    put(folder, "restoration_sets/set14/lenna.png", colour)
    assert list(data.restoration("set14")) == ["bridge", "lenna"]
    assert list(data.restoration("set14", show=True)) == ["bridge"]
    with pytest.raises(UnknownDatasetError):
        data.restoration("set13")


def test_spc15_and_frey_faces(folder):
    (folder / "spc15").mkdir(parents=True)
    savemat(folder / "spc15/img_data.mat", {"data": RNG.random((2, 8, 8))})
    assert data.spc15().x.shape == (2, 1, 8, 8) and data.spc15().x.dtype == torch.float32
    put(folder, "frey_faces/freyfaces.npz", {"images": noise(3, 28, 20)})
    assert data.frey_faces().x.shape == (3, 1, 28, 20)


def test_noto_emoji(folder):
    names = ["emoji_u1f44b", "emoji_u1f44b_1f3fd", "emoji_u1f1e6_1f1e8", "emoji_u1f3fd"]
    images = noise(4, 32, 32, 4)
    put(folder, "noto_emoji/noto_emoji_32.npz", {"images": images, "names": np.array(names)})
    emoji = data.noto_emoji(32)
    assert emoji.x.shape == (4, 4, 32, 32) and emoji.classes == tuple(names)
    assert emoji.attributes["skin_tone"].tolist() == [False, True, False, False]
    assert emoji.attributes["flag"].tolist() == [False, False, True, False]
    assert emoji.attributes["base"].tolist() == [0x1F44B, 0x1F44B, 0x1F1E6, 0x1F3FD]
    with pytest.raises(UnknownDatasetError, match="32 and 72"):
        data.noto_emoji(64)


def test_cifar10_subset(folder):
    strip = noise(2, 1024, 3)
    put(folder, "cifar10_subset/train_batch_00.png", strip)
    put(folder, "cifar10_subset/train_batch_01.png", strip)
    put(folder, "cifar10_subset/labels.npz", {"train": np.arange(4, dtype=np.uint8)})
    loaded = data.cifar10_subset()
    assert loaded.x.shape == (4, 3, 32, 32) and loaded.y.tolist() == [0, 1, 2, 3]
    pixel = loaded.x[1, :, 3, 5]
    assert torch.equal((255 * pixel).round().byte(), torch.tensor(strip[1, 3 * 32 + 5]))


def test_many_files_are_downloaded_with_a_bar(folder, server, monkeypatch, capsys):
    monkeypatch.setattr(reading, "files", lambda prefix: (f"{prefix}a.png",))
    monkeypatch.setattr(reading, "remote", lambda path: Remote(path, (f"{server.address}/a",)))
    Image.fromarray(noise(3, 3)).save(folder.parent / "a.png")
    server.content["a"] = (folder.parent / "a.png").read_bytes()
    monkeypatch.setenv("GDMLIB_PROGRESS", "0")
    assert data.restoration("set5")["a"].shape == (1, 3, 3)
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("no_data")
def test_what_is_not_here_is_named(monkeypatch, server):
    server.stop()
    monkeypatch.setattr(reading, "remote", lambda path: Remote(path, (f"{server.address}/a",)))
    with pytest.raises(DataNotFoundError, match=r"mnist/train-images-idx3-ubyte\.gz"):
        data.mnist()


# --- the real sets


def test_real_mnist(real_data):
    test = data.mnist("test")
    assert test.x.shape == (10_000, 1, 28, 28)
    assert test.y.bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert 255 * test.x.mean().item() == pytest.approx(33.791, abs=5e-4)
    labels = published.read_idx(real_data / "mnist/train-labels-idx1-ubyte.gz")
    assert np.bincount(labels).tolist() == [
        *(5923, 6742, 5958, 6131, 5842),
        *(5421, 5918, 6265, 5851, 5949),
    ]


def test_real_binarised_mnist(real_data):
    drawn, grey = data.binarised_mnist("test"), data.mnist("test")
    assert torch.equal(drawn.y, grey.y)
    assert (drawn.x[grey.x == 0] == 0).all() and (drawn.x[grey.x == 1] == 1).all()
    assert drawn.x.mean() == pytest.approx(grey.x.mean().item(), abs=5e-4)
    # A promise: the numbers of the course rest on this draw.
    assert drawn.x.sum().item() == BINARISED_ONES
    assert len(data.binarised_mnist("valid")) == 10_000


BINARISED_ONES = 1039159


def test_real_caltech_silhouettes(real_data):
    for split, count, mean in (
        ("train", 4100, 0.551),
        ("valid", 2264, 0.536),
        ("test", 2307, 0.539),
    ):
        part = data.caltech_silhouettes(split)
        assert part.x.shape == (count, 1, 28, 28)
        assert part.x.mean().item() == pytest.approx(mean, abs=5e-4)
        assert part.y.min() == 0 and part.y.max() == 100 and len(part.classes) == 101


@pytest.mark.parametrize(
    ("name", "variables", "counts"),
    [
        ("adult", 123, (5000, 1414, 26147)),
        ("connect4", 126, (16000, 4000, 47557)),
        ("dna", 180, (1400, 600, 1186)),
        ("mushrooms", 112, (2000, 500, 5624)),
        ("nips", 500, (400, 100, 1240)),
    ],
)
def test_real_binary_density(real_data, name, variables, counts):
    for split, count in zip(("train", "valid", "test"), counts, strict=True):
        table = data.binary_density(name, split)
        assert table.x.shape == (count, variables)
        assert set(table.x.unique().tolist()) == {0.0, 1.0}


def test_real_red_wine(real_data):
    wine = data.red_wine()
    assert wine.x.shape == (1599, 11)
    assert wine.attributes["fold"].bincount().tolist() == [0, *[159] * 9, 168]
    assert wine.x[:, 8].min() > 2 and wine.x[:, 8].max() < 5, "pH"


def test_real_pictures(real_data):
    assert len(registry()) > 1100
    validation = data.bsds500("valid", boundaries=True)
    assert len(validation) == 100
    assert {tuple(p.shape) for p in validation.values()} == {(1, 321, 481), (1, 481, 321)}
    assert len(data.restoration("set12")) == 12 and len(data.restoration("set12", show=True)) == 11
    colours = [len(picture) for picture in data.restoration("set14").values()]
    assert colours.count(3) == 13 and colours.count(1) == 1
    assert {tuple(p.shape) for p in data.restoration("set5").values()} >= {(3, 512, 512)}


def test_real_crops_and_faces(real_data):
    crops, frames = data.spc15(), data.frey_faces()
    assert crops.x.shape == (15, 1, 256, 256) and crops.x.min() >= 0 and crops.x.max() <= 1
    assert frames.x.shape == (1965, 1, 28, 20)


def test_real_emoji(real_data):
    emoji = data.noto_emoji(32)
    assert emoji.x.shape == (3845, 4, 32, 32)
    assert emoji.attributes["skin_tone"].sum() == 1890
    # 259 flags are a pair of letters; England, Scotland and Wales are written otherwise.
    assert emoji.attributes["flag"].sum() == 259 + 3


def test_real_cifar10_subset(real_data):
    test = data.cifar10_subset("test")
    assert test.x.shape == (1000, 3, 32, 32) and len(test.y) == 1000
    assert test.classes[test.y[0]] == "cat", "the first test image of CIFAR-10"
