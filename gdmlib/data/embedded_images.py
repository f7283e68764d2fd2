"""Pictures that come with scikit-image, so they are there with the network off."""

from __future__ import annotations

import numpy as np
import torch

from gdmlib.data import declare
from gdmlib.data.dataset import Dataset, Pictures
from gdmlib.data.reading import picture, shipped


@declare.embedded(content="3 × 512×512 grey", licence="CC0")
def textures() -> Pictures:
    """Load three grey textures, ``brick``, ``grass`` and ``gravel``.

    Returns:
        From name to a tensor ``(1, 512, 512)`` in [0, 1]. From scikit-image, all CC0: brick and
        gravel by CC0 Textures, grass by Linolafett.
    """
    return Pictures(
        {name: picture(shipped(f"{name}.png")) for name in ("brick", "grass", "gravel")},
        name="textures",
        source="CC0 Textures (brick, gravel) and Linolafett (grass); from scikit-image",
        licence="CC0 1.0",
    )


@declare.embedded(content="100 faces, 100 others, 25×25", licence="not stated (research)", tier="B")
def faces() -> Dataset:
    """Load 100 faces and 100 patches that are no faces, 25×25 pixels, grey.

    Returns:
        ``x`` ``(200, 1, 25, 25)`` in [0, 1]; ``y`` ``(200,)``, 1 for a face and 0 otherwise.
    """
    from skimage import data

    images = torch.from_numpy(np.asarray(data.lfw_subset(), dtype=np.float32))[:, None]
    y = torch.zeros(len(images), dtype=torch.int64)
    y[:100] = 1
    return Dataset(
        name="faces",
        x=images.clamp(0, 1),
        y=y,
        classes=("not a face", "face"),
        source="crops of 'Labeled Faces in the Wild' (Huang et al., 2007); from scikit-image",
        licence="not stated; published for research on face recognition",
    )


@declare.embedded(content="a stereo pair, its disparity", licence="free to use, with citation")
def stereo() -> Pictures:
    """Load a stereo pair, a motorcycle in a garage, with its true disparity.

    Returns:
        ``left`` and ``right`` ``(3, 500, 741)`` in [0, 1] and ``disparity`` ``(1, 500, 741)`` in
        pixels, NaN where it is not known. A point at column ``c`` of the left view is at column ``c
        - disparity`` of the right one. From the Middlebury stereo benchmark (Scharstein et al.,
        2014, doi 10.1007/978-3-319-11752-2_3), in scikit-image.
    """
    left, right = (shipped(f"motorcycle_{side}.png") for side in ("left", "right"))
    disparity = shipped("motorcycle_disp.npz")
    known = np.where(np.isfinite(disparity), disparity, np.nan).astype(np.float32)
    return Pictures(
        {
            "left": picture(left),
            "right": picture(right),
            "disparity": torch.from_numpy(known)[None],
        },
        name="stereo",
        source="D. Scharstein et al., 'High-resolution stereo datasets with subpixel-accurate "
        "ground truth', 2014 (Middlebury); from scikit-image",
        licence="free to use, with citation (Middlebury stereo benchmark)",
    )
