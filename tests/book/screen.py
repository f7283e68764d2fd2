"""The browser of the tests: sizes, media, what a page asked for and complained about."""

from __future__ import annotations

import io
import json
import time
from base64 import b64decode
from pathlib import Path
from typing import Any

from PIL import Image

WIDE, MIDDLE, NARROW = (1400, 1000), (1100, 900), (390, 844)
# A4 is 210 mm wide; print.css leaves 14 mm at each side, and a CSS millimetre has 96 / 25.4 pixels.
PAPER = (round((210 - 2 * 14) * 96 / 25.4), 1000)

SETTLED = """
const done = arguments[arguments.length - 1];
const typeset = window.MathJax && MathJax.startup && MathJax.startup.promise;
const frames = () => requestAnimationFrame(() => requestAnimationFrame(done));
(typeset || Promise.resolve()).then(() => document.fonts.ready).then(frames, done);
"""


# The side bar slides, folds and colours fade: a page is looked at when all has arrived.
ARRIVED = """
const style = document.createElement('style');
style.textContent = '* { animation: none !important; transition: none !important }';
document.head.append(style);
"""


def set_screen(browser: Any, size: tuple[int, int], media: str = "") -> None:
    """Set the size of a screen, or of a sheet of paper (`media` "print"), for what comes next."""
    width, height = size
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media})
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
    )


def resize(browser: Any, size: tuple[int, int], media: str = "") -> None:
    """Give the open page this size, and wait until it has settled."""
    set_screen(browser, size, media)
    browser.execute_async_script(SETTLED)


def open_page(browser: Any, address: str) -> None:
    """Open a page and wait until its formulas are typeset; forget what was logged before."""
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    browser.get(address)
    browser.execute_script(ARRIVED)
    browser.execute_async_script(SETTLED)


def open_folds(browser: Any) -> None:
    """Open everything that is folded on the page."""
    browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    browser.execute_async_script(SETTLED)


def look(browser: Any, script: str) -> list[str]:
    """Run a script on the open page."""
    return browser.execute_script(script)


def set_theme(browser: Any, theme: str) -> None:
    """Choose the light or the dark look, as the button in the page's head does."""
    root = "document.documentElement.dataset"
    browser.execute_script(f"{root}.theme = '{theme}'; {root}.mode = '{theme}';")


def wait_for(browser: Any, condition: str, *arguments: object, seconds: float = 20) -> None:
    """Wait until a script returns true."""
    end = time.monotonic() + seconds
    while not browser.execute_script(condition, *arguments):
        assert time.monotonic() < end, f"waited {seconds} s for: {condition}"
        time.sleep(0.05)


def picture(browser: Any, place: dict[str, float]) -> Image.Image:
    """Return what is seen in a rectangle of the page: x, y, width, height."""
    clip = {**place, "scale": 1}
    # A larger file, but no pixel is another.
    settings = {"clip": clip, "captureBeyondViewport": True, "optimizeForSpeed": True}
    shot = browser.execute_cdp_cmd("Page.captureScreenshot", settings)
    return Image.open(io.BytesIO(b64decode(shot["data"]))).convert("RGB")


def console_problems(browser: Any) -> list[str]:
    """Return errors and warnings of the console since the page was opened."""
    entries = browser.get_log("browser")
    return [e["message"][:200] for e in entries if e["level"] in {"SEVERE", "WARNING"}]


def network_problems(browser: Any, allowed: str) -> list[str]:
    """Return requests that failed, or went elsewhere, since the page was opened."""
    problems, addresses = [], {}
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        method, params = message["method"], message["params"]
        if method == "Network.requestWillBeSent":
            address = params["request"]["url"]
            addresses[params["requestId"]] = address
            if not address.startswith((allowed, "data:", "blob:", "about:")):
                problems.append(f"asks for {address}")
        elif method == "Network.responseReceived" and params["response"]["status"] >= 400:
            problems.append(f"{params['response']['status']}: {params['response']['url']}")
        elif method == "Network.loadingFailed" and not params.get("canceled"):
            problems.append(f"{params['errorText']}: {addresses.get(params['requestId'])}")
    return problems


def plant(folder: Path, name: str, head: str, body: str) -> str:
    """Write a page into a folder that is served; return its name there."""
    # A name of its own: the browser would take a page of the same second from its cache.
    file = folder / f"{name.replace(', ', '-').replace(' ', '-')}.html"
    start = '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
    page = f'<!doctype html><html lang="en"><head><title>A page</title>{start}{head}</head>'
    file.write_text(f"{page}<body>{body}</body></html>", encoding="utf-8")
    return file.name
