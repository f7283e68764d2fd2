"""Spectral normalisation, measured by products with the Jacobian."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, nn

from gdmlib.nn.spectral import layer_norm, spectral


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def steep() -> nn.Linear:
    layer = nn.Linear(6, 5)
    with torch.no_grad():
        layer.weight.copy_(20 * torch.randn(5, 6, generator=seeded()))
        layer.bias.fill_(3.0)
    return layer


def test_the_norm_of_a_dense_layer_is_its_largest_singular_value() -> None:
    layer = steep()
    expected = float(torch.linalg.matrix_norm(layer.weight.detach(), 2))
    assert layer_norm(layer, 6, generator=seeded()) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("kernel", [1, 3, 4])
def test_the_norm_of_a_convolution_is_that_of_its_whole_matrix(kernel: int) -> None:
    layer = nn.Conv2d(2, 3, kernel, padding=1)
    inputs = torch.eye(2 * 5 * 5).reshape(-1, 2, 5, 5)
    matrix = (layer(inputs) - layer(torch.zeros(1, 2, 5, 5))).flatten(1)
    expected = float(torch.linalg.matrix_norm(matrix, 2))
    found = layer_norm(layer, (2, 5, 5), steps=500, generator=seeded())
    assert found == pytest.approx(expected, rel=1e-3)


def test_a_dense_layer_has_norm_one_before_it_has_trained() -> None:
    layer = spectral(nn.Sequential(steep()), seeded()).eval()
    assert layer_norm(layer, 6, generator=seeded()) == pytest.approx(1.0, abs=1e-2)
    assert layer_norm(steep(), 6, generator=seeded()) > 20  # what it does without


def test_a_convolution_is_normalised_as_a_kernel_and_is_steeper_as_a_map() -> None:
    layer = spectral(nn.Conv2d(1, 16, 3, padding=1), seeded()).eval()
    kernel = layer.weight.flatten(1)  # type: ignore[union-attr, operator]
    assert float(torch.linalg.matrix_norm(kernel, 2)) == pytest.approx(1.0, abs=1e-3)
    assert 1.1 < layer_norm(layer, (1, 16, 16), generator=seeded()) < 3.0  # at most √9


def test_training_passes_follow_the_weights() -> None:
    layer = spectral(nn.Sequential(nn.Linear(6, 5)), seeded())
    with torch.no_grad():
        layer[0].parametrizations.weight.original.copy_(steep().weight)  # type: ignore[index]
    for _ in range(30):
        layer(torch.zeros(1, 6))
    assert layer_norm(layer.eval(), 6, generator=seeded()) == pytest.approx(1.0, abs=1e-2)


def test_the_guesses_come_from_the_generator_alone() -> None:
    layers, before = [steep(), steep()], torch.random.get_rng_state()
    first, again = (spectral(layer, seeded(3)).state_dict() for layer in layers)
    assert all(torch.equal(first[k], again[k]) for k in first)
    assert torch.equal(before, torch.random.get_rng_state())
