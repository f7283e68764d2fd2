"""A denoiser asked eight times: it turns with the picture, and is nearer to the truth."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gdmlib import inverse, lesson, metrics, training
from gdmlib.data.crops import turned
from tests.laws.builders import randomise


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def crooked() -> inverse.ConvDenoiser:
    """Return a network with random weights, which knows nothing of symmetry."""
    return randomise(
        inverse.ConvDenoiser(features=(2, 3), blocks=1, generator=seeded()), 0
    ).double()


def follows(denoiser: inverse.ConvDenoiser | inverse.SelfEnsemble, y: Tensor) -> list[bool]:
    """Return for each of the eight turns whether the answer turns with the picture."""
    once = denoiser.denoise(y, 0.1)
    return [
        torch.allclose(denoiser.denoise(turned(y, k), 0.1), turned(once, k), atol=1e-12)
        for k in range(8)
    ]


@pytest.mark.parametrize("shape", [(2, 1, 8, 8), (1, 1, 8, 12), (3, 1, 1, 5, 7)])
def test_the_answer_turns_with_the_picture(shape: tuple[int, ...]) -> None:
    y = torch.rand(*shape, generator=seeded(1), dtype=torch.float64)
    assert all(follows(inverse.SelfEnsemble(crooked()), y))
    assert not any(follows(crooked(), y)[1:])  # but the network's own does not


def test_a_denoiser_that_turns_with_the_picture_is_left_alone() -> None:
    class Shrinks:
        def denoise(self, y: Tensor, sigma: float | Tensor) -> Tensor:
            return y / 2

    y = torch.rand(2, 3, 4, 5, generator=seeded())
    torch.testing.assert_close(inverse.SelfEnsemble(Shrinks()).denoise(y, 0.1), y / 2)


def test_each_picture_has_its_level() -> None:
    y = torch.rand(2, 1, 8, 8, generator=seeded(), dtype=torch.float64)
    denoiser = inverse.SelfEnsemble(crooked())
    both = denoiser.denoise(y, torch.tensor([0.1, 0.3]).double())
    for one, sigma, made in zip(y, (0.1, 0.3), both, strict=True):
        torch.testing.assert_close(denoiser.denoise(one, sigma), made)


def test_eight_answers_are_nearer_to_the_truth_than_one() -> None:
    skimage = pytest.importorskip("skimage.data")
    network = inverse.ConvDenoiser(features=(32, 48, 64))
    weights = lesson.find_checkpoint("18_denoiser")
    if weights is None:
        pytest.skip("the weights of lesson 18 are not at hand")
    training.load_weights(network, weights)
    network.requires_grad_(False)
    x = torch.tensor(skimage.camera()[96:160, 208:272] / 255).float()[None, None]
    camera = inverse.single_pixel((1, 64, 64), rate=0.3, generator=seeded())

    def decibels(denoiser: inverse.ConvDenoiser | inverse.SelfEnsemble) -> float:
        found = inverse.message_passing(camera, camera(x), denoiser, steps=12, generator=seeded(1))
        return float(metrics.psnr(found.image.clamp(0, 1), x))

    assert decibels(inverse.SelfEnsemble(network)) > decibels(network) + 0.2


def test_what_is_no_denoiser_is_refused() -> None:
    with pytest.raises(ValueError, match="denoiser: expected something with denoise"):
        inverse.SelfEnsemble(torch.nn.Identity())  # type: ignore[arg-type]
