"""Data for the lessons: embedded, rendered and downloadable. Every loader says where they are from.

*Embedded* data come with scikit-learn and scikit-image; *rendered* data are drawn on the spot;
both work with the network off. *Downloadable* data are looked for in the folder that the
environment variable ``GDMLIB_DATA`` names, then in the cache, and are downloaded last. What is
drawn afresh takes a ``generator`` (None: torch's global one), what is kept takes a ``seed``.
``python -m gdmlib.data`` lists all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

# isort: off
# The order is that of the catalogue.
from gdmlib.data import embedded, embedded_images, text, toys, rendered, voice  # noqa: F401
from gdmlib.data import pairs, facades, captioned  # noqa: F401
from gdmlib.data import domains  # noqa: F401
from gdmlib.data import published, published_tables, published_images  # noqa: F401

# isort: on
from gdmlib.data.captioned import GLYPH_CAPTIONS, SCENE_CAPTIONS, draw_scenes, turned, upright
from gdmlib.data.dataset import (
    CacheError,
    ChecksumError,
    DataNotFoundError,
    Dataset,
    Pictures,
    UnknownDatasetError,
)
from gdmlib.data.declare import Entry, loaders
from gdmlib.data.domains import DOMAINS
from gdmlib.data.embedded import PATCH_SPLITS, PHOTOGRAPHS
from gdmlib.data.facades import FACADE_CLASSES
from gdmlib.data.fonts import FAMILIES, FONTS, STYLES
from gdmlib.data.grammar import CaptionError, Grammar, Slot
from gdmlib.data.listing import TIERS, Catalogue, catalogue
from gdmlib.data.pairs import TINTS
from gdmlib.data.published_images import RESTORATION_SETS
from gdmlib.data.published_tables import BINARY_DENSITIES
from gdmlib.data.text import CHAPTERS
from gdmlib.data.toys import TOYS
from gdmlib.data.voice import SPEECH_RATE, SPEECH_SOUNDS

if TYPE_CHECKING:
    from gdmlib.data.captioned import *  # noqa: F403
    from gdmlib.data.domains import *  # noqa: F403
    from gdmlib.data.embedded import *  # noqa: F403
    from gdmlib.data.embedded_images import *  # noqa: F403
    from gdmlib.data.facades import *  # noqa: F403
    from gdmlib.data.pairs import *  # noqa: F403
    from gdmlib.data.published import *  # noqa: F403
    from gdmlib.data.published_images import *  # noqa: F403
    from gdmlib.data.published_tables import *  # noqa: F403
    from gdmlib.data.rendered import *  # noqa: F403
    from gdmlib.data.text import *  # noqa: F403
    from gdmlib.data.toys import *  # noqa: F403
    from gdmlib.data.voice import *  # noqa: F403

# Every loader that is declared is public.
globals().update(loaders())

__all__ = [
    "BINARY_DENSITIES",
    "CHAPTERS",
    "DOMAINS",
    "FACADE_CLASSES",
    "FAMILIES",
    "FONTS",
    "GLYPH_CAPTIONS",
    "PATCH_SPLITS",
    "PHOTOGRAPHS",
    "RESTORATION_SETS",
    "SCENE_CAPTIONS",
    "SPEECH_RATE",
    "SPEECH_SOUNDS",
    "STYLES",
    "TIERS",
    "TINTS",
    "TOYS",
    "CacheError",
    "CaptionError",
    "Catalogue",
    "ChecksumError",
    "DataNotFoundError",
    "Dataset",
    "Entry",
    "Grammar",
    "Pictures",
    "Slot",
    "UnknownDatasetError",
    "catalogue",
    "draw_scenes",
    "turned",
    "upright",
    *loaders(),
]
