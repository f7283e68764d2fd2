"""Inverse problems beside others: ``python -m benchmarks.inverse`` writes ``inverse.json``.

- The picture of least total variation with the measurements of a single-pixel camera, 30 % of the
  pixels, beside deepinv (`benchmarks.deepinv_peer`): the same camera, measurements and start. Each
  picture that is found is checked: it is at most 0.1 dB from the other's.
- The gradient of a RIDE by a whole picture, by diagonals, beside the plain double loop over pixels
  with the same weights; the two gradients are checked to be equal.
- With ``--quality`` nothing is timed; what answers are worth is judged (`benchmarks.restored`).
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cache, partial

import torch
from skimage import data as photographs
from torch import Tensor

from benchmarks import apart, deepinv_peer, record, restored
from benchmarks.cases import num_parameters
from benchmarks.timing import Case, Work
from gdmlib.autoregressive import RIDE, Neighbourhood
from gdmlib.inverse import CausalPrior, Matrix, Scrambled, gradient, single_pixel, total_variation
from gdmlib.metrics import psnr
from gdmlib.nn.spatial_lstm import SpatialLSTM

RESULTS = record.FOLDER / "inverse.json"
RATE, SIZE, SIDE = 0.3, 64, 160
DECIBELS = 0.1  # by how much two pictures of least variation may differ


def picture(size: int) -> Tensor:
    """Return a square of scikit-image's cameraman, shape (1, size, size), in [0, 1]."""
    rows, columns = slice(96, 96 + size), slice(208, 208 + size)
    return torch.tensor(photographs.camera()[rows, columns] / 255).float()[None]


@cache
def camera(size: int) -> Matrix | Scrambled:
    """Return the camera of both sides."""
    generator = torch.Generator().manual_seed(0)
    return single_pixel((1, size, size), rate=RATE, generator=generator)


@cache
def least(size: int) -> float:
    """Return the decibels of the picture of least variation, solved much further than is timed."""
    x, operator = picture(size)[None], camera(size)
    found = total_variation(operator, operator(x), steps=3_000, tolerance=1e-4)
    return float(psnr(found.image, x))


def check_restored(image: Tensor, size: int) -> None:
    """Raise a ValueError if a picture is not that of least variation."""
    found = float(psnr(image, picture(size)[None]))
    if not abs(found - least(size)) <= DECIBELS:
        raise ValueError(f"expected {least(size):.2f} dB within {DECIBELS}, got {found:.2f}")


def our_variation(size: int) -> Work:
    """Return the library's search, to a gap of a thousandth."""
    operator = camera(size)
    y = operator(picture(size)[None])
    run = partial(total_variation, operator, y, tolerance=1e-3)
    return Work(lambda: run().image, 0, partial(check_restored, size=size))


def their_variation(size: int) -> Work:
    """Return the peer's search."""
    operator = camera(size)
    run = deepinv_peer.total_variation(operator, operator(picture(size)[None]))
    return Work(run, 0, partial(check_restored, size=size))


class LoopRIDE(RIDE):
    """The same density, pixel by pixel, as its formulas stand in the paper."""

    def _map(self, contexts: Tensor, pixels: Tensor) -> Tensor:
        white = self.whitening.context(contexts)
        residual = self.whitening.output(pixels, white)
        _, height, width = residual.shape
        hidden = white
        for layer in self.layers:
            assert isinstance(layer, SpatialLSTM)
            hidden = layer.forward_loop(hidden)
        if self.head_sees_context:
            hidden = torch.cat([hidden, white], dim=3)
        found = [
            self.head.white_log_prob(residual[:, i, j], hidden[:, i, j])
            for i in range(height)
            for j in range(width)
        ]
        return torch.stack(found, dim=1).view_as(residual) + self.whitening.log_det()


def ride(kind: type[RIDE]) -> RIDE:
    """Return a RIDE of the size of the records, with seeded weights."""
    return kind(
        Neighbourhood.half_plane(rows=4, columns=4),
        units=32,
        cell="stable",
        components=16,
        scales=4,
        features=40,
        head_sees_context=True,
        generator=torch.Generator().manual_seed(0),
    )


@cache
def expected(size: int) -> Tensor:
    """Return the gradient by diagonals."""
    return gradient(CausalPrior(ride(RIDE)), picture(size)[None])


def check_gradient(found: Tensor, size: int) -> None:
    """Raise a ValueError if a gradient differs from that by diagonals."""
    gap = float((found - expected(size)).norm() / expected(size).norm())
    if not gap < 1e-3:
        raise ValueError(f"expected equal gradients, they differ by {gap:.2g} of their length")


def gradient_work(size: int, kind: type[RIDE]) -> Work:
    """Return the gradient of log p by one picture."""
    model, x = ride(kind), picture(size)[None]
    run = partial(gradient, CausalPrior(model), x)
    return Work(run, num_parameters(model), partial(check_gradient, size=size))


def loop_work(size: int) -> Work:
    """Return the gradient by the double loop; a small picture tells how long it will take."""
    work, small = gradient_work(size, LoopRIDE), gradient_work(10, LoopRIDE)
    return replace(work, trial=replace(small, share=(10 / size) ** 2))


CASES = (
    Case(
        "total_variation",
        f"least total variation, {RATE:.0%} of the measurements",
        our_variation,
        their_variation,
        other=deepinv_peer.NAME,
        goal=2,
        size=SIZE,
        growth=(32, 48, 64),
    ),
    Case(
        "ride_gradient",
        "gradient of RIDE by a picture",
        lambda size: gradient_work(size, RIDE),
        loop_work,
        other="double loop",
        goal=10,
        size=SIDE,
        growth=(40, 80, 160),
    ),
)


def main(arguments: list[str] | None = None) -> int:
    """Time, or judge, and write; return 1 if anything failed."""
    parser = apart.parser(__doc__, RESULTS)
    parser.add_argument("--quality", action="store_true", help="judge answers, time nothing")
    options = parser.parse_args(arguments)
    apart.check_installed(parser, deepinv_peer.NAME, deepinv_peer.NAME)
    if options.quality:
        apart.check_installed(parser, "BM3D", "bm3d")
        torch.set_num_threads(1)
        found = restored.judge(picture(SIZE), RATE) | {
            "date": record.today(),
            "versions": apart.versions(deepinv_peer.NAME) | apart.versions("bm3d"),
        }
        apart.write(options.output, apart.read(options.output) | {"quality": found})
        return 0
    return apart.run(parser, options, CASES, deepinv_peer.NAME)


if __name__ == "__main__":
    sys.exit(main())
