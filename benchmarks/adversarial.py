"""Adversaries beside others: ``python -m benchmarks.adversarial --peer FOLDER``.

It writes ``adversarial.json``:

- Ten GANs on a ring of points, trained at once by `gdmlib.adversarial.Ensemble`, beside the same
  ten, one after the other, by the library itself.
- A training step of five models, both players, at equal architecture: of the scripts of PyTorch-GAN
  (`benchmarks.gan_peer`), a copy of whose repository is FOLDER, or, of pix2pix, beside one that is
  written below as one writes it first, for the peer's U-Net takes no pictures of this size.

What differs between the networks of the two sides is listed in `book/speed.md`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, l1_loss

from benchmarks import apart, gan_peer, record
from benchmarks.cases import num_parameters
from benchmarks.gan_peer import Script
from benchmarks.timing import Case, Work
from gdmlib.adversarial import (
    GAN,
    SRGAN,
    CycleGAN,
    Ensemble,
    PatchDiscriminator,
    Pix2Pix,
    ResNetGenerator,
    SRDiscriminator,
    SRResNet,
    UNetGenerator,
    dense_players,
)
from gdmlib.adversarial.content import VGGFeatures
from gdmlib.training import Turns

NAME = gan_peer.NAME
RESULTS = record.FOLDER / "adversarial.json"
MEMBERS, STEPS, HIDDEN = 10, 20, (64, 64)  # of the ring
UNET = (64, 128, 256, 512, 512, 512)


def chance(seed: int = 0) -> Generator:
    """Return a generator."""
    return torch.Generator().manual_seed(seed)


def pictures(n: int, size: int, channels: int = 3, seed: int = 0) -> Tensor:
    """Return random pictures from -1 to 1, (n, channels, size, size)."""
    return 2 * torch.rand(n, channels, size, size, generator=chance(seed)) - 1


def check_losses(found: Mapping[str, Any]) -> None:
    """Raise a ValueError if a loss is not finite."""
    for name, value in found.items():
        if not torch.as_tensor(value).isfinite().all():
            raise ValueError(f"{name} is not finite")


def in_turns(turns: Turns, batch: Any, *players: nn.Module) -> Work:
    """Return a step of the library."""
    count = sum(map(num_parameters, players))
    return Work(lambda: turns(batch), count, check_losses)


def in_script(script: Script, players: Iterable[str], **batch: Any) -> Work:
    """Return a step of the peer; its losses are those names of its loop that say so."""
    step, names = script.step(**batch), tuple(players)

    def run() -> dict[str, Any]:
        step()
        losses = {key: value for key, value in script.names.items() if "loss" in key.lower()}
        return {key: value for key, value in losses.items() if isinstance(value, Tensor)}

    return Work(run, sum(num_parameters(script[name]) for name in names), check_losses)


# --- Ten at once ---------------------------------------------------------------------------------


def ring_gans() -> list[GAN]:
    """Return GANs of points in the plane from ten seeds."""
    players = [
        dense_players(2, latent=2, hidden=HIDDEN, generator=chance(seed)) for seed in range(MEMBERS)
    ]
    return [GAN(maker, judge, latent=2, event_shape=2) for maker, judge in players]


def ring(n: int) -> Tensor:
    """Return points near a ring, (n, 2)."""
    angle = 2 * torch.pi * torch.rand(n, generator=chance())
    points = torch.stack([angle.cos(), angle.sin()], dim=1)
    return points + 0.05 * torch.randn(n, 2, generator=chance(1))


def ten_at_once(batch: int) -> Work:
    """Return steps of all members, by one network for all."""
    ensemble = Ensemble(ring_gans())
    turns, x = ensemble.turns(noise=chance(2)), ring(MEMBERS * batch)

    def run() -> dict[str, Tensor]:
        return [dict(turns(x)) for _ in range(STEPS)][-1]

    count = num_parameters(ensemble.generator) + num_parameters(ensemble.discriminator)
    return Work(run, count, check_losses)


def ten_in_a_row(batch: int) -> Work:
    """Return steps of one member after the other."""
    gans = ring_gans()
    games = [gan.turns(noise=chance(seed)) for seed, gan in enumerate(gans)]
    parts = ring(MEMBERS * batch).chunk(MEMBERS)

    def run() -> dict[str, Tensor]:
        for turns, x in zip(games, parts, strict=True):
            found = [dict(turns(x)) for _ in range(STEPS)][-1]
        return found

    return Work(run, sum(map(num_parameters, gans)), check_losses)


# --- GANs of dense and of convolutional layers ---------------------------------------------------


def dense_gan(size: int) -> GAN:
    """Return the GAN whose layers the peer's script ``gan`` has."""
    widths, pixels = (128, 256, 512, 1024), size**2
    maker: list[nn.Module] = [nn.Linear(100, widths[0]), nn.LeakyReLU(0.2, inplace=True)]
    for before, after in pairwise(widths):
        maker += [nn.Linear(before, after), nn.BatchNorm1d(after)]
        maker += [nn.LeakyReLU(0.2, inplace=True)]
    maker += [nn.Linear(widths[-1], pixels), nn.Tanh(), nn.Unflatten(1, (1, size, size))]
    judge = [nn.Flatten(), nn.Linear(pixels, 512), nn.LeakyReLU(0.2, inplace=True)]
    judge += [nn.Linear(512, 256), nn.LeakyReLU(0.2, inplace=True), nn.Linear(256, 1)]
    return GAN(nn.Sequential(*maker), nn.Sequential(*judge), latent=100)


