"""pyproject.toml, constraints.txt and environment.yml must tell the same story."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

import gdmlib
from tools.environment import NEWEST, oldest
from tools.floors import floors

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


def promised(root: Path) -> list[Version]:
    """Return the first release of every minor version of Python that the project takes."""
    (major, first), (_, last) = oldest(root), NEWEST
    return [Version(f"{major}.{minor}.0") for minor in range(first, last + 1)]


def too_narrow(wanted: dict[str, str | None], pythons: list[Version]) -> list[str]:
    """Return the packages, given with what Python they require, that one of these cannot have."""
    return [
        f"{name} requires Python {requires}, and {python} is promised"
        for name, requires in wanted.items()
        for python in pythons
        if requires is not None and python not in SpecifierSet(requires)
    ]


def required_pythons(pinned: dict[str, str]) -> dict[str, str | None]:
    """Return what Python each of these pins requires, of those that are installed."""
    found = {}
    for name, version in pinned.items():
        try:
            installed = metadata(name)
        except PackageNotFoundError:  # wanted on another system, or by another Python
            continue
        if Version(installed["Version"]).public == Version(version).public:
            found[name] = installed.get("Requires-Python")
    return found


def pip_section(text: str) -> list[str]:
    """Return the lines that conda hands to pip, as one requirements file."""
    entries = yaml.safe_load(text)["dependencies"]
    return [line for entry in entries if isinstance(entry, dict) for line in entry["pip"]]


def conda(text: str) -> dict[str, Requirement]:
    """Return name -> requirement of an environment file, its pip part included."""
    entries = yaml.safe_load(text)["dependencies"]
    # conda's "python=3.12" is pip's "python==3.12.*".
    lines = [re.sub(r"^(\w+)=([\d.]+)$", r"\1==\2.*", e) for e in entries if isinstance(e, str)]
    lines += [line for line in pip_section(text) if not line.startswith("-")]
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


def test_no_pin_makes_every_reader_of_notebooks_compile_grammars(root: Path) -> None:
    # findings/nbformat-import-compiles-grammars.sh: two seconds of each process that imports it.
    assert "rfc3987-syntax" not in pins((root / "constraints.txt").read_text())


def test_the_conda_environment_asks_for_the_same(root: Path) -> None:
    environment = conda((root / "environment.yml").read_text())
    assert disagreements(requirements(root), environment) == []
    wanted = {CONDA_NAMES.get(r.name, r.name) for r in requirements(root)}
    extra = set(environment) - {canonicalize_name(name) for name in wanted}
    assert extra == {"python", "make", "pip"}


def test_binder_gets_what_the_library_needs_and_jupyterlab(root: Path) -> None:
    slim = conda((root / "binder" / "environment.yml").read_text())
    core = [Requirement(line) for line in project(root)["dependencies"]]
    assert disagreements(core, slim) == []
    wanted = {canonicalize_name(CONDA_NAMES.get(r.name, r.name)) for r in core}
    assert set(slim) - wanted == {"python", "pip", "ipykernel", "jupyterlab"}
    whole = conda((root / "environment.yml").read_text())
    assert {name: slim[name].specifier for name in slim} == {
        name: whole[name].specifier for name in slim
    }
    post = root / "binder" / "postBuild"
    assert post.stat().st_mode & 0o111 and "pip install --quiet --no-deps ." in post.read_text()


def test_the_oldest_promised_versions_are_the_lower_bounds(root: Path) -> None:
    core = [Requirement(line) for line in project(root)["dependencies"]]
    found = floors(project(root)["dependencies"])
    assert found == [f"{r.name}=={next(iter(r.specifier)).version}" for r in core]
    assert floors(["a>=1,<2", "b"]) == ["a==1"]
    for line in ("a~=1", "a==1", "a>1", "a[x]>=1"):
        with pytest.raises(ValueError, match="expected name>=version"):
            floors([line])


def test_a_disagreement_is_noticed(root: Path) -> None:
    text = (root / "environment.yml").read_text()
    older = conda(text.replace("numpy>=1.26.4", "numpy>=1.25"))
    without = conda(text.replace("  - nbval>=0.11\n", ""))
    assert disagreements(requirements(root), older)
    assert disagreements(requirements(root), without) == ["nbval is missing"]
    with pytest.raises(AssertionError, match="no exact public pin"):
        pins("numpy>=2\n")


def test_every_pin_takes_every_python_that_is_promised(root: Path) -> None:
    pinned = pins((root / "constraints.txt").read_text())
    required = required_pythons(pinned)
    assert len(required) > 0.9 * len(pinned)
    assert too_narrow(required, promised(root)) == []
    assert {str(python) for python in promised(root)} >= {"3.11.0", "3.14.0"}


@pytest.mark.parametrize("requires", [">=3.11.5", ">=3.12", "<3.14,>=3.9", "!=3.13.*"])
def test_a_pin_that_takes_fewer_is_noticed(root: Path, requires: str) -> None:
    assert too_narrow({"other": ">=3.9", "soupsieve": requires}, promised(root))


def test_every_place_names_the_same_python(root: Path) -> None:
    least, newest = (".".join(map(str, version)) for version in (oldest(root), NEWEST))
    assert project(root)["requires-python"] == f">={least}"
    for name in ("README.md", "book/run.md", "book/troubleshooting.md"):
        found = re.findall(r"Python\s(\d\.\d+)\sor\snewer", (root / name).read_text())
        assert found and set(found) == {least}, name
    assert f"Python {least}.0 to {newest}," in (root / "constraints.txt").read_text()
    tools = tomllib.loads((root / "pyproject.toml").read_text())["tool"]
    assert tools["mypy"]["python_version"] == least
    assert tools["ruff"]["target-version"] == "py" + least.replace(".", "")
    matrix = yaml.safe_load((root / ".github/workflows/dependencies.yml").read_text())
    pythons = matrix["jobs"]["library"]["strategy"]["matrix"]["python"]
    assert [Version(python) for python in pythons] == [
        Version(f"{python.major}.{python.minor}") for python in promised(root)
    ]
    tried = re.findall(r'python: "(.*)"', (root / ".github/workflows/test.yml").read_text())
    assert {least, newest} <= set(tried)


def test_the_python_of_conda_is_one_that_binder_reads(root: Path) -> None:
    text = (root / "environment.yml").read_text()
    # Binder looks for "python=X.Y"; after a lower bound it would start from its own default.
    assert re.search(r"(?m)^  - python=(\d+\.\d+)$", text)
    named = str(conda(text)["python"].specifier).removeprefix("==").removesuffix(".*")
    assert f"{named}.0" in {str(python) for python in promised(root)}


def pip_reads(lines: list[str], folder: Path) -> str:
    """Return what pip says against these lines of a requirements file; nothing is installed.

    As conda does, they are written to a file. The project itself is left out, for pip would
    build it; that the line is right is seen by its form.
    """
    path = folder / "requirements.txt"
    path.write_text("\n".join(line for line in lines if line != "-e ."))
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "--no-deps"]
    done = subprocess.run([*command, "-r", str(path)], capture_output=True, text=True)
    return done.stderr if done.returncode else ""


def test_pip_reads_what_conda_hands_it(root: Path, tmp_path: Path) -> None:
    lines = pip_section((root / "environment.yml").read_text())
    assert "-e ." in lines
    assert pip_reads(lines, tmp_path) == ""
    # An option of the command line is none of a requirements file.
    assert "no such option: --no-deps" in pip_reads([*lines, "--no-deps"], tmp_path)


def test_versions_agree(root: Path) -> None:
    citation = yaml.safe_load((root / "CITATION.cff").read_text())
    assert citation["version"] == gdmlib.__version__
    assert f"## [{gdmlib.__version__}]" in (root / "CHANGELOG.md").read_text()
    assert re.fullmatch(r"\d+\.\d+\.\d+", gdmlib.__version__)


def test_make_sets_up_with_the_pins_and_nothing_else_uses_them(root: Path) -> None:
    assert "tools.environment" in (root / "Makefile").read_text()
    assert '"-c", "constraints.txt"' in (root / "tools" / "environment.py").read_text()
    for workflow in (root / ".github" / "workflows").glob("*.yml"):
        assert "-c constraints" not in workflow.read_text(), workflow.name


def test_every_package_of_the_library_is_shipped(root: Path) -> None:
    setuptools = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]
    shipped = set(setuptools["packages"])
    folders = {path.parent for path in (root / "gdmlib").rglob("__init__.py")}
    named = {".".join(folder.relative_to(root).parts) for folder in folders}
    assert shipped == named | {"gdmlib.results"}
