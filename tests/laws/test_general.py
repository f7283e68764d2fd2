"""Law 10 for every call: of each model's methods, and of all other functions that take tensors."""

from __future__ import annotations

import pytest

from gdmlib.adversarial import SRGAN, CycleGAN, Ensemble, Pix2Pix
from gdmlib.densities.density import Model
from gdmlib.latent import Dequantised
from gdmlib.metrics import Judge

from . import general
from .calls import calls
from .derivatives import SMOOTH, Smooth, check_gradients, check_second_derivatives, smooth
from .functions import CONSTRUCTORS, COUNTS, FITS, FUNCTIONS, TRAINED
from .registry import CASES, having

# Forward-mode derivatives of PyTorch compile something on their first use.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")

METHODS = [call for case in CASES for call in calls(case)]
WITH_MODEL = [call for call in FUNCTIONS if call.model is not None]
# The others are networks, and do what PyTorch's do.
WHOLE = (Model, Judge, Dequantised, Pix2Pix, CycleGAN, SRGAN, Ensemble)
WHOLE_MODELS = [c for c in WITH_MODEL if isinstance(c.model, WHOLE)]
EVERY = [*METHODS, *FUNCTIONS, *CONSTRUCTORS, *FITS, TRAINED]
LOG_PROBS = [smooth(case) for case in having("log_prob")]
DIFFERENTIATED = [
    *LOG_PROBS,
    *[smooth(c, name) for name in SMOOTH[1:] for c in having(name) if c.inputs is None],
    *[Smooth(c.name, c.function, c.arguments) for c in FUNCTIONS if c.smooth],
]


@pytest.mark.parametrize("call", EVERY, ids=str)
def test_arguments_are_kept(call):
    general.check_arguments(call)


@pytest.mark.parametrize("call", EVERY, ids=str)
def test_integers_are_one(call):
    general.check_integers(call)


@pytest.mark.parametrize("name", COUNTS)
def test_counts_may_come_from_numpy(name):
    general.check_counts(name, *COUNTS[name])


@pytest.mark.parametrize("call", EVERY, ids=str)
def test_layouts_do_not_matter(call):
    general.check_layouts(call)


@pytest.mark.parametrize("case", [c for c in DIFFERENTIATED if c not in LOG_PROBS], ids=str)
def test_first_derivatives(case):  # those of log_prob are in test_engineering
    check_gradients(case)


@pytest.mark.parametrize("case", DIFFERENTIATED, ids=str)
def test_second_derivatives(case):
    check_second_derivatives(case)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_autocast(case):
    general.check_autocast(case)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_bfloat16(case):
    general.check_bfloat16(case)


@pytest.mark.parametrize("call", WHOLE_MODELS, ids=str)
def test_mixed_precision(call):
    general.check_mixed(call)


@pytest.mark.parametrize("call", WITH_MODEL, ids=str)
def test_narrow_models(call):
    general.check_narrow(call)


@pytest.mark.parametrize("call", [*METHODS, *FUNCTIONS], ids=str)
def test_in_inference_mode(call):
    general.check_inside_inference(call)


@pytest.mark.parametrize("call", FITS, ids=str)
def test_fits(call):
    general.check_fit(call)


@pytest.mark.parametrize("call", EVERY, ids=str)
def test_tensors_made_in_inference_mode(call):
    general.check_inference(call)


@pytest.mark.filterwarnings("ignore:There is a performance drop")
@pytest.mark.parametrize("case", having("log_prob"), ids=str)
def test_examples_one_by_one(case):
    general.check_examples_apart(case)


@pytest.mark.parametrize("case", having("log_prob", "conditional_log_prob"), ids=str)
def test_conditionals_add_up(case):
    general.check_conditionals(case)


@pytest.mark.parametrize("case", having("complete", "sample"), ids=str)
def test_completion(case):
    general.check_complete(case)
