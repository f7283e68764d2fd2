"""Which files belong to which downloadable set, and where each can be had.

Addresses name the commit, so that what they give does not change.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import PurePosixPath

from gdmlib.data import convert
from gdmlib.data.download import Remote, registry

_RAW = "https://raw.githubusercontent.com"
_BSDS = f"{_RAW}/BIDS/BSDS500/a04b7c6c3a9f0ace74bf205c72a43d32e1c72722/BSDS500/data"
_DNCNN = f"{_RAW}/cszn/DnCNN/e93b27812d3ff523a3a79d19e5e50d233d7a8d0a/testsets"
_DEBD = f"{_RAW}/arranger1044/DEBD/850908666388f1b1c766a304b37dae14613f1e51/datasets"
_MADE = f"{_RAW}/mgermain/MADE/514849eb9451311c02049f9e2d9a17fac589996a/datasets"
_CONVNETJS = f"{_RAW}/taneishi/convnetjs/f741ae53fe9e8241a8b50bc1978259c39a32ed81/demo/cifar10"
_SILHOUETTES = (
    f"{_RAW}/YingzhenLi/vae_renyi_divergence/5df877dd78410d90a523c22846b01ff0c6a3a424/"
    "data/silhouettes"
)
_RIDE = (
    f"{_RAW}/Computational-Imaging-Lab-IITM/ride/fc36aeb34f263a78fc9a5f85c5480b13d87c66e1/"
    "code/data/BSDS_Cropped"
)
_A9A = f"{_RAW}/SofianeTanji/snacks/352cf02bacc00b5926fe6e25acb3d01620060479/a9a"
_CONNECT4 = (
    f"{_RAW}/EpistasisLab/pmlb/037f3e621119d267d5da54c68320d815eb601362/"
    "datasets/classification/connect-4/connect-4.tsv.gz"
)
_NOTO = "https://github.com/emoj-info/noto/archive/48c41532639be784affdee587f114c6297bc827a.zip"
_WINE = "https://archive.ics.uci.edu/ml/machine-learning-databases/wine-quality"
_FREY = "https://cs.nyu.edu/~roweis/data/frey_rawface.mat"
_MNIST = (
    "https://ossci-datasets.s3.amazonaws.com/mnist",
    "https://storage.googleapis.com/cvdf-datasets/mnist",
    "http://yann.lecun.com/exdb/mnist",
)
_FASHION = (
    f"{_RAW}/zalandoresearch/fashion-mnist/master/data/fashion",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
)


def _split(path: str) -> tuple[str, str, str]:
    """Return the first folder, the rest, and the file's name without its ending."""
    first, _, rest = path.partition("/")
    return first, rest, PurePosixPath(path).stem


def _binary_density(path: str, stem: str) -> Remote:
    if stem in ("dna", "mushrooms", "nips"):
        return Remote(
            path, originals={"all": (f"{_MADE}/{stem}.npz",)}, convert=convert.named_splits
        )
    originals = {split: (f"{_DEBD}/{stem}/{stem}.{split}.data",) for split in ("train", "valid")}
    if stem == "adult":
        return Remote(path, originals={**originals, "full": (_A9A,)}, convert=convert.adult)
    return Remote(path, originals={**originals, "full": (_CONNECT4,)}, convert=convert.connect4)


def _bsds500(path: str, rest: str, stem: str) -> Remote:
    if rest.startswith("images/"):
        return Remote(path, urls=(f"{_BSDS}/{rest}",))
    split = rest.split("/")[1]
    return Remote(
        path,
        originals={"all": (f"{_BSDS}/groundTruth/{split}/{stem}.mat",)},
        convert=convert.boundaries,
    )


def _restoration(path: str, rest: str, stem: str) -> Remote:
    name = rest.split("/")[0]
    folder = {"bsd68": "BSD68", "set12": "Set12", "set5": "Set5", "set14": "Set14"}[name]
    if name in ("bsd68", "set12"):
        return Remote(path, urls=(f"{_DNCNN}/{folder}/{stem}.png",))
    return Remote(
        path, originals={"all": (f"{_DNCNN}/{folder}/{stem}.bmp",)}, convert=convert.picture
    )


def _cifar10(path: str, rest: str, stem: str) -> Remote:
    if rest == "labels.npz":
        return Remote(
            path,
            originals={"all": (f"{_CONVNETJS}/cifar10_labels.js",)},
            convert=convert.cifar10_labels,
        )
    strip = 50 if stem.startswith("test") else int(stem[-2:])
    return Remote(path, urls=(f"{_CONVNETJS}/cifar10_batch_{strip}.png",))


def remote(path: str) -> Remote:
    """Return where the file with this place in the folder layout can be had."""
    first, rest, stem = _split(path)
    if first == "mnist":
        return Remote(path, urls=tuple(f"{mirror}/{rest}" for mirror in _MNIST))
    if first == "fashion_mnist":
        return Remote(path, urls=tuple(f"{mirror}/{rest}" for mirror in _FASHION))
    if first == "caltech101_silhouettes":
        return Remote(path, urls=(f"{_SILHOUETTES}/{rest}",))
    if first == "spc15":
        return Remote(path, urls=(f"{_RIDE}/{rest}",))
    if first == "frey_faces":
        return Remote(path, originals={"all": (_FREY,)}, convert=convert.frey_faces)
    if first == "noto_emoji":
        size = stem.rpartition("_")[2]
        return Remote(path, originals={size: (_NOTO,)}, convert=convert.noto_emoji)
    if first == "red_wine":
        url = f"{_WINE}/winequality-red.csv"
        return Remote(path, originals={"all": (url,)}, convert=convert.red_wine)
    if first == "binary_density":
        return _binary_density(path, stem)
    if first == "bsds500":
        return _bsds500(path, rest, stem)
    if first == "restoration_sets":
        return _restoration(path, rest, stem)
    if first == "cifar10_subset":
        return _cifar10(path, rest, stem)
    raise ValueError(f"no set has the file {path!r}")


@lru_cache(maxsize=64)
def files(prefix: str) -> tuple[str, ...]:
    """Return the places of all files that begin with ``prefix``, sorted."""
    return tuple(sorted(path for path in registry() if path.startswith(prefix)))
