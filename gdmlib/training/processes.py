"""Several processes that train one model together; where there is one, nothing here does anything.

Each process holds the whole model and all the data, and takes its share of every batch. Metrics and
gradients are averaged over the whole batch, so that all processes take one and the same step: that
of a single process, but for rounding.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


class MissingFabricError(ImportError):
    """Lightning Fabric is not installed; the message says how to get it."""


@dataclass(frozen=True)
class Processes:
    """Several processes, as one of them sees them; `launch` makes it with Lightning Fabric.

    Attributes:
        rank: Which of the processes this is, from 0.
        count: How many there are.
        sum: Returns the sum of a tensor over all processes, the same in each.
    """

    rank: int
    count: int
    sum: Callable[[Tensor], Tensor]


_current: ContextVar[Processes | None] = ContextVar("processes", default=None)


@contextmanager
def together(processes: Processes | None) -> Iterator[None]:
    """Let whatever is trained inside be trained by these processes together."""
    token = _current.set(processes if processes is not None and processes.count > 1 else None)
    try:
        yield
    finally:
        _current.reset(token)


def is_main() -> bool:
    """Return whether this process is the one that writes files and shows progress."""
    processes = _current.get()
    return processes is None or processes.rank == 0


def share(index: Tensor | None, examples: int) -> Tensor | None:
    """Return which examples of a batch, (B,), this process takes: about B / count.

    ``index`` None stands for all the ``examples``, in their order. A batch of fewer examples than
    processes is taken whole by each, for the average is the same.
    """
    processes = _current.get()
    if processes is None:
        return index
    whole = torch.arange(examples) if index is None else index
    if len(whole) < processes.count:
        return whole
    return whole.tensor_split(processes.count)[processes.rank]


def shared_seed(seed: int) -> int:
    """Return the seed of the first process."""
    processes = _current.get()
    if processes is None:
        return seed
    return int(processes.sum(torch.tensor(seed if processes.rank == 0 else 0)))


def weight_of(batch: Any) -> int:
    """Return how much this process's share of a batch counts: its number of examples."""
    if _current.get() is None:
        return 1
    return len(batch[0] if isinstance(batch, tuple) else batch)


def average(metrics: Mapping[str, Any], examples: int) -> dict[str, Any]:
    """Return the mean of each scalar over all processes, weighted by their examples."""
    processes = _current.get()
    if processes is None or not metrics:
        return dict(metrics)
    names = sorted(metrics)
    values = [
        torch.as_tensor(metrics[name], dtype=torch.float64, device="cpu").detach().reshape(-1)
        for name in names
    ]
    if any(len(value) != 1 for value in values):
        return dict(metrics)  # `fit` complains
    found = processes.sum(torch.cat([*values, torch.ones(1).double()]) * examples)
    return dict(zip(names, found[:-1] / found[-1], strict=True))


def average_gradients(parameters: Iterable[nn.Parameter], examples: int) -> None:
    """Replace gradients of the mean loss of each share by those of the mean loss of the batch."""
    processes = _current.get()
    if processes is None:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    weight = gradients[0].new_full((1,), examples)
    flat = torch.cat([*[g.flatten() * examples for g in gradients], weight])
    flat = processes.sum(flat)
    parts = (flat[:-1] / flat[-1]).split([g.numel() for g in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


def check_replicas(models: Iterable[nn.Module], where: str) -> None:
    """Raise a `RuntimeError` if the processes no longer hold the same parameters."""
    processes = _current.get()
    if processes is None:
        return
    parameters = [p.detach() for model in models for p in model.parameters()]
    sums = [p.double().abs().sum() + 3 * p.double().sum() for p in parameters]
    here = torch.stack(sums).cpu() if sums else torch.zeros(0).double()
    if not torch.allclose(processes.sum(here.clone()), here * processes.count, rtol=1e-9, atol=0):
        raise RuntimeError(
            f"{where}: the processes hold different parameters, so that they train different "
            "models. Start them from the same seed, and make each step by gradient_step, which "
            "averages gradients over the processes."
        )


def find_device(name: str) -> str:
    """Return ``"cuda"`` or ``"cpu"`` for ``"auto"``, and check that the one asked for is here."""
    if name not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device: expected auto, cpu or cuda, got {name!r}")
    here = torch.cuda.is_available()
    if name == "cuda" and not here:
        raise ValueError("device: torch sees no CUDA GPU here; use --device cpu")
    return "cuda" if here and name != "cpu" else "cpu"


def is_first() -> bool:
    """Return whether this is the first of the processes, before they know of each other.

    Slurm numbers its tasks; Fabric names the processes that it starts on each node.
    """
    if int(os.environ.get("SLURM_NTASKS", "1")) > 1:
        return os.environ.get("SLURM_PROCID", "0") == "0"
    return os.environ.get("NODE_RANK", "0") == os.environ.get("LOCAL_RANK", "0") == "0"


def launch(device: str, count: int, nodes: int = 1) -> tuple[Processes, torch.device]:
    """Start the processes through Lightning Fabric, and go on in each of them.

    With several, each runs the command line of this program anew up to this point. On several
    nodes the program is started on each: by Slurm, or with ``MASTER_ADDR``, ``MASTER_PORT`` and
    ``NODE_RANK`` in the environment.

    Args:
        device: ``"cpu"`` or ``"cuda"``.
        count: How many processes on each node; on GPUs, each has one of its own.
        nodes: How many nodes.

    Raises:
        MissingFabricError: If Lightning Fabric is not installed.
    """
    try:
        from lightning_fabric import Fabric
    except ImportError as error:
        raise MissingFabricError(
            "this needs Lightning Fabric, which runs the same training on one or many devices: "
            "pip install lightning-fabric"
        ) from error
    strategy = "ddp" if count * nodes > 1 else "auto"
    fabric: Any = Fabric(accelerator=device, devices=count, num_nodes=nodes, strategy=strategy)
    fabric.launch()

    def total(x: Tensor) -> Tensor:
        # The collectives of a GPU want tensors that are there.
        return fabric.all_reduce(x.to(fabric.device, copy=True), reduce_op="sum").to(x.device)

    return Processes(fabric.global_rank, fabric.world_size, total), fabric.device
