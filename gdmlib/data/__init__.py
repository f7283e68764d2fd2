"""Data for the lessons: embedded, rendered and downloadable. Every loader says where they are from.

*Embedded* data come with scikit-learn and scikit-image; *rendered* data are drawn on the spot;
both work with the network off. *Downloadable* data are looked for in the folder that the
environment variable ``GDMLIB_DATA`` names, then in the cache, and are downloaded last.
``python -m gdmlib.data`` lists all of them.
"""

from __future__ import annotations

from gdmlib.data.benchmarks import (
    BINARY_DENSITIES,
    RESTORATION_SETS,
    binarised_mnist,
    binary_density,
    bsds500,
    caltech_silhouettes,
    cifar10_subset,
    fashion_mnist,
    frey_faces,
    mnist,
    noto_emoji,
    red_wine,
    restoration,
    spc15,
)
from gdmlib.data.dataset import (
    CacheError,
    ChecksumError,
    DataNotFoundError,
    Dataset,
    Pictures,
    UnknownDatasetError,
)
from gdmlib.data.embedded import (
    PATCH_SPLITS,
    PHOTOGRAPHS,
    digits,
    faces,
    iris,
    photo_patches,
    photographs,
    stereo,
    textures,
)
from gdmlib.data.fonts import (
    FAMILIES,
    FONTS,
    STYLES,
    glyphs,
)
from gdmlib.data.listing import (
    TIERS,
    Catalogue,
    Entry,
    catalogue,
)
from gdmlib.data.toys import (
    TOYS,
    toy,
)

__all__ = [
    "BINARY_DENSITIES",
    "FAMILIES",
    "FONTS",
    "PATCH_SPLITS",
    "PHOTOGRAPHS",
    "RESTORATION_SETS",
    "STYLES",
    "TIERS",
    "TOYS",
    "CacheError",
    "Catalogue",
    "ChecksumError",
    "DataNotFoundError",
    "Dataset",
    "Entry",
    "Pictures",
    "UnknownDatasetError",
    "binarised_mnist",
    "binary_density",
    "bsds500",
    "caltech_silhouettes",
    "catalogue",
    "cifar10_subset",
    "digits",
    "faces",
    "fashion_mnist",
    "frey_faces",
    "glyphs",
    "iris",
    "mnist",
    "noto_emoji",
    "photo_patches",
    "photographs",
    "red_wine",
    "restoration",
    "spc15",
    "stereo",
    "textures",
    "toy",
]
