"""A first entry for the density: one Gaussian. Copy it, and do better."""

import math

import torch


def train(x, seconds, seed):
    """Return the weights, a dict of tensors. x: training points, shape (N, 2)."""
    return {"mean": x.mean(0), "covariance": torch.cov(x.T)}


def log_prob(weights, x):
    """Return the log-density of each point in nats, shape (B,). x: shape (B, 2)."""
    z = x - weights["mean"]
    inverse = torch.linalg.inv(weights["covariance"])
    log_det = torch.logdet(weights["covariance"])
    return -0.5 * ((z @ inverse) * z).sum(1) - 0.5 * log_det - math.log(2 * math.pi)