def convolutional_gan(size: int) -> GAN:
    """Return the GAN whose layers the peer's script ``dcgan`` has, features last in memory."""
    small = size // 4
    maker: list[nn.Module] = [nn.Linear(100, 128 * small**2), nn.Unflatten(1, (128, small, small))]
    maker += [nn.BatchNorm2d(128)]
    for before, after in ((128, 128), (128, 64)):
        maker += [nn.Upsample(scale_factor=2), nn.Conv2d(before, after, 3, padding=1)]
        maker += [nn.BatchNorm2d(after), nn.LeakyReLU(0.2, inplace=True)]
    maker += [nn.Conv2d(64, 3, 3, padding=1), nn.Tanh()]
    judge: list[nn.Module] = []
    for before, after in ((3, 16), (16, 32), (32, 64), (64, 128)):
        judge += [nn.Conv2d(before, after, 3, stride=2, padding=1)]
        judge += [nn.LeakyReLU(0.2, inplace=True), nn.Dropout2d(0.25)]
        judge += [nn.BatchNorm2d(after)] if before > 3 else []
    judge += [nn.Flatten(), nn.Linear(128 * (size // 16) ** 2, 1)]
    gan = GAN(nn.Sequential(*maker), nn.Sequential(*judge), latent=100)
    return gan.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def gan_step(gan: GAN, x: Tensor) -> Work:
    """Return a step of the library's GAN, which makes its pictures once, as the peer's does."""
    return in_turns(gan.turns(noise=chance(), reuse=True), x, gan)


# --- Pictures made large, and translated ---------------------------------------------------------


def our_srgan(size: int) -> Work:
    """Return a step of the library's SRGAN on pictures of size², from a quarter of their side."""
    features = VGGFeatures(gan_peer.vgg19(), 18)
    model = SRGAN(SRResNet(base=False), SRDiscriminator(), features=features)
    batch = (pictures(4, size // 4), pictures(4, size))
    return in_turns(model.turns(), batch, model.network, model.discriminator)


def our_cyclegan(size: int) -> Work:
    """Return a step of the library's CycleGAN."""
    maps = [ResNetGenerator(3) for _ in range(2)]
    judges = [PatchDiscriminator(3, layers=4, plain=1) for _ in range(2)]
    model = CycleGAN(*maps, *judges)
    turns = model.turns(pictures(1, size, seed=1), noise=chance())
    return in_turns(turns, pictures(1, size), model)


def pix2pix(size: int) -> Pix2Pix:
    """Return the library's pix2pix."""
    maker = UNetGenerator((3, size, size), 3, channels=UNET, norm="instance")
    return Pix2Pix(maker, PatchDiscriminator(6))


def our_pix2pix(size: int) -> Work:
    """Return a step of the library's pix2pix."""
    model = pix2pix(size)
    batch = (pictures(1, size), pictures(1, size, seed=1))
    return in_turns(model.turns(), batch, model)


def plain_pix2pix(size: int) -> Work:
    """Return a step of the same networks as one writes it first."""
    model = pix2pix(size)
    maker, judge = model.generator, model.discriminator
    assert judge is not None
    x, y = pictures(1, size), pictures(1, size, seed=1)
    adam = {"lr": 2e-4, "betas": (0.5, 0.999)}
    of_maker = torch.optim.Adam(maker.parameters(), **adam)  # type: ignore[arg-type]
    of_judge = torch.optim.Adam(judge.parameters(), **adam)  # type: ignore[arg-type]

    def entropy(logits: Tensor, real: float) -> Tensor:
        return binary_cross_entropy_with_logits(logits, torch.full_like(logits, real))

    def run() -> dict[str, Tensor]:
        fake = maker(x)
        of_maker.zero_grad()
        game = entropy(judge(torch.cat([x, fake], dim=1)), 1.0)
        paid = game + 100 * l1_loss(fake, y)
        paid.backward()
        of_maker.step()
        of_judge.zero_grad()
        real = entropy(judge(torch.cat([x, y], dim=1)), 1.0)
        made = entropy(judge(torch.cat([x, fake.detach()], dim=1)), 0.0)
        lost = real + made
        lost.backward()
        of_judge.step()
        return {"generator": paid.detach(), "discriminator": lost.detach()}

    return Work(run, num_parameters(model), check_losses)


def cases(folder: Path) -> tuple[Case, ...]:
    """Return all cases, with the peer in a folder."""

    def case(name: str, title: str, size: int, ours: Callable[[int], Work], **more: Any) -> Case:
        made: dict[str, Any] = {"other": NAME, "goal": 1.2, "size": size, "growth": (size,)}
        return Case(name, title, ours, **(made | more))

    def their_gan(size: int) -> Work:
        script = Script(folder, "gan", img_size=size)
        return in_script(script, ("generator", "discriminator"), imgs=pictures(64, size, 1))

    def their_dcgan(size: int) -> Work:
        script = Script(folder, "dcgan", img_size=size, channels=3)
        return in_script(script, ("generator", "discriminator"), imgs=pictures(16, size))

    def their_srgan(size: int) -> Work:
        script = Script(folder, "srgan", ["models"], hr_height=size, hr_width=size)
        batch = {"lr": pictures(4, size // 4), "hr": pictures(4, size)}
        return in_script(script, ("generator", "discriminator"), imgs=batch)

    def their_cyclegan(size: int) -> Work:
        sizes = {"img_height": size, "img_width": size, "n_residual_blocks": 6}
        script = Script(folder, "cyclegan", ["models", "utils"], **sizes)
        batch = {"A": pictures(1, size), "B": pictures(1, size, seed=1)}
        return in_script(script, ("G_AB", "G_BA", "D_A", "D_B"), batch=batch)

    return (
        case(
            "ensemble",
            f"Ten GANs on a ring, {STEPS} steps of each",
            64,
            ten_at_once,
            theirs=ten_in_a_row,
            other="one after the other",
            goal=4,
            axis="batch",
        ),
        case(
            "gan_step",
            "GAN of dense layers, batch of 64",
            28,
            lambda size: gan_step(dense_gan(size), pictures(64, size, 1)),
            theirs=their_gan,
        ),
        case(
            "dcgan_step",
            "DCGAN, batch of 16",
            64,
            lambda size: gan_step(convolutional_gan(size), pictures(16, size)),
            theirs=their_dcgan,
        ),
        case("srgan_step", "SRGAN × 4, batch of 4", 96, our_srgan, theirs=their_srgan),
        case(
            "cyclegan_step",
            "CycleGAN, six residual blocks, batch of 1",
            64,
            our_cyclegan,
            theirs=their_cyclegan,
        ),
        case(
            "pix2pix_step",
            "pix2pix with a U-Net, batch of 1",
            64,
            our_pix2pix,
            theirs=plain_pix2pix,
            other="plain PyTorch",
        ),
    )


def main(arguments: list[str] | None = None) -> int:
    """Time and write; return 1 if anything failed."""
    parser = apart.parser(__doc__, RESULTS)
    parser.add_argument("--peer", type=Path, required=True, help=f"a copy of {gan_peer.URL}")
    options = parser.parse_args(arguments)
    if not gan_peer.found(options.peer):
        parser.error(f"{options.peer}: no copy of {gan_peer.URL}")
    return apart.run(parser, options, cases(options.peer), NAME)


if __name__ == "__main__":
    sys.exit(main())
