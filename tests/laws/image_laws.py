"""Laws of image densities by the chain rule; each raises an AssertionError with its name.

law 1, normalisation    each pixel's density, given those before it, integrates to 1
law 3, causality        log p(pixel | ...) depends on no later pixel, and on every promised one
law 4, fast = slow      a sweep in wavefronts draws the image of the plain loop
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from gdmlib.autoregressive.causal_image import CausalImage

from .domains import interval
from .laws import fail_unless


def check_pixels_normalised(model: CausalImage, image: Tensor, tolerance: float = 1e-7) -> None:
    """Whatever the other pixels, each pixel's density integrates to 1.

    Args:
        model: Float64.
        image: The other pixels' values, shape (1, H, W).
        tolerance: Of the integral; the pixels' densities must be negligible outside of ± 40.
    """
    line = interval(-40, 40, cells=200)
    for i in range(image.shape[1]):
        for j in range(image.shape[2]):
            images = image.repeat(len(line.points), 1, 1, 1)
            images[:, 0, i, j] = line.points
            log_prob = model.conditional_log_prob(images).detach()[:, 0, i, j]
            total = float(line.cell_probabilities(log_prob).sum())
            fail_unless(
                abs(total - 1) <= tolerance,
                "1, normalisation",
                type(model).__name__,
                f"the density of pixel ({i}, {j}) has the integral {total:.9f}",
            )


def check_causality(
    model: CausalImage, image: Tensor, promised: Callable[[int, int, int, int], bool]
) -> None:
    """The gradient of log p(pixel) is 0 by every later pixel, and not 0 by every promised one.

    Args:
        model: Float64.
        image: Shape (1, H, W).
        promised: Whether the pixel at (i, j) is to depend on the one at (k, l), which comes before
            it.
    """
    _, height, width = image.shape
    jacobian = torch.autograd.functional.jacobian(
        lambda x: model.conditional_log_prob(x[None])[0, 0], image, vectorize=False
    )[:, :, 0]
    for i, j in _pixels(height, width):
        for k, m in _pixels(height, width):
            slope = float(jacobian[i, j, k, m])
            if (k, m) > (i, j):
                fail_unless(
                    slope == 0,
                    "3, causality",
                    type(model).__name__,
                    f"pixel ({i}, {j}) depends on the later pixel ({k}, {m})",
                )
            elif (k, m) < (i, j) and promised(i, j, k, m):
                fail_unless(
                    slope != 0,
                    "3, causality",
                    type(model).__name__,
                    f"pixel ({i}, {j}) is blind to pixel ({k}, {m})",
                )


def check_sweep(
    model: CausalImage, draw: Callable[[Tensor, int, int, Tensor, Tensor], Tensor], n: int = 3
) -> None:
    """Images drawn in wavefronts are those that are drawn pixel by pixel with the same noise.

    Args:
        model: Float64.
        draw: Draws pixel (i, j), shape (n,), from the contexts of all pixels, (n, H, W, D), i, j,
            and its noise u and z, (n,).
        n: How many images.
    """
    fast = model.sample(n, torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(0)
    slow = torch.zeros_like(fast)
    u = torch.rand(fast.numel(), generator=generator, dtype=torch.float64).view_as(fast)[:, 0]
    z = torch.randn(fast.shape, generator=generator, dtype=torch.float64)[:, 0]
    with torch.no_grad():
        for i, j in _pixels(*fast.shape[2:]):
            seen = model.neighbourhood.contexts(model.neighbourhood.pad(slow[:, 0], model.padding))
            slow[:, 0, i, j] = draw(seen, i, j, u[:, i, j], z[:, i, j])
    fail_unless(
        torch.allclose(fast, slow, rtol=0, atol=1e-10),
        "4, fast = slow",
        type(model).__name__,
        f"the images differ by up to {float((fast - slow).abs().max()):.3g}",
    )


def _pixels(height: int, width: int) -> Iterator[tuple[int, int]]:
    return ((i, j) for i in range(height) for j in range(width))
