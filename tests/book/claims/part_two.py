"""Claims of lessons 04 to 07."""

from __future__ import annotations

import math
from itertools import product

import torch
from torch import nn
from torch.nn.functional import pad

from gdmlib.autoregressive import RIDE, MaskedConv2d, Neighbourhood
from gdmlib.autoregressive.causal_image import wavefronts
from gdmlib.metrics import bits_per_dim
from tests.book.claims.registry import claim

ODDS = 4.0, (1 / 3, 3.0)  # of the first pixel; of the second after a 0 and after a 1


def chance(odds: float) -> float:
    """Return the probability that belongs to odds."""
    return odds / (1 + odds)


def two_pixels(first: int, second: int) -> float:
    """Return the probability of an image of two pixels in the chain of the questions."""
    p, q = chance(ODDS[0]), chance(ODDS[1][first])
    return (p if first else 1 - p) * (q if second else 1 - q)


@claim("04", "two-pixels")
def image_of_two() -> tuple[str, ...]:
    """The right factors, and what the mistakes give."""
    assert abs(sum(two_pixels(a, b) for a in (0, 1) for b in (0, 1)) - 1) < 1e-12
    p, (after_0, after_1) = chance(ODDS[0]), map(chance, ODDS[1])
    numbers = two_pixels(0, 1), (1 - p) * after_1, after_0, p * after_0
    return tuple(f"{number:.2f}" for number in numbers)


@claim("04", "too-good")
def too_good() -> None:
    """A chain without its mask falls below what fair coins can cost, and no density does."""
    states = torch.tensor(
        list(product([0.0, 1.0], repeat=6))
    ).double()  # 64 images, all as frequent
    weight = 8 * torch.eye(6).double()  # each pixel looks at itself
    logit = states @ weight.T - 4
    log_p = -nn.functional.softplus((1 - 2 * states) * logit).sum(1)
    assert float(-log_p.mean()) < 6 * math.log(2) / 2
    assert float(log_p.exp().sum()) > 2


@claim("04", "wrong-half")
def wrong_half() -> tuple[str, ...]:
    """Bayes' rule against the first factor."""
    drawn = chance(ODDS[0])
    wanted = two_pixels(1, 1) / (two_pixels(1, 1) + two_pixels(0, 1))
    second = chance(ODDS[1][1])
    return (
        f"{drawn:.2f} of the cases; it should be {wanted:.2f}",
        f"{drawn:.2f} of the cases, and so",
        f"{wanted:.2f} of the cases, and so",
        f"{second:.2f} of the cases; it should be {drawn:.2f}",
    )


@claim("05", "dark-half")
def dark_half() -> tuple[str, ...]:
    """The library's bits per pixel."""
    bits = bits_per_dim(torch.full((4,), math.log(2)), num_dims=1, scale=256)
    assert abs(bits - math.log2(128)) < 1e-5
    return f"{bits:.0f} bits per pixel", "8 bits per pixel", "9 bits per pixel", "1 bit per pixel"


@claim("05", "gate")
def gate() -> tuple[str, ...]:
    """The gate of two scales at a context of 0."""
    heights = torch.tensor([1 / 1, 1 / 4])
    small, by_variance = heights[0] / heights.sum(), 16 / 17
    return f"{float(small):.2f}", f"{by_variance:.2f}", "0.50"


@claim("05", "mortar")
def mortar() -> tuple[str, ...]:
    """What beginnings of mortar cost, and what they would cost as brick."""
    saved = 0.072 * (4.48 - 2.27)
    assert saved < 0.1 * 2.74
    return f"{saved:.2f} bits", f"{4.48 - 2.27:.2f} bits", f"{0.072 * 4.48:.2f} bits"


@claim("06", "fronts")
def fronts() -> tuple[str, ...]:
    """The library's plan of the sweep."""
    return str(len(list(wavefronts(30, 50, 1)))), str(30 * 50), "50", str(30 + 50)


