"""No address vanishes; an unknown one gets a page that searches; versions stand side by side."""

from __future__ import annotations

import gzip
import json
import re
import threading
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from coursebook import moved

from tests.book.screen import (
    NARROW,
    WIDE,
    console_problems,
    network_problems,
    open_page,
    resize,
    wait_for,
)
from tools import published, versions
from tools.serve import Handler, open_server

ROOT = Path(__file__).resolve().parents[2]


class Quiet(Handler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    server = open_server(folder, "0", Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


@pytest.fixture(scope="module")
def served(html: Path) -> Iterator[str]:
    with serving(html) as site:
        yield site


# --- the list of addresses, and pages that lead on


def vanished(folder: Path, addresses: dict[str, str | None]) -> list[str]:
    """Return listed addresses that are no page, and those that lead to none."""
    places = {old: (new or old).partition("#")[0] for old, new in addresses.items()}
    return [
        old
        for old, new in places.items()
        if not all((folder / page).is_file() for page in (old, new))
    ]


def test_every_published_address_is_a_page_or_leads_to_one(html: Path):
    addresses = moved.read_addresses((ROOT / moved.LIST).read_text(encoding="utf-8"))
    assert len(addresses) > 60
    assert vanished(html, addresses) == []


def test_a_vanished_page_is_noticed(tmp_path: Path):
    (tmp_path / "a.html").touch()
    (tmp_path / "old.html").touch()
    addresses = {"a.html": None, "gone.html": None, "old.html": "a.html#x", "lost.html": "no.html"}
    assert vanished(tmp_path, addresses) == ["gone.html", "lost.html"]


LISTED = "# comment\nbook/index.html\n"


def small(small_book, folder: Path, lines: str):
    (folder / "source" / "book").mkdir(parents=True)
    (folder / "source" / moved.LIST).write_text(LISTED + lines, encoding="utf-8")
    return small_book(folder, {"book/index.md": "# A page\n"})


def test_the_build_leads_old_addresses_on(small_book, tmp_path: Path):
    made = small(small_book, tmp_path, "book/old/name.html -> book/index.html#a-page\n")
    assert made.returncode == 0, made.log[-2000:]
    page = (made.html / "book" / "old" / "name.html").read_text(encoding="utf-8")
    assert 'url=../index.html#a-page"' in page and 'href="../index.html#a-page"' in page


def test_the_build_refuses_a_lost_address(small_book, tmp_path: Path):
    made = small(small_book, tmp_path, "book/gone.html\nbook/old.html -> book/lost.html\n")
    assert made.returncode != 0
    log = re.sub(r"\s+", " ", made.log)
    assert "there is no page book/gone.html: add ` -> `" in log
    assert "there is no page book/lost.html: name a page" in log


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ("a.html -> b.html\nc.html -> a.html\n", "name the last one"),
        ("a.html -> a.html#b\n", "name the last one"),
        ("a.html\na.html\n", "is there already"),
        ("a.html => b.html\n", "got 'a.html => b.html'"),
    ],
)
def test_a_faulty_list_is_refused(lines: str, fault: str):
    with pytest.raises(ValueError, match=re.escape(fault)):
        moved.read_addresses(lines)


def test_a_reader_is_led_on_with_the_part_that_was_asked_for(browser, bad_site):
    site, folder = bad_site
    (folder / "sub").mkdir(exist_ok=True)
    (folder / "new.html").write_text("<title>new</title><h1 id='part'>Here</h1>", encoding="utf-8")
    (folder / "sub" / "old.html").write_text(
        moved.redirect("sub/old.html", "new.html"), encoding="utf-8"
    )
    browser.get(f"{site}/sub/old.html#part")
    wait_for(browser, "return document.title === 'new'")
    assert browser.current_url == f"{site}/new.html#part"


def test_the_list_takes_new_pages_and_gives_none_up(tmp_path: Path, capsys):
    (tmp_path / "book").mkdir()
    (tmp_path / "_toc.yml").write_text("root: book/index\nchapters:\n- file: book/new\n")
    text = "# comment\nbook/index.html\nbook/old.html -> book/index.html\n"
    (tmp_path / published.LIST).write_text(text)
    assert published.main(["--check"], tmp_path) == 1
    assert "book/new.html" in capsys.readouterr().out
    assert published.main([], tmp_path) == 0
    after = (tmp_path / published.LIST).read_text().splitlines()
    assert after[0] == "# comment" and set(text.splitlines()) < set(after)
    assert "book/new.html" in after
    assert published.main(["--check"], tmp_path) == 0


# --- the server, and the page for unknown addresses


