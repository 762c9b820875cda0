import math

import pytest
import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch.testing import assert_close

from mimic3d.networks.aware3d import AwareLayer, AwareToRGB
from mimic3d.networks.resample import build_fir


def gather(planes):
    """Oracle: what each plane sees, written out from the table of the reference. n p c h w."""
    a, b, d = planes.unbind(1)  # rows, columns: xy is (y, x), yz is (z, y), zx is (x, z)
    size = a.shape[-1]

    def along_rows(profile):
        return repeat(profile, "n c h -> n c h w", w=size)

    def along_columns(profile):
        return repeat(profile, "n c w -> n c h w", h=size)

    seen = [
        [a, along_rows(b.mean(dim=-2)), along_columns(d.mean(dim=-1))],
        [along_columns(a.mean(dim=-1)), b, along_rows(d.mean(dim=-2))],
        [along_rows(a.mean(dim=-2)), along_columns(b.mean(dim=-1)), d],
    ]
    return torch.stack([torch.cat(slots, dim=1) for slots in seen], dim=1)


def convolve_gathered(layer, x, w):
    """Oracle: modulated convolution of the gathered planes, one weight per sample and plane."""
    seen = gather(x)
    styles = layer.affine(w).unflatten(1, (3, -1))
    out = []
    for n in range(x.shape[0]):
        for p in range(3):
            weight = layer.weight * styles[n, p, :, None, None]
            weight = weight / (weight.square().sum(dim=[1, 2, 3], keepdim=True) + 1e-8).sqrt()
            y = seen[n, p][None]
            if layer.up:
                y = F.conv_transpose2d(y, weight.transpose(0, 1), stride=2)
                fir = build_fir(4).to(x.dtype).expand(y.shape[1], 1, 4, 4)
                y = F.conv2d(F.pad(y, [1] * 4), fir, groups=y.shape[1])
            else:
                y = F.conv2d(y, weight, padding=1)
            y = y + layer.noise_const * layer.noise_strength + layer.bias[:, None, None]
            out.append(F.leaky_relu(y, 0.2) * math.sqrt(2))
    return rearrange(torch.cat(out), "(n p) c h w -> n p c h w", p=3)


def build_layer(resolution, up, in_channels=3, out_channels=4):
    layer = AwareLayer(in_channels, out_channels, 6, resolution * (2 if up else 1), up).double()
    torch.nn.init.normal_(layer.bias)
    torch.nn.init.normal_(layer.noise_strength)
    return layer


