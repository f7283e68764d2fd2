"""A variational autoencoder as one writes it first, to be timed beside the library's.

Separate layers, a sigmoid and then its cross-entropy, Adam with its defaults, and a loop over
the codes of the importance-weighted bound.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy


class PlainVAE(nn.Module):
    """One hidden layer on each side, for binary pixels."""

    def __init__(self, pixels: int, *, hidden: int, latent: int) -> None:
        super().__init__()
        self.pixels = pixels
        self.hidden = nn.Linear(pixels, hidden)
        self.mean = nn.Linear(hidden, latent)
        self.log_variance = nn.Linear(hidden, latent)
        self.back = nn.Linear(latent, hidden)
        self.out = nn.Linear(hidden, pixels)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of the code, (B, latent) each."""
        h = torch.tanh(self.hidden(x.view(-1, self.pixels)))
        return self.mean(h), self.log_variance(h)

    def draw(self, mean: Tensor, log_variance: Tensor) -> Tensor:
        """Draw a code for each image, (B, latent)."""
        std = torch.exp(0.5 * log_variance)
        return mean + torch.randn_like(std) * std

    def decode(self, z: Tensor) -> Tensor:
        """Return the probability of a white pixel, (B, pixels)."""
        return torch.sigmoid(self.out(torch.tanh(self.back(z))))

    def loss(self, x: Tensor) -> Tensor:
        """Return minus the evidence lower bound, summed over the batch, ()."""
        mean, log_variance = self.encode(x)
        probs = self.decode(self.draw(mean, log_variance))
        entropy = binary_cross_entropy(probs, x.view(-1, self.pixels), reduction="sum")
        kl = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
        return entropy + kl

    def bound(self, x: Tensor, k: int) -> Tensor:
        """Return the importance-weighted bound, (B,), by a loop over its k codes."""
        mean, log_variance = self.encode(x)
        target, weights = x.view(-1, self.pixels), []
        for _ in range(k):
            z = self.draw(mean, log_variance)
            probs = self.decode(z)
            entropy = binary_cross_entropy(probs, target, reduction="none").sum(dim=1)
            prior = -0.5 * z.pow(2).sum(dim=1)
            off = (z - mean).pow(2) * torch.exp(-log_variance)
            proposal = -0.5 * (log_variance + off).sum(dim=1)
            weights.append(prior - proposal - entropy)
        return torch.logsumexp(torch.stack(weights), dim=0) - math.log(k)
