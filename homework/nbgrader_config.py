"""nbgrader's settings for this course; nbgrader reads them when it runs in the course folder."""

import os
import sys
from pathlib import Path

from nbgrader import dbutil
from nbgrader.converters import GenerateAssignment
from sqlalchemy import URL

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from grading.release import GoOn, Unfold  # noqa: E402 - it lies beside this file

# A lesson is graded on its small budget: no training, weights from checkpoints/, no progress bars.
os.environ["GDMLIB_BUDGET"] = "grade"
os.environ["GDMLIB_PROGRESS"] = "0"
# Threads that wait sleep: on a busy machine, spinning costs several times the work.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GDMLIB_CHECKPOINTS", str(HERE / "checkpoints"))

# nbgrader calls alembic by name: find the one beside this Python, activated or not.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

# It writes the path of its own folder into a settings file, in which a single % has a meaning.
if "%%" not in dbutil.ALEMBIC_DIR:
    dbutil.ALEMBIC_DIR = dbutil.ALEMBIC_DIR.replace("%", "%%")

c = get_config()  # noqa: F821 - nbgrader provides it
c.CourseDirectory.course_id = "deep-generative-models"
c.CourseDirectory.root = str(HERE)
# Said by SQLAlchemy's own means, for the folder's name may hold what means more in an address.
gradebook = URL.create("sqlite", database=str(HERE / "gradebook.db"))
c.CourseDirectory.db_url = gradebook.render_as_string(hide_password=False)
# Notebooks are handed out and in by other means than nbgrader's exchange folder.
c.Exchange.root = str(HERE / "exchange")
*steps, checksums, check = GenerateAssignment.preprocessors.default()
c.GenerateAssignment.preprocessors = [*steps, Unfold, GoOn, checksums, check]
STUB = "# Your answer here, in place of the next line.\nraise RuntimeError('this exercise is open')"
c.ClearSolutions.code_stub = {"python": STUB}

# Seconds that grade.py, and nbgrader's own autograder, give a cell.
c.Execute.timeout = 60
# For nbgrader's own autograder: what a cell prints is cut here.
c.LimitOutput.max_lines = 500
c.LimitOutput.max_traceback = 50
