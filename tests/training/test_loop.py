"""The training loop: what it records, when it stops, and that a resumed run is the same run."""

from __future__ import annotations

import copy
import io
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.optim import lr_scheduler as rates

from gdmlib.training import (
    CheckpointError,
    History,
    cosine,
    fit,
    gradient_step,
    load_weights,
    save_weights,
)
from gdmlib.training.processes import together
from gdmlib.training.resume import settings_of

X = torch.randn(50, 3, generator=torch.Generator().manual_seed(1))
Y = (X[:, 0] > 0).long()
DATA = (X, Y)


class Run:
    """A run with all there is to restore: Adam, dropout, a scheduler, shuffling, validation."""

    def __init__(self, device="cpu"):
        torch.manual_seed(0)
        self.model = nn.Sequential(
            nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 2)
        ).to(device)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.05)
        self.scheduler = torch.optim.lr_scheduler.StepLR(self.optimizer, 2, gamma=0.5)
        self.generator = torch.Generator().manual_seed(7)
        self.data = (X.to(device), Y.to(device))
        self.steps = 0
        self.stop_at_step = math.inf

    def loss(self, batch):
        self.steps += 1
        if self.steps == self.stop_at_step:
            raise KeyboardInterrupt
        x, y = batch
        return nn.functional.cross_entropy(self.model(x), y)

    def validate(self):
        x, y = self.data
        return float(nn.functional.cross_entropy(self.model(x), y))

    def fit(self, epochs, **options):
        settings = {
            "batch_size": 16,
            "generator": self.generator,
            "state": {
                "model": self.model,
                "optimizer": self.optimizer,
                "scheduler": self.scheduler,
            },
            "validate": self.validate,
            "on_epoch": lambda epoch, history: self.scheduler.step(),
        }
        step = gradient_step(self.model, self.optimizer, self.loss, clip=1.0)
        return fit(step, self.data, epochs=epochs, **(settings | options))


def same(a, b):
    """Compare nested containers of tensors bit for bit."""
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return a == b


def record(history):
    return {k: v for k, v in vars(history).items() if k != "seconds"}


def assert_same_run(first, second):
    """Compare (run, history) pairs."""
    assert same(first[0].model.state_dict(), second[0].model.state_dict())
    assert same(first[0].optimizer.state_dict(), second[0].optimizer.state_dict())
    assert first[0].scheduler.state_dict() == second[0].scheduler.state_dict()
    assert record(first[1]) == record(second[1])


# --- resuming -------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep_best", [False, True])
def test_three_epochs_and_three_more_are_six(tmp_path, keep_best):
    whole = Run()
    expected = whole.fit(6, keep_best=keep_best)

    path = tmp_path / "run.pt"
    Run().fit(3, keep_best=keep_best, checkpoint=path)
    torch.rand(13)  # whatever happens in between must not matter
    resumed = Run()
    resumed.generator.manual_seed(12345)
    history = resumed.fit(6, keep_best=keep_best, checkpoint=path, resume=True)

    assert len(history) == 6
    assert_same_run((whole, expected), (resumed, history))


