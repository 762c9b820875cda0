"""G against D on the 2D branch: the losses that both stages share.

Every phase draws its random numbers and hands them to a loss that draws none, so that the same
numbers give the same loss, whoever drew them.
"""

from collections import deque
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from mimic3d.cameras import cameras_from_labels
from mimic3d.config import Config
from mimic3d.data.dataset import Batch
from mimic3d.losses.adversarial import (
    AdversarialConfig,
    discriminator_loss,
    generator_loss,
    r1_penalty,
)
from mimic3d.losses.density import DensityConfig, density_loss, draw_points
from mimic3d.losses.opacity import OpacityConfig, opacity_loss
from mimic3d.networks.discriminator import DualDiscriminator
from mimic3d.networks.generator import Generated, Generator
from mimic3d.networks.layers import Noise
from mimic3d.networks.objects import synthesize_objects
from mimic3d.networks.resample import gaussian_blur, resize
from mimic3d.rendering.depths import Sampling, uniform_draws
from mimic3d.training.augment import Augment, AugmentConfig
from mimic3d.training.fakes import Fake, FakeImages, Latents, detach_fakes
from mimic3d.training.phases import LossOutput, Phase, StepContext
from mimic3d.training.schedules import BlurConfig, SwappingConfig, blur_sigma, swapping_prob


class PretrainLossConfig(Config):
    """Losses of `pretrain`; the defaults are the authors' FFHQ-512 settings."""

    adversarial: AdversarialConfig = AdversarialConfig()
    """R1 of the dual discriminator."""
    density: DensityConfig = DensityConfig()
    """Density regularisation."""
    opacity: OpacityConfig = OpacityConfig()
    """Opacity of what both branches render."""
    swapping: SwappingConfig = SwappingConfig()
    """Pose swapping."""
    blur: BlurConfig = BlurConfig()
    """Blur on what the discriminator sees."""
    augment: AugmentConfig = AugmentConfig()
    """Adaptive augmentation of what the discriminator sees."""
    share_fakes: bool = False
    """True if discriminators are trained on the images that G has just been trained on, instead of
    new ones, which saves a forward pass of G for each; the reference makes new ones."""


@dataclass(frozen=True)
class CameraLabels:
    """Camera labels of the dataset, from which the cameras of fakes are drawn."""

    labels: Float[Tensor, "m 25"]
    weights: Float[Tensor, " m"]

    def draw(self, num: int, rng: torch.Generator) -> Float[Tensor, "n 25"]:
        """Labels drawn in proportion to their weights."""
        index = torch.multinomial(self.weights, num, replacement=True, generator=rng)
        return self.labels[index]


@dataclass(frozen=True)
class DiscriminatorInput:
    """An image, its small version, and the camera they show."""

    image: Float[Tensor, "n 3 h w"]
    image_raw: Float[Tensor, "n 3 h2 w2"]
    c: Float[Tensor, "n 25"]

    def require_grad(self) -> "DiscriminatorInput":
        """Input of the same pixels as leaves of a graph."""
        image, image_raw = self.image.detach(), self.image_raw.detach()
        return DiscriminatorInput(image.requires_grad_(), image_raw.requires_grad_(), self.c)


