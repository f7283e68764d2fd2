"""From the files that others publish to the files that the loaders read.

Some sets were published in a form that is awkward or unsafe to load. Each function here takes the
published files (a mapping from their names to their paths) and returns the arrays of the file
that the loaders read. Nothing is ever unpickled.
"""

from __future__ import annotations

import gzip
import itertools
import re
import zipfile
from collections import Counter
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import numpy as np

Originals = Mapping[str, Path]
Arrays = dict[str, np.ndarray]


def _binary_table(path: Path) -> np.ndarray:
    """Read lines of 0 and 1 with commas between them."""
    return np.loadtxt(path, delimiter=",", dtype=np.uint8, ndmin=2)


def _without(rows: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """Return ``rows`` less those of ``taken``, each as often as it was taken, order kept."""
    left = Counter(map(bytes, np.ascontiguousarray(taken)))
    keep = np.ones(len(rows), dtype=bool)
    for i, row in enumerate(map(bytes, np.ascontiguousarray(rows))):
        if left[row] > 0:
            left[row] -= 1
            keep[i] = False
    missing = sum(left.values())
    if missing:
        raise ValueError(f"{missing} training or validation rows are not in the full table")
    return rows[keep]


def adult(originals: Originals, rows: int = 32_561) -> Arrays:
    """Build NADE's Adult: the test set is all of LIBSVM's a9a but the other two parts."""
    from sklearn.datasets import load_svmlight_file

    train, valid = _binary_table(originals["train"]), _binary_table(originals["valid"])
    sparse, _ = load_svmlight_file(originals["full"], n_features=train.shape[1], zero_based=False)
    full = sparse[:rows].toarray().astype(np.uint8)
    return {"train": train, "valid": valid, "test": _without(full, np.concatenate([train, valid]))}


def connect4(originals: Originals) -> Arrays:
    """Build NADE's Connect-4: the test set is all 67,557 positions but the other two parts.

    Which of a square's three bits stands for which state is not written down; only one order
    gives a table in which every training and validation row is found.
    """
    train, valid = _binary_table(originals["train"]), _binary_table(originals["valid"])
    taken = np.concatenate([train, valid])
    with gzip.open(originals["full"], "rt") as stream:
        header = stream.readline().rstrip("\n").split("\t")
        states = np.loadtxt(stream, delimiter="\t", dtype=np.int64, ndmin=2)
    squares = np.delete(states, header.index("target"), axis=1)
    for order in itertools.permutations(range(3)):
        full = np.eye(3, dtype=np.uint8)[np.array(order)[squares]].reshape(len(squares), -1)
        try:
            return {"train": train, "valid": valid, "test": _without(full, taken)}
        except ValueError:
            continue
    raise ValueError("no order of the three states gives the training rows")


def named_splits(originals: Originals) -> Arrays:
    """Take ``train_data``, ``valid_data`` and ``test_data`` out of MADE's npz."""
    with np.load(originals["all"], allow_pickle=False) as stored:
        return {
            split: stored[f"{split}_data"].astype(np.uint8) for split in ("train", "valid", "test")
        }


def red_wine(originals: Originals) -> Arrays:
    """Put UCI's red wines in RNADE's order, with RNADE's folds.

    The package has a table that gives, for each of RNADE's rows, its place among UCI's rows in
    sorted order, and its fold.
    """
    wines = np.loadtxt(originals["all"], delimiter=";", skiprows=1, dtype=np.float32)[:, :11]
    ordered = wines[np.lexsort(wines.T[::-1])]
    text = (resources.files("gdmlib.data") / "red_wine_folds.txt").read_text()
    place, fold = np.array([line.split() for line in text.splitlines() if line[0] != "#"], int).T
    return {"data": ordered[place], "fold": fold.astype(np.uint8)}


def frey_faces(originals: Originals) -> Arrays:
    """Turn the columns of Roweis's MATLAB file into images of 28 x 20."""
    from scipy.io import loadmat

    columns = loadmat(originals["all"], variable_names=["ff"])["ff"]
    return {"images": columns.T.reshape(-1, 28, 20).astype(np.uint8)}


def noto_emoji(originals: Originals) -> Arrays:
    """Unpack one size of emoji out of an archive of PNGs; the key of the file is the size."""
    from PIL import Image

    ((size, archive),) = originals.items()
    images, names = [], []
    with zipfile.ZipFile(archive) as packed:
        inside = {
            Path(name).stem: name
            for name in packed.namelist()
            if name.endswith(".png") and Path(name).parts[-3:-1] == ("png", size)
        }
        for stem in sorted(inside):
            with packed.open(inside[stem]) as stream:
                images.append(np.asarray(Image.open(stream).convert("RGBA")))
            names.append(stem)
    return {"images": np.stack(images), "names": np.array(names)}


def cifar10_labels(originals: Originals) -> Arrays:
    """Read the labels out of a line of JavaScript: 10,000 for training, 1000 for testing."""
    text = originals["all"].read_text()
    listed = text[text.index("[") + 1 : text.index("]")]
    labels = np.array(re.findall(r"\d+", listed), dtype=np.uint8)
    return {"train": labels[:10_000], "test": labels[50_000:51_000]}


def boundaries(originals: Originals) -> Arrays:
    """Average the boundaries that several people drew in a photograph: 255 where all agree."""
    from scipy.io import loadmat

    people = loadmat(originals["all"], variable_names=["groundTruth"])["groundTruth"].ravel()
    drawn = [np.asarray(person["Boundaries"][0, 0], dtype=np.float64) for person in people]
    return {"image": np.round(255 * np.mean(drawn, axis=0)).astype(np.uint8)}


def picture(originals: Originals) -> Arrays:
    """Read a picture in whatever format it has."""
    from PIL import Image

    with Image.open(originals["all"]) as image:
        return {"image": np.asarray(image)}