@pytest.mark.parametrize("stop", [1, 14, 16, 20])
def test_interrupted_in_the_middle_of_an_epoch(tmp_path, stop):
    whole = Run()
    expected = whole.fit(6)

    path = tmp_path / "run.pt"
    broken = Run()
    broken.stop_at_step = stop
    with pytest.raises(KeyboardInterrupt):
        broken.fit(6, checkpoint=path)
    resumed = Run()
    history = resumed.fit(6, checkpoint=path, resume=True)

    assert resumed.steps == 24 - 4 * ((stop - 1) // 4)  # only the unfinished epochs are run again
    assert_same_run((whole, expected), (resumed, history))
    assert [p.name for p in tmp_path.iterdir()] == ["run.pt"]


TRAINING = """
import os, torch
from torch import nn
from gdmlib.training import fit, gradient_step

def train(path, kill_at_step=-1):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    x = torch.randn(30, 2)
    model = nn.Sequential(nn.Linear(2, 4), nn.Dropout(), nn.Linear(4, 1))
    optimizer = torch.optim.Adam(model.parameters())
    steps = 0

    def loss(batch):
        nonlocal steps
        steps += 1
        if steps == kill_at_step:
            os._exit(9)
        return (model(batch) - batch[:, :1]).square().mean()

    step = gradient_step(model, optimizer, loss)
    history = fit(step, x, epochs=6, batch_size=10, checkpoint=path, resume=True)
    return steps, history.metrics, [p.tolist() for p in model.parameters()]
"""


def test_a_killed_process_leaves_the_last_checkpoint(tmp_path):
    path = tmp_path / "run.pt"
    command = [sys.executable, "-c", TRAINING + f"train({str(path)!r}, kill_at_step=11)"]
    killed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert killed.returncode == 9, killed.stderr
    here: dict = {}
    exec(TRAINING, here)
    steps, *resumed = here["train"](path)
    all_steps, *whole = here["train"](tmp_path / "other.pt")
    assert (steps, all_steps) == (9, 18)
    assert resumed == whole


def test_patience_survives_an_interruption(tmp_path):
    scores = [3.0, 2.0, 2.5, 2.4, 2.3, 1.0]

    def train(epochs, **options):
        run = Run()
        values = iter(scores[options.pop("skip", 0) :])
        history = run.fit(epochs, validate=lambda: next(values), patience=3, **options)
        return run, history

    whole = train(6, keep_best=True)
    assert (len(whole[1]), whole[1].best_epoch, whole[1].stopped) == (5, 2, True)
    path = tmp_path / "run.pt"
    first = train(4, keep_best=True, checkpoint=path)
    assert not first[1].stopped
    second = train(6, keep_best=True, checkpoint=path, resume=True, skip=4)
    assert_same_run(whole, second)
    again = train(6, keep_best=True, checkpoint=path, resume=True, skip=5)
    assert_same_run(whole, again)  # patience is exhausted already: nothing more is done


def test_several_optimizers_and_a_generator_in_the_state(tmp_path):
    def train(epochs, **options):
        torch.manual_seed(3)
        g, d = nn.Linear(2, 3), nn.Linear(3, 1)
        noise = torch.Generator().manual_seed(5)
        opt_g, opt_d = torch.optim.Adam(g.parameters()), torch.optim.RMSprop(d.parameters())
        softplus = nn.functional.softplus
        count = 0

        def step(real):
            nonlocal count
            count += 1
            z = torch.randn(len(real), 2, generator=noise)
            opt_d.zero_grad()
            loss_d = (softplus(-d(real)) + softplus(d(g(z).detach()))).mean()
            loss_d.backward()
            opt_d.step()
            if count % 2:  # a metric need not come with every step
                return {"d": loss_d}
            opt_g.zero_grad()
            loss_g = softplus(-d(g(z))).mean()
            loss_g.backward()
            opt_g.step()
            return {"d": loss_d, "g": loss_g}

        state = {"g": g, "d": d, "opt_g": opt_g, "opt_d": opt_d, "noise": noise}
        order = torch.Generator().manual_seed(0)
        history = fit(
            step, X, epochs=epochs, batch_size=25, generator=order, state=state, **options
        )
        return [*g.parameters(), *d.parameters(), noise.get_state()], history

    whole, expected = train(6)
    train(3, checkpoint=tmp_path / "gan.pt")
    parts, history = train(6, checkpoint=tmp_path / "gan.pt", resume=True)
    assert same(whole, parts)
    assert record(expected) == record(history)
    assert set(history.metrics) == {"d", "g"} and history.best_epoch is None


def test_a_finished_run_is_not_run_again(tmp_path):
    path = tmp_path / "run.pt"
    first = Run()
    expected = first.fit(3, keep_best=True, checkpoint=path)
    second = Run()
    history = second.fit(3, keep_best=True, checkpoint=path, resume=True)
    assert second.steps == 0
    assert_same_run((first, expected), (second, history))
    assert history.seconds == expected.seconds > 0


def test_resume_without_a_checkpoint_starts_at_the_beginning(tmp_path):
    history = Run().fit(2, checkpoint=tmp_path / "new" / "run.pt", resume=True)
    assert len(history) == 2
    assert (tmp_path / "new" / "run.pt").is_file()


def test_the_last_epoch_is_saved_whatever_checkpoint_every(tmp_path):
    path = tmp_path / "run.pt"
    written = []
    Run().fit(
        5,
        checkpoint=path,
        checkpoint_every=3,
        on_epoch=lambda epoch, history: written.append(path.exists()),
    )
    assert written == [False, False, False, True, True]
    assert len(torch.load(path, weights_only=True)["history"]["epoch"]) == 5


@pytest.mark.parametrize("every", [1, 3])
def test_what_was_best_is_saved_with_every_epoch(tmp_path, every):
    path = tmp_path / "run.pt"
    kept = Run()
    kept.fit(4, keep_best=True, checkpoint=path, checkpoint_every=every)
    best = torch.load(path, weights_only=True)["best"]
    assert same(best["model"], dict(kept.model.state_dict()))


def test_the_time_of_all_epochs_adds_up(monkeypatch):
    ticks = iter(range(100))
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(ticks)))
    assert fit(lambda b: {"loss": 1.0}, X, epochs=3, progress=False).seconds == 3.0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_resuming_on_cuda_is_exact_too(tmp_path):
    path = tmp_path / "run.pt"
    whole = Run("cuda")
    expected = whole.fit(6)
    Run("cuda").fit(3, checkpoint=path)
    torch.rand(13, device="cuda")
    resumed = Run("cuda")
    assert_same_run((whole, expected), (resumed, resumed.fit(6, checkpoint=path, resume=True)))


