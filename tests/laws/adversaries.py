"""Law 11, games of networks: what holds for every step that `adversaries` makes.

A kind of game is a way to build it from a generator, and data to play on.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn

from gdmlib import adversarial
from gdmlib.captions import ClassifyingDiscriminator, CreativeGAN
from gdmlib.compression import HiFiC, TextureDecoder, TextureJudge
from gdmlib.data import resize
from gdmlib.nn.photo_features import PhotoFeatures
from gdmlib.training import CheckpointError, History, Turns, fit

from .builders import seeded
from .laws import fail_unless

LAW = "11, games of networks"
Data = Tensor | tuple[Tensor, ...]


@dataclass(frozen=True)
class Kind:
    """A kind of game.

    Attributes:
        name: Shown as the name of the test.
        build: From a generator of noise and options of ``turns`` to the model and the step.
        data: What it is played on; of 21 examples in batches of 5, one is left for the last batch.
        batch: How many examples a batch has.
        others: Builds games that pay otherwise, which no run goes on with.
    """

    name: str
    build: Callable[..., tuple[nn.Module, Any]]
    data: Data
    batch: int = 5
    others: tuple[Callable[..., tuple[nn.Module, Any]], ...] = ()

    def __str__(self) -> str:
        return self.name

    def play(self, epochs: int = 3, build: Any = None, **options: Any) -> tuple[nn.Module, History]:
        """Return the model after so many epochs, and its history."""
        model, step = (build or self.build)(seeded(3))
        history = fit(
            step, self.data, epochs=epochs, batch_size=self.batch, generator=seeded(4),
            progress=False, **options,
        )  # fmt: skip
        return model, history

    def first(self, count: int | None = None) -> Data:
        """Return the first examples."""
        count = self.batch if count is None else count
        parts = self.data if isinstance(self.data, tuple) else (self.data,)
        parts = tuple(part[:count].clone() for part in parts)
        return parts if isinstance(self.data, tuple) else parts[0]


def numbers(model: nn.Module) -> dict[str, Tensor]:
    """Return all numbers of a model."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    """Whether two models have the same numbers, bit for bit."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


class InterruptionError(Exception):
    """What stops a run in the middle of an epoch."""


# --- the laws ------------------------------------------------------------------------------------


def check_resumes(kind: Kind, folder: Path) -> None:
    """An interrupted game ends like one in one go, bit for bit, wherever it was interrupted."""
    model, history = kind.play(3)
    expected = numbers(model)
    for stop in (1, 2):
        path = folder / f"after_{stop}.pt"
        kind.play(stop, checkpoint=path)
        torch.rand(7)  # what others draw meanwhile
        model, found = kind.play(3, checkpoint=path, resume=True)
        _ends_alike(kind, f"interrupted after epoch {stop}", model, found, expected, history)
    path = folder / "inside.pt"

    def spoilt(noise: Generator) -> tuple[nn.Module, Any]:
        model, step = kind.build(noise)
        calls = iter(range(7))

        def broken(batch: Any) -> Any:
            if next(calls, None) is None:
                raise InterruptionError
            return step(batch)

        for key in ("state", "settings", "sometimes"):
            setattr(broken, key, getattr(step, key, None))
        return model, broken

    with suppress(InterruptionError):
        kind.play(3, build=spoilt, checkpoint=path)
    model, found = kind.play(3, checkpoint=path, resume=True)
    _ends_alike(kind, "interrupted inside epoch 2", model, found, expected, history)


def _ends_alike(
    kind: Kind, what: str, model: nn.Module, found: History, expected: Any, history: History
) -> None:
    fail_unless(same(numbers(model), expected), LAW, kind, f"{what}: another end")
    alike = repr(found.metrics) == repr(history.metrics)
    fail_unless(alike, LAW, kind, f"{what}: another history")


