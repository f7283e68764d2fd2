r"""Find similar: nearest neighbours in features, and how many of them are what was meant.

What is near depends on the space alone: rows of pixels, principal components, or what a network
makes of a picture. Everything else of a visual search is here.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gdmlib._checks import check_count, check_tensor

_ROWS = 500  # queries in one matrix of distances


def nearest(queries: Tensor, gallery: Tensor | None = None, *, k: int = 10) -> Tensor:
    """Return which k of the gallery are nearest to each query, the nearest first.

    Args:
        queries: Pictures or their features, shape (Q, ...).
        gallery: What to search, shape (N, ...). None searches the queries themselves, and leaves
            each query out of its own answer.
        k: How many to find, at most N, or Q - 1 where the queries are the gallery.

    Returns:
        Indices into the gallery, int64 (Q, k), by Euclidean distance; of two at the same distance
        the one with the smaller index comes first.
    """
    a = check_tensor(queries, "queries", floating=True)
    if a.ndim < 2:
        raise ValueError(f"queries: expected shape (Q, ...), got {tuple(a.shape)}")
    b = a = a.flatten(1).double()
    if gallery is not None:
        shape = ("N", *queries.shape[1:])
        b = check_tensor(gallery, "gallery", shape=shape, floating=True).flatten(1).double()
    k, room = check_count(k, "k"), len(b) - (gallery is None)
    if k > room:
        others = " other" if gallery is None else ""
        raise ValueError(f"k: the gallery has {room}{others} pictures, got k={k}; take k <= {room}")
    found = []
    for start in range(0, len(a), _ROWS):
        distance = torch.cdist(a[start : start + _ROWS], b)
        if gallery is None:
            distance[torch.arange(len(distance)), torch.arange(len(distance)) + start] = torch.inf
        found.append(distance.argsort(dim=1, stable=True)[:, :k])
    return torch.cat(found)


def recall_at(found: Tensor, labels: Tensor, gallery_labels: Tensor | None = None) -> Tensor:
    """Return the recall of each query: the share of what is relevant that was found.

    Relevant is what has the query's label. Where there are more such than places, a full answer
    has recall 1.

    Args:
        found: Indices into the gallery, as `nearest` returns them, shape (Q, k).
        labels: Of the queries, shape (Q,).
        gallery_labels: Shape (N,). None where the queries are the gallery: the query itself is not
            counted then, neither as found nor as relevant.

    Returns:
        Shape (Q,), float64.
    """
    found = check_tensor(found, "found", ndim=2, integer=True)
    labels = check_tensor(labels, "labels", shape=(len(found),), what="one a query", integer=True)
    among = labels
    if gallery_labels is not None:
        among = check_tensor(gallery_labels, "gallery_labels", ndim=1, integer=True)
    if not (int(found.min()) >= 0 and int(found.max()) < len(among)):
        raise ValueError(
            f"found: expected indices from 0 to {len(among) - 1}, got {int(found.min())} to "
            f"{int(found.max())}"
        )
    relevant = (among[None, :] == labels[:, None]).sum(1) - int(gallery_labels is None)
    if int(relevant.min()) < 1:
        lonely = int(labels[relevant.argmin()])
        raise ValueError(f"labels: nothing else has the label {lonely}, so nothing is relevant")
    hits = among[found] == labels[:, None]
    if gallery_labels is None:
        hits &= found != torch.arange(len(found), device=found.device)[:, None]
    return hits.sum(1).double() / relevant.clamp(max=found.shape[1])
