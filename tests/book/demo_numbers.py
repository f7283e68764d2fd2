"""What Python says of each moving figure: calls of its functions, and the numbers they must return.

Nothing here repeats a formula of the scripts: the numbers come from `gdmlib`, from autograd, and
from numpy's and scipy's own solvers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.optimize import brentq, minimize
from torch import Tensor, nn

from gdmlib import data
from gdmlib.adversarial import games
from gdmlib.densities import GaussianMixture, Normal
from gdmlib.latent import AffineCoupling, Flow, LinearVAE, NoisedMixture, Schedule, ddim
from gdmlib.latent.bounds import grid_log_prob
from gdmlib.latent.latent_model import LatentModel, kl_to_standard, normal_log_prob

FLOAT = torch.float64


class Call(NamedTuple):
    """A function of a script, its arguments, and what it must return: numbers, or lists of them.

    The error of a number below 1 is absolute, unless `relative`; that of others is relative. Where
    `last`, only the last entry of a returned list counts.
    """

    function: str
    arguments: list[Any]
    expected: Any
    relative: bool = False
    last: bool = False


def tensor(*numbers: Any) -> Tensor:
    return torch.tensor(numbers[0] if len(numbers) == 1 else numbers, dtype=FLOAT)


def gaussian() -> Iterator[Call]:
    # In the file they are whole tenths; as float32 they would differ in the eighth digit.
    petals = (10 * data.iris(["versicolor"]).x[:, 2].double()).round() / 10
    x = petals.tolist()
    yield Call("data", [], x)
    fitted = Normal.fit(petals)
    yield Call("fit", [x], [float(fitted.mean), float(fitted.std)])
    for mean, std in product((3.2, 3.7, 4.26, 5.4), (0.15, 0.47, 1.5)):
        at = [tensor(v).requires_grad_() for v in (mean, std)]
        mean_log = torch.distributions.Normal(*at).log_prob(petals).mean()
        slopes = torch.autograd.grad(mean_log, at)
        model = Normal(tensor(mean), tensor(std))
        yield Call("logLikelihood", [x, mean, std], float(model.log_prob(petals).mean()))
        yield Call("slopes", [x, mean, std], [float(s) for s in slopes])
        yield Call("logDensity", [x[0], mean, std], float(model.log_prob(petals[:1])))


def inverse_cdf() -> Iterator[Call]:
    standard = Normal(tensor(0.0), tensor(1.0))
    for x in (-30.0, -8.0, -4.001, -4.0, -3.999, -1.7, -0.2, 0.0, 0.6, 3.99, 4.01, 7.0):
        yield Call("normalCdf", [x], float(standard.cdf(tensor([x]))), relative=True)
    weights, means, stds = (0.4, 0.6), (-1.5, 1.2), (0.5, 0.8)
    pair = GaussianMixture(
        tensor(weights), tensor(means)[:, None], tensor(stds)[:, None, None] ** 2
    )
    parts = [Normal(tensor(m), tensor(s)) for m, s in zip(means, stds, strict=True)]

    def pair_cdf(x: float) -> float:
        at = tensor([x])
        return sum(w * float(p.cdf(at)) for w, p in zip(weights, parts, strict=True))

    sigmoid = torch.distributions.SigmoidTransform().inv
    logistic = torch.distributions.TransformedDistribution(
        torch.distributions.Uniform(tensor(0.0), tensor(1.0)), [sigmoid]
    )
    exponential = torch.distributions.Exponential(tensor(1.0))
    for u in (0.001, 0.02, 0.3, 0.5, 0.77, 0.999):
        at = tensor([u])
        yield Call("icdf", ["normal", u], float(standard.icdf(at)))
        yield Call("icdf", ["exponential", u], float(exponential.icdf(at)))
        yield Call("icdf", ["logistic", u], float(logistic.icdf(at)))
        root = brentq(lambda x, u=u: pair_cdf(x) - u, -20, 20, xtol=1e-13)
        yield Call("icdf", ["mixture", u], root)
    for x in (-3.0, -1.4, 0.3, 1.0, 2.9):
        at = tensor([x])
        yield Call("cdf", ["normal", x], float(standard.cdf(at)))
        yield Call("cdf", ["mixture", x], pair_cdf(x))
        yield Call("cdf", ["logistic", x], float(logistic.cdf(at)))
        yield Call("cdf", ["exponential", x], float(exponential.cdf(at.abs())) if x > 0 else 0.0)
        yield Call("density", ["normal", x], float(standard.log_prob(at).exp()))
        yield Call("density", ["mixture", x], float(pair.log_prob(at[None]).exp()))
        yield Call("density", ["logistic", x], float(logistic.log_prob(at).exp()))
        lasting = float(exponential.log_prob(at.abs()).exp()) if x > 0 else 0.0
        yield Call("density", ["exponential", x], lasting)


class Bent(LatentModel):
    """A code z, and x normal about w z²."""

    latent = 1
    event_shape = torch.Size([1])

    def __init__(self, weight: float, noise: float) -> None:
        super().__init__()
        self.register_buffer("weight", tensor(weight))
        self.log_variance = tensor(2 * math.log(noise))

    def _encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        raise NotImplementedError

    def _log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        return normal_log_prob(x, self.weight * z**2, self.log_variance)

    def _draw(self, z: Tensor, generator: Any) -> Tensor:
        raise NotImplementedError


def elbo() -> Iterator[Call]:
    weight, noise = 1.5, 0.8
    yield Call("constants", [], [weight, noise])
    line = LinearVAE(1, latent=1, generator=torch.Generator().manual_seed(0)).double()
    with torch.no_grad():
        line.weight.fill_(weight)
        line.log_variance.fill_(2 * math.log(noise))
    models: dict[str, LatentModel] = {"line": line, "parabola": Bent(weight, noise)}
    nodes, shares = np.polynomial.hermite_e.hermegauss(30)
    shares = shares / shares.sum()
    grid = torch.linspace(-12, 12, 24001, dtype=FLOAT)
    for (kind, model), x in product(models.items(), (-2.5, 0.3, 1.5, 3.0)):
        event = tensor([[x]])
        with torch.no_grad():
            if kind == "line":
                evidence = float(line.log_prob(event))
            else:
                evidence = float(grid_log_prob(model, event, 4000, 8.0))
            yield Call("logEvidence", [kind, x], evidence)
            log_joint = model.log_likelihood(event, grid[:, None, None])[:, 0]
            log_joint = log_joint + Normal(tensor(0.0), tensor(1.0)).log_prob(grid)
        for place in (2000, 12000, 13300):
            z = float(grid[place])
            posterior = float(log_joint[place]) - evidence
            yield Call("logPosterior", [kind, x, z], posterior)
            yield Call("logJoint", [kind, x, z], float(log_joint[place]))
        for m, s in ((-0.5, 0.7), (0.0, 1.0), (0.9, 0.3), (-2.0, 1.6)):
            q = Normal(tensor(m), tensor(s))
            codes = tensor((m + s * nodes).tolist())[:, None, None]
            with torch.no_grad():
                each = model.log_likelihood(event, codes)[:, 0].numpy()
            reconstruction = float(each @ shares)
            price = float(kl_to_standard(tensor(m), tensor(2 * math.log(s))))
            log_q = q.log_prob(grid)
            missing = torch.trapezoid(log_q.exp() * (log_q - log_joint + evidence), grid)
            yield Call("reconstruction", [kind, x, m, s], reconstruction)
            yield Call("price", [m, s], price)
            yield Call("elbo", [kind, x, m, s], reconstruction - price)
            yield Call("gap", [kind, x, m, s], float(missing))
    for x in (-1.0, 2.0):
        yield Call("best", ["line", x, 0.0, 1.0], _best(line, x, (0.0, 1.0)))
        yield Call("best", ["parabola", x, 0.5, 0.7], _best(models["parabola"], x, (0.5, 0.7)))


def _best(model: LatentModel, x: float, start: tuple[float, float]) -> list[float]:
    """Return mean and standard deviation of the q near a start that scipy finds best."""
    nodes, shares = np.polynomial.hermite_e.hermegauss(30)
    shares, nodes, event = tensor((shares / shares.sum()).tolist()), tensor(nodes.tolist()), x

    def cost(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        at = torch.tensor(parameters, dtype=FLOAT, requires_grad=True)
        codes = (at[0] + at[1].exp() * nodes)[:, None, None]
        each = model.log_likelihood(tensor([[event]]), codes)[:, 0]
        value = kl_to_standard(at[0], 2 * at[1]) - each @ shares
        return float(value.detach()), torch.autograd.grad(value, at)[0].numpy()

    begin = np.array([start[0], math.log(start[1])])
    found = minimize(cost, begin, jac=True, method="BFGS", options={"gtol": 1e-10}).x
    return [float(found[0]), math.exp(found[1])]


class Steer(nn.Module):
    """What the networks of the demo are: sines of the number that is kept."""

    def __init__(self, layer: int, scale: float, shift: float) -> None:
        super().__init__()
        self.layer, self.scale, self.shift = layer, scale, shift

    def forward(self, kept: Tensor) -> Tensor:
        raw = self.scale * torch.sin(1.5 * kept + 0.5 * self.layer)
        return torch.cat([raw, self.shift * torch.sin(2 * kept + self.layer)], dim=1)


def coupling() -> Iterator[Call]:
    for layers, (scale, shift) in product((1, 2, 4), ((0.4, 0.6), (-1.0, 1.5), (0.8, 0.0))):
        parts = []
        for k in range(layers):
            part = AffineCoupling(2, flip=k % 2 == 1, generator=torch.Generator())
            part.network = Steer(k, scale, shift)
            parts.append(part.double())
        flow = Flow(2, parts).double()
        for x in ([1.0, 1.0], [-2.3, 0.4], [0.0, -3.0]):
            point, log_det = tensor([x]), tensor([0.0])
            for part in parts:
                point, change = part(point)
                log_det = log_det + change
            z, settings = point[0].tolist(), [layers, scale, shift]
            forward = {"z": z, "logDet": float(log_det)}
            yield Call("forward", [x, *settings], forward)
            yield Call("inverse", [z, *settings], x)
            yield Call("logProb", [x, *settings], float(flow.log_prob(tensor([x]))))
    raw, t = Steer(3, 0.7, 0.9)(tensor([[1.1]]))[0].tolist()
    yield Call("steer", [3, 1.1, 0.7, 0.9], [AffineCoupling.limit * math.tanh(raw), t])


def score() -> Iterator[Call]:
    weights = [0.5, 0.3, 0.2]
    means = [[-1.2, -0.7], [1.4, 0.9], [0.5, -1.6]]
    covariances = [[0.16, 0.08, 0.12], [0.1, -0.05, 0.2], [0.08, 0.0, 0.08]]
    told = {"weights": weights, "means": means, "covariances": covariances}
    yield Call("mixture", [], told)
    squares = tensor([[[a, b], [b, c]] for a, b, c in covariances])
    mixture = GaussianMixture(tensor(weights), tensor(means), squares)
    times = [k / 8 for k in range(9)]
    bars = (np.cos(np.pi * np.array(times) / 2) ** 2).clip(1e-4)
    for t, bar in zip(times, bars.tolist(), strict=True):
        yield Call("alphaBar", [t], bar)
    model = NoisedMixture(mixture, Schedule(tensor(bars.tolist())))
    places = ([0.0, 0.0], [2.2, -0.6], [-1.3, -0.4], [-3.0, 3.0])
    for t, x in product((0, 1, 3, 6, 8), places):
        bar, at = float(bars[t]), tensor([x]).requires_grad_()
        noisy = model.marginal(t)
        log_prob = noisy.log_prob(at)
        slope = torch.autograd.grad(log_prob.sum(), at)[0]
        shares = noisy.responsibilities(at.detach())[0].tolist()
        found = {"logProb": float(log_prob.detach()), "score": slope[0].tolist(), "shares": shares}
        yield Call("at", [bar, x], found)
        h, noise = 0.02, [0.3, -1.1]
        after = tensor([x]) + h * slope + math.sqrt(2 * h) * tensor([noise])
        yield Call("langevin", [bar, x, h, noise], after[0].tolist())
    for x in places:
        end = ddim(model, 1, noise=tensor([x]), steps=8)[0].tolist()
        yield Call("walk", [x, 8], end, last=True)
        last = Schedule(tensor([1.0, float(bars[3])]))
        one = ddim(NoisedMixture(mixture, last), 1, noise=tensor([x]), steps=1)[0].tolist()
        yield Call("flow", [float(bars[3]), 1.0, x], one)


def rules(h: float, extra: float) -> dict[str, games.Rule]:
    """Return gdmlib's rule for each name of the demo."""
    return {
        "simultaneous": games.simultaneous(h),
        "alternating": games.alternating(h),
        "extragradient": games.extragradient(h),
        "optimistic": games.optimistic(h),
        "consensus": games.consensus(h, abs(extra)),
        "proximal": games.proximal(h),
        "momentum": games.momentum(h, extra),
        "momentum in turn": games.momentum(h, extra, first="x"),
        "Adam": games.adam(h),
        "Adam in turn": games.adam(h, first="x"),
    }


