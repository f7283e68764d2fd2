"""Data that come with scikit-learn and scikit-image, so they are there with the network off."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Generator

from gdmlib._checks import check_count
from gdmlib._random import draw
from gdmlib.data import declare
from gdmlib.data.crops import corners, crop
from gdmlib.data.dataset import Dataset, Pictures, check_name
from gdmlib.data.reading import picture, shipped

PHOTOGRAPHS: dict[str, str] = {
    "chelsea": "a cat, by Stéfan van der Walt (CC0), scikit-image",
    "china": "a temple in Beijing, by 'danielbuechele' (CC BY 2.0), scikit-learn",
    "coffee": "a cup of coffee, by Rachel Michetti (CC0), scikit-image",
    "flower": "a dahlia, by 'vultilion' (CC BY 2.0), scikit-learn",
    "hubble": "the Hubble extreme deep field, by NASA (public domain), scikit-image",
    "motorcycle": "left view of a stereo pair, by D. Scharstein et al. (Middlebury stereo data, "
    "free to use with citation), scikit-image",
    "rocket": "the launch of a Falcon 9, by SpaceX (public domain), scikit-image",
}
"""Names of :func:`photographs` and who made them."""

PATCH_SPLITS: dict[str, tuple[str, ...]] = {
    "train": ("china", "flower", "motorcycle", "rocket"),
    "test": ("chelsea", "coffee"),
}
"""Which photographs :func:`photo_patches` takes a split's patches from."""


@declare.embedded(content="150 × 4 lengths, 3 species", licence="CC BY 4.0")
def iris(classes: Sequence[str] | None = None) -> Dataset:
    """Load Fisher's irises: 150 flowers, four lengths in centimetres, three species.

    Args:
        classes: Species to keep, of ``setosa``, ``versicolor`` and ``virginica``; labels count in
            the order given. None keeps all three.

    Returns:
        ``x`` ``(N, 4)`` in centimetres, ``y`` ``(N,)``; 50 flowers a species.
    """
    from sklearn.datasets import load_iris

    raw = load_iris()
    names = [str(name) for name in raw.target_names]
    kept = tuple(names if classes is None else classes)
    if isinstance(classes, str) or not kept or len(set(kept)) < len(kept):
        raise ValueError(f"classes: expected different names out of {names}, got {classes!r}")
    ids = [names.index(check_name(name, names, "iris species")) for name in kept]
    target = torch.from_numpy(raw.target).long()
    x = torch.from_numpy(raw.data).float()
    rows = torch.cat([(target == i).nonzero()[:, 0] for i in sorted(ids)])
    y = torch.tensor([ids.index(int(label)) for label in target[rows]])
    return Dataset(
        name="iris",
        x=x[rows],
        y=y,
        classes=kept,
        source="R. A. Fisher, 'The use of multiple measurements in taxonomic problems', 1936; "
        "measured by E. Anderson; from scikit-learn",
        licence="CC BY 4.0 (UCI Machine Learning Repository)",
        columns=tuple(raw.feature_names),
    )


@declare.embedded(content="1797 × 8×8 digits", licence="CC BY 4.0")
def digits(split: str = "all") -> Dataset:
    """Load 1797 handwritten digits of 8×8 pixels.

    Args:
        split: ``"train"`` (1297 images), ``"test"`` (500, every class in proportion) or ``"all"``.
            The split is fixed. The set does not say who wrote which digit, so one hand may have
            written digits in both parts.

    Returns:
        ``x`` ``(N, 1, 8, 8)`` with ink 1 on ground 0, in steps of 1/16; ``y`` ``(N,)``.
    """
    from sklearn.datasets import load_digits

    check_name(split, ("train", "test", "all"), "split of digits")
    raw = load_digits()
    x = torch.from_numpy(raw.images).float()[:, None] / 16
    y = torch.from_numpy(raw.target).long()
    test = torch.from_numpy(_stratified_test_rows(raw.target, size=500, seed=0))
    rows = {"train": ~test, "test": test, "all": torch.ones_like(test)}[split]
    return Dataset(
        name=f"digits ({split})",
        x=x[rows],
        y=y[rows],
        classes=tuple("0123456789"),
        source="E. Alpaydin and C. Kaynak, 'Optical recognition of handwritten digits', 1998; "
        "from scikit-learn",
        licence="CC BY 4.0 (UCI Machine Learning Repository)",
    )


