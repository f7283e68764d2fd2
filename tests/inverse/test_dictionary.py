"""Dictionaries: atoms that made the patches are found, and noise is taken out of pictures."""

from __future__ import annotations

import pytest
import torch
from skimage import data as photographs

from gdmlib.inverse import DictionaryDenoiser, Masking, fit_dictionary, plug_and_play
from gdmlib.metrics import psnr


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def squares(n: int, side: int = 6) -> torch.Tensor:
    """Return patches of a photograph that no test restores."""
    picture = torch.tensor(photographs.coins() / 255).float()[None, None]
    patches = torch.nn.functional.unfold(picture, side, stride=3)[0].T
    return patches[torch.randperm(len(patches), generator=rng())[:n]]


ATOMS = fit_dictionary(squares(2_000), atoms=64, passes=5, generator=rng())
CLEAN = torch.tensor(photographs.camera()[96:144, 208:256] / 255).float()[None]


def test_atoms_are_those_that_made_the_patches():
    truth = torch.randn(6, 16, generator=rng(), dtype=torch.float64)
    truth = truth - truth.mean(1, keepdim=True)
    truth = truth / truth.norm(dim=1, keepdim=True)
    weights = torch.randn(4_000, 6, generator=rng(1), dtype=torch.float64)
    weights = weights * (torch.rand(4_000, 6, generator=rng(2)) < 0.2)
    found = fit_dictionary(weights @ truth + 3, atoms=6, passes=100, generator=rng())
    likeness = (found @ truth.mT).abs().amax(0)
    assert float(likeness.min()) > 0.9  # with a third of the price: 0.62
    torch.testing.assert_close(found.norm(dim=1), torch.ones(6, dtype=torch.float64))
    assert float(found.mean(1).abs().max()) < 1e-9


def test_atoms_depend_on_the_generator_alone():
    again = fit_dictionary(squares(2_000), atoms=64, passes=5, generator=rng())
    torch.testing.assert_close(again, ATOMS, atol=1e-5, rtol=0)


def test_noise_is_taken_out():
    noisy = CLEAN + 25 / 255 * torch.randn(CLEAN.shape, generator=rng())
    found = DictionaryDenoiser(ATOMS).denoise(noisy, 25 / 255)
    before, after = (float(psnr(x[None], CLEAN[None])) for x in (noisy, found))
    assert after > before + 5
    constant = DictionaryDenoiser(ATOMS, stride=4).denoise(torch.full((2, 1, 9, 8), 0.3), 0.1)
    torch.testing.assert_close(constant, torch.full((2, 1, 9, 8), 0.3))


def test_each_picture_has_its_own_level():
    noisy = torch.stack([CLEAN, CLEAN]) + 0.1 * torch.randn(2, *CLEAN.shape, generator=rng())
    denoiser = DictionaryDenoiser(ATOMS, stride=3)
    both = denoiser.denoise(noisy, torch.tensor([0.1, 0.02]))
    torch.testing.assert_close(both[1], denoiser.denoise(noisy[1], 0.02))
    assert (both[0] - noisy[0]).norm() > (both[1] - noisy[1]).norm()


def test_it_plugs_and_plays():
    holes = Masking.random((1, 48, 48), missing=0.5, generator=rng())
    denoiser = DictionaryDenoiser(ATOMS, stride=3)
    found = plug_and_play(holes, holes(CLEAN), denoiser, steps=12, sigmas=(0.2, 0.01))
    assert float(psnr(found.image[None], CLEAN[None])) > 24
    torch.testing.assert_close(holes(found.image), holes(CLEAN))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: fit_dictionary(torch.zeros(4)), "patches"),
        (lambda: fit_dictionary(squares(10), atoms=0), "atoms"),
        (lambda: DictionaryDenoiser(ATOMS[:, :35]), "square"),
        (lambda: DictionaryDenoiser(2 * ATOMS), "length 1"),
        (lambda: DictionaryDenoiser(ATOMS, stride=7), "stride"),
        (lambda: DictionaryDenoiser(ATOMS).denoise(torch.zeros(1, 5, 9), 0.1), "at least 6"),
        (lambda: DictionaryDenoiser(ATOMS).denoise(torch.zeros(9, 9), 0.1), "channels"),
        (lambda: DictionaryDenoiser(ATOMS).denoise(torch.zeros(1, 9, 9), 0.0), "sigma"),
    ],
)
def test_wrong_input(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong()
