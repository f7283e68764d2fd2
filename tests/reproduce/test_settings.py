"""What an experiment is told is seen to matter: settings, seeds, tasks, and where files go."""

from __future__ import annotations

import functools
import json
import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from gdmlib.reproduce import (
    EXPERIMENTS,
    Data,
    Splits,
    Task,
    cli,
    experiment,
    held_out,
    load_record,
    patches,
    photographs,
    run,
    tasks,
)
from gdmlib.reproduce import runner as _runner
from gdmlib.reproduce.binary import _source
from gdmlib.reproduce.experiment import Fitting, trained
from gdmlib.reproduce.job import Job
from gdmlib.training import History
from gdmlib.training.files import load_plain, load_weights
from gdmlib.training.processes import is_main

# --- every setting of a trial ---------------------------------------------------------------------

# A trial has no data to choose; a few steps exhaust no patience, and reach the minimum of 9 pixels.
UNSEEN = {"data", "binarise_seed", "validation", "patience", "tolerance"}
OTHERS = {
    "shape": [1, 4, 4], "l2": [30.0], "average": 0.5, "dropout": 0.3,
    "n_iter": 3, "hidden": [9], "last_pixel": 3.0, "clip": 0.01, "batch_size": 7,
    "mcgsm_patches": 20, "scales": 3, "features": 1, "patch_seed": 1, "noise_seed": 1,
    "kernel_size": 5,
}  # fmt: skip
TRIALS = [
    "fvsbn_mnist", "bernoulli_mixture_mnist", "made_dna", "pixelcnn_mnist",
    "pixelcnnpp_cifar10_subset", "mcgsm_bsds300_patches", "ride_bsds300_patches",
    "mcgsm_bsds300_images", "ride_bsds300_images",
]  # fmt: skip


def trial(name, changes=None):
    record = run(name, smoke=True, device="cpu", changes=changes or {})
    return record.metric.value, record.metric.stderr, record.details


def other(key, value):
    if key == "seeds":
        return [seed + 5 for seed in value]
    if key in OTHERS:
        return OTHERS[key]
    return not value if isinstance(value, bool) else 2 * value


@pytest.mark.parametrize("name", TRIALS)
def test_every_setting_changes_what_a_trial_finds(name):
    if EXPERIMENTS[name].trains:
        pytest.importorskip("lightning_fabric")
    settings = EXPERIMENTS[name].settings(True, {})
    plain = trial(name)
    same = [
        key
        for key, value in settings.items()
        if key not in UNSEEN and value != [] and trial(name, {key: other(key, value)}) == plain
    ]
    assert same == []


@pytest.mark.parametrize("name", TRIALS)
def test_chance_comes_from_the_seed_of_the_fit_alone(name, monkeypatch):
    if EXPERIMENTS[name].trains:
        pytest.importorskip("lightning_fabric")
    changes = {"dropout": 0.0} if "dropout" in EXPERIMENTS[name].config else {}
    plain, manual_seed = trial(name, changes), torch.manual_seed
    monkeypatch.setattr(torch, "manual_seed", lambda seed: manual_seed(seed + 77))
    assert trial(name, changes) == plain


# --- what counts ----------------------------------------------------------------------------------


class Half(nn.Module):
    """Costs half of the sum of an event; by ``log_prob``, a third."""

    def log_prob(self, x):
        return -x.flatten(1).sum(dim=1) / 3

    def score(self, x):
        return x.flatten(1).sum(dim=1) / 2


def task(**options):
    def load(size, data):
        x = torch.arange(60.0).reshape(10, 2, 3) * size
        return Splits(x[:4], x[4:7], x[7:], Data("loaded", "0" * 64))

    def stand_in(size):
        return load(-size, "")

    return Task("Numbers", load, stand_in, "Three parts.", metric="sum", **options)


