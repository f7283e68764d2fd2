"""Sequences: text, sound and time series by the chain rule.

- `Alphabet`: from text to symbols and back.
- `NGram`, `GRU`, `Transformer`, `WaveNet`: densities over strings of symbols, from counts to
  networks. Each has a memory, so that a sampler computes only what a new symbol changes.
- `Sound`, `mu_law`, `inverse_mu_law`: sound with its rate, and its levels.
- `GaussianDynamics`: p(next state | state, action), learned from trajectories; `Pendulum`: a small
  world with such a law; `plan`: the best actions found by sampling.
"""

from gdmlib.sequences.alphabet import Alphabet
from gdmlib.sequences.dynamics import GaussianDynamics
from gdmlib.sequences.gru import GRU
from gdmlib.sequences.model import SequenceMemory, SymbolModel, Symbols
from gdmlib.sequences.ngram import NGram
from gdmlib.sequences.pendulum import Pendulum
from gdmlib.sequences.planning import control, plan
from gdmlib.sequences.sound import Sound, inverse_mu_law, mu_law
from gdmlib.sequences.transformer import Transformer
from gdmlib.sequences.wavenet import WaveNet

__all__ = [
    "GRU",
    "Alphabet",
    "GaussianDynamics",
    "NGram",
    "Pendulum",
    "SequenceMemory",
    "Sound",
    "SymbolModel",
    "Symbols",
    "Transformer",
    "WaveNet",
    "control",
    "inverse_mu_law",
    "mu_law",
    "plan",
]