def check_another_game(kind: Kind, folder: Path) -> None:
    """A run does not go on with other losses, weights or pools: it says what is not the same."""
    path = folder / "run.pt"
    kind.play(1, checkpoint=path)
    for number, other in enumerate(kind.others):
        try:
            kind.play(2, build=other, checkpoint=path, resume=True)
        except CheckpointError as error:
            fail_unless(" was " in str(error), LAW, kind, f"game {number}: it says {error}")
        else:
            fail_unless(False, LAW, kind, f"game {number} goes on with another one's run")


def check_chance(kind: Kind) -> None:
    """All chance is that of the generators that are given."""
    state = torch.get_rng_state()
    first, _ = kind.play(2)
    untouched = torch.equal(torch.get_rng_state(), state)
    fail_unless(untouched, LAW, kind, "the global generator is moved")
    torch.rand(5)
    again, _ = kind.play(2)
    fail_unless(same(numbers(first), numbers(again)), LAW, kind, "the same seeds, another end")


def check_turns(kind: Kind) -> None:
    """While a player moves, the others' parameters stay; what is frozen stays always."""
    _, step = kind.build(seeded(3))
    players = (step if isinstance(step, Turns) else step.turns).players
    owned = {name: list(player.state["model"].parameters()) for name, player in players.items()}

    def copies(name: str) -> list[Tensor]:
        return [p.detach().clone() for p in owned[name]]

    for name, player in players.items():

        def moves(batch: Any, name: str = name, player: Any = player) -> Any:
            before = {other: copies(other) for other in owned if other != name}
            found = player(batch)
            for other, kept in before.items():
                stays = all(torch.equal(a, b) for a, b in zip(copies(other), kept, strict=True))
                fail_unless(stays, LAW, kind, f"{other} moves with {name}")
            return found

        players[name] = _Player(player, moves)
    step(kind.first())

    _, step = kind.build(seeded(3))
    players = (step if isinstance(step, Turns) else step.turns).players
    parameters = [p for player in players.values() for p in player.state["model"].parameters()]
    frozen = next(iter(players["generator"].state["model"].parameters())).requires_grad_(False)
    before = frozen.detach().clone()
    step(kind.first())
    step(kind.first())
    fail_unless(torch.equal(frozen, before), LAW, kind, "a frozen parameter moves")
    asking = sum(p.requires_grad for p in parameters)
    fail_unless(asking == len(parameters) - 1, LAW, kind, "requires_grad is not as it was")


class _Player:
    """A player's step with another call."""

    def __init__(self, player: Any, call: Callable[[Any], Any]) -> None:
        self.state, self.settings = player.state, player.settings
        self.call = call

    def __call__(self, batch: Any) -> Any:
        return self.call(batch)


def check_last_batch(kind: Kind) -> None:
    """A last batch of one example is played, or refused with advice on the size of batches."""
    _, step = kind.build(seeded(3))
    try:
        found = step(kind.first(1))
    except ValueError as error:
        fail_unless("batch_size" in str(error), LAW, kind, f"one example: it says {error}")
        return
    finite = all(bool(torch.as_tensor(value).isfinite()) for value in found.values())
    fail_unless(finite, LAW, kind, f"one example: {found}")


def check_modes(kind: Kind) -> None:
    """Under `no_grad`, in inference mode and on what was made there, a step is the same step."""
    expected, step = kind.build(seeded(3))
    step(kind.first())
    with torch.inference_mode():
        made = kind.first()
    for what, batch, mode in (
        ("under no_grad", kind.first(), torch.no_grad()),
        ("in inference mode", kind.first(), torch.inference_mode()),
        ("a batch made in inference mode", made, torch.enable_grad()),
    ):
        model, step = kind.build(seeded(3))
        with mode:
            step(batch)
        alike = same(numbers(model), numbers(expected))
        fail_unless(alike, LAW, kind, f"{what}: another step")


