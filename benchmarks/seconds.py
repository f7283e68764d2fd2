"""How good is each family after so many seconds? ``python -m benchmarks.seconds``.

Every family of the course learns the same glyphs and is judged in the same way, once for each
budget: a run of its own, whose learning rate falls to nothing when its time is up. A budget is
processor time of one thread, building the model included. ``seconds.json`` grows by a run at a
time; a run that stands in it is not made again, so that the command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Generator, Tensor, nn

from benchmarks import record
from benchmarks.families import CLASSES, FAMILIES, LEVELS, PIXELS, SHAPE, Family
from benchmarks.timing import digits
from gdmlib import data, metrics, training
from gdmlib._files import write_atomically

RESULTS = record.FOLDER / "seconds.json"
CHECKPOINTS = record.FOLDER.parent / "checkpoints"
BUDGETS: dict[float, tuple[int, ...]] = {5: (0, 1), 15: (0, 1), 60: (0, 1), 600: (0,)}
"""Seconds, and the seeds of their runs."""
LATE = ("pixelcnn", "flow_matching", "diffusion", "gan", "vae", "flow", "ride", "fvsbn")
"""The order of the long runs."""

GLYPHS, HELD_OUT, SAMPLES = 10_000, 2_000, 1_000
LOOKS, LOOKED_AT, LONG = 10, 300, 60.0  # held-out looks of a long run, and how much they look at
KEPT = 0.995  # of a moving average of the weights, once there were many steps
COLUMNS, ROWS = 10, 3  # of the pictures that are stored
LESSON = -1.0  # the budget of weights that come with a lesson: their seconds stand in their record


def glyphs(n: int, split: str) -> tuple[Tensor, Tensor]:
    """Return glyphs in levels 0 to 15, shape (n, 1, 16, 16), and their labels."""
    found = data.glyphs(n, size=SHAPE[1], split=split)
    assert found.y is not None
    return (found.x * (LEVELS - 1)).round(), found.y


# --- training -------------------------------------------------------------------------------------


def learn(family: Family, seconds: float, seed: int, known: Any, valid: Any) -> tuple[Any, Any]:
    """Build and train for so much processor time; return the model and what training was."""
    torch.manual_seed(seed)
    g, start = Generator().manual_seed(seed), time.process_time()
    (x, y), losses, best = known, [0.0], (math.inf, 0.0, None)
    model: Any = family.build(x, g)
    if not seconds:  # in closed form
        return model.eval(), about(model, time.process_time() - start, 0)
    step, rates, learner = _stepper(family, model, g)
    average = copy.deepcopy(learner) if family.average else learner
    looks = [seconds * (k + 1) / LOOKS for k in range(LOOKS - 1)] if seconds >= LONG else []
    looks = looks if family.log_prob is not None and not family.average else []
    while (used := time.process_time() - start) < seconds or len(losses) == 1:
        for group in rates:
            spent = min(used / seconds, 1.0)
            group["lr"] = family.lr * (0.5 + 0.5 * math.cos(math.pi * spent))
        which = torch.randint(len(x), (family.batch,), generator=g)
        model.train()
        losses.append(step(family.seen(x[which], y[which], g)))
        if family.average:
            _towards(average, learner, len(losses))
        if looks and used > looks[0]:
            looks.pop(0)
            found = held_out_cost(family, model, valid)
            if found < best[0]:
                best = (found, used, copy.deepcopy(model.state_dict()))
    if best[2] is not None and best[0] < held_out_cost(family, model, valid):
        model.load_state_dict(best[2])
    else:
        best = (0.0, used, None)
    if family.average:
        learner.load_state_dict(average.state_dict())
    if family.words == "none":  # batch norm has seen other weights than the average
        latents = torch.randn(8, 256, model.latent, generator=g)
        torch.optim.swa_utils.update_bn(latents, model.generator.train())
    return model.eval(), about(model, time.process_time() - start, len(losses) - 1, best[1])


def about(model: nn.Module, used: float, steps: int, kept: float = 0.0) -> dict[str, Any]:
    """Return what a run was: seconds, steps, and the second whose weights were kept."""
    known = getattr(model, "num_parameters", None)  # without those that a mask forbids
    count = known or sum(p.numel() for p in getattr(model, "generator", model).parameters())
    count = count or PIXELS * (PIXELS + 3) // 2  # of a Gaussian, which holds no parameters
    return {"seconds": digits(used), "steps": steps, "kept": digits(kept), "parameters": count}


def stored(family: Family, x: Tensor) -> tuple[Any, dict[str, Any]]:
    """Return the model whose weights come with a lesson, and what its record says of it."""
    model: Any = family.build(x, Generator().manual_seed(0))
    path = CHECKPOINTS / f"{family.checkpoint}.safetensors"
    said = training.load_weights(getattr(model, "generator", model), path)
    return model.eval(), about(model, float(said["cpu_seconds"]), 0)


def _stepper(family: Family, model: Any, g: Generator) -> tuple[Callable[..., float], Any, Any]:
    """Return a step of training, what holds its learning rates, and what has an average."""
    if family.words == "none":
        turns = model.turns(lr=family.lr, noise=g, **family.more)
        # The rate stays: a game has no minimum in which to settle, and the average is kept.
        return lambda seen: float(turns(seen[0])["generator"]), [], model.generator
    optimiser = torch.optim.AdamW(model.parameters(), lr=family.lr, weight_decay=0.0, fused=True)
    own = None if family.whole else getattr(type(model), "loss", None)
    loss = own or (lambda m, *seen: cost(m, *seen).mean())

    def step(seen: tuple[Tensor, ...]) -> float:
        optimiser.zero_grad()
        value = loss(model, *seen)
        value.backward()
        if family.clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), family.clip)
        optimiser.step()
        return float(value.detach())

    return step, optimiser.param_groups, model


@torch.no_grad()
def _towards(average: nn.Module, now: nn.Module, steps: int) -> None:
    """Let the average take a share of the weights: the larger, the fewer steps there were."""
    share = max(1 - KEPT, 9 / (10 + steps))
    torch._foreach_lerp_(list(average.parameters()), list(now.parameters()), share)
    for mine, theirs in zip(average.buffers(), now.buffers(), strict=True):
        mine.copy_(theirs)


@torch.no_grad()
def held_out_cost(family: Family, model: Any, valid: Any) -> float:
    """Return the mean score of some held-out glyphs, with the same noise at each look."""
    seen = family.seen(valid[0], valid[1], Generator().manual_seed(0))
    return float(training.scores(model, seen, score=cost if family.whole else None).mean())


def cost(model: Any, *seen: Tensor) -> Tensor:
    """Return -log P of each example, (B,)."""
    return -model.log_prob(*seen)


# --- judging --------------------------------------------------------------------------------------


@torch.no_grad()
def judge(
    family: Family, model: Any, known: Tensor, test: Any, bits: bool = True
) -> tuple[dict[str, Any], Tensor]:
    """Return the numbers of a model, and its samples in levels."""
    g, (x, y) = Generator().manual_seed(1), test
    found: dict[str, Any] = {}
    if family.log_prob is not None and bits:
        some = list(zip(x[: family.tested].split(100), y.split(100), strict=False))
        nats = torch.cat([family.log_prob(model, *part, g).double() for part in some])
        code = metrics.mean_and_stderr(-nats / (PIXELS * math.log(2)))
        found |= {"bits": digits(code.mean), "bits_error": digits(code.stderr)}
    wanted, start = torch.arange(SAMPLES) % CLASSES, time.process_time()
    drawn = torch.cat([family.sample(model, part, g) for part in wanted.split(250)])
    found["sampling"] = digits(time.process_time() - start)
    expert = metrics.Judge.load("glyphs")
    features, real = (expert.features(part / (LEVELS - 1)) for part in (drawn, x))
    far = metrics.with_floor(metrics.frechet_distance, features, real, generator=g)
    found |= {"frechet": digits(far.value), "floor": digits(far.floor)}
    found["floor_spread"] = digits(far.spread)
    if family.told:
        found |= classes(features, expert.head(features).argmax(1), wanted)
    copies = metrics.memorisation(
        drawn[:500].flatten(1), known[:4000].flatten(1), x[:1000].flatten(1), generator=g
    )
    found |= {"near_training": digits(copies.share), "by_chance": digits(copies.expected)}
    scale = (LEVELS - 1) * PIXELS**0.5
    return found | {
        "distance": digits(copies.distance / scale),
        "held_out_distance": digits(copies.baseline / scale),
    }, drawn


def classes(features: Tensor, seen: Tensor, wanted: Tensor) -> dict[str, float]:
    """Return the share of the class that was asked for, and the spread within a class."""
    centre = torch.stack([features[wanted == k].mean(0) for k in range(CLASSES)])
    spread = (features - centre[wanted]).square().sum(1).mean().sqrt()
    right = (seen == wanted).float().mean()
    return {"right": digits(float(right)), "spread": digits(float(spread))}


def store(drawn: Tensor, path: Path) -> None:
    """Keep the first samples as a picture of 16 grey levels."""
    x = drawn[: COLUMNS * ROWS].reshape(ROWS, COLUMNS, *SHAPE[1:]).transpose(1, 2)
    values = (x.reshape(ROWS * SHAPE[1], -1) * 17).to(torch.uint8).numpy()
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(values).save(path, optimize=True)


# --- the runs -------------------------------------------------------------------------------------


def key(run: dict[str, Any]) -> tuple[str, float, int]:
    """Return what tells a run from the others."""
    return run["family"], run["budget"], run["seed"]


def word(budget: float) -> str:
    """Return what names a budget in a file's name."""
    return "lesson" if budget == LESSON else f"{budget:g}"


