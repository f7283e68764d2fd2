r"""An MCGSM in whole numbers: the same on every machine, to the last bit.

Sender and receiver must compute equal probabilities. Floating point does not promise it: a sum of
products depends on the order in which a processor adds, another batch, another number of threads
or another machine takes another order, and one wrong last digit moves the end of one interval,
which makes garbage of the rest of the picture. Whole numbers have no such digits. So everything is
scaled and rounded once, when the model is made:

- contexts are whole sixteenths of a level, and weights whole multiples of 2^-28. Their products and
  sums stay below 2^53, where float64 is exact in whatever order it adds, so that a fast matrix
  product may be used;
- :math:`2^{-t}` and :math:`\Phi(z)` are read from tables of whole numbers.
"""

from __future__ import annotations

import copy
import math

import numpy as np
import torch
from torch import Tensor, nn

from gdmlib._checks import check_count, check_kind
from gdmlib.autoregressive.mcgsm import MCGSM
from gdmlib.compression.container import fingerprint

LEVELS = 256
SIXTEENTHS = 16
"""Contexts are in sixteenths of a level."""
SLOT_BITS = 18
"""The levels of a pixel share 2^18 slots."""

_WEIGHT = 28  # weights are multiples of 2^-28, ...
_FINE = 12  # ... and what comes out, of 2^-12
_STEPS = 256  # entries of the table of 2^-t for each halving
_CUT = 16  # components that are 2^16 times less probable than the best one count for nothing
_PHI = 20  # of the values of the table of the normal cdf
_Z = 11  # its arguments are multiples of 2^-11, between -8 and 8
_SPREAD = 16  # inverse standard deviations are multiples of 2^-16

_HALVINGS = np.rint(2.0**16 * 2.0 ** -(np.arange(_CUT * _STEPS + 1) / _STEPS)).astype(np.int64)
_OCTAVES = np.rint(2.0**16 * 2.0 ** (np.arange(-128, 128) / 32)).astype(np.int64)
_NORMAL = np.array(
    [
        round(2**_PHI * 0.5 * math.erfc(-k / 2**_Z / math.sqrt(2)))
        for k in range(-8 << _Z, (8 << _Z) + 1)
    ],
    dtype=np.int64,
)