def check_copies(kind: Kind) -> None:
    """A model is copied in the midst of its game, and goes to a state and back."""
    model, step = kind.build(seeded(3))
    step(kind.first())
    copy = deepcopy(model)
    fail_unless(same(numbers(copy), numbers(model)), LAW, kind, "a copy has other numbers")
    other, _ = kind.build(seeded(9))
    other.load_state_dict(model.state_dict())
    fail_unless(same(numbers(other), numbers(model)), LAW, kind, "the state is not all")
    step(kind.first())
    fail_unless(not same(numbers(copy), numbers(model)), LAW, kind, "a copy moves with the model")


def check_mixed(kind: Kind) -> None:
    """Under autocast the losses are those of float32, to the rounding of bfloat16."""

    def losses() -> dict[str, Tensor]:
        _, step = kind.build(seeded(3))
        players = (step if isinstance(step, Turns) else step.turns).players
        found = {}
        for name, player in players.items():
            loss = getattr(player, "step", player).loss(kind.first())
            found[name] = (loss["loss"] if isinstance(loss, dict) else loss).detach()
        return found

    expected = losses()
    with torch.autocast("cpu", torch.bfloat16):
        found = losses()
    for name, value in expected.items():
        dtype = found[name].dtype
        fail_unless(dtype == torch.float32, LAW, kind, f"autocast: {name} is {dtype}")
        gap = float((value - found[name]).abs() / (1 + value.abs()))
        fail_unless(gap < 0.05, LAW, kind, f"autocast: {name} is off by {gap:.3g}")


def check_broken_data(kind: Kind) -> None:
    """A batch with NaN is refused by name, or the loss says so; no player moves."""
    model, step = kind.build(seeded(3))
    before = numbers(model)
    parts = kind.first() if isinstance(kind.data, tuple) else (kind.first(),)
    broken = tuple(p * torch.nan if p.is_floating_point() else p for p in parts)
    try:
        found = step(broken if isinstance(kind.data, tuple) else broken[0])
    except (ValueError, FloatingPointError) as error:
        clear = "NaN" in str(error) or "nan" in str(error)
        fail_unless(clear, LAW, kind, f"NaN in a batch: it says {error}")
    else:
        seen = any(not bool(torch.as_tensor(v).isfinite()) for v in found.values())
        fail_unless(seen, LAW, kind, "NaN in a batch: nobody notices")
    weights = {name for name, _ in model.named_parameters()}
    after = numbers(model)
    kept = all(torch.equal(after[name], before[name]) for name in weights)
    fail_unless(kept, LAW, kind, "NaN in a batch: a player moves")


LAWS = (
    check_chance, check_turns, check_last_batch, check_modes, check_copies, check_mixed,
    check_broken_data,
)  # fmt: skip
ON_DISK = (check_resumes, check_another_game)


# --- the kinds -----------------------------------------------------------------------------------


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=seeded(seed)) * 2 - 1


POINTS, PICTURES = draw(21, 2), draw(21, 1, 4, 4)
LABELS = torch.arange(21) % 3
QUESTIONS, ANSWERS = draw(21, 1, 8, 8), draw(21, 1, 8, 8, seed=1)
PHOTOGRAPHS, PLACES = (draw(2, 3, 12, 14) + 1) / 2, (draw(21, 4, seed=2) + 1) / 2
LOW, HIGH = (draw(21, 3, 4, 4) + 1) / 2, (draw(21, 3, 8, 8) + 1) / 2


def of_points(noise: Generator, latent: int = 2, **options: Any) -> tuple[nn.Module, Any]:
    turned = {k: options.pop(k) for k in ("steps", "average", "clip") if k in options}
    players = adversarial.dense_players(2, latent=latent, hidden=4, generator=seeded())
    gan = adversarial.GAN(*players, latent=latent, **options)
    return gan, gan.turns(noise=noise, lr=1e-2, **turned)


def of_pictures(noise: Generator, **options: Any) -> tuple[nn.Module, Any]:
    sizes: dict[str, Any] = {"norm": "batch", "spectral": False} | options
    maker = adversarial.DCGenerator((1, 4, 4), latent=2, channels=(3,), generator=seeded())
    judge = adversarial.DCDiscriminator((1, 4, 4), channels=(3, 2), **sizes, generator=seeded(1))
    gan = adversarial.GAN(maker, judge, latent=2)
    return gan, gan.turns(noise=noise, average=0.9)