def planned() -> list[tuple[str, float, int]]:
    """Return all runs, the short ones first."""
    names = [name for name in FAMILIES if name != "gaussian"]
    lessons = [(name, LESSON, 0) for name, family in FAMILIES.items() if family.checkpoint]
    return [("gaussian", 0.0, 0), *lessons] + [
        (name, float(budget), seed)
        for budget, seeds in BUDGETS.items()
        for seed in seeds
        for name in (sorted(names, key=LATE.index) if budget > LONG else names)
    ]


def main(arguments: list[str] | None = None) -> int:
    """Make the runs that the record lacks."""
    parser = argparse.ArgumentParser(description="Train every family for seconds, and judge it.")
    parser.add_argument("--only", nargs="+", choices=FAMILIES, help="these families")
    parser.add_argument("--most", type=float, default=math.inf, help="no budget above this")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    known, valid, test = (
        glyphs(n, split)
        for n, split in ((GLYPHS, "train"), (LOOKED_AT, "valid"), (HELD_OUT, "test"))
    )
    made = json.loads(options.output.read_text("utf-8")) if options.output.exists() else heading()
    for name, budget, seed in planned():
        there = {key(run) for run in made["runs"]}
        left_out = budget > options.most or (options.only and name not in options.only)
        if left_out or (name, budget, seed) in there:
            continue
        family = FAMILIES[name]
        if budget == LESSON:
            model, run = stored(family, known[0])
        else:
            model, run = learn(family, budget, seed, known, valid)
        # The lessons' weights have learnt 256 levels without noise in their gaps.
        found, drawn = judge(family, model, known[0], test, bits=budget != LESSON)
        if not seed:
            store(drawn, options.output.with_suffix("") / f"{name}-{word(budget)}.png")
        made["runs"].append({"family": name, "budget": budget, "seed": seed, **run, **found})
        made["until"] = record.today()
        write_atomically(options.output, partial(_write, made))
        print(json.dumps(made["runs"][-1]), flush=True)
    return 0


def _write(made: dict[str, Any], path: Path) -> None:
    path.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


def heading() -> dict[str, Any]:
    """Return what a record says of all runs."""
    return {
        "date": record.today(),
        "machine": {**record.machine(), "clock": "processor time"},
        "versions": {k: v for k, v in record.versions().items() if k in ("torch", "gdmlib")},
        "data": {"glyphs": GLYPHS, "held_out": HELD_OUT, "levels": LEVELS, "samples": SAMPLES},
        "runs": [],
    }


if __name__ == "__main__":
    raise SystemExit(main())
