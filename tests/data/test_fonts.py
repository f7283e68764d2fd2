from __future__ import annotations

import string

import numpy as np
import pytest
import torch

from gdmlib.data import FAMILIES, FONTS, STYLES, UnknownDatasetError, fonts, glyphs, rendered

COMPLETE = tuple(f for f in FAMILIES if f.startswith(("DejaVu", "STIX")))


def test_shapes_and_attributes():
    drawn = glyphs(300)
    assert drawn.x.shape == (300, 1, 28, 28) and drawn.x.dtype == torch.float32
    assert drawn.x.min() == 0 and drawn.x.max() == 1
    assert drawn.y.dtype == torch.int64 and drawn.y.unique().tolist() == list(range(10))
    assert drawn.classes == tuple("0123456789")
    for name in ("bold", "italic", "serif", "mono"):
        flag = drawn.attributes[name]
        assert flag.dtype == torch.bool and 0.1 < flag.float().mean() < 0.9
        of_font = torch.tensor([getattr(FONTS[i], name) for i in drawn.attributes["font"]])
        assert torch.equal(flag, of_font)
    assert drawn.attributes["scale"].shape == (300, 2)
    assert "DejaVu" in drawn.source and "Open Font" in drawn.licence


def test_looks_like_mnist():
    drawn = glyphs(400).x[:, 0]
    assert 0.08 < drawn.mean() < 0.2, "MNIST's mean is 0.13"
    border = torch.cat([drawn[:, [0, -1]].flatten(), drawn[:, :, [0, -1]].flatten()])
    assert border.max() < 0.02, "a glyph keeps clear of the border"
    grid = torch.arange(28.0) + 0.5
    weight = drawn / drawn.sum((1, 2), keepdim=True)
    centre = torch.stack([(weight.sum(2) * grid).sum(1), (weight.sum(1) * grid).sum(1)], 1)
    assert (centre - 14).abs().max() < 28 * 0.06 + 0.3, "no further off than the shift"
    grey = (drawn > 0.1) & (drawn < 0.9)
    assert grey.float().mean() > 0.03, "smooth edges"


def test_upright_glyphs_are_centred():
    drawn = glyphs(60, affine=False)
    weight = drawn.x[:, 0] / drawn.x.sum((1, 2, 3))[:, None, None]
    grid = torch.arange(28.0) + 0.5
    assert ((weight.sum(1) * grid).sum(1) - 14).abs().max() < 0.15
    assert ((weight.sum(2) * grid).sum(1) - 14).abs().max() < 0.15
    assert (drawn.attributes["rotation"] == 0).all() and (drawn.attributes["scale"] == 1).all()
    height = (drawn.x[:, 0].amax(2) > 0.3).sum(1)
    assert height.min() >= 18 and height.max() <= 22, "MNIST's digits are 20 pixels high"


def test_rotation_and_shear_have_the_stated_sign():
    upright = fonts.ink("DejaVuSansMono", "l", 60)

    def lean(matrix):
        picture = rendered._render_one(upright, 60, matrix, np.zeros(2)).astype(float)
        rows = picture.sum(1) > 0
        middle = (picture[rows] @ np.arange(60)) / picture[rows].sum(1)
        return middle[:5].mean() - middle[-5:].mean()

    half = np.deg2rad(20)
    turned = np.array([[np.cos(half), np.sin(half)], [-np.sin(half), np.cos(half)]])
    assert lean(turned) < lean(np.eye(2)), "anticlockwise: the top goes left"
    assert lean(np.array([[1, -0.3], [0, 1]])) > lean(np.eye(2)), "shear: the top goes right"


def test_bold_is_heavier_and_pairs_agree():
    regular, bold = (
        glyphs(200, styles=[style], families=COMPLETE) for style in ("regular", "bold")
    )
    assert torch.equal(regular.y, bold.y)
    for name in ("rotation", "shear", "scale", "serif", "mono"):
        assert torch.equal(regular.attributes[name], bold.attributes[name])
    heavier = bold.x.sum((1, 2, 3)) > regular.x.sum((1, 2, 3))
    assert heavier.float().mean() > 0.97
    assert bold.attributes["bold"].all() and not regular.attributes["bold"].any()
    family = [
        [FONTS[i].family for i in part.attributes["font"].tolist()] for part in (regular, bold)
    ]
    assert family[0] == family[1]


def test_larger_set_begins_with_the_smaller():
    assert torch.equal(glyphs(20).x, glyphs(50).x[:20])


def test_seeds_and_splits_differ():
    sets = [glyphs(30), glyphs(30, seed=1), glyphs(30, split="valid"), glyphs(30, split="test")]
    for i, one in enumerate(sets):
        for other in sets[:i]:
            assert not torch.equal(one.x, other.x)


@pytest.mark.parametrize("size", [8, 12, 64])
def test_other_sizes(size):
    drawn = glyphs(30, size=size)
    assert drawn.x.shape == (30, 1, size, size)
    assert (drawn.x.amax((1, 2, 3)) > 0.4).all()


def test_no_blank_and_no_wrong_glyph():
    """Every character of every font that claims to have it leaves ink, and not the lacking box."""
    wanted = string.ascii_letters + string.digits + string.punctuation + "ÄéñßΩжд€"
    unit = 30
    for font in FONTS:
        having = [c for c in wanted if fonts.ink(font.file, c, unit) is not None]
        assert set(having) >= set(string.ascii_letters + string.digits)
        shapes = {fonts.ink(font.file, c, unit).image.tobytes() for c in string.ascii_uppercase}
        assert len(shapes) == 26, f"{font.file} draws two letters alike"


