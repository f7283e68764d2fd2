r"""VGG-19, the network of the papers on style, for those who have its weights.

Sixteen convolutions of 3 × 3 with rectifiers, five times halved (Simonyan and Zisserman 2015,
https://arxiv.org/abs/1409.1556, table 1, E). Its twenty million weights come from a million
labelled photographs, and do not come with this library: nothing is downloaded. A file that has
them in the layout of torchvision (``features.0.weight`` and so on) is read, without torchvision.
"""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor, nn

from gdmlib._checks import check_tensor
from gdmlib.nn.dense import blank

PLAN = (64, 64, 0, 128, 128, 0, *4 * (256,), 0, *4 * (512,), 0, *4 * (512,), 0)
"""Features of the convolutions in turn; 0 is a halving."""
STAGES = (2, 7, 12, 21, 30)
"""How many layers there are up to and with the gates of conv1_1, conv2_1, ... conv5_1."""
MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of red, green and blue in the pictures of the training."""
FILE = "vgg19-dcbb9e9d.pth"
"""What torchvision calls the file."""


class VGG19(nn.Module):
    """The convolutions of VGG-19; `load` reads their weights."""

    mean: Tensor
    spread: Tensor
    smallest = 16
    """Pixels a side that become one place of the last stage."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for width in PLAN:
            if width:
                layers += [blank(nn.Conv2d, before, width, 3, padding=1), nn.ReLU()]
                before = width
            else:
                layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None])
        self.register_buffer("spread", torch.tensor(SPREAD)[:, None, None])

    @classmethod
    def load(cls, file: str | Path | None = None) -> VGG19:
        """Return the network with the weights of a file, in evaluation mode.

        Args:
            file: A state dict as torchvision publishes it; by default where torch keeps such.

        Raises:
            FileNotFoundError: If there is none; nothing is downloaded.
            ValueError: If it is no state dict of a VGG-19.
        """
        path = Path(torch.hub.get_dir()) / "checkpoints" / FILE if file is None else Path(file)
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"{path}: the weights of VGG-19 are not here (550 MB; nothing is downloaded "
                f"without being asked for). Put torchvision's {FILE} there, say where it is, or "
                "take PhotoFeatures.load('content')"
            ) from error
        except (UnpicklingError, RuntimeError, EOFError) as error:
            raise ValueError(f"{path}: expected a file of torch.save, got a damaged one") from error
        model = cls()
        names = [f"features.{name}" for name in model.features.state_dict()]
        found = state if isinstance(state, dict) else {}
        missing = [name for name in names if name not in found]
        if missing:
            raise ValueError(
                f"{path}: expected the weights of VGG-19, features.0.weight to features.34.bias, "
                f"got a file without {missing[0]}"
            )
        try:
            model.features.load_state_dict({n[len("features.") :]: found[n] for n in names})
        except RuntimeError as error:
            raise ValueError(f"{path}: expected the weights of VGG-19, got other sizes") from error
        return model.eval().requires_grad_(False)

    def standardised(self, x: Tensor) -> Tensor:
        """Return pictures in [0, 1] in the units of the network's training."""
        return (x - self.mean) / self.spread

    def each(self, x: Tensor) -> list[Tensor]:
        """Return the features after the gates of conv1_1, conv2_1, ... conv5_1.

        Args:
            x: Pictures in [0, 1], shape (B, 3, H, W), at least 16 pixels a side.
        """
        x = check_tensor(
            x, "x", shape=("B", 3, "H", "W"), floating=True, finite=False, like=self.mean
        )
        if min(x.shape[2:]) < self.smallest:
            raise ValueError(
                f"x: expected at least {self.smallest} pixels a side, got {tuple(x.shape[2:])}"
            )
        h, found = self.standardised(x), []
        for i, layer in enumerate(list(self.features)[: STAGES[-1]], 1):
            h = layer(h)
            if i in STAGES:
                found.append(h)
        return found
