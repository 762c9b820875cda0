import pytest
import torch
from torch import nn
from torch.testing import assert_close

from mimic3d.cameras import Scene, orbit_cameras
from mimic3d.config import Config
from mimic3d.data.dataset import Batch
from mimic3d.losses.density import DensityConfig
from mimic3d.losses.imitation import ImitationConfig
from mimic3d.losses.opacity import OpacityConfig
from mimic3d.losses.perceptual import PerceptualConfig, build_perceptual
from mimic3d.networks.discriminator import (
    DiscriminatorConfig,
    DualDiscriminator,
    PatchDiscriminator,
)
from mimic3d.networks.generator import Generator
from mimic3d.rays import crop
from mimic3d.training.imitate_losses import ImitateLossConfig, ImitationLosses
from mimic3d.training.phases import LossOutput, StepContext
from mimic3d.training.pretrain_losses import CameraLabels, PretrainLosses
from mimic3d.training.schedules import BlurConfig, SwappingConfig

SMALL = DiscriminatorConfig(channel_base=64, channel_max=8)


def randomize(network: nn.Module) -> None:
    """No parameter stays at its initial zero, so that no gradient is zero by accident."""
    for parameter in network.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)


@pytest.fixture
def losses(tiny_config, tmp_path) -> ImitationLosses:
    G = Generator(tiny_config.model_copy(update={"detail": True}), Scene())
    D, D_patch = DualDiscriminator(SMALL, 16), PatchDiscriminator(SMALL, 16)
    for network in (G, D, D_patch):
        randomize(network)
    labels = orbit_cameras(torch.linspace(-0.4, 0.4, 9), torch.zeros(9), Scene()).labels()
    cfg = ImitateLossConfig(density=DensityConfig(num_points=50), swapping=SwappingConfig())
    perceptual = build_perceptual(PerceptualConfig(channel_divisor=32), tmp_path)
    cameras = CameraLabels(labels, torch.ones(9))
    return ImitationLosses(G, D, D_patch, perceptual, cameras, cfg, 16)


@pytest.fixture
def real() -> Batch:
    labels = orbit_cameras(torch.zeros(4), torch.zeros(4), Scene()).labels()
    return Batch(torch.rand(4, 3, 16, 16) * 2 - 1, labels)


def context(kimg: float = 0.0) -> StepContext:
    return StepContext(kimg, torch.Generator().manual_seed(5))


def configure(losses: ImitationLosses, **configs: Config) -> None:
    losses.cfg = losses.cfg.model_copy(update=configs)


def gradients(network: nn.Module, output: LossOutput) -> dict[str, float]:
    """Largest gradient in each part of a network."""
    parameters = dict(network.named_parameters())
    grads = torch.autograd.grad(output.loss, list(parameters.values()), allow_unused=True)
    parts: dict[str, float] = {}
    for name, grad in zip(parameters, grads, strict=True):
        part = name.split(".")[0]
        size = 0.0 if grad is None else float(grad.abs().max())
        parts[part] = max(parts.get(part, 0.0), size)
    return parts


PARTS = {"backbone", "mapping", "pyramid", "decoder", "superresolution", "detail"}


def test_the_2d_branch_teaches_all_but_the_detail_planes(losses, real):
    output = PretrainLosses.generator_phase(losses, real, context())
    parts = gradients(losses.G, output)
    assert {part for part, size in parts.items() if size > 0} == PARTS - {"detail"}


def test_imitation_teaches_all_but_the_super_resolution(losses, real):
    fake = losses.synthesize(losses.draw_latents(4, context()), detail=True, noise="const")
    windows = losses.draw_windows(4, context())
    patch_2d = crop(losses.render_2d(fake, None).image, windows)
    output = losses.imitation_loss(losses.render_patch(fake, windows, None).image, patch_2d)
    parts = gradients(losses.G, output)
    assert {part for part, size in parts.items() if size > 0} == PARTS - {"superresolution"}


def test_phase_g_of_imitate_teaches_everything(losses, real):
    parts = gradients(losses.G, losses.generator_phase(real, context()))
    assert {part for part, size in parts.items() if size > 0} == PARTS


def test_density_phase_teaches_what_makes_density(losses, real):
    parts = gradients(losses.G, losses.density_phase(real, context()))
    assert {part for part, size in parts.items() if size > 0} == PARTS - {"superresolution"}


@pytest.mark.parametrize(("branch", "planes"), [("2d", set()), ("3d", {"detail"})])
def test_opacity_teaches_what_makes_density(losses, branch, planes):
    configure(losses, opacity=OpacityConfig(weight=1))
    fake = losses.synthesize(losses.draw_latents(4, context()), detail=True, noise="const")
    windows = losses.draw_windows(4, context())
    rendered = losses.render_2d(fake, None)
    if branch == "3d":
        rendered = losses.render_patch(fake, windows, None)
    parts = gradients(losses.G, losses.opacity_loss(rendered.alpha, branch))
    expected = PARTS - {"superresolution", "detail"} | planes
    assert {part for part, size in parts.items() if size > 0} == expected


def test_opacity_adds_its_share_of_both_branches_and_nothing_at_weight_zero(losses, real):
    without = losses.generator_phase(real, context())
    configure(losses, opacity=OpacityConfig(weight=2))
    output = losses.generator_phase(real, context())
    assert not [name for name in without.stats if "opacity" in name]
    added = output.stats["loss/opacity_3d"]
    added = added + losses.imitation.dual_weight * output.stats["loss/opacity_2d"]
    assert added > 0
    assert_close(output.loss, without.loss + added)


