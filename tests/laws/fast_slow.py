"""Law 4, fast equals slow: what is computed cleverly equals what is computed by the definition."""

from __future__ import annotations

from torch import Tensor

from .laws import fail_unless


def check_fast_is_slow(name: str, fast: Tensor, slow: Tensor, tolerance: float = 0.0) -> None:
    """Two results agree, to the last digit or within a relative tolerance."""
    fail_unless(
        fast.shape == slow.shape and fast.dtype == slow.dtype,
        "4, fast equals slow",
        name,
        f"{fast.dtype} of shape {tuple(fast.shape)}, and {slow.dtype} of shape {tuple(slow.shape)}",
    )
    fast, slow = fast.detach(), slow.detach()
    worst = float((fast - slow).abs().max() / (1 + slow.abs().max()))
    fail_unless(
        worst <= tolerance, "4, fast equals slow", name, f"they differ by {worst:.3g}, relatively"
    )
