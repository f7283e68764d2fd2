"""Restoring by written priors and BM3D, and by explicit ones: a mixture on patches, and RIDE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gdmlib.autoregressive import MCGSM, RIDE
from gdmlib.data.crops import dequantise, random_crops
from gdmlib.densities import GaussianMixture
from gdmlib.inverse import (
    BM3D,
    CausalPrior,
    Operator,
    PatchDenoiser,
    Restored,
    epll,
    fit_patch_mixture,
    map_by_projection,
    message_passing,
    sparse_wavelets,
    total_variation,
)
from gdmlib.inverse.batches import nearest_to_grey
from gdmlib.reproduce.denoising import photographs
from gdmlib.reproduce.experiment import Experiment, Fitting
from gdmlib.reproduce.inverse import (
    INPAINTING,
    NOISY_INPAINTING,
    NOISY_SINGLE_PIXEL,
    PUBLISHED_SINGLE_PIXEL,
    RIDE_PAPER,
    SINGLE_PIXEL,
    Protocol,
    Restore,
    restoring,
    single_pixel_numbers,
)
from gdmlib.reproduce.photographs import context_of, ride_of
from gdmlib.reproduce.records import Published
from gdmlib.reproduce.settings import as_settings
from gdmlib.reproduce.tasks import seeded


def by_total_variation(fitting: Fitting, noise: float, steps: int, tolerance: float) -> Restore:
    """Return what restores by the least total variation."""
    weight = 10 * noise**2 or None  # None asks that the measurements are met

    def restore(operator: Operator, y: Tensor) -> Restored:
        return total_variation(operator, y, weight, steps=steps, tolerance=tolerance)

    return restore


def by_least_squares(fitting: Fitting) -> Restore:
    """Return what finds the picture nearest to a grey square that explains the measurements."""
    return nearest_to_grey


def by_wavelets(fitting: Fitting, weight: float, steps: int, levels: int, shifts: int) -> Restore:
    """Return what restores by few large coefficients of a wavelet transform."""

    def restore(operator: Operator, y: Tensor) -> Restored:
        return sparse_wavelets(operator, y, weight, levels=levels, shifts=shifts, steps=steps)

    return restore


def mixture(fitting: Fitting, size: int, train_patches: int, components: int, n_iter: int) -> Any:
    """Return a mixture of Gaussians for the patches of photographs, fitted once."""

    def fitted() -> dict[str, Any]:
        generator = seeded(fitting.generator.initial_seed())
        with as_settings("no data can be made with these settings: "):
            found = [(255 * x[0]).round() for x in _train(fitting)]
            x = dequantise(random_crops(found, train_patches, size, generator), generator)
        model = fit_patch_mixture(
            x.flatten(1), components=components, n_iter=n_iter, generator=generator
        )
        fitting.job.keep("mixture", model)
        return {"weights": model.weights, "means": model.means, "covariances": model.covariances}

    kept = fitting.job.stage("mixture", fitted)
    return fitting.place(PatchDenoiser(GaussianMixture(**kept)))


def _train(fitting: Fitting) -> list[Tensor]:
    found = photographs(fitting.job.config["data"] if fitting.job.smoke else "BSDS500")
    return found.train + found.valid


def by_mixture(
    fitting: Fitting,
    noise: float,
    steps: int,
    passing: bool,
    size: int,
    train_patches: int,
    components: int,
    n_iter: int,
) -> Restore:
    """Return what restores by a mixture on patches, by message passing or splitting."""
    model = mixture(fitting, size, train_patches, components, n_iter)

    def restore(operator: Operator, y: Tensor) -> Restored:
        if passing:
            return message_passing(
                operator, y, model, noise=noise, steps=steps, generator=seeded(0)
            )
        return epll(operator, y, model, noise=noise, steps=steps)

    return restore


def by_bm3d(fitting: Fitting, steps: int, stages: int) -> Restore:
    """Return what restores by message passing with BM3D as the denoiser, D-AMP."""
    denoiser = BM3D(stages=stages)

    def restore(operator: Operator, y: Tensor) -> Restored:
        return message_passing(operator, y, denoiser, steps=steps, generator=seeded(0))

    return restore


def ride(fitting: Fitting) -> RIDE:
    """Return a RIDE, trained once as in the records of `gdmlib.reproduce.photographs`."""

    def trained() -> dict[str, Any]:
        torch.manual_seed(0)
        with as_settings("no data can be made with these settings: "):
            found = [(255 * x[0]).round() for x in _train(fitting)]
        held = max(1, len(found) // 20)
        model, _ = ride_of(fitting, found[:-held], found[-held:])
        return {"state": model.state_dict()}

    kept = fitting.job.stage("ride", trained)
    sizes = {**fitting.settings(MCGSM), **fitting.settings(RIDE), "head_sees_context": True}
    model = RIDE(context_of(fitting), **sizes)
    model.load_state_dict(kept["state"])
    return fitting.place(model.eval().requires_grad_(False))


def by_ride(
    fitting: Fitting,
    steps: int,
    ascent: int,
    orientations: int,
    size: int,
    train_patches: int,
    patch_components: int,
    n_iter: int,
) -> Restore:
    """Return what climbs RIDE's log-density from what a mixture on patches finds."""
    start = mixture(fitting, size, train_patches, patch_components, n_iter)
    prior = CausalPrior(ride(fitting), orientations=orientations)

    def restore(operator: Operator, y: Tensor) -> Restored:
        first = message_passing(operator, y, start, steps=steps, generator=seeded(0))
        return map_by_projection(operator, y, prior, start=first.image, steps=ascent, lr=1e-6)

    return restore


