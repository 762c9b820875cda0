"""The authors' networks -> our configurations of the same networks.

Sizes come from the shapes of tensors, all else from the settings that the pickle keeps. What our
networks cannot reproduce is refused by name, never guessed.
"""

from itertools import count, takewhile

import torch
from pydantic import ValidationError
from torch import Tensor

from mimic3d.cameras import FFHQ_FOCAL, Point, Scene
from mimic3d.conversion.keymap import block_resolutions
from mimic3d.conversion.official_options import REFUSED, Options, describe, read_options
from mimic3d.conversion.pickle_values import PickledObject
from mimic3d.networks.discriminator import DiscriminatorConfig
from mimic3d.networks.generator import GeneratorConfig
from mimic3d.networks.superresolution import TWO_STEPS_FROM
from mimic3d.rendering.triplane import EG3D_PLANE_AXES, PLANE_AXES

SYNTHESIS = "backbone.synthesis"
# What ours reproduces, by keyword argument of theirs.
GENERATOR_OPTIONS = {
    "num_fp16_res": (0,), "triplane_act": (None, "none"), "blur_plane": (0,), "add_block": (0,),
    "depth_guided_sample": (0,), "roll_out": (None, "b"), "aware3d_att": (False,),
}  # fmt: skip
RENDERING_OPTIONS = {
    "clamp_mode": ("softplus",), "disparity_space_sampling": (False,), "c_scale": (1,),
    "superresolution_noise_mode": ("none",), "sr_antialias": (True,),
    "c_gen_conditioning_zero": (False, True),
}  # fmt: skip
RARE_OPTIONS = {"decoder_lr_mul": (1,), "density_noise": (0,), "white_back": (False, True)}
DISCRIMINATOR_OPTIONS = {"num_fp16_res": (4,), "conv_clamp": (256,), "disc_c_noise": (0,)}
# Endings of `training.superresolution.SuperresolutionHybrid...` by side of the image in pixels.
SUPERRESOLUTION = {128: ("2X",), 256: ("4X",), 512: ("8X", "8XDC")}
# Focal length of the viewers, and radius if none is recorded. Only ShapeNet's scene is white.
SHAPENET_VIEW = 1.7074, 1.7
FACES_VIEW = FFHQ_FOCAL, 2.7
MAX_LEVELS = 10  # blocks up to 2048 pixels
MAX_SIDE = 2**16  # of a tensor whose sides are those of other ones; ours are products of them

Weights = dict[str, Tensor]


def read_generator(network: PickledObject, weights: Weights) -> tuple[GeneratorConfig, Scene]:
    """Configuration of a generator of Mimic3D or EG3D, and the scene of its viewer.

    Raises:
        ValueError: ours does not reproduce it.
    """
    options = read_options(network, "G_ema")
    rendering = options.group("rendering_kwargs")
    options.check_given(GENERATOR_OPTIONS)
    rendering.check(RENDERING_OPTIONS)
    rendering.check_given(RARE_OPTIONS)
    _check_mapping(options)
    fields = _read_sizes(weights) | _read_rendering(rendering, weights)
    fields |= _read_pyramid(network, options, weights)
    fields["neural_rendering_resolution"] = options.integer("neural_rendering_resolution")
    fields["rendering"]["plane_axes"] = _read_plane_axes(network, weights)
    try:
        return GeneratorConfig(**fields, legacy=True), _read_scene(rendering)
    except ValidationError as error:
        raise _misfit(error, "G_ema") from error


def read_discriminator(
    network: PickledObject, weights: Weights, which: str
) -> tuple[DiscriminatorConfig, int]:
    """Configuration of D or D_patch, and the resolution of the images that it sees.

    Raises:
        ValueError: ours does not reproduce it.
    """
    options = read_options(network, which)
    options.check_given(DISCRIMINATOR_OPTIONS)
    _check_mapping(options)
    class_name = "SingleDiscriminator" if which == "D_patch" else "DualDiscriminator"
    _check_class(network, class_name, which)
    sides = _read_levels(weights, "b", which)
    layers = {4: "b4.conv", **{side: f"b{side}.conv0" for side in sides[1:]}}
    widths = {k: _shape(weights, f"{name}.weight", 4, which)[0] for k, name in layers.items()}
    fields = _read_widths(widths, which)
    if depth := _count_layers(weights, "mapping.fc{}.weight"):
        fields["mapping_layers"] = depth
    if "epilogue_kwargs" in options.values:
        epilogue = options.group("epilogue_kwargs")
        fields["mbstd_group_size"] = epilogue.integer("mbstd_group_size")
    try:
        return DiscriminatorConfig.model_validate(fields), sides[-1]
    except ValidationError as error:
        raise _misfit(error, which) from error


