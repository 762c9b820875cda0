"""Parameter counts of the authors' models (measured on their code)."""

import pytest
import torch

from mimic3d.networks.discriminator import (
    DiscriminatorConfig,
    DualDiscriminator,
    PatchDiscriminator,
)
from mimic3d.networks.mapping import MappingConfig, MappingNetwork
from mimic3d.networks.pyramid import DetailBranch, SidePyramid
from mimic3d.networks.superresolution import SuperResolution, SuperResolutionConfig
from mimic3d.networks.synthesis import BackboneConfig, SynthesisBackbone


def count(module):
    return sum(p.numel() for p in module.parameters())


@pytest.fixture(autouse=True)
def _meta():
    with torch.device("meta"):
        yield


def test_generator():
    backbone = SynthesisBackbone(BackboneConfig(), 512, 256, img_channels=96)
    assert backbone.num_ws == 14
    assert count(backbone) == 28_207_533
    assert count(MappingNetwork(MappingConfig(), 512, 25, 512, num_ws=14)) == 800_768
    pyramid = SidePyramid(32, 512, 256, legacy=False)
    assert count(pyramid) == 3_511_886
    assert [count(block) for block in pyramid.blocks] == [501_698] * 7
    detail = DetailBranch(32, 512, 256, legacy=False)
    assert count(detail.block2) == count(detail.block3) == 167_298


@pytest.mark.parametrize(
    ("resolution", "expected"), [(512, 1_649_578), (256, 574_954), (128, 574_954)]
)
def test_superresolution(resolution, expected):
    assert count(SuperResolution(SuperResolutionConfig(), 32, 512, resolution)) == expected


@pytest.mark.parametrize(
    ("resolution", "expected"), [(512, 31_359_744), (256, 31_241_216), (128, 30_766_592)]
)
def test_dual_discriminator(resolution, expected):
    assert count(DualDiscriminator(DiscriminatorConfig(), resolution)) == expected


def test_patch_discriminator():
    assert count(PatchDiscriminator(DiscriminatorConfig(), 64)) == 26_488_833
