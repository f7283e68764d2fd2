"""pyproject.toml, constraints.txt and environment.yml must tell the same story."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import gdmlib

# conda-forge calls these packages by other names.
CONDA_NAMES = {"torch": "pytorch-cpu"}
CORE = {
    "torch", "numpy", "matplotlib", "scikit-learn", "scikit-image", "pooch", "safetensors", "tqdm",
}  # fmt: skip


def project(root: Path) -> dict:
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]


def requirements(root: Path) -> list[Requirement]:
    """Return every requirement of the project, of its core and of its extras."""
    found = project(root)
    groups = [found["dependencies"], *found["optional-dependencies"].values()]
    return [Requirement(line) for group in groups for line in group]


def pins(text: str) -> dict[str, str]:
    """Return name -> version of a constraints file, each line of which must be an exact pin."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    found = {}
    for line in lines:
        match = re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.]+)", line)
        assert match, f"constraints.txt: {line!r} is no exact public pin"
        name = canonicalize_name(match[1])
        assert name not in found, f"constraints.txt: {name} is pinned twice"
        found[name] = match[2]
    return found


def conda(text: str) -> dict[str, Requirement]:
    """Return name -> requirement of an environment file, its pip part included."""
    entries = yaml.safe_load(text)["dependencies"]
    lines = [entry for entry in entries if isinstance(entry, str)]
    for entry in entries:
        if isinstance(entry, dict):
            lines += [line for line in entry["pip"] if not line.startswith("-")]
    return {canonicalize_name(Requirement(line).name): Requirement(line) for line in lines}


def disagreements(wanted: list[Requirement], environment: dict[str, Requirement]) -> list[str]:
    problems = []
    for want in wanted:
        name = canonicalize_name(CONDA_NAMES.get(want.name, want.name))
        got = environment.get(name)
        if got is None:
            problems.append(f"{name} is missing")
        elif got.specifier != want.specifier:
            problems.append(f"{name}: {got.specifier} there, {want.specifier} in pyproject.toml")
    return problems


def test_core_dependencies_have_lower_bounds_only(root: Path) -> None:
    core = [Requirement(line) for line in project(root)["dependencies"]]
    assert {requirement.name for requirement in core} == CORE
    for requirement in core:
        assert [spec.operator for spec in requirement.specifier] == [">="], str(requirement)


def test_extras_are_the_documented_ones(root: Path) -> None:
    extras = {"book", "homework", "test", "scale"}
    assert set(project(root)["optional-dependencies"]) == extras


def test_every_requirement_is_pinned_within_its_bounds(root: Path) -> None:
    pinned = pins((root / "constraints.txt").read_text())
    for requirement in requirements(root):
        name = canonicalize_name(requirement.name)
        assert name in pinned, f"{name} has no pin in constraints.txt"
        assert requirement.specifier.contains(pinned[name]), f"{requirement}, pinned {pinned[name]}"


def test_the_cpu_build_of_torch_satisfies_the_pin(root: Path) -> None:
    # '2.13.0' matches the local version '2.13.0+cpu'; a pin with '+cpu' would match nothing else.
    assert "+" not in pins((root / "constraints.txt").read_text())["torch"]


def test_the_conda_environment_asks_for_the_same(root: Path) -> None:
    environment = conda((root / "environment.yml").read_text())
    assert disagreements(requirements(root), environment) == []
    wanted = {CONDA_NAMES.get(r.name, r.name) for r in requirements(root)}
    extra = set(environment) - {canonicalize_name(name) for name in wanted}
    assert extra == {"python", "make", "pip"}


def test_a_disagreement_is_noticed(root: Path) -> None:
    text = (root / "environment.yml").read_text()
    older = conda(text.replace("numpy>=1.26.4", "numpy>=1.25"))
    without = conda(text.replace("  - nbval>=0.11\n", ""))
    assert disagreements(requirements(root), older)
    assert disagreements(requirements(root), without) == ["nbval is missing"]
    with pytest.raises(AssertionError, match="no exact public pin"):
        pins("numpy>=2\n")


def test_python_versions_agree(root: Path) -> None:
    environment = conda((root / "environment.yml").read_text())
    assert str(environment["python"].specifier) == project(root)["requires-python"]


def test_versions_agree(root: Path) -> None:
    citation = yaml.safe_load((root / "CITATION.cff").read_text())
    assert citation["version"] == gdmlib.__version__
    assert f"## [{gdmlib.__version__}]" in (root / "CHANGELOG.md").read_text()
    assert re.fullmatch(r"\d+\.\d+\.\d+", gdmlib.__version__)


def test_make_sets_up_with_the_pins_and_nothing_else_uses_them(root: Path) -> None:
    assert "-c constraints.txt" in (root / "Makefile").read_text()
    for workflow in (root / ".github" / "workflows").glob("*.yml"):
        assert "-c constraints" not in workflow.read_text(), workflow.name


def test_every_package_of_the_library_is_shipped(root: Path) -> None:
    setuptools = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]
    shipped = set(setuptools["packages"])
    folders = {path.parent for path in (root / "gdmlib").rglob("__init__.py")}
    named = {".".join(folder.relative_to(root).parts) for folder in folders}
    assert shipped == named | {"gdmlib.results"}
