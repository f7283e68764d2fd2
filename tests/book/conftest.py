"""One strict build of the book for all tests here, one server, one browser."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

NO_BROWSER = (
    "no Chromium with its driver was found. Debian: apt-get install chromium chromium-driver; "
    "macOS: brew install --cask chromium chromedriver; or set CHROME and CHROMEDRIVER to the "
    "paths of the browser and of its driver"
)


@dataclass(frozen=True)
class Build:
    """A build of the book: its pages, and the log if it was made here."""

    html: Path
    log: str
    returncode: int


def build_book(source: Path, output: Path) -> Build:
    """Build the book in `source` strictly; nothing is written beside the source."""
    program = Path(sys.executable).with_name("jupyter-book")
    command = [str(program), "build", str(source), "--path-output", str(output)]
    done = subprocess.run(
        [*command, "-W", "-n", "--keep-going"],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=source,
        env={**os.environ, "NO_COLOR": "1", "PYTHONUTF8": "1"},
    )
    return Build(output / "_build" / "html", done.stdout + done.stderr, done.returncode)


@pytest.fixture(scope="session")
def builder():
    """Return the function that builds a book."""
    return build_book


def build_small_book(folder: Path, pages: dict[str, str], address: str = "") -> Build:
    """Build a book of a few pages with the settings and the extension of this one.

    Args:
        folder: Where source and output go.
        pages: The text of each page, by its path without the folder; the first is the root.
        address: Of the repository, if it is to be another.
    """
    source = folder / "source"
    for name in ("_ext", "_static", "_templates"):
        shutil.copytree(ROOT / "book" / name, source / "book" / name)
    shutil.copy(ROOT / "book" / "references.bib", source / "book")
    config = (ROOT / "_config.yml").read_text(encoding="utf-8")
    if address:
        config = re.sub(r"(?m)^  url: .*$", f"  url: {address}", config)
    (source / "_config.yml").write_text(config, encoding="utf-8")
    root, *others = (str(Path(name).with_suffix("")) for name in pages)
    toc = f"format: jb-book\nroot: {root}\n"
    if others:
        toc += "chapters:\n" + "".join(f"  - file: {name}\n" for name in others)
    (source / "_toc.yml").write_text(toc, encoding="utf-8")
    for name, text in pages.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text, encoding="utf-8")
    return build_book(source, folder / "output")


@pytest.fixture(scope="session")
def small_book():
    """Return the function that builds a book of a few pages."""
    return build_small_book


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Return a clean strict build: the one that GDMLIB_BOOK names, else a new one."""
    made = os.environ.get("GDMLIB_BOOK", "")
    if made:
        html = Path(made).resolve()
        if not (html / "index.html").is_file():
            pytest.fail(f"GDMLIB_BOOK={made} holds no index.html; run `make book` first")
        return Build(html, "", 0)
    return build_book(ROOT, tmp_path_factory.mktemp("book"))


@pytest.fixture(scope="session")
def html(build: Build) -> Path:
    """Return the folder of the built pages."""
    return build.html


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def serve(folder: Path) -> ThreadingHTTPServer:
    """Serve a folder on a free port of this machine, in a thread of its own."""
    handler = functools.partial(_Quiet, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture(scope="session")
def site(html: Path) -> Iterator[str]:
    """Return the address of the served book."""
    server = serve(html)
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="session")
def bad_site(html: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Return the address and the folder of a site in which tests plant bad pages."""
    folder = tmp_path_factory.mktemp("bad")
    shutil.copytree(html / "_static" / "mathjax", folder / "mathjax")
    server = serve(folder)
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()


def find_browser() -> tuple[str, str] | None:
    """Return the paths of the browser and of its driver, or None."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    mac = [
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    ]
    browsers = [os.environ.get("CHROME"), *map(shutil.which, names), *mac]
    drivers = [os.environ.get("CHROMEDRIVER"), shutil.which("chromedriver")]
    browser = next((path for path in browsers if path and Path(path).is_file()), None)
    driver = next((path for path in drivers if path and Path(path).is_file()), None)
    return (browser, driver) if browser and driver else None


@pytest.fixture
def browser_search():
    """Return the function that looks for a browser, and what is said where there is none."""
    return find_browser, NO_BROWSER


@pytest.fixture(scope="session")
def browser():
    """Return a headless browser that reaches this machine only."""
    found = find_browser()
    if found is None:
        pytest.skip(NO_BROWSER)
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = found[0]
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--disable-background-networking",
        "--window-size=1400,1000",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(found[1]))
    driver.set_page_load_timeout(60)
    driver.set_script_timeout(60)
    yield driver
    driver.quit()
