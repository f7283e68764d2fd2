"""Write ``gdmlib/weights.txt``, what the library knows of the weights in ``checkpoints/``.

    python -m tools.weights

Run it after weights came, changed or went; a test says so otherwise.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from tools.addresses import ROOT
from tools.notebooks import write_text

HEAD = "# name, bytes, sha256, processor seconds of the training: python -m tools.weights\n"


def lines(folder: Path) -> str:
    """Return the text of the file for the weights in a folder, each with its ``.json`` beside."""
    made = [HEAD]
    for path in sorted(folder.glob("*.safetensors")):
        about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        content = path.read_bytes()
        digest, seconds = hashlib.sha256(content).hexdigest(), about.get("cpu_seconds", "-")
        made.append(f"{path.stem} {len(content)} sha256:{digest} {seconds}\n")
    return "".join(made)


if __name__ == "__main__":
    write_text(ROOT / "gdmlib" / "weights.txt", lines(ROOT / "checkpoints"))
