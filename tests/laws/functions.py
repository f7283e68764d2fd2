"""Public functions that take tensors and are no method of a case: one line each.

``FUNCTIONS`` return numbers, ``CONSTRUCTORS`` models or containers, and ``FITS`` fitted models.
``COUNTS`` take a number of something, or a shape. Those of later parts are in files of their
own, joined at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gdmlib import autoregressive as ar
from gdmlib import data, densities, metrics, training
from gdmlib._random import pick
from gdmlib.autoregressive.causal_image import wavefronts
from gdmlib.autoregressive.haar import chain, haar, inverse_haar, windows
from gdmlib.densities.cholesky import cholesky, triangularise
from gdmlib.densities.discretised_logistic import logistic_bin_log_prob
from gdmlib.nn.spatial_lstm import SpatialLSTM, lstm_step, spatial_lstm_step
from gdmlib.nn.whitening import Whitening

from .builders import normal, randomise, seeded, softmax, tensor, uniform
from .calls import call, whole
from .registry import BY_NAME
from .registry_autoregressive import made
from .registry_images import CORNER, conditional, mcgsm_image, multiscale, ride
from .registry_pixelcnn import network

X, Y = uniform(3, 1, 8, 8), uniform(3, 1, 8, 8, seed=1)
SCENES = uniform(2, 1, 12, 12)
BITS = (uniform(40, 1, 2, 2) < 0.5).double()
POINTS = normal(60, 2) + torch.arange(60)[:, None] % 2
LABELS = (POINTS.sum(dim=1) + normal(60, seed=1) > 1).long()
CHOICE = torch.tensor([0, 1, 0, 1])
COVARIANCE = tensor([2, -0.9], [-0.9, 0.7])
IMAGES = uniform(8, 1, 4, 4)

of_classes = network(ar.GatedPixelCNN, 0, (1, 2, 2), 2, features=2, num_classes=2)
spatial = randomise(SpatialLSTM(2, 3, generator=seeded()), 0)
image, recurrent, pyramid = mcgsm_image((1, 8, 8)), ride((1, 8, 8)), multiscale((1, 8, 8))
of_pixel, die, bell = (BY_NAME[name].model for name in ("MCGSM", "Categorical", "Normal"))
space = BY_NAME["MultivariateNormal 3-D"].model
table = data.Dataset("table", POINTS, LABELS, attributes={"row": torch.arange(60)})


def both(parts: tuple[Tensor, ...]) -> Tensor:
    return torch.cat(list(parts), dim=-1)


FUNCTIONS = [
    call("nats", metrics.nats, normal(5)),
    call("bits_per_dim", lambda log_prob: metrics.bits_per_dim(log_prob, 3), normal(5)),
    whole("mean_and_stderr", metrics.mean_and_stderr, normal(5)),
    whole("mean_and_stderr of counts", metrics.mean_and_stderr, torch.tensor([3, 1, 0, 1])),
    call("psnr", metrics.psnr, X, Y, smooth=True),
    call("psnr of levels", lambda x, y: metrics.psnr(x, y, 9.0), (9 * X).round(), (9 * Y).round()),
    call("ssim", metrics.ssim, SCENES, SCENES.flip(-1)),
    call("ssim, uniform", lambda x, y: metrics.ssim(x, y, window=7), X, Y),
    call("ssim of levels", lambda x, y: metrics.ssim(x, y, 9.0, 7), (9 * X).round(),
         (9 * Y).round()),
    call("mode_coverage", lambda samples, modes: metrics.mode_coverage(samples, modes, 1.0), POINTS,
         POINTS[:3]),
    call("reliability_curve", metrics.reliability_curve, uniform(4), CHOICE),
    call("reliability_curve of classes", metrics.reliability_curve, softmax(4, 3), CHOICE),
    call("expected_calibration_error", metrics.expected_calibration_error, softmax(4, 3), CHOICE),
    whole("multinomial_log_prob", densities.multinomial_log_prob,
          torch.tensor([[3, 0, 1], [100, 80, 90]]), softmax(3)),
    call("logistic_bin_log_prob", lambda x, means, log_scales: logistic_bin_log_prob(
        x, means, log_scales, 4), torch.arange(4.0).double(), normal(4), normal(4, seed=1)),
    call("pick", pick, normal(4, 3), uniform(4)),
    whole("cholesky", lambda covariance: cholesky(covariance, "covariance"), COVARIANCE,
          smooth=False),
    whole("triangularise", triangularise, normal(3, 4)),
    call("Categorical.inverse_cdf", die.inverse_cdf, uniform(4), model=die),
    call("Normal.icdf", bell.icdf, uniform(4), model=bell, smooth=True),
    whole("MultivariateNormal.marginal", space.marginal, torch.tensor([2, 0]), model=space),
    whole("MultivariateNormal.conditional", lambda index, values: space.conditional(index, values),
          torch.tensor([1]), tensor(2.0), model=space),
    call("quantise", lambda x: ar.quantise(x, 4), X),
    call("haar", haar, X, smooth=True),
    call("inverse_haar", inverse_haar, normal(2, 4, 3, 3), smooth=True),
    call("chain", lambda images: list(chain(images, 2)), X),
    call("windows", lambda known: windows(known, 1), normal(2, 2, 3, 3), smooth=True),
    call("windows of no plane", lambda known: windows(known, 1), normal(2, 0, 3, 3)),
    call("Neighbourhood.contexts", CORNER.contexts, X[:, 0], smooth=True),
    call("Neighbourhood.pad", lambda images: CORNER.pad(images, 0.5), X[:, 0], smooth=True),
    call("Neighbourhood.interior", CORNER.interior, X[:, 0], smooth=True),
    call("Neighbourhood.pairs", CORNER.pairs, X),
    call("Neighbourhood.pairs, padded", lambda images: CORNER.pairs(images, 0.5), X),
    whole("lstm_step", lambda x, h, c, input_weight, hidden_weight, bias: both(
        lstm_step(x, h, c, input_weight, hidden_weight, bias)), normal(3, 2), normal(3, 2),
          normal(3, 2), normal(2, 8), normal(2, 8, seed=1), normal(8), smooth=True),
    call("spatial_lstm_step", lambda gates, c_left, c_top: both(
        spatial_lstm_step(gates, c_left, c_top)), normal(3, 10), normal(3, 2), normal(3, 2),
        smooth=True),
    call("SpatialLSTM", lambda x: spatial(x), normal(2, 3, 2, 2), model=spatial, smooth=True),
    call("SpatialLSTM.forward_loop", spatial.forward_loop, normal(2, 3, 2, 2), model=spatial,
         smooth=True),
    call("MCGSM.posterior", of_pixel.posterior, normal(4), normal(4, 3), model=of_pixel,
         smooth=True),
    call("MCGSM.whiten", of_pixel.whiten, normal(4, 3), normal(4), model=of_pixel),
    call("MCGSM.draw", of_pixel.draw, normal(4, 3), uniform(4), normal(4), model=of_pixel),
    call("MCGSMImage.interior_log_prob", image.interior_log_prob, X, model=image),
    call("MCGSMImage.sample_interior", lambda images: image.sample_interior(images, seeded()), X,
         model=image),
    call("RIDE.interior_log_prob", recurrent.interior_log_prob, X, model=recurrent),
    call("RIDE.sample_interior", lambda images: recurrent.sample_interior(images, seeded()), X,
         model=recurrent),
    call("MultiscaleMCGSM.refine", lambda coarse: pyramid.refine(coarse, seeded()), X,
         model=pyramid),
    call("GatedPixelCNN of classes.log_prob", of_classes.log_prob, BITS[:4], CHOICE,
         model=of_classes),
    call("GatedPixelCNN of classes.pixel_distribution", of_classes.pixel_distribution, BITS[:4],
         CHOICE, model=of_classes),
    call("GatedPixelCNN of classes.sample", lambda labels: of_classes.sample(
        len(labels), seeded(), labels), CHOICE, model=of_classes),
    whole("Dataset.take", lambda index: table.take(index).x, torch.tensor([3, 0, 7])),
]  # fmt: skip

CONSTRUCTORS = [
    whole("Normal", densities.Normal, tensor(0.5)[0], tensor(2.0)[0]),
    whole("MultivariateNormal", densities.MultivariateNormal, tensor(0, 1), COVARIANCE),
    whole("MultivariateNormal of scale_tril", lambda mean, scale_tril: densities.MultivariateNormal(
        mean, scale_tril=scale_tril), tensor(0, 1), tensor([1, 0], [2, 3])),
    whole("Categorical", densities.Categorical, softmax(3)),
    whole("Categorical of logits", lambda logits: densities.Categorical(logits=logits),
          softmax(3).log()),
    whole("GaussianMixture", densities.GaussianMixture, tensor(0.5, 0.5), normal(2, 2),
          COVARIANCE.repeat(2, 1, 1)),
    whole("GaussianScaleMixture", densities.GaussianScaleMixture, tensor(0.5, 0.5), tensor(1, 2),
          COVARIANCE, tensor(0, 1)),
    whole("DiscretisedLogisticMixture", densities.DiscretisedLogisticMixture, tensor(0.5, 0.5),
          tensor(1, 3), tensor(1, 2)),
    whole("ClassConditional", lambda prior: densities.ClassConditional([bell, bell], prior),
          tensor(0.5, 0.5)),
    whole("LogisticRegression", densities.LogisticRegression, tensor(1, 2), tensor(3.0)[0]),
    whole("MultinomialLogisticRegression", densities.MultinomialLogisticRegression,
          tensor([1, 2], [3, 4]), tensor(0, 1)),
    whole("BernoulliMixture", ar.BernoulliMixture, tensor(0.5, 0.5), uniform(2, 3)),
    whole("FVSBN", lambda ordering: ar.FVSBN(3, ordering=ordering), torch.tensor([2, 0, 1])),
    whole("NADE", lambda ordering: ar.NADE(3, hidden=2, ordering=ordering, generator=seeded()),
          torch.tensor([2, 0, 1])),
    whole("MADE", lambda orderings: ar.MADE(3, hidden=(2,), orderings=orderings,
                                            generator=seeded()), torch.tensor([[2, 0, 1]])),
    whole("Neighbourhood.from_mask", ar.Neighbourhood.from_mask, CORNER.mask()),
]  # fmt: skip


def estimated(x: Tensor, y: Tensor) -> Whitening:
    whitening = Whitening(x.shape[1]).double()
    whitening.estimate(x, y)
    return whitening


def started(images: Tensor) -> ar.RIDE:
    return ride((1, 4, 4)).initialise(images)


def trained(x: Tensor) -> ar.MADE:
    model = made(shape=(1, 2, 2), hidden=(3,))
    training.train(model, x, epochs=1, batch_size=20, lr=0.1, generator=seeded(), progress=False)
    return model


SIZES = {"components": 2, "scales": 2, "features": 2, "n_iter": 1}

FITS = [
    whole("Normal.fit", densities.Normal.fit, POINTS[:, 0]),
    whole("MultivariateNormal.fit", densities.MultivariateNormal.fit, POINTS),
    whole("Categorical.fit", lambda x: densities.Categorical.fit(x, num_classes=3), LABELS),
    whole("GaussianMixture.fit", lambda x: densities.GaussianMixture.fit(
        x, components=2, n_iter=3, generator=seeded()), POINTS),
    whole("GaussianMixture.fit, random start", lambda x: densities.GaussianMixture.fit(
        x, components=2, n_iter=3, init="random", generator=seeded()), POINTS),
    whole("GaussianScaleMixture.fit", lambda x: densities.GaussianScaleMixture.fit(
        x, scales=2, n_iter=3, ridge=1e-3), POINTS),
    whole("ClassConditional.fit", densities.ClassConditional.fit, POINTS, LABELS),
    whole("LogisticRegression.fit", densities.LogisticRegression.fit, POINTS, LABELS),
    whole("LogisticRegression.fit, penalised", lambda x, y: densities.LogisticRegression.fit(
        x, y, l2=1.0), POINTS, LABELS),
    whole("MultinomialLogisticRegression.fit", densities.MultinomialLogisticRegression.fit, POINTS,
          LABELS),
    whole("BernoulliMixture.fit", lambda x: ar.BernoulliMixture.fit(
        x, components=2, n_iter=3, generator=seeded()), BITS),
    whole("BernoulliMixture.fit, validated", lambda x, valid: ar.BernoulliMixture.fit(
        x, components=2, n_iter=3, valid=valid, generator=seeded()), BITS, BITS[:9]),
    whole("FVSBN.fit", lambda x: ar.FVSBN.fit(x, 1.0, n_iter=5), BITS),
    whole("FVSBN.fit, validated", lambda x, valid, relative: ar.FVSBN.fit(
        x, [1.0, 0.1], valid=valid, relative=relative, n_iter=5), BITS, BITS[:9],
          torch.ones(4, 4).double()),
    whole("MCGSM.fit", lambda x, y: ar.MCGSM.fit(x, y, **SIZES, generator=seeded()), POINTS,
          normal(60, seed=2)),
    whole("MCGSM.start", lambda x, y: ar.MCGSM.start(
        x, y, components=2, scales=2, features=2, generator=seeded()), POINTS, normal(60, seed=2)),
    whole("MCGSMPatch.fit", lambda x: ar.MCGSMPatch.fit(x, **SIZES, generator=seeded()), POINTS),
    whole("MultiscaleMCGSM.fit", lambda images: ar.MultiscaleMCGSM.fit(
        images, 1, CORNER, radius=0, **SIZES, event_shape=(1, 4, 4), generator=seeded()), IMAGES),
    whole("Whitening.estimate", estimated, POINTS, normal(60, seed=2)),
    whole("RIDE.initialise", started, IMAGES),
]  # fmt: skip

TRAINED = whole("training.fit", trained, BITS)


def small(kind: Any, **options: Any) -> Any:
    sizes = {"levels": 2, "features": 2, "layers": 1, "kernel_size": 3, "first_kernel": 3}
    return kind(**{"event_shape": (1, 2, 2)} | sizes | options, generator=seeded())


def grid(kind: Any, **options: Any) -> Any:
    return kind(**options, event_shape=(1, 4, 4), generator=seeded())


COUNTS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "sample": (lambda n: bell.sample(n, seeded()), 3),
    "bits_per_dim": (lambda num_dims: metrics.bits_per_dim(normal(5), num_dims), 200),
    "ssim": (lambda window: metrics.ssim(X, Y, window=window), 3),
    "mode_coverage": (lambda min_count: metrics.mode_coverage(
        POINTS, POINTS[:3], 1.0, min_count), 2),
    "reliability_curve": (lambda bins: metrics.reliability_curve(uniform(4), CHOICE, bins), 5),
    "toy": (lambda n: data.toy("two_moons", n, seeded()), 5),
    "fit, epochs": (lambda epochs: training.fit(
        lambda batch: {"loss": 0.0}, BITS, epochs=epochs, progress=False).epoch, 2),
    "fit, batch_size": (lambda batch_size: training.fit(
        lambda batch: {"loss": float(len(batch))}, BITS, epochs=1, batch_size=batch_size,
        progress=False).metrics, 9),
    "Categorical.fit": (lambda num_classes: densities.Categorical.fit(
        LABELS, num_classes=num_classes), 200),
    "GaussianMixture.fit": (lambda components: densities.GaussianMixture.fit(
        POINTS, components=components, generator=seeded(), n_iter=2), 2),
    "GaussianScaleMixture.fit": (lambda scales: densities.GaussianScaleMixture.fit(
        POINTS, scales=scales, n_iter=2), 2),
    "DiscretisedLogisticMixture": (lambda levels: densities.DiscretisedLogisticMixture(
        tensor(0.5, 0.5), tensor(1, 3), tensor(1, 2), levels=levels).sample(50, seeded()), 200),
    "BernoulliMixture.fit": (lambda components: ar.BernoulliMixture.fit(
        BITS, components=components, generator=seeded(), n_iter=2), 2),
    "FVSBN": (lambda event_shape: ar.FVSBN(event_shape), (1, 2, 2)),
    "FVSBN.fit, n_iter": (lambda n_iter: ar.FVSBN.fit(BITS, 1.0, n_iter=n_iter), 3),
    "FVSBN.fit, chunk": (lambda chunk: ar.FVSBN.fit(BITS, 1.0, chunk=chunk), 2),
    "scores": (lambda batch_size: training.scores(bell, POINTS[:, 0], batch_size), 2),
    "FVSBN, ordering": (lambda ordering: ar.FVSBN(3, ordering=ordering), (2, 0, 1)),
    "FVSBN of d pixels": (lambda event_shape: ar.FVSBN(event_shape), 5),
    "NADE": (lambda hidden: ar.NADE(3, hidden=hidden, generator=seeded()), 2),
    "MADE": (lambda hidden: ar.MADE(3, hidden=hidden, generator=seeded()), (3, 2)),
    "MADE, orderings": (lambda orderings: ar.MADE(
        3, hidden=(2,), orderings=orderings, generator=seeded()), 2),
    "quantise": (lambda levels: ar.quantise(X, levels), 200),
    "PixelCNN": (lambda event_shape: small(ar.PixelCNN, event_shape=event_shape), (1, 3, 2)),
    "PixelCNN, levels": (lambda levels: small(ar.PixelCNN, levels=levels), 4),
    "GatedPixelCNN, features": (lambda features: small(ar.GatedPixelCNN, features=features), 4),
    "GatedPixelCNN, layers": (lambda layers: small(ar.GatedPixelCNN, layers=layers), 2),
    "GatedPixelCNN, kernel_size": (lambda kernel_size: small(
        ar.GatedPixelCNN, kernel_size=kernel_size), 3),
    "GatedPixelCNN, components": (lambda components: small(
        ar.GatedPixelCNN, components=components, levels=4), 2),
    "GatedPixelCNN, num_classes": (lambda num_classes: small(
        ar.GatedPixelCNN, num_classes=num_classes), 2),
    "RowLSTM, features": (lambda features: small(ar.RowLSTM, features=features), 4),
    "Neighbourhood.half_plane": (lambda rows: ar.Neighbourhood.half_plane(rows, 2), 1),
    "wavefronts": (lambda height: list(wavefronts(height, 4, 2)), 3),
    "distances": (lambda event_shape: ar.distances(event_shape), (1, 2, 3)),
    "past": (lambda event_shape: ar.past(event_shape, (1, 1)), (1, 3, 3)),
    "past, pixel": (lambda pixel: ar.past((1, 3, 3), pixel), (1, 1)),
    "dependence_map": (lambda images: ar.dependence_map(
        small(ar.PixelCNN), (1, 1), images=images, generator=seeded()), 2),
    "MCGSM": (lambda components: ar.MCGSM(
        3, components=components, scales=2, features=2, generator=seeded()), 3),
    "MCGSM, dim_context": (lambda dim_context: ar.MCGSM(
        dim_context, components=2, scales=2, features=2, generator=seeded()), 3),
    "RIDE": (lambda units: grid(ar.RIDE, neighbourhood=CORNER, units=units), 3),
    "RIDE, layers": (lambda layers: grid(ar.RIDE, neighbourhood=CORNER, units=2, layers=layers), 2),
    "MCGSMImage": (lambda event_shape: ar.MCGSMImage(conditional(4), CORNER, event_shape).sample(
        1, seeded()), (1, 3, 4)),
    "MultiscaleMCGSM": (lambda levels: grid(
        ar.MultiscaleMCGSM, levels=levels, neighbourhood=CORNER, components=2, scales=2), 1),
    "MultiscaleMCGSM, radius": (lambda radius: grid(ar.MultiscaleMCGSM, levels=1, radius=radius,
        neighbourhood=CORNER, components=2, scales=2), 1),
    "SpatialLSTM": (lambda units: SpatialLSTM(2, units, generator=seeded()), 3),
}  # fmt: skip

#: The files of later parts, one a family.
FAMILIES = tuple(
    import_module(f".{path.stem}", __package__)
    for path in sorted(Path(__file__).parent.glob("functions_*.py"))
)

#: What draws from a generator: called with ``generator=``.
CHANCE: dict[str, Callable[..., Any]] = {}

for family in FAMILIES:
    FUNCTIONS += family.FUNCTIONS
    CONSTRUCTORS += getattr(family, "CONSTRUCTORS", [])
    FITS += getattr(family, "FITS", [])
    COUNTS |= family.COUNTS
    CHANCE |= getattr(family, "CHANCE", {})