@pytest.mark.golden
def test_oracle_gathers_as_the_reference(golden, agree):
    arrays = golden("components/aware3d_op")
    x = arrays.leaf("x")
    y = rearrange(gather(rearrange(x, "(n p) c h w -> n p c h w", p=3)), "n p c h w -> (n p) c h w")
    agree(y, arrays["aware3d.y"])
    (grad,) = torch.autograd.grad(y, x, arrays["g"])
    agree(grad, arrays["aware3d.grad.x"])


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("resolution", [4, 8, 16])
def test_layer_equals_convolution_of_gathered_planes(resolution, up):
    layer = build_layer(resolution, up)
    x = torch.randn(2, 3, 3, resolution, resolution, dtype=torch.float64, requires_grad=True)
    w = torch.randn(2, 6, dtype=torch.float64, requires_grad=True)
    fast, slow = layer(x, w, "const"), convolve_gathered(layer, x, w)
    assert_close(fast, slow, rtol=0, atol=1e-12)
    g = torch.randn_like(fast)
    leaves = [x, w, *layer.parameters()]
    pairs = zip(
        torch.autograd.grad(fast, leaves, g), torch.autograd.grad(slow, leaves, g), strict=True
    )
    for one, other in pairs:
        assert_close(one, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("resolution", [4, 8])
@pytest.mark.parametrize("legacy", [False, True])
def test_torgb_equals_convolution_of_gathered_planes(resolution, legacy):
    layer = AwareToRGB(3, 5, w_dim=6, legacy=legacy).double()
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(2, 3, 3, resolution, resolution, dtype=torch.float64)
    w = torch.randn(2, 6, dtype=torch.float64)
    styles = layer.affine(w).unflatten(1, (3, -1)) / math.sqrt(3 if legacy else 9)
    weight = layer.weight[:, :, 0, 0] * styles[:, :, None]  # n p o i
    expected = torch.einsum("npoi,npihw->npohw", weight, gather(x)) + layer.bias[:, None, None]
    assert_close(layer(x, w), expected, rtol=0, atol=1e-12)


def test_gradients_are_right():
    layer = build_layer(4, up=True, in_channels=1, out_channels=2)
    x = torch.randn(1, 3, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    w = torch.randn(1, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, w: layer(x, w, "const"), (x, w))


def test_each_plane_sees_the_other_two_through_their_means_only():
    layer = build_layer(8, up=False)
    x, w = torch.randn(1, 3, 3, 8, 8, dtype=torch.float64), torch.randn(1, 6, dtype=torch.float64)
    before = layer(x, w, "none")
    for source in range(3):
        ripple = torch.zeros_like(x)
        ripple[:, source, :, 2, 2] = ripple[:, source, :, 3, 3] = 1
        ripple[:, source, :, 2, 3] = ripple[:, source, :, 3, 2] = -1  # no mean over rows, columns
        bump = torch.zeros_like(x)
        bump[:, source, :, 2, 2] = 1
        moved = [
            (layer(x + d, w, "none") - before).abs().amax(dim=[0, 2, 3, 4]) for d in (ripple, bump)
        ]
        assert [bool(m > 1e-9) for m in moved[0]] == [plane == source for plane in range(3)]
        assert all(moved[1] > 1e-9)


def test_noise_is_drawn_for_each_plane():
    layer = AwareLayer(2, 2, w_dim=4, resolution=8, up=False)
    torch.nn.init.ones_(layer.noise_strength)
    torch.nn.init.zeros_(layer.affine.weight)  # equal styles
    x, w = torch.zeros(2, 3, 2, 8, 8), torch.zeros(2, 4)
    drawn = layer(x, w, torch.Generator().manual_seed(0)).flatten(0, 1)
    stored = layer(x, w, "const").flatten(0, 1)
    for k in range(1, 6):
        assert not torch.allclose(drawn[0], drawn[k])
        assert_close(stored[0], stored[k])


def test_gain_keeps_the_amplitude_of_coherent_profiles_bounded():
    """The reference's gain is sqrt(3) too large for its 3 C inputs."""
    legacy, ours = (AwareToRGB(4, 4, w_dim=4, legacy=flag) for flag in (True, False))
    ours.load_state_dict(legacy.state_dict())
    x, w = torch.randn(1, 3, 4, 8, 8), torch.randn(1, 4)
    assert_close(legacy(x, w), ours(x, w) * math.sqrt(3))


@pytest.mark.parametrize("up", [False, True])
def test_renaming_the_axes_commutes_with_the_layer(up):
    """Planes, slots of the weight and styles rolled together: the same planes, rolled."""
    layer, renamed = build_layer(8, up), build_layer(8, up)
    renamed.load_state_dict(layer.state_dict())
    with torch.no_grad():
        slots = rearrange(layer.weight, "o (q c) kh kw -> o q c kh kw", q=3)
        renamed.weight.copy_(slots.roll(1, dims=1).flatten(1, 2))
        for name in ("weight", "bias"):
            old = getattr(layer.affine, name).unflatten(0, (3, 3, 3))  # plane, slot, channel
            getattr(renamed.affine, name).copy_(old.roll((1, 1), dims=(0, 1)).flatten(0, 2))
    x, w = torch.randn(2, 3, 3, 8, 8).double(), torch.randn(2, 6).double()
    expected = layer(x, w, "const").roll(1, dims=1)
    assert_close(renamed(x.roll(1, dims=1), w, "const"), expected)