@pytest.mark.skipif(
    not (fonts._folder() / "cmti10.ttf").is_file(), reason="this Matplotlib lacks the font itself"
)
def test_an_older_matplotlib_changes_only_the_glyphs_of_the_font_that_it_lacks(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("GDMLIB_CACHE", str(tmp_path / "new"))
    named = [i for i, font in enumerate(FONTS) if font.file == "cmti10"]
    characters = string.ascii_letters + string.digits + "!%()+"
    new = glyphs(400, characters=characters, seed=3)
    for path in fonts._folder().glob("*.ttf"):
        if path.stem != "cmti10":
            (tmp_path / path.name).symlink_to(path)
    fonts.ink.cache_clear()
    fonts._open_font.cache_clear()
    monkeypatch.setattr(fonts, "_folder", lambda: tmp_path)
    monkeypatch.setenv("GDMLIB_CACHE", str(tmp_path / "old"))  # which tells versions apart
    try:
        old = glyphs(400, characters=characters, seed=3)
        held = {c for c in characters if fonts.ink("cmti10", c, 30) is not None}
    finally:
        fonts.ink.cache_clear()
        fonts._open_font.cache_clear()
    same = (old.x == new.x).flatten(1).all(1)
    lacking = torch.isin(new.attributes["font"], torch.tensor(named))
    assert held == set(characters)
    assert lacking.sum() > 5 and torch.equal(old.attributes["font"], new.attributes["font"])
    assert bool(same[~lacking].all()) and not bool(same[lacking].any())


def test_fonts_that_lack_a_character_are_left_out():
    omega = glyphs(60, characters="ж")
    used = {FONTS[i].family for i in omega.attributes["font"].tolist()}
    assert used and not any(family.startswith("Computer Modern") for family in used)
    assert fonts.ink("cmr10", "<", 30) is None, "TeX's order has another character there"
    with pytest.raises(ValueError, match=r"none of the chosen fonts draws '漢' \(U\+6F22\)"):
        glyphs(5, characters="漢")
    with pytest.raises(ValueError, match=r"U\+0020"):
        glyphs(5, characters="a ")


def test_wide_characters_fit():
    drawn = glyphs(40, characters="W@M", styles=["bold"], families=["DejaVu Sans"])
    assert drawn.x[..., [0, -1], :].max() == 0 and drawn.x[..., :, [0, -1]].max() == 0


# --- the cache


def count_drawings(monkeypatch):
    drawn = []
    draw = rendered._render

    def counted(*args):
        drawn.append(args)
        return draw(*args)

    monkeypatch.setattr(rendered, "_render", counted)
    return drawn


def test_drawn_once(monkeypatch, cache):
    drawn = count_drawings(monkeypatch)
    first, second = glyphs(20), glyphs(20)
    assert len(drawn) == 1 and torch.equal(first.x, second.x)
    assert first.attributes.keys() == second.attributes.keys()
    (file,) = (cache / "glyphs").iterdir()
    assert file.name.startswith("20x28-train-")
    glyphs(20, characters="01")
    assert len(drawn) == 2, "other arguments, other file"


@pytest.mark.parametrize("damage", ["cut", "bytes", "empty", "other", "pickle"])
def test_damaged_cache_is_drawn_anew(damage, cache, monkeypatch):
    first = glyphs(20)
    (file,) = (cache / "glyphs").iterdir()
    whole = file.read_bytes()
    if damage == "cut":
        file.write_bytes(whole[: len(whole) // 2])
    elif damage == "bytes":
        file.write_bytes(whole[:3000] + bytes(b ^ 255 for b in whole[3000:3100]) + whole[3100:])
    elif damage == "empty":
        file.write_bytes(b"")
    elif damage == "other":
        np.savez(file, x=np.zeros((3, 28, 28), np.uint8))
    else:
        np.savez(file, x=np.array([{}], dtype=object))
    drawn = count_drawings(monkeypatch)
    again = glyphs(20)
    assert len(drawn) == 1 and torch.equal(first.x, again.x)
    assert file.read_bytes() == whole, "and kept"
    assert [p.name for p in (cache / "glyphs").iterdir()] == [file.name]


def test_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GDMLIB_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="GDMLIB_CACHE"):
        drawn = glyphs(10)
    assert len(drawn) == 10


# --- bad input


def test_bad_input():
    for bad in ({"n": 0}, {"n": 2.5}, {"size": 7}, {"size": "28"}, {"seed": -1}, {"seed": 1.5}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            glyphs(**{"n": 5, **bad})
    for characters in ("", "aa", ["ab"]):
        with pytest.raises(ValueError, match="different single characters"):
            glyphs(5, characters=characters)
    for styles in ("bold", []):
        with pytest.raises(ValueError, match="styles: expected a sequence"):
            glyphs(5, styles=styles)
    with pytest.raises(UnknownDatasetError, match="did you mean 'bold'"):
        glyphs(5, styles=["bald"])
    with pytest.raises(UnknownDatasetError, match="font family"):
        glyphs(5, families=["Comic Sans"])
    with pytest.raises(UnknownDatasetError, match="split of glyphs"):
        glyphs(5, split="all")
    with pytest.raises(ValueError, match="no font"):
        glyphs(5, styles=["bold"], families=["Computer Modern Sans"])


def test_styles_are_those_of_the_fonts():
    assert set(STYLES) == {font.style for font in FONTS}
    for family in COMPLETE:
        assert {font.style for font in FONTS if font.family == family} == set(STYLES)
