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
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from gdmlib._checks import check_count, check_not_negative, check_tensor
from gdmlib.autoregressive._binary import BinaryAutoregressive, check_binary, check_event_shape
from gdmlib.densities.separability import is_separable

STEPS = 10  # of L-BFGS in one stretch
BLOCK = 128  # regressions in one matrix product


class Strength(NamedTuple):
    """One strength of the penalty: the mean loss in nats that it led to, and what it cost.

    ``train`` and ``valid`` are negative log-likelihoods, without the penalty; ``valid`` is None
    where there are no validation data. ``evaluations`` counts passes through the data.
    """

    l2: float
    train: float
    valid: float | None
    evaluations: int


class FVSBN(BinaryAutoregressive):
    """A logistic regression a pixel, on the pixels that are visited before it.

    A new model has zero weights: every pixel is 1 with probability ½. Since the loss is convex, no
    random start is needed.

    Args:
        event_shape: The shape of an event, n pixels in all: n, (n,) or that of an image, (1, H, W).
        ordering: The pixels in the order of their visits, a permutation of 0 to n - 1; None goes
            row by row.

    Attributes:
        weight: Parameter of shape (n, n): the weight of the l-th pixel visited for the k-th one.
            Only the part below the diagonal counts, whatever stands elsewhere.
        bias: Parameter of shape (n,), in the order of visits.
        path: After :meth:`fit`: a :class:`Strength` for each strength that was tried.
        l2: After :meth:`fit`: the strength that each pixel took, shape (n,), in the order of the
            image.

    Raises:
        ValueError: If the shape is empty or the ordering is no permutation.
    """

    def __init__(
        self, event_shape: int | Sequence[int], *, ordering: Sequence[int] | Tensor | None = None
    ) -> None:
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
        l2: float | Sequence[float] = 1.0,
        *,
        ordering: Sequence[int] | Tensor | None = None,
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
                data is taken; each fit starts from that of the next stronger one.
            ordering: The pixels in the order of their visits.
            relative: Multiplies l2 for each weight, numbers of at least 0 of shape (n, n), entry
                (i, j) for that of pixel j for pixel i. In images :func:`distances`, squared, says
                that pixels far from each other have less to do with each other.
            valid: Zeros and ones, shape (M, *event_shape), to choose the strength.
            per_pixel: Whether each pixel takes the strength that is best for it: the regressions do
                not depend on each other. Otherwise one serves all.
            n_iter: The most steps of L-BFGS to take, for each strength.
            tolerance: Stop when ten steps lower the mean loss by no more than this, in nats.
            chunk: Examples in a matrix product; less needs less memory.
            on_strength: Called with the result of each strength, to report progress.

        Raises:
            ValueError: If x is not binary, a strength is negative, there is nothing to choose a
                strength by, or l2 is 0 and the maximum does not exist for some pixel: it never
                changes, or the pixels before it separate its ones from its zeros.

        Notes:
            A pixel that is the same in all N examples has no best bias. With l2 > 0 it gets
            Laplace's rule: the other value has probability 1 / (N + 2), whatever came before.
        """
        check_tensor(x, "x", floating=True)
        if x.ndim < 2:
            raise ValueError(f"x: expected shape (N, *event_shape), got {tuple(x.shape)}")
        strengths = _check_strengths(l2, valid)
        check_count(n_iter, "n_iter")
        check_not_negative(tolerance, "tolerance")
        check_count(chunk, "chunk")
        model = cls(tuple(x.shape[1:]), ordering=ordering).to(x)
        z = check_binary(x, "x", x.shape[1:], x)[:, model.ordering]
        seen = None
        if valid is not None:
            seen = check_binary(valid, "valid", x.shape[1:], x)[:, model.ordering]
        if strengths[-1] == 0:
            _check_overlap(z, model.ordering)
        regressions = _Regressions(z, chunk, _check_relative(relative, model.ordering, z))
        weight, bias, chosen = _follow(
            regressions, seen, strengths, per_pixel, n_iter, tolerance, model.path, on_strength
        )
        with torch.no_grad():
            model.weight.copy_(weight)
            model.bias.copy_(bias)
        model.l2 = chosen[model._places()]
        return model


def distances(event_shape: Sequence[int]) -> Tensor:
    """Return how far apart the pixels of an image (1, H, W) are, (H·W, H·W), in pixels."""
    shape = check_event_shape(event_shape)
    if len(shape) != 3 or shape[0] != 1:
        raise ValueError(f"event_shape: expected (1, H, W), got {tuple(shape)}")
    _, height, width = shape
    places = torch.cartesian_prod(torch.arange(height), torch.arange(width)).float()
    return torch.cdist(places, places)


def _check_strengths(l2: float | Sequence[float], valid: Tensor | None) -> list[float]:
    """Return the strengths from strong to weak."""
    several = list(l2) if isinstance(l2, Sequence) else [l2]
    if not several:
        raise ValueError("l2: expected at least one strength, got none")
    if len(several) > 1 and valid is None:
        raise ValueError(f"valid: expected data to choose one of {len(several)} strengths by")
    return sorted({check_not_negative(float(s), "l2") for s in several}, reverse=True)


def _check_relative(relative: Tensor | None, ordering: Tensor, z: Tensor) -> Tensor:
    """Return what multiplies the strength for each weight, (n, n), in the order of visits."""
    if relative is None:
        return torch.ones(1, 1).to(z)
    check_tensor(relative, "relative", shape=(len(ordering), len(ordering)), floating=True)
    if bool((relative < 0).any()):
        raise ValueError(f"relative: expected at least 0, got {float(relative.min()):.6g}")
    return relative.to(z)[ordering][:, ordering]


def _check_overlap(z: Tensor, ordering: Tensor) -> None:
    """Refuse data for which, without a penalty, the maximum of the likelihood does not exist."""
    mean = z.mean(dim=0)
    ones = torch.ones_like(z[:, :1])
    for k, pixel in enumerate(ordering.tolist()):
        constant = float(mean[k]) in (0.0, 1.0)
        if constant or is_separable(torch.cat([z[:, :k], ones], 1).double(), z[:, k].long(), 2):
            why = "it never changes" if constant else "the pixels before it separate 1 from 0"
            raise ValueError(
                f"the maximum-likelihood estimate does not exist for pixel {pixel}: {why}, and the "
                "likelihood grows without end as the weights grow; use l2 > 0"
            )


class _Regressions:
    """All n regressions at once, on inputs of which the mean is subtracted.

    With centred inputs the logit of pixel k is c_k + Σ_l W_kl (z_l - mean_l), and its level c_k
    hardly depends on the weights. That shortens the search, and changes no minimum: b = c - W mean.
    """

    def __init__(self, z: Tensor, chunk: int, relative: Tensor) -> None:
        self.z, self.chunk, self.relative = z, chunk, relative
        n, d = z.shape
        # A block of rows needs no columns to the right of it: nearly half the work is saved.
        self.blocks = [(slice(k, min(k + BLOCK, d)), min(k + BLOCK, d)) for k in range(0, d, BLOCK)]
        self.mean = z.sum(dim=0, dtype=torch.float64).to(z) / n
        self.changes = (self.mean > 0) & (self.mean < 1)
        self.laplace = (n * self.mean + 1) / (n + 2)
        self.variance = self.laplace * (1 - self.laplace)

    def bias(self, w: Tensor, c: Tensor) -> Tensor:
        """Return the biases for inputs as they are."""
        return c - w @ self.mean

    def loss(self, w: Tensor, b: Tensor, z: Tensor | None = None) -> Tensor:
        """Return the mean negative log-likelihood of each pixel, (n,), float64."""
        z = self.z if z is None else z
        total = torch.zeros(z.shape[1], dtype=torch.float64, device=z.device)
        for part in z.split(self.chunk):
            for rows, end in self.blocks:
                a = torch.addmm(b[rows], part[:, :end], w[rows, :end].T)
                total[rows] += _cross_entropy(a, part[:, rows]).sum(dim=0, dtype=torch.float64)
        return total / len(z)

    def evaluate(self, w: Tensor, c: Tensor, l2: float) -> tuple[Tensor, Tensor, Tensor]:
        """Return the mean loss with its penalty, (), and its gradients by w and c.

        Two products with the data: one for the logits a, one for the gradient (σ(a) - z)ᵀ z.
        """
        n = len(self.z)
        b = self.bias(w, c)
        penalty = l2 * self.relative * w
        value = 0.5 * (penalty * w).sum(dtype=torch.float64)
        gw, gc = torch.zeros_like(w), torch.zeros_like(c)
        for part in self.z.split(self.chunk):
            for rows, end in self.blocks:
                a = torch.addmm(b[rows], part[:, :end], w[rows, :end].T)
                value += _cross_entropy(a, part[:, rows]).sum(dtype=torch.float64)
                residual = a.sigmoid_().sub_(part[:, rows])
                gc[rows] += residual.sum(dim=0)
                gw[rows, :end].addmm_(residual.T, part[:, :end])
        gw.addr_(gc, self.mean, alpha=-1).add_(penalty).tril_(-1)
        gw[~self.changes], gc[~self.changes] = 0, 0  # Laplace's rule has settled these
        return value / n, gw / n, gc / n


def _cross_entropy(a: Tensor, z: Tensor) -> Tensor:
    return softplus(a) - a * z


def _follow(
    regressions: _Regressions,
    valid: Tensor | None,
    strengths: list[float],
    per_pixel: bool,
    n_iter: int,
    tolerance: float,
    path: list[Strength],
    on_strength: Callable[[Strength], None] | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Fit for each strength, from strong to weak; return weights, biases and strengths chosen."""
    n = regressions.z.shape[1]
    w, c = torch.zeros(n, n).to(regressions.z), torch.logit(regressions.laplace)
    best = torch.full((n,), torch.inf, dtype=torch.float64, device=w.device)
    weight, bias, chosen = w, c, torch.zeros_like(c)
    for strength in strengths:
        w, c, evaluations = _minimise(regressions, w, c, strength, n_iter, tolerance)
        b = regressions.bias(w, c)
        train = float(regressions.loss(w, b).sum())
        seen = None if valid is None else regressions.loss(w, b, valid)
        score = torch.zeros_like(best) if seen is None else seen
        better = score < best if per_pixel else (score.sum() < best.sum()).expand(n)
        best = torch.where(better, score, best)
        weight, bias = torch.where(better[:, None], w, weight), torch.where(better, b, bias)
        chosen = torch.where(better, strength, chosen)
        path.append(
            Strength(strength, train, None if seen is None else float(seen.sum()), evaluations)
        )
        if on_strength is not None:
            on_strength(path[-1])
    return weight, bias, chosen


