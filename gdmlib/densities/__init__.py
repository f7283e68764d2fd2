"""Densities that can be written down: every probability here is computed exactly.

A density ``p(x)`` is a `Density`, a :class:`torch.nn.Module` with

- ``event_shape``, the shape of one event ``x``;
- ``log_prob(x) -> (B,)``, the log-density of each of ``B`` events, in nats over the whole event;
- ``sample(n, generator=None) -> (n, *event_shape)``; None is torch's global generator;
- where the maximum of the likelihood can be found, ``fit(...)``, a class method that returns a
  new model.

A conditional density ``p(y | x)`` takes both: ``log_prob(y, x)`` and ``sample(x, generator)``.

Models that are fitted in closed form keep their numbers in buffers: a gradient step would leave
the set of, say, covariance matrices. The two regressions, whose weights are free, keep them in
parameters. Both are saved by ``state_dict`` and moved by ``.to(...)``.
"""

from gdmlib.densities.categorical import Categorical, multinomial_log_prob
from gdmlib.densities.class_conditional import ClassConditional
from gdmlib.densities.discretised_logistic import DiscretisedLogisticMixture
from gdmlib.densities.flip_ensemble import FlipEnsemble
from gdmlib.densities.gaussian import MultivariateNormal
from gdmlib.densities.logistic import LogisticRegression, MultinomialLogisticRegression
from gdmlib.densities.mixture import GaussianMixture
from gdmlib.densities.normal import Normal
from gdmlib.densities.scale_mixture import GaussianScaleMixture

__all__ = [
    "Categorical",
    "ClassConditional",
    "DiscretisedLogisticMixture",
    "FlipEnsemble",
    "GaussianMixture",
    "GaussianScaleMixture",
    "LogisticRegression",
    "MultinomialLogisticRegression",
    "MultivariateNormal",
    "Normal",
    "multinomial_log_prob",
]
