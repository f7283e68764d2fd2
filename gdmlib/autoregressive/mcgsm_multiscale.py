r"""The MCGSM from coarse to fine: a density of images that sees far with small contexts.

A context of a few pixels cannot know what is twenty pixels away. So look at the image from further
away: two by two pixels become one, their sum over two, and three differences say what is lost by
it. The four together are a rotation of the four pixels, the Haar basis:

.. math::

    \begin{pmatrix} s \\ d_1 \\ d_2 \\ d_3 \end{pmatrix} = \frac12
    \begin{pmatrix} 1&1&1&1 \\ 1&-1&1&-1 \\ 1&1&-1&-1 \\ 1&-1&-1&1 \end{pmatrix}
    \begin{pmatrix} x_{00} \\ x_{01} \\ x_{10} \\ x_{11} \end{pmatrix}

The sums s make an image of half the size, and the step is repeated on it. A rotation has
:math:`|\det| = 1`, so that the density of the image is the density of its coefficients, and the
chain rule may take those in any order. We take the coarse ones first:

.. math:: p(x) = p(s^L) \prod_{l=L}^{1} \prod_{k=1}^{3} p(d_k^l \mid s^l, d_1^l, \dots, d_{k-1}^l)

Each factor is a plane of coefficients. It is drawn in reading order by an MCGSM, whose context is a
causal neighbourhood in the plane itself, and a square window around the same place of each plane
that is already known. After L levels a neighbour is :math:`2^L` pixels away.

The idea is that of Theis, Hosseini and Bethge (2012, doi:10.1371/journal.pone.0039857); the order
of the planes and the shape of the windows are ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn

from gdmlib._checks import check_count, check_event_shape, check_events, check_tensor
from gdmlib._random import permutation
from gdmlib.autoregressive.haar import Plane, chain, check_divides, inverse_haar
from gdmlib.autoregressive.mcgsm import MCGSM
from gdmlib.autoregressive.mcgsm_images import at_most
from gdmlib.autoregressive.neighbourhood import Neighbourhood
from gdmlib.densities.density import Density
from gdmlib.nn.precision import full_precision


class MultiscaleMCGSM(Density):
    """A density of grey images: a coarse image, then the details of each finer level.

    A new model has standard normal experts; use ``fit``. There is no ``complete``: what is visited
    in order are coefficients, and a known pixel fixes none of them, but a sum over all levels.
    `refine` draws the rest where the coarse image is known.

    Args:
        levels: How often the image is halved, at least once.
        neighbourhood: The causal context in each plane; by default two rows above and two columns
            to either side.
        radius: Of the square windows into the known planes; 1 makes windows of 3 x 3.
        features: Of each `MCGSM`; a plane with a small context has as many as its context numbers.
        event_shape: Of the images that ``sample`` draws: (1, height, width).
        padding: The pixel value outside of the image, as the coarsest plane sees it; details read 0
            there.
        options: Components, scales and generator, as for `MCGSM`.

    Attributes:
        conditionals: One `MCGSM` a plane, 1 + 3 · levels of them, in the order of `chain`.
    """

    conditionals: list[MCGSM]

    def __init__(
        self,
        levels: int = 2,
        neighbourhood: Neighbourhood | None = None,
        *,
        radius: int = 1,
        features: int | None = None,
        event_shape: Sequence[int] = (1, 32, 32),
        padding: float = 0.5,
        **options: Any,
    ) -> None:
        super().__init__()
        self.levels = check_count(levels, "levels")
        self.radius = check_count(radius, "radius", least=0)
        self.event_shape = check_event_shape(event_shape, image=True, channels=1)
        check_divides(self.event_shape, self.levels, "event_shape")
        self.neighbourhood = neighbourhood or Neighbourhood.half_plane(2, 2)
        self.padding = padding
        own, window = len(self.neighbourhood), (2 * self.radius + 1) ** 2
        sizes = [own, *[own + k * window for _ in range(self.levels) for k in (1, 2, 3)]]
        models = [MCGSM(d, features=at_most(features, d), **options) for d in sizes]
        self.conditionals = nn.ModuleList(models)  # type: ignore[assignment]

    @classmethod
    def fit(
        cls,
        images: Iterable[Tensor],
        levels: int = 2,
        neighbourhood: Neighbourhood | None = None,
        *,
        n_iter: int = 200,
        n_pairs: int | None = None,
        valid: Iterable[Tensor] | None = None,
        generator: Generator | None = None,
        **options: Any,
    ) -> MultiscaleMCGSM:
        """Fit the model of each plane on its own with `MCGSM.fit`: no factor shares a parameter.

        Args:
            images: Images of shape (1, H, W), of any sizes that are multiples of 2^levels: a tensor
                of shape (N, 1, H, W), or a list.
            levels, neighbourhood, options: As for the class.
            n_iter: The most L-BFGS steps a plane.
            n_pairs: The most coefficients of a plane to learn from, at random places; all by
                default.
            valid: Images that are held out, see `MCGSM.fit`.

        Raises:
            ValueError: If a plane has too few coefficients to learn from.
        """
        images, held_out = list(images), None if valid is None else list(valid)
        model = cls(levels, neighbourhood, **options, generator=generator)
        for index in range(len(model.conditionals)):
            x, y = model.pairs(images, index, n_pairs, generator)
            if len(y) <= x.shape[1] + 1:
                raise ValueError(
                    f"images: {len(y)} coefficients of plane {index} are too few for contexts of "
                    f"{x.shape[1]} numbers; give more or larger images (crops that are shifted by "
                    "a few pixels count), fewer levels, or a smaller neighbourhood"
                )
            seen = None if held_out is None else model.pairs(held_out, index, n_pairs, generator)
            sizes = model.conditionals[index].sizes
            model.conditionals[index] = MCGSM.fit(
                x, y, **sizes, n_iter=n_iter, valid=seen, generator=generator
            )
        return model

    @full_precision
    def pairs(
        self,
        images: Iterable[Tensor],
        index: int,
        n: int | None = None,
        generator: Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return contexts, (M, D), and values, (M,), that the model of plane ``index`` learns from.

        At most n of them, spread evenly over the images, at random places.
        """
        images, parts = list(images), []
        if not images:
            raise ValueError("images: expected at least one, got none")
        n = None if n is None else check_count(n, "n_pairs")
        each = None if n is None else -(-n // len(images))
        for image in images:
            check_tensor(image, "images", shape=(1, "H", "W"), floating=True)
            check_divides(image.shape, self.levels)
            plane, known = list(chain(image[None], self.levels))[index]
            x = self._plane(index, known).contexts(plane).flatten(0, 2)
            y = plane.flatten()
            if each is not None and each < len(y):
                some = permutation(len(y), generator)[:each].to(y.device)
                x, y = x[some], y[some]
            parts.append((x, y))
        return torch.cat([x for x, _ in parts])[:n], torch.cat([y for _, y in parts])[:n]

    def check(self, x: Tensor, name: str = "images") -> Tensor:
        """Return images, (B, 1, H, W) of any size that is a multiple of 2^levels, if valid."""
        check_divides(self.support.check(x, name, (1, "H", "W"), self._like()).shape, self.levels)
        return x

    @full_precision
    def plane_log_prob(self, images: Tensor) -> list[Tensor]:
        """Return log p of each coefficient given those before it, in nats, a plane at a time.

        Shape (B, 1, H, W) -> (B, 1, h, w) each: the coarsest plane, then three for each level.
        """
        return [
            self._plane(index, known).conditional_log_prob(plane[:, None])
            for index, (plane, known) in enumerate(chain(self.check(images), self.levels))
        ]

    def conditional_log_prob(self, images: Tensor) -> Tensor:
        """Return the same as pictures, (B, 1, H, W): the coarsest plane is at the top left.

        The details of each level are to the right of what is coarser, below, and below right.
        """
        picture, *details = self.plane_log_prob(images)
        for right, below, both in zip(details[::3], details[1::3], details[2::3], strict=True):
            rows = torch.cat([picture, right], dim=3), torch.cat([below, both], dim=3)
            picture = torch.cat(rows, dim=2)
        return picture

    def _log_prob(self, x: Tensor) -> Tensor:
        return torch.stack([t.sum(dim=(1, 2, 3)) for t in self.plane_log_prob(x)]).sum(dim=0)

    def _sample(self, n: int, generator: Generator | None) -> Tensor:
        height, width = (size // 2**self.levels for size in self.event_shape[1:])
        nothing = self._like().new_zeros(n, 0, height, width)
        return self.refine(self._plane(0, nothing).sample(n, generator), generator)

    @full_precision
    @torch.no_grad()
    def refine(self, coarse: Tensor, generator: Generator | None = None) -> Tensor:
        """Draw the details of coarse images, (B, 1, h, w) -> (B, 1, h · 2^levels, w · 2^levels).

        A pixel of ``coarse`` is 2^levels times the mean of the pixels that it stands for.
        """
        check_events(coarse, "coarse", (1, "h", "w"), self._like())
        for level in range(self.levels):
            known = coarse
            for k in range(3):
                plane = self._plane(1 + 3 * level + k, known)
                known = torch.cat([known, plane.sample(len(known), generator)], dim=1)
            coarse = inverse_haar(known)
        return coarse

    def _plane(self, index: int, known: Tensor) -> Plane:
        padding = 0.0 if index else self.padding * 2**self.levels
        return Plane(self.conditionals[index], self.neighbourhood, known, self.radius, padding)
