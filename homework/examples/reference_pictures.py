"""A reference entry for the pictures: a mixture of flat Gaussians, then steps of a denoiser.

The first step draws from one of a few Gaussians, each flat in most directions: one coordinate of
the noise chooses which. Every further step lets a network remove what does not look like a digit.
"""

import math
import time

import torch
from torch import nn

CLUSTERS, DIRECTIONS = 12, 24


def network():
    """Return the denoiser, with weights that are set afterwards."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(256, 256), nn.SiLU(), nn.Linear(256, 256), nn.SiLU(),
        nn.Linear(256, 256), nn.Unflatten(1, (1, 16, 16)),
    )  # fmt: skip


def train(x, seconds, seed):
    """Return means and directions of the clusters, and the denoiser's weights."""
    end = time.process_time() + 0.85 * seconds
    g = torch.Generator().manual_seed(seed)
    flat = x.flatten(1)
    means = flat[torch.randperm(len(flat), generator=g)[:CLUSTERS]]
    for _ in range(30):
        at = torch.cdist(flat, means).argmin(1)
        means = torch.stack([flat[at == k].mean(0) if (at == k).any() else means[k]
                             for k in range(CLUSTERS)])  # fmt: skip
    roots, counts = torch.zeros(CLUSTERS, 256, DIRECTIONS), torch.bincount(at, minlength=CLUSTERS)
    for k in range(CLUSTERS):
        z = flat[at == k] - means[k]
        if len(z) > 2:
            _, s, v = torch.linalg.svd(z, full_matrices=False)
            size = min(DIRECTIONS, len(s))
            roots[k, :, :size] = v[:size].T * s[:size] / math.sqrt(len(z) - 1)
    weights = {"means": means, "roots": roots, "shares": counts / counts.sum()}
    return weights | _train_denoiser(x, weights, end, g, seed)


def _train_denoiser(x, weights, end, generator, seed):
    """Train a network that is shown real pictures mixed with a draw of their own cluster."""
    torch.manual_seed(seed)
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    at = torch.cdist(x.flatten(1), weights["means"]).argmin(1)
    while time.process_time() < end:
        chosen = torch.randint(len(x), (128,), generator=generator)
        real = x[chosen]
        other = torch.randn(128, DIRECTIONS, 1, generator=generator)
        drawn = weights["means"][at[chosen]] + (weights["roots"][at[chosen]] @ other)[..., 0]
        mix = 0.5 * torch.rand(128, 1, 1, 1, generator=generator)
        noisy = (1 - mix) * real + mix * drawn.view_as(real).clamp(0, 1)
        loss = (model(noisy) + noisy - real).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return {f"net.{name}": value for name, value in model.state_dict().items()}


def step(weights, x, index, steps, seed):
    """Draw from a cluster first; then denoise."""
    if index == 0:
        z = x.flatten(1)
        share = torch.special.ndtr(z[:, 0]).contiguous()
        at = torch.bucketize(share, weights["shares"].cumsum(0)).clamp(max=CLUSTERS - 1)
        drawn = (
            weights["means"][at] + (weights["roots"][at] @ z[:, 1 : DIRECTIONS + 1, None])[..., 0]
        )
        return drawn.view_as(x).clamp(0, 1)
    model = network()
    model.load_state_dict(
        {k.removeprefix("net."): v for k, v in weights.items() if k[:4] == "net."}
    )
    with torch.no_grad():
        return (x + model(x)).clamp(0, 1)
