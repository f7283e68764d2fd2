r"""What nearest neighbours say about samples: how good, how complete, and whether copied.

One number cannot tell a model that draws a few good pictures from one that draws all of them
badly; four can. A fifth one says whether the good pictures are the training set's own.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Generator, Tensor

from gdmlib._checks import check_count
from gdmlib._random import permutation
from gdmlib.metrics.distances import check_pair

_ROWS = 500  # of a matrix of distances that are held at one time


class Coverage(NamedTuple):
    """Precision, recall, density and coverage of samples.

    A perfect sampler has a density of about 1 and a coverage of about 1 - 2^-k. Its precision and
    recall are those of one real set in another, which in many dimensions may be far below 1: look
    at them beside the samples'.

    Attributes:
        precision: Samples that lie within the real set, 0 to 1.
        recall: Real examples that lie within the set of samples, 0 to 1.
        density: Real neighbourhoods in which a sample lies, over k; more than 1 where samples crowd
            together amid the real set.
        coverage: Real examples in whose neighbourhood some sample lies, 0 to 1.
    """

    precision: float
    recall: float
    density: float
    coverage: float


class Memorisation(NamedTuple):
    """How often a sample's nearest neighbour is a training example.

    Attributes:
        share: Samples whose nearest neighbour, of training and held-out examples together, is one
            of training.
        expected: That share if the samples had nothing to do with the division in two.
        p_value: How probable a share as large is by chance alone.
        distance: Median distance of a sample to its nearest training example.
        baseline: Median distance of a held-out example to its nearest training example.
    """

    share: float
    expected: float
    p_value: float
    distance: float
    baseline: float


def _distances(x: Tensor, y: Tensor) -> Tensor:
    """Return all distances, exactly 0 for equal rows: no matrix product, which would round."""
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")


def _radii(x: Tensor, k: int) -> Tensor:
    """Return the distance of each row to its k-th nearest other row."""
    found = [_distances(rows, x).kthvalue(k + 1).values for rows in x.split(_ROWS)]
    return torch.cat(found)


def coverage(*, real: Tensor, fake: Tensor, k: int = 5) -> Coverage:
    r"""Return precision, recall, density and coverage of samples.

    The neighbourhood of a point is the ball around it that reaches to its k-th nearest neighbour in
    its own set. The two sets have to be named, for with them exchanged precision and recall change
    places without a sign of it. A generator of half the true spread shows why there are four:
    its precision, density and coverage are perfect or more; only its recall tells.

    Kynkäänniemi et al. (2019), arXiv:1904.06991, for precision and recall; Naeem, Oh, Uh, Choi and
    Yoo (2020), arXiv:2002.09797, for density and coverage.

    Args:
        real: Real examples, or their features, shape (N, ...).
        fake: Samples, or their features, shape (M, ...). Precision and recall are comparable
            between sets of the same sizes only.
        k: Neighbours; 3 and 5 are usual.
    """
    k = check_count(k, "k")
    real, fake = check_pair(real, fake, ("real", "fake"))
    for x, name in ((real, "real"), (fake, "fake")):
        if len(x) <= k:
            raise ValueError(f"{name}: expected more than k = {k} examples, got {len(x)}")
    real_radius, fake_radius = _radii(real, k), _radii(fake, k)
    within_real = torch.zeros(len(fake))  # in how many real balls each sample lies
    recalled, covered = [], []
    for rows, radius in zip(real.split(_ROWS), real_radius.split(_ROWS), strict=True):
        distance = _distances(rows, fake)
        inside = distance <= radius[:, None]
        within_real += inside.sum(0)
        covered.append(inside.any(1))
        recalled.append((distance <= fake_radius).any(1))
    return Coverage(
        precision=float((within_real > 0).double().mean()),
        recall=float(torch.cat(recalled).double().mean()),
        density=float(within_real.double().mean()) / k,
        coverage=float(torch.cat(covered).double().mean()),
    )


def memorisation(
    samples: Tensor,
    train: Tensor,
    heldout: Tensor,
    *,
    permutations: int = 1999,
    generator: Generator | None = None,
) -> Memorisation:
    r"""Ask whether samples are nearer to the training set than to held-out examples.

    Training and held-out examples come from one distribution. If the model has learnt no more of
    the former than that distribution, then nothing about the samples says which is which, and a
    division of the pool by lot would do as well: with the nearest neighbour of every sample in the
    pool found once, the share of those that are training examples is compared with its values
    under divisions by lot. That is exact for every sampler, a bad one too: samples of too little
    spread, or all the same, are near to everything, and to both parts alike. (The distance to the
    training set alone, Meehan, Chaudhuri and Dasgupta, 2020, arXiv:2004.05675, would call them
    copies.) Neighbours at the same distance share the sample.

    Args:
        samples: Shape (N, ...), pictures or their features.
        train: What the model was trained on, shape (M, ...).
        heldout: Examples of the same kind that it has not seen, shape (L, ...), at least 2.
        permutations: Divisions by lot; the smallest p-value is 1 / (permutations + 1).
        generator: Draws them.
    """
    permutations = check_count(permutations, "permutations")
    _, heldout = check_pair(samples, heldout, ("samples", "heldout"))
    samples, train = check_pair(samples, train, ("samples", "train"))
    if len(heldout) < 2:
        raise ValueError(f"heldout: expected at least 2 examples, got {len(heldout)}")
    pool, near_train = torch.cat([train, heldout]), []
    weight = torch.zeros(len(pool), dtype=torch.float64)  # samples whose neighbour each one is
    for rows in samples.split(_ROWS):
        distance = _distances(rows, pool)
        near_train.append(distance[:, : len(train)].amin(1))
        nearest = (distance == distance.amin(1, keepdim=True)).double()
        weight += (nearest / nearest.sum(1, keepdim=True)).sum(0)
    count = float(weight[: len(train)].sum())
    by_lot = torch.stack(
        [weight[permutation(len(pool), generator)[: len(train)]].sum() for _ in range(permutations)]
    )
    as_large = int((by_lot >= count - 1e-9).sum())  # sums of thirds are rounded
    between = [_distances(rows, train).amin(1) for rows in heldout.split(_ROWS)]
    return Memorisation(
        share=count / len(samples),
        expected=len(train) / len(pool),
        p_value=(1 + as_large) / (1 + permutations),
        distance=float(torch.cat(near_train).median()),
        baseline=float(torch.cat(between).median()),
    )
