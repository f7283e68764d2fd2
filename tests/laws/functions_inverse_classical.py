"""Cameras and classical answers of inverse problems: their lines of ``functions.py``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gdmlib import inverse
from gdmlib.inverse.camera import cosine, hadamard
from gdmlib.inverse.primal_dual import differences, differences_adjoint, gap
from gdmlib.inverse.wavelets import wavelet_matrix

from .builders import normal, seeded, uniform
from .calls import call, whole

SHAPE = (1, 4, 4)
PICTURES = uniform(3, *SHAPE)
camera = inverse.Matrix(normal(6, 16), SHAPE)
SEEN = camera(PICTURES)
blur = inverse.Blur(SHAPE, torch.ones(3, 3).double() / 9)
DIM = blur(PICTURES)
root = normal(16, 16) / 4
posterior = inverse.GaussianPosterior(normal(16), root @ root.mT, camera, 0.3)

FUNCTIONS = [
    call("Operator.forward", camera.forward, PICTURES, smooth=True),
    call("Operator.adjoint", camera.adjoint, SEEN, smooth=True),
    call("Operator.gram", camera.gram, SEEN, smooth=True),
    call("Operator.solve_gram", lambda y: camera.solve_gram(y, 0.1), SEEN, smooth=True),
    call("Operator.pseudo_inverse", camera.pseudo_inverse, SEEN, smooth=True),
    call("Operator.project", camera.project, PICTURES, SEEN, smooth=True),
    call("Operator.proximal", lambda x, y: camera.proximal(x, y, 2.0), PICTURES, SEEN, smooth=True),
    call("Operator.measure", lambda x: camera.measure(x, 0.0), PICTURES, smooth=True),
    call("Blur.forward", blur.forward, PICTURES, smooth=True),
    whole("orthonormal_rows", inverse.orthonormal_rows, normal(3, 5)),
    call("least_squares", lambda y: inverse.least_squares(camera, y), SEEN, smooth=True),
    call("ridge", lambda y: inverse.ridge(camera, y, noise=0.1), SEEN, smooth=True),
    whole("power_spectrum", inverse.power_spectrum, PICTURES),
    call("wiener", lambda y: inverse.wiener(
        blur, y, noise=0.1, power=torch.ones(4, 3).double()), DIM, smooth=True),
    call("variation", inverse.variation, PICTURES),
    call("differences", differences, PICTURES, smooth=True),
    call("differences_adjoint", differences_adjoint, normal(3, 1, 2, 4, 4), smooth=True),
    call("gap", lambda y, x, p: gap(camera, y, x, p, 0.1), SEEN, PICTURES,
         0.05 * normal(3, 1, 2, 4, 4)),
    call("total_variation", lambda y: inverse.total_variation(
        camera, y, steps=5).image, SEEN),
    call("total_variation with noise", lambda y: inverse.total_variation(
        camera, y, weight=0.1, steps=5).image, SEEN),
    call("wavelets", lambda x: inverse.wavelets(x, 1), PICTURES, smooth=True),
    call("shrink_wavelets", lambda x: inverse.shrink_wavelets(x, 0.1, 1), PICTURES),
    call("sparse_wavelets", lambda y: inverse.sparse_wavelets(
        camera, y, 0.01, levels=1, steps=5, tolerance=0.0).image, SEEN),
    call("GaussianPosterior.mean", posterior.mean, SEEN, smooth=True),
    call("GaussianPosterior.log_prob", posterior.log_prob, PICTURES, SEEN, smooth=True),
]  # fmt: skip

CONSTRUCTORS = [
    whole("Matrix", inverse.Matrix, normal(3, 5)),
    whole("Matrix, orthonormal", lambda a: inverse.Matrix(a, orthonormal=True),
          torch.eye(3, 5).double()),
    whole("Masking", inverse.Masking, normal(3, 4) > 0),
    whole("Separable", lambda left, right: inverse.Separable(SHAPE, left, right),
          normal(3, 4), normal(2, 4)),
    whole("FlatCam", lambda left, right: inverse.FlatCam(SHAPE, left, right),
          normal(3, 4), normal(2, 4)),
    whole("Blur", lambda kernel: inverse.Blur(SHAPE, kernel), normal(3, 3)),
]  # fmt: skip


def pixel(**options: Any) -> nn.Module:
    return inverse.single_pixel(SHAPE, generator=seeded(), **options)


COUNTS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "Crop": (lambda height: inverse.Crop(SHAPE, top=0, left=0, height=height, width=2), 2),
    "Crop, top": (lambda top: inverse.Crop((1, 300, 3), top=top, left=0, height=100, width=2), 200),
    "FlatCam.random": (lambda size: inverse.FlatCam.random(SHAPE, size, seeded()), 3),
    "LiSens": (lambda measurements: inverse.LiSens(SHAPE, measurements, seeded()), 3),
    "Downsampling": (lambda factor: inverse.Downsampling(SHAPE, factor), 2),
    "single_pixel": (lambda measurements: pixel(measurements=measurements), 5),
    "Scrambled": (lambda measurements: pixel(measurements=measurements, rows="dct"), 5),
    "Matrix.first": (lambda measurements: camera.first(measurements), 2),
    "Masking, channels": (lambda channels: inverse.Masking(normal(3, 4) > 0, channels), 2),
    "hadamard": (hadamard, 4),
    "cosine": (cosine, 3),
    "wavelet_matrix": (lambda n: wavelet_matrix(n), 4),
    "wavelets": (lambda levels: inverse.wavelets(PICTURES, levels, "haar"), 1),
    "shrink_wavelets, shifts": (lambda shifts: inverse.shrink_wavelets(
        PICTURES, 0.1, 1, shifts=shifts), 2),
    "sparse_wavelets": (lambda steps: inverse.sparse_wavelets(
        camera, SEEN, 0.01, levels=1, steps=steps).image, 2),
    "total_variation": (lambda steps: inverse.total_variation(camera, SEEN, steps=steps).image, 2),
    "total_variation, every": (lambda every: inverse.total_variation(
        camera, SEEN, steps=2, every=every).image, 1),
    "GaussianPosterior.sample": (lambda n: posterior.sample(SEEN, n, seeded()), 2),
}  # fmt: skip

CHANCE: dict[str, Callable[..., nn.Module | Tensor | tuple[Tensor, ...]]] = {
    "Operator.measure": partial(camera.measure, PICTURES, 0.1),
    "Masking.random": partial(inverse.Masking.random, SHAPE, missing=0.5),
    "FlatCam.random": partial(inverse.FlatCam.random, SHAPE, 3),
    "LiSens": partial(inverse.LiSens, SHAPE, 2),
    "single_pixel": partial(inverse.single_pixel, SHAPE, 5),
    "single_pixel, dct": partial(inverse.single_pixel, SHAPE, 5, rows="dct"),
    "GaussianPosterior.sample": partial(posterior.sample, SEEN, 2),
}
"""What draws by a generator."""