@claim("06", "unseen")
def unseen() -> tuple[str, ...]:
    """Derivatives of a RIDE with random weights."""
    generator = torch.Generator().manual_seed(0)
    window = Neighbourhood.half_plane(3, 3)
    model = RIDE(window, units=4, components=2, scales=2, generator=generator).double()
    for weight in model.parameters():
        weight.data = 0.4 * torch.randn(weight.shape, generator=generator).double()
    picture = torch.randn(1, 1, 14, 14, generator=generator).double().requires_grad_()
    here = model.conditional_log_prob(picture)[0, 0, 12, 6]
    slope = torch.autograd.grad(here, picture)[0][0, 0]
    assert slope[11, 10] == 0
    assert all(slope[place] != 0 for place in ((0, 0), (1, 9), (12, 1)))
    return "Row 11, column 10", "Row 0, column 0", "Row 1, column 9", "Row 12, column 1"


@claim("06", "large-image")
def large_image() -> None:
    """The bound on the memory: open gates overflow, double precision too, shared gates do not."""

    def largest(side: int, gate: float) -> float:
        c = [[0.0] * (side + 1) for _ in range(side + 1)]
        for i in range(1, side + 1):
            for j in range(1, side + 1):
                c[i][j] = 1 + gate * (c[i][j - 1] + c[i - 1][j])
        return c[side][side]

    single, double = torch.finfo(torch.float32).max, torch.finfo(torch.float64).max
    assert largest(32, 1.0) < single < largest(128, 1.0)
    assert largest(600, 1.0) > double
    assert largest(128, 0.5) <= 2 * 128 - 1


@claim("07", "blind")
def blind() -> tuple[str, ...]:
    """Influence through a deep stack of 5 × 5 masks with positive weights."""
    kinds = ["A"] + ["B"] * 14
    layers = nn.Sequential(*[MaskedConv2d(1, 1, 5, kind=kind) for kind in kinds]).double()
    for weight in layers.parameters():
        nn.init.constant_(weight, 0.1)
    picture = torch.ones(1, 1, 10, 20).double().requires_grad_()
    slope = torch.autograd.grad(layers(picture)[0, 0, 8, 10], picture)[0][0, 0]

    def up(rows: int, right: int) -> bool:
        return bool(slope[8 - rows, 10 + right] != 0)

    assert not up(1, 3)
    assert up(3, 5) and up(2, 4) and up(5, -9)
    return (
        "1 row up, 3 columns",
        "3 rows up, 5 columns",
        "2 rows up, 4 columns",
        "5 rows up, 9 columns",
    )


@claim("07", "link-back")
def link_back() -> None:
    """Two stacks of two layers: with a link back, a later pixel moves an earlier output."""
    generator = torch.Generator().manual_seed(0)

    def weight(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator).double()

    vertical, horizontal = [weight(1, 1, 2, 3) for _ in "12"], [weight(1, 1, 1, 2) for _ in "12"]

    def leak(back: float) -> float:
        picture = weight(1, 1, 5, 6).requires_grad_()
        v = pad(picture, (0, 0, 1, -1))  # rows before
        h = pad(picture, (1, -1))  # what is to the left
        for k_v, k_h in zip(vertical, horizontal, strict=True):
            a = nn.functional.conv2d(pad(v, (1, 1, 1, 0)), k_v)
            h = h + torch.tanh(nn.functional.conv2d(pad(h, (1, 0)), k_h) + a)
            v = torch.tanh(a) + back * h
        slope = torch.autograd.grad(h[0, 0, 2, 3], picture)[0].flatten()
        return float(slope[2 * 6 + 3 :].abs().max())

    assert leak(0.0) == 0
    assert leak(1.0) > 0


@claim("07", "log-ten")
def log_ten() -> None:
    """Not knowing the class costs log 10 less the nats by which it stays open."""
    generator = torch.Generator().manual_seed(0)
    log_p = 3 * torch.randn(500, 10, generator=generator).double()  # log p(x | y), any
    true = log_p.softmax(1).multinomial(1, generator=generator)
    told = -log_p.gather(1, true)
    untold = -(log_p.logsumexp(1, keepdim=True) - math.log(10))
    open_nats = -log_p.log_softmax(1).gather(1, true)
    assert (untold - told - (math.log(10) - open_nats)).abs().max() < 1e-9
    assert abs(math.log(10) - 2.30) < 0.005 and math.log(10) - 0.5 > 1.5
