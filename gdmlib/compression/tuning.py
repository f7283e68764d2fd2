"""Tuning the experts to one picture, and sending the tuning along: a code in two parts.

How often each expert is right, and how wide its errors are, differs from picture to picture: one
has grain, another was smoothed by a camera. The sender can look at the whole picture, move these
numbers to where they suit it best, and write them in front: a move of each component and of each
scale, for a move of every pair would cost more bytes than it saves. Only
the numbers that are sent must be whole; how they were found is the sender's own affair.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from gdmlib.compression.integer import LEVELS, IntegerMCGSM

_FEWEST = 4096  # pixels: in a smaller picture the tuning costs more than it saves
_MOST = 20_000  # pixels are looked at, evenly spread


def tune(
    model: IntegerMCGSM, contexts: np.ndarray, levels: np.ndarray, steps: int = 12
) -> np.ndarray:
    """Return steps for `IntegerMCGSM.adjusted` that shorten a picture's code, int8 (2, C + S).

    Args:
        model: As it was trained.
        contexts, levels: Of the picture's pixels, (n, D) and (n,).
        steps: Of L-BFGS.
    """
    c, s = model.eta.shape
    if len(levels) < _FEWEST or steps == 0:
        return np.zeros((2, c + s), dtype=np.int8)
    # Not every k-th: pixels come front by front, and photographs have often been JPEG files, whose
    # blocks of eight would fall into step with a whole k.
    some = np.linspace(0, len(levels) - 1, min(len(levels), _MOST)).astype(np.int64)
    logits, means = model.logits_and_means(contexts[some])
    weights = torch.from_numpy(logits).float() * (math.log(2) / 2**12)
    away = torch.from_numpy(levels[some][:, None] - means / 2**12).float()[..., None]
    first = torch.from_numpy(levels[some] == 0)[:, None, None]
    last = torch.from_numpy(levels[some] == LEVELS - 1)[:, None, None]
    inverse = model.precision.float() / 2**16
    moves = torch.zeros(2, c + s, requires_grad=True)
    optimizer = torch.optim.LBFGS([moves], max_iter=steps, line_search_fn="strong_wolfe")

    def bits() -> Tensor:
        pairs = moves[:, :c, None] + moves[:, None, c:]
        shares = torch.softmax((weights + pairs[0]).flatten(1), dim=1).unflatten(1, (c, s))
        spread = inverse * pairs[1].exp()
        high = torch.where(last, 1.0, torch.special.ndtr((away + 1) * spread))
        low = torch.where(first, 0.0, torch.special.ndtr(away * spread))
        p = (shares * (high - low)).flatten(1).sum(1)
        # A weak pull to where the model was: a component that is hardly used stays as it is.
        return -(p + 2.0**-18).log2().mean() + 1e-4 * moves.square().sum()

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = bits()
        loss.backward()
        return loss

    with torch.enable_grad():
        optimizer.step(closure)
    scale = torch.tensor([16.0, 32.0])[:, None] / math.log(2)
    found = (moves.detach() * scale).round().clamp(-128, 127)
    return found.nan_to_num(0.0).numpy().astype(np.int8)