def fetch(address: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    request = urllib.request.Request(address, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def test_text_is_sent_compressed_to_those_who_take_it(served: str, html: Path):
    plain = (html / "book" / "index.html").read_bytes()
    status, headers, body = fetch(f"{served}/book/index.html?x=1", **{"Accept-Encoding": "gzip"})
    assert (status, headers["Content-Encoding"]) == (200, "gzip")
    assert gzip.decompress(body) == plain and len(body) < len(plain) / 3
    assert fetch(f"{served}/book/index.html")[2] == plain
    picture = fetch(f"{served}/_static/preview.png", **{"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in picture[1]


def test_an_unknown_address_gets_the_page_and_its_status(served: str, tmp_path: Path):
    status, _, body = fetch(f"{served}/deep/below/nothing")
    assert status == 404 and b"There is no such page" in body
    with serving(tmp_path) as site:
        assert fetch(f"{site}/nothing")[0] == 404  # a folder without the page: the plain answer


LINKS = """
return [...document.querySelectorAll(arguments[0] + ' a')].map(a => a.pathname)
"""
READY = "return document.documentElement.dataset.ready === 'yes'"


@pytest.mark.parametrize(
    ("asked", "nearest"),
    [
        ("/notebooks/normalizing-flows.html", "/notebooks/10_flows.html"),
        ("/notebooks/07_pixel_cnn", "/notebooks/07_pixelcnn.html"),
        ("/a/b/c/troubleshoting.html", "/book/troubleshooting.html"),
        ("/book/api/inverse", "/book/api/inverse.html"),
    ],
)
def test_the_nearest_page_is_suggested(browser, served: str, asked: str, nearest: str):
    browser.get(served + asked)
    wait_for(browser, READY)
    assert browser.execute_script(LINKS, "#nearest") == [nearest]


def test_the_words_of_the_address_are_searched(browser, served: str):
    browser.get(f"{served}/book/maximum_likelihood.ipynb")
    wait_for(browser, READY)
    found = browser.execute_script(LINKS, "#found")
    assert "/notebooks/02_gaussian_mle.html" in found[:3]
    assert browser.execute_script("return document.querySelector('input').value") == (
        "maximum likelihood"
    )
    browser.execute_script("document.querySelector('form').submit()")
    wait_for(browser, "return location.pathname === '/search.html'")


def test_below_a_folder_the_book_is_found_there(browser, html: Path, tmp_path: Path):
    (tmp_path / "name").symlink_to(html)
    (tmp_path / "404.html").write_bytes((html / "404.html").read_bytes())
    with serving(tmp_path) as site:
        browser.get(f"{site}/name/deep/below/glosary.html")
        wait_for(browser, READY)
        assert browser.execute_script(LINKS, "#nearest") == ["/name/book/glossary.html"]
        assert browser.execute_script(LINKS, "#home") == ["/name/"]
        browser.get(f"{site}/elsewhere/x.html")  # no book above: nothing is offered
        wait_for(browser, READY)
        assert browser.execute_script("return document.querySelector('#home').hidden") is True


def test_an_address_that_is_like_nothing_suggests_nothing(browser, served: str):
    browser.get(f"{served}/qqqq/zzzzxxyy.html")
    wait_for(browser, READY)
    hidden = "return ['nearest', 'found'].map(id => document.getElementById(id).hidden)"
    assert browser.execute_script(hidden) == [True, True]
    assert browser.execute_script("return document.querySelector('#home').hidden") is False


def test_the_page_fits_a_phone(browser, served: str):
    browser.get(f"{served}/notebooks/{'a_long_name_' * 12}.html")
    wait_for(browser, READY)
    resize(browser, NARROW)
    wide = browser.execute_script("return document.documentElement.scrollWidth")
    resize(browser, WIDE)
    assert wide <= NARROW[0]


# --- versions


@pytest.fixture(scope="module")
def two(html: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a site of two versions, the older of which lacks a page."""
    folder = tmp_path_factory.mktemp("versions")
    keep = ("versions.json", "index.html", "404.html", "searchindex.js", "search.html")
    for name, drop in (("0.9.0", "book/errata.html"), ("0.10.0", "")):
        with zipfile.ZipFile(folder / f"book-{name}.zip", "w") as archive:
            for path in sorted(html.rglob("*")):
                place = path.relative_to(html).as_posix()
                wanted = place in keep or place.startswith(("_static/", "book/"))
                if path.is_file() and wanted and place != drop and "mathjax" not in place:
                    archive.write(path, place)
    names = versions.assemble(folder / "site", sorted(folder.glob("*.zip")))
    assert names == ["0.10.0", "0.9.0"]
    return folder / "site"


CHOICE = "return [...document.querySelectorAll('.gdm-versions option')].map(o => o.text)"


def test_two_versions_offer_a_choice_that_keeps_the_page(browser, two: Path):
    with serving(two) as site:
        open_page(browser, f"{site}/book/licence.html")
        wait_for(browser, "return !!document.querySelector('.gdm-versions')")
        assert browser.execute_script(CHOICE) == ["0.10.0", "0.9.0"]
        choose = """
            const select = document.querySelector('.gdm-versions select');
            select.selectedIndex = arguments[0]; select.dispatchEvent(new Event('change'));
        """
        browser.execute_script(choose, 1)
        wait_for(browser, "return location.pathname === '/v0.9.0/book/licence.html'")
        wait_for(browser, "return !!document.querySelector('.gdm-versions a')")
        said = browser.execute_script("return document.querySelector('.gdm-versions').innerText")
        assert "The newest is 0.10.0" in said
        browser.execute_script(choose, 0)
        wait_for(browser, "return location.pathname === '/v0.10.0/book/licence.html'")
        open_page(browser, f"{site}/book/errata.html")  # the older version has no such page
        wait_for(browser, "return !!document.querySelector('.gdm-versions')")
        browser.execute_script(choose, 1)
        wait_for(browser, "return location.pathname.startsWith('/v0.9.0/book/index')")
        wait_for(browser, "return document.readyState === 'complete'")
        browser.get("about:blank")


def test_one_version_offers_no_choice_and_asks_for_nothing_that_is_not_there(browser, served: str):
    open_page(browser, f"{served}/book/licence.html")
    wait_for(browser, "return performance.getEntriesByName(arguments[0]).length === 1",
             f"{served}/versions.json")  # fmt: skip
    assert browser.execute_script(CHOICE) == []
    assert console_problems(browser) == [] and network_problems(browser, served) == []


def test_from_a_file_there_is_no_choice(browser, two: Path):
    open_page(browser, (two / "book" / "licence.html").as_uri())
    assert browser.execute_script(CHOICE) == []
    assert console_problems(browser) == []


def test_every_version_is_told_of_all_by_ways_that_exist(two: Path):
    for place in (two, two / "v0.9.0", two / "v0.10.0"):
        table = json.loads((place / versions.FILE).read_text(encoding="utf-8"))
        assert [v["name"] for v in table["versions"]] == ["0.10.0", "0.9.0"]
        assert all((place / v["place"] / "index.html").is_file() for v in table["versions"])
    assert not (two / "v0.9.0" / "book" / "errata.html").exists()


def test_earlier_versions_come_from_the_site_itself(two: Path, tmp_path: Path, capsys):
    with serving(two) as site:
        assert versions.main(["--earlier", "--site", site, str(tmp_path)]) == 0
        assert sorted(p.name for p in tmp_path.iterdir()) == ["book-0.10.0.zip", "book-0.9.0.zip"]
        assert versions.assemble(tmp_path / "site", sorted(tmp_path.glob("*.zip")))
        assert versions.earlier(f"{site}/nothing/published/", tmp_path / "none") == []
        (two / "book-0.9.0.zip").rename(two / "away.zip")
        assert versions.main(["--earlier", "--site", site, str(tmp_path / "lost")]) == 1
        (two / "away.zip").rename(two / "book-0.9.0.zip")
    assert "book-0.9.0.zip" in (said := capsys.readouterr().err) and "may be lost" in said
    assert versions.main(["--earlier", "--site", site, str(tmp_path / "gone")]) == 1
    assert "versions.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("names", "newest"),
    [(["1.0.0rc1", "0.9.0"], "0.9.0"), (["0.9.0", "0.10.0"], "0.10.0"), (["1.0.0a1"], "1.0.0a1")],
)
def test_the_newest_release_is_at_the_top(tmp_path: Path, names: list[str], newest: str):
    archives = [book_archive(tmp_path, name) for name in names]
    versions.assemble(tmp_path / "site", archives)
    assert (tmp_path / "site" / "book" / "index.html").read_text() == newest


def book_archive(folder: Path, name: str, page: str = "book/index.html") -> Path:
    path = folder / f"book-{name}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(page, name)
    return path


def test_what_is_no_book_is_refused_before_anything_is_written(tmp_path: Path, capsys):
    good = book_archive(tmp_path, "0.1.0")
    outside = tmp_path / "book-0.2.0.zip"
    with zipfile.ZipFile(outside, "w") as archive:
        archive.writestr("book/index.html", "")
        archive.writestr("../evil.html", "")
    (tmp_path / "book-0.3.0.zip").write_text("no archive")
    (tmp_path / "other.zip").write_bytes(good.read_bytes())
    (tmp_path / "again").mkdir()
    again = book_archive(tmp_path / "again", "0.1.0")
    bad = {
        "book-X": [tmp_path / "other.zip"],
        "lies outside": [outside],
        "not a zip file": [tmp_path / "book-0.3.0.zip"],
        "twice": [again],
        "pack it again": [book_archive(tmp_path, "0.4.0", "index.html")],
    }
    for message, archives in bad.items():
        with pytest.raises(ValueError, match=message if message != "book-X" else "such as book-1"):
            versions.assemble(tmp_path / "site", [good, *archives])
        assert not (tmp_path / "site").exists(), message
    assert versions.main([str(tmp_path / "site")]) == 1
    assert "at least one archive" in capsys.readouterr().err
    assert versions.main(["--pack", str(tmp_path), str(tmp_path / "out")]) == 1
    assert "make book" in capsys.readouterr().err


def test_a_built_book_is_packed_under_its_version(tmp_path: Path, capsys):
    (tmp_path / "html" / "book").mkdir(parents=True)
    (tmp_path / "html" / "book" / "index.html").write_text("page")
    assert versions.main(["--pack", str(tmp_path / "html"), str(tmp_path / "out")]) == 0
    archive = Path(capsys.readouterr().out.strip())
    assert versions.assemble(tmp_path / "site", [archive])
