"""Models that are trained by playing: no density, but samples, and an opponent that judges them.

- `games` has games of two players that are small enough to know how they end;
- the losses of both players are values: `LOSSES`, and the penalties that keep a critic smooth,
  `r1_penalty` and `gradient_penalty`;
- `adversaries` makes of two networks and their losses the step of `gdmlib.training.fit`;
- `GAN` puts two networks together, `dense_players` or `DCGenerator` and `DCDiscriminator`;
  `Ensemble` trains GANs from many seeds at once, `Watched` stops one that has gone wrong, and
  `invert` finds the latent of a given picture;
- what is told a class: `ConditionalBatchNorm2d` and `ConditionalGenerator`,
  `ConcatenatedDiscriminator` and `ProjectionDiscriminator`; `count_classes` refuses an empty one;
- `Pix2Pix` translates pictures, learned from pairs: a `UNetGenerator`, and a `PatchDiscriminator`
  that judges patches of any size;
- `CycleGAN` learns two maps between two domains without pairs: a `ResNetGenerator` is such a map of
  pictures, and an `ImagePool` keeps made ones of the past;
- super-resolution: `SRResNet`, trained on squared error, and `RRDBNet` enlarge pictures; `SRGAN`
  trains either against an `SRDiscriminator` on the features that `content_features` gives, and
  `blend` mixes the weights of two of them.
"""

from gdmlib.adversarial import games
from gdmlib.adversarial.conditional import (
    ConcatenatedDiscriminator,
    ConditionalBatchNorm2d,
    ConditionalGenerator,
    ProjectionDiscriminator,
    count_classes,
)
from gdmlib.adversarial.content import VGGFeatures, content_features
from gdmlib.adversarial.cyclegan import CycleGAN
from gdmlib.adversarial.dcgan import DCDiscriminator, DCGenerator
from gdmlib.adversarial.ensemble import Ensemble, Stacked
from gdmlib.adversarial.gan import GAN
from gdmlib.adversarial.health import CollapseError, DivergenceError, Watched
from gdmlib.adversarial.inversion import Inversion, invert
from gdmlib.adversarial.losses import (
    LOSSES,
    AdversarialLoss,
    gradient_penalty,
    loss_named,
    r1_penalty,
)
from gdmlib.adversarial.patches import PatchDiscriminator
from gdmlib.adversarial.pix2pix import Pix2Pix
from gdmlib.adversarial.play import adversaries, averaged
from gdmlib.adversarial.players import dense_players
from gdmlib.adversarial.pool import ImagePool
from gdmlib.adversarial.resnet import ResNetGenerator
from gdmlib.adversarial.rrdb import RRDB, DenseBlock, RRDBNet
from gdmlib.adversarial.srgan import SRGAN, SRDiscriminator, blend
from gdmlib.adversarial.superres import Enlarger, SRResNet
from gdmlib.adversarial.translator import UNetGenerator

__all__ = [
    "GAN",
    "LOSSES",
    "RRDB",
    "SRGAN",
    "AdversarialLoss",
    "CollapseError",
    "ConcatenatedDiscriminator",
    "ConditionalBatchNorm2d",
    "ConditionalGenerator",
    "CycleGAN",
    "DCDiscriminator",
    "DCGenerator",
    "DenseBlock",
    "DivergenceError",
    "Enlarger",
    "Ensemble",
    "ImagePool",
    "Inversion",
    "PatchDiscriminator",
    "Pix2Pix",
    "ProjectionDiscriminator",
    "RRDBNet",
    "ResNetGenerator",
    "SRDiscriminator",
    "SRResNet",
    "Stacked",
    "UNetGenerator",
    "VGGFeatures",
    "Watched",
    "adversaries",
    "averaged",
    "blend",
    "content_features",
    "count_classes",
    "dense_players",
    "games",
    "gradient_penalty",
    "invert",
    "loss_named",
    "r1_penalty",
]
