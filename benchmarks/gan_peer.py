"""The peer that adversaries are measured against: PyTorch-GAN, a collection of scripts.

It is read from a copy of its repository (https://github.com/eriklindernoren/PyTorch-GAN), a folder
that the command is given; none of it is kept here. Each of its models is a script which, when it is
run, fetches data, trains and draws. Here only the parts of a script that make networks, losses and
optimisers are run, and then, step by step, the body of its innermost loop up to the line where it
begins to report. What it draws of torchvision is replaced: pictures are random, and its VGG-19 has
random weights (`vgg19`).
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from torch import nn

NAME = "PyTorch-GAN"
URL = "https://github.com/eriklindernoren/PyTorch-GAN"
#: What comes from torchvision or reads and writes files: a statement that names any is left out.
OUTSIDE = {
    *("torchvision", "datasets", "models", "utils", "transforms", "transforms_"),
    *("dataloader", "val_dataloader", "makedirs", "print", "lr_scheduler"),
}
#: From the first statement of the loop that names one of these, a script only reports.
REPORTS = {"print", "stdout", "batches_done"}


def found(folder: Path) -> bool:
    """Return whether a folder is a copy of the peer."""
    return (folder / "implementations").is_dir()


class Script:
    """One of its scripts, with everything made and nothing trained.

    Args:
        folder: The copy of the repository.
        name: Of the model.
        beside: Modules of the script's folder that are run first, because it imports all of them.
        settings: Its command line's options.
    """

    def __init__(
        self, folder: Path, name: str, beside: Iterable[str] = (), **settings: Any
    ) -> None:
        self.names: dict[str, Any] = {"__name__": f"peer_{name}", "vgg19": vgg19}
        where = folder / "implementations" / name
        for module in [*beside, name]:
            path = where / f"{module}.py"
            tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
            kept = [part for part in tree.body if _kept(part)]
            self._run(ast.Module(kept, []), path, settings)
        body = _innermost(tree)
        reports = [i for i, part in enumerate(body) if _mentioned(part) & REPORTS]
        self._step = compile(ast.Module(body[: reports[0]], []), str(path), "exec")

    def _run(self, tree: ast.Module, path: Path, settings: dict[str, Any]) -> None:
        before = sys.argv  # the scripts read their settings from the command line
        sys.argv = [path.name, *(f"--{key}={value}" for key, value in settings.items())]
        try:
            exec(compile(tree, str(path), "exec"), self.names)
        finally:
            sys.argv = before

    def __getitem__(self, name: str) -> Any:
        return self.names[name]

    def step(self, **batch: Any) -> Callable[[], None]:
        """Return its step of training on a batch, given under the names of the script's loop."""
        self.names |= batch
        return lambda: exec(self._step, self.names)


def vgg19(pretrained: bool = True) -> nn.Module:
    """Return the convolutions of VGG-19 as torchvision lays them out, with random weights."""
    made = nn.Module()
    layers: list[nn.Module] = []
    before = 3
    for width, times in ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4)):
        for _ in range(times):
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU(inplace=True)]
            before = width
        layers.append(nn.MaxPool2d(2))
    made.features = nn.Sequential(*layers)
    return made


def _mentioned(part: ast.AST) -> set[str]:
    """Return all names that a piece of a program mentions."""
    seen: set[str] = set()
    for node in ast.walk(part):
        if isinstance(node, ast.Name):
            seen.add(node.id)
        elif isinstance(node, ast.Attribute):
            seen.add(node.attr)
        elif isinstance(node, ast.ImportFrom):
            seen.add(str(node.module).split(".")[0])
        elif isinstance(node, ast.Import):
            seen |= {alias.name.split(".")[0] for alias in node.names}
    return seen


def _kept(part: ast.stmt) -> bool:
    """Return whether a statement of a script is run before its loop."""
    if isinstance(part, ast.For):
        return False
    if isinstance(part, (ast.ClassDef, ast.FunctionDef)):
        return True  # what a function mentions does no harm until it is called
    return not _mentioned(part) & OUTSIDE


def _innermost(tree: ast.Module) -> list[ast.stmt]:
    """Return the body of the loop over batches, in that over epochs."""
    outer = next(part for part in tree.body if isinstance(part, ast.For))
    return next(part for part in outer.body if isinstance(part, ast.For)).body