def test_weights_can_be_read_by_others(tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("made as any program makes a file")
    save_weights(nn.Linear(1, 1), tmp_path / "w.safetensors", {})
    assert (tmp_path / "w.safetensors").stat().st_mode == plain.stat().st_mode


# --- checkpoints that cannot be used --------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"batch_size": 10}, "batch_size was 16, now 10"),
        ({"monitor": "error"}, "monitor was 'loss', now 'error'"),
        ({"validate_every": 2}, "validate_every was 1, now 2"),
        ({"keep_best": True}, "keep_best was False, now True"),
    ],
)
def test_changed_settings_are_refused(tmp_path, change, words):
    path = tmp_path / "run.pt"
    Run().fit(1, checkpoint=path)
    run = Run()
    before = copy.deepcopy(run.model.state_dict())
    with pytest.raises(CheckpointError, match=words):
        run.fit(2, checkpoint=path, resume=True, **change)
    assert same(before, run.model.state_dict())


def test_other_data_and_other_state_are_refused(tmp_path):
    path = tmp_path / "run.pt"
    Run().fit(1, checkpoint=path)
    run = Run()
    run.data = (X[:40], Y[:40])
    with pytest.raises(CheckpointError, match="number of examples was 50, now 40"):
        run.fit(2, checkpoint=path, resume=True)
    run = Run()
    run.data = (X[:, :2], Y)
    with pytest.raises(CheckpointError, match=r"shape of an example was \[\[3\], \[\]\]"):
        run.fit(2, checkpoint=path, resume=True)
    run = Run()
    with pytest.raises(CheckpointError, match=r"state was .*scheduler.*, now .'model'"):
        run.fit(2, checkpoint=path, resume=True, state={"model": run.model})
    run = Run()
    run.model[4] = nn.Linear(8, 5)
    with pytest.raises(CheckpointError, match=r"does not fit what is trained now.*size mismatch"):
        run.fit(2, checkpoint=path, resume=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lr": 0.5}, r"learning rate of optimizer was \[0.05\], now \[0.5\]"),
        ({"weight_decay": 0.1}, r"weight decay of optimizer was \[0.0\], now \[0.1\]"),
        ({"steps": 9}, r"steps of scheduler was 4, now 9"),
    ],
)
def test_a_changed_rate_is_refused(tmp_path, change, words):
    # The checkpoint's own would otherwise take its place, and nobody would know.
    def run(lr=0.05, weight_decay=0.0, steps=4):
        run = Run()
        weights = run.model.parameters()
        run.optimizer = torch.optim.Adam(weights, lr=lr, weight_decay=weight_decay)
        run.scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(run.optimizer, steps)
        return run

    path = tmp_path / "run.pt"
    run().fit(2, checkpoint=path)
    with pytest.raises(CheckpointError, match=words):
        run(**change).fit(4, checkpoint=path, resume=True)
    run().fit(4, checkpoint=path, resume=True)


def scheduled(path, epochs, schedule, resume=True, options=None):
    model = nn.Linear(3, 1)
    weights = [{"params": [model.weight]}, {"params": [model.bias], **(options or {})}]
    optimizer = torch.optim.SGD(weights, lr=0.05, momentum=0.9)
    step = gradient_step(
        model, optimizer, lambda x: model(x).square().mean(), schedule=schedule(optimizer)
    )
    fit(step, X, epochs=epochs, checkpoint=path, resume=resume, progress=False)
    return step


def warm_up(gamma, steps=2):
    def schedule(optimizer):
        parts = [rates.LinearLR(optimizer), rates.ExponentialLR(optimizer, gamma)]
        return rates.SequentialLR(optimizer, parts, [steps])

    return schedule


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            lambda o: rates.MultiStepLR(o, [3, 4]),
            lambda o: rates.MultiStepLR(o, [3, 9]),
            r"milestones of schedule was \[3, 4\], now \[3, 9\]",
        ),
        (warm_up(0.9), warm_up(0.5), r"gamma of schedule\[1\] was 0.9, now 0.5"),
        (warm_up(0.9), warm_up(0.9, 3), r"_milestones of schedule was \[2\], now \[3\]"),
    ],
)
def test_a_changed_schedule_is_refused(tmp_path, old, new, words):
    path = tmp_path / "run.pt"
    scheduled(path, 2, old)
    with pytest.raises(CheckpointError, match=words):
        scheduled(path, 3, new)
    scheduled(path, 3, old)


def test_a_changed_group_of_parameters_is_refused(tmp_path):
    def constant(optimizer):
        return rates.ConstantLR(optimizer)

    scheduled(tmp_path / "run.pt", 2, constant, options={"name": "biases"})
    with pytest.raises(CheckpointError, match=r"name of optimizer was \[None, 'biases'\]"):
        scheduled(tmp_path / "run.pt", 3, constant, options={"name": "others"})


