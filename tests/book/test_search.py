"""The search leads to the lesson that is about the words."""

from __future__ import annotations

import json

from coursebook import ranking
from docutils import nodes

from tests.book.screen import network_problems, open_page, wait_for

# Words that a student may type, and the lesson that must be among the first three finds.
WANTED = {
    "density estimation": "01",
    "anomaly": "01",
    "maximum likelihood": "02",
    "covariance": "02",
    "KL divergence": "02",
    "Bayes' rule": "02",
    "inverse-CDF sampling": "02",
    "Cholesky": "02",
    "entropy": "02",
    "logistic regression": "03",
    "softmax": "03",
    "calibration": "03",
    "separable": "03",
    "cross-entropy": "03",
    "chain rule": "04",
    "autoregressive": "04",
    "MADE": "04",
    "NADE": "04",
    "FVSBN": "04",
    "MCGSM": "05",
    "experts": "05",
    "causal neighbourhood": "05",
    "bits per pixel": "05",
    "spatial LSTM": "06",
    "RIDE": "06",
    "forget gate": "06",
    "masked convolution": "07",
    "blind spot": "07",
    "PixelCNN": "07",
    "receptive field": "07",
    "logistic mixture": "07",
    "autoencoder": "08",
    "bottleneck": "08",
    "denoising": "08",
    "sparse code": "08",
    "evidence lower bound": "09",
    "variational autoencoder": "09",
    "reparametrisation": "09",
    "posterior collapse": "09",
    "amortised inference": "09",
    "normalising flow": "10",
    "change of variables": "10",
    "coupling layer": "10",
    "log-determinant": "10",
    "dequantisation": "10",
    "bits per dimension": "10",
    "MAF": "10",
    "diffusion": "11",
    "Tweedie": "11",
    "flow matching": "11",
    "guidance": "11",
    "DDIM": "11",
}

FIND = """
const words = arguments[0];
history.replaceState(null, '', '?q=' + encodeURIComponent(words));
return Search._performSearch(...Search._parseQuery(words)).reverse().map(found => found[0]);
"""


def misplaced(found: dict[str, list[str]], wanted: dict[str, str]) -> dict[str, list[str]]:
    """Return what was found for words whose lesson is not among the first three."""
    return {
        words: found[words][:5]
        for words, lesson in wanted.items()
        if not any(page.startswith(f"notebooks/{lesson}_") for page in found[words][:3])
    }


def test_the_right_lesson_is_among_the_first_three(browser, site: str):
    open_page(browser, f"{site}/search.html?q=model")
    wait_for(browser, "return typeof Search !== 'undefined' && Search.hasIndex()")
    found = {words: browser.execute_script(FIND, words) for words in WANTED}
    assert len(WANTED) >= 25
    assert misplaced(found, WANTED) == {}


def test_a_lesson_in_the_fourth_place_is_noticed():
    found = {"a": ["x", "y", "z", "notebooks/04_b"], "b": ["x", "notebooks/04_b"]}
    assert set(misplaced(found, {"a": "04", "b": "04"})) == {"a"}


def test_the_page_of_finds_shows_excerpts(browser, site: str):
    open_page(browser, f"{site}/search.html?q=likelihood")
    wait_for(browser, "return document.querySelectorAll('ul.search li a').length > 3")
    links = browser.execute_script(
        "return [...document.querySelectorAll('ul.search li a')].map(a => a.getAttribute('href'))"
    )
    assert any("notebooks/02_gaussian_mle" in link for link in links[:3]), links
    wait_for(browser, "return !!document.querySelector('ul.search li p.context')")
    assert network_problems(browser, site) == []


def test_stems_are_counted_in_prose_and_not_in_code():
    page = nodes.container()
    page += nodes.paragraph("", "The samples of a sampler; sampling, and sampled 7 times 7.")
    page += nodes.literal_block("", "loss = loss + loss")
    assert ranking.stem_counts(page) == {"sampl": 3}


def test_the_counts_are_in_the_program():
    program = ranking.scorer({"notebooks/01_a": {"sampl": 3}})
    assert (
        f"counts: {json.dumps({'notebooks/01_a': {'sampl': 3}}, separators=(',', ':'))}" in program
    )
    assert "COUNTS" not in program


def test_the_order_is_that_of_the_scorer(browser, site: str):
    """Without the scorer some lessons are not where they must be: the table above is not idle."""
    open_page(browser, f"{site}/search.html?q=model")
    wait_for(browser, "return typeof Search !== 'undefined' && Search.hasIndex()")
    browser.execute_script("Scorer.score = undefined")
    found = {words: browser.execute_script(FIND, words) for words in WANTED}
    assert len(misplaced(found, WANTED)) >= 3
