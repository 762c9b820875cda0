import pytest
import torch
from torch import nn

from mimic3d.cameras import Scene, orbit_cameras
from mimic3d.data.dataset import Batch
from mimic3d.losses.adversarial import AdversarialConfig
from mimic3d.losses.density import DensityConfig
from mimic3d.losses.imitation import ImitationConfig
from mimic3d.losses.perceptual import PerceptualConfig, build_perceptual
from mimic3d.networks.discriminator import (
    DiscriminatorConfig,
    DualDiscriminator,
    PatchDiscriminator,
)
from mimic3d.networks.generator import Generator
from mimic3d.rays import crop
from mimic3d.training.imitate_losses import ImitationGame
from mimic3d.training.phases import Moment, Outcome
from mimic3d.training.pretrain_losses import DualGame, Table
from mimic3d.training.schedules import BlurConfig, SwappingConfig

SMALL = DiscriminatorConfig(channel_base=64, channel_max=8)


def randomize(network: nn.Module) -> None:
    """No parameter stays at its initial zero, so that no gradient is zero by accident."""
    for parameter in network.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)


@pytest.fixture
def game(tiny_config, tmp_path) -> ImitationGame:
    G = Generator(tiny_config.model_copy(update={"detail": True}), Scene())
    D, D_patch = DualDiscriminator(SMALL, 16), PatchDiscriminator(SMALL, 16)
    for network in (G, D, D_patch):
        randomize(network)
    labels = orbit_cameras(torch.linspace(-0.4, 0.4, 9), torch.zeros(9), Scene()).labels()
    table = Table(labels, torch.ones(9))
    dual = DualGame(
        G, D, table, AdversarialConfig(), DensityConfig(num_points=50), SwappingConfig(),
        BlurConfig(initial_sigma_px=0),
    )  # fmt: skip
    perceptual = build_perceptual(PerceptualConfig(channel_divisor=32), tmp_path)
    return ImitationGame(dual, D_patch, perceptual, ImitationConfig(), AdversarialConfig(), 16)


@pytest.fixture
def real() -> Batch:
    labels = orbit_cameras(torch.zeros(4), torch.zeros(4), Scene()).labels()
    return Batch(torch.rand(4, 3, 16, 16) * 2 - 1, labels)


def moment(kimg: float = 0.0) -> Moment:
    return Moment(kimg, torch.Generator().manual_seed(5))


def gradients(network: nn.Module, outcome: Outcome) -> dict[str, float]:
    """Largest gradient in each part of a network."""
    parameters = dict(network.named_parameters())
    grads = torch.autograd.grad(outcome.loss, list(parameters.values()), allow_unused=True)
    parts: dict[str, float] = {}
    for name, grad in zip(parameters, grads, strict=True):
        part = name.split(".")[0]
        size = 0.0 if grad is None else float(grad.abs().max())
        parts[part] = max(parts.get(part, 0.0), size)
    return parts


PARTS = {"backbone", "mapping", "pyramid", "decoder", "superresolution", "detail"}


def test_the_2d_game_teaches_all_but_the_detail_planes(game, real):
    outcome = DualGame.generator_loss(game, real, moment())
    parts = gradients(game.G, outcome)
    assert {part for part, size in parts.items() if size > 0} == PARTS - {"detail"}


def test_imitation_teaches_all_but_the_super_resolution(game, real):
    fake = game.fake(game.draw(4, moment()), detail=True, noise="const")
    windows = game.windows(4, moment())
    patch_2d = crop(game.render_2d(fake, None).image, windows)
    outcome = game.imitate(game.render_patch(fake, windows, None), patch_2d)
    parts = gradients(game.G, outcome)
    assert {part for part, size in parts.items() if size > 0} == PARTS - {"superresolution"}


def test_phase_g_of_imitate_teaches_everything(game, real):
    parts = gradients(game.G, game.generator_loss(real, moment()))
    assert {part for part, size in parts.items() if size > 0} == PARTS


def test_density_phase_teaches_what_makes_density(game, real):
    parts = gradients(game.G, game.density_loss(real, moment()))
    assert {part for part, size in parts.items() if size > 0} == PARTS - {"superresolution"}