@pytest.mark.parametrize(
    "schedule",
    [
        lambda o: rates.LambdaLR(o, lambda epoch: 0.9**epoch),
        lambda o: rates.CosineAnnealingWarmRestarts(o, 3),
        lambda o: rates.OneCycleLR(o, 0.1, total_steps=20),
        lambda o: rates.CyclicLR(o, 0.01, 0.1),
    ],
)
def test_the_same_objects_go_on_with_their_run(tmp_path, schedule):
    path = tmp_path / "run.pt"
    step = scheduled(path, 2, schedule)
    assert len(fit(step, X, epochs=4, checkpoint=path, resume=True, progress=False)) == 4


def test_a_checkpoint_that_cannot_be_written_is_told_before_the_first_step(tmp_path):
    (tmp_path / "file").touch()
    calls = []
    with pytest.raises(OSError, match="file"):
        Run().fit(1, checkpoint=tmp_path / "file" / "run.pt", on_epoch=lambda *a: calls.append(a))
    assert not calls


def test_a_checkpoint_that_knows_less_is_refused(tmp_path):
    path = tmp_path / "run.pt"
    Run().fit(1, checkpoint=path)
    kept = torch.load(path, weights_only=True)
    del kept["settings"]["learning rate of optimizer"]
    torch.save(kept, path)
    with pytest.raises(CheckpointError, match=r"learning rate of optimizer was None, now \["):
        Run().fit(2, checkpoint=path, resume=True)


def truncated(path):
    path.write_bytes(path.read_bytes()[:-200])


def flipped(path):
    content = bytearray(path.read_bytes())
    weight = torch.load(path, weights_only=True)["state"]["model"]["0.weight"]
    where = content.index(weight.numpy().tobytes())
    content[where] ^= 1  # one bit of one weight
    path.write_bytes(content)


def empty(path):
    path.write_bytes(b"")


def other_text(path):
    path.write_text("not a checkpoint")


@pytest.mark.parametrize("damage", [truncated, flipped, empty, other_text])
def test_a_damaged_checkpoint_is_named(tmp_path, damage):
    path = tmp_path / "run.pt"
    Run().fit(1, checkpoint=path)
    damage(path)
    reason = {flipped: "wrong checksum of ", other_text: "File is not a zip"}.get(damage, ".+")
    says = rf"run\.pt is no checkpoint that can be read \({reason}.*\)\. Delete"
    with pytest.raises(CheckpointError, match=says):
        Run().fit(2, checkpoint=path, resume=True)
    Run().fit(1, checkpoint=path)  # what is done when that is followed


def test_an_error_without_words_is_named(tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise EOFError

    Run().fit(1, checkpoint=tmp_path / "run.pt")
    monkeypatch.setattr(torch, "load", fail)
    with pytest.raises(CheckpointError, match=r"can be read \(EOFError\)"):
        Run().fit(2, checkpoint=tmp_path / "run.pt", resume=True)


def test_another_program_s_file_is_no_checkpoint(tmp_path):
    path = tmp_path / "run.pt"
    torch.save({"weights": torch.ones(2)}, path)
    with pytest.raises(CheckpointError, match="KeyError: 'settings'"):
        Run().fit(2, checkpoint=path, resume=True)


class Malicious:
    def __reduce__(self):
        return os.mkdir, ("owned",)


def test_nothing_is_unpickled(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"settings": Malicious()}, "run.pt")
    with pytest.raises(CheckpointError, match="no checkpoint that can be read"):
        Run().fit(2, checkpoint="run.pt", resume=True)
    assert not Path("owned").exists()


class Careless:
    """A state that cannot be read back without running its code."""

    def __init__(self, content):
        self.content = content

    def state_dict(self):
        return {"content": self.content}

    def load_state_dict(self, state):
        self.content = state["content"]


@pytest.mark.parametrize("content", [Path("here"), lambda: 0])
def test_a_state_that_cannot_be_kept_safely_is_refused_at_once(tmp_path, content):
    path = tmp_path / "run.pt"
    path.write_text("what was there")
    run = Run()
    with pytest.raises(CheckpointError, match=r"tensors, numbers, text, lists and dicts only"):
        run.fit(1, checkpoint=path, state={"model": run.model, "extra": Careless(content)})
    assert path.read_text() == "what was there"
    assert [p.name for p in tmp_path.iterdir()] == ["run.pt"]


# --- numbers that are none ------------------------------------------------------------------------


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_names_its_place(tmp_path, value):
    path = tmp_path / "run.pt"
    run = Run()

    def loss(batch):
        number = run.loss(batch)
        return {"loss": number * (value if run.steps == 11 else 1.0), "other": torch.ones(())}

    step = gradient_step(run.model, run.optimizer, loss)
    with pytest.raises(FloatingPointError, match=f"epoch 3, step 3: loss is {value}"):
        fit(step, DATA, epochs=5, batch_size=16, checkpoint=path)
    assert all(p.isfinite().all() for p in run.model.parameters())  # that step was not taken
    kept = torch.load(path, weights_only=True)
    assert kept["history"]["epoch"] == [1, 2]
    assert all(v.isfinite().all() for v in kept["state"]["model"].values())


