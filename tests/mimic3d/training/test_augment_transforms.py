import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from mimic3d.losses.adversarial import AdversarialConfig, r1_penalty
from mimic3d.training.augment_transforms import (
    Affine,
    ImageTransform,
    RandomSource,
    TransformConfig,
    apply_transform,
    sample_transform,
)

ALWAYS = torch.tensor(1.0)
OFF = dict.fromkeys(TransformConfig.model_fields, 0.0)
EVERYTHING = TransformConfig(**dict.fromkeys(OFF, 1.0))


def only(*kinds: str) -> TransformConfig:
    return TransformConfig(**OFF | dict.fromkeys(kinds, 1.0))


def seeded(seed: int) -> RandomSource:
    return RandomSource(torch.Generator().manual_seed(seed))


def distorted(images, cfg, source, p=ALWAYS):
    return apply_transform(images, sample_transform(images.shape, p, cfg, source))


def smooth_images(num: int, channels: int = 3) -> torch.Tensor:
    noise = torch.randn(num, channels, 3, 3)
    return torch.nn.functional.interpolate(noise, 24, mode="bicubic", align_corners=True)


def test_nothing_happens_with_probability_0():
    images = torch.randn(3, 6, 16, 16)
    assert_close(distorted(images, EVERYTHING, seeded(0), torch.tensor(0.0)), images)


def test_images_are_kept_or_mirrored():
    images = smooth_images(16)
    result = distorted(images, only("xflip"), seeded(0))
    kept, mirrored = (
        [(a - b).norm() < 0.02 * b.norm() for a, b in zip(result, expected, strict=True)]
        for expected in (images, images.flip(-1))
    )
    assert all(a != b for a, b in zip(kept, mirrored, strict=True))
    assert any(kept)
    assert any(mirrored)


def is_changed(transform: ImageTransform, kind: str) -> torch.Tensor:
    """Which images of a batch are changed, if this kind alone is on."""
    if transform.inverse_warp is not None:
        lookup = transform.inverse_warp
        moved = lookup.offset.abs().amax(1) > 0
        return moved | ((lookup.matrix - torch.eye(2)).abs().amax((1, 2)) > 1e-6)
    if transform.color is not None:
        color = transform.color
        painted = color.offset.abs().amax(1) > 0
        return painted | ((color.matrix - torch.eye(3)).abs().amax((1, 2)) > 1e-6)
    if transform.band_gains is not None:
        return (transform.band_gains != 1).any(1)
    if transform.noise is not None:
        return (transform.noise != 0).flatten(1).any(1)
    assert transform.cutout is not None
    return ((transform.cutout > 0) & (transform.cutout < 1)).all(1)


@pytest.mark.parametrize("kind", OFF)
@pytest.mark.parametrize("multiple", [1.0, 0.5])
def test_share_of_changed_images_is_the_probability(kind, multiple):
    p, num = 0.4, 20_000
    cfg = TransformConfig(**OFF | {kind: multiple})
    drawn = sample_transform(torch.Size((num, 1, 1000, 1)), torch.tensor(p), cfg, seeded(1))
    share = p * multiple
    if kind in ("xflip", "luma_flip"):
        share /= 2  # of these, half the values change nothing
    if kind == "rotate90":
        share *= 3 / 4
    if kind == "image_filter":
        share = 1 - (1 - share) ** 4  # bands are chosen one by one
    assert is_changed(drawn, kind).float().mean().item() == pytest.approx(share, abs=0.015)


def draw_lookup(*kinds: str) -> Affine:
    shape = torch.Size((20_000, 1, 100, 200))
    lookup = sample_transform(shape, ALWAYS, only(*kinds), seeded(2)).inverse_warp
    assert lookup is not None
    return lookup


def draw_color(*kinds: str) -> Affine:
    shape = torch.Size((20_000, 3, 1, 1))
    color = sample_transform(shape, ALWAYS, only(*kinds), seeded(3)).color
    assert color is not None
    return color


@pytest.mark.parametrize("kind", ["isotropic_scale", "anisotropic_scale"])
def test_scales_vary_by_a_fifth_of_an_octave(kind):
    scale = draw_lookup(kind).matrix.diagonal(dim1=1, dim2=2)
    assert_close(scale.log2().std(dim=0), torch.tensor([0.2, 0.2]), rtol=0.03, atol=0)
    product = scale[:, 0] * scale[:, 1] ** (-1 if kind == "isotropic_scale" else 1)
    assert_close(product, torch.ones_like(product))


