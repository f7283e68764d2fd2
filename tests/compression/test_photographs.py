"""Lossless photographs: whole numbers, the sweep, sizes, and damage."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import norm
from skimage.data import camera, coffee

from gdmlib.autoregressive import MCGSM
from gdmlib.compression import (
    CONTEXT,
    LOSSLESS,
    CorruptStreamError,
    IntegerMCGSM,
    Sweep,
    compress_photograph,
    contexts_of,
    decompress_photograph,
    fit_photograph_model,
    lossless_bytes,
    lossy_file,
    photograph_bits,
    tune,
    tuning,
)
from gdmlib.compression.adaptive import fronts, solve
from gdmlib.compression.integer import LEVELS, SLOT_BITS, as_float
from gdmlib.compression.windows import Alike


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def picture(height, width, seed=0):
    """A slope with a step and some grain, levels 0 to 255."""
    rng = np.random.RandomState(seed)
    rows, columns = np.mgrid[:height, :width]
    smooth = 60 + rows + 0.5 * columns + 50 * (columns > width // 2) + 3 * rng.randn(height, width)
    return torch.from_numpy(np.clip(np.rint(smooth), 0, 255)).float()


@pytest.fixture(scope="module")
def fitted():
    x, y = contexts_of(picture(40, 60))
    noise = torch.rand(len(y), generator=seeded())
    sizes = {"components": 3, "scales": 2}
    model = MCGSM.fit(x, (y + noise) / 256, n_iter=15, generator=seeded(), **sizes)
    return model, IntegerMCGSM.from_mcgsm(model)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 30), (33, 17)])
def test_any_size_comes_back(fitted, shape):
    x = picture(*shape, seed=1)
    found = decompress_photograph(fitted[1], compress_photograph(fitted[1], x))
    assert found.dtype == torch.uint8
    assert torch.equal(found.float(), x)


@pytest.mark.parametrize("kind", ["noise", "black", "white", "checks"])
def test_pictures_of_another_kind_come_back(fitted, kind):
    x = {
        "noise": torch.randint(256, (20, 31), generator=seeded()).float(),
        "black": torch.zeros(20, 31),
        "white": torch.full((20, 31), 255.0),
        "checks": 255.0 * (torch.arange(620).reshape(20, 31) % 2),
    }[kind]
    found = decompress_photograph(fitted[1], compress_photograph(fitted[1], x))
    assert torch.equal(found.float(), x)


def test_whole_numbers_are_near_the_model(fitted):
    model, whole = fitted
    x, y = contexts_of(picture(24, 40, seed=2))
    contexts = (x * 4096).round().long().numpy()
    experts = whole.experts(contexts)
    level = y.long().numpy()
    p = (experts.begin(level + 1) - experts.begin(level)) / 2**SLOT_BITS
    with torch.no_grad():
        white = model.whitening.context(x)
        weights, means = model.log_gate(white).exp().numpy(), model.means(white).numpy()
        spread = torch.exp(-0.5 * model.alpha).numpy()
        edges = [model.whitening.output(e / 256, white).numpy() for e in (y, y + 1)]
    low, high = (norm.cdf((e[:, None] - means)[..., None] / spread) for e in edges)
    q = (weights * (high - low)).sum((1, 2))
    assert abs(np.log2(p).mean() - np.log2(q * (1 - 2**-10) + 2**-SLOT_BITS).mean()) < 0.01


def test_shares_rise_from_0_to_the_end(fitted):
    contexts = np.random.RandomState(0).randint(0, 4096, (50, CONTEXT))
    experts = fitted[1].experts(contexts)
    begins = np.stack([experts.begin(np.full(50, k)) for k in range(LEVELS + 1)])
    assert (np.diff(begins, axis=0) >= 1).all()
    assert (begins[0] == 0).all()
    assert (begins[-1] == 2**SLOT_BITS).all()
    slot = np.random.RandomState(1).randint(0, 2**SLOT_BITS, 50)
    found = experts.find(slot)
    assert (begins[found, np.arange(50)] <= slot).all()
    assert (begins[found + 1, np.arange(50)] > slot).all()


def test_a_batch_changes_no_bit(fitted):
    """What floating point does not promise: other batches, the same numbers."""
    contexts = np.random.RandomState(0).randint(0, 4096, (301, CONTEXT))
    level = np.random.RandomState(1).randint(0, 256, 301)
    together = fitted[1].experts(contexts).begin(level)
    alone = [fitted[1].experts(contexts[k : k + 1]).begin(level[k : k + 1]) for k in range(301)]
    assert np.array_equal(together, np.concatenate(alone))
    order = np.random.RandomState(2).permutation(301)
    assert np.array_equal(together[order], fitted[1].experts(contexts[order]).begin(level[order]))


def test_the_tables_are_those_of_the_format():
    """Other tables would be another format: streams of this version could not be read."""
    empty = IntegerMCGSM(1, components=1, scales=1, features=1)
    assert empty.fingerprint.hex() == "8253aaf001514752"


NEAR = [(0, -1), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-2, 1)]
TAUGHT = [*NEAR, (-2, -1), (-1, -2), (-1, 2), (0, -3)]
PLACE = (12, 14)


def near(window, rows, own):
    """All places within six rows and columns count once."""
    return [float(j - 6 <= PLACE[1] <= j + 6 and i >= 6) for i, j in window], 256


def alike(window, rows, own):
    """Places in half a disc count by their distance, in place and in their six neighbours."""
    inside = [(i - 12) ** 2 + (j - 14) ** 2 <= 83 for i, j in window]
    far = [int(((row - own)[:6] ** 2).sum()) for row in rows]
    mean = sum(f for f, here in zip(far, inside, strict=True) if here) // sum(inside)
    m, weights = 100 + mean // 8, []
    for (i, j), f, here in zip(window, far, inside, strict=True):
        away = max(12 - i, abs(14 - j))
        weights.append(64 * (16 // (1 + away // 2)) * m // (m + f) if here else 0)
    return weights, 2**16


@pytest.mark.parametrize(("index", "taught", "rule"), [(14, NEAR, near), (15, TAUGHT, alike)])
def test_predictions_are_least_squares(index, taught, rule):
    """A pixel's prediction against a plain weighted regression on its window."""
    x = picture(16, 24, seed=3)
    sweep, known = Sweep(16, 24), x.long().numpy()
    for i, j, contexts in sweep:
        if ((i == 12) & (j == 14)).any():
            found = contexts[(i == 12) & (j == 14)][0, index] / 16
        sweep.levels[i, j] = known[i, j]
    padded = np.full((19, 30), 128)
    padded[3:, 3:27] = known

    def row(i, j):
        base = padded[i + 3, j + 2] + padded[i + 2, j + 3]
        return base, np.array([2 * padded[i + 3 + a, j + 3 + b] - base for a, b in taught])

    window = [(i, j) for i in range(3, 13) for j in range(5, 24) if (i, j) < PLACE]
    rows = np.array([row(*place)[1] for place in window], float)
    target = np.array([2 * known[place] - row(*place)[0] for place in window], float)
    base, away = row(*PLACE)
    weights, ridge = rule(window, rows, away)
    assert min(weights) == 0 < max(weights)
    weighted = rows * np.array(weights)[:, None]
    v = np.linalg.solve(weighted.T @ rows + ridge * np.eye(len(taught)), weighted.T @ target)
    assert abs((base + v @ away) / 2 - found) < 1 / 16


