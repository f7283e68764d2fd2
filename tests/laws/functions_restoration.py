"""Pictures mended: their lines of ``functions.py``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gdmlib import restoration

from .builders import normal, randomise, seeded, uniform
from .calls import call, whole

GREY, COLOUR, OTHER = uniform(2, 1, 8, 8), uniform(2, 3, 8, 8, seed=1), uniform(2, 3, 8, 8, seed=2)
ALPHA = (2 * uniform(2, 1, 8, 8, seed=3) - 0.5).clamp(0, 1)
REGIONS = (2 * uniform(2, 1, 8, 8, seed=4)).round() / 2
KNOWN = uniform(2, 1, 8, 8, seed=5) < 0.3
FLOW, FLOWS, CODES = normal(2, 2, 8, 8), normal(2, 4, 8, 8, seed=1), normal(2, 2, 2, 2)


def vae(**sizes: Any) -> restoration.PictureVAE:
    return restoration.PictureVAE(
        **{"channels": 3, "code": 2, "features": 3} | sizes, generator=seeded()
    )


def restorer(**sizes: Any) -> restoration.Restorer:
    return restoration.Restorer(
        **{"code": 2, "features": 3, "blocks": 1} | sizes, generator=seeded()
    )


coder, mender = randomise(vae(), 0), randomise(restorer(), 0)
between = randomise(restoration.FrameBetween(features=2, generator=seeded()), 0)
matter = randomise(restoration.MattingNet(features=2, generator=seeded()), 0)
net = randomise(restoration.SmallUNet(2, 1, features=2, generator=seeded()), 0)

FUNCTIONS = [
    call("age", lambda x: restoration.age(x, seeded()), GREY, single=False),
    call("imitate", lambda x: restoration.imitate(x, seeded()), GREY, single=False),
    call("warp", restoration.warp, COLOUR, FLOW),
    call("optical_flow", lambda first, second: restoration.optical_flow(first, second, radius=2),
         COLOUR, OTHER),
    call("flows_from", lambda forward, backward: restoration.flows_from(0.3, forward, backward)[0],
         FLOW, FLOWS[:, :2], smooth=True),
    call("FrameBetween", lambda first, second, flows: between(first, second, flows), COLOUR, OTHER,
         FLOWS, model=between),
    call("FrameBetween.score", between.score, COLOUR, OTHER, FLOWS, COLOUR.flip(0), model=between),
    call("composite", restoration.composite, ALPHA, COLOUR, OTHER),
    call("solve_alpha", restoration.solve_alpha, COLOUR.flip(0), COLOUR, OTHER),
    call("trimap", lambda alpha: restoration.trimap(alpha, 1), ALPHA),
    call("spread_colours", restoration.spread_colours, COLOUR, KNOWN),
    call("estimate_colours", restoration.estimate_colours, COLOUR, REGIONS),
    call("MattingNet", lambda image, regions: matter(image, regions), COLOUR, REGIONS,
         model=matter),
    call("MattingNet.score", matter.score, COLOUR, REGIONS, ALPHA, model=matter),
    call("matting_errors", lambda made, alpha: restoration.matting_errors(made, alpha)["gradient"],
         ALPHA, GREY),
    call("PictureVAE.encode", lambda x: coder.encode(x)[0], COLOUR, model=coder),
    call("PictureVAE.decode", coder.decode, CODES, model=coder),
    call("PictureVAE.misfit", coder.misfit, COLOUR, CODES, model=coder),
    call("PictureVAE.loss", lambda x: coder.loss(x, seeded()), COLOUR, model=coder, single=False),
    call("Restorer", lambda x: mender(x), COLOUR, model=mender),
    call("Restorer.score", mender.score, COLOUR, GREY, model=mender),
    whole("Restorer.mapping_loss", mender.mapping_loss, COLOUR, GREY, model=mender),
    call("SmallUNet", lambda x: net(x), COLOUR[:, :2], model=net),
]  # fmt: skip

COUNTS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "optical_flow, radius": (lambda radius: restoration.optical_flow(COLOUR, OTHER, radius), 2),
    "trimap, width": (lambda width: restoration.trimap(ALPHA, width), 2),
    "soft_shapes": (lambda n: restoration.soft_shapes(n, 8, hairs=3, generator=seeded()), 2),
    "soft_shapes, size": (lambda size: restoration.soft_shapes(
        1, size, hairs=3, generator=seeded()), 9),
    "moving_scenes": (lambda n: restoration.moving_scenes(
        [uniform(3, 20, 20)], n, 8, generator=seeded()), 2),
    "FrameBetween": (lambda features: restoration.FrameBetween(
        features=features, generator=seeded()), 2),
    "MattingNet": (lambda features: restoration.MattingNet(
        features=features, generator=seeded()), 2),
    "SmallUNet": (lambda inputs: restoration.SmallUNet(
        inputs, 1, features=2, generator=seeded()), 2),
    "SmallUNet, outputs": (lambda outputs: restoration.SmallUNet(
        1, outputs, features=2, generator=seeded()), 2),
    "PictureVAE": (lambda channels: vae(channels=channels), 2),
    "PictureVAE, code": (lambda code: vae(code=code), 2),
    "Restorer, features": (lambda features: restorer(features=features), 2),
    "Restorer, blocks": (lambda blocks: restorer(blocks=blocks), 2),
}  # fmt: skip

CHANCE: dict[str, Callable[..., Any]] = {
    "age": lambda generator: restoration.age(GREY, generator),
    "imitate": lambda generator: restoration.imitate(GREY, generator),
    "soft_shapes": lambda generator: restoration.soft_shapes(1, 8, generator=generator),
    "moving_scenes": lambda generator: restoration.moving_scenes(
        [uniform(3, 20, 20)], 1, 8, generator=generator
    ),
    "PictureVAE": lambda generator: restoration.PictureVAE(1, code=2, generator=generator),
    "PictureVAE.sample_code": lambda generator: coder.sample_code(COLOUR, generator),
    "Restorer": lambda generator: restoration.Restorer(code=2, generator=generator),
}
