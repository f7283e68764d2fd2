"""Strings of symbols: counts by hand, memories and whole passes, classes, other lengths."""

from __future__ import annotations

import math

import pytest
import torch

from gdmlib.autoregressive import plain_sample
from gdmlib.sequences import GRU, NGram, Transformer, WaveNet
from gdmlib.sequences.transformer import Layer
from gdmlib.training import train
from tests.laws.builders import randomise, seeded

KINDS = {
    "GRU": lambda **o: GRU(9, 5, units=6, generator=seeded(), **o),
    "Transformer": lambda **o: Transformer(
        9, 5, width=8, layers=2, heads=2, generator=seeded(), **o
    ),
    "WaveNet": lambda **o: WaveNet(
        9, 5, channels=4, skip=5, dilations=(1, 2, 4), generator=seeded(), **o
    ),
}


def model(name, **options):
    return randomise(KINDS[name](**options), 1, 0.5)


def strings(n=20, length=9, symbols=5):
    return torch.randint(0, symbols, (n, length), generator=seeded())


# --- n-grams ---


def test_counts_by_hand():
    # "abab" and "abba": after a comes b, b; b and b; of 8 symbols 4 are a.
    x = torch.tensor([[0, 1, 0, 1], [0, 1, 1, 0]])
    found = NGram.fit(x, 2, order=2, strength=[2.0, 3.0]).double()
    p_a = (4 + 2 * 0.5) / (8 + 2)
    after_a = (0 + 3 * p_a) / (3 + 3)  # a was followed three times, never by a
    after_b = (2 + 3 * p_a) / (3 + 3)
    expected = [math.log(p_a), math.log(after_a), math.log(1 - after_a), math.log(after_b)]
    text = torch.tensor([[0, 0, 1, 0]])
    assert found.conditional_log_prob(text)[0].tolist() == pytest.approx(expected)


def test_with_little_strength_it_is_the_maximum_of_the_likelihood():
    x = strings(400, 6, 3)
    found = NGram.fit(x, 3, order=2, strength=1e-9).double()
    table = torch.zeros(3, 3).double()
    for a, b in zip(x[:, :-1].flatten(), x[:, 1:].flatten(), strict=True):
        table[a, b] += 1
    expected = (table / table.sum(dim=1, keepdim=True)).log()
    probe = torch.tensor([[a, b, 0, 0, 0, 0] for a in range(3) for b in range(3)])
    gap = found.conditional_log_prob(probe)[:, 1] - expected.flatten()
    assert float(gap.detach().abs().max()) < 1e-6


def test_held_out_strings_teach_the_strength():
    x = strings(300, 8, 4)  # pure noise: nothing is to be learned from the past
    found = NGram.fit(x[:100], 4, order=4, strength=0.1)
    before = float(found.log_prob(x[100:]).mean().detach())
    train(found, x[100:], epochs=30, batch_size=200, lr=0.3, generator=seeded())
    assert float(found.log_prob(x[100:]).mean().detach()) > before + 0.5
    assert float(found.log_strength.detach()[3]) > math.log(1)


def test_contexts_do_not_reach_into_the_next_string():
    found = NGram.fit(torch.tensor([[0, 0], [1, 1]]), 2, order=2, strength=1e-9)
    assert float(found.log_prob(torch.tensor([[0, 1]]))) < -10  # 0 is never followed by 1


@pytest.mark.parametrize("strength", [0.0, -1.0, [1.0, 2.0], "much"])
def test_what_is_no_strength(strength):
    with pytest.raises(ValueError, match="strength: "):
        NGram.fit(strings(), 5, order=3, strength=strength)


def test_strings_that_cannot_be_numbered():
    with pytest.raises(ValueError, match="order: strings of 40"):
        NGram.fit(strings(), 5, order=40)


# --- networks ---


@pytest.mark.parametrize("name", KINDS)
def test_the_memory_finds_what_a_whole_pass_finds(name):
    it, x = model(name), strings()
    memory, found = it.memory(len(x)), []
    for t in range(9):
        found.append(memory.step(None if t == 0 else x[:, t - 1]))
    gap = torch.stack(found, 1) - it._logits(x, None)
    assert float(gap.detach().abs().max()) < 1e-12
    assert torch.equal(it.sample(200, seeded()), plain_sample(it, 200, seeded()))


