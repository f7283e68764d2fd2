"""Law 11: every game of networks is resumed, by chance that is given, one player at a time."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gdmlib import adversarial
from gdmlib.training import Turns

from . import adversaries
from .adversaries import KINDS, LAWS, WITH_OTHERS, Kind
from .builders import seeded


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_games(kind, law):
    law(kind)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_interrupted_games(kind, tmp_path):
    adversaries.check_resumes(kind, tmp_path)


@pytest.mark.parametrize("kind", WITH_OTHERS, ids=str)
def test_no_game_goes_on_as_another(kind, tmp_path):
    adversaries.check_another_game(kind, tmp_path)


# --- broken ones ---------------------------------------------------------------------------------


def pays(generator_loss, discriminator_loss, noise, **options):
    """Return a game of two networks whose losses are given, as functions of the model."""
    model, _ = adversaries.of_points(seeded())
    step = adversarial.adversaries(
        model.generator,
        model.discriminator,
        generator_loss=lambda batch: generator_loss(model, batch),
        discriminator_loss=lambda batch: discriminator_loss(model, batch),
        noise=noise,
        lr=1e-2,
        **options,
    )
    return model, step


def of_judge(model, batch):
    return model.discriminator_loss(batch, seeded())


def of_maker(model, batch):
    return model.generator_loss(batch, seeded())


def forgets_its_noise(noise):
    return pays(
        lambda model, batch: model.generator_loss(batch, noise),
        lambda model, batch: model.discriminator_loss(batch, noise),
        None,
    )


def draws_from_the_global_one(noise):
    return pays(lambda model, batch: model.generator_loss(batch), of_judge, noise)


def moves_its_opponent(noise):
    def loss(model, batch):
        for p in model.generator.parameters():
            p.data += 0.1
        return of_judge(model, batch)

    return pays(of_maker, loss, noise)


def thaws(noise):
    def loss(model, batch):
        for p in model.generator.parameters():
            p.requires_grad_(True)
        return of_maker(model, batch)

    return pays(loss, of_judge, noise)


def with_plain_batch_norm(noise):
    model, _ = adversaries.of_points(seeded())
    judge = nn.Sequential(nn.BatchNorm1d(2), model.discriminator)
    model = adversarial.GAN(model.generator, judge, latent=2)
    return model, model.turns(noise=noise)


class OnlyWithAutograd(Turns):
    """Does nothing where autograd is off."""

    def forward(self, batch):
        return super().forward(batch) if torch.is_grad_enabled() else {}


def asks_for_autograd(noise):
    model, step = adversaries.of_points(noise)
    step.__class__ = OnlyWithAutograd
    return model, step


class OneAlone(adversarial.GAN):
    """Its copy is itself."""

    def __deepcopy__(self, memo):
        return self


def is_its_copy(noise):
    model, step = adversaries.of_points(noise)
    model.__class__ = OneAlone
    return model, step


def rounds(noise):
    return pays(of_maker, lambda model, batch: model.discriminator(batch).square().mean(), noise)


def looks_away(noise):
    return pays(
        lambda model, batch: of_maker(model, batch.nan_to_num()),
        lambda model, batch: of_judge(model, batch.nan_to_num()),
        noise,
    )


@pytest.mark.parametrize(
    ("law", "build", "what"),
    [
        (adversaries.check_chance, draws_from_the_global_one, "the global generator is moved"),
        (adversaries.check_turns, moves_its_opponent, "generator moves with discriminator"),
        (adversaries.check_turns, thaws, "a frozen parameter moves"),
        (adversaries.check_last_batch, with_plain_batch_norm, "one example: it says"),
        (adversaries.check_modes, asks_for_autograd, "under no_grad: another step"),
        (adversaries.check_copies, is_its_copy, "a copy moves with the model"),
        (adversaries.check_mixed, rounds, "discriminator is torch.bfloat16"),
        (adversaries.check_broken_data, looks_away, "nobody notices"),
    ],
)
def test_a_broken_game_is_rejected(law, build, what):
    with pytest.raises(AssertionError, match=f"law 11, games of networks: broken: .*{what}"):
        law(Kind("broken", build, adversaries.POINTS))


def test_a_run_that_forgets_its_noise_is_rejected(tmp_path):
    with pytest.raises(AssertionError, match=r"broken: interrupted .*: another end"):
        adversaries.check_resumes(Kind("broken", forgets_its_noise, adversaries.POINTS), tmp_path)


def test_a_run_that_goes_on_with_anything_is_rejected(tmp_path):
    build = adversaries.of_points
    kind = Kind("broken", build, adversaries.POINTS, others=(build,))
    with pytest.raises(AssertionError, match="broken: game 0 goes on with another one's run"):
        adversaries.check_another_game(kind, tmp_path)