@pytest.mark.parametrize(
    ("options", "factor"),
    [
        ({}, 1.0),
        ({"better": "higher"}, -1.0),
        ({"nats": math.log(2)}, 1 / math.log(2)),
        ({"per_dim": True}, 1 / 6),
        ({"score": lambda model, x: 8 * model.score(x)}, 8.0),
        ({"nats": 2.0, "per_dim": True, "better": "higher"}, -1 / 12),
    ],
)
def test_a_task_says_what_an_example_counts(options, factor):
    x = torch.arange(12.0).reshape(2, 2, 3)
    expected = factor * torch.tensor([7.5, 25.5], dtype=torch.float64)
    torch.testing.assert_close(task(**options).values(Half(), x), expected)


def test_the_tasks_of_images_have_their_units():
    assert (tasks.CIFAR10.nats, tasks.CIFAR10.per_dim) == (math.log(2), True)
    assert (tasks.IMAGES.nats, tasks.IMAGES.per_dim) == (math.log(2), False)
    assert [tasks.CIFAR10.better, tasks.IMAGES.better, tasks.PATCHES.better] == [
        "lower", "higher", "higher",
    ]  # fmt: skip


def test_a_patch_counts_without_its_last_pixel():
    class Ones(nn.Module):
        def conditional_log_prob(self, x):
            return torch.arange(4.0).reshape(1, 1, 2, 2).expand_as(x)

        def log_prob(self, x):
            return x.sum(dim=1)

    x = torch.tensor([[[1.0, 2.0], [3.0, 40.0]]])
    of_ride = EXPERIMENTS["ride_bsds300_patches"].run.args[0]
    assert of_ride.values(Ones(), x).tolist() == [3.0]  # 0 + 1 + 2
    assert tasks.PATCHES.values(Ones(), x).tolist() == [6.0]  # 1 + 2 + 3


@pytest.mark.parametrize(
    ("runs", "over", "value", "stderr"),
    [
        ([torch.tensor([1.0, 3.0])], "test examples", 2.0, 1.0),
        ([torch.tensor([1.0, 3.0]), torch.tensor([5.0, 7.0])], "seeds", 4.0, 2.0),
    ],
)
def test_a_metric_is_called_what_the_task_calls_it(runs, over, value, stderr):
    results = iter(runs)
    measured = replace(
        task(unit="bit/px", better="higher"), score=lambda model, *batch: -next(results)
    )
    made = held_out(
        "made", "", measured, lambda fitting, x, valid: (nn.Linear(1, 1), {}), None, "",
        config={"data": "stand-in", "size": 1}, smoke={}, seeds=tuple(range(len(runs))),
    )  # fmt: skip
    found = made.run(Job("made", made.settings(True, {}))).metric
    assert (found.name, found.unit, found.better, found.over) == ("sum", "bit/px", "higher", over)
    assert (found.value, found.stderr) == (value, pytest.approx(stderr))


# --- a fit ----------------------------------------------------------------------------------------


class Constant(nn.Module):
    def __init__(self, value):
        super().__init__()
        self.value = nn.Parameter(torch.tensor(float(value)))

    def log_prob(self, x):
        return -self.value.detach() * x.flatten(1).sum(dim=1)


def watched(seen, seeds=(4, 9)):
    def fit(fitting, x, valid):
        seen.append((fitting, x, valid, torch.initial_seed()))
        return Constant(fitting.number + fitting.job.config["size"]), {"found": fitting.number}

    return held_out(
        "watched", "Watched", task(), fit, None, "A protocol.", config={"data": "d", "size": 2},
        smoke={"size": 3}, seeds=seeds, digits=1,
    )  # fmt: skip


