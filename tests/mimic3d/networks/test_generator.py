import pytest
import torch
from pydantic import ValidationError
from torch.testing import assert_close

from mimic3d.cameras import Scene, orbit_cameras
from mimic3d.networks.generator import Generator, GeneratorConfig
from mimic3d.rays import crop, random_windows
from mimic3d.rendering import renderer
from mimic3d.rendering.depths import uniform_draws


@pytest.fixture
def generator(tiny_config) -> Generator:
    return Generator(tiny_config.model_copy(update={"detail": True}), Scene()).eval()


def cameras(num: int = 2):
    return orbit_cameras(torch.linspace(-0.3, 0.3, num), torch.zeros(num), Scene())


def styles(generator: Generator, num: int = 2) -> torch.Tensor:
    return generator.mapping(torch.randn(num, 8), cameras(num).labels())


def test_detail_planes_start_as_nothing(generator):
    planes = generator.synthesize_planes(styles(generator), detail=True, noise="const")
    assert planes[0].shape == (2, 3, 4, 8, 8)
    assert planes[1].shape == (2, 3, 4, 16, 16)
    assert not planes[1].any()
    both = generator.render_3d(planes, cameras(), 16).image
    coarse = generator.render_3d(planes[:1], cameras(), 16).image
    assert_close(both, coarse)


def test_patches_are_crops_of_the_direct_rendering(generator):
    planes = generator.synthesize_planes(styles(generator), detail=True, noise="const")
    windows = random_windows(2, 32, 16, torch.Generator().manual_seed(0))
    whole = generator.render_3d(planes, cameras(), 32)
    patch = generator.render_3d(planes, cameras(), 32, windows=windows)
    assert_close(patch.image, crop(whole.image, windows))
    assert_close(patch.depth, crop(whole.depth, windows))


def test_both_branches_are_deterministic_in_evaluation(generator):
    ws = styles(generator)
    views = []
    for _ in range(2):
        planes = generator.synthesize_planes(ws, detail=True, noise="const")
        views.append(generator.render_2d(planes, ws, cameras()))
    assert views[0].image.equal(views[1].image)
    assert views[0].image.shape == (2, 3, 16, 16)
    assert views[0].image_raw.shape == (2, 3, 8, 8)


def test_the_3d_branch_shows_the_same_object_whatever_else_is_rendered(generator):
    """The pixels of one view do not depend on the batch around it."""
    ws = styles(generator, 3)
    planes = generator.synthesize_planes(ws, detail=True, noise="const")
    together = generator.render_3d(planes, cameras(3), 16).image
    alone = generator.render_3d(tuple(p[1:2] for p in planes), cameras(3)[1:2], 16).image
    assert_close(together[1:2], alone, rtol=1e-5, atol=1e-5)


def test_a_generator_of_pretrain_says_that_it_has_no_detail(tiny_config):
    generator = Generator(tiny_config, Scene())
    with pytest.raises(ValueError, match="has no detail planes"):
        generator.synthesize_planes(styles(generator), detail=True, noise="const")


def test_sizes_must_fit():
    with pytest.raises(ValidationError, match="plane_resolution must be a power of two, is 48"):
        GeneratorConfig(plane_resolution=48)
    with pytest.raises(ValidationError, match="must not exceed image_resolution = 32, is 64"):
        GeneratorConfig(image_resolution=32)


def test_parameter_counts_of_the_paper():
    """34,174,022 in stage 1 and 34,508,618 in stage 2 at 512 px, 33,099,398 at 256 and 128 px."""
    expected = {(512, False): 34_174_022, (512, True): 34_508_618, (256, False): 33_099_398}
    for (resolution, detail), count in expected.items():
        cfg = GeneratorConfig(image_resolution=resolution, detail=detail)
        with torch.device("meta"):
            generator = Generator(cfg, Scene())
        assert sum(p.numel() for p in generator.parameters()) == count
        assert sum(p.numel() for p in generator.decoder.parameters()) == 4_257