@pytest.mark.parametrize("phase", ["discriminator_loss", "real_penalty"])
def test_d_phases_teach_d_alone(game, real, phase):
    outcome = getattr(game, phase)(real, moment())
    assert max(gradients(game.D, outcome).values()) > 0
    assert max(gradients(game.G, outcome).values()) == 0


@pytest.mark.parametrize("phase", ["patch_discriminator_loss", "patch_real_penalty"])
def test_patch_phases_teach_the_patch_discriminator_alone(game, real, phase):
    outcome = getattr(game, phase)(real, moment())
    assert max(gradients(game.D_patch, outcome).values()) > 0
    assert max(gradients(game.G, outcome).values()) == 0
    assert max(gradients(game.D, outcome).values()) == 0


def test_losses_depend_on_the_seed_alone(game, real):
    first, again = (game.generator_loss(real, moment()).loss for _ in range(2))
    other = game.generator_loss(real, Moment(0.0, torch.Generator().manual_seed(6))).loss
    assert first.equal(again)
    assert not first.equal(other)


def test_pose_is_always_swapped_at_first_and_never_without(game):
    game.swapping = SwappingConfig(final_prob=0.0, fade_kimg=1)
    for kimg in (0.0, 1.0):
        latents = game.draw(4, moment(kimg))
        expected = latents.c.roll(1, dims=0) if kimg == 0 else latents.c
        assert latents.c_mapping.equal(expected)


def test_poses_of_a_batch_are_swapped_together_or_one_by_one(game):
    game.swapping = SwappingConfig(final_prob=0.5, fade_kimg=0)

    def kind(seed, together):
        at = Moment(0.0, torch.Generator().manual_seed(seed))
        latents = game.draw(9, at, together)
        if latents.c_mapping.equal(latents.c):
            return "none"
        return "all" if latents.c_mapping.equal(latents.c.roll(1, dims=0)) else "some"

    assert {kind(seed, together=True) for seed in range(20)} == {"none", "all"}
    assert "some" in {kind(seed, together=False) for seed in range(20)}


def test_blur_changes_what_d_sees_until_it_is_over(game, real):
    game.blur = BlurConfig(initial_sigma_px=2, fade_kimg=1)
    sight = game.real_sight(real)
    early, late = (game.show_real(sight, moment(kimg)) for kimg in (0.0, 1.0))
    assert not early.image.equal(sight.image)
    assert early.image_raw.equal(sight.image_raw)
    assert late.image.equal(sight.image)


def test_patches_are_blurred_like_images_in_a_start_from_scratch(game, real):
    assert game.show_patch(real.image, moment()).equal(real.image)
    game.blur = BlurConfig(initial_sigma_px=2, fade_kimg=1)
    early, late = (game.show_patch(real.image, moment(kimg)) for kimg in (0.0, 1.0))
    assert early.equal(game.show_real(game.real_sight(real), moment()).image)
    assert not early.equal(real.image)
    assert late.equal(real.image)


def test_weights_of_zero_leave_the_patch_discriminator_alone(game, real):
    game.imitation = ImitationConfig(
        weight=0, l1_weight=0, dual_weight=0, adversarial_weight=1,
        perceptual=game.imitation.perceptual,
    )  # fmt: skip
    outcome = game.generator_loss(real, moment())
    assert outcome.loss.equal(outcome.stats["loss/G_patch"])
    parts = gradients(game.G, outcome)
    assert {part for part, size in parts.items() if size > 0} == PARTS - {"superresolution"}


def test_the_weight_of_the_2d_branch_scales_its_loss(game, real):
    losses = []
    for weight in (0.0, 1.0, 3.0):
        game.imitation = game.imitation.model_copy(update={"dual_weight": weight})
        outcome = game.generator_loss(real, moment())
        losses.append(outcome.loss)
    torch.testing.assert_close(losses[2] - losses[0], 3 * (losses[1] - losses[0]))
    torch.testing.assert_close(losses[1] - losses[0], outcome.stats["loss/G"])
