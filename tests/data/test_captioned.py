"""Captions: a grammar that says what is wrong, scenes that show what they are called."""

from __future__ import annotations

import pytest
import torch

from gdmlib import data
from gdmlib.data.captioned import COLOURS, RELATIONS, USUAL

SENTENCES = data.SCENE_CAPTIONS


def test_a_grammar_counts_and_lists_its_captions():
    words = SENTENCES.everything()
    assert len(words) == len(SENTENCES) == 2304 == len(words.unique(dim=0))
    assert torch.equal(SENTENCES.number(words), torch.arange(2304))
    for number in (0, 77, 2303):
        text = SENTENCES.caption(words[number])
        assert torch.equal(SENTENCES.parse(text), words[number]), text
    assert len(data.GLYPH_CAPTIONS) == 40
    assert data.GLYPH_CAPTIONS.caption(torch.tensor([1, 1, 7])) == "a bold italic 7"


WRONG = {
    "a red circle above a purple square": "'purple' after 'a red circle above a' is not in the "
    "grammar as the second colour; expected one of: small, red, green, blue, yellow",
    "a small circle above a blue square": "'circle' after 'a small' is not in the grammar as the "
    "first colour; expected one of: red, green, blue, yellow",
    "a red circle near a blue square": "'near' after 'a red circle' .* as the relation; expected "
    "one of: above, below, left of, right of",
    "a red circle left a blue square": "'left' after 'a red circle'",
    "red circle": "'red' is not in the grammar; expected one of: a",
    "a red circle above": "nothing after 'a red circle above'",
    "": "nothing is not in the grammar",
    "a red circle above a blue square twice": "should end after .*, got 'twice'",
}


@pytest.mark.parametrize("text", WRONG)
def test_captions_outside_the_grammar_are_refused_by_word(text):
    with pytest.raises(data.CaptionError, match="caption: .*" + WRONG[text].replace("'", ".")):
        SENTENCES.parse(text)


def test_other_wrong_captions():
    with pytest.raises(ValueError, match="caption: expected a string"):
        SENTENCES.parse(7)
    with pytest.raises(ValueError, match="parts: expected at least one Slot"):
        data.Grammar("a", "b")
    with pytest.raises(ValueError, match="words: expected numbers below"):
        SENTENCES.number(torch.full((1, 7), 2))
    with pytest.raises(ValueError, match="words"):
        SENTENCES.caption(torch.zeros(3, dtype=torch.int64))


def test_every_scene_has_two_captions():
    words = SENTENCES.everything()
    other = data.turned(words)
    assert torch.equal(data.turned(other), words) and not bool((other == words).all(dim=1).any())
    first = SENTENCES.parse("a red circle above a small blue square")
    assert (
        SENTENCES.caption(data.turned(first[None])[0]) == "a small blue square below a red circle"
    )
    same = data.upright(words)
    assert torch.equal(same, data.upright(other)) and bool((same[:, 3] % 2 == 0).all())
    assert len(same.unique(dim=0)) == 1152
    a, b = (data.draw_scenes(w).x for w in (words[::50], other[::50]))
    assert torch.equal(a, b), "one scene, two captions, one picture"


def test_pictures_show_what_the_caption_says():
    text = "a red square left of a small yellow circle"
    scene = data.draw_scenes(SENTENCES.parse(text)[None], 24)
    left, right = scene.x[0, :, 8:16, :12], scene.x[0, :, 8:16, 12:]
    for half, name in ((left, "red"), (right, "yellow")):
        ink = torch.tensor(COLOURS[name])[:, None, None]
        assert float((half - ink).abs().amax(dim=0).min()) < 0.01, name
    area = [float((half.amax(dim=0) > 0.4).sum()) for half in (left, right)]
    assert area[0] > 1.5 * area[1]
    shapes = ["circle", "square", "triangle"]
    drawn = [
        data.draw_scenes(SENTENCES.parse(f"a red {s} above a red {s}")[None], 48).x[0, 0, :24] > 0.5
        for s in shapes
    ]
    ink = [float(d.sum()) for d in drawn]
    # π r² against (2 · 0.88 r)² and about ½ (1.85 r)²: the sizes are drawn up to a tenth.
    assert ink[1] / ink[0] == pytest.approx(4 * 0.88**2 / 3.1416, rel=0.1)
    assert ink[2] / ink[0] == pytest.approx(0.5 * 1.85**2 / 3.1416, rel=0.1)
    rows = drawn[2].sum(dim=1)
    found = rows[rows > 0]
    assert found[-1] > found[0], "triangles stand on their base"


def test_scenes_are_reproducible_and_as_usual():
    small, large = data.captioned_scenes(20), data.captioned_scenes(4000)
    assert torch.equal(small.x, large.x[:20]) and torch.equal(small.y, large.y[:20])
    assert torch.equal(SENTENCES.words(large.y), large.attributes["words"])
    assert large.x.shape == (4000, 3, 24, 24) and large.x.min() >= 0 and large.x.max() <= 1
    said = large.attributes["words"][:, 3].bincount(minlength=len(RELATIONS)) / 4000
    assert float((said - torch.tensor(USUAL)).abs().max()) < 0.03
    assert not torch.equal(small.y, data.captioned_scenes(20, split="test").y)
    assert not torch.equal(small.y, data.captioned_scenes(20, seed=1).y)
    never = data.captioned_scenes(200, 8, relations=(1, 0, 0, 0))
    assert bool((never.attributes["words"][:, 3] == 0).all())
    with pytest.raises(ValueError, match="relations: expected 4"):
        data.captioned_scenes(3, relations=(0.5, 0.5))
    with pytest.raises(data.UnknownDatasetError, match="split of captioned_scenes"):
        data.captioned_scenes(3, split="tests")


def test_glyphs_are_what_they_are_called():
    found = data.captioned_glyphs(60, styles=("regular", "bold", "italic"))
    words = found.attributes["words"]
    assert torch.equal(data.GLYPH_CAPTIONS.words(found.y), words)
    assert not bool((words[:, :2] == 1).all(dim=1).any()), "no bold italic was asked for"
    pairs = [data.captioned_glyphs(300, styles=(s,)).x.mean() for s in ("regular", "bold")]
    assert pairs[1] > 1.1 * pairs[0], "bold has more ink"