def test_each_seed_has_a_fit_of_its_own(monkeypatch, tmp_path):
    seen = []
    experiment = watched(seen)
    assert (experiment.title, experiment.dataset, experiment.digits) == ("Watched", "Numbers", 1)
    assert experiment.protocol == "Three parts. A protocol."
    monkeypatch.setitem(EXPERIMENTS, "watched", experiment)
    record = run("watched", tmp_path / "out", device="cpu", work=tmp_path / "work")
    for number, ((fitting, x, valid, seed), expected) in enumerate(zip(seen, (4, 9), strict=True)):
        assert (fitting.number, fitting.of, fitting.name) == (number, 2, f"seed-{expected}")
        assert seed == fitting.generator.initial_seed() == expected
        assert len(x) == 4 and len(valid) == 3 and float(x[0, 0, 1]) == 2.0
    sums = [float(x) for x in 2 * torch.arange(60.0).reshape(10, -1)[7:].sum(dim=1)]
    assert record.metric.values == [pytest.approx(k * sum(sums) / 3) for k in (2, 3)]
    spread = float(torch.tensor(sums).std() / 3**0.5)
    assert record.details == {
        "found": [0, 1],
        "stderr over test examples": [pytest.approx(2 * spread), pytest.approx(3 * spread)],
    }
    assert record.data.name == "loaded" and record.seeds == [4, 9] and record.title == "Watched"
    assert record.protocol == experiment.protocol and not record.smoke
    files = {path.name for path in (tmp_path / "work").iterdir()}
    assert files == {
        "run.json", "seed-4.stage.pt", "seed-9.stage.pt", "seed-4.safetensors",
        "seed-9.safetensors",
    }  # fmt: skip
    model = Constant(0)
    about = load_weights(model, tmp_path / "work" / "seed-9.safetensors")
    assert float(model.value.detach()) == 3.0
    assert about == {"experiment": "watched", "config": '{"data": "d", "size": 2}'}
    trial = run("watched", smoke=True, device="cpu")
    assert trial.smoke and trial.config == {"data": "stand-in", "size": 3}
    assert float(seen[-1][1][0, 0, 1]) == -3.0


