"""Copies are found whatever was changed in them, and chance is not taken for copying."""

from __future__ import annotations

import csv
import random
import textwrap
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from grading.normal import lines, shingles
from grading.similar import Answers, answers_of, nearest

from tests.homework.courses import TINY, answers, nothing_handed_in, script, submit

FIRST = '''
def double(x: float) -> float:
    """Return twice x."""
    # add it up
    total = 0
    for _ in range(2):
        total = total + x
    return total
'''
RENAMED = """
def double(value):
    summe=0   # comment
    for k in range( 2 ):

        summe = (summe + value)
    return summe
"""
OTHER = "def double(x):\n    return np.sum([x, x])"


# --- normal form ----------------------------------------------------------------------------------


def test_names_comments_texts_and_white_space_do_not_count() -> None:
    assert lines(FIRST) == lines(RENAMED)
    assert lines(FIRST) != lines(OTHER)
    assert lines("a = f('x')") == lines('b = f("""y""")') != lines("a = g('x')")
    assert lines("a: int = 1") == lines("a = 1") != lines("a = 2")
    assert lines("a = f'{b} c'") == lines("a = 'd'")
    assert lines("%timeit x\nb = 1") == lines("%timeit y\nc = 1")


def test_what_a_text_uses_stays() -> None:
    assert lines("y = torch.exp(x)") == ("v = torch.exp(x)",)
    assert lines("def f(x):\n    return g(x=x)") == ("def v(v):", "return g(x=v)")


def test_what_does_not_parse_is_compared_as_well() -> None:
    broken = RENAMED + "\nfor"
    assert lines(broken) and lines(broken) == lines(broken.replace("summe", "s").replace("#", "# "))
    assert lines("") == () and shingles([""], frozenset()) == frozenset()


def test_known_lines_are_left_out() -> None:
    known = frozenset(lines(FIRST))
    assert shingles([RENAMED], known) == frozenset()
    assert shingles([RENAMED + "\nz = 1"], known) == shingles(["z = 1"], frozenset())


# --- chance ---------------------------------------------------------------------------------------

STEPS = [
    (
        "{a} = x.sum(0)",
        "{a} = torch.sum(x, dim=0)",
        "{a} = sum(r for r in x)",
        "{a} = x.mean(0)",
    ),
    ("{b} = {a} / len(x)", "{b} = {a}.div(x.shape[0])", "{b} = torch.div({a}, n)", "{b} = {a} * n"),
    ("{c} = (x - {b}).square()", "{c} = (x - {b}) ** 2", "{c} = torch.pow(x, 2)", "{c} = x * {b}"),
    ("{c} = {c}.mean()", "{c} = torch.mean({c})", "{c} = {c}.sum() / 7", "{c} = np.mean({c})"),
    ("if {c} > 1:\n    {c} = 1", "{c} = min({c}, 1)", "{c} = {c}.clamp(max=1)", "{c} -= {c} > 1"),
]


def written(chance: random.Random, skill: float = 0.0) -> str:
    """Return somebody's answer: one way for each step, the first more often for the skilled."""
    names = dict(zip("abc", chance.sample(["m", "s", "t", "mean", "out", "tmp"], 3), strict=True))
    picks = [step[0] if chance.random() < skill else chance.choice(step) for step in STEPS]
    body = "\n".join(pick.format(**names) for pick in picks)
    return f"def f(x, n):\n{textwrap.indent(body, '    ')}\n    return {names['c']}"


def a_class(seed: int, size: int = 40, exercises: int = 4, skilled: float = 0.0) -> Answers:
    """Return a class that works apart; a share of it knows the shortest way."""
    chance = random.Random(seed)
    found = {}
    for i in range(size):
        skill = 0.7 if i < skilled * size else 0.0
        sources = [written(chance, skill) for _ in range(exercises)]
        own = {f"Exercise {k}": shingles([s], frozenset()) for k, s in enumerate(sources)}
        found[f"student {i:02}"] = own
    return found


def copied(source: str) -> str:
    """Return a copy as a copier leaves it."""
    for name in ("mean", "out", "tmp"):
        source = source.replace(f" {name}", f" my_{name}").replace(f"({name}", f"(my_{name}")
    return source.replace("\n", "  # mine\n")


@pytest.mark.parametrize(("skilled", "times"), [(0.0, 1.3), (0.5, 2.5)])
def test_a_class_that_works_apart_gives_as_many_alarms_as_said(
    skilled: float, times: float
) -> None:
    """Of the pairs of 20 classes, those with a rate up to 1 in 100 are about 1 in 100.

    Where half of the class knows the shortest way, they are more: that is beyond the estimate.
    """
    said, alarms, pairs = 0.01, 0, 0
    for seed in range(20):
        group = a_class(seed, skilled=skilled)
        pairs += len(group) * (len(group) - 1) // 2
        alarms += sum(pair.rate <= said for pair in nearest(group, draws=1000))
    assert alarms / pairs <= times * said, alarms / pairs