def test_parameters_that_are_no_numbers_are_not_kept(tmp_path):
    path = tmp_path / "run.pt"
    model = nn.Linear(3, 1)

    def step(batch):
        if path.exists():
            model.weight.data[0, 1] = math.nan
        return {"loss": 1.0}

    with pytest.raises(FloatingPointError, match=r"epoch 2: model\.weight is nan"):
        fit(step, X, epochs=4, state={"model": model}, checkpoint=path)
    assert torch.load(path, weights_only=True)["history"]["epoch"] == [1]


def test_a_validation_that_is_no_number():
    with pytest.raises(FloatingPointError, match="validation after epoch 1: loss is nan"):
        Run().fit(3, validate=lambda: math.nan)


def test_an_infinite_validation_is_only_a_bad_one():
    scores = iter([math.inf, 1.0, math.inf])
    history = Run().fit(3, validate=lambda: next(scores), keep_best=True)
    assert history.best_epoch == 2


# --- what an epoch is -----------------------------------------------------------------------------


def test_metrics_are_means_over_the_examples():
    x = torch.arange(10.0)
    history = fit(lambda b: {"loss": b.mean(), "size": float(len(b))}, x, epochs=2, batch_size=4)
    assert history["loss"] == pytest.approx([4.5, 4.5])  # the last batch has 2, not 4
    assert history["size"] == pytest.approx([(4 * 4 + 4 * 4 + 2 * 2) / 10] * 2)
    assert history.epoch == [1, 2] and len(history) == 2


def test_every_example_comes_once_an_epoch_in_a_new_order(generator):
    seen = []
    x, y = torch.arange(10), torch.arange(10) * 2

    def step(batch):
        assert isinstance(batch, tuple)
        assert torch.equal(batch[1], 2 * batch[0])
        seen.append(batch[0])
        return {"loss": 0.0}

    fit(step, (x, y), epochs=2, batch_size=3, generator=generator)
    assert [len(b) for b in seen] == [3, 3, 3, 1] * 2
    first, second = torch.cat(seen[:4]), torch.cat(seen[4:])
    assert torch.equal(first.sort().values, x) and torch.equal(second.sort().values, x)
    assert not torch.equal(first, x) and not torch.equal(first, second)


def test_without_a_batch_size_all_data_come_in_their_order():
    seen = []

    def step(batch):
        seen.append(batch)
        return {"loss": 0.0}

    fit(step, X, epochs=2)
    fit(step, (X,), epochs=1)
    assert torch.equal(seen[0], X) and torch.equal(seen[1], X)
    assert isinstance(seen[2], tuple) and torch.equal(seen[2][0], X)


def test_the_order_follows_the_generator_or_the_global_seed():
    def order(seed=None, generator=None):
        if seed is not None:
            torch.manual_seed(seed)
        seen = []
        fit(
            lambda b: seen.append(b) or {"loss": 0.0},
            torch.arange(20),
            epochs=1,
            batch_size=5,
            generator=generator,
        )
        return torch.cat(seen).tolist()

    assert order(seed=1) == order(seed=1) != order(seed=2)
    a, b = (torch.Generator().manual_seed(3) for _ in range(2))
    assert order(seed=1, generator=a) == order(seed=2, generator=b)


def test_training_learns_and_keeps_the_best():
    run = Run()
    scores = iter([5.0, 1.0, 3.0, 2.0])
    weights = {}

    def keep(epoch, history):
        weights[epoch] = copy.deepcopy(run.model.state_dict())

    history = run.fit(4, validate=lambda: next(scores), keep_best=True, on_epoch=keep)
    assert history.best_epoch == 2 and not history.stopped
    assert same(run.model.state_dict(), weights[2])
    assert not same(weights[2], weights[4])
    assert history["loss"][-1] < history["loss"][0]


def test_without_validation_the_training_loss_is_monitored():
    losses = iter([3.0, 1.0, 2.0, 2.0, 9.0])
    history = fit(lambda b: {"loss": next(losses)}, X, epochs=5, patience=2)
    assert history.stopped and len(history) == 4 and history.best_epoch == 2
    assert history.valid == {} and history.valid_epoch == []


def test_validation_now_and_then_and_another_monitor():
    count = iter(range(10))
    history = Run().fit(
        5,
        validate=lambda: {"nll": 1.0, "minus_psnr": -float(next(count))},
        validate_every=2,
        monitor="minus_psnr",
    )
    assert history.valid_epoch == [2, 4]
    assert history.valid == {"nll": [1.0, 1.0], "minus_psnr": [0.0, -1.0]}
    assert history.best_epoch == 4