@pytest.mark.parametrize("phase", ["discriminator_phase", "r1_phase"])
def test_d_phases_teach_d_alone(losses, real, phase):
    output = getattr(losses, phase)(real, context())
    assert max(gradients(losses.D, output).values()) > 0
    assert max(gradients(losses.G, output).values()) == 0


@pytest.mark.parametrize("phase", ["patch_discriminator_phase", "patch_r1_phase"])
def test_patch_phases_teach_the_patch_discriminator_alone(losses, real, phase):
    output = getattr(losses, phase)(real, context())
    assert max(gradients(losses.D_patch, output).values()) > 0
    assert max(gradients(losses.G, output).values()) == 0
    assert max(gradients(losses.D, output).values()) == 0


def test_losses_depend_on_the_seed_alone(losses, real):
    first, again = (losses.generator_phase(real, context()).loss for _ in range(2))
    other = losses.generator_phase(real, StepContext(0.0, torch.Generator().manual_seed(6))).loss
    assert first.equal(again)
    assert not first.equal(other)


def test_pose_is_always_swapped_at_first_and_never_without(losses):
    losses.cfg = losses.cfg.model_copy(
        update={"swapping": SwappingConfig(final_prob=0.0, fade_kimg=1)}
    )
    for kimg in (0.0, 1.0):
        latents = losses.draw_latents(4, context(kimg))
        expected = latents.c.roll(1, dims=0) if kimg == 0 else latents.c
        assert latents.c_mapping.equal(expected)


def test_poses_of_a_batch_are_swapped_together_or_one_by_one(losses):
    losses.cfg = losses.cfg.model_copy(
        update={"swapping": SwappingConfig(final_prob=0.5, fade_kimg=0)}
    )

    def kind(seed, together):
        at = StepContext(0.0, torch.Generator().manual_seed(seed))
        latents = losses.draw_latents(9, at, together)
        if latents.c_mapping.equal(latents.c):
            return "none"
        return "all" if latents.c_mapping.equal(latents.c.roll(1, dims=0)) else "some"

    assert {kind(seed, together=True) for seed in range(20)} == {"none", "all"}
    assert "some" in {kind(seed, together=False) for seed in range(20)}


def test_blur_changes_what_d_sees_until_it_is_over(losses, real):
    configure(losses, blur=BlurConfig(initial_sigma_px=2, fade_kimg=1))
    images = losses.real_input(real)
    early, late = (losses.augment_real(images, context(kimg)) for kimg in (0.0, 1.0))
    assert not early.image.equal(images.image)
    assert early.image_raw.equal(images.image_raw)
    assert late.image.equal(images.image)


def test_patches_are_blurred_like_images_in_a_start_from_scratch(losses, real):
    assert losses.augment_patch(real.image, context()).equal(real.image)
    configure(losses, blur=BlurConfig(initial_sigma_px=2, fade_kimg=1))
    early, late = (losses.augment_patch(real.image, context(kimg)) for kimg in (0.0, 1.0))
    assert early.equal(losses.augment_real(losses.real_input(real), context()).image)
    assert not early.equal(real.image)
    assert late.equal(real.image)


def test_weights_of_zero_leave_the_patch_discriminator_alone(losses, real):
    losses.imitation = ImitationConfig(
        weight=0, l1_weight=0, dual_weight=0, adversarial_weight=1,
        perceptual=losses.imitation.perceptual,
    )  # fmt: skip
    output = losses.generator_phase(real, context())
    assert output.loss.equal(output.stats["loss/G_patch"])
    parts = gradients(losses.G, output)
    assert {part for part, size in parts.items() if size > 0} == PARTS - {"superresolution"}


def test_the_weight_of_the_2d_branch_scales_its_loss(losses, real):
    totals = []
    for weight in (0.0, 1.0, 3.0):
        losses.imitation = losses.imitation.model_copy(update={"dual_weight": weight})
        output = losses.generator_phase(real, context())
        totals.append(output.loss)
    torch.testing.assert_close(totals[2] - totals[0], 3 * (totals[1] - totals[0]))
    torch.testing.assert_close(totals[1] - totals[0], output.stats["loss/G"])


def test_shared_fakes_are_those_that_g_was_trained_on(losses, real, monkeypatch):
    configure(losses, share_fakes=True)
    generated = []
    render = losses.render_2d
    monkeypatch.setattr(
        losses, "render_2d", lambda *a: generated.append(render(*a)) or generated[-1]
    )
    at_g = [StepContext(0.0, torch.Generator().manual_seed(seed)) for seed in (1, 2)]
    for step in at_g:
        losses.generator_phase(real, step)
    monkeypatch.setattr(losses.G, "synthesize_planes", None)  # nothing is made anew
    for images, seed in zip(generated, (1, 2), strict=True):
        c = losses.draw_latents(4, StepContext(0.0, torch.Generator().manual_seed(seed))).c
        output = losses.discriminator_phase(real, context())
        expected = losses.discriminator_loss(images, c, real, context())
        assert output.loss.equal(expected.loss)
        assert max(gradients(losses.G, output).values()) == 0
        patches = losses.patch_discriminator_phase(real, context())
        assert max(gradients(losses.G, patches).values()) == 0
        assert max(gradients(losses.D_patch, patches).values()) > 0
