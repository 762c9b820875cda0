"""The losses of `pretrain` plus those of the patches of the 3D branch: the losses of `imitate`."""

from collections import deque
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from mimic3d.cameras import cameras_from_labels
from mimic3d.data.dataset import Batch
from mimic3d.losses.adversarial import (
    AdversarialConfig,
    discriminator_loss,
    generator_loss,
    r1_penalty,
)
from mimic3d.losses.density import DensityConfig
from mimic3d.losses.imitation import ImitationConfig, imitation_loss
from mimic3d.losses.perceptual import PerceptualNetwork
from mimic3d.networks.discriminator import DualDiscriminator, PatchDiscriminator
from mimic3d.networks.generator import Generator, View
from mimic3d.networks.resample import gaussian_blur
from mimic3d.rays import Windows, crop, random_windows
from mimic3d.rendering.depths import Sampling, uniform_draws
from mimic3d.training.augment import Augment, AugmentConfig
from mimic3d.training.fakes import Fake
from mimic3d.training.phases import LossOutput, Phase, StepContext
from mimic3d.training.pretrain_losses import (
    CameraLabels,
    PretrainLossConfig,
    PretrainLosses,
    pretrain_phases,
)
from mimic3d.training.schedules import BlurConfig, SwappingConfig, blur_sigma


class ImitateLossConfig(PretrainLossConfig):
    """Losses of `imitate`; the defaults are the authors' FFHQ-512 settings."""

    imitation: ImitationConfig = ImitationConfig()
    """Imitation loss, which teaches the 3D branch."""
    patch_adversarial: AdversarialConfig = AdversarialConfig()
    """R1 of the patch discriminator."""
    density: DensityConfig = DensityConfig(distance=0.002)
    """Density regularisation, of coarse and detail planes together."""
    swapping: SwappingConfig = SwappingConfig(fade_kimg=0)
    """Pose swapping; the fade is over since stage 1."""
    blur: BlurConfig = BlurConfig(initial_sigma_px=0)
    """Blur on what both discriminators see; it is over since stage 1, unless that was left out."""
    augment: AugmentConfig = AugmentConfig(speed_kimg=100)
    """Adaptive augmentation of what both discriminators see; its strength goes on from stage 1."""


