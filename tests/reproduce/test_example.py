"""The record that CONTRIBUTING declares as an example is one that can be run."""

from __future__ import annotations

import re

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from gdmlib.reproduce import EXPERIMENTS, Published, held_out, run, trained
from gdmlib.reproduce.tasks import BINARY


class VAE(nn.Module):
    """The smallest variational autoencoder that has what `train` asks for: a score."""

    def __init__(self, event_shape, *, hidden, latent, generator):
        super().__init__()
        d, (h,) = event_shape[0], hidden
        self.encoder = nn.Sequential(nn.Linear(d, h), nn.Tanh(), nn.Linear(h, 2 * latent))
        self.decoder = nn.Sequential(nn.Linear(latent, h), nn.Tanh(), nn.Linear(h, d))
        self.generator = generator

    def score(self, x):
        mean, log_std = self.encoder(x).chunk(2, dim=1)
        z = mean + log_std.exp() * torch.randn(mean.shape, generator=self.generator)
        kl = 0.5 * (mean**2 + (2 * log_std).exp() - 1) - log_std
        nats = binary_cross_entropy_with_logits(self.decoder(z), x, reduction="none")
        return nats.sum(dim=1) + kl.sum(dim=1)


def test_the_declared_record_runs(root, tmp_path, monkeypatch):
    text = (root / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"<!-- example: a record -->\n```python\n(.*?)```", text, flags=re.S)
    assert len(code.splitlines()) <= 25
    names = {
        "held_out": held_out, "trained": trained, "BINARY": BINARY, "Published": Published,
        "VAE": VAE,
    }  # fmt: skip
    exec(code, names)
    monkeypatch.setitem(EXPERIMENTS, "vae_mnist", names["VAE_MNIST"])
    record = run("vae_mnist", tmp_path, smoke=True, device="cpu")
    assert record.metric.unit == "nats" and 0 < record.metric.value < 20
    assert record.config["latent"] == 2 and record.details["epochs"] == [2]
