"""A completion is a draw from p(unknown | known), if the known pixels are visited first."""

from __future__ import annotations

from itertools import product

import torch


def check_completion(model, known: list[int], n: int = 20_000) -> None:
    """Compare the completions of 4 binary pixels, float64, with the conditional table."""
    mask = torch.zeros(4, dtype=torch.bool)
    mask[known] = True
    events = torch.tensor(list(product((0.0, 1.0), repeat=4))).double()
    table = model.log_prob(events).exp().detach()
    for values in product((0.0, 1.0), repeat=len(known)):
        given = torch.zeros(4).double()
        given[known] = torch.tensor(values).double()
        drawn = model.complete(given.expand(n, 4), mask, torch.Generator().manual_seed(0))
        assert bool((drawn[:, mask] == given[mask]).all())
        fits = (events[:, mask] == given[mask]).all(dim=1)
        p = table[fits] / table[fits].sum()
        seen = torch.stack([(drawn == event).all(dim=1).double().mean() for event in events[fits]])
        worst = float(((seen - p).abs() / (p * (1 - p) / n).sqrt()).max())
        assert worst < 5.5, f"{worst:.1f} standard errors"
