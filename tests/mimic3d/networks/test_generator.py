import pytest
import torch
from pydantic import ValidationError
from torch.testing import assert_close

from mimic3d.cameras import Scene, orbit_cameras
from mimic3d.networks.generator import Generator, GeneratorConfig
from mimic3d.rays import crop, random_windows


@pytest.fixture
def generator(tiny_config) -> Generator:
    return Generator(tiny_config.model_copy(update={"detail": True}), Scene()).eval()


def cameras(num: int = 2):
    return orbit_cameras(torch.linspace(-0.3, 0.3, num), torch.zeros(num), Scene())


def styles(generator: Generator, num: int = 2) -> torch.Tensor:
    return generator.map(torch.randn(num, 8), cameras(num).labels())


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
