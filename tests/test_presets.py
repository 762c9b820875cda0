"""Presets against what is known of the reference's released settings."""

import json
from functools import cache
from pathlib import Path

import pytest
import torch
from golden.anatomy import assert_same_anatomy
from golden.arrays import golden_folder

from mimic3d.cameras import Scene
from mimic3d.networks.discriminator import DualDiscriminator, PatchDiscriminator
from mimic3d.networks.generator import Generator
from mimic3d.preparation.sources.given import GivenConfig
from mimic3d.preparation.sources.posed_set import EG3D_SCENE
from mimic3d.training.ema import EmaConfig, ema_beta
from stages.imitate import patch_size
from tools.preset import resolve

PRESETS = Path(__file__).parents[1] / "presets"
PATCH = 64  # pixels, in all of the released settings

# Kimg of the snapshots they released, patch_scale, patch_gan, gamma, ADA, and what stage 1 starts
# from.
RELEASED = {
    "ffhq512": (20800, 17000, 0.125, 0.1, 1, False, None),
    "ffhq256": (24000, 16200, 0.25, 0.2, 1, False, None),
    "afhq512": (4000, 6200, 0.125, 0.1, 5, True, "ffhq512"),
    "afhq256": (1600, 10000, 0.25, 0.2, 5, True, "ffhq256"),
    "shapenet128": (25000, 13600, 0.5, 0.2, 1, False, None),
}
# Samples per ray and pass, near, far, box_warp, white_back, radius and pivot of the viewer.
SCENES = {
    "ffhq": (48, 2.25, 3.3, 1.0, False, 2.7, (0, 0, 0.2)),
    "afhq": (48, 2.25, 3.3, 1.0, False, 2.7, (0, 0, -0.06)),
    "shapenet": (64, 0.1, 2.6, 1.6, True, 1.7, (0, 0, 0)),
}
# Parameters of G in stage 1, in stage 2, of super-resolution and of D, by image resolution.
SIZES = {
    512: (34_174_022, 34_508_618, 1_649_578, 31_359_744),
    256: (33_099_398, 33_433_994, 574_954, 31_241_216),
    128: (33_099_398, 33_433_994, 574_954, 30_766_592),
}

every_preset = pytest.mark.parametrize("name", sorted(RELEASED))


@cache
def preset(name: str):
    return resolve((PRESETS / f"{name}.yaml").read_text())


@cache
def networks(name: str, detail: bool):
    """G, D and D_patch of a preset, without memory."""
    pretrain, imitate = preset(name)["pretrain"], preset(name)["imitate"]
    generator = pretrain.generator.model_copy(update={"detail": detail})
    side = generator.image_resolution
    with torch.device("meta"):
        return (
            Generator(generator, Scene()),
            DualDiscriminator(pretrain.discriminator, side),
            PatchDiscriminator(imitate.patch_discriminator, patch_size(imitate, side)),
        )


def count(module) -> int:
    return sum(p.numel() for p in module.parameters())


def family(name: str) -> str:
    return name.rstrip("0123456789")


def test_there_is_a_preset_for_each_released_model():
    assert {path.stem for path in PRESETS.iterdir()} == RELEASED.keys()


@every_preset
def test_numbers_are_the_released_ones(name):
    prepare, pretrain, imitate, _ = preset(name).values()
    kimg, imitate_kimg, scale, patch_gan, gamma, ada, ancestor = RELEASED[name]
    assert (pretrain.loop.total_kimg, imitate.loop.total_kimg) == (kimg, imitate_kimg)
    assert (imitate.patch_scale, imitate.imitation.adversarial_weight) == (scale, patch_gan)
    for cfg in (pretrain.adversarial, imitate.adversarial, imitate.patch_adversarial):
        assert (cfg.r1_gamma, cfg.r1_interval) == (gamma, 16)
    assert pretrain.augment.enabled == imitate.augment.enabled == ada
    assert pretrain.init_from == (f"data/init/{ancestor}" if ancestor else None)
    assert prepare.name == name
    assert f"{prepare.resolution}" == name.removeprefix(family(name))
    assert pretrain.generator.image_resolution == prepare.resolution
    assert patch_size(imitate, prepare.resolution) == PATCH
    assert not prepare.mirror  # their zips hold mirrored copies, but those of cars


def scene_of(given: GivenConfig) -> Scene:
    """The scene of a dataset with EG3D's labels: what a preset leaves open is as in EG3D."""
    stated = {name: getattr(given, name) for name in Scene.model_fields}
    return EG3D_SCENE.model_copy(update={k: v for k, v in stated.items() if v is not None})


@every_preset
def test_scene_and_samples_are_the_released_ones(name):
    samples, near, far, box_warp, white_back, radius, pivot = SCENES[family(name)]
    given, rendering = preset(name)["prepare"].given, preset(name)["pretrain"].generator.rendering
    assert rendering.depth_resolution == rendering.depth_resolution_importance == samples
    scene = scene_of(given)
    assert (scene.near, scene.far, scene.box_warp) == (near, far, box_warp)
    assert (scene.white_back, scene.radius, scene.pivot) == (white_back, radius, pivot)
    assert scene.orbit_center == (0, 0, 0)


