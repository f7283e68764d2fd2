"""`make execute` stores quiet outputs of a fresh run, or leaves the file exactly as it was."""

from __future__ import annotations

import base64
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

from tools import execute, tidy
from tools.notebooks import Notebook, images, output_text, read
from tools.rules import check_freshness, check_outputs

CELL = nbformat.v4.new_code_cell


def write(folder: Path, *sources: str) -> Path:
    """Write a notebook with these code cells, which was never run."""
    cells = [CELL(source, id=f"cell-{number}") for number, source in enumerate(sources)]
    path = folder / "99_test.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".ipynb_checkpoints")


# --- a whole run ----------------------------------------------------------------------------------

ENVIRONMENT = (
    "import os\n"
    "for name in ('GDMLIB_BUDGET', 'GDMLIB_PROGRESS', 'OMP_NUM_THREADS', 'GDMLIB_DATA'):\n"
    "    print(name, os.environ.get(name))\n"
    "print(os.path.basename(os.getcwd()))"
)
FIGURE = (
    "from gdmlib import lesson\n"
    "import matplotlib.pyplot as plt\n"
    "run = lesson.start('99_test')\n"
    "plt.imshow([[0, 1], [1, 0]])\n"
    "plt.show()"
)
LINES = "plt.plot([0, 1])\nplt.show()"
PROGRESS = (
    "from tqdm.auto import tqdm\nfor _ in tqdm(range(3), disable=True): pass\nprint(1)\nprint(2)"
)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Notebook:
    """Return a notebook after `make execute` ran it."""
    path = write(
        tmp_path_factory.mktemp("lesson"), ENVIRONMENT, FIGURE, PROGRESS, "run.budget", LINES
    )
    assert execute.main([str(path)]) == 0
    return read(path)


def test_a_run_stores_outputs_that_belong_to_the_source(done: Notebook) -> None:
    assert check_freshness(done) == []
    assert check_outputs(done) == []
    assert nbformat.read(done.path, as_version=4).cells[3].outputs[0].data["text/plain"] == "'cpu'"


def test_every_run_has_the_same_environment_and_the_lesson_s_folder(done: Notebook) -> None:
    (printed,) = done.cells[0]["outputs"]
    assert printed["text"].split("\n")[:4] == [
        "GDMLIB_BUDGET cpu",
        "GDMLIB_PROGRESS 0",
        "OMP_NUM_THREADS 2",
        "GDMLIB_DATA None",
    ]
    assert printed["text"].split("\n")[4] == done.path.parent.name


def test_a_figure_is_one_palette_png_in_the_house_style(done: Notebook) -> None:
    assert images(done.cells[1]) == ["image/png"]
    (output,) = done.cells[1]["outputs"]
    picture = Image.open(io.BytesIO(base64.b64decode(output["data"]["image/png"])))
    assert picture.mode == "P"
    width = output["metadata"]["image/png"]["width"]
    assert 350 < width < 740  # 6.4 inches at 110 dpi, less an empty margin
    assert picture.size[0] == pytest.approx(2 * width, abs=1)
    assert picture.info["dpi"][0] == pytest.approx(220, abs=1)  # says how large it is to be shown
    assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_lines_are_one_svg(done: Notebook) -> None:
    assert images(done.cells[4]) == ["image/svg+xml"]


def test_nothing_tells_the_time_or_the_version(done: Notebook) -> None:
    assert "version" not in done.data["metadata"]["language_info"]
    assert all("execution" not in cell["metadata"] for cell in done.cells)
    assert len(done.cells[2]["outputs"]) == 1, "consecutive prints are one output"


def test_the_record_says_what_the_run_took(done: Notebook) -> None:
    record = done.data["metadata"]["gdm"]
    assert set(record) == {"source_hash", "seconds", "peak_memory_mb"}
    assert 0 < record["seconds"] < 300
    assert 50 < record["peak_memory_mb"] < 4000


def test_an_unchanged_lesson_is_not_run_again(
    done: Notebook, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(path: Path) -> None:
        raise AssertionError("it was run again")

    monkeypatch.setattr(execute, "execute", forbidden)
    before = done.path.read_bytes()
    assert execute.main([str(done.path)]) == 0
    assert "unchanged" in capsys.readouterr().out
    assert done.path.read_bytes() == before
    with pytest.raises(AssertionError, match="run again"):
        execute.main(["--force", str(done.path)])


# --- failures -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("1 / 0", "cell 'cell-1' raised ZeroDivisionError: division by zero"),
        ("import warnings; warnings.warn('deprecated')", "cell 'cell-1' wrote to stderr"),
        ("import os; os._exit(1)", "the kernel died"),
    ],
)
def test_a_failing_lesson_is_left_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str, message: str
) -> None:
    path = write(tmp_path, "print('before')", source)
    before = path.read_bytes()
    assert execute.main([str(path)]) == 1
    printed = capsys.readouterr().err
    assert message in printed
    assert "the file is as it was" in printed
    assert path.read_bytes() == before
    assert files(tmp_path) == [path.name]


def test_a_cell_that_takes_too_long_is_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execute, "CELL_TIMEOUT", 2)
    path = write(tmp_path, "import time; time.sleep(60)")
    assert execute.main([str(path)]) == 1
    assert "took more than 2 s" in capsys.readouterr().err