def test_places_that_resemble_the_pixel_count_more(monkeypatch):
    """Against the same window in which only distance counts, on squares of two photographs."""
    squares = [camera()[100:160, 200:260], coffee()[100:160, 200:260, 1]]

    def off():
        pairs = [contexts_of(torch.from_numpy(x).float()) for x in squares]
        return [float((x[:, 15] * 256 - y).abs().mean()) for x, y in pairs]

    alike = off()
    monkeypatch.setattr(Alike, "_LEAST", 10**9)
    for one, plain in zip(alike, off(), strict=True):
        assert one < 0.98 * plain


def test_solve_is_the_solution_whatever_the_batch():
    rng = np.random.RandomState(0)
    roots = rng.randn(40, 5, 5)
    matrix, right = roots @ roots.transpose(0, 2, 1), rng.randn(40, 5)
    found = solve(np.tril(matrix).transpose(1, 2, 0), right.T, ridge=0.5)
    expected = np.linalg.solve(matrix + 0.5 * np.eye(5), right[..., None])[..., 0]
    assert np.allclose(found.T, expected, atol=1e-10)
    one = solve(np.tril(matrix[7:8]).transpose(1, 2, 0), right[7:8].T, ridge=0.5)
    assert np.array_equal(one[:, 0], found[:, 7])


def test_contexts_do_not_look_ahead():
    """Change a pixel: only contexts of later ones change. (Law 3, of the sweep.)"""
    x = picture(14, 22, seed=4).long().numpy()
    other = x.copy()
    other[6, 9] = 255 - other[6, 9]
    seen = []
    for known in (x, other):
        sweep, found = Sweep(*known.shape), np.zeros((14, 22, CONTEXT), np.int64)
        for i, j, contexts in sweep:
            found[i, j] = contexts
            sweep.levels[i, j] = known[i, j]
        seen.append(found)
    changed = (seen[0] != seen[1]).any(2)
    assert not changed[:6].any()
    assert not changed[6, :10].any()
    assert changed[6, 10]
    assert changed[7, 8:11].all()