@every_preset
def test_what_all_share_is_the_released_recipe(name):
    _, pretrain, imitate, _ = preset(name).values()
    for cfg, distance in ((pretrain, 0.004), (imitate, 0.002)):
        assert (cfg.loop.batch, cfg.loop.microbatch, cfg.loop.precision) == (32, 4, "auto")
        density = cfg.density
        assert (density.weight, density.interval, density.distance) == (0.25, 4, distance)
        assert (cfg.g_optimizer.lr, cfg.d_optimizer.lr) == (0.0025, 0.002)
        assert (cfg.swapping.final_prob, cfg.ema.half_life_kimg) == (0.5, None)
        assert cfg.loop.batch == 32  # so the half-life is 10 kimg
    scratch = pretrain.init_from is None
    assert pretrain.swapping.fade_kimg == (1000 if scratch else 0)
    assert pretrain.blur.initial_sigma_px == (10 if scratch else 0)
    assert pretrain.ema.rampup == (0.05 if scratch else None)
    assert (imitate.swapping.fade_kimg, imitate.ema.rampup) == (0, None)
    for cfg in (pretrain.augment, imitate.augment):
        assert (cfg.target, cfg.interval) == (0.6, 4)
        assert cfg.speed_kimg == 100 or not cfg.enabled
    assert imitate.imitation.perceptual.network == "lpips_vgg"
    assert (imitate.imitation.weight, imitate.imitation.l1_weight) == (1, 0)


@every_preset
def test_networks_have_the_released_sizes(name):
    resolution = preset(name)["prepare"].resolution
    G, D, D_patch = networks(name, detail=False)
    whole, _, _ = networks(name, detail=True)
    parts = (count(G), count(whole), count(G.superresolution), count(D))
    assert parts == SIZES[resolution]
    assert count(G.backbone) == 28_207_533
    assert count(G.mapping) == 800_768
    assert count(G.decoder) == 4_257
    assert count(G.pyramid) == 3_511_886
    assert count(whole.detail) == 2 * 167_298
    assert count(D_patch) == 26_488_833


@cache
def released(name: str, dimensions: str):
    """What was recorded of the reference's networks; those of cats are those of faces."""
    file = f"{name.replace('afhq', 'ffhq')}_{dimensions}.json"
    return json.loads((golden_folder() / "structure" / file).read_text())


@pytest.mark.golden
@every_preset
@pytest.mark.parametrize("dimensions", ["2d", "3d"])
def test_tensors_have_the_released_names_and_shapes(name, dimensions):
    stored = released(name, dimensions)
    G, D, D_patch = networks(name, detail=dimensions == "3d")
    assert_same_anatomy(G, stored, "G")
    assert_same_anatomy(D, stored, "D")
    if dimensions == "3d":
        assert_same_anatomy(D_patch, stored, "D_patch")
    assert G.backbone.num_ws == stored["num_ws"]


@pytest.mark.golden
@pytest.mark.parametrize("name", ["ffhq512", "ffhq256", "shapenet128"])
@pytest.mark.parametrize("dimensions", ["2d", "3d"])
def test_options_are_those_of_the_released_yaml(name, dimensions):
    options = released(name, dimensions)["options"]
    rendering = options["G_kwargs"]["rendering_kwargs"]
    scene = scene_of(preset(name)["prepare"].given)
    generator = preset(name)["pretrain"].generator
    cfg = preset(name)["imitate" if dimensions == "3d" else "pretrain"]
    assert scene.near == rendering["ray_start"]
    assert scene.far == rendering["ray_end"]
    assert scene.box_warp == rendering["box_warp"]
    assert scene.white_back == rendering.get("white_back", False)
    assert scene.radius == rendering["avg_camera_radius"]
    assert scene.pivot == tuple(rendering["avg_camera_pivot"])
    assert generator.rendering.depth_resolution == rendering["depth_resolution"]
    assert generator.mapping.camera_conditioning != rendering["c_gen_conditioning_zero"]
    assert cfg.density.weight == rendering["density_reg"]
    assert cfg.density.distance == rendering["density_reg_p_dist"]
    assert cfg.density.interval == options["G_reg_interval"]
    assert cfg.loop.batch == options["batch_size"]
    assert cfg.loop.microbatch == options["batch_gpu"]
    assert cfg.loop.tick_kimg == options["kimg_per_tick"]
    theirs = EmaConfig(half_life_kimg=options["ema_kimg"], rampup=cfg.ema.rampup)
    assert ema_beta(10**6, cfg.loop.batch, cfg.ema) == ema_beta(10**6, cfg.loop.batch, theirs)
    loss = options["loss_kwargs"]
    assert cfg.adversarial.r1_gamma == loss["r1_gamma"]
    assert cfg.swapping.final_prob == loss["gpc_reg_prob"]
    for optimizer, theirs in ((cfg.g_optimizer, "G"), (cfg.d_optimizer, "D")):
        theirs = options[f"{theirs}_opt_kwargs"]
        assert optimizer.lr == theirs["lr"]
        assert [optimizer.beta1, optimizer.beta2] == theirs["betas"]
    if dimensions == "3d":
        assert cfg.patch_scale == loss["patch_scale"]
        assert cfg.imitation.adversarial_weight == loss["patch_gan"]
        assert cfg.patch_adversarial.r1_gamma == loss["r1_gamma_patch"]
