"""What `gdmlib.inverse` offers, and arguments that it takes: the table of `refusals.py`."""

from __future__ import annotations

from inspect import signature

from gdmlib import inverse
from gdmlib.latent import Diffusion, cosine_schedule
from gdmlib.nn.timed import TimedMLP

from . import functions_inverse_classical as classical
from . import functions_inverse_denoise as denoise
from . import functions_inverse_solve as solve
from .builders import normal, randomise, seeded, uniform
from .priors import pixelcnn
from .refusals import BATCHES, Asked, asked
from .registry_images import mcgsm_image

SHAPE, PICTURES, SEEN = solve.SHAPE, solve.PICTURES, solve.SEEN
camera, blur, mask = solve.camera, classical.blur, inverse.Masking(normal(4, 4) > 0)
schedule = cosine_schedule(6)
walker = randomise(Diffusion(TimedMLP(16, hidden=(3,), generator=seeded()), 16, schedule), 0).eval()
causal = inverse.CausalPrior(mcgsm_image())
exact, patches = classical.posterior, solve.patches

Y, X = {"y": BATCHES}, {"x": BATCHES}
BOTH = dict.fromkeys("xy", (*BATCHES, "one example alone"))
SIZES = ("a column more", "a column less")
LAST = ("a dimension more at its end",)
HALF = ("float16",)
"""Is taken where no model says what dtype there must be, and nothing is solved for."""
MEAN = {"mean": ("a number", "a single number", *HALF)}
NOISY = (*BATCHES, *SIZES)
LEVEL = ("a number", "a single number", "without its batch", *HALF)
STEPS = {"steps": 2, "lr": 0.01}
RANGE = {"low": -1.0, "high": 1.0}
LOW = {"low": ("a negative number",)}

OPERATORS = [
    asked("Operator.forward", camera.forward, X, x=PICTURES),
    asked("Operator.forward, of a blur", blur.forward, X, x=PICTURES),
    asked("Operator.forward, of a mask", mask.forward, {"x": (*BATCHES, *HALF)}, x=PICTURES),
    asked("Operator.adjoint", camera.adjoint, Y, y=SEEN),
    asked("Operator.gram", camera.gram, Y, y=SEEN),
    asked("Operator.solve_gram", camera.solve_gram, Y, y=SEEN, ridge=0.1),
    asked("Operator.pseudo_inverse", camera.pseudo_inverse, Y, y=SEEN),
    asked("Operator.project", camera.project, BOTH, x=PICTURES, y=SEEN),
    asked("Operator.proximal", camera.proximal, BOTH, x=PICTURES, y=SEEN, weight=2.0),
    asked("Operator.check_events", camera.check_events, X, x=PICTURES),
    asked("Operator.check_measurements", camera.check_measurements, Y, y=SEEN),
    asked("Operator.measure", camera.measure, X, x=PICTURES, noise=0.0),
    asked("Matrix", inverse.Matrix, {"a": SIZES}, a=normal(3, 5)),
    asked("Matrix, of pictures", inverse.Matrix, a=normal(3, 16), event_shape=SHAPE),
    asked("orthonormal_rows", inverse.orthonormal_rows, {"a": SIZES}, a=normal(3, 5)),
    asked("Masking", inverse.Masking, {"mask": (*SIZES, *LAST, "in two batches")},
          mask=normal(4, 3) > 0, channels=2),
    asked("Masking.random", inverse.Masking.random, event_shape=SHAPE, missing=0.4),
    asked("Separable", inverse.Separable, event_shape=SHAPE, left=normal(3, 4), right=normal(2, 4)),
    asked("FlatCam", inverse.FlatCam, event_shape=SHAPE, left=normal(3, 4), right=normal(2, 4)),
    asked("Blur", inverse.Blur, event_shape=SHAPE, kernel=normal(3, 3)),
    asked("Blur.gaussian", inverse.Blur.gaussian, event_shape=SHAPE, sigma=0.8),
    asked("Grey", inverse.Grey, event_shape=(3, 4, 4), weights=(0.3, 0.5, 0.2)),
    asked("Downsampling", inverse.Downsampling, event_shape=SHAPE, factor=2, method="bicubic"),
    asked("LiSens", inverse.LiSens, event_shape=SHAPE, measurements=2),
    asked("single_pixel", inverse.single_pixel, event_shape=SHAPE, rate=0.5, rows="gaussian"),
    asked("single_pixel, as many", inverse.single_pixel, event_shape=SHAPE, measurements=4),
]  # fmt: skip

