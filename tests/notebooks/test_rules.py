"""Each rule accepts a good lesson and rejects one in which its fault was planted."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from gdmlib._weights import sentence
from tests.notebooks.sample import cell, good, picture, said, shown, sign
from tools import notebooks, rules
from tools.notebooks import Notebook
from tools.rules.__main__ import main


@pytest.fixture
def sample(tmp_path: Path) -> Notebook:
    return good(tmp_path)


def test_a_good_lesson_has_no_problem(sample: Notebook) -> None:
    assert rules.problems(sample) == []


Fault = Callable[[Notebook], object]

# rule, what it says (a part), how to plant the fault
FAULTS: list[tuple[rules.Rule, str, Fault]] = []


def source(name: str, *changes: str) -> Fault:
    """Plant a fault by replacing pieces of a cell's source: an old one, a new one, and so on."""

    def plant(nb: Notebook) -> None:
        for old, new in zip(changes[::2], changes[1::2], strict=True):
            assert old in cell(nb, name)["source"]
            cell(nb, name)["source"] = cell(nb, name)["source"].replace(old, new)

    return plant


def whole(name: str, new: str) -> Fault:
    """Plant a fault by replacing a cell's source."""
    return lambda nb: cell(nb, name).update(source=new)


def text(addition: str) -> Fault:
    """Plant a fault by adding prose."""

    def plant(nb: Notebook) -> None:
        cell(nb, "idea")["source"] += "\n\n" + addition

    return plant


def output(name: str, *outputs: dict) -> Fault:
    """Plant a fault by replacing a cell's outputs."""

    def plant(nb: Notebook) -> None:
        cell(nb, name)["outputs"] = [nbformat.from_dict(out) for out in outputs]

    return plant


def metadata(name: str, **new: object) -> Fault:
    """Plant a fault by replacing parts of a cell's metadata; None removes them."""

    def plant(nb: Notebook) -> None:
        for key, value in new.items():
            cell(nb, name)["metadata"].pop(key, None)
            if value is not None:
                cell(nb, name)["metadata"][key] = value

    return plant


def figure(**new: str) -> Fault:
    """Plant a fault in the words of the figure."""

    def plant(nb: Notebook) -> None:
        words = cell(nb, "curves")["metadata"]["mystnb"]
        for key, value in new.items():
            words["image" if key == "alt" else "figure"][key] = value

    return plant


def twice(name: str) -> Fault:
    """Plant a second copy of a cell."""
    return lambda nb: nb.cells.append(copy.deepcopy(cell(nb, name)))


def nbgrader(name: str, **new: object) -> Fault:
    def plant(nb: Notebook) -> None:
        cell(nb, name)["metadata"]["nbgrader"].update(new)

    return plant


def drop(*names: str) -> Fault:
    def plant(nb: Notebook) -> None:
        nb.cells[:] = [cell for cell in nb.cells if cell["id"] not in names]

    return plant


def record(**new: object) -> Fault:
    def plant(nb: Notebook) -> None:
        nb.data["metadata"]["gdm"].update(new)

    return plant


def add_all(rule: rules.Rule, *faults: tuple[str, Fault]) -> None:
    FAULTS.extend((rule, says, plant) for says, plant in faults)


SMALL = nbformat.v4.new_output("display_data", {"image/png": picture(size=(20, 20))})
BROKEN = nbformat.v4.new_output("display_data", {"image/png": "AAAA"})
REPR = nbformat.v4.new_output("execute_result", {"text/plain": "[<Line2D>]"}, execution_count=13)
WIDGET = nbformat.v4.new_output("display_data", {"application/vnd.jupyter.widget-view+json": {}})
ERROR = nbformat.v4.new_output("error", ename="KeyError", evalue="1", traceback=["x"])
JPEG = nbformat.v4.new_output("display_data", {"image/jpeg": picture("JPEG")})
SCRIPT = nbformat.v4.new_output("display_data", {"application/javascript": "1"})
HTML = nbformat.v4.new_output("display_data", {"text/html": '<img src="https://a.b/c.png">'})

