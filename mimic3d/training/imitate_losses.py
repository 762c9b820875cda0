"""The 2D game plus the patches of the 3D branch: the losses of `imitate`."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from mimic3d.cameras import cameras_from_labels
from mimic3d.data.dataset import Batch
from mimic3d.losses.adversarial import (
    AdversarialConfig,
    discrimination_loss,
    fooling_loss,
    r1_penalty,
)
from mimic3d.losses.imitation import ImitationConfig, imitation_loss
from mimic3d.losses.perceptual import Perceptual
from mimic3d.networks.discriminator import PatchDiscriminator
from mimic3d.networks.resample import gaussian_blur
from mimic3d.rays import Windows, crop, random_windows
from mimic3d.rendering.depths import Sampling, uniform_draws
from mimic3d.training.phases import Moment, Outcome
from mimic3d.training.pretrain_losses import DualGame, Fake
from mimic3d.training.schedules import blur_sigma


class ImitationGame(DualGame):
    """The 2D game plus the 3D branch, which imitates it patch by patch (Mimic3D)."""

    def __init__(
        self, dual: DualGame, D_patch: PatchDiscriminator, perceptual: Perceptual,
        imitation: ImitationConfig, patch_adversarial: AdversarialConfig, patch_size: int,
    ):  # fmt: skip
        super().__init__(
            dual.G, dual.D, dual.table, dual.adversarial, dual.density, dual.swapping, dual.blur,
            dual.augment,
        )  # fmt: skip
        self.D_patch, self.perceptual = D_patch, perceptual
        self.imitation, self.patch_adversarial = imitation, patch_adversarial
        self.patch_size = patch_size

    def windows(self, num: int, moment: Moment) -> Windows:
        """A random window of the image per sample."""
        side = self.G.config.image_resolution
        return random_windows(num, side, self.patch_size, moment.rng)

    def render_patch(
        self, fake: Fake, windows: Windows, sampling: Sampling | None
    ) -> Float[Tensor, "n 3 h w"]:
        """The window, rendered directly from all planes."""
        cameras = cameras_from_labels(fake.c)
        return fake.objects.render_windows(cameras, windows, sampling=sampling).image

    def generator_loss(self, real: Batch, moment: Moment) -> Outcome:
        """Phase G of `imitate`: everything is trained, nothing is frozen."""
        num, sampling = len(real.c), uniform_draws(moment.rng)
        fake = self.fake(self.draw(num, moment), detail=True, noise=moment.rng)
        generated = self.render_2d(fake, sampling)
        windows = self.windows(num, moment)
        patch_3d = self.render_patch(fake, windows, sampling)
        fooled = self.fool(generated, fake.c, moment)
        terms = (
            replace(fooled, loss=self.imitation.dual_weight * fooled.loss),
            self.imitate(patch_3d, crop(generated.image, windows)),
            self.fool_patch(patch_3d, moment),
        )
        loss = torch.stack([term.loss for term in terms]).sum()
        return Outcome(loss, {k: v for term in terms for k, v in term.stats.items()})

    def imitate(
        self, patch_3d: Float[Tensor, "n 3 h w"], patch_2d: Float[Tensor, "n 3 h w"]
    ) -> Outcome:
        """G's loss for differing from its own 2D branch; sees the clean patches."""
        loss = imitation_loss(patch_3d, patch_2d, self.perceptual, self.imitation)
        return Outcome(loss, {"loss/imitation": loss})

    def fool_patch(self, patch_3d: Float[Tensor, "n 3 h w"], moment: Moment) -> Outcome:
        """G's loss by the patch discriminator."""
        loss = fooling_loss(self.D_patch(self.show_patch(patch_3d, moment)))
        return Outcome(self.imitation.adversarial_weight * loss, {"loss/G_patch": loss})

    def patch_discriminator_loss(self, real: Batch, moment: Moment) -> Outcome:
        """Phase D_patch: rendered patches against windows of real images."""
        num = len(real.c)
        with torch.no_grad():
            fake = self.fake(self.draw(num, moment), detail=True, noise=moment.rng)
            windows = self.windows(num, moment)
            patch_3d = self.render_patch(fake, windows, uniform_draws(moment.rng))
        real_patch = crop(real.image, self.windows(num, moment))
        return self.discriminate_patch(patch_3d, real_patch, moment)

    def discriminate_patch(
        self, fake: Float[Tensor, "n 3 h w"], real: Float[Tensor, "n 3 h w"], moment: Moment
    ) -> Outcome:
        """The patch discriminator's loss."""
        fake_logits = self.D_patch(self.show_patch(fake, moment))
        real_logits = self.D_patch(self.show_patch(real, moment))
        loss = discrimination_loss(real_logits, fake_logits)
        return Outcome(loss, {"loss/D_patch": loss, "logits/real_patch": real_logits.mean()})

    def patch_real_penalty(self, real: Batch, moment: Moment) -> Outcome:
        """Phase D_patch_r1."""
        return self.patch_penalty(crop(real.image, self.windows(len(real.c), moment)), moment)

    def patch_penalty(self, patch: Float[Tensor, "n 3 h w"], moment: Moment) -> Outcome:
        """R1 of the patch discriminator, by the clean patches unless `legacy`."""
        if self.legacy:
            inputs = seen = self.show_patch(patch, moment).detach().requires_grad_()
        else:
            inputs = patch.detach().requires_grad_()
            seen = self.show_patch(inputs, moment)
        loss = r1_penalty(self.D_patch(seen), (inputs,), self.patch_adversarial)
        return Outcome(loss, {"loss/D_patch_r1": loss})

    def show_patch(
        self, patch: Float[Tensor, "n 3 h w"], moment: Moment
    ) -> Float[Tensor, "n 3 h w"]:
        """How the patch discriminator sees a patch: blurred and augmented as D sees images."""
        patch = gaussian_blur(patch, blur_sigma(moment.kimg, self.blur))
        return patch if self.augment is None else self.augment(patch, moment.rng)