class IntegerMCGSM(nn.Module):
    """The probabilities of a pixel's 256 levels given a context, as numbers of slots.

    Make one with `from_mcgsm`, or load the weights of one into an empty model of its sizes.

    Args:
        dim_context: The number D of coordinates of a context, at most 64.
        components, scales, features: See `MCGSM`; at most 32 features.
    """

    linear: Tensor
    energy: Tensor
    eta: Tensor
    strength: Tensor
    precision: Tensor

    def __init__(self, dim_context: int, *, components: int, scales: int, features: int) -> None:
        super().__init__()
        self.dim_context = d = check_count(dim_context, "dim_context")
        c, s = check_count(components, "components"), check_count(scales, "scales")
        f = check_count(features, "features")
        if d > 64 or f > 32:
            raise ValueError(
                f"dim_context, features: expected at most 64 and 32, so that sums are exact, got "
                f"{d} and {f}"
            )
        shapes = {
            "linear": (d + 1, f + 2 * c),  # features, gates and means; the last row is added
            "energy": (f, c),  # β², multiples of 2^-16
            "eta": (c, s),
            "strength": (c, s),  # e^α / 2 in bits
            "precision": (c, s),
        }
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(shape, dtype=torch.int64))
        self._ready: tuple[np.ndarray, ...] | None = None

    @classmethod
    def from_mcgsm(cls, model: MCGSM) -> IntegerMCGSM:
        """Round a model that was trained on contexts in [0, 1): sixteenths, divided by 4096."""
        check_kind(model, "model", MCGSM, "an MCGSM")
        own = cls(model.dim_context, **model.sizes)
        wide = {n: t.detach().double() for n, t in model.state_dict().items()}
        white, shift = wide["whitening.matrix"], wide["whitening.context_mean"]
        std, scale = wide["whitening.output_std"], LEVELS
        # Whitened context = (x - shift) @ white: all that is linear in it becomes linear in x.
        means = wide["whitening.regression"][:, None] + std * wide["predictors"].T
        columns = [wide["features"], wide["gate"].T / math.log(2), scale * means]
        matrix = white @ torch.cat(columns, dim=1)
        f, c = wide["features"].shape[1], len(wide["offsets"])
        offset = -shift @ matrix
        offset[f + c :] += scale * (wide["whitening.output_mean"] + std * wide["offsets"])
        linear = torch.cat([matrix / (SIXTEENTHS * LEVELS), offset[None]]) * 2**_WEIGHT
        own.linear.copy_(linear.round().long())
        own.energy.copy_((wide["beta"].square().T * 2**16).round().clamp(max=2**22).long())
        own.eta.copy_((wide["eta"] / math.log(2) * 2**_FINE).round().long())
        strength = 0.5 * wide["alpha"].exp() / math.log(2) * 2**_FINE
        own.strength.copy_(strength.round().clamp(max=2**25).long())
        precision = (0.5 * wide["alpha"]).exp() / (scale * std) * 2**_SPREAD
        own.precision.copy_(precision.round().clamp(1, 2**21).long())
        return own

    @property
    def fingerprint(self) -> bytes:
        """8 bytes that differ if any number of the model or of its tables does."""
        return fingerprint(self, _HALVINGS, _OCTAVES, _NORMAL, words="IntegerMCGSM")

    def experts(self, contexts: np.ndarray) -> Experts:
        """Return the mixtures of some pixels, from contexts in sixteenths of a level, (n, D)."""
        logits, means = self.logits_and_means(contexts)
        logits = logits.reshape(len(contexts), -1)
        below = (logits.max(axis=1, keepdims=True) - logits) >> (_FINE - 8)
        weights = _HALVINGS[np.minimum(below, _CUT * _STEPS)] * (below <= _CUT * _STEPS)
        return Experts(weights, means, self._numbers()[4])

    def logits_and_means(self, contexts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return log2 of the weights up to a constant, (n, C, S), and means of the level, (n, C).

        Both in multiples of 2^-12.
        """
        linear, energy, eta, strength, _ = self._numbers()
        f, c = energy.shape
        mixed = contexts.astype(np.float64) @ linear[:-1] + linear[-1]
        whole = mixed.astype(np.int64) >> (_WEIGHT - _FINE)
        features = np.clip(whole[:, :f], -(32 << _FINE), 32 << _FINE)
        squares = (features * features) >> 8
        strong = (squares.astype(np.float64) @ energy).astype(np.int64) >> 12
        strong = np.minimum(strong, 1 << 36)  # multiples of 2^-20
        logits = whole[:, f : f + c, None] + eta - ((strong[:, :, None] * strength) >> 20)
        return logits, whole[:, f + c :]

    def adjusted(self, steps: np.ndarray) -> IntegerMCGSM:
        """Return a copy with other weights and widths, as `gdmlib.compression.tune` finds them.

        Args:
            steps: Whole numbers from -128 to 127, shape (2, C + S), of each component and of each
                scale: sixteenths of a bit for its weight, and 32nds of an octave for its inverse
                standard deviation. Those of a component and of a scale are added.
        """
        moved = copy.deepcopy(self)
        c, whole = len(self.eta), np.asarray(steps).astype(np.int64)
        steps = np.clip(whole[:, :c, None] + whole[:, None, c:], -128, 127)
        moved.eta += torch.from_numpy(steps[0] << (_FINE - 4))
        precision = self.precision.numpy() * _OCTAVES[steps[1] + 128] >> 16
        moved.precision.copy_(torch.from_numpy(np.clip(precision, 1, 1 << 21)))
        moved._ready = None
        return moved

    def _numbers(self) -> tuple[np.ndarray, ...]:
        if self._ready is None:
            names = ("linear", "energy", "eta", "strength", "precision")
            own = [getattr(self, name).numpy() for name in names]
            self._ready = (own[0].astype(np.float64), own[1].astype(np.float64), *own[2:])
        return self._ready

    def _load_from_state_dict(self, *args: object, **options: object) -> None:
        self._ready = None
        super()._load_from_state_dict(*args, **options)


class Experts:
    """The mixtures of n pixels: weights (n, C S), means (n, C), and precisions (C, S)."""

    def __init__(self, weights: np.ndarray, means: np.ndarray, precision: np.ndarray) -> None:
        self._weights, self._means, self._precision = weights, means, precision
        self._total = weights.sum(axis=1) << _PHI

    def __getitem__(self, some: slice) -> Experts:
        """Return the mixtures of some of the pixels."""
        return Experts(self._weights[some], self._means[some], self._precision)

    def begin(self, level: np.ndarray) -> np.ndarray:
        """Return where the shares of levels begin, 0 to 256, (n,) -> (n,), of 2^SLOT_BITS slots."""
        away = np.clip((level[:, None] << _FINE) - self._means, -(1 << 20), 1 << 20)
        z = (away[:, :, None] * self._precision) >> (_FINE + _SPREAD - _Z)
        z = np.clip(z, -8 << _Z, 8 << _Z) + (8 << _Z)
        cdf = _NORMAL[z.reshape(len(level), -1)]
        below = (self._weights * cdf).sum(axis=1)
        room = (1 << SLOT_BITS) - LEVELS
        inside = below * room // self._total + level
        ends = np.where(level >= LEVELS, 1 << SLOT_BITS, inside)
        return np.where(level <= 0, 0, ends)

    def find(self, slot: np.ndarray) -> np.ndarray:
        """Return the levels in whose shares slots lie, by bisection, (n,) -> (n,)."""
        low = np.zeros(len(slot), dtype=np.int64)
        for bit in (128, 64, 32, 16, 8, 4, 2, 1):
            low = np.where(self.begin(low + bit) <= slot, low + bit, low)
        return low


def as_float(contexts: np.ndarray) -> Tensor:
    """Return contexts as an `MCGSM` is trained on them, float32."""
    return torch.from_numpy(contexts).float() / (SIXTEENTHS * LEVELS)