CLASSICAL = [
    asked("least_squares", inverse.least_squares, Y, operator=camera, y=SEEN),
    asked("ridge", inverse.ridge, Y | MEAN, operator=camera, y=SEEN, noise=0.1, spread=1.0,
          mean=PICTURES[0]),
    asked("power_spectrum", inverse.power_spectrum, {"pictures": SIZES}, pictures=PICTURES),
    asked("wiener", inverse.wiener, Y | MEAN, operator=blur, y=blur(PICTURES), noise=0.1,
          power=uniform(4, 3), mean=PICTURES[0]),
    asked("variation", inverse.variation, {"x": (*NOISY, *HALF, *LAST)}, x=PICTURES),
    asked("total_variation", inverse.total_variation, Y, operator=camera, y=SEEN, steps=2,
          tolerance=1e-3, ratio=20.0, every=1),
    asked("total_variation, noisy", inverse.total_variation, Y, operator=camera, y=SEEN, steps=2,
          weight=0.1),
    asked("wavelets", inverse.wavelets, {"x": (*BATCHES, *HALF)}, x=PICTURES, levels=1,
          kind="haar"),
    asked("shrink_wavelets", inverse.shrink_wavelets, {"x": (*BATCHES, *HALF)}, x=PICTURES,
          threshold=0.1, levels=1, kind="haar", shifts=2),
    asked("sparse_wavelets", inverse.sparse_wavelets, Y, operator=camera, y=SEEN, weight=0.01,
          levels=1, kind="haar", steps=2, tolerance=0.0),
    asked("GaussianPosterior", inverse.GaussianPosterior, mean=exact.prior_mean,
          covariance=classical.root @ classical.root.mT, operator=camera, noise=0.1),
    asked("GaussianPosterior.mean", exact.mean, Y, y=SEEN),
    asked("GaussianPosterior.sample", exact.sample, Y, y=SEEN, n=2),
    asked("GaussianPosterior.log_prob", exact.log_prob, BOTH, x=PICTURES, y=SEEN),
    asked("mixture_posterior", inverse.mixture_posterior, mixture=solve.mixture(d=16),
          operator=camera, y=SEEN[0], noise=0.1),
]  # fmt: skip

PRIORS = [
    asked("gradient", inverse.gradient, {"x": SIZES}, prior=patches, x=PICTURES),
    asked("PatchPrior", inverse.PatchPrior, density=solve.mixture(), stride=1, levels=256),
    asked("PatchPrior.patches", patches.patches, {"x": (*SIZES, *HALF)}, x=PICTURES),
    asked("PatchPrior.log_prob", patches.log_prob, {"x": SIZES}, x=PICTURES),
    asked("CausalPrior", inverse.CausalPrior, model=mcgsm_image(), orientations=1, block=3),
    asked("CausalPrior.log_prob", causal.log_prob, {"x": SIZES}, x=PICTURES),
    asked("PixelPrior", inverse.PixelPrior, model=pixelcnn()),
    asked("PixelPrior.log_prob", inverse.PixelPrior(pixelcnn()).log_prob, x=PICTURES[..., :3, :3]),
    asked("BoundPrior", inverse.BoundPrior, {"seed": LOW["low"]}, model=solve.code, k=1, seed=0),
    asked("BoundPrior.log_prob", inverse.BoundPrior(solve.code).log_prob, x=PICTURES),
    asked("ScorePrior", inverse.ScorePrior, LOW, model=walker, t=2, **RANGE),
    asked("ScorePrior.gradient", inverse.ScorePrior(walker, 2).gradient, x=PICTURES.flatten(1)),
    asked("PixelPrior.log_prob, any size", inverse.PixelPrior(pixelcnn(), any_size=True).log_prob,
          {"x": SIZES}, x=PICTURES),
    asked("DenoiserDiffusion", inverse.DenoiserDiffusion, network=solve.network,
          event_shape=SHAPE, schedule=schedule),
    asked("DenoiserDiffusion.denoise", solve.walker.denoise, x=2 * PICTURES - 1, t=2),
    asked("FlowDenoiser", inverse.FlowDenoiser, flow=solve.flow.flow, schedule=schedule),
    asked("FlowDenoiser.denoise", solve.flow.denoise, x=solve.EVENTS, t=2),
]  # fmt: skip

