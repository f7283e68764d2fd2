"""Images by the chain rule over pixels: PixelCNN."""

from gdmlib.autoregressive import GatedPixelCNN
from gdmlib.reproduce.experiment import held_out, trained
from gdmlib.reproduce.records import Published
from gdmlib.reproduce.tasks import BINARY, CIFAR10

_PIXEL_SMOKE = {"features": 6, "layers": 2, "kernel_size": 3, "epochs": 2, "batch_size": 20}

PIXELCNN = held_out(
    "pixelcnn_mnist",
    "Gated PixelCNN, two stacks",
    BINARY["mnist"],
    trained(GatedPixelCNN),
    Published(
        81.30, "nats", "van den Oord, Kalchbrenner and Kavukcuoglu (2016), arXiv:1601.06759"
    ),
    "The paper's network has masked convolutions with a blind spot; ours is gated and has none. "
    "The weights are averaged over the training.",
    config={
        "data": "mnist", "binarise_seed": 0, "features": 64, "layers": 12, "kernel_size": 5,
        "position": True, "dropout": 0.1, "epochs": 100, "batch_size": 64, "lr": 1e-3,
        "average": 0.9995, "clip": 10.0, "mixed_precision": True,
    },
    smoke={**_PIXEL_SMOKE, "shape": [1, 6, 6], "average": 0.9},
    seeds=(0,),
    trains=True,
)  # fmt: skip

PIXELCNNPP = held_out(
    "pixelcnnpp_cifar10_subset",
    "Gated PixelCNN with the head of PixelCNN++",
    CIFAR10,
    trained(GatedPixelCNN, levels=256),
    Published(
        2.92, "bits/dim", "Salimans, Karpathy, Chen and Kingma (2017), PixelCNN++, "
        "arXiv:1701.05517",
    ),
    "It shares the head, a mixture of discretised logistic densities.",
    config={
        "data": "cifar10_subset", "validation": 1000, "features": 96, "layers": 12,
        "kernel_size": 5, "position": False, "components": 10, "dropout": 0.5, "epochs": 200,
        "batch_size": 32, "lr": 1e-3, "average": 0.9995, "clip": 10.0,
        "mixed_precision": True,
    },
    smoke={**_PIXEL_SMOKE, "components": 2, "average": 0.9},
    seeds=(0,),
    trains=True,
)  # fmt: skip
