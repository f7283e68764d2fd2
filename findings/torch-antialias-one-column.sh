#!/usr/bin/env bash
# torch 2.13.0, functional.interpolate. One would expect: with antialias=True a picture is made smaller as Pillow does it, whatever the sides.
# What happens: where the result is one column wide (and more than one row high) its numbers are wrong, in float32 and float64, for one
# channel and for several, without a warning; one row, two columns and one pixel are right. A strip that is constant along its width shows
# it: its column must not depend on how many columns are asked for. What to do: transpose, resize to one row, transpose back.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --disable-pip-version-check torch==2.13.0 numpy==2.4.6 pillow==12.0.0
cat > "$dir/demo.py" <<'PY'
import numpy as np
import torch
from PIL import Image
from torch.nn.functional import interpolate

filters = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}
x = torch.rand(1, 1, 16, 8, generator=torch.Generator().manual_seed(0))
print("torch", torch.__version__, "- largest difference from Pillow, values in [0, 1], 16 x 8 pixels made")
wrong = {}
for mode, kernel in filters.items():
    for height, width in ((4, 1), (4, 2), (1, 4), (1, 1)):
        small = interpolate(x, size=(height, width), mode=mode, antialias=True, align_corners=False)
        pillow = np.asarray(Image.fromarray(x[0, 0].numpy()).resize((width, height), kernel))
        wrong[mode, height, width] = float((small[0, 0] - torch.tensor(pillow)).abs().max())
        print(f"    {mode:8s} {height} x {width}: {wrong[mode, height, width]:.6f}")
    turned = interpolate(x.mT, size=(1, 4), mode=mode, antialias=True, align_corners=False).mT
    pillow = np.asarray(Image.fromarray(x[0, 0].numpy()).resize((1, 4), kernel))
    wrong[mode, "turned"] = float((turned[0, 0] - torch.tensor(pillow)).abs().max())
    print(f"    {mode:8s} 4 x 1 by way of 1 x 4: {wrong[mode, 'turned']:.6f}")
for key, gap in wrong.items():
    assert (gap > 0.01) == (key[1:] == (4, 1)), (key, gap)
PY
OMP_NUM_THREADS=1 "$dir/venv/bin/python" "$dir/demo.py"