class PretrainLosses:
    """G against D on the 2D branch: what both stages share (EG3D).

    Where G is `legacy`, three quirks of the reference are reproduced: real image_raw is blurred
    like image, but fake image_raw is not; R1 is taken by what is left after blur and augmentation,
    not by the images; and in the density phase poses are swapped for all samples or none.
    """

    def __init__(
        self, G: Generator, D: DualDiscriminator, labels: CameraLabels, cfg: PretrainLossConfig,
        augment: Augment | None = None,
    ):  # fmt: skip
        self.G, self.D, self.labels = G, D, labels
        self.cfg, self.augment = cfg, augment
        self.legacy = G.config.legacy
        self._shared: deque[FakeImages] = deque()  # of the microbatches of this step

    def generator_phase(self, real: Batch, context: StepContext) -> LossOutput:
        """Phase G of `pretrain`."""
        fake, generated = self.draw_generated(len(real.c), context)
        self.share(fake, generated)
        return self.generator_loss(generated, fake.c, context)

    def density_phase(self, real: Batch, context: StepContext) -> LossOutput:
        """Phase G_density: of all planes that G has."""
        num = len(real.c)
        latents = self.draw_latents(num, context, together=self.legacy)
        fake = self.synthesize(latents, None, context.rng)
        box = self.G.scene.box_warp
        points = draw_points(num, box, self.cfg.density, context.rng, self.legacy)
        return self.density_loss(fake, *points)

    def discriminator_phase(self, real: Batch, context: StepContext) -> LossOutput:
        """Phase D: the 2D branch only, so no detail planes are made."""
        fakes = self.draw_fakes(len(real.c), context)
        output = self.discriminator_loss(fakes.generated, fakes.c, real, context)
        sign = output.stats["sign/real"].detach()
        if self.augment is not None:
            output.stats["augment/p"] = self.augment.p.clone()
        return replace(output, tracked=torch.cat([fakes.mean_w, sign[None]]))

    def r1_phase(self, real: Batch, context: StepContext) -> LossOutput:
        """Phase D_r1."""
        images = self.real_input(real)
        if self.legacy:
            leaves = shown = self.augment_real(images, context).require_grad()
        else:
            leaves = images.require_grad()
            shown = self.augment_real(leaves, context)
        pixels = leaves.image, leaves.image_raw
        loss = r1_penalty(self.discriminate(shown), pixels, self.cfg.adversarial)
        return LossOutput(loss, {"loss/D_r1": loss})

    def generator_loss(
        self, generated: Generated, c: Float[Tensor, "n 25"], context: StepContext
    ) -> LossOutput:
        """G's loss on the 2D branch."""
        logits = self.discriminate(self.augment_fake(generated, c, context))
        loss = generator_loss(logits)
        opacity = self.opacity_loss(generated.alpha)
        stats = {"loss/G": loss, "logits/fake": logits.mean()} | opacity.stats
        return LossOutput(loss + opacity.loss, stats)

    def opacity_loss(self, alpha: Float[Tensor, "n 1 h w"], name: str = "2d") -> LossOutput:
        """G's loss for light that passes through what a branch renders; nothing if it is off."""
        if not self.cfg.opacity.weight:
            return LossOutput(alpha.new_zeros(()))
        loss = opacity_loss(alpha, self.cfg.opacity)
        return LossOutput(loss, {f"loss/opacity_{name}": loss})

    def density_loss(
        self, fake: Fake, points: Float[Tensor, "n m 3"], neighbours: Float[Tensor, "n m 3"]
    ) -> LossOutput:
        """G's loss for densities that differ between these points."""
        loss = density_loss(fake.objects.density, points, neighbours, self.cfg.density)
        return LossOutput(loss, {"loss/density": loss})

    def discriminator_loss(
        self, generated: Generated, c: Float[Tensor, "n 25"], real: Batch, context: StepContext
    ) -> LossOutput:
        """D's loss."""
        fake_logits = self.discriminate(self.augment_fake(generated, c, context))
        real_logits = self.discriminate(self.augment_real(self.real_input(real), context))
        loss = discriminator_loss(real_logits, fake_logits)
        stats = {
            "loss/D": loss,
            "logits/real": real_logits.mean(),
            "sign/real": real_logits.sign().mean(),
        }
        return LossOutput(loss, stats)

    def track(self, tracked: Float[Tensor, " k"], batch: int) -> None:
        """Follows the mean style and the mean sign of D's logits on a global batch of reals."""
        self.G.mapping.update_w_avg(tracked[:-1])
        if self.augment is not None:
            self.augment.observe(tracked[-1], batch)

    def draw_latents(self, num: int, context: StepContext, together: bool = False) -> Latents:
        """Random latents and cameras; a style may see a neighbour's camera (EG3D Sec. 4.4).

        With `together`, the styles of all samples do or none.
        """
        rng = context.rng
        z = torch.randn((num, self.G.config.z_dim), generator=rng, device=rng.device)
        c = self.labels.draw(num, rng)
        shape = (1, 1) if together else (num, 1)
        chance = torch.rand(shape, generator=rng, device=rng.device)
        swapped = chance < swapping_prob(context.kimg, self.cfg.swapping)
        return Latents(z, c, torch.where(swapped, c.roll(1, dims=0), c))

    def synthesize(self, latents: Latents, detail: bool | None, noise: Noise) -> Fake:
        """The objects of these latents."""
        ws = self.G.mapping(latents.z, latents.c_mapping)
        return Fake(synthesize_objects(self.G, ws, detail, noise), latents.c)

    def render_2d(self, fake: Fake, sampling: Sampling | None) -> Generated:
        """The 2D branch of fakes."""
        return fake.objects.render_2d(cameras_from_labels(fake.c), sampling)

    def draw_generated(self, num: int, context: StepContext) -> tuple[Fake, Generated]:
        """Random fakes without detail planes, and their 2D branch."""
        latents = self.draw_latents(num, context)
        fake = self.synthesize(latents, detail=False, noise=context.rng)
        return fake, self.render_2d(fake, uniform_draws(context.rng))

    def share(self, fake: Fake, generated: Generated) -> None:
        """Keep the fakes of a microbatch for the discriminator's phase of the same step."""
        if self.cfg.share_fakes:
            self._shared.append(detach_fakes(fake, generated))

    @torch.no_grad()
    def draw_fakes(self, num: int, context: StepContext) -> FakeImages:
        """Fakes for D: new ones, or with `share_fakes` those of the generator's phase."""
        if self.cfg.share_fakes:
            return self._shared.popleft()
        return detach_fakes(*self.draw_generated(num, context))

    def real_input(self, real: Batch) -> DiscriminatorInput:
        """Real images beside themselves at the resolution of image_raw."""
        side = self.G.config.neural_rendering_resolution
        return DiscriminatorInput(real.image, resize(real.image, side), real.c)

    def discriminate(self, images: DiscriminatorInput) -> Float[Tensor, " n"]:
        """D's logits."""
        return self.D(images.image, images.image_raw, images.c)

    def augment_fake(
        self, generated: Generated, c: Float[Tensor, "n 25"], context: StepContext
    ) -> DiscriminatorInput:
        """Fakes as D sees them: `image` blurred at the start of a training, both augmented."""
        image = gaussian_blur(
            generated.image, blur_sigma(context.kimg, self.cfg.blur, context.batch)
        )
        return self._augmented(DiscriminatorInput(image, generated.image_raw, c), context)

    def augment_real(self, images: DiscriminatorInput, context: StepContext) -> DiscriminatorInput:
        """Reals as D sees them: like fakes."""
        sigma = blur_sigma(context.kimg, self.cfg.blur, context.batch)
        image_raw = gaussian_blur(images.image_raw, sigma) if self.legacy else images.image_raw
        blurred = DiscriminatorInput(gaussian_blur(images.image, sigma), image_raw, images.c)
        return self._augmented(blurred, context)

    def _augmented(self, images: DiscriminatorInput, context: StepContext) -> DiscriminatorInput:
        """Both images under one random transform (EG3D Sec. 4.3 with ADA)."""
        if self.augment is None or (self.augment.is_idle() and not self.legacy):
            return images
        large, small = images.image.shape[-1], images.image_raw.shape[-1]
        both = torch.cat([images.image, resize(images.image_raw, large)], dim=1)
        image, image_raw = self.augment(both, context.rng).split(3, dim=1)
        return DiscriminatorInput(image, resize(image_raw, small), images.c)


def pretrain_phases(
    losses: PretrainLosses, g_optimizer: torch.optim.Optimizer, d_optimizer: torch.optim.Optimizer
) -> list[Phase]:
    """Stage 1: the EG3D recipe on the 2D branch."""
    G, D, cfg = losses.G, losses.D, losses.cfg
    return [
        Phase("G", G, g_optimizer, losses.generator_phase),
        Phase("G_density", G, g_optimizer, losses.density_phase, cfg.density.interval),
        Phase("D", D, d_optimizer, losses.discriminator_phase, track=losses.track),
        Phase("D_r1", D, d_optimizer, losses.r1_phase, cfg.adversarial.r1_interval),
    ]