@pytest.mark.parametrize("branch", ["2d", "3d"])
def test_render_shows_the_same_pixels_in_any_batch_and_chunk(generator, branch, monkeypatch):
    with torch.no_grad():
        generator.detail.block3.torgb.weight.normal_()
        ws = styles(generator, 3)
        together = generator.render(ws, cameras(3), branch)
        assert together.image.equal(generator.render(ws, cameras(3), branch).image)
        monkeypatch.setattr(renderer, "chunk_bytes", lambda device: 4 * 12 * 24 * 7)  # seven rays
        for k in range(3):
            alone = generator.render(ws[k : k + 1], cameras(3)[k : k + 1], branch)
            for name in ("image", "depth", "alpha"):
                whole, part = getattr(together, name)[k : k + 1], getattr(alone, name)
                assert_close(part, whole, rtol=1e-5, atol=1e-5)


def test_render_sizes(generator):
    ws = styles(generator)
    direct = generator.render(ws, cameras(), resolution=24)
    assert direct.image.shape == (2, 3, 24, 24)
    assert direct.depth.shape == direct.alpha.shape == (2, 1, 24, 24)
    assert (direct.alpha >= 0).all()
    assert (direct.alpha <= 1 + 1e-5).all()
    flat = generator.render(ws, cameras(), branch="2d")
    assert flat.image.shape == (2, 3, 16, 16)
    assert flat.depth.shape == (2, 1, 8, 8)
    with pytest.raises(ValueError, match="image_resolution = 16 pixels only, asked were 24"):
        generator.render(ws, cameras(), branch="2d", resolution=24)


def test_draws_differ_and_repeat_with_their_seed(generator):
    def view(seed):
        sampling = uniform_draws(torch.Generator().manual_seed(seed))
        return generator.render(ws, cameras(), sampling=sampling).image

    ws = styles(generator)
    assert view(1).equal(view(1))
    assert not view(1).equal(view(2))


def test_without_3d_aware_convolutions_the_backbone_makes_the_planes(tiny_config):
    cfg = tiny_config.model_copy(update={"aware3d": False})
    generator = Generator(cfg, Scene()).eval()
    ws = styles(generator)
    (planes,) = generator.synthesize_planes(ws, detail=False, noise="const")
    last = generator.backbone(ws, "const")[-1]
    assert planes.flatten(1, 2).equal(last)
    assert generator.pyramid is None
    assert generator.render(ws, cameras()).image.isfinite().all()


def test_other_planes_need_ordinary_convolutions(tiny_config):
    eg3d = {"depth_resolution": 6, "plane_axes": ["xy", "xz", "zx"]}
    fields = tiny_config.model_dump() | {"rendering": eg3d}
    with pytest.raises(ValidationError, match="plane_axes must be xy, yz, zx with 3D-aware"):
        GeneratorConfig(**fields)
    cfg = GeneratorConfig(**fields | {"aware3d": False})
    assert GeneratorConfig.model_validate_json(cfg.model_dump_json()) == cfg


def test_mapping_without_camera_conditioning_ignores_the_camera(tiny_config):
    mapping = tiny_config.mapping.model_copy(update={"camera_conditioning": False})
    generator = Generator(tiny_config.model_copy(update={"mapping": mapping}), Scene())
    z, c = torch.randn(2, 8), cameras().labels()
    assert generator.mapping(z, c).equal(generator.mapping(z, torch.zeros_like(c)))
    conditioned = Generator(tiny_config, Scene())
    assert not conditioned.mapping(z, c).equal(conditioned.mapping(z, torch.zeros_like(c)))


def test_truncation_with_a_cutoff_leaves_fine_styles_alone(generator):
    z, c = torch.randn(2, 8), cameras().labels()
    generator.mapping.w_avg.normal_()
    full, cut = generator.mapping(z, c), generator.mapping(z, c, 0.5, 2)
    assert cut[:, 2:].equal(full[:, 2:])
    assert cut[:, :2].equal(generator.mapping(z, c, 0.5)[:, :2])
    assert not cut[:, :2].equal(full[:, :2])