def test_without_seeds_there_is_one_fit(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setitem(EXPERIMENTS, "watched", watched(seen, seeds=()))
    record = run("watched", device="cpu", work=tmp_path)
    (fitting, *_, seed), *rest = seen
    assert not rest and (fitting.name, fitting.number, fitting.of, seed) == ("model", 0, 1, 0)
    assert record.details == {"found": 0} and record.metric.over == "test examples"


def test_a_fit_takes_settings_by_prefix_and_counts_its_epochs():
    said = []
    job = Job("toy", {"epochs": 5, "first_epochs": 2, "first_lr": 3.0, "lr": 1.0}, say=said.append)
    fitting = Fitting(job, "seed-3", 1, 4, torch.Generator())

    def function(lr):
        return lr

    assert fitting.settings(function) == {"lr": 1.0}
    assert fitting.settings(function, "first_") == {"lr": 3.0}
    history = History(epoch=[1], metrics={"loss": [2.0]}, valid={"loss": [7.0]})
    fitting.keeping()["on_epoch"](3, history)
    assert said[-1].startswith("toy: epoch 8 of 20, loss 2.0000, validation 7.0000; ")
    job._said = -100.0
    fitting.keeping("part", "first_")["on_epoch"](1, History(metrics={"loss": [1.0]}))
    assert said[-1].startswith("toy: epoch 1 of 2, loss 1.0000; ")


def test_a_training_is_kept_under_its_name(tmp_path):
    job = Job("toy", {"epochs": 5}, folder=tmp_path, say=print)
    fitting = Fitting(job, "seed-3", 0, 1, torch.Generator())
    kept = fitting.keeping(), fitting.keeping("part")
    assert [options["checkpoint"].name for options in kept] == [
        "seed-3.fit.pt", "seed-3-part.fit.pt",
    ]  # fmt: skip
    assert all(options["resume"] and options["progress"] for options in kept)
    silent = Job("toy", {"epochs": 5}, say=print, main=False).training("seed-3", 5)
    assert not silent["progress"] and "checkpoint" not in silent


def test_a_job_notes_its_time_in_the_first_process_alone(tmp_path):
    assert Job("toy", {}, device="meta").device.type == "meta"
    for main in (False, True):
        job = Job("toy", {}, folder=tmp_path, main=main, earlier=(1000.0, 0.0))
        assert job.stage("a", lambda: {"found": 1}) == {"found": 1}
        assert bool(list(tmp_path.iterdir())) == main
    state = json.loads((tmp_path / "run.json").read_text())
    assert state["seconds"] >= 1000 and not state["finished"]
    Job("toy", {}, folder=tmp_path, main=False).finish()
    assert not json.loads((tmp_path / "run.json").read_text())["finished"]


def test_what_is_trained_reports_what_it_found(monkeypatch):
    seen = {}

    class Made(nn.Module):
        def __init__(self, event_shape, *, size, fixed, generator):
            super().__init__()
            seen.update(shape=event_shape, size=size, fixed=fixed, seed=generator.initial_seed())
            self.weight = nn.Parameter(torch.zeros(7))

    def train(model, x, valid, *, epochs, generator, **options):
        seen.update(x=x, valid=valid, epochs=epochs, generator=generator, options=options)
        metrics, held = {"loss": [0.0] * 3}, {"loss": [4.0, 2.0, 3.0]}
        return History(epoch=[1, 2, 3], metrics=metrics, valid=held, best_epoch=2)

    monkeypatch.setattr("gdmlib.reproduce.experiment.train", train)
    fitting = Fitting(Job("toy", {"epochs": 3, "size": 2}), "s", 0, 1, torch.Generator())
    x, valid = torch.zeros(5, 2, 3), torch.ones(1, 2, 3)
    _, details = trained(Made, fixed="f")(fitting, x, valid)
    assert details == {"parameters": 7, "epochs": 3, "best epoch": 2, "validation": 2.0}
    assert (seen["shape"], seen["size"], seen["fixed"]) == ((2, 3), 2, "f")
    assert torch.equal(seen["x"], x) and torch.equal(seen["valid"], valid) and seen["epochs"] == 3
    assert seen["generator"] is fitting.generator
    assert seen["options"].keys() == {"on_epoch", "progress"}


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("ride_bsds300_images", ["", "-mcgsm"]),
        ("ride_bsds300_patches", ["", "-mcgsm"]),
        ("mcgsm_bsds300_images", [""]),
        ("nade_dna", [""]),
    ],
)
def test_every_training_of_an_experiment_is_kept(tmp_path, name, parts):
    pytest.importorskip("lightning_fabric")
    record = run(name, smoke=True, device="cpu", work=tmp_path, changes={"seeds": [3]})
    found = {path.name for path in tmp_path.iterdir()}
    trainings = {f"seed-3{part}.{kind}.pt" for part in parts for kind in ("fit", "stage")}
    assert found == {"run.json", "seed-3.safetensors"} | trainings
    epochs = len(load_plain(tmp_path / "seed-3.fit.pt")["history"]["epoch"])
    assert epochs == record.config.get("epochs", record.config.get("mcgsm_epochs"))


def test_each_coordinate_has_a_chance_and_pairs_of_its_own(monkeypatch):
    asked, seen = [], []
    seeded, train_mcgsm = patches.seeded, patches.train_mcgsm

    def spy(model, x, y, valid, **options):
        seen.append((model.dim_context, len(y), *valid[0].shape, len(valid[1])))
        return train_mcgsm(model, x, y, valid, **options)

    monkeypatch.setattr(patches, "seeded", lambda seed: asked.append(seed) or seeded(seed))
    monkeypatch.setattr(patches, "train_mcgsm", spy)
    run("mcgsm_bsds300_patches", smoke=True, device="cpu", changes={"seeds": [2]})
    assert asked == [2000, 2001, 2002]
    assert seen == [(k, 200, 50, k, 50) for k in range(3)]


