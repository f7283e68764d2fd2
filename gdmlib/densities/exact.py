"""Optimisers that see all the data in every step: Newton, L-BFGS and EM."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gdmlib._checks import check_count, check_not_negative

LOG_PRECISION_BOUND = 25.0
"""L-BFGS keeps the log-precisions in ± this: a float32 exponential is then far from overflow."""


def newton(
    objective: Callable[[Tensor], Tensor],
    derivatives: Callable[[Tensor], tuple[Tensor, Tensor]],
    start: Tensor,
    *,
    tolerance: float = 1e-10,
    n_iter: int = 200,
) -> Tensor:
    """Minimise a smooth convex function by Newton's method with a line search.

    Args:
        objective: Its value at a point of shape (p,).
        derivatives: Its gradient, (p,), and Hessian, (p, p).
        start: Where to start, shape (p,), float64.
        tolerance: Stop when no entry of the gradient is larger.
        n_iter: The most steps to take.

    Raises:
        RuntimeError: If the gradient is not small after the last step.
    """
    theta, value = start, objective(start)
    for _ in range(n_iter):
        gradient, hessian = derivatives(theta)
        if float(gradient.abs().max()) <= tolerance:
            return theta
        step = -torch.linalg.solve(hessian, gradient)
        slope = float(gradient @ step)
        # Halve the step until the value falls by a fair part of what the slope promises (Armijo);
        # near the minimum the fall drowns in rounding, which must not stop a good step.
        rounding = 1e-13 * max(abs(float(value)), 1.0)
        for halvings in range(40):
            new = theta + 0.5**halvings * step
            new_value = objective(new)
            if float(new_value - value) <= 1e-4 * 0.5**halvings * slope + rounding:
                break
        theta, value = new, new_value
    raise RuntimeError(
        f"Newton's method did not converge in {n_iter} steps: gradient "
        f"{float(gradient.abs().max()):.3g}, wanted {tolerance:.3g}; standardise x or raise l2"
    )


def lbfgs(
    model: nn.Module,
    log_prob: Callable[..., Tensor],
    data: tuple[Tensor, ...],
    *,
    n_iter: int = 200,
    valid: tuple[Tensor, ...] | None = None,
    patience: int = 20,
    chunk: int = 16_384,
) -> list[float]:
    """Maximise the mean log-likelihood with L-BFGS, the gradient summed over chunks of the data.

    Args:
        model: Its parameters that require a gradient are changed; those named ``alpha`` are kept
            within ± ``LOG_PRECISION_BOUND``.
        log_prob: Gives the log-likelihood of each example, (B,), from a chunk of each tensor of the
            data.
        data: Tensors that share their first dimension, N.
        n_iter: The most steps to take.
        valid: Held-out data: at the end the parameters are those that predict them best.
        patience: Stop after so many steps in a row that do not improve on the best validation.
        chunk: Examples at a time, to bound the memory.

    Returns:
        The mean negative log-likelihood in nats at the start and after each step.

    Raises:
        FloatingPointError: If the likelihood at the start is not finite.
    """
    from scipy.optimize import Bounds, minimize

    n_iter = check_count(n_iter, "n_iter")
    data = tuple(x.detach() for x in data)
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    parameters = [p for _, p in named]
    bounds = [LOG_PRECISION_BOUND if n.split(".")[-1] == "alpha" else np.inf for n, _ in named]
    sizes = [p.numel() for p in parameters]
    bound = np.repeat(bounds, sizes)

    def flat(parts: Iterable[Tensor]) -> np.ndarray:
        return torch.cat([part.detach().flatten() for part in parts]).double().cpu().numpy()

    @torch.no_grad()
    def put(theta: np.ndarray) -> None:
        parts = torch.as_tensor(theta).to(parameters[0]).split(sizes)
        for p, part in zip(parameters, parts, strict=True):
            p.copy_(part.view_as(p))

    @torch.enable_grad()
    def objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
        put(theta)
        total, gradient = 0.0, np.zeros(len(theta))
        for batch in zip(*[x.split(chunk) for x in data], strict=True):
            loss = -log_prob(*batch).sum()
            parts = torch.autograd.grad(loss, parameters, materialize_grads=True)
            total += float(loss.detach())
            gradient += flat(parts)
        return total / len(data[0]), gradient / len(data[0])

    start = flat(parameters)
    history = [objective(start)[0]]
    if not math.isfinite(history[0]):
        raise FloatingPointError(f"the negative log-likelihood at the start is {history[0]}")
    best, best_theta, stale = math.inf, start, 0

    def after_step(intermediate_result: Any) -> None:
        nonlocal best, best_theta, stale
        history.append(float(intermediate_result.fun))
        score = history[-1]
        if valid is not None:
            put(intermediate_result.x)
            score = mean_loss(log_prob, valid, chunk)
        stale = 0 if score < best else stale + 1
        if score < best:
            best, best_theta = score, intermediate_result.x.copy()
        if valid is not None and stale >= patience:
            raise StopIteration

    minimize(
        objective,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=Bounds(-bound, bound),
        callback=after_step,
        options={"maxiter": n_iter, "maxfun": 2 * n_iter + 20, "maxcor": 20, "ftol": 1e-10},
    )
    put(best_theta)
    return history


def em(
    model: nn.Module,
    log_prob: Callable[[Tensor], Tensor],
    step: Callable[[Tensor], float],
    x: Tensor,
    *,
    n_iter: int,
    tolerance: float,
    valid: Tensor | None = None,
    patience: int = 5,
    chunk: int = 10_000,
) -> tuple[list[float], list[float], bool]:
    """Repeat a step of expectation-maximisation until it hardly gains.

    Args:
        model: What the step changes in place.
        log_prob: Gives the log-likelihood of each example, (B,), from a chunk of the data.
        step: Takes one step; it returns the mean log-likelihood of x before it, which the E step
            has for free.
        x: The data, shape (N, *event_shape).
        tolerance: Stop when a step has gained less than this, in nats.
        n_iter, valid, patience, chunk: As for `lbfgs`.

    Returns:
        The mean negative log-likelihood in nats at the start and after each step, of x and of the
        held-out data (empty without), and whether the last gain was below the tolerance.
    """
    n_iter, patience = check_count(n_iter, "n_iter"), check_count(patience, "patience")
    check_not_negative(tolerance, "tolerance")

    def judge(data: Tensor) -> float:
        return mean_loss(log_prob, (data,), chunk)

    history: list[float] = []
    held_out = [] if valid is None else [judge(valid)]
    kept, converged = copy.deepcopy(model.state_dict()), False
    while len(history) < n_iter and not converged:
        history.append(-step(x))
        if valid is not None:
            held_out.append(judge(valid))
            if held_out[-1] < min(held_out[:-1]):
                kept = copy.deepcopy(model.state_dict())
            elif min(held_out) not in held_out[-patience:]:
                break
        # A gain is known one step late, when the next E step has looked at the data.
        converged = len(history) > 1 and history[-2] - history[-1] < tolerance
    history.append(judge(x))
    if valid is not None:
        model.load_state_dict(kept)
    return history, held_out, converged


@torch.no_grad()
def mean_loss(log_prob: Callable[..., Tensor], data: tuple[Tensor, ...], chunk: int) -> float:
    """Return the mean negative log-likelihood, chunk by chunk."""
    batches = zip(*[x.split(chunk) for x in data], strict=True)
    return -sum(float(log_prob(*batch).sum()) for batch in batches) / len(data[0])
