"""A press for the pages of the built book: Chromium, which serves itself from this machine alone.

A page is opened at the width of the paper and with the letters of the paper, before its formulas
are typeset; then it is made ready by ``pdf.js``, looked through for what is cut off, and printed.
"""

from __future__ import annotations

import functools
import os
import shutil
import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import matplotlib

from tools.stills import find_chromium

HERE = Path(__file__).resolve().parent
MARGIN = 23  # mm at each side; 19 and 21 above and below hold the running head and the page number
WIDTH = round((210 - 2 * MARGIN) * 96 / 25.4)  # CSS pixels of a line on A4
OWN = "/_paper/"  # what the press adds to the book's folder

PAGE = """@page {{ size: A4; margin: 19mm {margin}mm 21mm;
  @top-left {{ content: {head}; color: #48566b; font: 9pt Paper, serif }}
  @bottom-center {{ content: counter(page{style}); color: #48566b; font: 9pt Paper, serif }} }}
@page :first {{ @top-left {{ content: "" }} }}
html {{ counter-reset: page {before} }}"""

EARLY = """
const add = () => { const link = document.createElement('link');
  link.rel = 'stylesheet'; link.href = '%spdf.css'; document.head.append(link); };
addEventListener('DOMContentLoaded', add, {once: true});
"""
TYPESET = """
const done = arguments[arguments.length - 1];
const set = window.MathJax && MathJax.startup && MathJax.startup.promise;
(set || Promise.resolve()).then(() => document.fonts.ready).then(() => done(''), e => done(`${e}`));
"""
CUT = (HERE / "pdf_cut.js").read_text(encoding="utf-8")
STYLE = "const s = document.createElement('style'); s.textContent = arguments[0]; "
STYLE += "document.head.append(s)"


@dataclass(frozen=True)
class Heading:
    """A heading of a page: its level (1 to 3), the name of its place, its words."""

    level: int
    place: str
    text: str


class _Handler(SimpleHTTPRequestHandler):
    """Serves the book, and below OWN the letters, the style and what the press was given."""

    def __init__(self, *arguments: Any, given: dict[str, str], **keywords: Any) -> None:
        self.given = given
        super().__init__(*arguments, **keywords)

    def handle(self) -> None:
        """Answer; a browser may leave a page before it has all of it."""
        with suppress(ConnectionError):
            super().handle()

    def do_GET(self) -> None:
        """Answer a request."""
        text = self.given.get(self.path)
        if text is None:
            return super().do_GET()
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        return None

    def translate_path(self, path: str) -> str:
        """Return the file of an address."""
        if not path.startswith(OWN):
            return super().translate_path(path)
        name = Path(path).name
        fonts = Path(matplotlib.get_data_path(), "fonts", "ttf", name)
        return str(fonts if name.endswith(".ttf") else HERE / name)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path, given: dict[str, str]) -> Iterator[str]:
    """Serve a folder, and pages by their text; yield the address."""
    handler = functools.partial(_Handler, directory=str(folder), given=given)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def chromium(width: int = WIDTH, height: int = 1000) -> Iterator[Any]:
    """Yield a headless browser that reaches this machine only.

    Raises:
        FileNotFoundError: If there is no Chromium, or no driver for it.
    """
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = find_chromium()
    driver_path = os.environ.get("CHROMEDRIVER") or shutil.which("chromedriver")
    if not driver_path or not Path(driver_path).is_file():
        raise FileNotFoundError(
            "no driver of Chromium was found; install it (Debian: apt-get install "
            "chromium-driver), or set CHROMEDRIVER to its path"
        )
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--disable-background-networking",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=Service(driver_path))
    try:
        driver.set_page_load_timeout(120)
        driver.set_script_timeout(120)
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        yield driver
    finally:
        driver.quit()


def prepare(browser: Any, address: str, kicker: str) -> tuple[list[Heading], list[str]]:
    """Open a page and make it ready; return its headings, and what does not fit on the paper.

    Raises:
        ValueError: If the page holds no article, or a script on it failed.
    """
    if not getattr(browser, "for_paper", False):
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        early = {"source": EARLY % OWN}
        browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", early)
        browser.for_paper = True
    browser.get(address)
    failed = browser.execute_async_script(TYPESET)
    if failed or not browser.execute_script("return !!document.querySelector('article')"):
        raise ValueError(f"{address}: {failed or 'no article is there'}; is the book built?")
    made = browser.execute_async_script((HERE / "pdf.js").read_text(encoding="utf-8"), kicker)
    if isinstance(made, str):
        raise ValueError(f"{address}: {made}")
    return [Heading(*entry) for entry in made], browser.execute_script(CUT)


def print_page(browser: Any, head: str, before: int, roman: bool = False) -> bytes:
    """Print the prepared page as a PDF.

    Args:
        browser: What `prepare` was given.
        head: The running head.
        before: How many pages are in front of the first.
        roman: If pages are numbered i, ii, iii.
    """
    words = '"' + head.replace("\\", "").replace('"', "”") + '"'
    style = ", lower-roman" if roman else ""
    page = PAGE.format(margin=MARGIN, head=words, style=style, before=before)
    browser.execute_script(STYLE, page)
    wanted = {"preferCSSPageSize": True, "printBackground": True}
    made = browser.execute_cdp_cmd("Page.printToPDF", {**wanted, "generateTaggedPDF": False})
    return b64decode(made["data"])
