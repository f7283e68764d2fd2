r"""The fully visible sigmoid belief network: one logistic regression a pixel.

The chain rule writes any distribution of binary :math:`x` as
:math:`p(x) = \prod_i p(x_i \mid x_{<i})`. Here each factor is a logistic regression on the pixels
before it (Neal 1992, https://doi.org/10.1016/0004-3702(92)90065-6; Frey, Hinton and Dayan 1996):

.. math:: p(x_i = 1 \mid x_{<i}) = \sigma\Bigl(b_i + \sum_{j < i} W_{ij} x_j\Bigr)

That is n biases and n(n - 1)/2 weights: n(n + 1)/2 numbers, where a table of all probabilities has
2^n - 1. One product with a triangular matrix gives all the factors.

The negative log-likelihood is convex, and a sum with one term a pixel, so that the best weights can
be found for certain: :meth:`FVSBN.fit` does it with all data at once. Any optimiser of PyTorch can
do it in small steps, since the weights are parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from gdmlib._checks import check_count, check_event_shape, check_not_negative, check_tensor
from gdmlib.autoregressive import fvsbn_fit
from gdmlib.autoregressive._binary import BinaryAutoregressive, Ordering
from gdmlib.autoregressive.fvsbn_fit import Strength, Strengths
from gdmlib.autoregressive.fvsbn_solver import BLOCK


class FVSBN(BinaryAutoregressive):
    """A logistic regression a pixel, on the pixels that are visited before it.

    A new model has zero weights: every pixel is 1 with probability ½. Since the loss is convex, no
    random start is needed.

    Args:
        event_shape, ordering: See `BinaryAutoregressive`; an event has n pixels in all.

    Attributes:
        weight: Parameter of shape (n, n): the weight of the l-th pixel visited for the k-th one.
            Only the part below the diagonal counts, whatever stands elsewhere.
        path: After :meth:`fit`: a :class:`Strength` for each strength that was tried.
        l2: After :meth:`fit`: the strength that each pixel took, shape (n,), in the order of the
            image; inf for independence.
    """

    def __init__(self, event_shape: int | Sequence[int], *, ordering: Ordering = None) -> None:
        super().__init__(event_shape, ordering)
        n = self.num_pixels
        self.weight = nn.Parameter(torch.zeros(n, n))
        self.path: list[Strength] = []
        self.l2: Tensor | None = None

    @property
    def num_parameters(self) -> int:
        """The number of parameters that count, n(n + 1)/2."""
        return self.num_pixels * (self.num_pixels + 1) // 2

    @property
    def weights(self) -> Tensor:
        """The weights between pixels, (n, n): entry (i, j) is that of pixel j for pixel i.

        Row i, in the shape of an image, is the *weight image* of pixel i: what it looks at.
        """
        place = self._places()
        return self.weight.tril(-1)[place][:, place]

    def _logits(self, z: Tensor) -> Tensor:
        # A block of rows needs no columns to the right of it: nearly half the work is saved.
        logits, start = [], 0
        for w, b in zip(self.weight.split(BLOCK), self.bias.split(BLOCK), strict=True):
            end = start + len(w)
            logits.append(nn.functional.linear(z[:, :end], w[:, :end].tril(start - 1), b))
            start = end
        return torch.cat(logits, dim=1)

    def _ancestral(self, t: Tensor) -> Tensor:
        # A pixel that is 1 adds its column of weights to the logits of all that come later: a
        # rank-one update. Rows are pixels here, so that each step works on memory in one piece.
        columns = self.weight.T.contiguous()
        limits = t.T.contiguous()
        a = self.bias[:, None].repeat(1, len(t))
        z = torch.empty_like(a)
        for k in range(len(a)):
            torch.gt(a[k], limits[k], out=z[k])
            a[k + 1 :].addr_(columns[k, k + 1 :], z[k])
        return z.T

    @classmethod
    def fit(
        cls,
        x: Tensor,
        l2: Strengths = None,
        *,
        ordering: Ordering = None,
        relative: Tensor | None = None,
        valid: Tensor | None = None,
        per_pixel: bool = True,
        n_iter: int = 500,
        tolerance: float = 1e-4,
        chunk: int = 10_000,
        on_strength: Callable[[Strength], None] | None = None,
    ) -> FVSBN:
        """Fit by penalised maximum likelihood, with all data at once (L-BFGS).

        Args:
            x: Zeros and ones, shape (N, *event_shape).
            l2: Adds ½·l2·‖weight‖² to the negative log-likelihood, summed over the examples; biases
                are not penalised. Of several strengths, the one that is best for the validation
                data is taken; each fit starts from that of the next stronger one. None tries inf
                (independent pixels) and 100 to 0.1, and the result is never worse for those data
                than independent pixels. One strength is taken at its word.
            ordering: The pixels in the order of their visits.
            relative: Multiplies l2 for each weight, at least 0, shape (n, n), entry (i, j) for that
                of pixel j for pixel i: :func:`distances`, squared, says that pixels far from each
                other have less to do with each other.
            valid: Zeros and ones, shape (M, *event_shape), to choose the strength. For l2=None they
                may be left out: every tenth example is kept back to choose one strength for all
                pixels, and then the fit is made again with all examples.
            per_pixel: Whether each pixel takes the strength that is best for it. Otherwise, and
                without validation data, one serves all.
            n_iter: The most steps of L-BFGS to take, for each strength.
            tolerance: Stop when ten steps lower the mean loss by no more than this, in nats.
            chunk: Examples in a matrix product; less needs less memory.
            on_strength: Called with the result of each strength, to report progress.

        Raises:
            ValueError: If there is nothing to choose a strength by, or l2 is 0 and the maximum does
                not exist for some pixel: it never changes, or the pixels before it separate its
                ones from its zeros.

        Warns:
            UserWarning: If, for the validation data, independent pixels would be better.

        Notes:
            A pixel that is the same in all N examples has no best bias. With l2 > 0 it gets
            Laplace's rule: the other value has probability 1 / (N + 2), whatever came before. With
            l2 = 0 one more fit, in float64, and a Newton step a pixel, O(n³N) in all, prove that
            the maximum exists. A pixel for which they prove nothing, as when there is none, costs a
            linear programme: about half a second for 9,000 examples of 100 pixels.
        """
        check_tensor(x, "x", floating=True)
        if x.ndim < 2:
            raise ValueError(f"x: expected shape (N, *event_shape), got {tuple(x.shape)}")
        n_iter = check_count(n_iter, "n_iter")
        check_not_negative(tolerance, "tolerance")
        chunk = check_count(chunk, "chunk")
        model = cls(tuple(x.shape[1:]), ordering=ordering).to(x)
        z = model._ordered(model.check(x.detach()))
        seen = None if valid is None else model._ordered(model.check(valid.detach(), "valid"))
        weight, bias, chosen, model.path = fvsbn_fit.fit(
            z,
            l2,
            seen,
            model.ordering,
            per_pixel,
            on_strength,
            relative=model._matrix(relative),
            n_iter=n_iter,
            tolerance=tolerance,
            chunk=chunk,
        )
        with torch.no_grad():
            model.weight.copy_(weight)
            model.bias.copy_(bias)
        model.l2 = chosen[model._places()]
        return model

    def _matrix(self, relative: Tensor | None) -> Tensor:
        """Return what multiplies the strength for each weight, (n, n), in the order of visits."""
        if relative is None:
            return torch.ones(1, 1).to(self.bias)
        check_tensor(relative, "relative", shape=(self.num_pixels, self.num_pixels), floating=True)
        if bool((relative < 0).any()):
            raise ValueError(f"relative: expected at least 0, got {float(relative.min()):.6g}")
        return relative.detach().to(self.bias)[self.ordering][:, self.ordering]


def distances(event_shape: Sequence[int]) -> Tensor:
    """Return how far apart the pixels of an image (1, H, W) are, (H·W, H·W), in pixels."""
    shape = check_event_shape(event_shape)
    if len(shape) != 3 or shape[0] != 1:
        raise ValueError(f"event_shape: expected (1, H, W), got {tuple(shape)}")
    _, height, width = shape
    places = torch.cartesian_prod(torch.arange(height), torch.arange(width)).float()
    return torch.cdist(places, places)