@pytest.mark.parametrize("name", KINDS)
def test_dropout_and_training_leave_samples_alone(name):
    options = {} if name == "WaveNet" else {"dropout": 0.5}
    it = model(name, **options)
    it.train()
    assert torch.equal(it.sample(50, seeded()), model(name).sample(50, seeded()))
    assert it.training


@pytest.mark.parametrize("name", KINDS)
def test_a_class_changes_the_strings(name):
    it, x = model(name, num_classes=2), strings()
    shape = (len(x), 9) if name == "WaveNet" else (len(x),)
    zeros, ones = torch.zeros(shape).long(), torch.ones(shape).long()
    assert not torch.allclose(it.log_prob(x, zeros), it.log_prob(x, ones))
    drawn = it.sample(len(x), seeded(), ones)
    assert torch.equal(drawn, plain_sample(it, len(x), seeded(), ones))
    for wrong in (None, ones + 1, ones[:1], ones.double()):
        with pytest.raises(ValueError, match="labels: "):
            it.log_prob(x, wrong)
    with pytest.raises(ValueError, match="labels: this model has no classes"):
        model(name).log_prob(x, ones)


@pytest.mark.parametrize("name", KINDS)
def test_the_beginning_of_a_longer_string(name):
    it, x = model(name), strings()
    short = it.at_length(4)
    gap = short.conditional_log_prob(x[:, :4]) - it.conditional_log_prob(x)[:, :4]
    assert float(gap.detach().abs().max()) < 1e-12
    assert short.sample(3, seeded()).shape == (3, 4)
    assert it.length == 9


def test_a_transformer_knows_no_place_beyond_those_learned():
    with pytest.raises(ValueError, match=r"length: expected at most 9, .* got 10"):
        model("Transformer").at_length(10)
    assert model("WaveNet").at_length(30).sample(2, seeded()).shape == (2, 30)
    with pytest.raises(ValueError, match="width: expected a multiple of heads, 4, got 6"):
        Transformer(9, 5, width=6, heads=4)


@pytest.mark.parametrize("name", KINDS)
def test_given_the_beginning_the_rest_is_drawn(name):
    it, x = model(name), strings()
    known = torch.arange(9) < 5
    found = it.complete(x, known, seeded())
    assert torch.equal(found[:, :5], x[:, :5])
    assert not torch.equal(found[:, 5:], x[:, 5:])


def test_attention_is_a_weighted_mean():
    layer = randomise(Layer(4, 2, 1, torch.nn.Identity(), seeded()), 0, 0.3)
    h = torch.randn(1, 3, 4, generator=seeded()).double()
    q, k, v = layer.ask(layer.before(h))[0].view(3, 3, 2, 2).unbind(1)
    mean = torch.zeros(3, 2, 2).double()
    for t in range(3):
        for head in range(2):
            weights = torch.stack([q[t, head] @ k[s, head] for s in range(t + 1)]) / math.sqrt(2)
            mean[t, head] = weights.softmax(0) @ v[: t + 1, head]
    after = h[0] + layer.tell(mean.reshape(3, 4))
    expected = after + layer.down(torch.nn.functional.gelu(layer.up(layer.between(after))))
    assert float((layer(h)[0] - expected).abs().max()) < 1e-12


@pytest.mark.parametrize("name", KINDS)
def test_wrong_strings(name):
    it, x = model(name), strings()
    for wrong, what in ((x + 5, "symbols 0 to 4"), (x[:, :8], "shape"), (x.double(), "integers")):
        with pytest.raises(ValueError, match=f"x: expected .*{what}"):
            it.log_prob(wrong)


@pytest.mark.parametrize("name", KINDS)
def test_what_repeats_is_learned(name):
    x = (torch.arange(9) + torch.arange(5)[:, None]) % 5
    it = KINDS[name]()
    train(it, x.repeat(8, 1), epochs=60, batch_size=20, lr=2e-2, clip=1.0, generator=seeded())
    assert float(-it.log_prob(x).mean().detach()) < math.log(5) + 1.0  # the first cannot be known
