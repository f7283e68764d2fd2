"""VGG-19 without torchvision: its layers, and the file with its weights."""

from __future__ import annotations

import pytest
import torch

from gdmlib.features import StyleLoss
from gdmlib.nn.dense import start
from gdmlib.nn.vgg import FILE, VGG19


@pytest.fixture(scope="module")
def network():
    made = VGG19()
    start(made, torch.Generator().manual_seed(0))
    return made.requires_grad_(False)


def as_published(network):
    """Return a state dict in torchvision's layout, whose tensors take no room in a file."""
    shapes = {f"features.{n}": v.shape for n, v in network.features.state_dict().items()}
    state = {name: torch.tensor(0.01).expand(shape) for name, shape in shapes.items()}
    return state | {"classifier.0.bias": torch.zeros(3)}


def test_it_is_the_network_of_the_papers(network):
    count = sum(p.numel() for p in network.parameters())
    assert count == 20_024_384  # without the three dense layers, torchvision's own count
    stages = network.each(torch.rand(1, 3, 32, 32))
    assert [tuple(f.shape[1:]) for f in stages] == [
        (64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4), (512, 2, 2)]  # fmt: skip
    assert all(float(f.min()) >= 0 for f in stages)
    x = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(1))
    assert float(StyleLoss(network, x, scales=1)(x)) < 1e-6


def test_its_weights_are_read_from_a_file(network, tmp_path, monkeypatch):
    (tmp_path / "checkpoints").mkdir()
    torch.save(as_published(network), tmp_path / "checkpoints" / FILE)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    loaded = VGG19.load()
    assert not loaded.training and not any(p.requires_grad for p in loaded.parameters())
    assert float(loaded.features[34].weight.mean()) == pytest.approx(0.01)


def test_files_that_do_not_serve_are_named(network, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"weights of VGG-19 are not here.*'content'"):
        VGG19.load(tmp_path / "none.pth")
    path = tmp_path / "weights.pth"
    path.write_bytes(b"no weights at all")
    with pytest.raises(ValueError, match=r"expected a file of torch\.save, got a damaged one"):
        VGG19.load(path)
    state = as_published(network)
    torch.save({n: v for n, v in state.items() if n != "features.5.weight"}, path)
    with pytest.raises(ValueError, match=r"got a file without features\.5\.weight"):
        VGG19.load(path)
    torch.save(state | {"features.5.weight": torch.zeros(2, 2)}, path)
    with pytest.raises(ValueError, match="expected the weights of VGG-19, got other sizes"):
        VGG19.load(path)
    torch.save([1, 2], path)
    with pytest.raises(ValueError, match=r"got a file without features\.0\.weight"):
        VGG19.load(path)


def test_wrong_pictures_are_named(network):
    with pytest.raises(ValueError, match=r"x: expected shape \(B, 3, H, W\), got \(1, 1, 32, 32\)"):
        network.each(torch.zeros(1, 1, 32, 32))
    with pytest.raises(ValueError, match="x: expected at least 16 pixels a side"):
        network.each(torch.zeros(1, 3, 8, 32))