def test_a_ride_starts_from_an_mcgsm_that_sees_the_same(monkeypatch):
    pytest.importorskip("lightning_fabric")
    seen, initialise = [], photographs.RIDE.initialise

    def spy(model, images, conditional=None):
        seen.append((model.padding, model.head_sees_context, conditional.dim_context))
        return initialise(model, images, conditional)

    monkeypatch.setattr(photographs.RIDE, "initialise", spy)
    for name in ("ride_bsds300_patches", "ride_bsds300_images"):
        run(name, smoke=True, device="cpu")
    assert seen == [(0.0, True, 4), (0.5, True, 4)]


def test_a_ride_is_judged_by_all_crops_and_trained_on_noisy_ones(monkeypatch):
    pytest.importorskip("lightning_fabric")
    seen, train = [], experiment.train

    @functools.wraps(train)  # settings go by the names of its arguments
    def spy(model, x, valid, *, prepare, **options):
        crops = prepare(x[:2])
        seen.append((x.shape, valid.shape, crops.shape, bool((256 * crops).frac().any())))
        return train(model, x, valid, prepare=prepare, **options)

    # The MCGSM before it is trained by `train_mcgsm`, which has a `train` of its own.
    monkeypatch.setattr(experiment, "train", spy)
    *_, details = trial("ride_bsds300_images")
    assert seen == [((12, 3), (4, 1, 10, 10), (2, 1, 8, 8), True)]
    assert {"MCGSM, best epoch", "MCGSM, validation (bit/px)", "best epoch"} <= details.keys()


def test_a_ride_sees_other_crops_in_each_epoch(monkeypatch):
    pytest.importorskip("lightning_fabric")
    seen, crop_at = [], photographs.crop_at

    def spy(images, which, places, size):
        seen.append(places)
        return crop_at(images, which, places, size)

    monkeypatch.setattr(photographs, "crop_at", spy)
    run("ride_bsds300_images", smoke=True, device="cpu")
    first, second = (torch.cat(part)[:, 0].tolist() for part in (seen[:3], seen[3:]))
    assert len(first) == len(second) == 12 and not set(first) & set(second)


