"""Training: one recipe over one loop, steps, and files that keep a run."""

from gdmlib.training.files import CheckpointError, load_weights, save_weights
from gdmlib.training.history import History
from gdmlib.training.loop import fit
from gdmlib.training.recipe import scores, train
from gdmlib.training.steps import Averaged, Turns, cosine, gradient_step

__all__ = [
    "Averaged",
    "CheckpointError",
    "History",
    "Turns",
    "cosine",
    "fit",
    "gradient_step",
    "load_weights",
    "save_weights",
    "scores",
    "train",
]
