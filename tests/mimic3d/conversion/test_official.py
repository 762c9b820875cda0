"""What the authors' networks are, and what of them ours cannot be."""

import copy

import pytest
import torch
from pickles.official import EG3D_PLANES, full_state, structure

from mimic3d.conversion.official import read_discriminator, read_generator
from mimic3d.conversion.pickle_values import PickledObject


@pytest.fixture
def network():
    """Records like those of tiny_2d, with some settings replaced; None removes one."""

    def build(class_name="TriPlaneGenerator", rendering=None, modules=None, **changes):
        arguments = copy.deepcopy(structure("tiny_2d")["options"]["G_kwargs"])
        arguments["rendering_kwargs"] |= rendering or {}
        for group in (arguments, arguments["rendering_kwargs"]):
            for name in [name for name, value in group.items() if value is ABSENT]:
                del group[name]
        attributes = {"_init_kwargs": arguments, "_modules": modules or {}, **changes}
        return PickledObject(class_name, attributes)

    return build


ABSENT = object()


@pytest.fixture
def weights():
    return full_state("tiny_2d", "G")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_fp16_res", 4),
        ("triplane_act", "tanh"),
        ("blur_plane", 1),
        ("add_block", 2),
        ("depth_guided_sample", 0.1),
        ("roll_out", "w"),
        ("aware3d_att", True),
        ("rendering_kwargs", [1]),
        ("neural_rendering_resolution", "64"),
        ("mapping_kwargs", {"num_layers": 2, "lr_multiplier": 0.1}),
        ("mapping_kwargs", 2),
    ],
)
def test_other_generators_are_refused(network, weights, name, value):
    with pytest.raises(ValueError, match=rf"^G_ema\.{name}.*cannot be converted"):
        read_generator(network(**{name: value}), weights)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("clamp_mode", "relu"),
        ("disparity_space_sampling", True),
        ("c_scale", 0.5),
        ("c_scale", torch.ones(2)),
        ("superresolution_noise_mode", "random"),
        ("sr_antialias", False),
        ("decoder_lr_mul", 0.5),
        ("density_noise", 1.0),
        ("white_back", "yes"),
        ("ray_start", "auto"),
        ("ray_end", float("nan")),
        ("box_warp", True),
        ("depth_resolution", None),
        ("depth_resolution", 48.5),
        ("superresolution_module", "training.superresolution.SuperresolutionHybrid4X"),
        ("superresolution_module", 3),
        ("avg_camera_pivot", [0, 0]),
        ("avg_camera_pivot", [0, 0, "x"]),
        ("c_gen_conditioning_zero", "x"),
    ],
)
def test_other_renderings_are_refused(network, weights, name, value):
    with pytest.raises(ValueError, match=rf"rendering_kwargs\.{name} must .*cannot be converted"):
        read_generator(network(rendering={name: value}), weights)


@pytest.mark.parametrize("name", ["c_scale", "ray_start", "gpc_reg_prob", "clamp_mode"])
def test_silence_about_a_setting_is_refused(network, weights, name):
    with pytest.raises(ValueError, match=f"rendering_kwargs must tell {name}, does not"):
        read_generator(network(rendering={name: ABSENT}), weights)


def test_sizes_out_of_range(network, weights):
    with pytest.raises(ValueError, match=r"rendering\.depth_resolution: .* cannot be converted"):
        read_generator(network(rendering={"depth_resolution": 0}), weights)
    with pytest.raises(ValueError, match="must not exceed image_resolution"):
        read_generator(network(neural_rendering_resolution=256), weights)
    with pytest.raises(ValueError, match="near must be smaller than far"):
        read_generator(network(rendering={"ray_end": 0.1}), weights)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"gpc_reg_prob": None}, False),
        ({"c_gen_conditioning_zero": True}, False),
    ],
)
def test_camera_conditioning(network, weights, changes, expected):
    cfg, _ = read_generator(network(rendering=changes), weights)
    assert cfg.mapping.camera_conditioning == expected


@pytest.mark.parametrize("name", ["DualTriPlaneGenerator", "MappingNetwork", "os.system"])
def test_other_classes_are_refused(network, weights, name):
    with pytest.raises(ValueError, match=f"G_ema must be a TriPlaneGenerator, is '{name}'"):
        read_generator(network(name), weights)


def test_network_without_arguments(weights):
    with pytest.raises(ValueError, match="G_ema must tell rendering_kwargs"):
        read_generator(PickledObject("TriPlaneGenerator", {}), weights)


def test_attributes_win_over_arguments(network, weights):
    """Training changes attributes, such as the resolution of the rendering."""
    cfg, _ = read_generator(network(neural_rendering_resolution=32), weights)
    assert cfg.neural_rendering_resolution == 32