_TV = {"steps": 1000, "tolerance": 1e-3}
_TV_WORDS = (
    "The picture of the least isotropic total variation among those with A x = y, by the "
    "primal–dual method, until the gap is at most a thousandth of the objective or 1000 steps "
    "are made."
)
_NOISY_TV_WORDS = (
    "The least ½‖A x − y‖² + w TV(x), w ten times the variance of the noise, by the primal–dual "
    "method, until the gap is at most a thousandth of the objective or 1000 steps are made."
)
_PATCHES = {"size": 8, "train_patches": 100_000, "n_iter": 25}
_PATCHES_SMOKE = {"size": 3, "train_patches": 200, "n_iter": 2, "steps": 10}
_PATCH_WORDS = (
    "A mixture of 100 Gaussians on 8 × 8 patches of the training and the test part of BSDS500; all "
    "test pictures are of the third part, which a test checks by content."
)
_RIDE = {
    "rows": 4, "columns": 4, "components": 16, "scales": 4, "features": 40,
    "pixels_of_an_image": 2500, "mcgsm_epochs": 10, "mcgsm_batch_size": 1000, "mcgsm_lr": 5e-3,
    "units": 32, "layers": 1, "cell": "stable", "crop": 64, "train_crops": 600, "valid_crop": 128,
    "valid_crops": 20, "epochs": 18, "batch_size": 2, "lr": 1.5e-3, "clip": 1.0,
}  # fmt: skip
_RIDE_SMOKE = {
    "rows": 1, "columns": 1, "components": 2, "scales": 2, "features": 3, "mcgsm_epochs": 1,
    "mcgsm_batch_size": 100, "pixels_of_an_image": 200, "crop": 8, "train_crops": 12,
    "valid_crop": 10, "valid_crops": 2, "units": 3, "epochs": 1, "batch_size": 4,
}  # fmt: skip
_DAMP = single_pixel_numbers(
    {0.4: 32.54, 0.3: 29.07, 0.25: 27.51, 0.1: 22.46}, f"D-AMP, quoted by {RIDE_PAPER}"
)
_EPLL_WORDS = f"{_PATCH_WORDS} Half-quadratic splitting, the level falls from 0.2 to 0.003."
_EPLL = {**_PATCHES, "components": 100, "steps": 30, "passing": False}


