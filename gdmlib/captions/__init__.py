"""Text and image: p(picture, caption), by either factor first, and pictures that are asked for.

A caption is given by its number in a `gdmlib.data.Grammar`, so all that `gdmlib.latent` does for
classes, guidance among it, it does for captions.
"""

from gdmlib.captions.captioner import Captioner
from gdmlib.captions.creative import ClassifyingDiscriminator, CreativeGAN, unsure
from gdmlib.captions.gaussians import CaptionGaussians
from gdmlib.captions.told import CaptionEmbedding, CaptionUNet

__all__ = [
    "CaptionEmbedding",
    "CaptionGaussians",
    "CaptionUNet",
    "Captioner",
    "ClassifyingDiscriminator",
    "CreativeGAN",
    "unsure",
]
