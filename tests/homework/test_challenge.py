"""The challenge: honest entries are measured right, every planted cheat and fault is named."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import pytest
import torch
from grading.challenge import laws, settings
from grading.challenge.arena import Arena, read
from grading.challenge.board import Board, Row, markdown, ranked
from grading.challenge.entry import Entry, EntryError, entries
from grading.challenge.run import measure
from grading.challenge.scale import fitting
from grading.challenge.score import Referee
from grading.challenge.settings import TASKS, ChallengeError
from grading.table import Table

from tests.homework.courses import script

KEY = b"0123456789abcdef" * 4
DENSITY = replace(
    *(TASKS["density"],), train=600, heldout=900, seconds=1.0, answer_seconds=3.0, parameters=2000
)
PICTURES = replace(
    *(TASKS["pictures"],), train=400, heldout=800, samples=300, seconds=2.0, steps=(1, 2)
)
STARTERS = {kind: Path("homework/examples") / f"starter_{kind}.py" for kind in TASKS}


@dataclass
class Judges:
    """Both referees, and a way to hand in."""

    referees: dict[str, Referee]
    folder: Path

    def said(self, kind: str, source: str) -> list[Row]:
        return measure(self.referees[kind], self.entry(kind, source))

    def entry(self, kind: str, source: str) -> Entry:
        path = self.folder / f"{kind}.py"
        path.write_text(source, encoding="utf-8")
        return Entry("ada", kind, path)


@pytest.fixture(scope="module")
def judges(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judges]:
    folder = tmp_path_factory.mktemp("challenge")
    with Arena(folder) as arena:
        tasks = (DENSITY, PICTURES)
        yield Judges({task.kind: Referee(KEY, task, arena) for task in tasks}, folder)


@pytest.fixture(scope="module")
def starters(root: Path) -> dict[str, str]:
    return {kind: (root / path).read_text(encoding="utf-8") for kind, path in STARTERS.items()}


# The data


def test_the_plane_s_density_is_exact() -> None:
    # Its integral is 1, and of its samples as many lie where it is high as it says.
    for key in (KEY, b"x" * 64):
        law = laws.Plane(key)
        side = (torch.arange(500) + 0.5) / 500 * 2 * laws.HALF - laws.HALF
        mass = law.log_prob(torch.cartesian_prod(side, side)).exp().sum() * (side[1] - side[0]) ** 2
        assert float(mass) == pytest.approx(1, abs=0.01)
        x = law.sample(20_000, torch.Generator().manual_seed(0))
        right = float((law.log_prob(x) > math.log(0.05)).double().mean())
        grid = law.log_prob(torch.cartesian_prod(side, side))
        inside = grid > math.log(0.05)
        expected = float(grid[inside].exp().sum() * (side[1] - side[0]) ** 2)
        assert right == pytest.approx(expected, abs=0.015)


@pytest.mark.parametrize("kind", TASKS)
def test_data_are_the_key_s(kind: str) -> None:
    data = laws.training_data(KEY, kind, 50)
    assert torch.equal(data, laws.training_data(KEY, kind, 50))
    assert not torch.equal(data, laws.training_data(b"y" * 64, kind, 50))
    assert not torch.equal(data, laws.heldout_data(KEY, kind, 50))


def test_what_is_held_out_is_nowhere_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GDMLIB_CACHE", str(tmp_path / "cache"))
    laws.heldout_data(KEY, "pictures", 20)
    assert not (tmp_path / "cache").exists()
    assert os.environ["GDMLIB_CACHE"] == str(tmp_path / "cache")


# Honest entries


def test_a_gaussian_gets_its_own_nats(judges: Judges, starters: dict[str, str]) -> None:
    (row,) = judges.said("density", starters["density"])
    referee = judges.referees["density"]
    x, y = referee.train_data.double(), referee.heldout.double()
    normal = torch.distributions.MultivariateNormal(x.mean(0), torch.cov(x.T))
    expected = -float(normal.log_prob(y).mean())
    assert row.score == pytest.approx(expected, abs=0.02), row.said
    assert row.points == referee.task.earned("nats", row.score or 0)
    assert row.parameters == 6 and 0 <= row.seconds < 3


def test_pictures_are_measured_on_every_track(judges: Judges, starters: dict[str, str]) -> None:
    rows = judges.said("pictures", starters["pictures"])
    assert [row.track for row in rows] == ["steps-1", "steps-2"]
    for row in rows:
        assert row.score is not None and 1 < row.score < 50, row.said


# Cheats and faults: (kind, what is changed in the starter, what the student reads)

DENSITIES = {
    "not normalised": ("- math.log(2 * math.pi)", "+ 3.0", "not normalised"),
    "learns from the questions": (
        "    z = x - weights",
        "    k = -0.5 * torch.cdist(x[:300], x).square() / 0.01\n"
        "    return k.logsumexp(0) - math.log(300 * 2 * math.pi * 0.01)\n    z = x - weights",
        "depends on what else is asked",
    ),
    "depends on the batch": ("return -0.5", "return x[0, 0] - 0.5", "depends on what else"),
    "draws by lot": ("return -0.5 *", "return -torch.rand(len(x)) *", "depends on what else"),
    "not finite": ("return -0.5", "return 0 / torch.zeros(len(x)) - 0.5", "not finite"),
    "wrong shape": (".sum(1) -", ".sum(1, keepdim=True) -", "expected shape ("),
    "no tensor": ("    return -0.5", "    return 3\n    return -0.5", "must return a tensor"),
    "too many parameters": ('"mean": x', '"more": torch.ones(3000), "mean": x', "too large: 3006"),
    "weights not finite": ("x.mean(0)", "x.mean(0) / 0", "are not finite"),
    "no dict": ('return {"mean"', 'return 3\n    return {"mean"', "must return a dict of tensors"),
    "an error": ('return {"mean"', 'raise ValueError("so")\n    {"mean"', "ValueError: so"),
    "too slow": ('return {"mean"', 'while True: pass\n    return {"mean"', "too slow"),
    "too slow in another process": (
        'return {"mean"',
        'p = torch.multiprocessing.get_context("fork").Process('
        "target=lambda: any(False for _ in iter(int, 1)))\n"
        '    p.start(), p.join()\n    return {"mean"',
        "it used more than 1 processor seconds",
    ),
    "too much memory": ("    z = x", "    y = torch.ones(900_000_000)\n    z = x", "log_prob"),
    "tells what it is asked": (
        "    z = x",
        "    raise ValueError(str(x))\n    z = x",
        "ValueError.",
    ),
    "ends the process": (
        'return {"mean"',
        'raise SystemExit\n    return {"mean"',
        "stopped with SystemExit",
    ),
    "reads a file": ("import math", "import math\nimport os", "imports os"),
    "draws the data itself": ("import math", "import math\nfrom gdmlib import data", "gdmlib.data"),
    "draws the data itself, 2": ("import math", "import math\nimport gdmlib.data.toys", "gdmlib"),
    "hides an import": ("import math", 'import math\n__import__("os")', "names __import__"),
    "hides an import, 2": ("import math", "import math\nmath.__loader__", "names __loader__"),
    "holds the data in its code": ("import math", f"import math\nX = '{'0' * 70_000}'", "bytes"),
    "no function": ("def log_prob", "def log_probability", "no function log_prob(weights, x)"),
    "no Python": ("def train", "def def train", "not valid Python"),
}
_COPY = (
    'return {"mean"',
    'return {"x": x}\n    {"mean"',
    "return (weights",
    'return weights["x"][: len(x)]\n    return (weights',
)
PICTURE_FAULTS = {
    "copies": (_COPY, "copy the training data (memorisation test, pixels)"),
    "copies with noise": (
        (*_COPY[:3], 'return weights["x"][:300] + 0.05 * x\n    return (weights'),
        "copy the training data",
    ),
    "wrong shape": (("view_as(x)", "view(len(x), 256)"), "expected shape (300, 1, 16, 16)"),
    "not finite": ((".clamp(0, 1)", ".log()"), "not finite"),
    "out of range": ((".clamp(0, 1)", ".mul(255)"), "pictures lie in [0, 1]"),
}


def changed(source: str, *changes: str) -> str:
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        assert old in source, old
        source = source.replace(old, new, 1)
    return source


@pytest.mark.parametrize("fault", DENSITIES)
def test_a_fault_of_a_density_is_named(
    judges: Judges, starters: dict[str, str], fault: str
) -> None:
    old, new, said = DENSITIES[fault]
    (row,) = judges.said("density", changed(starters["density"], old, new))
    assert said in row.said and row.score is None and row.points == 0
    if fault == "tells what it is asked":
        assert "tensor" not in row.said


@pytest.mark.parametrize("fault", PICTURE_FAULTS)
def test_a_fault_of_pictures_is_named(judges: Judges, starters: dict[str, str], fault: str) -> None:
    changes, said = PICTURE_FAULTS[fault]
    row = judges.said("pictures", changed(starters["pictures"], *changes))[0]
    assert said in row.said and row.score is None and row.points == 0


def test_an_answer_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret")
    (tmp_path / "answer").symlink_to(tmp_path / "key")
    with pytest.raises(EntryError, match="left no answer"):
        read(tmp_path / "answer", 100, "train")
    (tmp_path / "large").write_bytes(b"x" * 101)
    with pytest.raises(EntryError, match="can be read"):
        read(tmp_path / "large", 100, "train")
    assert read(tmp_path / "key", 100, "train") == b"secret"


def test_a_notebook_is_an_entry_and_two_files_are_none(tmp_path: Path, root: Path) -> None:
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook

    source = (root / STARTERS["density"]).read_text(encoding="utf-8")
    (tmp_path / "ada").mkdir()
    cells = [new_code_cell("%matplotlib inline\n!pip list"), new_code_cell(source)]
    nbformat.write(new_notebook(cells=cells), tmp_path / "ada" / "density.ipynb")
    (entry,) = entries(tmp_path)
    assert "def train" in entry.source() and "pip" not in entry.source()
    (tmp_path / "ada" / "density.py").write_text(source)
    with pytest.raises(EntryError, match=r"density\.py and density\.ipynb"):
        entries(tmp_path)


# Settings, leaderboard, grades


def test_settings_survive_writing_and_reading(tmp_path: Path) -> None:
    settings.write(tmp_path / "s.toml", TASKS)
    assert settings.read(tmp_path / "s.toml") == TASKS


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[plane]\n", "expected density, pictures, got plane"),
        ("[density]\nsecond = 3\n", "no such setting"),
        ("[density]\nseconds = -3\n", "positive"),
        ("[density]\ntrain = 1.5\n", "its kind"),
        ("[density]\nseconds = nan\n", "positive"),
        ("[pictures]\nsteps = [1, 1]\n", "positive"),
        ("[pictures]\nsteps = [8]\n", "steps-8 has no thresholds"),
        ("[density.points]\nnats = [[1, 1], [2, 3]]\n", "never earns"),
        ("[density.points]\nbits = [[1, 1]]\n", "no track bits"),
        ("[density\n", "cannot be read"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "s.toml").write_text(text)
    with pytest.raises(ChallengeError, match=said):
        settings.read(tmp_path / "s.toml")


def test_thresholds_are_points() -> None:
    task = replace(TASKS["density"], points={"nats": ((1.0, 4.0), (2.0, 1.0))})
    assert [task.earned("nats", s) for s in (0.5, 1.0, 1.01, 2.0, 2.5)] == [4, 4, 1, 1, 0]


@pytest.mark.parametrize("key", [KEY, b"x" * 64, b"another key" * 6])
def test_thresholds_lie_between_the_truth_and_a_first_entry(
    key: bytes, starters: dict[str, str]
) -> None:
    spaces: dict[str, dict] = {}
    for kind, source in starters.items():
        exec(source, spaces.setdefault(kind, {}))
    x = laws.training_data(key, "density", 2000)
    task = fitting(DENSITY, x, key)
    heldout = laws.heldout_data(key, "density", 4000)
    weights = spaces["density"]["train"](x, 1.0, 0)
    starter = -float(spaces["density"]["log_prob"](weights, heldout).mean())
    truth = -float(laws.Plane(key).log_prob(heldout).mean())
    assert task.earned("nats", starter) == 0 < task.earned("nats", 0.1 * truth + 0.9 * starter)
    assert task.earned("nats", truth) == task.most("nats") == 4
    assert task.earned("nats", 0.5 * (truth + starter)) == 2


def test_thresholds_of_pictures_lie_below_a_first_entry(
    judges: Judges, starters: dict[str, str]
) -> None:
    referee = judges.referees["pictures"]
    task = fitting(referee.task, referee.train_data, KEY)
    rows = measure(
        Referee(KEY, task, referee.arena), judges.entry("pictures", starters["pictures"])
    )
    assert [row.points for row in rows] == [0, 0] and all(row.score for row in rows)
    for row in rows:
        assert task.earned(row.track, 0.7 * (row.score or 0)) == 1
        assert task.earned(row.track, 0.1 * (row.score or 0)) == task.most(row.track)


def test_equal_scores_share_a_rank_and_the_order_is_one() -> None:
    rows = [Row("nats", n, score=s) for n, s in (("cy", 2.0), ("Bo", 1.5), ("al", 1.5))]
    rows += [Row("nats", "dee", said="log_prob: a | b.")]
    for order in (rows, rows[::-1]):
        found = [(row.student, row.rank) for row in ranked(order)]
        assert found == [("al", 1), ("Bo", 1), ("cy", 3), ("dee", 0)]
    assert r"log\_prob: a \| b." in markdown(ranked(rows))


def test_the_board_is_read_as_it_was_written(tmp_path: Path) -> None:
    rows = [Row("nats", "al", score=1.5, error=0.1, said="x, “y”\nz"), Row("nats", "bo")]
    Board(tmp_path).put(rows)
    again = Board(tmp_path)
    assert list(again.rows.values()) == ranked(rows)
    before = again.csv.read_bytes(), again.markdown.read_bytes()
    again.write()
    assert before == (again.csv.read_bytes(), again.markdown.read_bytes())


def test_the_command_makes_a_challenge_and_measures_it(
    tmp_path: Path, root: Path, starters: dict[str, str], capsys: pytest.CaptureFixture
) -> None:
    challenge: ModuleType = script("challenge", root)
    folder = tmp_path / "challenge"
    assert challenge.main(["--course", str(tmp_path)]) == 1
    assert "--new" in capsys.readouterr().err
    folder.mkdir()
    settings.write(folder / "settings.toml", {"density": DENSITY})
    assert challenge.main(["--course", str(tmp_path), "--new"]) == 0
    handout = folder / "handout" / "density.safetensors"
    assert list(handout.parent.iterdir()) == [handout]
    # It is drawn with the course's one key, which is not made anew once it is lost.
    drawn, key = handout.read_bytes(), (tmp_path / "key").read_bytes()
    assert challenge.main(["--course", str(tmp_path), "--new"]) == 0
    assert ((tmp_path / "key").read_bytes(), handout.read_bytes()) == (key, drawn)
    (tmp_path / "key").unlink()
    for more in ([], ["--new"]):
        assert challenge.main(["--course", str(tmp_path), *more]) == 1
        assert "put it back from your backup" in capsys.readouterr().err
    (tmp_path / "key").write_bytes(key)
    assert challenge.main(["--course", str(tmp_path)]) == 1
    assert "nothing to measure" in capsys.readouterr().err
    for student, source in (("ada", starters["density"]), ("bob", "def train(): pass")):
        (folder / "entries" / student).mkdir()
        (folder / "entries" / student / "density.py").write_text(source)
    assert challenge.main(["--course", str(tmp_path)]) == 0
    table = Table(tmp_path / "grades.csv")
    table.keep(set())  # what grade.py does
    assert {k: r.status for k, r in table.rows.items()} == {
        ("ada", "challenge-nats"): "graded",
        ("bob", "challenge-nats"): "failed",
    }
    assert "no function log_prob" in (tmp_path / "feedback/bob/challenge-nats.md").read_text()
    first = (folder / "leaderboard.csv").read_text()
    with (folder / "leaderboard.csv").open(newline="") as file:
        assert [row["student"] for row in csv.DictReader(file)] == ["ada", "bob"]
    assert challenge.main(["--course", str(tmp_path)]) == 0  # nothing changed: nothing is run
    assert (folder / "leaderboard.csv").read_text() == first
