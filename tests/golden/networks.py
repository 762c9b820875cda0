"""Our networks with the weights of the reference's tiny ones."""

import json
from collections.abc import Callable
from functools import cache, partial

from golden.arrays import golden_folder
from golden.weights import reference_state, vgg_state

from mimic3d.cameras import Scene
from mimic3d.conversion.keymap import discriminator_name, fill, generator_name
from mimic3d.losses.perceptual import LAYERS, Perceptual
from mimic3d.networks.discriminator import (
    DiscriminatorConfig,
    DualDiscriminator,
    PatchDiscriminator,
)
from mimic3d.networks.generator import Generator, GeneratorConfig
from mimic3d.networks.mapping import MappingConfig
from mimic3d.networks.synthesis import BackboneConfig
from mimic3d.rendering.renderer import RenderingConfig

NETS = ("tiny_2d", "tiny_3d")


@cache
def options(net: str) -> dict:
    """What the reference's training script made of its command line."""
    path = golden_folder() / "structure" / f"{net}.json"
    return json.loads(path.read_text())["options"]


def build_generator(net: str, **changes) -> Generator:
    """Ours, in evaluation."""
    given = options(net)["G_kwargs"]
    rendering = given["rendering_kwargs"]
    cfg = GeneratorConfig(
        image_resolution=rendering["image_resolution"],
        neural_rendering_resolution=given["neural_rendering_resolution"],
        plane_resolution=given["triplane_resolution"],
        plane_channels=given["triplane_channels"] // 3,
        feature_channels=given["decoder_output_dim"],
        z_dim=given["z_dim"],
        w_dim=given["w_dim"],
        mapping=MappingConfig(num_layers=given["mapping_kwargs"]["num_layers"]),
        backbone=BackboneConfig(
            channel_base=given["channel_base"], channel_max=given["channel_max"]
        ),
        rendering=RenderingConfig(
            depth_resolution=rendering["depth_resolution"],
            depth_resolution_importance=rendering["depth_resolution_importance"],
        ),
        detail="Dual" in given["class_name"],
        legacy=True,
    )
    scene = Scene(
        radius=rendering["avg_camera_radius"],
        orbit_center=(0, 0, 0),
        pivot=tuple(rendering["avg_camera_pivot"]),
        near=rendering["ray_start"],
        far=rendering["ray_end"],
        box_warp=rendering["box_warp"],
        white_back=rendering.get("white_back", False),
    )
    generator = Generator(cfg.model_copy(update=changes), scene)
    fill(generator, reference_state(net, "G"), generator_name, "G")
    return generator.eval()


def resolution(net: str, network: str) -> int:
    """Side of the images that D or D_patch sees."""
    given = options(net)["G_kwargs"]
    whole = given["rendering_kwargs"]["image_resolution"]
    return whole if network == "D" else given["neural_rendering_resolution"]


def build_discriminators(net: str) -> tuple[DualDiscriminator, PatchDiscriminator | None]:
    """Ours; only the 3D net has the second one."""
    given = options(net)["D_kwargs"]
    cfg = DiscriminatorConfig(channel_base=given["channel_base"], channel_max=given["channel_max"])
    D = DualDiscriminator(cfg, resolution(net, "D"), legacy=True)
    fill(D, reference_state(net, "D"), our_name(net, "D"), "D")
    if options(net)["D_patch_kwargs"]["class_name"] is None:
        return D.eval(), None
    D_patch = PatchDiscriminator(cfg, resolution(net, "D_patch"), legacy=True)
    fill(D_patch, reference_state(net, "D_patch"), our_name(net, "D_patch"), "D_patch")
    return D.eval(), D_patch.eval()


def reference_names(net: str, network: str) -> dict[str, str]:
    """Names of our parameters and buffers -> of the reference's."""
    pairs = ((our_name(net, network)(name), name) for name in reference_state(net, network))
    return {ours: theirs for ours, theirs in pairs if ours is not None}


def our_name(net: str, network: str) -> Callable[[str], str | None]:
    """Name of a tensor of the reference's G, D or D_patch -> of ours."""
    if network == "G":
        return generator_name
    return partial(discriminator_name, resolution=resolution(net, network))


def build_perceptual() -> Perceptual:
    """LPIPS with weights drawn from their names."""
    network = Perceptual()
    vgg, linear = vgg_state()
    for index, conv in zip(LAYERS, network.convolutions(), strict=True):
        conv.load_state_dict({k: vgg[f"features.{index}.{k}"] for k in ("weight", "bias")})
    for i, weight in enumerate(network.linear):
        weight.copy_(linear[f"lin{i}.model.1.weight"].flatten())
    return network
