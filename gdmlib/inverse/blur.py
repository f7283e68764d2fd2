r"""Convolution on a circle, whose eigenvectors are the waves of Fourier's transform."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gdmlib._checks import check_above_zero, check_event_shape, check_tensor
from gdmlib.inverse.operators import Operator


class Blur(Operator):
    """The convolution of every channel with one kernel; the picture goes on at its other side.

    Args:
        event_shape: (C, H, W).
        kernel: Shape (h, w), both odd, centred: an even side would shift the picture.

    Raises:
        ValueError: If a side of the kernel is even, or larger than the picture.
    """

    transfer: Tensor

    def __init__(self, event_shape: Sequence[int], kernel: Tensor) -> None:
        shape = check_event_shape(event_shape, image=True)
        check_tensor(kernel, "kernel", ndim=2, floating=True, digits=True)
        for size, side in zip(kernel.shape, shape[1:], strict=True):
            if size % 2 == 0 or size > side:
                raise ValueError(
                    f"kernel: expected odd sides of at most {tuple(shape[1:])}, got "
                    f"{tuple(kernel.shape)}; a kernel of even size has no centre and would shift "
                    "the picture"
                )
        super().__init__(shape, shape)
        wide = kernel.new_zeros(shape[1:])
        wide[: kernel.shape[0], : kernel.shape[1]] = kernel
        centre = [-(size // 2) for size in kernel.shape]
        spectrum = torch.fft.rfft2(wide.roll(centre, (0, 1)))
        # kept as two real numbers: a change of dtype would lose the imaginary part
        self.register_buffer("transfer", torch.view_as_real(spectrum).contiguous())
        self.register_buffer("eigenvalues", spectrum.abs().square())

    @classmethod
    def gaussian(cls, event_shape: Sequence[int], sigma: float) -> Blur:
        """Return the blur by a Gaussian of standard deviation sigma pixels, cut off at 4 sigma."""
        shape = check_event_shape(event_shape, image=True)
        check_above_zero(sigma, "sigma")
        reach = min(max(1, round(4 * sigma)), (min(shape[1:]) - 1) // 2)
        bell = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
        bell = bell / bell.sum()
        return cls(shape, bell[:, None] * bell)

    def _apply_to(self, x: Tensor) -> Tensor:
        return self.rotate_back(self.rotate(x) * torch.view_as_complex(self.transfer))

    def _adjoint_of(self, y: Tensor) -> Tensor:
        return self.rotate_back(self.rotate(y) * torch.view_as_complex(self.transfer).conj())

    def rotate(self, y: Tensor) -> Tensor:
        """Return the amplitudes of the waves, complex; half of them, for y is real."""
        return torch.fft.rfft2(y, norm="ortho")

    def rotate_back(self, c: Tensor) -> Tensor:
        """Return the picture with these amplitudes."""
        return torch.fft.irfft2(c, s=self.event_shape[1:], norm="ortho")

    def rank(self) -> int:
        """Return how many waves get through."""
        reached = self.eigenvalues > self._floor(self.eigenvalues)
        width = self.event_shape[-1]
        twice = torch.full((reached.shape[-1],), 2, device=reached.device)
        twice[0] = 1  # all others stand for their mirror image, too
        if width % 2 == 0:
            twice[-1] = 1
        return int((reached * twice).sum()) * self.event_shape[0]