class ImitationLosses(PretrainLosses):
    """The losses of the 2D branch plus those of the 3D branch, which imitates it patch by patch.

    Mimic3D "3D-to-2D imitation". D_patch sees windows of `patch_size` pixels.
    """

    def __init__(
        self, G: Generator, D: DualDiscriminator, D_patch: PatchDiscriminator,
        perceptual: PerceptualNetwork, labels: CameraLabels, cfg: ImitateLossConfig,
        patch_size: int, augment: Augment | None = None,
    ):  # fmt: skip
        super().__init__(G, D, labels, cfg, augment)
        self.D_patch, self.perceptual = D_patch, perceptual
        self.imitation, self.patch_adversarial = cfg.imitation, cfg.patch_adversarial
        self.patch_size = patch_size
        self._shared_patches: deque[Tensor] = deque()  # of the microbatches of this step

    def generator_phase(self, real: Batch, context: StepContext) -> LossOutput:
        """Phase G of `imitate`: everything is trained, nothing is frozen."""
        num, sampling = len(real.c), uniform_draws(context.rng)
        latents = self.draw_latents(num, context)
        fake = self.synthesize(latents, detail=True, noise=context.rng)
        generated = self.render_2d(fake, sampling)
        windows = self.draw_windows(num, context)
        rendered = self.render_patch(fake, windows, sampling)
        patch_3d = rendered.image
        self.share(fake, generated)
        if self.cfg.share_fakes:
            self._shared_patches.append(patch_3d.detach())
        dual = self.generator_loss(generated, fake.c, context)
        terms = (
            replace(dual, loss=self.imitation.dual_weight * dual.loss),
            self.imitation_loss(patch_3d, crop(generated.image, windows)),
            self.patch_generator_loss(patch_3d, context),
            self.opacity_loss(rendered.alpha, "3d"),
        )
        loss = torch.stack([term.loss for term in terms]).sum()
        return LossOutput(loss, {k: v for term in terms for k, v in term.stats.items()})

    def patch_discriminator_phase(self, real: Batch, context: StepContext) -> LossOutput:
        """Phase D_patch: rendered patches against windows of real images."""
        num = len(real.c)
        patch_3d = self.draw_patch(num, context)
        real_patch = crop(real.image, self.draw_windows(num, context))
        return self.patch_discriminator_loss(patch_3d, real_patch, context)

    def patch_r1_phase(self, real: Batch, context: StepContext) -> LossOutput:
        """Phase D_patch_r1."""
        windows = self.draw_windows(len(real.c), context)
        return self.patch_r1_loss(crop(real.image, windows), context)

    def imitation_loss(
        self, patch_3d: Float[Tensor, "n 3 h w"], patch_2d: Float[Tensor, "n 3 h w"]
    ) -> LossOutput:
        """G's loss for differing from its own 2D branch; sees the clean patches."""
        loss = imitation_loss(patch_3d, patch_2d, self.perceptual, self.imitation)
        return LossOutput(loss, {"loss/imitation": loss})

    def patch_generator_loss(
        self, patch_3d: Float[Tensor, "n 3 h w"], context: StepContext
    ) -> LossOutput:
        """G's loss by the patch discriminator."""
        loss = generator_loss(self.D_patch(self.augment_patch(patch_3d, context)))
        return LossOutput(self.imitation.adversarial_weight * loss, {"loss/G_patch": loss})

    def patch_discriminator_loss(
        self, fake: Float[Tensor, "n 3 h w"], real: Float[Tensor, "n 3 h w"], context: StepContext
    ) -> LossOutput:
        """The patch discriminator's loss."""
        fake_logits = self.D_patch(self.augment_patch(fake, context))
        real_logits = self.D_patch(self.augment_patch(real, context))
        loss = discriminator_loss(real_logits, fake_logits)
        return LossOutput(loss, {"loss/D_patch": loss, "logits/real_patch": real_logits.mean()})

    def patch_r1_loss(self, patch: Float[Tensor, "n 3 h w"], context: StepContext) -> LossOutput:
        """R1 of the patch discriminator, by the clean patches unless `legacy`."""
        if self.legacy:
            leaf = shown = self.augment_patch(patch, context).detach().requires_grad_()
        else:
            leaf = patch.detach().requires_grad_()
            shown = self.augment_patch(leaf, context)
        loss = r1_penalty(self.D_patch(shown), (leaf,), self.patch_adversarial)
        return LossOutput(loss, {"loss/D_patch_r1": loss})

    @torch.no_grad()
    def draw_patch(self, num: int, context: StepContext) -> Float[Tensor, "n 3 h w"]:
        """Rendered patches for D_patch: new ones, or with `share_fakes` those of phase G."""
        if self.cfg.share_fakes:
            return self._shared_patches.popleft()
        latents = self.draw_latents(num, context)
        fake = self.synthesize(latents, detail=True, noise=context.rng)
        windows = self.draw_windows(num, context)
        return self.render_patch(fake, windows, uniform_draws(context.rng)).image

    def draw_windows(self, num: int, context: StepContext) -> Windows:
        """A random window of the image per sample."""
        side = self.G.config.image_resolution
        return random_windows(num, side, self.patch_size, context.rng)

    def render_patch(self, fake: Fake, windows: Windows, sampling: Sampling | None) -> View:
        """The window, rendered directly from all planes."""
        cameras = cameras_from_labels(fake.c)
        return fake.objects.render_windows(cameras, windows, sampling=sampling)

    def augment_patch(
        self, patch: Float[Tensor, "n 3 h w"], context: StepContext
    ) -> Float[Tensor, "n 3 h w"]:
        """A patch as the patch discriminator sees it: blurred and augmented like D's images."""
        patch = gaussian_blur(patch, blur_sigma(context.kimg, self.cfg.blur, context.batch))
        return patch if self.augment is None else self.augment(patch, context.rng)


def imitate_phases(
    losses: ImitationLosses, g_optimizer: torch.optim.Optimizer,
    d_optimizer: torch.optim.Optimizer, d_patch_optimizer: torch.optim.Optimizer,
) -> list[Phase]:  # fmt: skip
    """Stage 2: the phases of stage 1, whose G now also imitates, and the patch discriminator."""
    D_patch, interval = losses.D_patch, losses.patch_adversarial.r1_interval
    return [
        *pretrain_phases(losses, g_optimizer, d_optimizer),
        Phase("D_patch", D_patch, d_patch_optimizer, losses.patch_discriminator_phase),
        Phase("D_patch_r1", D_patch, d_patch_optimizer, losses.patch_r1_phase, interval),
    ]
