"""Which submissions are nearest to each other, and how often chance alone brings two so near.

Two answers share *evidence*: for each run of words and signs that both have, the logarithm of how
rare it is in the class. What everybody writes counts nothing, and the release's own code is left
out. A pair's evidence is the sum over the exercises.

**The false-alarm rate** of a pair is estimated from the class itself. If two students worked apart,
their likeness in one exercise says nothing of that in another. So a patchwork of classmates, drawn
anew for each exercise, stands for somebody who worked apart: the rate is the share of patchworks
that share as much evidence with one of the two as the other does; of the two shares, the larger
one. In made-up classes of 40 that work apart, 0.7 % of the pairs have a rate up to 1 %, and 0.12 %
have one up to 0.1 %. If half of such a class mostly knows the same shortest way, these are 1.6 %
and 0.28 %: who learned alike writes alike, so the rate is a reason to read, and no verdict.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gdmlib.handin.notebook import read_cells
from gdmlib.handin.personal import reseed

from .arrange import arrange
from .intake import handed_in
from .normal import lines, shingles
from .official import Official, official

DRAWS = 20_000  # patchworks for each student of a pair
FEWEST = 6  # students, below which nothing can be said of chance
_NEIGHBOURS = 3  # of each student that are looked at
_ELSEWHERE = "outside the exercises"

Shingles = frozenset[tuple[str, ...]]
Answers = Mapping[str, Mapping[str, Shingles]]


@dataclass(frozen=True)
class Pair:
    """Two students whose work is alike.

    Attributes:
        students: Both, in the order of their names.
        rate: The false-alarm rate: the share of pairs that chance brings as near.
        expected: How many pairs of the class chance brings as near: the rate times all pairs.
        alike: The share of their code, of both together, that they have in common, from 0 to 1.
        exercises: Where the evidence lies, the strongest first.
    """

    students: tuple[str, str]
    rate: float
    expected: float
    alike: float
    exercises: tuple[str, ...]


def answers_of(course: Path, lesson: str) -> dict[str, dict[str, Shingles]]:
    """Return what every student wrote for a lesson, by exercise; who wrote nothing is left out."""
    lesson_cells = official(course, lesson)
    known = _release(lesson_cells)
    found: dict[str, dict[str, Shingles]] = {}
    for handed in handed_in(course, lesson=lesson):
        if handed.reason:
            continue
        # A seed is the course's, not the student's: as the release has it, it is no evidence.
        arranged = arrange(lesson_cells, reseed(read_cells(handed.data), 0))
        sources: dict[str, list[str]] = {}
        for step in arranged.steps:
            if step.kind == "own":
                sources.setdefault(step.title or _ELSEWHERE, []).append(step.source)
        own = {title: shingles(texts, known) for title, texts in sources.items()}
        own = {title: runs for title, runs in own.items() if runs}
        if own:
            found[handed.student] = own
    return found


def _release(lesson: Official) -> frozenset[str]:
    """Return the lines of the release's own code."""
    shown = (cell.visible for cell in lesson.cells if cell.kind != "markdown")
    return frozenset(line for source in shown for line in lines(source))


def nearest(answers: Answers, *, draws: int = DRAWS, seed: int = 0) -> list[Pair]:
    """Return the pairs that chance explains least, the least likely first.

    Args:
        answers: Of each student, by exercise.
        draws: Patchworks for each student of a pair.
        seed: Of the draws.

    Raises:
        ValueError: If there are too few students to say anything of chance.
    """
    students, n = sorted(answers), len(answers)
    if n < FEWEST:
        raise ValueError(f"{n} students with answers: at least {FEWEST} are needed to judge chance")
    exercises = sorted({title for own in answers.values() for title in own})
    shared = np.stack([_evidence([answers[s].get(e) for s in students]) for e in exercises])
    total = shared.sum(0)
    np.fill_diagonal(total, -math.inf)
    near = np.argsort(-total, axis=1)[:, :_NEIGHBOURS]
    pairs = sorted({(min(i, j), max(i, j)) for i in range(n) for j in map(int, near[i])})
    generator = np.random.default_rng(seed)
    picks = generator.integers(0, n - 2, size=(draws, len(exercises)))
    found = []
    for i, j in pairs:
        if total[i, j] <= 0:
            continue
        rate = max(_rate(shared, i, j, picks), _rate(shared, j, i, picks))
        strongest = np.argsort(-shared[:, i, j], kind="stable")
        where = tuple(exercises[e] for e in strongest if shared[e, i, j] > 0)
        names = students[i], students[j]
        alike = _alike(answers[names[0]], answers[names[1]])
        found.append(Pair(names, rate, rate * n * (n - 1) / 2, alike, where))
    order = {(students[i], students[j]): -float(total[i, j]) for i, j in pairs}
    return sorted(found, key=lambda pair: (pair.rate, order[pair.students]))


def _evidence(own: list[Shingles | None]) -> np.ndarray:
    """Return the evidence that each two students share in one exercise, shape (n, n), in bits."""
    n = sum(runs is not None for runs in own)
    counts = Counter(run for runs in own for run in runs or ())
    place = {run: k for k, run in enumerate(run for run, many in counts.items() if many > 1)}
    has = np.zeros((len(own), max(1, len(place))))
    for i, runs in enumerate(own):
        has[i, [place[run] for run in runs or () if run in place]] = 1
    rare = np.array([math.log2(n / counts[run]) for run in place] or [0.0])
    return (has * rare) @ has.T


def _rate(shared: np.ndarray, i: int, j: int, picks: np.ndarray) -> float:
    """Return the share of patchworks of others that are as near to i as j is."""
    others = np.array([k for k in range(shared.shape[1]) if k not in (i, j)])
    patchwork = shared[np.arange(len(shared)), i, others[picks]].sum(1)
    as_near = int((patchwork >= shared[:, i, j].sum() - 1e-9).sum())
    return (1 + as_near) / (1 + len(picks))


def _alike(first: Mapping[str, Shingles], second: Mapping[str, Shingles]) -> float:
    """Return the share of two students' code, both together, that both have."""
    titles = first.keys() | second.keys()
    none: Shingles = frozenset()
    pairs = [(first.get(title, none), second.get(title, none)) for title in titles]
    both, either = sum(len(a & b) for a, b in pairs), sum(len(a | b) for a, b in pairs)
    return both / either if either else 0.0
