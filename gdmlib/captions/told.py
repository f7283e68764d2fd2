r"""A U-Net that is told a caption: each word has a vector, and their sum stands for a class.

A class has one vector of its own, and what it means must be learned from examples of that class. A
caption's vector is put together,

.. math:: e(y) = \sum_i e_{i, y_i} ,

one term for the word :math:`y_i` at each place i, so that a caption that nobody has shown is told
in words that everybody has. All else, leaving captions out, guidance and samplers, is that of
`gdmlib.latent`: a caption is given by its number in the grammar.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Generator, Tensor

from gdmlib._checks import check_kind
from gdmlib._random import standard_normal
from gdmlib.data.grammar import Grammar
from gdmlib.nn.timed import Embedding
from gdmlib.nn.unet import UNet


class CaptionEmbedding(Embedding):
    """Time and caption as one vector.

    Args:
        grammar: Which captions there are; their number stands for none of them.
        width: Size of the vector.
        generator: Draws the weights.
    """

    words: Tensor

    def __init__(self, grammar: Grammar, width: int, generator: Generator | None) -> None:
        super().__init__(width, None, generator)
        check_kind(grammar, "grammar", Grammar, "a Grammar")
        self.classes = len(grammar)
        start = torch.tensor([0, *grammar.sizes[:-1]]).cumsum(0)
        self.register_buffer("words", grammar.everything() + start, persistent=False)
        rows = (sum(grammar.sizes) + 1, width)
        self.of_word = torch.nn.Parameter(0.5 * standard_normal(rows, torch.empty(0), generator))

    def _told(self, labels: Tensor) -> Tensor:
        none = torch.eq(labels, len(self.words))
        told = self.of_word[self.words[labels.masked_fill(none, 0)]].sum(dim=1)
        return torch.where(none[:, None], self.of_word[-1], told)


class CaptionUNet(UNet):
    """A U-Net that is told captions of a grammar, by their numbers.

    Args:
        grammar: Which captions there are.
        event_shape, channels, generator: As for `UNet`.
    """

    def __init__(
        self,
        grammar: Grammar,
        event_shape: Sequence[int],
        *,
        channels: int | Iterable[int] = (24, 40, 56),
        generator: Generator | None = None,
    ) -> None:
        super().__init__(event_shape, channels=channels, generator=generator)
        last = self.embedding.of_time[-1]
        assert isinstance(last, torch.nn.Linear)
        self.embedding = CaptionEmbedding(grammar, last.out_features, generator)
        self.classes = self.embedding.classes