def test_validation_is_in_evaluation_mode_and_leaves_the_modes_alone():
    run = Run()
    run.model[1].eval()  # a frozen part stays frozen
    modes = []

    def validate():
        modes.append((run.model.training, run.model[3].training, torch.is_grad_enabled()))
        return 0.0

    run.fit(1, validate=validate)
    assert modes == [(False, False, False)]
    assert run.model.training and run.model[3].training and not run.model[1].training


def test_gradient_step_trains_in_training_mode():
    run = Run()
    run.model.eval()
    run.fit(1)
    assert run.model.training


def test_clip_limits_the_gradient():
    model = nn.Linear(1, 1, bias=False)
    start = model.weight.item()
    step = gradient_step(
        model, torch.optim.SGD(model.parameters(), lr=1.0), lambda b: 100 * model(b).sum(), clip=0.5
    )
    metrics = step(torch.ones(4, 1))
    assert model.weight.item() == pytest.approx(start - 0.5)
    assert not metrics["loss"].requires_grad


def test_a_schedule_moves_on_with_each_good_step():
    model = nn.Linear(1, 1, bias=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    step = gradient_step(model, optimizer, lambda b: model(b).sum(), schedule=schedule)
    assert set(step.state) == {"model", "optimizer", "schedule"}
    step(torch.ones(1, 1))
    step(torch.ones(1, 1))
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.25)
    step(torch.full((1, 1), math.nan))
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.25)


def test_the_learning_rate_falls_along_a_cosine():
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=2.0)
    schedule = cosine(optimizer, epochs=2, examples=5, batch_size=3)
    rates = [optimizer.param_groups[0]["lr"]]
    for _ in range(4):  # two epochs of two batches
        optimizer.step()
        schedule.step()
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([1 + math.cos(math.pi * k / 4) for k in range(5)])
    with pytest.raises(ValueError, match="batch_size: expected at least 1, got 0"):
        cosine(optimizer, 2, 5, 0)
    with pytest.raises(ValueError, match="examples: expected at least 1, got 0"):
        cosine(optimizer, 2, 0, 5)


@pytest.mark.parametrize("mixed", [False, True])
def test_mixed_precision_is_for_products_alone(mixed):
    model = nn.Linear(3, 2)
    seen = []

    def loss(batch):
        product = model(batch)
        seen.append(product.dtype)
        return product.float().square().mean()

    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    start = model.weight.detach().clone()
    gradient_step(model, optimizer, loss, mixed_precision=mixed)(torch.ones(4, 3))
    assert seen == [torch.bfloat16 if mixed else torch.float32]
    assert model.weight.dtype == model.weight.grad.dtype == torch.float32
    assert not torch.equal(model.weight, start)
    assert model(torch.ones(1, 3)).dtype == torch.float32


def test_history_says_which_metrics_there_are():
    history = fit(lambda b: {"loss": 1.0, "kl": 2.0}, X, epochs=1)
    assert history["kl"] == [2.0]
    with pytest.raises(KeyError, match=r"no training metric 'nll'; there are \['kl', 'loss'\]"):
        history["nll"]
    assert History().best_epoch is None


# --- arguments ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"epochs": 0}, "epochs: expected at least 1, got 0"),
        ({"epochs": 2.5}, "epochs: expected an integer, got 2.5"),
        ({"batch_size": 0}, "batch_size"),
        ({"patience": 0}, "patience"),
        ({"validate_every": -1}, "validate_every"),
        ({"checkpoint_every": 0}, "checkpoint_every"),
        ({"resume": True}, "resume=True needs the file"),
        ({"keep_best": True}, "state: name what the run changes"),
        ({"checkpoint": "x.pt"}, "state: name what the run changes"),
        ({"patience": 1, "monitor": "nll"}, r"no metric 'nll', only \['loss'\]"),
        (
            {"patience": 1, "monitor": "nll", "validate": lambda: {"elbo": 1.0}},
            r"no metric 'nll', only \['elbo'\]",
        ),
    ],
)
def test_arguments_that_make_no_sense(options, words):
    with pytest.raises(ValueError, match=words):
        fit(lambda b: {"loss": 1.0}, X, **({"epochs": 1} | options))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ((), "at least one tensor"),
        ((X, Y[:3]), r"share their first dimension.*\(50, 3\), \(3,\)"),
        (torch.tensor(1.0), "share their first dimension"),
        (torch.empty(0, 3), "at least one element"),
        (torch.tensor([1.0, math.nan]), "data: 1 of 2 values are NaN"),
        ((Y.float(), Y / 0), r"data\[1\]: .* of 50 values are NaN"),
    ],
)
def test_data_that_make_no_sense(data, words):
    with pytest.raises(ValueError, match=words):
        fit(lambda b: {"loss": 1.0}, data, epochs=1)