def test_translations_are_shares_of_the_image():
    glide = draw_lookup("fractional_translation").offset
    assert_close(glide.std(dim=0), torch.tensor([25.0, 12.5]), rtol=0.03, atol=0)
    jump = draw_lookup("integer_translation").offset
    assert torch.equal(jump, jump.round())
    assert jump.abs().amax(dim=0).tolist() == [25, 12]


def test_colours_vary_as_in_the_paper():
    """Strengths of StyleGAN2-ADA App. B."""
    assert draw_color("brightness").offset.std().item() == pytest.approx(0.2, rel=0.03)
    contrast = draw_color("contrast").matrix[:, 0, 0].log2()
    assert contrast.std().item() == pytest.approx(0.5, rel=0.03)
    chroma = draw_color("saturation").matrix.det().log2() / 2  # two axes of three are scaled
    assert chroma.std().item() == pytest.approx(1.0, rel=0.03)


def test_hue_and_luma_flip_preserve_lengths_and_greys():
    matrix = draw_color("hue", "luma_flip").matrix
    assert_close(matrix @ matrix.mT, torch.eye(3).expand_as(matrix))
    greys = matrix.sum(dim=2)
    assert_close(greys, greys.sign())
    assert (greys[:, 0] < 0).float().mean().item() == pytest.approx(0.5, abs=0.02)


def test_cutout_leaves_a_square_of_zeros():
    images = torch.ones(200, 1, 16, 16).expand(-1, 3, -1, -1)
    holes = (distorted(images, only("cutout"), seeded(4)) == 0).all(dim=1)
    area = holes.float().sum(dim=(1, 2))
    assert area.max() == 64
    assert area.min() >= 9  # the centre is in the image, so a quarter of the square is, less a row
    assert_close(area, holes.any(1).sum(1) * holes.any(2).sum(1).float())


def test_a_generator_determines_everything():
    images = torch.randn(2, 3, 12, 12)
    first, again, other = (distorted(images, EVERYTHING, seeded(s)) for s in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31))
def test_triples_of_channels_are_treated_alike(seed):
    cfg = TransformConfig(image_filter=1.0, cutout=1.0)
    image, image_raw = torch.randn(2, 2, 3, 10, 12, generator=torch.Generator().manual_seed(seed))
    together = distorted(torch.cat([image, image_raw], dim=1), cfg, seeded(seed))
    assert_close(together[:, :3], distorted(image, cfg, seeded(seed)))
    assert_close(together[:, 3:], distorted(image_raw, cfg, seeded(seed)))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31))
def test_a_plain_image_stays_plain(seed):
    cfg = TransformConfig(image_filter=0.0)
    result = distorted(torch.full((2, 3, 16, 16), 0.3), cfg, seeded(seed))
    assert_close(result, result[:, :, :1, :1].expand_as(result), atol=1e-5, rtol=1e-5)


def test_second_derivatives_exist():
    x = torch.randn(1, 3, 3, 4, dtype=torch.float64, requires_grad=True)
    drawn = sample_transform(x.shape, ALWAYS, EVERYTHING, seeded(7))
    assert torch.autograd.gradgradcheck(lambda x: apply_transform(x, drawn).square(), x)


def test_r1_through_distortions_reaches_the_discriminator():
    images = torch.randn(2, 3, 16, 16, requires_grad=True)
    conv, linear = torch.nn.Conv2d(3, 4, 3), torch.nn.Linear(784, 1)
    D = torch.nn.Sequential(conv, torch.nn.Softplus(), torch.nn.Flatten(), linear)
    logits = D(distorted(images, EVERYTHING, seeded(8)))[:, 0]
    r1_penalty(logits, (images,), AdversarialConfig()).backward()
    for parameter in (conv.weight, linear.weight, images):
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
        assert parameter.grad.abs().max() > 0


def test_precision_of_images_is_kept():
    images = torch.randn(2, 3, 16, 16)
    full = distorted(images, EVERYTHING, seeded(9))
    half = distorted(images.bfloat16(), EVERYTHING, seeded(9))
    assert half.dtype == torch.bfloat16
    assert_close(half.float(), full, atol=0.1, rtol=0.05)
