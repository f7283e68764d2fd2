r"""Features for a content loss: those of our own small classifier, or of VGG-19.

The content loss compares pictures by what a classifier sees in them, φ, not pixel by pixel
(Johnson, Alahi and Fei-Fei 2016, https://arxiv.org/abs/1603.08155, equation 2). A network that is
trained on it may put a blade of grass a pixel further to the left, and still pays little.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gdmlib._checks import check_tensor
from gdmlib.nn.photo_features import PhotoFeatures
from gdmlib.nn.vgg import MEAN, SPREAD, VGG19

NETWORKS = ("own", "vgg19")
"""`PhotoFeatures`, whose weights come with the library; `VGG19`, whose weights do not."""

VGG_LAYERS = {"conv2_2": 8, "conv3_4": 17, "conv4_4": 26, "conv5_4": 35}
"""How many layers of VGG-19 there are before the gate of a convolution."""


def content_features(network: str = "own", layer: str = "conv5_4") -> nn.Module:
    """Return a network from pictures in [0, 1], (B, 3, H, W), to features; it is not trained.

    Args:
        network: One of `NETWORKS`.
        layer: Of VGG-19, one of `VGG_LAYERS`: the features before the gate, as in ESRGAN
            (arXiv:1809.00219, section 3.3).

    Raises:
        FileNotFoundError: If VGG-19's weights are not on this machine; nothing is downloaded.
    """
    if network not in NETWORKS:
        raise ValueError(f"network: expected one of {', '.join(NETWORKS)}, got {network!r}")
    if network == "own":
        return PhotoFeatures.load("content")
    if layer not in VGG_LAYERS:
        raise ValueError(f"layer: expected one of {', '.join(VGG_LAYERS)}, got {layer!r}")
    return VGGFeatures(VGG19.load(), VGG_LAYERS[layer])


class VGGFeatures(nn.Module):
    """The first layers of a network that was trained on pictures of known mean and spread.

    Args:
        vgg: With a sequence ``features`` of layers, as `VGG19`.
        layers: How many of them.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, vgg: nn.Module, layers: int) -> None:
        super().__init__()
        features = vgg.features
        assert isinstance(features, nn.Sequential)
        # torchvision's rectifiers write into their input, which a loss may still need.
        self.body = nn.Sequential(
            *(nn.ReLU() if isinstance(f, nn.ReLU) else f for f in list(features)[:layers])
        )
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None])
        self.register_buffer("spread", torch.tensor(SPREAD)[:, None, None])
        self.requires_grad_(False).eval()

    def forward(self, x: Tensor) -> Tensor:
        """Return features of pictures in [0, 1], (B, 3, H, W)."""
        x = check_tensor(x, "x", shape=("B", 3, "H", "W"), floating=True, finite=False)
        check_tensor(x, "x", finite=False, like=next(self.body.parameters(), self.mean))
        return self.body((x - self.mean) / self.spread)
