"""Published tables, downloaded when they are first used; errors as in `published`."""

from __future__ import annotations

from pathlib import PurePosixPath

import numpy as np
import torch

from gdmlib.data import convert, declare, reading
from gdmlib.data.checksums import read_arrays
from gdmlib.data.dataset import Dataset, check_name
from gdmlib.data.download import GITHUB, Remote, converted

_MADE = f"{GITHUB}/mgermain/MADE/514849eb9451311c02049f9e2d9a17fac589996a/datasets"
_DEBD = f"{GITHUB}/arranger1044/DEBD/850908666388f1b1c766a304b37dae14613f1e51/datasets"

# Of two sets, MADE's copy is not published: the parts for training, and the full table.
_REBUILT = {
    "adult": (
        convert.adult,
        f"{GITHUB}/SofianeTanji/snacks/352cf02bacc00b5926fe6e25acb3d01620060479/a9a",
    ),
    "connect4": (
        convert.connect4,
        f"{GITHUB}/EpistasisLab/pmlb/037f3e621119d267d5da54c68320d815eb601362"
        "/datasets/classification/connect-4/connect-4.tsv.gz",
    ),
}


def _binary_table(path: str) -> Remote:
    stem = PurePosixPath(path).stem
    if stem not in _REBUILT:
        return converted(convert.named_splits, all=_MADE + "/{stem}.npz")(path)
    build, full = _REBUILT[stem]
    parts = {split: f"{_DEBD}/{stem}/{stem}.{split}.data" for split in ("train", "valid")}
    # The order of the test rows, which are what is left of the full table, is not known.
    return converted(build, unordered=("test",), full=full, **parts)(path)


# Decorators apply from below.
@declare.downloadable(
    content={"nips": "1740 × 500 bits"},
    licence="none stated",
    tier="B",
    files="binary_density/{name}.npz",
    remote=_binary_table,
)
@declare.downloadable(
    content={
        "adult": "32,561 × 123 bits",
        "connect4": "67,557 × 126 bits",
        "dna": "3186 × 180 bits",
        "mushrooms": "8124 × 112 bits",
    },
    licence="CC BY 4.0 (UCI)",
    tier="A-",
    files="binary_density/{name}.npz",
    remote=_binary_table,
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
    table = read_arrays(reading.get(f"binary_density/{name}.npz"))[split]
    return Dataset(
        name=f"{name} ({split})",
        x=torch.from_numpy(table).float(),
        source="H. Larochelle and I. Murray, 'The neural autoregressive distribution estimator', "
        "AISTATS 2011; tables from UCI and LIBSVM",
        licence=declare.licence(name),
    )


BINARY_DENSITIES: tuple[str, ...] = declare.names(binary_density)
"""Names that :func:`binary_density` knows."""


@declare.downloadable(
    content="1599 × 11 measurements",
    licence="CC BY 4.0 (UCI)",
    tier="A-",
    files="red_wine/",
    remote=converted(
        convert.red_wine,
        all="https://archive.ics.uci.edu/ml/machine-learning-databases"
        "/wine-quality/winequality-red.csv",
    ),
)
def red_wine() -> Dataset:
    """Load the measurements of 1599 red wines, with RNADE's ten folds.

    Returns:
        ``x`` ``(1599, 11)`` in the units that ``columns`` gives; ``attributes["fold"]`` ``(1599,)``
        from 1 to 10: fold k is the test set of the k-th round, the rest its training set.
    """
    arrays = read_arrays(reading.get("red_wine/red_wine.npz"))
    return Dataset(
        name="red_wine",
        x=torch.from_numpy(arrays["data"]),
        source="P. Cortez et al., 'Modeling wine preferences', 2009 (UCI); folds of B. Uria, "
        "I. Murray and H. Larochelle, 'RNADE', 2013",
        licence=declare.licence("red_wine"),
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
