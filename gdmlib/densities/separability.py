"""Whether a logistic regression has a maximum of the likelihood, and only one.

There is none if a plane separates the classes, for steeper is always likelier (Albert and Anderson
1984); a linear programme decides that. There are many if the inputs are linearly dependent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


def is_separable(z: Tensor, y: Tensor, num_classes: int) -> bool:
    r"""Say whether weights exist that separate the classes, completely or in part.

    They are separable if there are weights :math:`W` with
    :math:`(W_{y_i} - W_k)^\top z_i \ge 0` for all examples i and classes k, and more than 0 for
    at least one. Going along such W the likelihood never falls and has no maximum (Albert and
    Anderson 1984). The linear programme looks for the W in a box with the largest sum of those
    margins (Konis 2007); the sum is 0 if the classes overlap.

    Args:
        z: Inputs, with a column of ones for the bias, of about unit size; shape (N, p), float64.
        y, num_classes: Labels, shape (N,), and the number K of classes.
    """
    from scipy.optimize import linprog

    margins = _margins(z, y, num_classes)
    found = linprog(
        -margins.sum(axis=0),
        A_ub=-margins,
        b_ub=torch.zeros(margins.shape[0]).numpy(),
        bounds=(-1, 1),
    )
    if found.x is None:
        raise RuntimeError(f"the linear programme for separability failed: {found.message}")
    # Judge the weights themselves: the solver's own tolerance is too wide for nearly touching data.
    reached = margins @ found.x
    return bool(reached.max() > 1e-6 and reached.min() > -1e-9)


def _margins(z: Tensor, y: Tensor, num_classes: int) -> csr_matrix:
    """Return the matrix whose product with the weights, (K p,), is the N (K - 1) margins.

    The row of example i and another class k is z_i in the columns of its own class and -z_i in
    those of class k, and zero elsewhere, so that the matrix is stored as a sparse one.
    """
    from scipy.sparse import csr_matrix

    p = z.shape[1]
    values, columns = [], []
    for k in range(num_classes):
        own, inputs = y[y != k], z[y != k]
        classes = torch.stack([own, torch.full_like(own, k)], dim=1)
        columns.append(p * classes[:, :, None] + torch.arange(p, device=z.device))
        values.append(torch.stack([inputs, -inputs], dim=1))
    value, column = torch.cat(values).cpu(), torch.cat(columns).cpu()
    starts = torch.arange(len(value) + 1) * 2 * p
    shape = (len(value), num_classes * p)
    return csr_matrix((value.flatten().numpy(), column.flatten().numpy(), starts.numpy()), shape)


def check_overlap(z: Tensor, y: Tensor, num_classes: int) -> None:
    """Refuse separable data."""
    if is_separable(z, y, num_classes):
        raise ValueError(
            "the maximum-likelihood estimate does not exist: a plane separates the classes, "
            "completely or but for points on it, and the likelihood grows without end as the "
            "weights grow; use l2 > 0"
        )


def check_all_classes(y: Tensor, num_classes: int) -> None:
    """Refuse labels that leave a class out."""
    missing = (torch.bincount(y, minlength=num_classes) == 0).nonzero().flatten().tolist()
    if missing:
        raise ValueError(
            f"y: no example of class {missing[0]}: the maximum-likelihood estimate does not exist, "
            "its bias would go to minus infinity; add examples or relabel the classes"
        )


def check_rank(z: Tensor, scale: Tensor, x: Tensor, intercept: bool) -> None:
    """Refuse inputs with constant or linearly dependent columns, whose weights are not unique."""
    constant = (x.min(dim=0).values == x.max(dim=0).values).nonzero().flatten().tolist()
    if constant and intercept:
        raise ValueError(
            f"x: constant in column {constant[0]}, like the bias: the weights are not unique; "
            "drop the column or use l2 > 0"
        )
    # The columns are known up to the rounding of x: what is thinner than that is no direction.
    rounding = torch.finfo(x.dtype).eps * float((x.abs().amax(dim=0) / scale).max())
    tolerance = max(10 * rounding, max(z.shape) * torch.finfo(z.dtype).eps)
    rank = int(torch.linalg.matrix_rank(z, rtol=tolerance))
    if rank < z.shape[1]:
        raise ValueError(
            f"x: rank {rank} of {z.shape[1]} columns{' with the bias' * intercept}: columns are "
            "linearly dependent and the weights are not unique; drop columns or use l2 > 0"
        )
