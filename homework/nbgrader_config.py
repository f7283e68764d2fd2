"""nbgrader's settings for this course; nbgrader reads them when it runs in the course folder."""

import os
import sys
from pathlib import Path

from nbgrader.converters import GenerateAssignment
from nbgrader.preprocessors import NbGraderPreprocessor

HERE = Path(__file__).resolve().parent

# A lesson is graded on its small budget: no training, weights from checkpoints/, no progress bars.
os.environ["GDMLIB_BUDGET"] = "grade"
os.environ["GDMLIB_PROGRESS"] = "0"
# Threads that wait sleep: on a busy machine, spinning costs several times the work.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GDMLIB_CHECKPOINTS", str(HERE / "checkpoints"))


class Unfold(NbGraderPreprocessor):
    """Show the exercises: on the page the solutions are folded, and nbgrader keeps the fold."""

    def preprocess_cell(self, cell, resources, index):
        """Remove what folds an exercise's cell."""
        if "nbgrader" in cell.metadata:
            tags = [tag for tag in cell.metadata.get("tags", []) if tag != "hide-input"]
            for key in ("tags", "mystnb", "jupyter"):
                cell.metadata.pop(key, None)
            if tags:
                cell.metadata["tags"] = tags
        return cell, resources


# nbgrader calls alembic by name: find the one beside this Python, activated or not.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

c = get_config()  # noqa: F821 - nbgrader provides it
c.CourseDirectory.course_id = "deep-generative-models"
c.CourseDirectory.root = str(HERE)
# Notebooks are handed out and in by other means than nbgrader's exchange folder.
c.Exchange.root = str(HERE / "exchange")
c.GenerateAssignment.preprocessors = [*GenerateAssignment.preprocessors.default(), Unfold]
STUB = "# Your answer here, in place of the next line.\nraise RuntimeError('this exercise is open')"
c.ClearSolutions.code_stub = {"python": STUB}

# Seconds a cell may take. A cell that runs longer is interrupted and loses its points.
c.Execute.timeout = 60
# What a cell prints is cut here, so that an endless print fills no disk.
c.LimitOutput.max_lines = 500
c.LimitOutput.max_traceback = 50