def test_tuning_shortens_the_code_of_another_picture(fitted):
    x = 255 - picture(80, 90, seed=6)
    x = (0.4 * (x - x.mean()) + 128).round()  # less contrast and grain
    contexts, levels = (t.numpy() for t in contexts_of(x))
    contexts, levels = (contexts * 4096).round().astype(int), levels.astype(int)
    steps = tune(fitted[1], contexts, levels)

    def bits(model):
        experts = model.experts(contexts)
        return (SLOT_BITS - np.log2(experts.begin(levels + 1) - experts.begin(levels))).mean()

    assert bits(fitted[1].adjusted(steps)) < bits(fitted[1]) - 0.05
    assert bits(fitted[1].adjusted(0 * steps)) == bits(fitted[1])
    data = compress_photograph(fitted[1], x)
    assert torch.equal(decompress_photograph(fitted[1], data).float(), x)
    cost = photograph_bits(fitted[1], x)
    assert 0 < 8 * len(data) - float(cost.sum()) < 8 * (60 + steps.size + 8)
    assert not tune(fitted[1], contexts[:100], levels[:100]).any()


def test_tuning_looks_at_all_phases_of_a_jpeg(monkeypatch):
    """Every eighth pixel of the sweep lies at the same place of a block; a sample must not."""
    seen = []
    monkeypatch.setattr(tuning, "_MOST", 1000)
    monkeypatch.setattr(tuning, "_FEWEST", 100)
    model = IntegerMCGSM(CONTEXT, components=1, scales=1, features=1)
    monkeypatch.setattr(model, "logits_and_means", lambda x: seen.append(x) or give(x))
    give = IntegerMCGSM.logits_and_means.__get__(model)
    i, j = (np.concatenate(p) for p in zip(*fronts(80, 100), strict=True))
    contexts = np.zeros((8000, CONTEXT), np.int64)
    contexts[:, 0], contexts[:, 1] = i % 8, j % 8
    tune(model, contexts, np.full(8000, 128), steps=1)
    (some,) = seen
    shares = np.bincount(8 * some[:, 0] + some[:, 1], minlength=64) / len(some)
    assert len(some) == 1000
    assert abs(shares * 64 - 1).max() < 0.6, "each of 64 places of a block has its share"
    every = contexts[::8]
    shares = np.bincount(8 * every[:, 0] + every[:, 1], minlength=64) / len(every)
    assert abs(shares * 64 - 1).max() > 0.6, "in step with the blocks"


def test_damage_is_refused(fitted):
    data = compress_photograph(fitted[1], picture(20, 30))
    damaged = bytearray(data)
    damaged[90] ^= 16
    with pytest.raises(CorruptStreamError, match="nothing of it was decoded"):
        decompress_photograph(fitted[1], bytes(damaged))
    with pytest.raises(CorruptStreamError):
        decompress_photograph(fitted[1], data[:-8])
    other = IntegerMCGSM.from_mcgsm(MCGSM(CONTEXT, components=1, scales=1, generator=seeded()))
    with pytest.raises(CorruptStreamError, match="another model"):
        decompress_photograph(other, data)


@pytest.mark.parametrize("wrong", [picture(4, 4)[None], picture(4, 4) / 255, picture(4, 4) + 200])
def test_wrong_pictures_are_refused(fitted, wrong):
    with pytest.raises(ValueError, match="levels: expected"):
        compress_photograph(fitted[1], wrong)


def test_wrong_models_are_refused(fitted):
    with pytest.raises(ValueError, match="IntegerMCGSM"):
        compress_photograph(fitted[0], picture(4, 4))
    small = IntegerMCGSM(3, components=1, scales=1, features=1)
    with pytest.raises(ValueError, match="a context of"):
        compress_photograph(small, picture(4, 4))
    with pytest.raises(ValueError, match="at most 64 and 32"):
        IntegerMCGSM(65, components=1, scales=1, features=1)


def test_fit_makes_a_model_that_beats_png():
    model = fit_photograph_model(
        [picture(48, 64), picture(40, 50, seed=5)], components=2, scales=2, pixels=2000,
        epochs=6, batch_size=100, generator=seeded(), progress=False,
    )  # fmt: skip
    x = picture(64, 64, seed=9)
    size = len(compress_photograph(model, x))
    assert size < lossless_bytes(x, "PNG")


def test_baselines():
    x = picture(32, 40)
    assert all(100 < lossless_bytes(x, name) < 4000 for name in LOSSLESS)
    coarse, seen = lossy_file(x / 255, "JPEG", 10)
    fine, closer = lossy_file(x / 255, "WebP", 90)
    assert coarse < fine
    assert (closer - x / 255).abs().mean() < (seen - x / 255).abs().mean()
    with pytest.raises(ValueError, match="name"):
        lossless_bytes(x, "GIF")
    with pytest.raises(ValueError, match="levels"):
        lossless_bytes(x / 255, "PNG")


def test_as_float():
    assert as_float(np.array([[4096]])).item() == 1.0
