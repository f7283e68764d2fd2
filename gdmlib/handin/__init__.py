"""Check a homework notebook before it is handed in: what to mend, in plain words.

The last cell of every release calls `check`; in a terminal, ``python -m gdmlib.handin FILE`` does
the same. It finds tests that are missing, doubled, changed or merged into other cells, cells that
lost the metadata by which they are graded, answers without a home, and whether the notebook runs
from top to bottom in a fresh process. An exercise that is still open is told, and is no fault.

What must be in a notebook stands in the notebook itself (`gdmlib.handin.manifest`).
"""

from gdmlib.handin.checking import check, check_file
from gdmlib.handin.manifest import ManifestError
from gdmlib.handin.notebook import UnreadableNotebook
from gdmlib.handin.report import Report
from gdmlib.handin.words import Finding

__all__ = [
    "Finding",
    "ManifestError",
    "Report",
    "UnreadableNotebook",
    "check",
    "check_file",
]