def test_a_step_must_return_scalars_and_the_same_ones_every_epoch():
    with pytest.raises(TypeError, match=r"expected a dict of scalars.*got Tensor"):
        fit(lambda b: torch.ones(()), X, epochs=1)
    with pytest.raises(ValueError, match=r"loss: expected one number, got shape \(50, 3\)"):
        fit(lambda b: {"loss": b}, X, epochs=1)
    names = iter(["a", "b"])
    with pytest.raises(ValueError, match=r"epoch 2: expected the metrics \['a'\].*got \['b'\]"):
        fit(lambda b: {next(names): 1.0}, X, epochs=2)


def test_gradient_step_checks_its_arguments():
    run = Run()
    with pytest.raises(ValueError, match="clip: expected a positive norm"):
        gradient_step(run.model, run.optimizer, run.loss, clip=0.0)
    step = gradient_step(run.model, run.optimizer, lambda b: {"nll": b.sum()})
    with pytest.raises(ValueError, match=r'must hold the key "loss", got \[\'nll\'\]'):
        step(X)


# --- the progress bar -----------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


def watch(monkeypatch, stream):
    """Let ``stream`` be the standard output; within a test, since pytest sets its own before."""
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.delenv("GDMLIB_PROGRESS", raising=False)
    return stream


def screen(text):
    """Show what a terminal shows in the end: a carriage return goes back to the line's start."""
    line = ""
    for part in text.split("\r"):
        line = part + line[len(part) :]
    return line


def test_the_bar_is_seen_and_then_gone(monkeypatch):
    terminal = watch(monkeypatch, Terminal())
    fit(lambda b: {"loss": 1.25}, X, epochs=3, batch_size=10)
    assert "0/15" in terminal.getvalue()
    assert screen(terminal.getvalue()).strip() == ""


def test_the_bar_is_gone_after_an_error_too(monkeypatch):
    terminal = watch(monkeypatch, Terminal())
    with pytest.raises(FloatingPointError):
        fit(lambda b: {"loss": math.nan}, X, epochs=3)
    assert "0/3" in terminal.getvalue()
    assert screen(terminal.getvalue()).strip() == ""


def test_the_bar_can_be_silenced(monkeypatch):
    terminal = watch(monkeypatch, Terminal())
    fit(lambda b: {"loss": 1.0}, X, epochs=3, progress=False)
    assert terminal.getvalue() == ""
    monkeypatch.setenv("GDMLIB_PROGRESS", "0")
    fit(lambda b: {"loss": 1.0}, X, epochs=3)
    assert terminal.getvalue() == ""


def test_the_bar_goes_on_where_a_run_is_resumed(monkeypatch, tmp_path):
    Run().fit(1, checkpoint=tmp_path / "run.pt")
    terminal = watch(monkeypatch, Terminal())
    Run().fit(2, checkpoint=tmp_path / "run.pt", resume=True)
    assert "50%" in terminal.getvalue() and " 0%" not in terminal.getvalue()


def test_only_the_first_process_shows_a_bar(monkeypatch):
    class Second:
        rank, count = 1, 2

        def sum(self, x):
            return 2 * x

    terminal = watch(monkeypatch, Terminal())
    with together(Second()):
        fit(lambda b: {"loss": 1.0}, X, epochs=1)
    assert terminal.getvalue() == ""


def test_no_bar_in_a_log_file_but_one_in_a_notebook(monkeypatch):
    log = watch(monkeypatch, io.StringIO())
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    fit(lambda b: {"loss": 1.0}, X, epochs=1)
    assert log.getvalue() == ""
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    fit(lambda b: {"loss": 1.0}, X, epochs=1)
    assert "0/1" in log.getvalue() and screen(log.getvalue()).strip() == ""


def test_all_that_optimizers_and_schedules_were_told_is_kept():
    first, second = (nn.Parameter(torch.zeros(1)) for _ in range(2))
    groups = [{"params": [first], "lr": 0.1}, {"params": [second], "lr": 0.2}]
    optimizer = torch.optim.SGD(groups, momentum=0.5)
    assert settings_of({"o": optimizer}, None)["learning rate of o"] == [0.1, 0.2]
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.25)
    before = settings_of({"o": optimizer, "s": schedule}, None)
    assert before["kind of o"] == "SGD" and before["kind of s"] == "StepLR"
    assert before["learning rate of o"] == [0.1, 0.2] and before["momentum of o"] == [0.5, 0.5]
    assert before["gamma of s"] == 0.25
    optimizer.step()
    schedule.step()
    assert settings_of({"o": optimizer, "s": schedule}, None) == before


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam])
def test_what_a_schedule_moves_is_no_setting(kind):
    momentum = {"momentum": 0.9} if kind is torch.optim.SGD else {}
    optimizer = kind([nn.Parameter(torch.zeros(1))], lr=0.1, **momentum)
    objects = {"o": optimizer, "s": rates.OneCycleLR(optimizer, 0.1, total_steps=20)}
    before = settings_of(objects, None)
    optimizer.step()
    objects["s"].step()
    assert settings_of(objects, None) == before


