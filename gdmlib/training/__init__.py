"""Training: one loop for any step, steps, and files that keep a run."""

from gdmlib.training.files import CheckpointError, load_weights, save_weights
from gdmlib.training.loop import History, cosine, fit, gradient_step

__all__ = [
    "CheckpointError",
    "History",
    "cosine",
    "fit",
    "gradient_step",
    "load_weights",
    "save_weights",
]
