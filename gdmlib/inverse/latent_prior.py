"""Priors of models with hidden codes: the bound of one, the score of another."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from gdmlib._checks import check_count, check_events, check_integer, check_kind, check_range
from gdmlib.latent.denoiser import Denoiser
from gdmlib.latent.latent_model import LatentModel
from gdmlib.latent.schedule import shaped


class BoundPrior(nn.Module):
    """A variational autoencoder as a prior: its bound of log p(x), with codes that stay the same.

    Args:
        model: With `importance_bound`, of real-valued pictures.
        k: Codes of the bound; more are nearer to log p(x).
        seed: Of the noise that draws the codes.
    """

    def __init__(self, model: LatentModel, *, k: int = 1, seed: int = 0) -> None:
        super().__init__()
        self.model = check_kind(model, "model", LatentModel, "a VAE")
        self.k, self.seed = check_count(k, "k"), check_integer(seed, "seed")
        self.event_shape = model.event_shape

    def log_prob(self, x: Tensor) -> Tensor:
        """Return a lower bound of log p of each picture, (B, *event_shape) -> (B,)."""
        x = check_events(x, "x", self.event_shape, self.model._like())
        parts = [self._one(picture[None]) for picture in x]  # one noise for all
        return torch.cat(parts)

    def _one(self, x: Tensor) -> Tensor:
        return self.model.importance_bound(x, self.k, Generator().manual_seed(self.seed))


class ScorePrior(nn.Module):
    r"""A diffusion as a prior without a density: its score at one small noise level.

    With :math:`z = \sqrt{\bar\alpha_t}\, (\text{low} + (\text{high} - \text{low})\, x)` the
    gradient is that of :math:`\log q_t(z)` by x: of a density that is blurred a little.

    Args:
        model: A `Diffusion` or another `Denoiser`.
        t: The step of noise, 1 to T.
        low, high: What black and white are for the model.
    """

    def __init__(self, model: Denoiser, t: int, *, low: float = -1.0, high: float = 1.0) -> None:
        super().__init__()
        check_kind(model, "model", Denoiser, "a Diffusion")
        model.schedule.check_steps(t, 1)
        self.model, self.t, self.event_shape = model, t, model.event_shape
        self.low, self.high = check_range(low, high)

    def gradient(self, x: Tensor) -> Tensor:
        """Return the gradient at each picture, in its shape."""
        x = check_events(x, "x", self.event_shape, self.model._like())
        signal = shaped(self.model.schedule.alpha_bar[[self.t]].sqrt(), x)
        span = self.high - self.low
        with torch.no_grad():
            score = self.model.score_function(signal * (self.low + span * x), self.t)
        return signal * span * score
