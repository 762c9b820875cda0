"""The augmentation pipeline against numbers of the reference."""

import pytest
import torch
from golden.arrays import seeded_normal

from mimic3d.training.augment_transforms import (
    RandomSource,
    TransformConfig,
    apply_transform,
    sample_transform,
)
from mimic3d.training.wavelets import SYM6, band_filters

pytestmark = pytest.mark.golden

FILE = "components/ada_augment"
OFF = dict.fromkeys(TransformConfig.model_fields, 0.0)
OUR_NAMES = {
    "xflip": "xflip",
    "rotate90": "rotate90",
    "xint": "integer_translation",
    "scale": "isotropic_scale",
    "rotate": "rotation",
    "aniso": "anisotropic_scale",
    "xfrac": "fractional_translation",
    "brightness": "brightness",
    "contrast": "contrast",
    "lumaflip": "luma_flip",
    "hue": "hue",
    "saturation": "saturation",
    "imgfilter": "image_filter",
    "cutout": "cutout",
}


class Percentile(RandomSource):
    """The same percentile of every distribution, in the way the reference defines it."""

    SECOND_ROTATION = 11  # which call asks for its angle; the reference leaves it out

    def __init__(self, q: float):
        self.q, self.num_calls = q, 0

    def uniform(self, *shape: int) -> torch.Tensor:
        self.num_calls += 1
        return torch.full(shape, 0.5 if self.num_calls == self.SECOND_ROTATION else self.q)

    def normal(self, *shape: int) -> torch.Tensor:
        return torch.erfinv(torch.full(shape, 2 * self.q - 1))


class Tape(RandomSource):
    """Stored numbers, in the order in which they were drawn: the function's name, the numbers."""

    def __init__(self, drawn: list[tuple[str, torch.Tensor]]):
        self.drawn = drawn

    def _next(self, function: str, shape: tuple[int, ...]) -> torch.Tensor:
        name, values = self.drawn.pop(0)
        assert name == function
        return values.reshape(shape)

    def uniform(self, *shape: int) -> torch.Tensor:
        return self._next("rand", shape)

    def normal(self, *shape: int) -> torch.Tensor:
        return self._next("randn", shape)


def distorted(
    images: torch.Tensor, source: RandomSource, kind: str | None = None, p: float = 1.0
) -> torch.Tensor:
    cfg = TransformConfig(**OFF | {kind: 1.0}) if kind else TransformConfig()
    return apply_transform(images, sample_transform(images.shape, torch.tensor(p), cfg, source))


@pytest.mark.parametrize("images", ["im3", "im6"])
@pytest.mark.parametrize("q", [0.2, 0.5, 0.7, 0.9])
def test_all_kinds_at_a_percentile(golden, agree, images, q):
    arrays = golden(FILE)
    agree(distorted(arrays[images], Percentile(q)), arrays[f"all.q{q}.{images}"])


@pytest.mark.parametrize("name", OUR_NAMES)
def test_each_kind_alone(golden, agree, name):
    arrays = golden(FILE)
    agree(
        distorted(arrays["im3"], Percentile(0.7), OUR_NAMES[name]),
        arrays[f"only.{name}.q0.7.im3"],
    )


def test_noise(golden, agree):
    arrays = golden(FILE)
    strength = torch.erfinv(torch.tensor(0.7)).expand(2)  # 0.7 quantile, as the reference takes it
    stored = arrays["only.noise.randn_image"]
    tape = Tape([("randn", strength), ("rand", torch.zeros(2)), ("randn", stored)])
    agree(distorted(arrays["im3"], tape, "noise"), arrays["only.noise.q0.7.im3"])


@pytest.mark.parametrize("images", ["im3", "im6"])
def test_random_numbers_mean_the_same(golden, agree, images):
    arrays = golden(FILE)
    names = sorted(k for k in arrays if k.startswith(f"tape.{images}.") and not k.endswith(".y"))
    tape = Tape([(name.rpartition(".")[2], arrays[name]) for name in names])
    agree(distorted(arrays[images], tape, p=0.6), arrays[f"tape.{images}.y"])
    assert not tape.drawn


def test_gradient(golden, agree):
    arrays = golden(FILE)
    x = arrays.leaf("im3")
    y = distorted(x, Percentile(0.7))
    (grad,) = torch.autograd.grad(y, x, seeded_normal(100, y.shape))
    agree(grad, arrays["all.q0.7.grad.im3"])


def test_filters(golden, agree):
    arrays = golden(FILE)
    agree(torch.from_numpy(SYM6), arrays["Hz_geom"])
    agree(torch.from_numpy(band_filters()), arrays["Hz_fbank"])
