r"""The n logistic regressions of an FVSBN, all at once: their loss and its minimum.

The negative log-likelihood of an FVSBN is a sum with one convex term a pixel. L-BFGS minimises all
of them together, in units that make them equally steep. Pixels stand in the order of visits.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

from gdmlib.densities.separability import is_separable

STEPS = 10  # of L-BFGS in one stretch
BLOCK = 128  # regressions in one matrix product


class Regressions:
    """All n regressions at once, on inputs of which the mean is subtracted.

    With centred inputs the logit of pixel k is c_k + Σ_l W_kl (z_l - mean_l), and its level c_k
    hardly depends on the weights. That shortens the search, and changes no minimum: b = c - W mean.

    Args:
        z: Pixels, shape (N, n).
        relative: Multiplies the penalty of each weight, shape (n, n) or (1, 1).
        chunk, n_iter, tolerance: As for :meth:`FVSBN.fit`.
    """

    def __init__(
        self, z: Tensor, *, relative: Tensor, chunk: int, n_iter: int, tolerance: float
    ) -> None:
        self.z, self.relative, self.chunk = z, relative, chunk
        self.n_iter, self.tolerance = n_iter, tolerance
        n, d = z.shape
        # A block of rows needs no columns to the right of it: nearly half the work is saved.
        self.blocks = [(slice(k, min(k + BLOCK, d)), min(k + BLOCK, d)) for k in range(0, d, BLOCK)]
        self.mean = z.sum(dim=0, dtype=torch.float64).to(z) / n
        self.free = (self.mean > 0) & (self.mean < 1)  # the others stay where they start
        laplace = (n * self.mean + 1) / (n + 2)
        self.start = torch.logit(laplace)  # the levels of independent pixels
        self.variance = laplace * (1 - laplace)

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
        gw[~self.free], gc[~self.free] = 0, 0
        return value / n, gw / n, gc / n

    def minimise(self, w: Tensor, c: Tensor, l2: float) -> tuple[Tensor, Tensor, int]:
        """Run L-BFGS from w and c; return where it ends, and how often it looked at the data."""
        # Measure each number in units that make its curvature about 1. That of the loss of pixel k
        # by the weight of pixel l is var_k var_l, were they independent, and the penalty adds
        # l2 / N. Otherwise pixels that rarely change, thousands of times flatter than others, take
        # forever.
        penalty = l2 / len(self.z) * self.relative
        unit = (self.variance[:, None] * self.variance + penalty).rsqrt()
        level = self.variance.rsqrt()
        v, r = (w / unit).requires_grad_(), (c / level).requires_grad_()
        optimizer = torch.optim.LBFGS(
            [v, r],
            max_iter=min(STEPS, self.n_iter),
            max_eval=1000 * STEPS,
            history_size=20,
            line_search_fn="strong_wolfe",
            tolerance_grad=10 * torch.finfo(v.dtype).eps,
            tolerance_change=0.0,
        )
        losses: list[float] = []

        @torch.no_grad()
        def closure() -> Tensor:
            value, gw, gc = self.evaluate(v * unit, r * level, l2)
            v.grad, r.grad = gw * unit, gc * level
            losses.append(float(value))
            return value

        # The rule of torch for when to stop looks at single steps, and the first one is tiny. So go
        # in stretches of several steps, and compare where they begin.
        begin = float("inf")
        for _ in range(0, self.n_iter, STEPS):
            first = len(losses)
            optimizer.step(closure)
            if begin - losses[first] <= self.tolerance:
                break
            begin = losses[first]
        return v.detach() * unit, r.detach() * level, len(losses)


def _cross_entropy(a: Tensor, z: Tensor) -> Tensor:
    return softplus(a) - a * z


def check_overlap(z: Tensor, ordering: Tensor) -> None:
    """Refuse data for which, without a penalty, the maximum of the likelihood does not exist."""
    z = z.double()
    inputs = torch.cat([torch.ones_like(z[:, :1]), z], dim=1)
    one = torch.ones(1, 1).to(z)
    regressions = Regressions(z, relative=one, chunk=len(z), n_iter=300, tolerance=1e-7)
    w = torch.zeros(z.shape[1], z.shape[1]).to(z)
    w, c, _ = regressions.minimise(w, regressions.start, 1e-4)
    b = regressions.bias(w, c)
    for k, pixel in enumerate(ordering.tolist()):
        past, ones = inputs[:, : k + 1], z[:, k]
        constant = float(ones.mean()) in (0.0, 1.0)
        residual = ones - (b[k] + z[:, :k] @ w[k, :k]).sigmoid()
        if constant or (not _proves(residual, past) and is_separable(past, ones.long(), 2)):
            why = "it never changes" if constant else "the pixels before it separate 1 from 0"
            raise ValueError(
                f"the maximum-likelihood estimate does not exist for pixel {pixel}: {why}, and the "
                "likelihood grows without end as the weights grow; use l2 > 0"
            )


def _proves(residual: Tensor, past: Tensor) -> bool:
    """Say whether the residuals r of a nearly exact fit, (N,), prove that a maximum exists.

    It does if there are numbers with the signs of r whose sum Σ r_i (1, z_i) is zero (Stiemke's
    lemma: then no weights separate). That of r is nearly zero; a Newton step says by what share to
    change each r_i to make it so. No sign changes if no share reaches 1.
    """
    weighted = past.T * residual.abs()
    jitter = 1e-9 * torch.eye(past.shape[1]).to(past)  # for pixels that depend on each other
    factor, failed = torch.linalg.cholesky_ex(weighted @ past + jitter)
    if bool(failed) or float(residual.abs().min()) == 0:
        return False
    share = torch.zeros_like(residual)
    for _ in range(2):  # the second step mends what rounding and the jitter have left
        left = past.T @ residual - weighted @ share
        step = past @ torch.cholesky_solve(left[:, None], factor)[:, 0]
        share += step
    return bool(share.abs().max() < 0.5) and bool(step.abs().max() < 0.01)
