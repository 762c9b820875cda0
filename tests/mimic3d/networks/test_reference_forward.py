"""Whole networks, with the weights of the reference's tiny ones, against what those computed."""

import copy

import pytest
import torch
from golden.forward import Case, build_case, watch
from golden.networks import NETS

from mimic3d.networks.resample import resize
from mimic3d.rays import Windows, crop
from mimic3d.rendering.renderer import query

pytestmark = pytest.mark.golden


@pytest.fixture(autouse=True)
def _without_gradients():
    with torch.no_grad():
        yield


@pytest.fixture(params=NETS)
def case(request, golden) -> Case:
    return build_case(golden(f"{request.param}/forward"), request.param)


@pytest.fixture
def case_3d(golden) -> Case:
    """The network with detail planes and patches."""
    return build_case(golden("tiny_3d/forward"), "tiny_3d")


def test_styles_and_truncation(case):
    mapping, arrays = case.G.mapping, case.arrays
    z, c = arrays["z"], arrays["c_cond"]
    arrays.agree(mapping(z, c), "ws")
    arrays.agree(mapping(z, c, truncation_psi=0.7, truncation_cutoff=4), "ws_trunc")
    arrays.agree(mapping(z, c, truncation_psi=0.5), "ws_trunc_nocut")


def test_average_style(case):
    mapping = copy.deepcopy(case.G.mapping)
    case.arrays.agree(mapping.w_avg, "w_avg_before")
    mapping.update_w_avg(case.ws[:, 0].mean(dim=0))
    case.arrays.agree(mapping.w_avg, "w_avg_after_update")


def test_planes(case):
    for k, planes in enumerate(case.planes):
        case.arrays.agree(planes.flatten(0, 1), f"planes{k}_const")
    for k, planes in enumerate(case.silent_planes()):
        case.arrays.agree(planes[0, :, ::4], f"planes{k}_none_s0")


def test_every_block(case):
    G = case.G
    assert G.pyramid is not None
    blocks = {"4": G.backbone.first}
    blocks |= {str(8 << k): block for k, block in enumerate(G.backbone.blocks)}
    aware = {f"3d{4 << k}": block for k, block in enumerate(G.pyramid.blocks)}
    found = watch(blocks | aware, lambda: G.synthesize_planes(case.ws, False, "const"))
    for name in blocks:
        for k in range(2):
            case.arrays.agree(found[name][k][:1], f"inter0_b{name}.out{k}")
    for name in aware:
        stored = f"inter0_b{name}.out"
        case.arrays.agree(found[name][0], stored if stored in case.arrays else stored + "0")


def test_2d_branch(case):
    arrays, G = case.arrays, case.G
    features, depth, alpha = case.render(case.planes[:1], 16)
    arrays.agree(features.flatten(2).mT, "det_features")
    arrays.agree(depth.flatten(2).mT, "det_depth_samples")
    arrays.agree(alpha.flatten(2).mT, "det_weights_sum")
    seen = G.render_2d(case.planes, case.ws, case.cameras)
    arrays.agree(seen.image, "det_image")
    arrays.agree(seen.image_raw, "det_image_raw")
    arrays.agree(seen.depth, "det_image_depth")


def test_2d_branch_without_noise(case):
    seen = case.G.render_2d(case.silent_planes(), case.ws, case.cameras)
    case.arrays.agree(seen.image[:1], "det_image_nonoise_s0")
    case.arrays.agree(seen.image_raw, "det_image_raw_nonoise")


def test_2d_branch_from_a_larger_rendering(case):
    seen = case.G.render_2d(case.planes, case.ws, case.cameras, neural_rendering_resolution=32)
    case.arrays.agree(seen.image[:1], "det_image_nrr32_s0")
    case.arrays.agree(seen.image_raw, "det_image_raw_nrr32")


def test_coarse_planes_at_image_resolution(case):
    """The reference skips super-resolution there."""
    first = case.cameras[:1]
    view = case.G.render_3d(tuple(p[:1] for p in case.planes[:1]), first, 128)
    case.arrays.agree(view.image, "det_image_nrr128_1")
    case.arrays.agree(view.depth, "det_depth_nrr128_1")


