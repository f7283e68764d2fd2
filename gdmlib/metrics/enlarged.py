"""How a picture that was made larger is compared with what it was: the protocol of the tables."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from gdmlib._checks import check_count, check_tensor


def on_luma(
    measure: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor, *, border: int = 4
) -> Tensor:
    """Return a measure, such as `psnr` or `ssim`, of the lumas of pictures, without their borders.

    So the tables on super-resolution do: the luma of ITU-R BT.601 (16 to 235 of 255; grey pictures
    are their own), as many pixels left out at each border as the factor, one value a picture.

    Args:
        measure: ``measure(x, y) -> (N,)``.
        x, y: Pictures in [0, 1], shape (N, 3, H, W), or (N, 1, H, W) for grey ones.
        border: Pixels left out at each side.
    """
    from gdmlib.data.resize import luma  # other measures need no data

    check_tensor(x, "x", ndim=4, floating=True)
    check_tensor(y, "y", shape=tuple(x.shape), floating=True)
    border = check_count(border, "border", least=0)
    if min(x.shape[-2:]) <= 2 * border:
        raise ValueError(f"border: leaves nothing of pictures of shape {tuple(x.shape[-2:])}")
    inner = slice(border, -border or None)
    return measure(*(luma(pictures)[..., inner, inner] for pictures in (x, y)))
