"""Mixtures of an image density with itself on flipped images."""

from __future__ import annotations

import math

import pytest
import torch

from gdmlib.densities.density import Density
from gdmlib.densities.flip_ensemble import FlipEnsemble
from tests.laws.registry_images import mcgsm_image, patch


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def transformed(x: torch.Tensor, k: int) -> torch.Tensor:
    """Return the k-th of the eight symmetries of a square."""
    x = torch.rot90(x, k % 4, dims=(-2, -1))
    return x.flip(-1) if k >= 4 else x


def test_the_ensemble_is_the_mean_over_the_symmetries(generator):
    model = mcgsm_image((1, 3, 3))
    x = torch.randn(5, 1, 3, 3, generator=generator).double()
    ensemble = FlipEnsemble(model, transpose=True)
    each = torch.stack([model.log_prob(transformed(x, k)).exp() for k in range(8)])
    torch.testing.assert_close(ensemble.log_prob(x), each.mean(dim=0).log())
    for k in range(8):
        torch.testing.assert_close(ensemble.log_prob(transformed(x, k)), ensemble.log_prob(x))


def test_two_and_four_flips(generator):
    model = mcgsm_image((1, 2, 4))
    x = torch.randn(5, 1, 2, 4, generator=generator).double()
    two = FlipEnsemble(model, vertical=False).log_prob(x)
    flipped = [model.log_prob(x).exp(), model.log_prob(x.flip(3)).exp()]
    torch.testing.assert_close(two, (sum(flipped) / 2).log())
    four = FlipEnsemble(model).log_prob(x)
    flipped += [model.log_prob(x.flip(2)).exp(), model.log_prob(x.flip(2, 3)).exp()]
    torch.testing.assert_close(four, (sum(flipped) / 4).log())


@pytest.mark.parametrize("options", [{}, {"vertical": False}, {"transpose": True}])
def test_samples_of_an_ensemble_are_flipped_samples(options, generator):
    class Fixed(Density):
        event_shape = torch.Size((1, 2, 2))

        def _like(self):
            return torch.zeros(1)

        def _sample(self, n, generator):
            return torch.arange(4.0).reshape(1, 1, 2, 2).repeat(n, 1, 1, 1)

        def _log_prob(self, x):
            return torch.where(
                (x == torch.arange(4.0).reshape(1, 2, 2)).all(-1).all(-1)[:, 0], 0.0, -50.0
            )

    ensemble = FlipEnsemble(Fixed(), **options)
    drawn = ensemble.sample(400, generator)
    k = len(ensemble.flips)
    # Each of the K images is drawn, and has the probability 1 / K.
    assert len(torch.unique(drawn, dim=0)) == k
    torch.testing.assert_close(ensemble.log_prob(drawn), torch.full((400,), -math.log(k)))


def test_bad_ensembles():
    with pytest.raises(ValueError, match="expected square images"):
        FlipEnsemble(mcgsm_image((1, 2, 3)), transpose=True)
    with pytest.raises(ValueError, match="expected a density of images, got events of"):
        FlipEnsemble(patch())
    with pytest.raises(ValueError, match="images: expected shape"):
        FlipEnsemble(mcgsm_image()).log_prob(torch.zeros(2, 4))