add_all(
    rules.check_format,
    ("save it as nbformat 4.5", lambda nb: nb.data.update(nbformat_minor=4)),
    ("not a valid notebook", lambda nb: cell(nb, "claim-1").update(outputs=[{"a": 1}])),
    ("2 cells have the id 'claim-1'", lambda nb: cell(nb, "claim-2").update(id="claim-1")),
    ("'a1b2c3d4' says nothing", lambda nb: cell(nb, "claim-1").update(id="a1b2c3d4")),
    ("'My_Cell' says nothing", lambda nb: cell(nb, "claim-1").update(id="My_Cell")),
    ("not 'python3'", lambda nb: nb.data["metadata"]["kernelspec"].update(name="gdm")),
    ("language_info", lambda nb: nb.data["metadata"].pop("language_info")),
    ("metadata.widgets", lambda nb: nb.data["metadata"].update(widgets={})),
)
add_all(
    rules.check_opening,
    ("a lesson opens with", lambda nb: nb.cells.clear()),
    ("'# Title'", source("title", "# A sample", "A sample")),
    ("begins with a number", source("title", "# A sample", "# 02 · A sample")),
    ("'What you will be able to do'", source("title", "What you will", "What we will")),
    ("'What you need first'", source("title", "need first", "need")),
    ("'Time'", source("title", "Time", "Tempo")),
    ("not the Colab cell", source("setup", "find_spec", "find_loader")),
    ("lacks the tag 'hide-input'", metadata("setup", tags=None)),
    ("lesson.start('02_sample')", source("start", "02_sample", "03_sample")),
    ("it starts nothing", source("start", "lesson.start", "lesson.begin")),
)
add_all(
    rules.check_headings,
    ("expected one title", text("# Another title")),
    ("jumps from level 2 to 4", text("#### Too deep")),
    ("no section 'Summary'", source("summary", "## Summary", "## The end")),
    ("no section 'References'", source("summary", "## References", "## Books")),
)
add_all(
    rules.check_addresses,
    ("expected one Colab cell", drop("setup")),
    ("installs something else", source("setup", "/deep", "/shallow")),
    ("at v", source("setup", "@v", "@v9")),
    ("once the link", source("title", "blob/main/notebooks/02_sample", "blob/main/notebooks/03")),
    ("once the link", source("title", "[▶ Open in Colab]", "[Colab]")),
)
add_all(
    rules.check_markdown,
    ("MyST role", text("See {ref}`gaussian`.")),
    ("MyST directive", text("```{note}\nLook.\n```")),
    ("MyST directive", text(":::{note}\nLook.\n:::")),
    ("MyST label", text("(my-label)=\n## More")),
    (r"\bm does not work", text(r"$\bm{x}$")),
    (r"\newcommand does not work", text(r"$\newcommand{\x}{y}$")),
    (r"\label does not work", text("$$\na \\label{a}\n$$")),
    ("another host", text("![A curve](https://a.b/c.png)")),
    ("lacks alt text", text("![](c.png)")),
    ("raw HTML", text('<img src="c.png">')),
    ("tags ['hide-cell'] on prose", metadata("idea", tags=["hide-cell"])),
)
add_all(
    rules.check_equations,
    ("odd number of $$", text("$$\na = b\n")),
    ("shares its line", text("So $$a = b$$")),
    ("shares its line", text("$$a = b$$, so")),
    ("empty; is a $$ missing", text("$$\n\n$$")),
    ("contains an empty line", text("$$\na\n\n= b\n$$")),
    ("begins with \\\\", text("$$\n\\begin{aligned}\na\n\\\\ b\n\\end{aligned}\n$$")),
    ("closes {aligned}", text("$$\na \\end{aligned}\n$$")),
    ("does not close {aligned}", text("$$\n\\begin{aligned} a\n$$")),
    ("breaks a line outside", text("$$\na \\\\\nb \\tag{2.2}\n$$")),
    ("two \\tag", text("$$\na \\tag{2.2} \\tag{2.3}\n$$")),
    ("inside of an environment", text("$$\n\\begin{align} a \\tag{2.2} \\end{align}\n$$")),
    ("unbalanced braces", text("$$\n\\frac{a}{b\n$$")),
    ("unbalanced braces", text("$$\na}{b\n$$")),
    ("expected \\tag{2.n}", text("$$\na \\tag{3.1}\n$$")),
    ("used 2 times", text("$$\na \\tag{2.1}\n$$")),
    ("speaks of (2.7)", text("By (2.7), too.")),
)
add_all(
    rules.check_inline_mathematics,
    ("an odd number of $", text("It costs $5.")),
    ("space inside", text("The $ x$ here.")),
    ("touches a letter", text("The $n$th.")),
    ("touches a letter", text("The pre$n$.")),
    ("unbalanced braces", text("The $x_{i$.")),
)
add_all(
    rules.check_prose_length,
    ("words of prose; expected 1500 to 3500", source("prose", "word " * 1600, "short")),
    ("words of prose", text("long " * 3000)),
)
add_all(
    rules.check_links,
    ("leads to no file", text("[next](03_not_yet.ipynb)")),
    ("neither https nor relative", text("[old](http://a.b)")),
    ("neither https nor relative", text("[mine](/etc/hosts)")),
)
add_all(
    rules.check_code,
    ("it is empty", whole("body-a", "\n")),
    ("21 lines; split it", whole("body-a", "\n".join("abcdefghijklmnopqrstu"))),
    ("not plain Python", whole("body-a", "%matplotlib inline")),
    ("0 lines of code outside", lambda nb: nb.cells.clear()),
    ("lines of code outside", source("body-a", "extra = 0", "more()\n" * 400)),
)
add_all(
    rules.check_tags,
    ("unknown tag 'hide_input'", metadata("body-a", tags=["hide_input"])),
    (
        "unknown tag 'NBVAL-CHECK-OUTPUT' (lower case)",
        metadata("body-a", tags=["NBVAL-CHECK-OUTPUT"]),
    ),
    ("metadata.mystnb.images", metadata("body-a", mystnb={"images": {}})),
    ("mystnb.image.text", metadata("body-a", mystnb={"image": {"text": "a"}})),
    ("mystnb.figure.title", metadata("body-a", mystnb={"figure": {"title": "a"}})),
    ("no tag 'hide-input'", metadata("body-a", mystnb={"code_prompt_show": "Show"})),
    ("not a comment", whole("body-a", "# NBVAL_CHECK_OUTPUT")),
)
add_all(
    rules.check_claims,
    ("2 cells have the tag", metadata("claim-1", tags=None)),
    ("holds no figure", output("claim-1", shown())),
    ("and no output", output("claim-1")),
)
add_all(
    rules.check_figures,
    ("2 figures; one a cell", output("curves", shown(), shown())),
    ("expected SVG, PNG or GIF", output("curves", JPEG)),
    ("no alt text", metadata("curves", mystnb=None)),
    ("no alt text", figure(alt="_build/images/curves.png")),
    ("no alt text", figure(alt="Curves")),
    ("lacks a caption", figure(caption=" ")),
    ("are the same", figure(caption="Two curves that cross in the middle.")),
    ("expected 'fig-02-...'", figure(name="curves")),
    ("shows no figure", output("curves")),
    ("text of a plotting call leaks", output("curves", REPR, shown())),
    ("'fig-02-curves' is used 2 times", twice("curves")),
)
add_all(
    rules.check_outputs,
    ("ends in the error KeyError", output("claim-1", ERROR)),
    ("writes to stderr: 'Warning", output("claim-1", said("Warning: slow", "stderr"))),
    ("widget", output("claim-1", WIDGET)),
    ("application/javascript", output("claim-1", SCRIPT)),
    ("another host", output("claim-1", HTML)),
    ("the path '/home/me/data.csv'", output("claim-1", said("read /home/me/data.csv"))),
    ("the path", output("claim-1", said(r"read C:\Users\me"))),
    ("memory address", output("claim-1", said("<A at 0x7f00aa11bb22>"))),
    ("progress bar", output("claim-1", said("10%|#   | 1/10"))),
    ("progress bar", output("claim-1", said("1\r2"))),
    ("a table of 100 characters", output("claim-1", said("a" + 95 * " " + "b  c"))),
    ("without its trained weights", output("claim-1", said(sentence("18_ride", "no network")))),
)
add_all(
    rules.check_freshness,
    ("do not belong to this source", source("body-a", "extra = 0", "extra = 9")),
    ("do not belong to this source", drop("body-a")),
    ("do not belong to this source", lambda nb: nb.data["metadata"].pop("gdm")),
    ("no cell was run", lambda nb: [c.update(execution_count=None) for c in nb.code]),
    ("expected 1, 2, 3", lambda nb: cell(nb, "body-a").update(execution_count=99)),
    ("another execution count", output("body-a", REPR | {"execution_count": 77})),
)
add_all(
    rules.check_budget,
    ("seconds is 75.1", record(seconds=75.1)),
    ("seconds is missing", record(seconds=None)),
    ("peak_memory_mb is 2049", record(peak_memory_mb=2049)),
    ("outputs of 90", output("claim-1", said("x" * 900_000))),
)
add_all(
    rules.check_pictures,
    ("cannot be read", output("curves", BROKEN)),
    ("is 20 x 20 pixels", output("curves", SMALL)),
)
TASK, SOLUTION, TEST = "double-1-task", "double-1-solution", "double-1-test"
add_all(
    rules.check_exercises,
    ("2 exercises; expected at least 3", drop("double-1-task", SOLUTION, TEST)),
    ("grade_id 'double-2-test' is used 2 times", nbgrader(TEST, grade_id="double-2-test")),
    ("metadata.nbgrader.schema_version is 2", nbgrader(TEST, schema_version=2)),
    ("metadata.nbgrader.locked is False", nbgrader(TEST, locked=False)),
    ("metadata.nbgrader.grade is True", nbgrader(SOLUTION, grade=True)),
    ("unknown keys ['level']", nbgrader(SOLUTION, level=1)),
    ("'Double 1' is not made of words", nbgrader(TEST, grade_id="Double 1")),
    ("a graded cell is not a code cell", lambda nb: cell(nb, TEST).update(cell_type="markdown")),
    ("lacks the tag 'hide-input'", metadata(TEST, tags=None)),
    ("lacks code_prompt_show", metadata(TEST, mystnb=None)),
    ("not folded in JupyterLab", metadata(SOLUTION, jupyter=None)),
    ("is not its task", drop("double-1-task")),
    ("is not its test", drop(TEST)),
    ("is not its solution", drop(SOLUTION)),
    ("once each", source(SOLUTION, "### END SOLUTION", "### END")),
    ("once each", source(SOLUTION, "### BEGIN SOLUTION", "### END SOLUTION")),
    ("the solution is empty", source(SOLUTION, "    return 2 * x\n", "")),
    (
        "what the student gets is not Python",
        source(SOLUTION, "def double_1(x):", "def double_1(x)"),
    ),
    ("one function and nothing else", source(SOLUTION, "def double_1", "a = 1\ndef double_1")),
    ("no docstring outside", source(SOLUTION, '"""Return twice x."""', "pass")),
    ("worth points; got 0", nbgrader(TEST, points=0)),
    ("holds no solution", source(TEST, "assert", "### BEGIN SOLUTION\nassert")),
    ("once each", source(TEST, "### BEGIN HIDDEN TESTS", "")),
    ("is not Python", source(TEST, "assert double_1(1)", "assert double_1(1")),
    ("no visible assert", source(TEST, "assert double_1(1) ==", "double_1(1) ==")),
    ("hide nothing", source(TEST, "### BEGIN HIDDEN TESTS", "#", "### END HIDDEN TESTS", "#")),
    ("hidden tests assert nothing", source(TEST, "assert double_1(-1) ==", "double_1(-1) ==")),
    ("an assert says nothing", source(TEST, ', "Negative numbers, too (law: 2x = x + x)."', "")),
    ("it uses double_1, the answer", source("closing", "extra", "double_1(3)")),
    ("lacks its header", source(TASK, "*Difficulty 1 of 3", "*Difficulty 4 of 3")),
    ("promises 2 points, its tests give 3", nbgrader(TEST, points=3)),
    ("lacks hint 1", source(TASK, "Hint 1", "Help")),
    ("lacks hint 2", source(TASK, "itself.\n\n</details>", "itself.")),
)
add_all(rules.check_schematic, ("no cell shows a schematic", output("drawing", said("a drawing"))))
add_all(
    rules.check_panels,
    ("a figure of 3 panels", whole("curves", "fig, axes = plt.subplots(1, 3)")),
    ("a figure of 4 panels", whole("curves", "fig, axes = plt.subplots(nrows=2, ncols=2)")),
    ("a figure 9.6 in wide", whole("curves", "fig = plt.figure(figsize=(9.6, 3))")),
)
add_all(
    rules.check_credit,
    ("expected once", source("summary", "lectures A", "lectures B")),
    ("expected once", twice("summary")),
    ("it speaks of a lecture", text("The lecture's example has two pixels.")),
    ("it speaks of a lecture", text("A slip on the slide.")),
)