def test_one_failing_lesson_does_not_stop_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / "1.ipynb", tmp_path / "2.ipynb"]
    paths[0].write_text("{")
    write(tmp_path, "1").rename(paths[1])

    def run(path: Path) -> Notebook:
        raise execute.ExecutionError("no luck")

    monkeypatch.setattr(execute, "execute", run)
    assert execute.main([str(path) for path in paths]) == 1
    printed = capsys.readouterr().err
    assert "not a notebook" in printed
    assert "no luck" in printed


def test_an_unknown_lesson_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute.main(["77_no_such_lesson"]) == 1
    assert "no notebook '77_no_such_lesson'" in capsys.readouterr().err


# --- interruptions --------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["start", "cell", "terminated"])
def test_an_interruption_at_any_moment_leaves_the_last_good_state(
    tmp_path: Path, root: Path, moment: str
) -> None:
    mark = tmp_path / "cell-runs"
    path = write(tmp_path, f"open({str(mark)!r}, 'w').close()\nimport time\ntime.sleep(60)")
    before = path.read_bytes()
    command = [sys.executable, "-m", "tools.execute", str(path)]
    # A session of its own: the signal goes to the whole group, as from a terminal.
    process = subprocess.Popen(
        command,
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A test run in the background of a shell ignores this signal, and hands that down.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    assert "running" in process.stdout.readline()
    end = time.monotonic() + 90
    while moment != "start" and not mark.exists() and time.monotonic() < end:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGTERM if moment == "terminated" else signal.SIGINT)
    _, printed = process.communicate(timeout=90)
    assert process.returncode == 130, printed
    assert "interrupted; the file is as it was" in printed
    assert path.read_bytes() == before
    assert set(files(tmp_path)) <= {path.name, mark.name}


@pytest.mark.parametrize("step", ["write_text", "replace"])
def test_an_interruption_while_writing_leaves_the_last_good_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def interrupt(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    path = write(tmp_path, "1")
    before = path.read_bytes()
    monkeypatch.setattr(execute, "run", lambda notebook: notebook)
    monkeypatch.setattr(Path, step, interrupt)
    assert execute.main([str(path)]) == 130
    assert path.read_bytes() == before
    assert files(tmp_path) == [path.name]


# --- tidying --------------------------------------------------------------------------------------


def test_widgets_and_empty_streams_are_dropped() -> None:
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "HBox()"}
    outputs = [
        nbformat.v4.new_output("display_data", view),
        nbformat.v4.new_output("stream", name="stderr", text="\n"),
        nbformat.v4.new_output("stream", name="stdout", text="kept\n"),
        nbformat.v4.new_output("execute_result", {"text/plain": "1"}, execution_count=41),
    ]
    data = nbformat.v4.new_notebook(cells=[CELL("1", outputs=outputs, execution_count=41)])
    data.metadata["widgets"] = {"state": {}}
    tidy.tidy(Notebook(Path("99_test.ipynb"), data))
    kept = data.cells[0].outputs
    assert [output_text(output) for output in kept] == ["kept\n", "1"]
    assert kept[1].execution_count == data.cells[0].execution_count == 1
    assert "widgets" not in data.metadata


def encoded(pixels: np.ndarray) -> str:
    with io.BytesIO() as buffer:
        Image.fromarray(pixels).save(buffer, format="PNG")
        return base64.b64encode(buffer.getvalue()).decode()


def decoded(text: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB"))


def test_a_chart_keeps_its_colours_exactly() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (250, 3), dtype=np.uint8)
    pixels = colours[np.random.default_rng(1).integers(0, 250, (90, 200))]
    small = tidy.shrink_png(encoded(pixels))
    assert (decoded(small) == pixels).all()
    assert len(small) < len(encoded(pixels))


def test_a_photograph_shrinks_and_still_looks_the_same() -> None:
    from sklearn.datasets import load_sample_image

    photograph = load_sample_image("china.jpg")[:, ::2][::2].copy()
    small = tidy.shrink_png(encoded(photograph))
    error = np.square(decoded(small).astype(float) - photograph).mean()
    assert 10 * np.log10(255**2 / error) > 33  # dB
    assert len(small) < 0.5 * len(encoded(photograph))


def test_a_picture_that_would_grow_is_kept() -> None:
    with io.BytesIO() as buffer:
        Image.new("1", (64, 64)).save(buffer, format="PNG", optimize=True)
        original = base64.b64encode(buffer.getvalue()).decode()
    assert tidy.shrink_png(original) == original


def test_memory_is_measured_with_the_children() -> None:
    code = (
        "import subprocess, sys\n"
        "subprocess.run([sys.executable, '-c',\n"
        "    'x = bytearray(80_000_000); print(1, flush=True); input()'])\n"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe) as process:
        assert process.stdin is not None and process.stdout is not None
        with execute.MemoryWatch(process.pid, interval=0.01) as memory:
            process.stdout.readline()
            time.sleep(0.1)
        process.stdin.write(b"\n")
    assert 80 < memory.peak_mb < 250


def test_the_file_is_laid_out_as_jupyter_does_it(done: Notebook) -> None:
    text = done.path.read_text(encoding="utf-8")
    assert text == json.dumps(json.loads(text), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
