"""Deep features: what a network sees in a picture, used to paint, to compare and to search.

A texture is its `gram` matrices; `StyleLoss` compares them, `ContentLoss` the features themselves,
and `paint` descends on both, in pixels. `DISTORTIONS` damage pictures, `at_error` by just as much
as is asked for. `Embedding` learns a space in which what belongs together is near, `nearest`
searches any space, `recall_at` says how well.
"""

from gdmlib.features.distortions import DISTORTIONS, at_error
from gdmlib.features.embedding import Embedding, warped
from gdmlib.features.search import nearest, recall_at
from gdmlib.features.transfer import ContentLoss, Painting, StyleLoss, gram, paint

__all__ = [
    "DISTORTIONS",
    "ContentLoss",
    "Embedding",
    "Painting",
    "StyleLoss",
    "at_error",
    "gram",
    "nearest",
    "paint",
    "recall_at",
    "warped",
]