def test_aware3d_levels(network, weights):
    some = {name: value for name, value in weights.items() if "b3d4." not in name}
    with pytest.raises(ValueError, match=r"aware3d_res must be \[4, 8, 16, 32\] or none"):
        read_generator(network(), some)
    none = {name: value for name, value in weights.items() if "b3d" not in name}
    cfg, _ = read_generator(network(), none)
    assert not cfg.aware3d
    assert cfg.rendering.plane_axes == ("xy", "yz", "zx")  # the ablation of Mimic3D, not EG3D


@pytest.mark.parametrize("retidx", [[-2, -1], [-3], None, [torch.ones(2), -1], ABSENT])
def test_other_detail_planes_are_refused(network, retidx):
    weights = full_state("tiny_3d", "G")
    attributes = {} if retidx is ABSENT else {"retidx": retidx}
    record = network("DualTriPlaneGenerator", **attributes)
    record.attributes["_init_kwargs"].pop("retidx")
    with pytest.raises(ValueError, match="retidx"):
        read_generator(record, weights)


@pytest.mark.parametrize(
    ("planes", "expected"),
    [
        (EG3D_PLANES, ("xy", "xz", "zx")),
        ([EG3D_PLANES[0], EG3D_PLANES[1], [[0, 0, 1], [0, 1, 0], [1, 0, 0]]], ("xy", "xz", "zy")),
        ([[[1, 1, 0], [0, 1, 0], [0, 0, 1]]] * 3, None),
        ([[[-1, 0, 0], [0, 1, 0], [0, 0, 1]]] * 3, None),
        ([[1, 0, 0]] * 3, None),
    ],
)
def test_planes_of_eg3d(network, weights, planes, expected):
    """Coordinates of points are multiplied by inverse matrices; the first two lie in the plane."""
    weights = {name: value for name, value in weights.items() if "b3d" not in name}
    weights["backbone.synthesis.b4.const"] = weights["backbone.synthesis.b4.const"][0]
    matrices = torch.tensor(planes, dtype=torch.float32)
    record = network(
        modules={"renderer": PickledObject("ImportanceRenderer", {"plane_axes": matrices})}
    )
    if expected is None:
        with pytest.raises(ValueError, match="plane_axes must permute"):
            read_generator(record, weights)
        return
    cfg, _ = read_generator(record, weights)
    assert cfg.rendering.plane_axes == expected
    point = torch.tensor([1.0, 2.0, 3.0])  # x y z
    for matrix, axes in zip(matrices, cfg.rendering.plane_axes, strict=True):
        projected = (point @ matrix.inverse())[:2]
        assert projected.tolist() == [1.0 + "xyz".index(axis) for axis in axes]


def test_incomplete_levels(network, weights):
    for lost in (4, 8, 16):
        some = {name: value for name, value in weights.items() if f"synthesis.b{lost}." not in name}
        with pytest.raises(ValueError, match=r"blocks for 4, 8, 16\.\.\. pixels, has \["):
            read_generator(network(), some)


def test_widths_without_a_law_are_refused(network, weights):
    weights["backbone.synthesis.b8.torgb.weight"] = torch.ones(96, 15, 1, 1)
    with pytest.raises(ValueError, match=r"for 8 pixels must have min\(512 / 8, 16\) channels"):
        read_generator(network(), weights)


def test_a_generator_without_super_resolution_is_said_to_be_one(network, weights):
    direct = {key: value for key, value in weights.items() if "superresolution" not in key}
    with pytest.raises(
        ValueError, match="must have a super-resolution network, has none"
    ) as caught:
        read_generator(network(), direct)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["decoder.net.2.weight", "backbone.mapping.embed.weight"])
def test_missing_tensors_are_named(network, weights, name):
    weights[name] = weights[name][0]
    with pytest.raises(ValueError, match=f"G_ema must hold {name} with 2 axes"):
        read_generator(network(), weights)
    del weights[name]
    with pytest.raises(ValueError, match=f"G_ema must hold {name} with 2 axes, has"):
        read_generator(network(), weights)


def test_discriminator():
    arguments = structure("tiny_2d")["options"]["D_kwargs"]
    weights = full_state("tiny_2d", "D")
    record = PickledObject("DualDiscriminator", {"_init_kwargs": arguments})
    cfg, side = read_discriminator(record, weights, "D")
    assert (side, cfg.channel_base, cfg.channel_max, cfg.mapping_layers) == (128, 1024, 32, 8)
    assert cfg.mbstd_group_size == 4
    for name, value in (("num_fp16_res", 0), ("conv_clamp", None), ("disc_c_noise", 0.5)):
        other = PickledObject("DualDiscriminator", {"_init_kwargs": arguments, name: value})
        with pytest.raises(ValueError, match=rf"D\.{name} must be"):
            read_discriminator(other, weights, "D")
    with pytest.raises(ValueError, match="D must be a DualDiscriminator, is 'StyleGAN2D"):
        read_discriminator(PickledObject("StyleGAN2Discriminator", {}), weights, "D")
    groups = PickledObject("DualDiscriminator", {"epilogue_kwargs": {"mbstd_group_size": 8}})
    assert read_discriminator(groups, weights, "D")[0].mbstd_group_size == 8