def _read_sizes(weights: Weights) -> dict:
    levels = _read_levels(weights, f"{SYNTHESIS}.b", "G_ema")
    images = {side: _shape(weights, f"{SYNTHESIS}.b{side}.torgb.weight", 4) for side in levels}
    w_dim = _shape(weights, "backbone.mapping.embed.weight", 2)[0]
    outputs, hidden = _shape(weights, "decoder.net.2.weight", 2)
    return {
        "plane_resolution": levels[-1],
        "plane_channels": images[levels[-1]][0] // 3,
        "feature_channels": outputs - 1,
        "z_dim": _shape(weights, "backbone.mapping.fc0.weight", 2)[1] - w_dim,
        "w_dim": w_dim,
        "backbone": _read_widths({side: shape[1] for side, shape in images.items()}, "G_ema"),
        "decoder": {"hidden_channels": hidden},
    }


def _read_rendering(rendering: Options, weights: Weights) -> dict:
    if not any(name.startswith("superresolution.") for name in weights):
        raise ValueError(
            f"G_ema must have a super-resolution network, has none: it makes its images by volume "
            f"rendering alone, so it has no 2D branch to show or to imitate; {REFUSED}"
        )
    side = _shape(weights, "superresolution.block1.conv1.noise_const", 2)[0]
    channels = _shape(weights, "superresolution.block1.conv1.weight", 4)[0]
    module = describe(rendering.get("superresolution_module")).strip("'")
    if module.partition("SuperresolutionHybrid")[2] not in SUPERRESOLUTION.get(side, ()):
        raise ValueError(
            f"{rendering.where}.superresolution_module must be the official one for its images of "
            f"{side} pixels, is {module}; {REFUSED}"
        )
    zero = rendering.get("c_gen_conditioning_zero") or rendering.get("gpc_reg_prob") is None
    return {
        "image_resolution": side,
        "superresolution": {"channels": channels // 2 if side >= TWO_STEPS_FROM else channels},
        "mapping": {
            "num_layers": _count_layers(weights, "backbone.mapping.fc{}.weight"),
            "camera_conditioning": not zero,
        },
        "rendering": {
            name: rendering.integer(name)
            for name in ("depth_resolution", "depth_resolution_importance")
        },
    }


def _read_pyramid(network: PickledObject, options: Options, weights: Weights) -> dict:
    levels = block_resolutions(weights, f"{SYNTHESIS}.b")
    aware = block_resolutions(weights, f"{SYNTHESIS}.b3d")
    if aware and aware != levels:
        raise ValueError(f"G_ema.aware3d_res must be {levels} or none, is {aware}; {REFUSED}")
    detail = any(f"{SYNTHESIS}.b3d{side}.block2.conv0.weight" in weights for side in aware)
    _check_class(network, "DualTriPlaneGenerator" if detail else "TriPlaneGenerator", "G_ema")
    if detail:
        chosen = options.get("retidx")
        if not isinstance(chosen, list) or list(map(describe, chosen)) != ["-3", "-1"]:
            raise ValueError(f"G_ema.retidx must be [-3, -1], is {describe(chosen)}; {REFUSED}")
    return {"aware3d": bool(aware), "detail": detail}


def _read_plane_axes(network: PickledObject, weights: Weights) -> tuple[str, ...]:
    """Axes of space along columns and rows of the planes.

    EG3D has the same learnt constant without a batch axis, and its renderer keeps matrices whose
    inverses project points: all their entries are 0 but one in each row and column.
    """
    const = weights.get(f"{SYNTHESIS}.b4.const")
    if const is None or const.dim() == 4:
        return PLANE_AXES
    modules = network.get("_modules")
    renderer = modules.get("renderer") if isinstance(modules, dict) else None
    planes = renderer.get("plane_axes") if isinstance(renderer, PickledObject) else None
    if not isinstance(planes, Tensor):
        return EG3D_PLANE_AXES
    is_bijective = planes.shape == (3, 3, 3) and all(
        set(plane.flatten().tolist()) == {0, 1} and (plane @ plane.T).equal(torch.eye(3))
        for plane in planes.float()
    )
    if not is_bijective:
        raise ValueError(f"G_ema.renderer.plane_axes must permute the axes of space; {REFUSED}")
    return tuple("xyz"[plane[0].argmax()] + "xyz"[plane[1].argmax()] for plane in planes)


def _read_scene(rendering: Options) -> Scene:
    """Scene of official labels: cameras around the origin, which look at a point near it."""
    white_back = bool(rendering.values.get("white_back"))
    focal, radius = SHAPENET_VIEW if white_back else FACES_VIEW
    if "avg_camera_radius" in rendering.values:
        radius = rendering.number("avg_camera_radius")
    pivot: Point = (0.0, 0.0, 0.0)
    if "avg_camera_pivot" in rendering.values:
        point = rendering.get("avg_camera_pivot")
        if not isinstance(point, list | tuple) or len(point) != 3:
            raise ValueError(f"{rendering.where}.avg_camera_pivot must be 3 numbers; {REFUSED}")
        x, y, z = (Options(rendering.where, {"avg_camera_pivot": n}).number("avg_camera_pivot")
                   for n in point)  # fmt: skip
        pivot = (x, y, z)
    return Scene(
        radius=radius,
        orbit_center=(0.0, 0.0, 0.0),
        pivot=pivot,
        focal=focal,
        near=rendering.number("ray_start"),
        far=rendering.number("ray_end"),
        box_warp=rendering.number("box_warp"),
        white_back=white_back,
    )


def _read_levels(weights: Weights, prefix: str, which: str) -> list[int]:
    levels = block_resolutions(weights, prefix)
    complete = [4 << k for k in range(len(levels))]
    if not 2 <= len(levels) <= MAX_LEVELS or levels != complete:
        raise ValueError(
            f"{which} must have blocks for 4, 8, 16... pixels, has {levels[:20]}; {REFUSED}"
        )
    return levels


def _read_widths(widths: dict[int, int], which: str) -> dict[str, int]:
    """The law min(base / resolution, max) that the widths of all blocks follow."""
    base, cap = max(side * width for side, width in widths.items()), max(widths.values())
    for side, width in widths.items():
        if width != min(base // side, cap):
            raise ValueError(
                f"the block of {which} for {side} pixels must have min({base} / {side}, {cap}) "
                f"channels, has {width}; {REFUSED}"
            )
    return {"channel_base": base, "channel_max": cap}


def _check_class(network: PickledObject, class_name: str, which: str) -> None:
    if network.class_name != class_name:
        actual = describe(network.class_name)
        raise ValueError(f"{which} must be a {class_name}, is {actual}; {REFUSED}")


def _check_mapping(options: Options) -> None:
    """Checks that only the number of layers differs from StyleGAN2's mapping network."""
    if "mapping_kwargs" in options.values:
        for name in options.group("mapping_kwargs").values:
            if name != "num_layers":
                given = f"{options.where}.mapping_kwargs holds {describe(name)}"
                raise ValueError(f"{given}; {REFUSED}")


def _count_layers(weights: Weights, name: str) -> int:
    return len(list(takewhile(lambda k: name.format(k) in weights, count())))


def _shape(weights: Weights, name: str, axes: int, which: str = "G_ema") -> tuple[int, ...]:
    shape = tuple(weights[name].shape) if name in weights else ()
    if len(shape) == axes and max(shape) <= MAX_SIDE:
        return shape
    raise ValueError(f"{which} must hold {name} with {axes} axes, has {shape}; {REFUSED}")


def _misfit(error: ValidationError, which: str) -> ValueError:
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"])) or "its sizes"
    return ValueError(f"{which} does not fit ours, {where}: {first['msg']}; {REFUSED}")
