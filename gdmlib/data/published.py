"""Published data sets, downloaded when they are first used: small images, as of digits.

Tables stand in `published_tables`, larger pictures in `published_images`.

Each loader looks into the folder that ``$GDMLIB_DATA`` names, then into the cache
(``$GDMLIB_CACHE``, or the system's own place), then downloads; checksums are verified every time.
All of them raise

- :class:`UnknownDatasetError` for a name or split that does not exist,
- :class:`DataNotFoundError` where a file is not here and cannot be downloaded,
- :class:`ChecksumError` where its content is not as expected,
- :class:`CacheError` where the cache cannot be written,

each of which names the file, the places, and the way out.
"""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import torch

from gdmlib.data import declare, reading
from gdmlib.data.dataset import ChecksumError, Dataset, check_name, check_seed
from gdmlib.data.download import GITHUB, as_published


@declare.downloadable(
    content="70,000 × 28×28 digits",
    licence="CC BY-SA 3.0 (as the Keras documentation states)",
    tier="A",
    files="mnist/",
    remote=as_published(
        "https://ossci-datasets.s3.amazonaws.com/mnist/{rest}",
        "https://storage.googleapis.com/cvdf-datasets/mnist/{rest}",
        "http://yann.lecun.com/exdb/mnist/{rest}",
    ),
)
def mnist(split: str = "train") -> Dataset:
    """Load MNIST, handwritten digits of 28×28 pixels.

    Args:
        split: ``"train"`` (60,000 images) or ``"test"`` (10,000).

    Returns:
        ``x`` ``(N, 1, 28, 28)``, ink 1 on ground 0; ``y`` ``(N,)``.
    """
    source = "Y. LeCun, C. Cortes and C. J. C. Burges, 'The MNIST database', 1998"
    return _as_mnist("mnist", split, tuple("0123456789"), source)


@declare.derived("mnist", content="the same, drawn 0 or 1 with a fixed seed")
def binarised_mnist(split: str = "train", seed: int = 0) -> Dataset:
    """Load MNIST with every pixel drawn once, 1 with the probability of its grey value.

    This is the benchmark's recipe (Salakhutdinov and Murray, 2008), but **not its original static
    draw**, which is not used here: pixels are drawn anew from ``seed``. Log-likelihoods agree
    with those on the original draw up to sampling noise, not to the last digit.

    Args:
        split: ``"train"`` (the first 50,000 training images), ``"valid"`` (the last 10,000) or
            ``"test"`` (10,000).
        seed: Chooses the draw; one seed gives the same pixels on every machine.

    Returns:
        ``x`` ``(N, 1, 28, 28)`` of zeros and ones; ``y`` ``(N,)``.
    """
    splits = ("train", "valid", "test")
    check_name(split, splits, "split of binarised_mnist")
    seed = check_seed(seed)
    images, labels = _mnist_arrays("mnist", "test" if split == "test" else "train")
    rows = {"train": slice(0, 50_000), "valid": slice(50_000, None), "test": slice(None)}[split]
    images, labels = images[rows], labels[rows]
    # RandomState, unlike default_rng, promises the same stream in every numpy.
    rng = np.random.RandomState([seed, splits.index(split)])
    x = torch.empty(len(images), 1, 28, 28, dtype=torch.float32)
    for start in range(0, len(images), 5000):
        grey = images[start : start + 5000, None]
        # A grey value g of 255 is on with probability g / 255.
        drawn = 255 * rng.random_sample(grey.shape) < grey
        x[start : start + 5000] = torch.from_numpy(drawn)
    return Dataset(
        name=f"binarised_mnist ({split}, seed {seed})",
        x=x,
        y=reading.labels(labels),
        classes=tuple("0123456789"),
        source="MNIST (LeCun, Cortes and Burges, 1998), binarised by gdmlib with a fixed seed, "
        "not the original static draw",
        licence=declare.licence("mnist"),
    )