def test_a_setting_that_is_no_longer_there_is_told(tmp_path):
    path = tmp_path / "run.pt"
    Run().fit(1, checkpoint=path)
    kept = torch.load(path, weights_only=True)
    kept["settings"]["speed of step"] = 7
    torch.save(kept, path)
    with pytest.raises(CheckpointError, match="speed of step was 7, now None"):
        Run().fit(2, checkpoint=path, resume=True)


# --- weights --------------------------------------------------------------------------------------


def test_weights_make_the_round_trip(tmp_path):
    path = tmp_path / "new" / "model.safetensors"
    model, other = Run().model, Run().model
    with torch.no_grad():
        for p in model.parameters():
            p.add_(1.0)
    model[1].running_mean.fill_(0.25)
    save_weights(model, path, {"made_by": "a test", "nats": "1.25"})
    assert load_weights(other, path) == {"made_by": "a test", "nats": "1.25"}
    assert same(model.state_dict(), other.state_dict())
    assert [p.name for p in path.parent.iterdir()] == ["model.safetensors"]


def test_the_same_weights_are_the_same_file(tmp_path):
    metadata = {name: f"{name} ü" for name in "abcdefgh"}
    for name, items in ("one", metadata.items()), ("two", reversed(metadata.items())):
        torch.manual_seed(0)
        save_weights(nn.Linear(2, 2), tmp_path / name, dict(items))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_files_of_others_can_be_read(tmp_path):
    model = nn.Linear(2, 1)
    save_file(model.state_dict(), tmp_path / "plain", metadata={"format": "pt"})
    assert load_weights(nn.Linear(2, 1), tmp_path / "plain") == {"format": "pt"}


def test_weights_that_are_shared_make_the_round_trip(tmp_path):
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    save_weights(model, tmp_path / "m.safetensors", {})
    other = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    other[1].weight = other[0].weight
    assert load_weights(other, tmp_path / "m.safetensors") == {}
    assert same(model.state_dict(), other.state_dict())


def test_weights_of_another_model_are_refused(tmp_path):
    path = tmp_path / "m.safetensors"
    save_weights(nn.Linear(3, 2), path, {})
    model = nn.Linear(3, 4)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(CheckpointError, match=r"weight: the model has \(4, 3\), the file \(2, 3\)"):
        load_weights(model, path)
    assert same(before, model.state_dict())
    with pytest.raises(CheckpointError, match=r"0.bias.*the file nothing.*and 6 more"):
        load_weights(Run().model, path)
    with pytest.raises(CheckpointError) as caught:
        load_weights(nn.Sequential(nn.Linear(3, 2), nn.Linear(3, 2)), path)
    assert str(caught.value).count(": the model has") == 5 and "and 1 more" in str(caught.value)
    assert "bias: the model has nothing, the file (2,)" in str(caught.value)
    with pytest.raises(CheckpointError) as caught:
        load_weights(nn.Sequential(nn.Linear(3, 2), nn.PReLU()), path)
    assert str(caught.value).count(": the model has") == 5 and "more" not in str(caught.value)


@pytest.mark.parametrize("damage", [truncated, empty, other_text])
def test_damaged_weights_are_named(tmp_path, damage):
    path = tmp_path / "m.safetensors"
    save_weights(nn.Linear(30, 20), path, {})
    damage(path)
    with pytest.raises(CheckpointError, match=r"m\.safetensors is no safetensors file"):
        load_weights(nn.Linear(30, 20), path)


def test_missing_weights_and_wrong_metadata(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file of weights"):
        load_weights(nn.Linear(1, 1), tmp_path / "m.safetensors")
    with pytest.raises(TypeError, match=r"text for text, got 'nats': 1\.25"):
        save_weights(nn.Linear(1, 1), tmp_path / "m.safetensors", {"nats": 1.25})


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "m.safetensors"
    save_weights(nn.Linear(1, 1), path, {"is": "old"})

    def fail(tensors, temporary, metadata):
        Path(temporary).write_text("half")
        raise OSError("no space left on device")

    monkeypatch.setattr("gdmlib.training.files.save_file", fail)
    with pytest.raises(OSError, match="no space left"):
        save_weights(nn.Linear(1, 1), path, {"is": "new"})
    assert load_weights(nn.Linear(1, 1), path) == {"is": "old"}
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]


def test_a_new_file_takes_the_old_one_s_place_in_one_move(tmp_path):
    path = tmp_path / "run.pt"
    Run().fit(1, checkpoint=path)
    old = path.read_bytes()
    with path.open("rb") as opened:
        Run().fit(2, checkpoint=path)
        assert opened.read() == old  # whoever reads sees the old file or the new one, no mixture
    assert path.read_bytes() != old