def test_a_copy_is_first_and_its_rate_is_small() -> None:
    for seed in range(5):
        chance = random.Random(100 + seed)
        group = dict(a_class(seed))
        sources = [written(chance) for _ in range(4)]
        for name, texts in (("ada", sources), ("bob", [copied(text) for text in sources])):
            group[name] = {f"Exercise {k}": shingles([s], frozenset()) for k, s in enumerate(texts)}
        first, second, *_ = nearest(group)
        assert first.students == ("ada", "bob") and first.alike > 0.95
        assert first.rate < 0.001 and first.expected < 0.1
        assert second.rate >= first.rate and second.alike < 0.6
        assert len(first.exercises) == 4


def test_what_everybody_writes_is_no_evidence() -> None:
    same = {f"s{i}": {"Exercise 1": shingles([FIRST], frozenset())} for i in range(10)}
    assert nearest(same) == []


def test_the_same_class_gives_the_same_report() -> None:
    assert nearest(a_class(1)) == nearest(a_class(1))
    assert all(0 < pair.rate <= 1 and 0 <= pair.alike <= 1 for pair in nearest(a_class(1)))
    assert np.isfinite([pair.expected for pair in nearest(a_class(2, size=6))]).all()


def test_of_a_few_nothing_is_said() -> None:
    with pytest.raises(ValueError, match="5 students with answers: at least 6"):
        nearest(a_class(0, size=5))


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def similar(root: Path) -> ModuleType:
    """Return the course folder's ``similar.py`` as a module."""
    return script("similar", root)


HALVES = [
    "x * 0.5", "x / 2", "x - x / 2", "float(x) / 2.0", "x * 2 ** -1", "divmod(x, 2)[0]", "0.5 * x",
    "sum([x]) / 2",
]  # fmt: skip


def hand_in(course: Path) -> None:
    """Hand in eight answers, the last one a copy of the first."""
    for i, half in enumerate(HALVES[:-1]):
        loop = f"    for _ in range({i + 3}):\n        pass\n"
        double = f"def double(x):\n{loop}    return x + {i} + x - {i}"
        half = f"def half(x):\n    return {half}"
        submit(course, f"s{i}", TINY, answers({"double-solution": double, "half-solution": half}))
    double = "def double(n):  # mine\n    for k in range(3): pass\n\n    return n + 0 + n - 0"
    half = "def half(t):\n    return t * 0.5"
    submit(course, "copy", TINY, answers({"double-solution": double, "half-solution": half}))


@pytest.fixture
def course(tiny_course: Path, tmp_path: Path) -> Path:
    """Return a course folder, to hand in to."""
    return nothing_handed_in(tiny_course, tmp_path)


def test_the_releases_own_code_is_left_out(course: Path) -> None:
    submit(course, "open", TINY)
    submit(course, "ada", TINY, answers({"half-solution": "def half(x):\n    return x * 0.5"}))
    found = answers_of(course, TINY)
    assert set(found) == {"ada"} and list(found["ada"]) == ["Exercise 1.2 · Halve it"]
    words = {word for run in found["ada"]["Exercise 1.2 · Halve it"] for word in run}
    assert "0" in words and "def" not in words and "RuntimeError" not in words


def test_the_command_names_the_pair(
    similar: ModuleType, course: Path, capsys: pytest.CaptureFixture
) -> None:
    hand_in(course)
    assert similar.main(["--course", str(course), "--lesson", TINY]) == 0
    said = capsys.readouterr().out
    assert "8 students, 28 pairs" in said and "false-alarm rate" in said
    with (course / "similar.csv").open(newline="", encoding="utf-8") as file:
        first, *_ = list(csv.DictReader(file))
    assert (first["student"], first["other"]) == ("copy", "s0")
    assert float(first["alike"]) > 0.95 and 0 < float(first["false_alarm_rate"]) < 0.1
    assert "Exercise 1.1 · Double it" in first["where"]


def test_the_command_says_what_is_missing(
    similar: ModuleType, course: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    submit(course, "ada", TINY, answers({"half-solution": "def half(x):\n    return x * 0.5"}))
    assert similar.main(["--course", str(course)]) == 0
    assert "1 students with answers" in capsys.readouterr().out
    assert similar.main(["--course", str(course), "--lesson", "99_none"]) == 1
    assert "no lesson 99_none" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert similar.main(["--course", str(tmp_path / "empty")]) == 1
    assert "no lesson at all" in capsys.readouterr().err