def another(name: str, says: str) -> Fault:
    """Plant a lesson that follows, and what the summary says of it."""

    def plant(nb: Notebook) -> None:
        (nb.path.parent / f"{name}.ipynb").touch()
        cell(nb, "summary")["source"] += f"\n\n{says}"

    return plant


add_all(
    rules.check_next,
    ("links 03_after.ipynb", another("03_after", "")),
    ("links 03_after.ipynb", another("03_after", "See [another](03_after.ipynb).")),
    ("links 03_after.ipynb", another("03_after", "**What comes next.** [This](02_sample.ipynb).")),
)
add_all(
    rules.check_symbols,
    (r"a loss is \mathcal{L}", text(r"$$\n\ell(\theta) = -\sum_n \log p(x_n)\n$$")),
    ("x has d components", text(r"With $\prod_{i=1}^n p(x_i)$.")),
    ("x has d components", text(r"With $x\in\mathbb{R}^D$.")),
    ("hidden units", text(r"With $\sum_{k=1}^H h_k$.")),
    ("an expectation is", text(r"With $\mathrm{E}[x]$.")),
    ("an entropy is", text(r"With $\mathrm{H}(p)$.")),
    ("write height, width", source("body-a", "extra = 0", "H, W = 4, 5")),
    ("write height, width", source("body-a", "extra = 0", "size, D = 4, 5")),
)