def game() -> Iterator[Call]:
    xy = games.BilinearGame()
    yield Call("field", [[0.7, -1.2]], xy.field(tensor([0.7, -1.2])).tolist())
    small, large = ((0.2, 0.5), (0.7, -0.4)), ((1.3, 0.1), (2.5, -0.2))
    for (h, extra), start in product(small + large, ([1.0, 1.0], [-2.0, 0.5])):
        for name, rule in rules(h, extra).items():
            given = abs(extra) if name == "consensus" else extra
            path = games.run(xy, rule, tensor(start), 12)
            yield Call("run", [name, h, given, start, 12], path.tolist())
            factor = None if "Adam" in name else games.theory(xy, rule)
            yield Call("factor", [name, h, given], factor)


DEMOS: dict[str, Callable[[], Iterator[Call]]] = {
    "gaussian": gaussian,
    "inverse_cdf": inverse_cdf,
    "elbo": elbo,
    "coupling": coupling,
    "score": score,
    "game": game,
}


@cache
def calls(demo: str) -> list[Call]:
    """Return all calls of a demo with what Python says, computed once."""
    return list(DEMOS[demo]())


def error(found: Any, expected: Any, relative: bool = False) -> float:
    """Return the largest error of numbers, lists or dictionaries; infinite if they do not match."""
    if isinstance(expected, dict):
        if not isinstance(found, dict) or found.keys() != expected.keys():
            return math.inf
        return max(error(found[key], expected[key], relative) for key in expected)
    if isinstance(expected, list):
        if not isinstance(found, list) or len(found) != len(expected):
            return math.inf
        return max(error(f, e, relative) for f, e in zip(found, expected, strict=True))
    if expected is None or isinstance(found, bool) or not isinstance(found, int | float):
        return 0.0 if found is None and expected is None else math.inf
    size = abs(expected) if relative else max(1.0, abs(expected))
    return abs(found - expected) / size if math.isfinite(found) else math.inf
