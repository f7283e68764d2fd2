"""Models that are trained by playing: no density, but samples, and an opponent that judges them.

- the losses of both players are values: `LOSSES`, and the penalties that keep a critic smooth,
  `r1_penalty` and `gradient_penalty`;
- `games` has games of two players that are small enough to know how they end;
- `adversaries` makes of two networks and their losses the step of `gdmlib.training.fit`.
- `adversaries` makes of two networks and their losses the step of `gdmlib.training.fit`;
- what is told a class: `ConditionalBatchNorm2d` and `ConditionalGenerator`,
  `ConcatenatedDiscriminator` and `ProjectionDiscriminator`; `count_classes` refuses an empty one;
- `Pix2Pix` translates pictures, learned from pairs: a `UNetGenerator`, and a `PatchDiscriminator`
  that judges patches of any size;
- `CycleGAN` learns two maps between two domains without pairs: a `ResNetGenerator` is such a map of
  pictures, and an `ImagePool` keeps made ones of the past.
"""

from gdmlib.adversarial import games
- `GAN` puts two networks together, `dense_players` or `DCGenerator` and `DCDiscriminator`;
- `adversaries` makes of two networks and their losses the step of `gdmlib.training.fit`;
- `Ensemble` trains GANs from many seeds at once, `Watched` stops one that has gone wrong, and
  `invert` finds the latent of a given picture.
"""

from gdmlib.adversarial.conditional import (
    ConcatenatedDiscriminator,
    ConditionalBatchNorm2d,
    ConditionalGenerator,
    ProjectionDiscriminator,
    count_classes,
)
from gdmlib.adversarial.dcgan import DCDiscriminator, DCGenerator
from gdmlib.adversarial.ensemble import Ensemble, Stacked
from gdmlib.adversarial.gan import GAN, dense_players
from gdmlib.adversarial.health import CollapseError, DivergenceError, Watched
from gdmlib.adversarial.inversion import Inversion, invert
from gdmlib.adversarial.cyclegan import CycleGAN
- `adversaries` makes of two networks and their losses the step of `gdmlib.training.fit`;
- super-resolution: `SRResNet`, trained on squared error, and `RRDBNet` enlarge pictures; `SRGAN`
  trains either against an `SRDiscriminator` on the features that `content_features` gives, and
  `blend` mixes the weights of two of them.
"""

from gdmlib.adversarial.content import VGGFeatures, content_features
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
from gdmlib.adversarial.pool import ImagePool
from gdmlib.adversarial.resnet import ResNetGenerator
from gdmlib.adversarial.translator import UNetGenerator
from gdmlib.adversarial.rrdb import RRDB, DenseBlock, RRDBNet
from gdmlib.adversarial.srgan import SRGAN, SRDiscriminator, blend
from gdmlib.adversarial.superres import Enlarger, SRResNet

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
    "DCDiscriminator",
    "DCGenerator",
    "DivergenceError",
    "Ensemble",
    "Inversion",
    "Stacked",
    "Watched",
    "PatchDiscriminator",
    "Pix2Pix",
    "ProjectionDiscriminator",
    "CycleGAN",
    "ImagePool",
    "PatchDiscriminator",
    "Pix2Pix",
    "ResNetGenerator",
    "UNetGenerator",
    "adversaries",
    "averaged",
    "games",
    "count_classes",
    "dense_players",
    "DenseBlock",
    "Enlarger",
    "RRDBNet",
    "SRDiscriminator",
    "SRResNet",
    "VGGFeatures",
    "adversaries",
    "averaged",
    "blend",
    "content_features",
    "gradient_penalty",
    "invert",
    "loss_named",
    "r1_penalty",
]
