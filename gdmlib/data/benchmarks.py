"""Published data sets, downloaded when they are first used.

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
import os
import struct
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from torch import Tensor

from gdmlib.data.dataset import ChecksumError, Dataset, Pictures, UnknownDatasetError, check_name
from gdmlib.data.download import fetch, is_here, read_arrays
from gdmlib.data.sources import files, remote

BINARY_DENSITIES: tuple[str, ...] = ("adult", "connect4", "dna", "mushrooms", "nips")
"""Names that :func:`binary_density` knows."""

RESTORATION_SETS: tuple[str, ...] = ("set5", "set12", "set14", "bsd68")
"""Names that :func:`restoration` knows."""

# The picture of Lena, which journals no longer print and this course does not show.
_NOT_SHOWN = {"set12": "08", "set14": "lenna"}

LICENCES: dict[str, str] = {
    "mnist": "CC BY-SA 3.0 (as the Keras documentation states)",
    "fashion_mnist": "MIT; Zalando SE",
    "caltech_silhouettes": "none stated (Caltech-101 itself: CC BY 4.0)",
    "adult": "CC BY 4.0 (UCI)",
    "connect4": "CC BY 4.0 (UCI)",
    "dna": "CC BY 4.0 (UCI)",
    "mushrooms": "CC BY 4.0 (UCI)",
    "nips": "none stated",
    "red_wine": "CC BY 4.0 (UCI)",
    "bsds500": "non-commercial research and education only",
    "restoration": "none stated",
    "spc15": "none stated (crops of BSDS photographs)",
    "frey_faces": "none stated; one identifiable person's face",
    "noto_emoji": "Apache 2.0, later SIL OFL 1.1; flags: public domain",
    "cifar10_subset": "none stated",
}
"""On what terms each downloadable set may be used, as far as we found."""


def get(path: str) -> Path:
    """Return a data file, known by its place in the folder layout; download it if need be."""
    return fetch(remote(path))


def _get_all(paths: Sequence[str], what: str) -> list[Path]:
    """Return many files, with a progress bar if some of them must be downloaded."""
    if all(is_here(path) for path in paths):
        return [get(path) for path in paths]
    from tqdm import tqdm

    silent = os.environ.get("GDMLIB_PROGRESS") == "0"
    return [get(p) for p in tqdm(paths, desc=what, unit="file", leave=False, disable=silent)]


def _images(array: np.ndarray) -> Tensor:
    """Turn uint8 images, channels first, into float32 in [0, 1]."""
    return torch.from_numpy(np.array(array, dtype=np.float32, order="C")).div_(255)


def _labels(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array.astype(np.int64).ravel())


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


def _mnist_arrays(folder: str, split: str) -> tuple[np.ndarray, np.ndarray]:
    prefix = "train" if split == "train" else "t10k"
    images = read_idx(get(f"{folder}/{prefix}-images-idx3-ubyte.gz"))
    labels = read_idx(get(f"{folder}/{prefix}-labels-idx1-ubyte.gz"))
    return images, labels


def mnist(split: str = "train") -> Dataset:
    """Load MNIST, handwritten digits of 28×28 pixels.

    Args:
        split: ``"train"`` (60,000 images) or ``"test"`` (10,000).

    Returns:
        ``x`` ``(N, 1, 28, 28)``, ink 1 on ground 0; ``y`` ``(N,)``.
    """
    check_name(split, ("train", "test"), "split of mnist")
    images, labels = _mnist_arrays("mnist", split)
    return Dataset(
        name=f"mnist ({split})",
        x=_images(images[:, None]),
        y=_labels(labels),
        classes=tuple("0123456789"),
        source="Y. LeCun, C. Cortes and C. J. C. Burges, 'The MNIST database', 1998",
        licence=LICENCES["mnist"],
    )


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
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ValueError(f"seed: expected a whole number from 0 to 2**32 - 1, got {seed!r}")
    images, labels = _mnist_arrays("mnist", "test" if split == "test" else "train")
    rows = {"train": slice(0, 50_000), "valid": slice(50_000, None), "test": slice(None)}[split]
    images, labels = images[rows], labels[rows]
    # RandomState, unlike default_rng, promises the same stream in every numpy.
    rng = np.random.RandomState([seed, splits.index(split)])
    x = torch.empty(len(images), 1, 28, 28)
    for start in range(0, len(images), 5000):
        grey = images[start : start + 5000, None]
        # A grey value g of 255 is on with probability g / 255.
        drawn = 255 * rng.random_sample(grey.shape) < grey
        x[start : start + 5000] = torch.from_numpy(drawn)
    return Dataset(
        name=f"binarised_mnist ({split}, seed {seed})",
        x=x,
        y=_labels(labels),
        classes=tuple("0123456789"),
        source="MNIST (LeCun, Cortes and Burges, 1998), binarised by gdmlib with a fixed seed, "
        "not the original static draw",
        licence=LICENCES["mnist"],
    )


def fashion_mnist(split: str = "train") -> Dataset:
    """Load Fashion-MNIST, pictures of clothes of 28×28 pixels.

    Checked against the MD5 sums that its authors published.

    Args:
        split: ``"train"`` (60,000 images) or ``"test"`` (10,000).

    Returns:
        ``x`` ``(N, 1, 28, 28)`` in [0, 1]; ``y`` ``(N,)``.
    """
    check_name(split, ("train", "test"), "split of fashion_mnist")
    images, labels = _mnist_arrays("fashion_mnist", split)
    return Dataset(
        name=f"fashion_mnist ({split})",
        x=_images(images[:, None]),
        y=_labels(labels),
        classes=(
            "T-shirt/top",
            "trouser",
            "pullover",
            "dress",
            "coat",
            "sandal",
            "shirt",
            "sneaker",
            "bag",
            "ankle boot",
        ),
        source="H. Xiao, K. Rasul and R. Vollgraf, 'Fashion-MNIST', 2017, arXiv:1708.07747",
        licence=LICENCES["fashion_mnist"],
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
        get("caltech101_silhouettes/caltech101_silhouettes_28_split1.mat"),
        variable_names=[f"{part}_data", f"{part}_labels", "classnames"],
    )
    # MATLAB stores an image column by column.
    images = content[f"{part}_data"].reshape(-1, 1, 28, 28).transpose(0, 1, 3, 2)
    return Dataset(
        name=f"caltech_silhouettes ({split})",
        x=torch.from_numpy(np.ascontiguousarray(images)).float(),
        y=_labels(content[f"{part}_labels"]) - 1,
        classes=tuple(str(name[0]) for name in content["classnames"].ravel()),
        source="B. Marlin, K. Swersky, B. Chen and N. de Freitas, 'Inductive principles for "
        "restricted Boltzmann machine learning', AISTATS 2010",
        licence=LICENCES["caltech_silhouettes"],
    )


def binary_density(name: str, split: str = "train") -> Dataset:
    """Load one of the binary tables that density estimators were first compared on.

    The parts are those of NADE. For ``adult`` and ``connect4`` the test part was put together
    again from the full table: its rows are NADE's, their order may not be.

    Args:
        name: ``"adult"`` (123 variables), ``"connect4"`` (126), ``"dna"`` (180), ``"mushrooms"``
            (112) or ``"nips"`` (500).
        split: ``"train"``, ``"valid"`` or ``"test"``.

    Returns:
        ``x`` ``(N, d)`` of zeros and ones; no labels.
    """
    check_name(name, BINARY_DENSITIES, "binary data set")
    check_name(split, ("train", "valid", "test"), f"split of {name}")
    table = read_arrays(get(f"binary_density/{name}.npz"))[split]
    return Dataset(
        name=f"{name} ({split})",
        x=torch.from_numpy(table).float(),
        source="H. Larochelle and I. Murray, 'The neural autoregressive distribution estimator', "
        "AISTATS 2011; tables from UCI and LIBSVM",
        licence=LICENCES[name],
    )


def red_wine() -> Dataset:
    """Load the measurements of 1599 red wines, with RNADE's ten folds.

    Returns:
        ``x`` ``(1599, 11)`` in the units that ``columns`` gives; ``attributes["fold"]`` ``(1599,)``
        from 1 to 10: fold k is the test set of the k-th round, the rest its training set.
    """
    arrays = read_arrays(get("red_wine/red_wine.npz"))
    return Dataset(
        name="red_wine",
        x=torch.from_numpy(arrays["data"]),
        source="P. Cortez et al., 'Modeling wine preferences', 2009 (UCI); folds of B. Uria, "
        "I. Murray and H. Larochelle, 'RNADE', 2013",
        licence=LICENCES["red_wine"],
        attributes={"fold": torch.from_numpy(arrays["fold"].astype(np.int64))},
        columns=(
            "fixed acidity (g/dm³)",
            "volatile acidity (g/dm³)",
            "citric acid (g/dm³)",
            "residual sugar (g/dm³)",
            "chlorides (g/dm³)",
            "free sulfur dioxide (mg/dm³)",
            "total sulfur dioxide (mg/dm³)",
            "density (g/cm³)",
            "pH",
            "sulphates (g/dm³)",
            "alcohol (% vol)",
        ),
    )


def _pictures(prefix: str, what: str, skip: str | None = None) -> dict[str, Tensor]:
    """Load every picture whose place begins with ``prefix``, as ``(C, H, W)`` in [0, 1]."""
    paths = [path for path in files(prefix) if PurePosixPath(path).stem != skip]
    pictures = {}
    for path, file in zip(paths, _get_all(paths, what), strict=True):
        pixels = np.atleast_3d(read_arrays(file)["image"])
        pictures[PurePosixPath(path).stem] = _images(pixels.transpose(2, 0, 1))
    return pictures


def bsds500(split: str = "train", boundaries: bool = False) -> Pictures:
    """Load the Berkeley segmentation photographs.

    BSDS300 is ``train`` (its 200 training images) with ``valid`` (its 100 test images).

    Args:
        split: ``"train"`` (200 images), ``"valid"`` (100) or ``"test"`` (200).
        boundaries: Load the boundaries that people drew in the photographs instead, averaged over
            people.

    Returns:
        Name → ``(3, H, W)`` in [0, 1], or ``(1, H, W)`` for boundaries, under the same names. A
        photograph is 321×481 or 481×321.
    """
    check_name(split, ("train", "valid", "test"), "split of bsds500")
    kind = "boundaries" if boundaries else "images"
    folder = "val" if split == "valid" else split
    return Pictures(
        _pictures(f"bsds500/{kind}/{folder}/", f"BSDS500 {kind}"),
        name=f"bsds500 {kind} ({split})",
        source="P. Arbeláez, M. Maire, C. Fowlkes and J. Malik, 'Contour detection and "
        "hierarchical image segmentation', 2011",
        licence=LICENCES["bsds500"],
    )


def restoration(name: str, show: bool = False) -> Pictures:
    """Load the test pictures that image restoration is compared on.

    All of ``bsd68`` are grey versions of validation photographs of :func:`bsds500`: train on its
    other parts.

    Args:
        name: ``"set5"`` (5 in colour), ``"set12"`` (12 grey), ``"set14"`` (13 in colour, 1 grey) or
            ``"bsd68"`` (68 grey).
        show: Leave out the picture of Lena, which stands in ``set12`` and ``set14`` and does not
            belong into figures. Published averages include it.

    Returns:
        Name → ``(3, H, W)`` or ``(1, H, W)`` in [0, 1].
    """
    check_name(name, RESTORATION_SETS, "restoration set")
    skip = _NOT_SHOWN.get(name) if show else None
    sources = {
        "set5": "M. Bevilacqua et al., 'Low-complexity single-image super-resolution', 2012",
        "set12": "K. Zhang et al., 'Beyond a Gaussian denoiser', 2017, arXiv:1608.03981",
        "set14": "R. Zeyde, M. Elad and M. Protter, 'On single image scale-up', 2010",
        "bsd68": "S. Roth and M. J. Black, 'Fields of experts', 2009; from BSDS",
    }
    return Pictures(
        _pictures(f"restoration_sets/{name}/", name, skip),
        name=name,
        source=sources[name],
        licence=LICENCES["restoration"],
    )


def spc15() -> Dataset:
    """Load the 15 grey crops on which single-pixel-camera results were reported.

    Returns:
        ``x`` ``(15, 1, 256, 256)`` in [0, 1]; no labels.
    """
    from scipy.io import loadmat

    images = loadmat(get("spc15/img_data.mat"), variable_names=["data"])["data"]
    return Dataset(
        name="spc15",
        x=torch.from_numpy(np.ascontiguousarray(images)).float()[:, None],
        source="A. Dave, A. K. Vadathya and K. Mitra, 'Compressive image recovery using recurrent "
        "generative model', ICIP 2017; crops of BSDS photographs",
        licence=LICENCES["spc15"],
    )


def frey_faces() -> Dataset:
    """Load 1965 frames of one man's face, 28×20 pixels, in the order of the video.

    Neighbouring frames are nearly the same, so a random split leaks: split by time.

    Returns:
        ``x`` ``(1965, 1, 28, 20)`` in [0, 1]; no labels.
    """
    images = read_arrays(get("frey_faces/freyfaces.npz"))["images"]
    return Dataset(
        name="frey_faces",
        x=_images(images[:, None]),
        source="B. Frey and S. Roweis",
        licence=LICENCES["frey_faces"],
    )


def noto_emoji(size: int = 32) -> Dataset:
    """Load 3845 emoji of Google's Noto font.

    Many are near-copies of one another (skin tones): split by ``attributes["base"]``.

    Args:
        size: Height and width in pixels, 32 or 72.

    Returns:
        ``x`` ``(3845, 4, size, size)``, red, green, blue and opacity in [0, 1]; ``y`` ``(3845,)``
        and ``classes`` give each emoji's code points. Attributes: ``skin_tone`` and ``flag``
        (Boolean; whether it has a modifier, whether it is the flag of a place) and ``base`` (int64,
        the first code point).
    """
    if size not in (32, 72):
        raise UnknownDatasetError(f"noto_emoji comes in 32 and 72 pixels, got size {size!r}")
    arrays = read_arrays(get(f"noto_emoji/noto_emoji_{size}.npz"))
    names = tuple(str(name) for name in arrays["names"])
    codes = [[int(code, 16) for code in n.removeprefix("emoji_u").split("_")] for n in names]
    tones, letters, tags = range(0x1F3FB, 0x1F400), range(0x1F1E6, 0x1F200), range(0xE0020, 0xE0080)
    return Dataset(
        name=f"noto_emoji ({size} pixels)",
        x=_images(arrays["images"].transpose(0, 3, 1, 2)),
        y=torch.arange(len(names)),
        classes=names,
        source="Noto Emoji, Google; drawn as PNG by emoj.info",
        licence=LICENCES["noto_emoji"],
        attributes={
            "skin_tone": torch.tensor([any(c in tones for c in code[1:]) for code in codes]),
            "flag": torch.tensor([len(c) > 1 and (c[1] in letters or c[1] in tags) for c in codes]),
            "base": torch.tensor([code[0] for code in codes]),
        },
    )


def cifar10_subset(split: str = "train") -> Dataset:
    """Load the first CIFAR-10 images, 32×32 pixels in colour.

    Not the whole set, so results on it cannot be compared with published ones.

    Args:
        split: ``"train"`` (the first 10,000 training images) or ``"test"`` (the first 1000 test
            images).

    Returns:
        ``x`` ``(N, 3, 32, 32)`` in [0, 1]; ``y`` ``(N,)``.
    """
    check_name(split, ("train", "test"), "split of cifar10_subset")
    strips = [
        read_arrays(file)["image"].reshape(-1, 32, 32, 3)
        for file in _get_all(files(f"cifar10_subset/{split}_batch_"), "CIFAR-10")
    ]
    labels = read_arrays(get("cifar10_subset/labels.npz"))[split]
    return Dataset(
        name=f"cifar10_subset ({split})",
        x=_images(np.concatenate(strips).transpose(0, 3, 1, 2)),
        y=_labels(labels),
        classes=(
            "airplane",
            "automobile",
            "bird",
            "cat",
            "deer",
            "dog",
            "frog",
            "horse",
            "ship",
            "truck",
        ),
        source="A. Krizhevsky, 'Learning multiple layers of features from tiny images', 2009",
        licence=LICENCES["cifar10_subset"],
    )
