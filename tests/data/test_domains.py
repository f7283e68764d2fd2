"""Domains without pairs: the hidden partner is the same scene, and the two piles are others."""

from __future__ import annotations

import pytest
import torch

from gdmlib.data import DOMAINS, UnknownDatasetError, scans, unpaired


@pytest.mark.parametrize("name", DOMAINS)
def test_every_pair_of_domains(name):
    for domain in unpaired(name, 12, size=16):
        channels = 1 if name == "italic" else 3
        assert domain.x.shape == domain.attributes["partner"].shape == (12, channels, 16, 16)
        assert domain.x.dtype == torch.float32
        assert float(domain.x.min()) >= 0 and float(domain.x.max()) <= 1
        assert float(domain.x.std(0).mean()) > 0.05, "scenes differ"
        assert domain.source and domain.licence and "train" in domain.name


@pytest.mark.parametrize("name", DOMAINS)
def test_the_partner_is_the_same_scene_and_the_piles_hold_others(name):
    x, y = unpaired(name, 20, size=16)

    def nearest(a, b):
        return torch.cdist(a.flatten(1), b.flatten(1)).argmin(1)

    # In the other domain a scene is like its own partner: where the ink, the animal or the house
    # is. What domains change as a whole is taken out first.
    def shape(t):
        return t.mean(1) - t.mean((0, 1))

    here, there = shape(x.x), shape(x.attributes["partner"])
    similar = torch.corrcoef(torch.cat([here, there]).flatten(1))[:20, 20:]
    if name == "night":  # what is bright by day is dark by night: look at the sun and the moon
        here, there = x.x[:, :2, :5].mean(1), x.attributes["partner"][:, :2, :5].mean(1)
        here, there = here - here.mean(0), there - there.mean(0)
        similar = torch.corrcoef(torch.cat([here, there]).flatten(1))[:20, 20:]
    assert float((similar.argmax(1) == torch.arange(20)).float().mean()) >= 0.8
    # No picture of one pile is the partner of one in the other.
    assert float(torch.cdist(x.attributes["partner"].flatten(1), y.x.flatten(1)).min()) > 0.3
    assert len(set(nearest(x.x, x.x).tolist())) == 20


def test_a_larger_set_begins_with_the_smaller_one_and_splits_are_apart():
    for name in DOMAINS:
        small, large = unpaired(name, 5, size=16), unpaired(name, 25, size=16)
        for a, b in zip(small, large, strict=True):
            assert torch.equal(a.x, b.x[:5])
            assert torch.equal(a.attributes["partner"], b.attributes["partner"][:5])
        for other in (unpaired(name, 5, size=16, seed=1), unpaired(name, 5, 16, split="test")):
            assert not torch.equal(small[0].x, other[0].x)


def test_what_only_one_domain_shows():
    horses, zebras = unpaired("stripes", 60, size=32)
    coat = horses.attributes["coat"]
    # The red of the darkest pixels of the body: a light coat is brighter, a zebra is not.
    body = (horses.x[:, :, 15:19, 14:18]).mean((1, 2, 3))
    assert float(torch.corrcoef(torch.stack([coat, body]))[0, 1]) < -0.8
    partner = horses.attributes["partner"][:, :, 15:19, 14:18].mean((1, 2, 3))
    assert abs(float(torch.corrcoef(torch.stack([coat, partner]))[0, 1])) < 0.4
    assert float(zebras.x.mean(1).std((1, 2)).mean()) > float(horses.x.mean(1).std((1, 2)).mean())

    day, night = unpaired("night", 60, size=32)
    assert night.attributes["left window"].dtype == torch.bool
    lit = night.attributes["left window"] | night.attributes["right window"]
    yellow = (night.x[:, 0] - night.x[:, 2]).flatten(1).max(1).values
    assert bool(((yellow > 0.4) == lit).all()), "lit windows are yellow"
    assert float(day.x.mean()) > 2 * float(night.x.mean())


def test_scans_with_and_without_a_tumour():
    first, second = scans(80, size=24, sick=(0.0, 0.5))
    assert not bool(first.attributes["sick"].any())
    assert 0.3 < float(second.attributes["sick"].float().mean()) < 0.7
    for domain in (first, second):
        sick = domain.attributes["sick"]
        partner, healthy, tumour = (domain.attributes[k] for k in ("partner", "healthy", "tumour"))
        assert torch.equal(partner[~sick], healthy[~sick])
        assert torch.equal(partner[sick], tumour[sick])
        assert bool(((tumour - healthy).abs().flatten(1).max(1).values > 0.2).all())
    # Every head has its own tumour, drawn whether it has one or not.
    well, ill = scans(10, 24, (0.0, 0.0))[0], scans(10, 24, (1.0, 1.0))[0]
    assert torch.equal(well.attributes["tumour"], ill.attributes["partner"])
    assert torch.equal(well.x[:, :, :2], ill.x[:, :, :2])
    assert bool((well.x != ill.x).flatten(1).any(1).all())


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: unpaired("zebra"), UnknownDatasetError, "unknown pair of domains 'zebra'"),
        (lambda: unpaired("night", 0), ValueError, "n: expected at least 1"),
        (lambda: unpaired("night", 3, size=4), ValueError, "size: expected at least 8"),
        (lambda: unpaired("night", 3, split="all"), UnknownDatasetError, "unknown split"),
        (lambda: unpaired("night", 3, seed=-1), ValueError, "seed: expected at least 0"),
        (lambda: scans(3, sick=(0.5, 2.0)), ValueError, "sick: expected two shares"),
    ],
)
def test_what_is_refused(make, error, says):
    with pytest.raises(error, match=says):
        make()
