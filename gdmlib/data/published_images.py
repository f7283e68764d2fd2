"""Published pictures, downloaded when they are first used; errors as in `published`."""

from __future__ import annotations

from pathlib import PurePosixPath

import numpy as np
import torch

from gdmlib.data import convert, declare, reading
from gdmlib.data.checksums import read_arrays
from gdmlib.data.dataset import Dataset, Pictures, UnknownDatasetError, check_name
from gdmlib.data.download import GITHUB, Remote, as_published, converted

_BSDS = f"{GITHUB}/BIDS/BSDS500/a04b7c6c3a9f0ace74bf205c72a43d32e1c72722/BSDS500/data"
_DNCNN = f"{GITHUB}/cszn/DnCNN/e93b27812d3ff523a3a79d19e5e50d233d7a8d0a/testsets"
_CONVNETJS = f"{GITHUB}/taneishi/convnetjs/f741ae53fe9e8241a8b50bc1978259c39a32ed81/demo/cifar10"
_RIDE = f"{GITHUB}/Computational-Imaging-Lab-IITM/ride/fc36aeb34f263a78fc9a5f85c5480b13d87c66e1"
_NOTO = "https://github.com/emoj-info/noto/archive/48c41532639be784affdee587f114c6297bc827a.zip"

# The picture of Lena, which journals no longer print and this course does not show.
_NOT_SHOWN = {"set12": "08", "set14": "lenna"}


def _bsds500(path: str) -> Remote:
    _, kind, split, _ = path.split("/")
    if kind == "images":
        return as_published(_BSDS + "/{rest}")(path)
    return converted(convert.boundaries, all=f"{_BSDS}/groundTruth/{split}/{{stem}}.mat")(path)


@declare.downloadable(
    content="500 photographs, boundaries",
    licence="non-commercial research and education only",
    tier="B",
    files="bsds500/",
    remote=_bsds500,
)
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
        reading.pictures(f"bsds500/{kind}/{folder}/", f"BSDS500 {kind}"),
        name=f"bsds500 {kind} ({split})",
        source="P. Arbeláez, M. Maire, C. Fowlkes and J. Malik, 'Contour detection and "
        "hierarchical image segmentation', 2011",
        licence=declare.licence("bsds500"),
    )


def _restoration(path: str) -> Remote:
    name = path.split("/")[1]
    address = f"{_DNCNN}/{'BSD68' if name == 'bsd68' else name.capitalize()}/{{stem}}"
    if name in ("bsd68", "set12"):
        return as_published(address + ".png")(path)
    return converted(convert.picture, all=address + ".bmp")(path)


@declare.downloadable(
    content={
        "set5": "5 pictures",
        "set12": "12 grey pictures",
        "set14": "14 pictures",
        "bsd68": "68 grey photographs",
    },
    licence="none stated",
    tier="B",
    files="restoration_sets/{name}/",
    remote=_restoration,
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
        reading.pictures(f"restoration_sets/{name}/", name, skip),
        name=name,
        source=sources[name],
        licence=declare.licence(name),
    )


RESTORATION_SETS: tuple[str, ...] = declare.names(restoration)
"""Names that :func:`restoration` knows."""


@declare.downloadable(
    content="15 × 256×256 grey crops",
    licence="none stated (crops of BSDS photographs)",
    tier="B",
    files="spc15/",
    remote=as_published(_RIDE + "/code/data/BSDS_Cropped/{rest}"),
)
def spc15() -> Dataset:
    """Load the 15 grey crops on which single-pixel-camera results were reported.

    Returns:
        ``x`` ``(15, 1, 256, 256)`` in [0, 1]; no labels.
    """
    from scipy.io import loadmat

    images = loadmat(reading.get("spc15/img_data.mat"), variable_names=["data"])["data"]
    return Dataset(
        name="spc15",
        x=torch.from_numpy(np.ascontiguousarray(images)).float()[:, None],
        source="A. Dave, A. K. Vadathya and K. Mitra, 'Compressive image recovery using recurrent "
        "generative model', ICIP 2017; crops of BSDS photographs",
        licence=declare.licence("spc15"),
    )


@declare.downloadable(
    content="1965 × 28×20 frames",
    licence="none stated; one identifiable person's face",
    tier="B",
    files="frey_faces/",
    remote=converted(convert.frey_faces, all="https://cs.nyu.edu/~roweis/data/frey_rawface.mat"),
)
def frey_faces() -> Dataset:
    """Load 1965 frames of one man's face, 28×20 pixels, in the order of the video.

    Neighbouring frames are nearly the same, so a random split leaks: split by time.

    Returns:
        ``x`` ``(1965, 1, 28, 20)`` in [0, 1]; no labels.
    """
    images = read_arrays(reading.get("frey_faces/freyfaces.npz"))["images"]
    return Dataset(
        name="frey_faces",
        x=reading.images(images[:, None]),
        source="B. Frey and S. Roweis",
        licence=declare.licence("frey_faces"),
    )


def _noto_emoji(path: str) -> Remote:
    size = PurePosixPath(path).stem.rpartition("_")[2]
    return Remote(path, originals={size: (_NOTO,)}, convert=convert.noto_emoji)


@declare.downloadable(
    content="3845 emoji, 32×32 or 72×72",
    licence="Apache 2.0, later SIL OFL 1.1; flags: public domain",
    tier="A",
    files="noto_emoji/",
    remote=_noto_emoji,
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
    arrays = read_arrays(reading.get(f"noto_emoji/noto_emoji_{size}.npz"))
    names = tuple(str(name) for name in arrays["names"])
    codes = [[int(code, 16) for code in n.removeprefix("emoji_u").split("_")] for n in names]
    tones, letters, tags = range(0x1F3FB, 0x1F400), range(0x1F1E6, 0x1F200), range(0xE0020, 0xE0080)
    return Dataset(
        name=f"noto_emoji ({size} pixels)",
        x=reading.images(arrays["images"].transpose(0, 3, 1, 2)),
        y=torch.arange(len(names)),
        classes=names,
        source="Noto Emoji, Google; drawn as PNG by emoj.info",
        licence=declare.licence("noto_emoji"),
        attributes={
            "skin_tone": torch.tensor([any(c in tones for c in code[1:]) for code in codes]),
            "flag": torch.tensor([len(c) > 1 and (c[1] in letters or c[1] in tags) for c in codes]),
            "base": torch.tensor([code[0] for code in codes]),
        },
    )


_CIFAR10 = "airplane automobile bird cat deer dog frog horse ship truck"


def _cifar10(path: str) -> Remote:
    stem = PurePosixPath(path).stem
    if stem == "labels":
        return converted(convert.cifar10_labels, all=_CONVNETJS + "/cifar10_labels.js")(path)
    strip = 50 if stem.startswith("test") else int(stem[-2:])
    return as_published(f"{_CONVNETJS}/cifar10_batch_{strip}.png")(path)


@declare.downloadable(
    content="11,000 × 32×32 in colour",
    licence="none stated",
    tier="B",
    files="cifar10_subset/",
    remote=_cifar10,
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
        for file in reading.get_all(declare.files(f"cifar10_subset/{split}_batch_"), "CIFAR-10")
    ]
    labels = read_arrays(reading.get("cifar10_subset/labels.npz"))[split]
    return Dataset(
        name=f"cifar10_subset ({split})",
        x=reading.images(np.concatenate(strips).transpose(0, 3, 1, 2)),
        y=reading.labels(labels),
        classes=tuple(_CIFAR10.split()),
        source="A. Krizhevsky, 'Learning multiple layers of features from tiny images', 2009",
        licence=declare.licence("cifar10_subset"),
    )
