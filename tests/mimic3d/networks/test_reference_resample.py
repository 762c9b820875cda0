"""Filters, blur and resizing against numbers of the reference implementation."""

import pytest
import torch
import torch.nn.functional as F
from golden.arrays import golden_folder
from golden.roles import reason_to_skip

from mimic3d.networks.resample import (
    build_fir,
    downsample_2d,
    filter_2d,
    gaussian_blur,
    resize,
    upsample_2d,
)

pytestmark = pytest.mark.golden


@pytest.mark.parametrize("name", ["setup_1331", "filter.bin"])
def test_filter(golden, agree, name):
    agree(build_fir(gain=1), golden("components/upfirdn2d")[name])


def test_filter_of_every_stored_layer(golden, agree):
    """Checkpoints of the reference carry it in each layer; ours computes it once."""
    found = 0
    for path in sorted(golden_folder().glob("components/*.npz")):
        arrays = golden(f"components/{path.stem}")
        filters = [k for k in arrays if k.endswith("resample_filter") or k == "filter"]
        for name in filters:
            if reason_to_skip(arrays.file, name) is None:
                agree(build_fir(gain=1), arrays[name])
                found += 1
    assert found > 30


@pytest.mark.parametrize(("case", "name"), [("case_a", "up"), ("case_b", "down")])
def test_resampling_and_its_gradient(golden, agree, case, name):
    arrays = golden("components/upfirdn2d")
    x = arrays.leaf("x")
    up = name == "up"
    y = upsample_2d(x, build_fir(4)) if up else downsample_2d(x, build_fir(1))
    agree(y, arrays[f"{case}.y"])
    agree(y, arrays[f"{name}sample2d.bin.y"])
    (grad,) = torch.autograd.grad(y, x, arrays[f"{case}.g"])
    agree(grad, arrays[f"{case}.grad.x"])


def test_filtering_at_the_same_size(golden, agree):
    arrays = golden("components/upfirdn2d")
    padded = F.pad(arrays["x"], [2, 1, 2, 1])  # an even filter has no middle
    agree(filter_2d(padded, build_fir(1), padding=0), arrays["filter2d.bin.y"])


def test_filtering_a_crop_and_its_gradient(golden, agree):
    arrays = golden("components/upfirdn2d")
    x = arrays.leaf("x")
    y = filter_2d(F.pad(x, [-1, 2, 2, -2]), build_fir(1), padding=0)
    agree(y, arrays["case_f.y"])
    (grad,) = torch.autograd.grad(y, x, arrays["case_f.g"])
    agree(grad, arrays["case_f.grad.x"])


@pytest.mark.parametrize("sigma", ["10.0", "3.7"])
def test_blur_and_its_kernel(golden, agree, sigma):
    arrays = golden("components/upfirdn2d")
    agree(gaussian_blur(arrays["blur.x"], float(sigma)), arrays[f"blur_sigma{sigma}.y"])
    kernel = arrays[f"blur_sigma{sigma}.filter"]
    impulse = torch.zeros(1, 1, len(kernel), len(kernel))
    impulse[..., len(kernel) // 2, len(kernel) // 2] = 1
    agree(gaussian_blur(impulse, float(sigma)).sum(dim=2)[0, 0], kernel)


@pytest.mark.parametrize("resolution", [8, 16, 20, 64])
def test_resizing(golden, agree, resolution):
    arrays = golden("components/filtered_resizing")
    agree(resize(arrays["x"], resolution), arrays[f"aa_{resolution}"])