def of_classes(noise: Generator, way: str = "norm", average: float = 0.9) -> tuple[nn.Module, Any]:
    maker = adversarial.ConditionalGenerator(
        (1, 4, 4), latent=2, channels=(3, 2), classes=3, way=way, generator=seeded()
    )
    body = adversarial.DCDiscriminator((1, 4, 4), channels=(3,), norm="group", generator=seeded(1))
    judge = adversarial.ProjectionDiscriminator(body, classes=3, generator=seeded(2))
    gan = adversarial.GAN(maker, judge, latent=2, classes=3)
    return gan, gan.turns(noise=noise, average=average)


def of_many(noise: Generator, **options: Any) -> tuple[nn.Module, Any]:
    members = [of_points(seeded(), **options)[0] for _ in range(2)]
    for k, member in enumerate(members):
        for p in member.parameters():
            p.data += 0.1 * torch.randn(p.shape, generator=seeded(k))
    model = adversarial.Ensemble(members)
    return model, model.turns(noise=noise, average=0.9)


def watched(noise: Generator, **options: Any) -> tuple[nn.Module, Any]:
    gan, turns = of_points(noise, average=0.9, **options)
    return gan, adversarial.Watched(turns, gan, POINTS, every=2)


def watched_classes(noise: Generator) -> tuple[nn.Module, Any]:
    gan, turns = of_classes(noise)
    return gan, adversarial.Watched(turns, gan, PICTURES, every=2, least=1e-6)


def translation(noise: Generator, norm: str = "batch", **options: Any) -> tuple[nn.Module, Any]:
    maker = adversarial.UNetGenerator(
        (1, 8, 8), 1, channels=(2, 3), noise=1, dropout=0.3, norm=norm, generator=seeded()
    )
    sizes: dict[str, Any] = {"in_channels": 2, "channels": 2, "layers": 1, "plain": 1}
    judge = adversarial.PatchDiscriminator(**sizes, norm=norm, generator=seeded(1))
    model = adversarial.Pix2Pix(maker, judge, **{"l1": 10.0} | options)
    return model, model.turns(noise=noise, average=0.9)


def cycles(noise: Generator, pool: int = 3, **options: Any) -> tuple[nn.Module, Any]:
    maps = [
        adversarial.ResNetGenerator(1, channels=2, blocks=1, halvings=1, generator=seeded(k))
        for k in (0, 1)
    ]
    judges = [
        adversarial.PatchDiscriminator(1, channels=2, layers=1, plain=1, generator=seeded(k))
        for k in (2, 3)
    ]
    model = adversarial.CycleGAN(*maps, *judges, **options)
    return model, model.turns(ANSWERS[:9], noise=noise, average=0.9, pool=pool)


def enlargement(noise: Generator, norm: str = "batch", **options: Any) -> tuple[nn.Module, Any]:
    network = adversarial.SRResNet(
        features=3, blocks=1, kernel=3, steps=(2,), norm=norm, generator=seeded()
    )
    judge = adversarial.SRDiscriminator(features=(2,), hidden=2, norm=norm, generator=seeded(1))
    model = adversarial.SRGAN(network, judge, **{"content": 0.0, "pixel": 1.0} | options)
    return model, model.turns(noise=noise, average=0.9)


def crops(noise: Generator) -> tuple[nn.Module, Any]:
    model, _ = enlargement(noise, norm="none")
    pairs = resize.EnlargingPairs(PHOTOGRAPHS, size=8, scale=2, generator=noise)
    return model, model.turns(prepare=pairs)