SOLVERS = [
    asked("map_by_projection", inverse.map_by_projection, Y, operator=camera, y=SEEN, prior=patches,
          momentum=0.9, growth=1.1, **STEPS),
    asked("proximal_map", inverse.proximal_map, Y, operator=camera, y=SEEN, prior=patches,
          noise=0.1, **STEPS),
    asked("langevin", inverse.langevin, Y, operator=camera, y=SEEN, prior=patches, n=2, noise=0.1,
          **STEPS),
    asked("latent_inversion", inverse.latent_inversion, Y | LOW, operator=camera, y=SEEN,
          model=solve.code, noise=0.1, starts=1, prior=1.0, **STEPS, **RANGE),
    asked("posterior_sample", inverse.posterior_sample, Y | LOW, model=walker, operator=camera,
          y=SEEN, n=2, noise=0.1, method="pigdm", steps=2, scale=1.0, eta=1.0, **RANGE),
    asked("epll", inverse.epll, Y, operator=camera, y=SEEN, mixture=solve.mixture(), noise=0.1,
          steps=2),
    asked("epll, at levels", inverse.epll, Y, operator=camera, y=SEEN, mixture=solve.denoiser,
          sigmas=(0.2, 0.1)),
    asked("plug_and_play", inverse.plug_and_play, Y, operator=camera, y=SEEN, denoiser=denoise.told,
          noise=0.1, steps=2, sigmas=(0.2, 0.1), strength=1.0, keep=1),
    asked("message_passing", inverse.message_passing, Y, operator=camera, y=SEEN,
          denoiser=denoise.told, noise=0.1, steps=2, keep=1),
]  # fmt: skip
FROM_A_START = [
    Asked(f"{line}, from a start", line.function, line.arguments | {"start": PICTURES})
    for line in [*SOLVERS, *CLASSICAL]
    if "start" in signature(line.function).parameters
]
"""There must be one for each measurement, so that batches are no longer as one likes."""

DENOISERS = [
    asked("ConvDenoiser.denoise", denoise.told.denoise, {"y": NOISY}, y=PICTURES, sigma=0.1),
    asked("ConvDenoiser.score_function", denoise.told.score_function, {"y": NOISY}, y=PICTURES,
          sigma=0.1),
    asked("SelfEnsemble.denoise", denoise.eight.denoise, {"y": NOISY}, y=PICTURES, sigma=0.1),
    asked("MLPDenoiser.denoise", denoise.plain.denoise, {"y": NOISY}, y=PICTURES, sigma=0.1,
          stride=2),
    asked("PatchDenoiser.denoise", solve.denoiser.denoise, {"x": NOISY}, x=PICTURES, sigma=0.1),
    asked("DictionaryDenoiser.denoise", denoise.atoms.denoise, {"y": NOISY}, y=PICTURES, sigma=0.1),
    asked("BM3D.denoise", denoise.halves.denoise, {"y": (*NOISY, *HALF, *LAST)}, y=PICTURES,
          sigma=0.1),
]  # fmt: skip
AT_LEVELS = [
    Asked(
        f"{line}, a level each",
        line.function,
        line.arguments | {"sigma": 0.1 + uniform(3)},
        {
            name: tuple(kind for kind in kinds if kind not in BATCHES + LAST)
            for name, kinds in line.takes.items()
        }
        | {"sigma": LEVEL},
    )
    for line in DENOISERS
]
MADE = [
    asked("ConvDenoiser", denoise.conv, {"features": ("a list",)}, channels=1, features=2, blocks=1,
          largest=0.3),
    asked("ConvDenoiser.loss", denoise.told.loss, {"x": SIZES}, x=PICTURES),
    asked("ConvDenoiser.score", denoise.told.score, {"x": SIZES}, x=PICTURES),
    asked("MLPDenoiser", inverse.MLPDenoiser, {"hidden": ("a list",)}, sigma=0.1, seen=3, made=1,
          hidden=2),
    asked("MLPDenoiser.loss", denoise.plain.loss, x=denoise.PATCHES),
    asked("MLPDenoiser.score", denoise.plain.score, x=denoise.PATCHES),
    asked("SelfEnsemble", inverse.SelfEnsemble, denoiser=denoise.told),
    asked("PatchDenoiser", inverse.PatchDenoiser, mixture=solve.mixture()),
    asked("PatchDenoiser.patches", solve.denoiser.patches, x=normal(5, 4), sigma=0.1),
    asked("fit_patch_mixture", inverse.fit_patch_mixture, {"x": SIZES}, x=normal(60, 4),
          components=2, n_iter=1, brightness=0.3, ridge=1e-6),
    asked("DictionaryDenoiser", inverse.DictionaryDenoiser, {"atoms": HALF}, atoms=denoise.ATOMS,
          stride=1),
    asked("fit_dictionary", inverse.fit_dictionary,
          {"patches": (*SIZES, *HALF, *LAST, "in two batches")}, patches=normal(60, 4), atoms=2,
          alpha=1.0, passes=1),
    asked("BM3D", denoise.Halves, stages=2),
]  # fmt: skip

CALLS: list[Asked] = [
    *OPERATORS, *CLASSICAL, *PRIORS, *SOLVERS, *FROM_A_START, *DENOISERS, *AT_LEVELS, *MADE,
]  # fmt: skip
WITHOUT = (
    *(f"{kind}.{turn}" for kind in ("Operator", "Matrix", "Separable", "Blur")
      for turn in ("rotate", "rotate_back")),
    "ConvDenoiser.forward", "MLPDenoiser.forward", "Prior.log_prob",
)  # fmt: skip
"""What operators and networks do within, after their arguments were checked, and what is none."""
