"""Read an entry without running it: one file, not too long, that imports what it may."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

from gdmlib.handin.notebook import UnreadableNotebook, read_cells

MOST_BYTES = 64_000  # no room for the data
FUNCTIONS = {
    "density": {"train": "x, seconds, seed", "log_prob": "weights, x"},
    "pictures": {"train": "x, seconds, seed", "step": "weights, x, index, steps, seed"},
}
_MODULES = frozenset(
    [
        "__future__",
        "abc",
        "bisect",
        "collections",
        "contextlib",
        "copy",
        "dataclasses",
        "enum",
        "functools",
        "gdmlib",
        "itertools",
        "math",
        "numpy",
        "operator",
        "random",
        "scipy",
        "sklearn",
        "statistics",
        "time",
        "torch",
        "typing",
        "warnings",
    ]
)
# All of the library but what draws data, knows the judge or reads files.
_LIBRARY = frozenset(["autoregressive", "densities", "latent", "adversarial", "nn", "training"])
_NAMES = frozenset(
    [
        "__import__",
        "eval",
        "exec",
        "compile",
        "open",
        "globals",
        "vars",
        "__builtins__",
        "breakpoint",
        "input",
    ]
)


class EntryError(Exception):
    """An entry that earns nothing; the message says why."""


@dataclass(frozen=True)
class Entry:
    """One student's entry.

    Attributes:
        student: Whose.
        kind: ``"density"`` or ``"pictures"``.
        path: Its file.
    """

    student: str
    kind: str
    path: Path

    def source(self) -> str:
        """Return its code.

        Raises:
            EntryError: If it cannot be read, is too long, lacks a function, or imports or names
                what an entry may not.
        """
        try:
            data = self.path.read_bytes()
            text = _notebook(data) if self.path.suffix == ".ipynb" else data.decode("utf-8-sig")
        except OSError as error:
            raise EntryError(f"{self.path.name} cannot be read: {error.strerror}") from None
        except (UnreadableNotebook, UnicodeDecodeError) as error:
            raise EntryError(f"{self.path.name} cannot be read: {error}") from None
        if len(text.encode()) > MOST_BYTES:
            raise EntryError(
                f"the code has {len(text.encode())} bytes, more than {MOST_BYTES}: what a model "
                "knows belongs into its weights, which train makes"
            )
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise EntryError(f"the code is not valid Python: {error}") from None
        _check_functions(tree, self.kind)
        _check_names(tree)
        return text


def entries(folder: Path) -> list[Entry]:
    """Return the entries in a folder, ``<student>/density.py`` and so on, in order.

    Raises:
        EntryError: If a student has two files for one task.
    """
    found = []
    for place in sorted(path for path in folder.iterdir() if path.is_dir()):
        for kind in FUNCTIONS:
            paths = [place / f"{kind}{end}" for end in (".py", ".ipynb")]
            there = [path for path in paths if path.is_file() and not path.is_symlink()]
            if len(there) > 1:
                names = " and ".join(path.name for path in there)
                raise EntryError(f"{place.name} has both {names}: leave the one that counts")
            found += [Entry(place.name, kind, path) for path in there]
    return found


def _notebook(data: bytes) -> str:
    """Return the code of a notebook, without lines that only a notebook understands."""
    sources = (cell.source for cell in read_cells(data) if cell.kind == "code")
    lines = [line for source in sources for line in [*source.split("\n"), ""]]
    return "\n".join(line for line in lines if not line.lstrip().startswith(("%", "!")))


def _check_functions(tree: ast.Module, kind: str) -> None:
    there = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    for name, arguments in FUNCTIONS[kind].items():
        if name not in there:
            raise EntryError(f"there is no function {name}({arguments})")


def _check_names(tree: ast.Module) -> None:
    """Raise for what is named; code that hides its names can hide from this, too."""
    for node in ast.walk(tree):
        for module in _imported(node):
            top, _, rest = module.partition(".")
            library = rest.partition(".")[0]
            if top not in _MODULES or (top == "gdmlib" and library not in _LIBRARY):
                raise EntryError(
                    f"line {getattr(node, 'lineno', 0)} imports {module}, which an entry may not: "
                    f"what it may is {', '.join(sorted(_MODULES - {'gdmlib'}))} and, of gdmlib, "
                    f"{', '.join(sorted(_LIBRARY))}"
                )
        name = getattr(node, "id", None) or getattr(node, "attr", None)
        if isinstance(node, ast.Name | ast.Attribute) and _hidden(node, str(name)):
            raise EntryError(f"line {node.lineno} names {name}, which an entry may not")


def _hidden(node: ast.AST, name: str) -> bool:
    """Return whether a name leads round the list of imports."""
    dunder = name.startswith("__") and name.endswith("__") and name != "__init__"
    return dunder or (isinstance(node, ast.Name) and name in _NAMES)


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        module = "." * node.level + (node.module or "")
        whole = module == "gdmlib"
        return [f"gdmlib.{alias.name}" for alias in node.names] if whole else [module]
    return []
