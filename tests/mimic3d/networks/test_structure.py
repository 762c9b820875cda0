"""Our networks of full size have the tensors of the authors' ones: every name, shape and count."""

import pytest
import torch
from golden.anatomy import assert_same_anatomy
from pickles.official import structure

from mimic3d.conversion.official import read_discriminator, read_generator
from mimic3d.conversion.pickle_values import PickledObject
from mimic3d.networks.discriminator import (
    DiscriminatorConfig,
    DualDiscriminator,
    PatchDiscriminator,
)
from mimic3d.networks.generator import Generator, GeneratorConfig

# Measured on the authors' code: parameters of G without and with detail planes, and of D.
TOTALS = {
    "ffhq512": (34_174_022, 34_508_618, 31_359_744),
    "ffhq256": (33_099_398, 33_433_994, 31_241_216),
    "shapenet128": (33_099_398, 33_433_994, 30_766_592),
}
PATCH_TOTAL = 26_488_833
NETS = [f"{name}_{kind}" for name in TOTALS for kind in ("2d", "3d")]


@pytest.fixture(autouse=True)
def _meta():
    with torch.device("meta"):
        yield


def read(listed: dict, network: str) -> tuple[PickledObject, dict[str, torch.Tensor]]:
    """A network as it comes out of a pickle, with weights that have nothing but a shape."""
    arguments = listed["options"][f"{network}_kwargs"]
    class_name = arguments["class_name"].rpartition(".")[2]
    weights = {name: torch.empty(shape) for name, shape, *_ in listed[f"{network}_state"]}
    return PickledObject(class_name, {"_init_kwargs": arguments, **arguments}), weights


@pytest.mark.parametrize("net", NETS)
def test_generator(net):
    listed = structure(net)
    cfg, scene = read_generator(*read(listed, "G"))
    generator = Generator(cfg, scene)
    assert_same_anatomy(generator, listed, "G")
    assert generator.backbone.num_ws == listed["num_ws"]
    name, _, kind = net.partition("_")
    total = sum(parameter.numel() for parameter in generator.parameters())
    assert total == TOTALS[name][kind == "3d"]


@pytest.mark.parametrize("net", NETS)
def test_discriminators(net):
    listed = structure(net)
    cfg, side = read_discriminator(*read(listed, "D"), "D")
    D = DualDiscriminator(cfg, side)
    assert_same_anatomy(D, listed, "D")
    assert sum(p.numel() for p in D.parameters()) == TOTALS[net.partition("_")[0]][2]
    if net.endswith("3d"):
        cfg, side = read_discriminator(*read(listed, "D_patch"), "D_patch")
        D_patch = PatchDiscriminator(cfg, side)
        assert side == 64
        assert_same_anatomy(D_patch, listed, "D_patch")
        assert sum(p.numel() for p in D_patch.parameters()) == PATCH_TOTAL


def test_the_defaults_are_the_model_for_512_pixels():
    listed = structure("ffhq512_3d")
    cfg, _ = read_generator(*read(listed, "G"))
    assert cfg == GeneratorConfig(detail=True, legacy=True)
    assert read_discriminator(*read(listed, "D"), "D") == (DiscriminatorConfig(), 512)
    assert read_discriminator(*read(listed, "D_patch"), "D_patch") == (DiscriminatorConfig(), 64)


@pytest.mark.parametrize("change", ["shape", "lost", "added", "buffer", "twice"])
def test_the_comparison_sees_differences(change):
    listed = structure("tiny_2d")
    generator = Generator(*read_generator(*read(listed, "G")))
    assert_same_anatomy(generator, listed, "G")
    state = listed["G_state"]
    name = "superresolution.block0.conv0.bias"
    index = next(k for k, entry in enumerate(state) if entry[0] == name)
    if change == "shape":
        state[index][1] = [129]
    elif change == "buffer":
        state[index][3] = "buffer"
    elif change == "lost":
        del state[index]
    elif change == "twice":
        state.append(state[index])
    else:
        state.append(["superresolution.block2.conv0.bias", [3], "float32", "param"])
    with pytest.raises(AssertionError):
        assert_same_anatomy(generator, listed, "G")