@declare.downloadable(
    content="70,000 × 28×28 clothes",
    licence="MIT; Zalando SE",
    tier="A",
    files="fashion_mnist/",
    remote=as_published(
        GITHUB
        + "/zalandoresearch/fashion-mnist/b2617bb6d3ffa2e429640350f613e3291e10b141"
        + "/data/fashion/{rest}",
    ),
)
def fashion_mnist(split: str = "train") -> Dataset:
    """Load Fashion-MNIST, pictures of clothes of 28×28 pixels.

    Checked against the MD5 sums that its authors published.

    Args:
        split: ``"train"`` (60,000 images) or ``"test"`` (10,000).

    Returns:
        ``x`` ``(N, 1, 28, 28)`` in [0, 1]; ``y`` ``(N,)``.
    """
    classes = "T-shirt/top, trouser, pullover, dress, coat, sandal, shirt, sneaker, bag, ankle boot"
    source = "H. Xiao, K. Rasul and R. Vollgraf, 'Fashion-MNIST', 2017, arXiv:1708.07747"
    return _as_mnist("fashion_mnist", split, tuple(classes.split(", ")), source)


@declare.downloadable(
    content="8671 × 28×28 binary shapes",
    licence="none stated (Caltech-101 itself: CC BY 4.0)",
    tier="A-",
    files="caltech101_silhouettes/",
    remote=as_published(
        GITHUB
        + "/YingzhenLi/vae_renyi_divergence/5df877dd78410d90a523c22846b01ff0c6a3a424"
        + "/data/silhouettes/{rest}"
    ),
)
def caltech_silhouettes(split: str = "train") -> Dataset:
    """Load the Caltech-101 silhouettes, binary shapes of 28×28 pixels.

    Args:
        split: ``"train"`` (4100 images), ``"valid"`` (2264) or ``"test"`` (2307).

    Returns:
        ``x`` ``(N, 1, 28, 28)`` of zeros and ones, as published: object 0, background 1 (many
        papers use ``1 - x``); ``y`` ``(N,)`` in 101 classes.
    """
    from scipy.io import loadmat

    check_name(split, ("train", "valid", "test"), "split of caltech_silhouettes")
    part = "val" if split == "valid" else split
    content = loadmat(
        reading.get("caltech101_silhouettes/caltech101_silhouettes_28_split1.mat"),
        variable_names=[f"{part}_data", f"{part}_labels", "classnames"],
    )
    # MATLAB stores an image column by column.
    images = content[f"{part}_data"].reshape(-1, 1, 28, 28).transpose(0, 1, 3, 2)
    return Dataset(
        name=f"caltech_silhouettes ({split})",
        x=torch.from_numpy(np.ascontiguousarray(images)).float(),
        y=reading.labels(content[f"{part}_labels"]) - 1,
        classes=tuple(str(name[0]) for name in content["classnames"].ravel()),
        source="B. Marlin, K. Swersky, B. Chen and N. de Freitas, 'Inductive principles for "
        "restricted Boltzmann machine learning', AISTATS 2010",
        licence=declare.licence("caltech_silhouettes"),
    )


def _as_mnist(name: str, split: str, classes: tuple[str, ...], source: str) -> Dataset:
    check_name(split, ("train", "test"), f"split of {name}")
    images, labels = _mnist_arrays(name, split)
    return Dataset(
        name=f"{name} ({split})",
        x=reading.images(images[:, None]),
        y=reading.labels(labels),
        classes=classes,
        source=source,
        licence=declare.licence(name),
    )


def _mnist_arrays(folder: str, split: str) -> tuple[np.ndarray, np.ndarray]:
    prefix = "train" if split == "train" else "t10k"
    images = read_idx(reading.get(f"{folder}/{prefix}-images-idx3-ubyte.gz"))
    labels = read_idx(reading.get(f"{folder}/{prefix}-labels-idx1-ubyte.gz"))
    return images, labels


def read_idx(path: Path) -> np.ndarray:
    """Read a gzipped idx file of unsigned bytes, the format of MNIST.

    Raises:
        ChecksumError: If the file is not in that format or is cut short.
    """
    try:
        with gzip.open(path, "rb") as stream:
            content = stream.read()
        zeros, kind, ndim = struct.unpack(">HBB", content[:4])
        shape = struct.unpack(f">{ndim}I", content[4 : 4 + 4 * ndim])
        if zeros != 0 or kind != 8:
            raise ValueError("it does not begin as an idx file of unsigned bytes does")
        return np.frombuffer(content, np.uint8, offset=4 + 4 * ndim).reshape(shape)
    except (OSError, EOFError, ValueError, struct.error) as reason:
        raise ChecksumError(
            f"{path} is no gzipped idx file, or cut short ({reason}); remove it, so that it is "
            "downloaded again"
        ) from reason
