"""Several processes train as one: here they are threads that wait for each other."""

from __future__ import annotations

import sys
import threading

import pytest
import torch
from torch import nn

from gdmlib.training import fit, gradient_step
from gdmlib.training.processes import (
    MissingFabricError,
    average,
    find_device,
    is_first,
    is_main,
    launch,
    share,
    shared_seed,
    together,
)


class Group:
    """Sums over threads."""

    def __init__(self, count):
        self.count, self.barrier = count, threading.Barrier(count, timeout=20)
        self.parts = [None] * count

    def member(self, rank):
        group = self

        class Member:
            count = group.count

            def sum(self, x):
                group.parts[rank] = x
                group.barrier.wait()
                total = sum(group.parts[1:], group.parts[0].clone())
                group.barrier.wait()
                return total

        member = Member()
        member.rank = rank
        return member


def in_threads(count, work):
    """Call ``work(rank)`` in each of several processes; return results or errors."""
    group, found = Group(count), [None] * count

    def one(rank):
        with together(group.member(rank)):
            try:
                found[rank] = work(rank)
            except Exception as error:
                found[rank] = error

    threads = [threading.Thread(target=one, args=(rank,)) for rank in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


X = torch.randn(23, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
Y = X @ torch.tensor([1.0, -2.0, 0.5]).double()


def model_of(seed=0):
    model = nn.Linear(3, 1).double()
    with torch.no_grad():
        model.weight.copy_(torch.randn(1, 3, generator=torch.Generator().manual_seed(seed)))
        model.bias.zero_()
    return model


def train(model, *, loss=None, **options):
    def error(batch):
        x, y = batch
        return (model(x)[:, 0] - y).square().mean()

    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    step = gradient_step(model, optimizer, loss or error, clip=0.5)
    generator = torch.Generator().manual_seed(2)
    return fit(step, (X, Y), epochs=3, generator=generator, **options)


@pytest.mark.parametrize("batch_size", [None, 7, 11, 23])
@pytest.mark.parametrize("count", [2, 3])
def test_the_steps_are_those_of_one_process(count, batch_size):
    alone = model_of()
    history = train(alone, batch_size=batch_size, validate=lambda: float(alone(X).sum()))

    def work(rank):
        model = model_of()
        found = train(model, batch_size=batch_size, validate=lambda: float(model(X).sum()))
        return model, found

    for model, found in in_threads(count, work):
        torch.testing.assert_close(model.weight, alone.weight, rtol=0, atol=1e-12)
        assert found["loss"] == pytest.approx(history["loss"], abs=1e-12)
        assert found.valid["loss"] == pytest.approx(history.valid["loss"], abs=1e-12)


def test_only_one_writes(tmp_path):
    def work(rank):
        train(model_of(), batch_size=7, checkpoint=tmp_path / f"{rank}.pt")
        return is_main()

    assert in_threads(2, work) == [True, False]
    assert [path.name for path in tmp_path.iterdir()] == ["0.pt"]


def test_nan_in_one_share_stops_all():
    def work(rank):
        model = model_of()

        def loss(batch):
            return model(batch[0]).mean() * (torch.nan if rank == 1 else 1.0)

        train(model, loss=loss, batch_size=23)

    for error in in_threads(2, work):
        assert isinstance(error, FloatingPointError) and "epoch 1, step 1" in str(error)


def test_processes_that_drift_apart_are_noticed():
    def starts(rank):
        train(model_of(seed=rank), batch_size=7)

    def steps(rank):
        model = model_of()

        def step(batch):  # a step of one's own, which averages nothing
            with torch.no_grad():
                model.weight.add_(batch[0].mean())
            return {"loss": 0.0}

        fit(step, (X, Y), epochs=1, batch_size=7, state={"model": model})

    def hardly(rank):
        model = model_of()
        with torch.no_grad():
            model.bias.add_(1e-6 * rank)
        train(model, batch_size=7)

    works = (starts, "at the start"), (hardly, "at the start"), (steps, "epoch 1")
    for work, where in works:
        for error in in_threads(2, work):
            assert isinstance(error, RuntimeError) and str(error).startswith(where)


def test_a_batch_is_shared_out():
    shares = in_threads(3, lambda rank: share(torch.arange(10, 18), 99).tolist())
    assert shares == [[10, 11, 12], [13, 14, 15], [16, 17]]
    assert in_threads(2, lambda rank: share(None, 3).tolist()) == [[0, 1], [2]]
    assert in_threads(3, lambda rank: share(None, 3).tolist()) == [[0], [1], [2]]
    # Fewer examples than processes: all take all of them, and the mean is the same.
    assert in_threads(3, lambda rank: share(torch.tensor([4]), 9).tolist()) == [[4]] * 3
    assert share(None, 3) is None  # one process


def test_numbers_of_an_epoch_are_those_of_all_processes():
    def work(rank):
        def step(batch):
            return {"loss": float(rank)}

        return fit(step, (X, Y), epochs=1, validate=lambda: 3.0 * rank)

    for history in in_threads(2, work):
        assert history["loss"] == [0.5] and history.valid["loss"] == [1.5]


def test_processes_without_a_generator_go_through_the_data_in_one_order():
    def work(rank):
        seen = []

        def step(batch):
            seen.extend(batch.tolist())
            return {"loss": 0.0}

        fit(step, torch.arange(23), epochs=1, batch_size=5)
        return seen

    first, second = in_threads(2, work)
    assert sorted(first + second) == list(range(23))


def test_afterwards_a_process_is_alone_again():
    with together(Group(2).member(1)):
        assert not is_main()
    assert is_main()


def test_the_device_is_the_one_asked_for(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [find_device(name) for name in ("auto", "cpu", "cuda")] == ["cuda", "cpu", "cuda"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert [find_device(name) for name in ("auto", "cpu")] == ["cpu", "cpu"]
    for name, says in (
        ("cuda", "torch sees no CUDA GPU here"),
        ("tpu", "expected auto, cpu or cuda"),
    ):
        with pytest.raises(ValueError, match=f"^device: {says}"):
            find_device(name)


def test_numbers_are_shared():
    assert in_threads(2, lambda rank: shared_seed(2**61 + rank)) == [2**61] * 2
    found = in_threads(2, lambda rank: float(average({"loss": rank}, 1 + 2 * rank)["loss"]))
    assert found == [0.75, 0.75]
    two = in_threads(2, lambda rank: average({"loss": rank, "kl": 4 * rank}, 1 + 2 * rank))
    assert two == [{"kl": 3.0, "loss": 0.75}] * 2
    assert average({"loss": 3}, 7) == {"loss": 3}


@pytest.mark.parametrize(
    ("environment", "first"),
    [
        ({}, True),
        ({"LOCAL_RANK": "1"}, False),
        ({"NODE_RANK": "1"}, False),
        ({"NODE_RANK": "1", "LOCAL_RANK": "1"}, False),
        ({"SLURM_NTASKS": "2", "SLURM_PROCID": "0"}, True),
        ({"SLURM_NTASKS": "2", "SLURM_PROCID": "1"}, False),
        ({"SLURM_NTASKS": "2"}, True),
        ({"SLURM_NTASKS": "1", "SLURM_PROCID": "3"}, True),  # a shell of Slurm's, one program in it
    ],
)
def test_one_of_the_processes_speaks(monkeypatch, environment, first):
    for name in ("LOCAL_RANK", "NODE_RANK", "SLURM_NTASKS", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert is_first() is first


def test_fabric_is_told_how_many_of_what_and_sums_a_copy(monkeypatch):
    lightning_fabric = pytest.importorskip("lightning_fabric")
    asked = []

    class Fabric:
        global_rank, world_size, device = 1, 6, torch.device("cpu")

        def __init__(self, **options):
            asked.append(options)

        def launch(self):
            asked.append("launched")

        def all_reduce(self, x, reduce_op):
            asked.append(reduce_op)
            return x.mul_(6)

    monkeypatch.setattr(lightning_fabric, "Fabric", Fabric)
    processes, device = launch("cuda", 3, 2)
    launch("cpu", 1)
    launch("cpu", 1, 2)
    plain = {"accelerator": "cpu", "devices": 1, "num_nodes": 1, "strategy": "auto"}
    assert asked[::2] == [
        {"accelerator": "cuda", "devices": 3, "num_nodes": 2, "strategy": "ddp"},
        plain,
        {**plain, "num_nodes": 2, "strategy": "ddp"},
    ]
    assert asked[1] == "launched"
    assert (processes.rank, processes.count, device) == (1, 6, torch.device("cpu"))
    mine = torch.ones(2)
    assert processes.sum(mine).tolist() == [6.0, 6.0] and mine.tolist() == [1.0, 1.0]
    assert asked[-1] == "sum"


def test_without_fabric_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    with pytest.raises(MissingFabricError, match="pip install lightning-fabric"):
        launch("cpu", 2)
