"""Flows beside a peer of their own: ``python -m benchmarks.flows`` writes ``flows.json``.

The peer, normflows (https://github.com/VincentStimper/normflows), is imported from wherever Python
finds it; none of it is kept here. It builds a RealNVP in two ways, and each is timed:

- from ``MaskedAffineFlow``, its layer for RealNVP, which has one network for the scale and one for
  the shift, both as wide as the event;
- from ``AffineCouplingBlock``, which has one network on half of the event, as ours has: there both
  sides have the same number of parameters.

All have the same numbers of couplings, of hidden layers and of units, an actnorm a coupling, and
the same optimiser with the same settings. Events are vectors of size² numbers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from benchmarks import apart, figure, record
from benchmarks.cases import check_finite, num_parameters, step
from benchmarks.timing import Case, Work
from gdmlib.latent import RealNVP

NAME = "normflows"
RESULTS = record.FOLDER / "flows.json"
GROWTH = (4, 8, 14, 28)
BATCH, SAMPLES = 128, 128
LAYERS, HIDDEN = 8, (256, 256)
Build = Callable[[int], Any]


def our_flow(size: int) -> RealNVP:
    """Return the library's RealNVP, its actnorms initialised."""
    model = RealNVP(size**2, layers=LAYERS, hidden=HIDDEN)
    model.initialise(events(size))
    return model


def their_masked_flow(size: int) -> Any:
    """Return the peer's RealNVP of masked layers."""
    nf, d = import_module(NAME), size**2
    mask = (torch.arange(d) < d // 2).float()

    def layer(i: int) -> Any:
        scale, shift = (nf.nets.MLP([d, *HIDDEN, d], init_zeros=True) for _ in range(2))
        return nf.flows.MaskedAffineFlow(mask if i % 2 == 0 else 1 - mask, shift, scale)

    return _their_flow(nf, d, [[layer(i), nf.flows.ActNorm(d)] for i in range(LAYERS)])


def their_block_flow(size: int) -> Any:
    """Return the peer's RealNVP of coupling blocks."""
    nf, d = import_module(NAME), size**2

    def layer() -> list[Any]:
        network = nf.nets.MLP([d // 2, *HIDDEN, d], init_zeros=True)
        block = nf.flows.AffineCouplingBlock(network)
        return [block, nf.flows.Permute(d, mode="swap"), nf.flows.ActNorm(d)]

    return _their_flow(nf, d, [layer() for _ in range(LAYERS)])


def _their_flow(nf: Any, d: int, layers: list[list[Any]]) -> Any:
    base = nf.distributions.DiagGaussian(d, trainable=False)
    model = nf.NormalizingFlow(base, [part for layer in layers for part in layer])
    model.forward_kld(events(int(d**0.5)))  # initialises its actnorms
    return model


def events(size: int) -> Tensor:
    """Return a batch of random vectors of size² numbers."""
    return torch.randn(BATCH, size**2, generator=torch.Generator().manual_seed(0))


def step_case(name: str, title: str, theirs: Build, goal: float | None = None) -> Case:
    """Declare a training step."""

    def ours(size: int) -> Work:
        model = our_flow(size)
        return step(model, lambda x: -model.log_prob(x).mean(), events(size))

    def other(size: int) -> Work:
        model = theirs(size)
        return step(model, model.forward_kld, events(size))

    title = f"{title}, training step, batch of {BATCH}"
    return Case(name, title, ours, other, other=NAME, goal=goal, growth=GROWTH, panel="step")


def sample_case(name: str, title: str, theirs: Build, goal: float | None = None) -> Case:
    """Declare the drawing of samples."""

    def ours(size: int) -> Work:
        model = our_flow(size)
        return Work(lambda: model.sample(SAMPLES), num_parameters(model), check_finite)

    def other(size: int) -> Work:
        model = theirs(size)

        @torch.no_grad()
        def run() -> Tensor:
            return model.sample(SAMPLES)[0]

        return Work(run, num_parameters(model), check_finite)

    title = f"{title}, {SAMPLES} samples"
    return Case(name, title, ours, other, other=NAME, goal=goal, growth=GROWTH, panel="sample")


_OURS = f"RealNVP, {LAYERS} couplings of {len(HIDDEN)} layers with {HIDDEN[0]} units"
_MASKED = f"{_OURS}, theirs of masked layers"
_BLOCK = f"{_OURS}, theirs of coupling blocks"

CASES = (
    step_case("realnvp_step", _MASKED, their_masked_flow, goal=2),
    sample_case("realnvp_sample", _MASKED, their_masked_flow, goal=2),
    step_case("realnvp_block_step", _BLOCK, their_block_flow),
    sample_case("realnvp_block_sample", _BLOCK, their_block_flow),
)


def main(arguments: list[str] | None = None) -> int:
    """Time and write; return 1 if anything failed."""
    parser = apart.parser(__doc__, RESULTS)
    options = parser.parse_args(arguments)
    apart.check_installed(parser, NAME, NAME)
    failed = apart.run(parser, options, CASES, NAME)
    if options.output == RESULTS:
        figure.draw_latent()
    return failed


if __name__ == "__main__":
    sys.exit(main())
