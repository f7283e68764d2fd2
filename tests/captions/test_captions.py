"""Text and image: captioners, Gaussians with names, a U-Net that is told captions."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import one_hot

from gdmlib import adversarial, training
from gdmlib.captions import (
    Captioner,
    CaptionGaussians,
    CaptionUNet,
    ClassifyingDiscriminator,
    CreativeGAN,
    unsure,
)
from gdmlib.latent import FlowMatching
from tests.laws.builders import normal, randomise, seeded, uniform
from tests.laws.registry_captions import PICTURES, SMALL, captioner, gaussians


@pytest.mark.parametrize("told", [True, False])
def test_all_captions_at_once_are_those_one_by_one(told):
    model = captioner(told=told)
    listed = model.log_probs(PICTURES)
    each = [model.log_prob(torch.full((3,), k), PICTURES) for k in range(6)]
    assert float((listed - torch.stack(each, dim=1)).abs().max()) < 1e-12
    assert float((listed.exp().sum(dim=1) - 1).abs().max()) < 1e-12
    assert torch.equal(model.best(PICTURES), listed.argmax(dim=1))


def test_only_words_that_are_told_can_depend_on_each_other():
    for told in (True, False):
        joint = captioner(told=told).log_probs(PICTURES).exp().reshape(3, 2, 3)
        product = joint.sum(dim=2, keepdim=True) * joint.sum(dim=1, keepdim=True)
        gap = float((joint - product).abs().max())
        assert gap > 1e-3 if told else gap < 1e-12, (told, gap)


def test_a_captioner_learns_two_words():
    x = uniform(200, 1, 4, 4).float()
    y = 3 * (x[:, 0, :2].mean(dim=(1, 2)) > 0.5) + 2 * (x[:, 0, 2:].mean(dim=(1, 2)) > 0.5).long()
    model = Captioner(SMALL, (1, 4, 4), channels=(4, 8), features=16, generator=seeded())
    training.train(model, (x, y), epochs=40, batch_size=50, lr=1e-2, generator=seeded())
    assert float((model.best(x) == y).float().mean()) > 0.9


def test_a_captioner_refuses():
    with pytest.raises(ValueError, match=r"event_shape: expected a height .* multiples of 4"):
        Captioner(SMALL, (1, 6, 4))
    with pytest.raises(ValueError, match="grammar: expected a Grammar"):
        Captioner("a dot", (1, 4, 4))
    with pytest.raises(ValueError, match="x"):
        captioner().best(PICTURES[:, :, :2])


def test_gaussians_are_fitted_by_least_squares():
    features = torch.cat([one_hot(c) for c in SMALL.everything().T], dim=1).double()
    y = torch.arange(6).repeat(400)
    truth = gaussians()
    x = features[y] @ truth.parts + normal(2400, 2) @ truth.factor.mT
    found = CaptionGaussians.fit(x, y, features, torch.zeros(6).double(), ridge=1e-9)
    assert float((features @ (found.parts - truth.parts)).abs().max()) < 0.15
    gap = (found.factor @ found.factor.mT - truth.factor @ truth.factor.mT).abs().max()
    assert float(gap) < 0.1
    cost = [
        -float((m.log_joint(x) - m.log_prior)[torch.arange(2400), y].mean()) for m in (found, truth)
    ]
    assert cost[0] < cost[1], "no other model of the kind is likelier"


def test_one_picture_with_two_captions_is_split_by_the_prior():
    features = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]).double()
    prior = torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64).log()
    model = CaptionGaussians(features, normal(2, 2), torch.eye(2).double(), prior)
    said = model.responsibilities(normal(9, 2, seed=4))
    assert float((said[:, 0] / said[:, 1] - 2.5).abs().max()) < 1e-9


def test_a_word_changes_all_captions_that_have_it():
    network = randomise(CaptionUNet(SMALL, (1, 4, 4), channels=(2, 3), generator=seeded()), 0)
    x, time = uniform(6, 1, 4, 4)[:1].expand(6, 1, 4, 4), torch.full((6,), 0.5).double()
    before = network(x, time, torch.arange(6))
    with torch.no_grad():
        network.embedding.of_word[3] += 1.0  # "line"
    moved = (network(x, time, torch.arange(6)) - before).flatten(1).abs().amax(dim=1) > 1e-6
    assert torch.equal(moved, SMALL.everything()[:, 1] == 1)
    nothing = [network(x[:1], time[:1], labels) for labels in (None, torch.tensor([6]))]
    assert torch.equal(*nothing)
    with pytest.raises(ValueError, match="labels"):
        network(x[:1], time[:1], torch.tensor([7]))


def test_guidance_works_for_captions():
    network = CaptionUNet(SMALL, (1, 4, 4), channels=(2, 3), generator=seeded())
    flow = randomise(FlowMatching(network, (1, 4, 4)), 0, 0.3)
    x, labels = uniform(3, 1, 4, 4), torch.tensor([0, 3, 5])
    none, one, two = (flow.velocity(x, 0.4, labels, w) for w in (0.0, 1.0, 2.0))
    assert float((two - (2 * one - none)).abs().max()) < 1e-12
    assert float((none - flow.velocity(x, 0.4)).abs().max()) < 1e-12


def creative(ambiguity: float) -> CreativeGAN:
    maker = adversarial.DCGenerator((1, 8, 8), latent=2, channels=2, generator=seeded())
    body = adversarial.DCDiscriminator((1, 8, 8), channels=2, generator=seeded(1))
    judge = ClassifyingDiscriminator(body, 3, seeded(2))
    return CreativeGAN(maker, judge, latent=2, ambiguity=ambiguity)


def test_being_recognised_is_least_where_all_classes_are_equal():
    assert float(unsure(torch.zeros(4, 5))) == pytest.approx(math.log(5))
    assert float(unsure(normal(4, 5))) > math.log(5)


def test_the_price_of_being_recognised():
    x, labels = 2 * uniform(6, 1, 8, 8).float() - 1, torch.arange(6) % 3
    free, paid = (float(creative(a).generator_loss((x, labels), seeded())) for a in (0.0, 2.0))
    gan = creative(2.0)
    logits = gan.discriminator(gan(torch.randn(6, 2, generator=seeded())))
    assert paid - free == pytest.approx(2 * float(unsure(logits[:, 1:])), abs=1e-5)
    found = gan.discriminator_loss((x, labels), seeded())
    assert float(found["classes"]) > 0 and float(found["loss"]) > float(found["classes"])
    with pytest.raises(ValueError, match="ambiguity"):
        creative(-1.0)
    with pytest.raises(ValueError, match="batch: expected events and their labels"):
        gan.generator_loss(x, seeded())