@pytest.mark.parametrize("name", ["ride_bsds300_patches", "ride_bsds300_images"])
def test_a_ride_that_finds_its_mcgsm_done_ends_like_one_that_does_not(name, monkeypatch, tmp_path):
    pytest.importorskip("lightning_fabric")
    whole = trial(name)

    def stop(*arguments, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(photographs.RIDE, "initialise", stop)
        with pytest.raises(KeyboardInterrupt):
            run(name, smoke=True, device="cpu", work=tmp_path)
    again = run(name, smoke=True, device="cpu", work=tmp_path, resume=True)
    assert (again.metric.value, again.metric.stderr, again.details) == whole


def test_some_pixels_of_an_image_are_at_random_places(monkeypatch):
    monkeypatch.setattr(photographs, "dequantise", lambda image, generator: image)
    monkeypatch.setattr(photographs, "conditional", lambda fitting, part, pairs, valid: pairs)
    settings = {"rows": 1, "columns": 1, "pixels_of_an_image": 5}
    found = []
    for seed in (0, 1):
        generator = torch.Generator().manual_seed(seed)
        fitting = Fitting(Job("toy", settings), "s", 0, 1, generator)
        images = [torch.arange(64.0).reshape(8, 8)] * 2
        x, y = photographs._mcgsm_of_pixels(fitting, images, images)
        assert torch.equal(x[:, -1], y - 1) and len(y) == 10  # the left neighbour
        found += [set(part.tolist()) for part in y.split(5)]
    assert len(set(map(frozenset, found))) == 4


# --- the data -------------------------------------------------------------------------------------


class Loaded:
    def __init__(self, x):
        self.x = x


def test_the_seed_and_the_sizes_reach_the_data(monkeypatch):
    calls = []

    def digits(split, *, seed):
        calls.append((split, seed))
        return Loaded(torch.full((2, 1, 2, 2), float(seed)))

    monkeypatch.setattr(tasks, "binarised_mnist", digits)
    parts = tasks.BINARY["mnist"].load("mnist", binarise_seed=5)
    assert calls == [("train", 5), ("valid", 5), ("test", 5)] and "seed 5" in parts.data.name
    monkeypatch.setattr(tasks, "cifar10_subset", lambda split: Loaded(torch.rand(9, 3, 2, 2)))
    parts = tasks.CIFAR10.load(validation=2)
    assert [len(parts.train), len(parts.valid), len(parts.test)] == [7, 2, 9]
    assert _source("mnist") == {"data": "mnist", "binarise_seed": 0}


def test_photographs_are_cut_and_made_continuous_by_their_seeds(monkeypatch):
    pictures = {f"{k:02}": torch.randint(0, 256, (3, 8, 8)) / 255 for k in range(22)}
    monkeypatch.setattr(tasks, "bsds500", lambda split: pictures)
    for cut in (tasks.PATCHES.load, tasks.PATCHES.stand_in):
        found = cut(3, 7, 5, 4, patch_seed=0)
        assert [tuple(part.shape) for part in found[:3]] == [(7, 3, 3), (5, 3, 3), (4, 3, 3)]
        assert float(found.train.mean(dim=(1, 2)).abs().max()) < 1e-5
        assert not torch.equal(found.train, cut(3, 7, 5, 4, patch_seed=1).train)
    for images in (tasks.IMAGES.load, tasks.IMAGES.stand_in):
        found = images(noise_seed=0)
        assert not torch.equal(found.test[0], images(noise_seed=1).test[0])
    found = tasks.IMAGES.load(noise_seed=0)
    assert [len(part) for part in found[:3]] == [2, 20, 22]
    assert found.test[0].shape == (1, 8, 8)


# --- running --------------------------------------------------------------------------------------


class Two:
    """Two processes, of which this is one, that never speak."""

    count = 2

    def __init__(self, rank):
        self.rank = rank

    def sum(self, x):
        return 2 * x


@pytest.mark.parametrize("rank", [0, 1])
def test_processes_and_nodes_reach_the_start_and_the_record(monkeypatch, tmp_path, rank):
    seen, asked = [], []

    def started(device, count, nodes):
        asked.append((device, count, nodes))
        return Two(rank), torch.device("cpu")

    experiment, mains = watched(seen), []

    def fit(*arguments):
        mains.append(is_main())
        return experiment.run.args[1](*arguments)

    monkeypatch.setitem(EXPERIMENTS, "watched", held_out(
        "watched", "", task(), fit, None, "", config=experiment.config,
        smoke={}, seeds=(1, 2), trains=True,
    ))  # fmt: skip
    monkeypatch.setattr(_runner, "launch", started)
    said = []
    out, work = tmp_path / "out", tmp_path / "work"
    options = {"device": "cpu", "processes": 3, "nodes": 2, "say": said.append}
    record = run("watched", out, work=work, **options)
    assert asked == [("cpu", 3, 2)] and record.processes == 6
    job = seen[0][0].job
    assert (job.main, job._say is None) == (rank == 0, rank == 1)
    assert any(out.glob("*.json")) == (rank == 0) and mains == [rank == 0] * 2
    assert json.loads((work / "run.json").read_text())["where"]["processes"] == 6
    kept = {path.name for path in work.iterdir()}
    assert kept == {"run.json"} if rank else len(kept) == 5
    with pytest.raises(ValueError, match="nodes: expected at least 1, got 0"):
        run("watched", **{**options, "nodes": 0})


def test_one_process_on_each_of_two_nodes_is_two(monkeypatch):
    with pytest.raises(ValueError, match="in one process; give it more threads"):
        run("fvsbn_dna", smoke=True, device="cpu", nodes=2)


def test_a_resumed_run_counts_the_time_before_and_says_where_it_was(monkeypatch, tmp_path):
    seen, said = [], []
    monkeypatch.setitem(EXPERIMENTS, "watched", watched(seen))
    run("watched", device="cpu", work=tmp_path)
    state = (tmp_path / "run.json").read_text()
    for old, new in (("threads", 77), ("processes", 78), ("torch", '"0.1"'), ("device", '"gpu"')):
        (line,) = [line for line in state.splitlines() if f'"{old}"' in line]
        comma = "," * line.endswith(",")
        state = state.replace(line, f'    "{old}": {new}{comma}')
    for old, new in (("seconds", 1000.0), ("cpu_seconds", 500.0)):
        (line,) = [line for line in state.splitlines() if f'"{old}"' in line]
        state = state.replace(line, f'  "{old}": {new},')
    (tmp_path / "run.json").write_text(state)
    record = run("watched", device="cpu", work=tmp_path, resume=True, say=said.append)
    assert 1000 <= record.seconds < 1100 and 500 <= record.cpu_seconds < 600
    told = [line.split(" was ")[0] for line in said if "the last digits may differ" in line]
    assert told == [f"watched: {key}" for key in ("device", "processes", "threads", "torch")]
    for changed in ({"smoke": True}, {"changes": {"size": 9}}):
        with pytest.raises(ValueError, match="holds a run with other settings"):
            run("watched", device="cpu", work=tmp_path, resume=True, **changed)
    monkeypatch.setitem(EXPERIMENTS, "other", watched(seen))
    with pytest.raises(ValueError, match="experiment was 'watched', now 'other'"):
        run("other", device="cpu", work=tmp_path, resume=True)


def test_a_finished_run_starts_afresh_without_the_old_files(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setitem(EXPERIMENTS, "watched", watched(seen))
    first = run("watched", device="cpu", work=tmp_path)
    (tmp_path / "old.fit.pt").write_bytes(b"")
    again = run("watched", device="cpu", work=tmp_path, changes={"size": 7})
    assert len(seen) == 4 and again.metric.value != first.metric.value
    assert not (tmp_path / "old.fit.pt").exists()


def test_the_command_line_hands_everything_on(monkeypatch, tmp_path):
    seen = {}

    def spy(name, out, **options):
        seen.update(options, name=name, out=out)
        raise ValueError("enough")

    monkeypatch.setattr(cli, "run", spy)
    monkeypatch.setattr(torch, "set_num_threads", lambda n: seen.update(threads=n))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("GDMLIB_PROGRESS")
    line = (
        "run nade_dna --smoke --device cpu --processes 3 --nodes 2 --threads 5 --resume "
        f"--out {tmp_path} --work {tmp_path}/work --set lr=0.5"
    )
    assert cli.main(line.split()) == 1
    assert seen.pop("say") is not None and cli.os.environ["OMP_NUM_THREADS"] == "5"
    assert seen == {
        "name": "nade_dna", "out": tmp_path, "smoke": True, "device": "cpu", "processes": 3,
        "nodes": 2, "threads": 5, "resume": True, "work": tmp_path / "work", "changes": {"lr": 0.5},
    }  # fmt: skip
    monkeypatch.setenv("GDMLIB_PROGRESS", "0")
    monkeypatch.setattr(cli, "find_device", lambda name: "cuda")
    cli.main(["run", "nade_dna", "--devices", "4"])
    assert seen["say"] is None and seen["processes"] == 4


def test_only_the_first_process_speaks(monkeypatch, root, capsys):
    record = load_record(root / "results" / "nade_nips.json")
    monkeypatch.setattr(cli, "run", lambda *args, **options: record)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert cli.main(["run", "nade_nips", "--smoke"]) == 0
    assert capsys.readouterr().out == ""