@declare.embedded(content=f"{len(PHOTOGRAPHS)} in colour", licence="CC0, CC BY 2.0, public domain")
def photographs() -> Pictures:
    """Load seven colour photographs.

    Returns:
        From a name in `PHOTOGRAPHS` (which says who made it) to a tensor ``(3, H, W)`` in [0, 1].
        Sizes differ.
    """
    return Pictures(
        {name: picture(_photograph(name)) for name in PHOTOGRAPHS},
        name="photographs",
        source="; ".join(f"{name}: {credit}" for name, credit in PHOTOGRAPHS.items()),
        licence="each photograph has its own (see source)",
    )


@declare.embedded(
    content="patches of the photographs, any size", licence="as the photographs", arguments="n"
)
def photo_patches(
    n: int,
    size: int = 8,
    split: str = "train",
    grey: bool = True,
    generator: Generator | None = None,
) -> Dataset:
    """Cut ``n`` patches at random places out of photographs.

    Training and test patches come from *different photographs* (:data:`PATCH_SPLITS`): patches
    of one photograph are alike, and overlap, so a split of patches would flatter every model.

    Args:
        size: Height and width in pixels, 1 to 300.
        split: ``"train"`` or ``"test"``.
        grey: Turn colour into luminance (weights 0.2125, 0.7154, 0.0721).

    Returns:
        ``x`` ``(n, 1, size, size)``, or ``(n, 3, size, size)`` for ``grey=False``, in [0, 1]; ``y``
        ``(n,)`` says which photograph of ``classes`` the patch is from, and the attributes ``row``
        and ``column`` where its upper left corner lies.
    """
    check_name(split, PATCH_SPLITS, "split of photo_patches")
    n, size = check_count(n), check_count(size, "size")
    names = PATCH_SPLITS[split]
    images = [picture(_photograph(name)) for name in names]
    smallest = min(min(image.shape[1:]) for image in images)
    if size > smallest:
        raise ValueError(f"size: the smallest photograph has {smallest} pixels a side, got {size}")
    if grey:
        weights = torch.tensor([0.2125, 0.7154, 0.0721], dtype=torch.float32)[:, None, None]
        images = [(image * weights).sum(0, keepdim=True) for image in images]

    # Every place in every photograph is equally probable.
    places = torch.tensor([(x.shape[1] - size + 1) * (x.shape[2] - size + 1) for x in images])
    home = places if generator is None else places.to(generator.device)
    y = torch.multinomial(home.float(), n, replacement=True, generator=generator).to(places.device)
    place = draw(torch.rand, n, 2, generator=generator, dtype=torch.float64)
    corner = corners(images, y, place, size)
    return Dataset(
        name=f"photo_patches ({split})",
        x=crop(images, y, corner, size),
        y=y,
        classes=names,
        source="; ".join(f"{name}: {PHOTOGRAPHS[name]}" for name in names),
        licence="each photograph has its own (see source)",
        attributes={"row": corner[:, 0], "column": corner[:, 1]},
    )


def _photograph(name: str) -> np.ndarray:
    if name in ("china", "flower"):
        from sklearn.datasets import load_sample_image

        return load_sample_image(f"{name}.jpg")
    files = {
        "hubble": "hubble_deep_field.jpg",
        "motorcycle": "motorcycle_left.png",
        "rocket": "rocket.jpg",
    }
    return shipped(files.get(name, f"{name}.png"))


def _stratified_test_rows(labels: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Return a Boolean mask with ``size`` test rows, each class in proportion."""
    counts = np.bincount(labels)
    shares = counts * size / len(labels)
    quota = np.floor(shares).astype(int)
    # The rows that rounding left over go to the classes with the largest remainders.
    left_over = size - quota.sum()
    quota[np.argsort(quota - shares, kind="stable")[:left_over]] += 1
    # RandomState, unlike default_rng, promises the same stream in every numpy.
    rng = np.random.RandomState(seed)
    mask = np.zeros(len(labels), dtype=bool)
    for label, count in enumerate(quota):
        rows = np.flatnonzero(labels == label)
        mask[rng.permutation(rows)[:count]] = True
    return mask
