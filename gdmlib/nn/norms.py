"""Batch and instance norm that say what they need: more than one number to take a spread of."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class BatchNorm2d(nn.BatchNorm2d):
    """As PyTorch's; one example of one pixel, in training, is refused with advice."""

    def forward(self, input: Tensor) -> Tensor:
        """Return features of the same shape, (B, features, height, width)."""
        if self.training and input.ndim == 4 and input[:, 0].numel() == 1:
            raise ValueError(
                f"x: in training batch norm takes the spread of more than one number, got features "
                f"{tuple(input.shape)} of one example; choose batch_size, and the number of "
                "examples, so that no batch has one alone, or take another norm"
            )
        return super().forward(input)


class InstanceNorm2d(nn.InstanceNorm2d):
    """As PyTorch's; one pixel is refused with advice."""

    def forward(self, input: Tensor) -> Tensor:
        """Return features of the same shape, (B, features, height, width)."""
        if input.ndim == 4 and input[0, 0].numel() == 1:
            raise ValueError(
                f"x: instance norm takes the spread of more than one pixel, got features "
                f"{tuple(input.shape)}; take larger pictures, fewer halvings, or another norm"
            )
        return super().forward(input)


def batch_norms(network: nn.Module) -> list[str]:
    """Return the names of the layers in which the events of a batch see each other."""
    return [name for name, part in network.named_modules() if isinstance(part, _BatchNorm)]
