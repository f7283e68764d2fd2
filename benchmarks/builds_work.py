"""What `builds` times: work that every build of the library can do, in a process of its own.

``python builds_work.py``, with a build's folder on PYTHONPATH, reads names of `WORK` and answers
each with the seconds of processor time that one run took. It imports nothing but that build, and
keeps to what builds share: models, ``log_prob``, ``sample`` and ``training.gradient_step``.
"""

from __future__ import annotations

import gc
import inspect
import json
import subprocess
import sys
import time
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

ROOMS = ("gdmlib.autoregressive", "gdmlib.nn.spatial_lstm")  # where builds keep their models
DIGITS, BATCH = (1, 28, 28), 128
Run = Callable[[], object]


def find(name: str) -> Any:
    """Return a class of the library, from whichever of its packages has it."""
    for room in ROOMS:
        try:
            return getattr(import_module(room), name)
        except (ImportError, AttributeError):
            continue
    raise ImportError(f"{name} is in none of {', '.join(ROOMS)}")


def build(name: str, *arguments: Any, **sizes: Any) -> Any:
    """Make a model. What is ``units`` now was once ``n_units``, and so were other sizes."""
    model = find(name)
    known = inspect.signature(model).parameters
    named = {key if key in known else f"n_{key}": value for key, value in sizes.items()}
    return model(*arguments, **named)


def binary(n: int) -> Tensor:
    """Return random binary images, three pixels in ten white."""
    return (torch.rand(n, *DIGITS) < 0.3).float()


def step(model: Any, batch: Tensor) -> Run:
    """Return one step of Adam: loss, gradient, update."""
    training = import_module("gdmlib.training")
    optimizer = torch.optim.Adam(model.parameters())
    taken = training.gradient_step(model, optimizer, lambda x: -model.log_prob(x).mean())
    return lambda: taken(batch)


def sample(model: Any, n: int) -> Run:
    """Return the drawing of n samples."""
    return lambda: model.sample(n, torch.Generator().manual_seed(0))


def mcgsm(size: int) -> Any:
    """Return an MCGSM of images, with the twelve pixels around as the context."""
    around = find("Neighbourhood").half_plane(2, 2)
    conditional = build("MCGSM", len(around), components=8, scales=4, features=12)
    return find("MCGSMImage")(conditional, around, event_shape=(1, size, size))


def ride(size: int) -> Any:
    """Return a RIDE of one layer with 32 units."""
    around = find("Neighbourhood").half_plane(2, 2)
    return build("RIDE", around, units=32, event_shape=(1, size, size))


def spatial_lstm() -> Run:
    """Return the states of a spatial LSTM and their gradient: 64 x 64, batch 16, 32 units."""
    layer = build("SpatialLSTM", 12, units=32)
    x, slope = torch.randn(16, 64, 64, 12), torch.randn(16, 64, 64, 32)

    def run() -> None:
        layer.zero_grad()
        layer(x).backward(slope)

    return run


IMPORT = """
import time, torch
start = time.process_time()
import gdmlib.autoregressive
print(time.process_time() - start)
"""


def seconds_of_import() -> float:
    """Return the seconds of the import in a new process that has torch already."""
    done = subprocess.run([sys.executable, "-c", IMPORT], check=True, stdout=subprocess.PIPE)
    return float(done.stdout)


#: By name, what makes the work ready and returns what runs it.
WORK: dict[str, Callable[[], Run]] = {
    "FVSBN, step": lambda: step(find("FVSBN")(DIGITS), binary(BATCH)),
    "NADE, step": lambda: step(build("NADE", DIGITS, hidden=500), binary(BATCH)),
    "MADE, step": lambda: step(build("MADE", DIGITS, hidden=(500,)), binary(BATCH)),
    "MCGSM, step": lambda: step(mcgsm(32), torch.rand(16, 1, 32, 32)),
    "RIDE, step": lambda: step(ride(32), torch.rand(16, 1, 32, 32)),
    "PixelCNN, step": lambda: step(build("PixelCNN", DIGITS, features=16, layers=7), binary(32)),
    "GatedPixelCNN, step": lambda: step(
        build("GatedPixelCNN", DIGITS, features=32, layers=5), binary(32)
    ),
    "RowLSTM, step": lambda: step(build("RowLSTM", DIGITS, features=16, layers=2), binary(32)),
    "spatial LSTM, forward and backward": spatial_lstm,
    "GatedPixelCNN, 16 samples": lambda: sample(
        build("GatedPixelCNN", DIGITS, features=32, layers=10), 16
    ),
    "RIDE, a sample of 128 x 128": lambda: sample(ride(128), 1),
    "FVSBN, 100 samples": lambda: sample(find("FVSBN")(DIGITS), 100),
    "NADE, 100 samples": lambda: sample(build("NADE", DIGITS, hidden=500), 100),
    "import of gdmlib.autoregressive": lambda: seconds_of_import,
}


@lru_cache(maxsize=1)
def ready(name: str) -> Run:
    """Make a piece of work ready; the same random numbers in every build."""
    torch.manual_seed(0)
    return WORK[name]()


def measure(name: str) -> float:
    """Run once and return the seconds of processor time."""
    run = ready(name)
    gc.collect()
    start = time.process_time()
    result = run()
    seconds = time.process_time() - start
    return result if isinstance(result, float) else seconds


def main() -> None:
    """Answer each line with a number, or with what went wrong."""
    torch.set_num_threads(1)
    gc.disable()
    for line in sys.stdin:
        try:
            answer: dict[str, Any] = {"seconds": measure(line.strip())}
        except Exception as error:
            answer = {"failed": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