def creative(noise: Generator, ambiguity: float = 1.0, **options: Any) -> tuple[nn.Module, Any]:
    maker = adversarial.DCGenerator((1, 4, 4), latent=2, channels=2, generator=seeded())
    body = adversarial.DCDiscriminator((1, 4, 4), channels=2, norm=None, generator=seeded(1))
    judge = ClassifyingDiscriminator(body, 3, seeded(2))
    gan = CreativeGAN(maker, judge, latent=2, ambiguity=ambiguity, **options)
    return gan, gan.turns(noise=noise, average=0.9)


def texture(noise: Generator, **options: Any) -> tuple[nn.Module, Any]:
    decoder = TextureDecoder(features=2, blocks=1, noise=1, generator=seeded())
    judge = TextureJudge(channels=2, layers=1, plain=1, norm="none", generator=seeded(1))
    seen = PhotoFeatures(((2,), (2,)), gate="elu", generator=seeded(2))
    model = HiFiC(decoder, judge, seen, **options)
    return model, model.turns(noise=noise, average=0.9)


def other(build: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    return lambda noise: build(noise, **options)


PAYS = (other(of_points, loss="hinge"), other(of_points, penalty="r1"))
KINDS = [
    Kind("GAN", of_points, POINTS, others=PAYS),
    *[
        Kind(f"GAN, {loss}", other(of_points, loss=loss, average=0.9), POINTS)
        for loss in ("minimax", "least_squares", "hinge", "wasserstein", "relativistic")
    ],
    Kind("GAN, R1", other(of_points, penalty="r1", clip=1.0), POINTS,
         others=(other(of_points, penalty="r1", penalty_weight=0.5, clip=1.0),)),
    Kind("GAN, slope", other(of_points, penalty="gradient", loss="wasserstein", steps=3), POINTS),
    Kind("GAN whose maker waits for more than an epoch", other(of_points, steps=7), POINTS),
    Kind("DCGAN", of_pictures, PICTURES[:20]),
    Kind("DCGAN, spectral", other(of_pictures, spectral=True, norm=None), PICTURES),
    Kind("GAN of classes", of_classes, (PICTURES[:20], LABELS[:20])),
    Kind("GAN of classes, concatenated", other(of_classes, way="concatenation"),
         (PICTURES[:20], LABELS[:20])),
    Kind("CreativeGAN", creative, (PICTURES[:20], LABELS[:20]), others=(
        other(creative, ambiguity=2.0), other(creative, loss="hinge"))),
    Kind("Ensemble", of_many, POINTS[:20], batch=4, others=(other(of_many, loss="hinge"),)),
    Kind("Watched", watched, POINTS, others=(other(watched, loss="hinge"),)),
    Kind("Watched of classes", watched_classes, (PICTURES[:20], LABELS[:20])),
    Kind("Pix2Pix", translation, (QUESTIONS, ANSWERS), others=(
        other(translation, l1=5.0), other(translation, l2=1.0), other(translation, adversarial=2.0),
        other(translation, loss="hinge"))),
    Kind("Pix2Pix, relativistic", other(translation, norm="instance", loss="relativistic"),
         (QUESTIONS, ANSWERS)),
    Kind("CycleGAN", cycles, QUESTIONS, others=(
        other(cycles, cycle=5.0), other(cycles, identity=0.0), other(cycles, adversarial=2.0),
        other(cycles, loss="hinge"), other(cycles, pool=4))),
    Kind("CycleGAN without a pool", other(cycles, pool=0), QUESTIONS),
    Kind("SRGAN", enlargement, (LOW, HIGH), others=(
        other(enlargement, pixel=2.0), other(enlargement, loss="hinge"),
        other(enlargement, adversarial=2.0))),
    Kind("SRGAN, relativistic", other(enlargement, norm="none", loss="relativistic"),
         (LOW, HIGH)),
    Kind("SRGAN of crops", crops, PLACES),
    Kind("HiFiC", texture, ((QUESTIONS + 1) / 2, (ANSWERS + 1) / 2), others=(
        other(texture, error=2.0), other(texture, content=3.0), other(texture, adversarial=2.0))),
]  # fmt: skip
WITH_OTHERS = [kind for kind in KINDS if kind.others]
