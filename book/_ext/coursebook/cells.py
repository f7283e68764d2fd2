"""Mark the cells of an exercise, so that the style sheet can tell a solution from folded code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

SOLUTION = "exercise-solution"
TESTS = "exercise-tests"


def cell_class(metadata: Mapping[str, Any]) -> str | None:
    """Return the class of a code cell from its nbgrader metadata, or None for a plain cell."""
    grading = metadata.get("nbgrader") or {}
    if grading.get("solution"):
        return SOLUTION
    if grading.get("grade"):
        return TESTS
    return None


class MarkExerciseCells(SphinxTransform):
    """Give solution and test cells a class of their own."""

    default_priority = 400

    def apply(self, **kwargs: Any) -> None:
        """Add the class to the cell's container."""
        for node in self.document.findall(nodes.container):
            if node.get("nb_element") == "cell_code":
                name = cell_class(node.get("cell_metadata") or {})
                if name:
                    node["classes"].append(name)


def setup(app: Sphinx) -> None:
    """Register the transform."""
    app.add_transform(MarkExerciseCells)