@pytest.mark.parametrize(
    ("rule", "says", "plant"),
    [
        pytest.param(*fault, id=f"{fault[0].__name__}-{number}")
        for number, fault in enumerate(FAULTS)
    ],
)
def test_a_planted_fault_is_found(
    sample: Notebook, rule: rules.Rule, says: str, plant: Fault
) -> None:
    plant(sample)
    found = rule(sample)
    assert any(says in what for what in found), f"expected {says!r} in {found}"


def test_every_rule_has_a_fault_that_it_finds() -> None:
    assert {rule for rule, _, _ in FAULTS} == set(rules.RULES)


def test_what_only_looks_like_a_fault_is_none(sample: Notebook) -> None:
    """Code and escaped dollars are no mathematics, and a claim may print a fraction."""
    cell(sample, "idea")["source"] += (
        "\n\n```python\nprice = '$5'  # {role}`x`\n```\n\nUse `$x$y` and `\\bm`. A price: \\$5.\n\n"
        "Take $p(x)$, $q(x)$-weighted ($n$ of them), and the set\n$\\{1, \\dots, n\\}$\nof them."
    )
    cell(sample, "claim-1")["outputs"] = [said("1/2, a/b, http://localhost is no path: and/or\n")]
    assert rules.problems(sample) == []


