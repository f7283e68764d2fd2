"""A pool of made events of the past, so that a judge does not forget what it has seen through."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor, nn

from gdmlib._checks import check_count, check_tensor
from gdmlib._random import draw


class ImagePool(nn.Module):
    """Made events of the past, some of which are shown again.

    Of each new event either it is shown, or, with probability ½, an old one whose place it takes
    (Shrivastava et al. 2017, https://arxiv.org/abs/1612.07828, section 2.3).

    Args:
        size: How many events are kept; 0 shows each new one.
    """

    images: Tensor
    shown: Tensor

    def __init__(self, size: int = 50) -> None:
        super().__init__()
        self.size = check_count(size, "size", least=0)
        self.register_buffer("images", torch.empty(0))
        self.register_buffer("shown", torch.empty(0))

    @torch.no_grad()
    def forward(self, images: Tensor, generator: Generator | None = None) -> Tensor:
        """Keep new events, (B, *event_shape), and return as many to show; they are ``shown``."""
        new = check_tensor(images, "images", finite=False).detach()
        if new.ndim == 0:
            raise ValueError("images: expected some events, (B, *event_shape), got one number")
        if len(self.images):
            shape = ("B", *self.images.shape[1:])
            check_tensor(new, "images", shape=shape, finite=False, like=self.images)
        if self.size:
            room = self.size - len(self.images)
            kept = new[:room].clone()
            self.images = torch.cat([self.images, kept]) if len(self.images) else kept
            new = torch.cat([new[:room], self._exchange(new[room:], generator)])
        self.shown = new.clone()
        return self.shown

    def _exchange(self, new: Tensor, generator: Generator | None) -> Tensor:
        """Return each event, or an old one that it replaces."""
        old = draw(torch.rand, len(new), generator=generator) < 0.5
        place = draw(torch.randperm, self.size, generator=generator)[: len(new)]
        shown = new.clone()
        for i in old.nonzero()[:, 0].tolist():
            at = int(place[i % self.size])
            shown[i], self.images[at] = self.images[at].clone(), new[i]
        return shown

    def _load_from_state_dict(self, state: Any, prefix: str, *rest: Any) -> None:
        # A new pool is empty; it takes as many events as the state holds.
        for name in ("images", "shown"):
            if f"{prefix}{name}" in state:
                setattr(self, name, torch.empty_like(state[f"{prefix}{name}"]))
        kept = len(self.images)
        if kept > self.size:
            raise ValueError(f"size: this pool has room for {self.size} events, got {kept}")
        super()._load_from_state_dict(state, prefix, *rest)