def _minimise(
    regressions: _Regressions, w: Tensor, c: Tensor, l2: float, n_iter: int, tolerance: float
) -> tuple[Tensor, Tensor, int]:
    """Run L-BFGS from w and c; return where it ends, and how often it looked at the data."""
    # Measure each number in units that make its curvature about 1. That of the loss of pixel k by
    # the weight of pixel l is var_k var_l, were they independent, and the penalty adds l2 / N.
    # Otherwise pixels that rarely change, thousands of times flatter than others, take forever.
    variance = regressions.variance
    penalty = l2 / len(regressions.z) * regressions.relative
    unit = (variance[:, None] * variance + penalty).rsqrt()
    level = variance.rsqrt()
    v, r = (w / unit).requires_grad_(), (c / level).requires_grad_()
    optimizer = torch.optim.LBFGS(
        [v, r],
        max_iter=min(STEPS, n_iter),
        max_eval=1000 * STEPS,
        history_size=20,
        line_search_fn="strong_wolfe",
        tolerance_grad=10 * torch.finfo(v.dtype).eps,
        tolerance_change=0.0,
    )
    losses: list[float] = []

    @torch.no_grad()
    def closure() -> Tensor:
        value, gw, gc = regressions.evaluate(v * unit, r * level, l2)
        v.grad, r.grad = gw * unit, gc * level
        losses.append(float(value))
        return value

    # The rule of torch for when to stop looks at single steps, and the first one is tiny. So go in
    # stretches of several steps, and compare where they begin.
    begin = float("inf")
    for _ in range(0, n_iter, STEPS):
        first = len(losses)
        optimizer.step(closure)
        if begin - losses[first] <= tolerance:
            break
        begin = losses[first]
    return v.detach() * unit, r.detach() * level, len(losses)
