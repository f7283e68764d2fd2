"""The numbers of the moving figures: what the scripts compute is what Python computes.

Each script is also broken in a dozen ways, one at a time, and the comparison must notice each.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from coursebook import demos as extension
from PIL import Image

from tests.book.demo_numbers import DEMOS, Call, calls, error
from tools import stills

TOLERANCE = 1e-6
FOLDER = stills.STATIC / "demos"

RUN = """
const answers = [];
for (const [name, given, last] of CALLS) {
  const found = gdmDemos[DEMO].maths[name](...given);
  answers.push(last ? found[found.length - 1] : found);
}
return answers;
"""

Evaluate = Callable[[str, str, list[Call]], list[Any]]


def program(demo: str, script: str, wanted: list[Call]) -> str:
    """Return a script that makes the calls and returns a list of what came out."""
    shared = "\n".join((FOLDER / f"{name}.js").read_text("utf-8") for name in stills.SHARED)
    asked = json.dumps([[call.function, call.arguments, call.last] for call in wanted])
    constants = f"const DEMO = {json.dumps(demo)}, CALLS = {asked};"
    return "\n".join([shared, script, constants, RUN])


def in_node(demo: str, script: str, wanted: list[Call]) -> list[Any]:
    source = f"process.stdout.write(JSON.stringify((() => {{{program(demo, script, wanted)}}})()))"
    done = subprocess.run(
        ["node", "-"], input=source, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def evaluate(request: pytest.FixtureRequest, browser_search_once: bool) -> Evaluate:
    """Return what runs a script: the browser, node where there is none, or else skip the test."""
    if browser_search_once:
        browser = request.getfixturevalue("browser")
        return lambda demo, script, wanted: browser.execute_script(program(demo, script, wanted))
    if shutil.which("node"):
        return in_node
    pytest.skip("neither Chromium nor node was found, and one of them must run the scripts")


@pytest.fixture(scope="module")
def browser_search_once() -> bool:
    """Tell whether there is a browser."""
    from tests.book.conftest import find_browser

    return find_browser() is not None


def script_of(demo: str) -> str:
    return (FOLDER / f"{demo}.js").read_text(encoding="utf-8")


def wrong(evaluate: Evaluate, demo: str, script: str) -> dict[str, float]:
    """Return the functions that are off, and by how much at most."""
    wanted = calls(demo)
    found: dict[str, float] = {}
    for call, answer in zip(wanted, evaluate(demo, script, wanted), strict=True):
        off = error(answer, call.expected, call.relative)
        if not off <= TOLERANCE:
            found[call.function] = max(off, found.get(call.function, 0.0))
    return found


@pytest.mark.parametrize("demo", DEMOS)
def test_the_numbers_are_those_of_python(demo: str, evaluate: Evaluate):
    assert wrong(evaluate, demo, script_of(demo)) == {}


@pytest.mark.parametrize("demo", DEMOS)
def test_node_agrees(demo: str):
    if not shutil.which("node"):
        pytest.skip("there is no node")
    assert wrong(in_node, demo, script_of(demo)) == {}


# --- every function can be wrong, and is then found out

TWINS = [
    ("gaussian", "4.7, 4.5, 4.9,", "4.7, 4.5, 4.8,", "data"),
    ("gaussian", "-0.5 * (LOG_2PI + ((x", "-0.5 * (1.8 + ((x", "logDensity"),
    ("gaussian", "average(x.map((v) => maths", "1.00001 * average(x.map((v) => maths", "logLik"),
    ("gaussian", "Math.sqrt(average(x.map", "Math.sqrt((50 / 49) * average(x.map", "fit"),
    ("gaussian", "square / std ** 3 - 1", "square / std ** 2 - 1", "slopes"),
    ("inverse_cdf", "term > 1e-17 * sum", "term > 1e-2 * sum", "normalCdf"),
    ("inverse_cdf", "let k = 60", "let k = 2", "normalCdf"),
    ("inverse_cdf", "Math.cosh(x / 2) ** 2", "Math.cosh(x / 2)", "density"),
    ("inverse_cdf", "[0.6, 1.2, 0.8]", "[0.6, 1.2, 0.81]", "cdf"),
    ("inverse_cdf", "-Math.log1p(-u)", "-Math.log1p(-0.999 * u)", "icdf"),
    ("inverse_cdf", "k < 70", "k < 20", "icdf"),
    ("elbo", "WEIGHT = 1.5", "WEIGHT = 1.4", "constants"),
    ("elbo", "logNormal(z, 0, 1) + logNormal(x", "logNormal(z, 0, 1.01) + logNormal(x", "logJoint"),
    ("elbo", "k <= 1000", "k <= 40", "logEvidence"),
    ("elbo", "Math.hypot(WEIGHT, NOISE)", "WEIGHT + NOISE", "logEvidence"),
    ("elbo", "6 * m * m * s * s", "3 * m * m * s * s", "reconstruction"),
    ("elbo", "- 1) - Math.log(s)", "- 1) - 2 * Math.log(s)", "price"),
    ("elbo", "s) - maths.price(m, s),", "s) - 0.5 * maths.price(m, s),", "elbo"),
    ("elbo", "gap: (kind, x, m, s) => maths", "gap: (kind, x, m, s) => 0.1 + maths", "gap"),
    ("elbo", "1 + (WEIGHT / NOISE) ** 2", "(WEIGHT / NOISE) ** 2", "best"),
    ("elbo", "k < 2000", "k < 5", "best"),
    ("coupling", "LIMIT = 2;", "LIMIT = 1;", "steer"),
    ("coupling", "logDet += s;", "logDet -= s;", "forward"),
    ("coupling", "let k = layers - 1; k >= 0", "let k = layers - 1; k > 0", "inverse"),
    ("coupling", "- LOG_2PI + logDet", "- LOG_2PI", "logProb"),
    ("score", "[0.5, 0.3, 0.2]", "[0.5, 0.2, 0.3]", "mixture"),
    ("score", "* t) ** 2, 1e-4)", "* t), 1e-4)", "alphaBar"),
    ("score", "0.5 * Math.log(det)", "Math.log(det)", "at"),
    ("score", "-(c * u - b * v)", "-(c * u + b * v)", "at"),
    ("score", "most + Math.log(total)", "most", "at"),
    ("score", "Math.sqrt(2 * h)", "Math.sqrt(h)", "langevin"),
    ("score", "(v + (1 - bar) * score[i])", "(v + Math.sqrt(1 - bar) * score[i])", "flow"),
    ("score", "k > 0; k--", "k > 1; k--", "walk"),
    ("game", "([x, y]) => [-y, x]", "([x, y]) => [y, x]", "field"),
    ("game", "return next(to(v));", "return next(to(v, 2 * h));", "run"),
    ("game", "h * maths.field([x, z[1]])[1]]", "h * v[1]]", "run"),
    ("game", "to(maths.field(to(v)))", "to(maths.field(z))", "run"),
    ("game", "p + 2 * h * v[i] - h", "p + 2 * h * v[i] - 2 * h", "run"),
    ("game", "(v[i] - extra * p)", "(v[i] + extra * p)", "run"),
    ("game", "(z[1] + h * z[0]) / (1 + h * h)", "(z[1] + h * z[0]) / (1 - h * h)", "run"),
    ("game", "h * v[i] + extra * (p - before[i])", "h * v[i] - extra * (p - before[i])", "run"),
    ("game", "extra * (z[1] - before[1])", "extra * (z[0] - before[0])", "run"),
    ("game", "inTurn ? maths", "!inTurn ? maths", "run"),
    ("game", "1 - KEPT[1] ** count", "1 - KEPT[1] ** (count + 1)", "run"),
    ("game", "[one, [-1, -h]]", "[one, [-1, h / 2]]", "factor"),
    ("game", "[h * h - 2, 0]", "[h * h - 1, 0]", "factor"),
    ("game", "[h * h - 1, -h]", "[h * h, -h]", "factor"),
    ("game", "[-1, -2 * h]", "[-1, -h]", "factor"),
    ("game", "[h * extra - 1, -h]", "[-h * extra - 1, -h]", "factor"),
    ("game", "[[1, -h], [-1, 0]]", "[[1, -h], [-2, 0]]", "factor"),
    ("game", "[-1 - b, -h], [b, 0]", "[-1 - b, -h], [-b, 0]", "factor"),
    ("game", "-2 * b * (1 + b), b * b", "2 * b * (1 + b), b * b", "factor"),
    ("game", "n < 300", "n < 3", "factor"),
]


@pytest.mark.parametrize(("demo", "right", "broken", "function"), TWINS)
def test_a_broken_twin_is_noticed(
    demo: str, right: str, broken: str, function: str, evaluate: Evaluate
):
    script = script_of(demo)
    assert script.count(right) == 1, f"{right!r} occurs {script.count(right)} times"
    found = wrong(evaluate, demo, script.replace(right, broken))
    assert any(name.startswith(function) for name in found), found


def test_every_function_is_compared_and_broken(evaluate: Evaluate):
    ask = "return Object.keys(gdmDemos[DEMO].maths);"
    inner = {"score": {"parts"}, "game": {"start", "step", "adam", "polynomial", "roots"}}
    inner |= {"elbo": {"decode"}}
    for demo in DEMOS:
        source = program(demo, script_of(demo), []).replace(RUN, ask)
        if evaluate is in_node:
            break
        names = set(_keys(evaluate, source)) - inner.get(demo, set())
        assert names == {call.function for call in calls(demo)}, demo
    twins = {(demo, function) for demo, _, _, function in TWINS}
    for demo in DEMOS:
        for name in {call.function for call in calls(demo)} - {"logPosterior"}:
            assert any(d == demo and name.startswith(f) for d, f in twins), (demo, name)


def _keys(evaluate: Evaluate, source: str) -> list[str]:
    browser = evaluate.__closure__[0].cell_contents  # type: ignore[index]
    return browser.execute_script(source)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (1.1, 1.0),
        ([1.0], [1.0, 1.0]),
        ({"a": 1.0}, {"b": 1.0}),
        (None, 1.0),
        (True, 1.0),
        (1.0, None),
    ],
)
def test_what_does_not_match_is_an_error(found: Any, expected: Any):
    assert error(found, expected) > TOLERANCE


# --- files


def too_large(folder: Path) -> list[str]:
    """Return the scripts that are too long, and the sum if it is too much."""
    scripts = sorted(folder.glob("*.js"))
    lines = {path.name: path.read_text("utf-8").count("\n") for path in scripts}
    problems = [f"{name}: {count} lines" for name, count in lines.items() if count > 250]
    total = sum(path.stat().st_size for path in scripts)
    return problems + ([f"{total} bytes"] if total >= 60_000 else [])


def test_the_scripts_are_small(tmp_path: Path):
    assert too_large(FOLDER) == []
    (tmp_path / "a.js").write_text("\n" * 251 + " " * 60_000)
    assert len(too_large(tmp_path)) == 2


def test_there_is_a_description_a_script_and_a_place_for_each(root: Path):
    assert set(DEMOS) == set(extension.DEMOS) == set(stills.names())
    assert extension.SHARED == stills.SHARED
    page = (root / "book" / "moving.md").read_text(encoding="utf-8")
    for part in page.split("\n(demo-")[1:]:
        name = part.partition(")")[0].replace("-", "_")
        assert f"```{{demo}} {name}\n```" in part
        assert "](../notebooks/" in part, f"{name} leads to no lesson"
    assert page.count("```{demo}") == len(DEMOS)


# --- still pictures


def outdated(picture: Path, checksum: str) -> bool:
    with Image.open(picture) as image:
        return image.info.get("sources") != checksum


@pytest.mark.parametrize("demo", DEMOS)
def test_a_still_picture_shows_what_the_script_draws(demo: str):
    picture = FOLDER / f"{demo}.png"
    assert not outdated(picture, stills.checksum(demo)), "run python -m tools.stills"
    assert outdated(picture, "another")
    assert picture.stat().st_size < 100_000


def test_a_picture_is_trimmed_and_an_empty_one_refused():
    picture = Image.new("RGB", (30, 20), "white")
    with pytest.raises(ValueError, match="has drawn nothing"):
        stills.trim(picture)
    picture.putpixel((3, 4), (0, 0, 0))
    picture.putpixel((7, 9), (0, 0, 0))
    assert stills.trim(picture).size == (5, 6)


def test_the_command_says_what_it_does_not_know(capsys, monkeypatch):
    assert stills.main(["nonsense"]) == 1
    assert "expected names among coupling, elbo" in capsys.readouterr().err
    monkeypatch.setenv("CHROME", "/nowhere")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FileNotFoundError, match="apt-get install chromium"):
        stills.find_chromium()


def test_a_still_picture_is_taken(tmp_path: Path, browser_search_once: bool):
    if not browser_search_once:
        pytest.skip("there is no Chromium")
    stills.take("gaussian", tmp_path / "a.png")
    assert not outdated(tmp_path / "a.png", stills.checksum("gaussian"))
    with Image.open(tmp_path / "a.png") as new, Image.open(FOLDER / "gaussian.png") as kept:
        assert abs(new.width - kept.width) < 20
        assert new.info["dpi"][0] == pytest.approx(stills.DPI, abs=1)