def test_3d_branch(case_3d):
    first = case_3d.cameras[:1]
    view = case_3d.G.render_3d(tuple(p[:1] for p in case_3d.planes), first, 128)
    case_3d.arrays.agree(view.image, "det_image_nrr128_coarse0_1")
    case_3d.arrays.agree(view.depth, "det_depth_nrr128_coarse0_1")


@pytest.mark.parametrize(("name", "levels"), [("coarse0", slice(0, 2)), ("coarse2", slice(1, 2))])
def test_other_planes_super_resolved(case_3d, name, levels):
    """Both levels, or the details alone, in place of the coarse planes."""
    features, depth, _ = case_3d.render(case_3d.planes[levels], 16)
    case_3d.arrays.agree(features[:, :3], f"det_image_raw_{name}")
    case_3d.arrays.agree(depth, f"det_depth_{name}")
    case_3d.arrays.agree(case_3d.super_resolve(features)[:1], f"det_image_{name}_s0")


def test_patches(case_3d):
    arrays = case_3d.arrays
    windows = Windows(*arrays["patch_offsets_top_left"].unbind(1), 16)
    features, depth, _ = case_3d.render(case_3d.planes, 128, windows=windows)
    arrays.agree(features.flatten(2).mT, "det_patch_features")
    arrays.agree(depth.flatten(2).mT, "det_patch_depth")
    view = case_3d.G.render_3d(case_3d.planes, case_3d.cameras, 128, windows=windows)
    arrays.agree(view.image, "det_patch_patch_image_raw")
    seen = case_3d.G.render_2d(case_3d.planes, case_3d.ws, case_3d.cameras)
    arrays.agree(crop(seen.image, windows), "det_patch_patch_image")
    arrays.agree(crop(resize(seen.image_raw, 128), windows), "det_patch_patch_image_gr")


def test_patches_of_a_smaller_image(case_3d):
    windows = Windows(*case_3d.arrays["patch025_offsets_top_left"].unbind(1), 16)
    view = case_3d.G.render_3d(case_3d.planes, case_3d.cameras, 64, windows=windows)
    case_3d.arrays.agree(view.image, "det_patch025_patch_image_raw")


def test_random_depths(case):
    """With the numbers that the reference drew; its 3D network rendered both levels."""
    arrays = case.arrays
    draws = iter((arrays["tape_jitter_u"], arrays["tape_importance_u"]))
    features, depth, _ = case.render(
        case.planes, 16, sampling=lambda shape: next(draws).reshape(shape)
    )
    arrays.agree(features[:, :3], "tape_image_raw")
    arrays.agree(depth, "tape_depth")
    arrays.agree(case.super_resolve(features)[:1], "tape_image_s0")


def test_points(case):
    arrays, G = case.arrays, case.G
    logits, colors = query(
        case.planes, G.decoder, arrays["pts"], G.scene, G.config.rendering, channels=32
    )
    arrays.agree(logits, "pts_sigma")
    arrays.agree(colors, "pts_rgb")
    arrays.agree(G.density(case.planes, arrays["pts"]), "pts_sigma")


def test_discriminator(case):
    arrays = case.arrays
    image = arrays["D_image"].float()
    arrays.agree(case.D(image, arrays["D_image_raw"], arrays["D_c"])[:, None], "D_logits")
    seen = case.G.render_2d(case.planes, case.ws, case.cameras)
    logits = case.D(seen.image, seen.image_raw, arrays["c_cam"])
    arrays.agree(logits[:, None], "D_logits_genimage")


def test_patch_discriminator(case_3d):
    arrays, D_patch = case_3d.arrays, case_3d.D_patch
    blocks = dict(enumerate(D_patch.trunk.blocks))
    patch = arrays["D_image_raw"]
    found = watch(blocks, lambda: arrays.agree(D_patch(patch)[:, None], "D_patch_logits"))
    for k, features in found.items():
        arrays.agree(features, f"D_patch_feat{k}")
