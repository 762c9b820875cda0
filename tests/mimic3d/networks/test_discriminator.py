import pytest
import torch
from torch.testing import assert_close

from mimic3d.networks.discriminator import (
    DiscriminatorConfig,
    DualDiscriminator,
    Epilogue,
    PatchDiscriminator,
    ResidualBlock,
)
from mimic3d.networks.layers import Conv

TINY = DiscriminatorConfig(channel_base=64, channel_max=8, mbstd_group_size=2)


@pytest.mark.golden
def test_residual_block_and_its_gradients_match_reference(golden, agree):
    arrays = golden("components/disc_block")
    block = ResidualBlock(5, 7)
    block.load_state_dict(arrays.weights("sd."))
    x = arrays.leaf("in.x")
    y = block(x)
    agree(y, arrays["out0"])
    arrays.check_gradients([y], {"x": x}, {"": block})


@pytest.mark.golden
def test_first_block_and_its_gradients_match_reference(golden, agree):
    arrays = golden("components/disc_block_first")
    fromrgb, block = Conv(6, 5, kernel=1), ResidualBlock(5, 7)
    fromrgb.load_state_dict(arrays.weights("sd.fromrgb."))
    rest = {k: v for k, v in arrays.weights("sd.").items() if not k.startswith("fromrgb")}
    block.load_state_dict(rest)
    image = arrays.leaf("in.img")
    y = block(fromrgb(image))
    agree(y, arrays["out0"])
    arrays.check_gradients([y], {"img": image}, {"fromrgb.": fromrgb, "": block})


@pytest.mark.golden
@pytest.mark.parametrize("conditional", [True, False])
def test_epilogue_and_its_gradients_match_reference(golden, agree, conditional):
    arrays = golden(f"components/disc_epilogue_{'cond' if conditional else 'uncond'}")
    epilogue = Epilogue(7, 6 if conditional else 1, mbstd_group_size=4)
    epilogue.load_state_dict(arrays.weights("sd."))
    inputs = {k: arrays.leaf(f"in.{k}") for k in ("x", "cmap") if f"in.{k}" in arrays}
    y = epilogue(inputs["x"])
    if conditional:
        y = (y * inputs["cmap"]).sum(dim=1, keepdim=True) / 6**0.5
    agree(y, arrays["out0"])
    arrays.check_gradients([y], inputs, {"": epilogue})


def draw(image_resolution=16, raw=8, n=4):
    image, image_raw = (
        torch.randn(n, 3, image_resolution, image_resolution),
        torch.randn(n, 3, raw, raw),
    )
    return image, image_raw, torch.randn(n, 25)


@pytest.mark.parametrize("resolution", [8, 16, 64])
def test_one_logit_per_sample_at_any_resolution(resolution):
    D = DualDiscriminator(TINY, resolution)
    assert D(*draw(resolution)).shape == (4,)
    assert PatchDiscriminator(TINY, resolution)(draw(resolution)[0]).shape == (4,)


def test_logit_depends_on_image_raw_image_and_camera():
    D = DualDiscriminator(TINY, 16)
    inputs = draw()
    before = D(*inputs)
    for k in range(3):
        changed = [x + (j == k) for j, x in enumerate(inputs)]
        assert not torch.allclose(before, D(*changed)), k


def test_samples_meet_only_within_their_group():
    """With groups of 2 of 4, sample i meets sample i + 2 and no other."""
    D = PatchDiscriminator(TINY, 8)
    patch = draw(8)[0]
    changed = patch.clone()
    changed[0] *= -2
    moved = (D(changed) - D(patch)).abs()
    assert [bool(m > 1e-7) for m in moved] == [True, False, True, False]


def test_second_derivatives_are_right():
    """R1 differentiates the gradient of the image by the weights."""
    cfg = DiscriminatorConfig(channel_base=8, channel_max=2, mbstd_group_size=2)
    D = DualDiscriminator(cfg, 8).double()
    image, image_raw, c = (x.double() for x in draw(8, 4, n=2))

    def penalty(weight):
        leaves = [image.clone().requires_grad_(), image_raw.clone().requires_grad_()]
        logits = torch.func.functional_call(D, {"trunk.fromrgb.weight": weight}, (*leaves, c))
        grads = torch.autograd.grad(logits.sum(), leaves, create_graph=True)
        return sum(g.square().sum() for g in grads)

    weight = D.trunk.fromrgb.weight.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(penalty, weight)


@pytest.mark.parametrize("mixed", [False, True])
def test_penalty_on_the_gradient_is_finite_for_every_parameter(mixed):
    D = DualDiscriminator(TINY, 16)
    image, image_raw, c = draw()
    leaves = [image.requires_grad_(), image_raw.requires_grad_()]
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=mixed):
        grads = torch.autograd.grad(D(*leaves, c).sum(), leaves, create_graph=True)
    sum(g.square().sum() for g in grads).backward()
    for name, parameter in D.named_parameters():
        if parameter.grad is not None:  # the last bias is not part of the gradient
            assert parameter.grad.isfinite().all(), name
    assert D.trunk.fromrgb.weight.grad.abs().max() > 0


def test_constant_samples_give_finite_gradients():
    """Equal samples have no spread: the square root in minibatch std must not blow up."""
    D = PatchDiscriminator(TINY, 8)
    patch = torch.zeros(4, 3, 8, 8, requires_grad=True)
    (grad,) = torch.autograd.grad(D(patch).sum(), patch)
    assert grad.isfinite().all()


def test_image_raw_at_full_resolution_passes_unchanged():
    D = DualDiscriminator(TINY, 16)
    image, image_raw, c = draw(raw=16)
    both = torch.cat([image, image_raw], dim=1)
    expected = (D.trunk(both) * D.mapping(c)).sum(dim=1) / 8**0.5
    assert_close(D(image, image_raw, c), expected)


def test_standardised_labels_do_not_depend_on_their_mean_and_spread():
    torch.manual_seed(0)
    D = DualDiscriminator(TINY.model_copy(update={"standardized_label": True}), 16)
    image, image_raw, c = torch.randn(4, 3, 16, 16), torch.randn(4, 3, 8, 8), torch.randn(4, 25)
    c[:, 20:] = 0  # entries that no camera changes
    D.set_label_statistics(c.mean(dim=0), c.std(dim=0))
    moved = 0.1 * c + 5
    before = D(image, image_raw, c)
    D.set_label_statistics(moved.mean(dim=0), moved.std(dim=0))
    assert_close(D(image, image_raw, moved), before, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(D(image, image_raw, moved.roll(1, dims=0)), before, rtol=1e-2)


def test_label_statistics_travel_with_the_weights_and_only_where_they_are_used():
    plain = DualDiscriminator(TINY, 16)
    plain.set_label_statistics(torch.ones(25), torch.ones(25))
    assert not [name for name in plain.state_dict() if name.startswith("label")]
    D = DualDiscriminator(TINY.model_copy(update={"standardized_label": True}), 16)
    D.set_label_statistics(torch.full((25,), 2.0), torch.full((25,), 3.0))
    twin = DualDiscriminator(TINY.model_copy(update={"standardized_label": True}), 16)
    twin.load_state_dict(D.state_dict())
    assert_close(twin.label_mean, torch.full((25,), 2.0))
    assert_close(twin.label_std, torch.full((25,), 3.0))