def test_prose_and_address_do_not_count_in_the_hash(sample: Notebook) -> None:
    before = notebooks.source_hash(sample)
    cell(sample, "idea")["source"] += " And more."
    setup = cell(sample, "setup")
    setup["source"] = setup["source"].replace("/OWNER/", "/somebody/").replace("@v", "@v9.")
    assert notebooks.source_hash(sample) == before
    cell(sample, "body-a")["source"] += "\n1"
    assert notebooks.source_hash(sample) != before
    sign(sample)
    assert rules.check_freshness(sample) == []


def test_the_command_prints_all_problems(
    sample: Notebook, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main([str(sample.path)]) == 0
    assert "02_sample.ipynb: 0 problems" in capsys.readouterr().out
    record(seconds=100.0)(sample)
    sample.path.write_text(notebooks.dumps(sample.data), encoding="utf-8")
    (tmp_path / "bad.ipynb").write_text("{")
    (tmp_path / "list.ipynb").write_text('{"cells": 1, "nbformat": 4, "nbformat_minor": 5}')
    old = {**sample.data, "nbformat": 3}
    (tmp_path / "old.ipynb").write_text(json.dumps(old))
    bare = {**sample.data, "cells": [{"cell_type": "markdown", "id": "a", "metadata": {}}]}
    (tmp_path / "bare.ipynb").write_text(json.dumps(bare))
    names = ("bad", "list", "old", "bare", "gone")
    paths = [sample.path, *[tmp_path / f"{name}.ipynb" for name in names]]
    assert main([str(path) for path in paths]) == 1
    printed = capsys.readouterr().out
    assert "check_budget: metadata.gdm.seconds is 100.0" in printed
    assert printed.count("is not a notebook") == 4
    assert "its format is 3, not 4" in printed and "a cell has no source" in printed
    assert "gone.ipynb" in printed
