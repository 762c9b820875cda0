import hashlib
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from mimic3d.metrics import inception
from mimic3d.metrics.inception import InceptionConfig, check_inception, load_inception


class StandIn(nn.Module):
    """Called and answering as the published file: 2048 features of bytes."""

    def __init__(self):
        super().__init__()
        self.register_buffer("weight", torch.randn(2048, 12))

    def forward(self, img: Tensor, return_features: bool = False) -> Tensor:
        assert img.dtype == torch.uint8
        if not return_features:
            return img.float().mean(dim=[2, 3])
        x = nn.functional.interpolate(img / 255, size=(2, 2), mode="bilinear")
        return x.flatten(1) @ self.weight.t()


class Narrow(StandIn):
    def forward(self, img: Tensor, return_features: bool = False) -> Tensor:
        return img.float().mean(dim=[2, 3])


class Other(nn.Module):
    def forward(self, img: Tensor) -> Tensor:
        return img.float()


def script(module: nn.Module, path: Path) -> Path:
    torch.jit.script(module).save(str(path))
    return path


@pytest.fixture
def published(tmp_path) -> Path:
    return script(StandIn(), tmp_path / "inception.pt")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_features_are_those_of_the_module(published, tmp_path, monkeypatch):
    cfg = InceptionConfig(weights=str(published), sha256=digest(published))
    network, notice = load_inception(cfg, tmp_path)
    images = torch.randint(256, (5, 3, 16, 16), dtype=torch.uint8)
    expected = torch.jit.load(published)(images, return_features=True)
    torch.testing.assert_close(network(images), expected)
    monkeypatch.setattr(inception, "CHUNK", 2)
    torch.testing.assert_close(network(images), expected)
    assert network.name == f"inception-{digest(published)[:12]}"
    assert (network.label, network.dim, notice) == ("inception", 2048, None)


def test_an_unchecked_file_is_told_with_what_to_write_down(published, tmp_path):
    _, notice = load_inception(InceptionConfig(weights=str(published)), tmp_path)
    assert notice is not None
    assert "evaluate.distribution.inception.sha256 is not set" in notice
    assert digest(published) in notice


def test_another_file_than_the_checked_one_is_refused(published, tmp_path):
    cfg = InceptionConfig(weights=str(published), sha256="0" * 64)
    with pytest.raises(ValueError, match=f"must begin with 0{{64}}, is {digest(published)}"):
        load_inception(cfg, tmp_path)
    with pytest.raises(ValueError, match="must begin with"):
        check_inception(cfg)


def test_it_is_fetched_by_url(published, tmp_path):
    cfg = InceptionConfig(weights=published.as_uri())
    network, _ = load_inception(cfg, tmp_path / "cache")
    assert network.name.endswith(digest(published)[:12])
    check_inception(cfg)  # of a URL nothing is fetched before it is needed


class Trap:
    """Leaves a trace if unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("form", ["pickle", "torch.save", "zip"])
def test_pickles_are_refused_unread(form, tmp_path):
    trace, path = tmp_path / "trace", tmp_path / "inception-2015-12-05.pkl"
    if form == "pickle":
        path.write_bytes(pickle.dumps(Trap(trace)))
    elif form == "torch.save":
        torch.save(Trap(trace), path)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("data.pkl", pickle.dumps(Trap(trace)))
    cfg = InceptionConfig(weights=str(path))
    for refuse in (check_inception, lambda cfg: load_inception(cfg, tmp_path)):
        with pytest.raises(ValueError, match=r"in TorchScript form.*is a pickle") as refusal:
            refuse(cfg)
        assert str(refusal.value).startswith("evaluate.distribution.inception.weights must be")
        assert "\n" not in str(refusal.value)
    assert not trace.exists()


@pytest.mark.parametrize("module", [Narrow(), Other()])
def test_modules_of_another_interface_are_refused(module, tmp_path):
    path = script(module, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"TorchScript form.*return_features=True") as refusal:
        load_inception(InceptionConfig(weights=str(path)), tmp_path)
    assert "\n" not in str(refusal.value)


def test_a_damaged_file_is_refused(published, tmp_path):
    with zipfile.ZipFile(published) as archive:
        code = next(info for info in archive.infolist() if info.filename.endswith(".py"))
    content = bytearray(published.read_bytes())
    start = code.header_offset + 100 + len(code.filename)
    content[start : start + 64] = bytes(64)
    published.write_bytes(content)
    with pytest.raises(ValueError, match=r"inception.weights must be .* cannot be used"):
        load_inception(InceptionConfig(weights=str(published)), tmp_path)


def test_a_missing_file_is_an_error_before_anything_starts(tmp_path):
    cfg = InceptionConfig(weights=str(tmp_path / "nowhere.pt"))
    with pytest.raises(ValueError, match=r"evaluate.distribution.inception.weights must be a URL"):
        check_inception(cfg)
