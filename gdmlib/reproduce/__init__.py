"""Published numbers, run again at full size: ``python -m gdmlib.reproduce list`` or ``run NAME``.

An experiment is a declaration: a task (data, and what counts on them), a model, settings, and the
number that a paper reports. It is trained by the very functions that the lessons call, with other
settings. Running it leaves one JSON record, from which the book renders its table of results.

Training goes through Lightning Fabric, so that one command serves one CPU, one GPU or many
processes::

    python -m gdmlib.reproduce run made_dna                           # a GPU where there is one
    python -m gdmlib.reproduce run made_dna --device cpu --processes 2
    python -m gdmlib.reproduce run pixelcnn_mnist --device cuda --devices 4
    srun python -m gdmlib.reproduce run pixelcnn_mnist --devices 4 --nodes 2   # a job of Slurm
    python -m gdmlib.reproduce run made_dna --resume                  # after an interruption
    python -m gdmlib.reproduce run made_dna --set epochs=5 --set 'seeds=[0]'   # a smaller budget

Several processes share each batch and average their gradients: the steps are those of one process.
What a run needs to go on after an interruption is in ``build/reproduce/NAME``, or where ``--work``
says; the trained weights are there too.
"""

from gdmlib.reproduce.catalogue import EXPERIMENTS
from gdmlib.reproduce.cli import main
from gdmlib.reproduce.experiment import (
    Experiment,
    Fitting,
    Outcome,
    Splits,
    Task,
    held_out,
    trained,
)
from gdmlib.reproduce.folder import ResumeError
from gdmlib.reproduce.job import Job
from gdmlib.reproduce.records import (
    Data,
    Metric,
    Other,
    Published,
    Record,
    RecordError,
    load_record,
    load_records,
    sha256_of,
)
from gdmlib.reproduce.runner import run
from gdmlib.reproduce.settings import SettingError
from gdmlib.reproduce.table import Row, results_table, results_text
from gdmlib.training.processes import MissingFabricError

__all__ = [
    "EXPERIMENTS",
    "Data",
    "Experiment",
    "Fitting",
    "Job",
    "Metric",
    "MissingFabricError",
    "Other",
    "Outcome",
    "Published",
    "Record",
    "RecordError",
    "ResumeError",
    "Row",
    "SettingError",
    "Splits",
    "Task",
    "held_out",
    "load_record",
    "load_records",
    "main",
    "results_table",
    "results_text",
    "run",
    "sha256_of",
    "trained",
]