def _declare(
    name: str,
    title: str,
    protocol: Protocol,
    build: Any,
    words: str,
    own: dict[str, Any],
    smoke: dict[str, Any],
    published: Mapping[str, Published] = PUBLISHED_SINGLE_PIXEL,
) -> Experiment:
    return restoring(
        name, title, protocol, build, published if protocol is SINGLE_PIXEL else {}, words,
        config=own, smoke=smoke, seeds=(0,), trains=build is by_ride,
        needs=BM3D if build is by_bm3d else None,
    )  # fmt: skip


ALL = (
    _declare("spc_least_squares", "Least squares", SINGLE_PIXEL, by_least_squares,
             "Of all pictures with A x = y the one nearest to a grey square.", {}, {}),
    _declare("spc_wavelets", "Sparse wavelets", SINGLE_PIXEL, by_wavelets,
             "The least ½‖A x − y‖² + w ‖details‖₁ of Daubechies' wavelets with two vanishing "
             "moments, mean over shifts, by FISTA; w was chosen on other photographs.",
             {"weight": 0.003, "steps": 150, "levels": 4, "shifts": 4},
             {"steps": 100, "levels": 2}),
    _declare("spc_tv", "Total variation", SINGLE_PIXEL, by_total_variation, _TV_WORDS, _TV,
             {"steps": 30}),
    _declare("inpainting_tv", "Total variation", INPAINTING, by_total_variation, _TV_WORDS, _TV,
             {"steps": 30}),
    _declare("spc_noisy_tv", "Total variation", NOISY_SINGLE_PIXEL, by_total_variation,
             _NOISY_TV_WORDS, _TV, {"steps": 30}),
    _declare("inpainting_noisy_tv", "Total variation", NOISY_INPAINTING, by_total_variation,
             _NOISY_TV_WORDS, _TV, {"steps": 30}),
    _declare("spc_mixture", "Message passing with a mixture on patches", SINGLE_PIXEL, by_mixture,
             f"{_PATCH_WORDS} Message passing, each patch by its most probable Gaussian.",
             {**_PATCHES, "components": 100, "steps": 12, "passing": True},
             {**_PATCHES_SMOKE, "components": 2}),
    _declare("spc_bm3d", "Message passing with BM3D", SINGLE_PIXEL, by_bm3d,
             "D-AMP (Metzler, Maleki and Baraniuk 2016) with both stages of BM3D, by its authors' "
             "package, for research and education only, which does not come with this library.",
             {"steps": 12, "stages": 2}, {"steps": 2, "stages": 1}, _DAMP),
    _declare("spc_noisy_mixture", "Message passing with a mixture on patches",
             NOISY_SINGLE_PIXEL, by_mixture,
             f"{_PATCH_WORDS} Message passing, each patch by its most probable Gaussian.",
             {**_PATCHES, "components": 100, "steps": 12, "passing": True},
             {**_PATCHES_SMOKE, "components": 2}),
    _declare("spc_epll", "EPLL, a mixture on patches", SINGLE_PIXEL, by_mixture, _EPLL_WORDS,
             _EPLL, {**_PATCHES_SMOKE, "components": 2}),
    _declare("inpainting_epll", "EPLL, a mixture on patches", INPAINTING, by_mixture, _EPLL_WORDS,
             _EPLL, {**_PATCHES_SMOKE, "components": 2}),
    _declare("spc_ride", "RIDE, gradient ascent and projection", SINGLE_PIXEL, by_ride,
             f"{_PATCH_WORDS} Where message passing with it ends, the ascent of the log-density of "
             "a RIDE begins: stable cells, started from an MCGSM, trained on the same photographs; "
             "ten steps, seen from four corners, as was best on three of them.",
             {**_PATCHES, **_RIDE, "patch_components": 100, "steps": 12, "ascent": 10,
              "orientations": 4},
             {**_PATCHES_SMOKE, **_RIDE_SMOKE, "patch_components": 2, "ascent": 2}),
)  # fmt: skip
