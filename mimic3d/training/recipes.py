"""Two recipes side by side: the phases of `pretrain` and the phases of `imitate`."""

from dataclasses import dataclass

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
from mimic3d.losses.density import DensityConfig, density_loss
from mimic3d.losses.imitation import ImitationConfig, imitation_loss
from mimic3d.losses.perceptual import Perceptual
from mimic3d.networks.discriminator import DualDiscriminator, PatchDiscriminator
from mimic3d.networks.generator import Generated, Generator
from mimic3d.networks.resample import gaussian_blur, resize
from mimic3d.rays import Windows, crop, random_windows
from mimic3d.rendering.triplane import Planes
from mimic3d.training.phases import Moment, Outcome, Phase
from mimic3d.training.schedules import BlurConfig, SwappingConfig, blur_sigma, swapping_prob


@dataclass(frozen=True)
class Fake:
    """Generated objects before they are rendered, and the cameras that will render them."""

    ws: Float[Tensor, "n l w_dim"]
    planes: Planes
    c: Float[Tensor, "n 25"]


@dataclass(frozen=True)
class Table:
    """Camera labels of the dataset, from which the cameras of fakes are drawn."""

    labels: Float[Tensor, "m 25"]
    weights: Float[Tensor, " m"]

    def draw(self, num: int, rng: torch.Generator) -> Float[Tensor, "n 25"]:
        """Labels drawn in proportion to their weights."""
        index = torch.multinomial(self.weights, num, replacement=True, generator=rng)
        return self.labels[index]


class DualGame:
    """G against D on the 2D branch: what both stages share (EG3D)."""

    def __init__(
        self, G: Generator, D: DualDiscriminator, table: Table,
        adversarial: AdversarialConfig, density: DensityConfig,
        swapping: SwappingConfig, blur: BlurConfig,
    ):  # fmt: skip
        self.G, self.D, self.table = G, D, table
        self.adversarial, self.density = adversarial, density
        self.swapping, self.blur = swapping, blur

    def fake(self, num: int, detail: bool, moment: Moment) -> Fake:
        """Objects of random latents and cameras; some are conditioned on a neighbour's camera."""
        rng = moment.rng
        z = torch.randn((num, self.G.config.z_dim), generator=rng, device=rng.device)
        c = self.table.draw(num, rng)
        swapped = torch.rand((num, 1), generator=rng, device=rng.device) < swapping_prob(
            moment.kimg, self.swapping
        )
        ws = self.G.map(z, torch.where(swapped, c.roll(1, dims=0), c))
        return Fake(ws, self.G.synthesize_planes(ws, detail, rng), c)

    def render_2d(self, fake: Fake, moment: Moment) -> Generated:
        """The 2D branch of fakes, with randomly drawn depths."""
        return self.G.render_2d(fake.planes, fake.ws, cameras_from_labels(fake.c), moment.rng)

    def judge(
        self, image: Tensor, image_raw: Tensor, c: Tensor, moment: Moment
    ) -> Float[Tensor, " n"]:
        """D's logits; it sees `image` blurred at the start of a training, real or fake alike."""
        sigma = blur_sigma(moment.kimg, self.blur)
        return self.D(gaussian_blur(image, sigma) if sigma > 0 else image, image_raw, c)

    def fool(self, generated: Generated, c: Tensor, moment: Moment) -> Outcome:
        """G's loss on the 2D branch."""
        logits = self.judge(generated.image, generated.image_raw, c, moment)
        loss = fooling_loss(logits)
        return Outcome(loss, {"loss/G": loss, "logits/fake": logits.mean()})

    def generator_loss(self, real: Batch, moment: Moment) -> Outcome:
        """Phase G of `pretrain`."""
        fake = self.fake(len(real.c), detail=False, moment=moment)
        return self.fool(self.render_2d(fake, moment), fake.c, moment)

    def density_loss(self, real: Batch, moment: Moment) -> Outcome:
        """Phase G_density: of all planes that G has."""
        num = len(real.c)
        fake = self.fake(num, detail=self.G.detail is not None, moment=moment)
        loss = density_loss(
            lambda points: self.G.density(fake.planes, points),
            num, self.G.scene.box_warp, self.density, moment.rng,
        )  # fmt: skip
        return Outcome(loss, {"loss/density": loss})

    def discriminator_loss(self, real: Batch, moment: Moment) -> Outcome:
        """Phase D: the 2D branch only, so no detail planes are made."""
        with torch.no_grad():
            fake = self.fake(len(real.c), detail=False, moment=moment)
            generated = self.render_2d(fake, moment)
        fake_logits = self.judge(generated.image, generated.image_raw, fake.c, moment)
        real_logits = self.judge(real.image, self.shrink(real.image), real.c, moment)
        loss = discrimination_loss(real_logits, fake_logits)
        stats = {
            "loss/D": loss,
            "logits/real": real_logits.mean(),
            "sign/real": real_logits.sign().mean(),
        }
        return Outcome(loss, stats, mean_w=fake.ws[:, 0].mean(dim=0))

    def real_penalty(self, real: Batch, moment: Moment) -> Outcome:
        """Phase D_r1, by the clean images; the reference takes it after blur and augmentation."""
        image = real.image.detach().requires_grad_()
        image_raw = self.shrink(real.image).detach().requires_grad_()
        logits = self.judge(image, image_raw, real.c, moment)
        loss = r1_penalty(logits, (image, image_raw), self.adversarial)
        return Outcome(loss, {"loss/D_r1": loss})

    def shrink(self, image: Tensor) -> Tensor:
        """A real image at the resolution of image_raw."""
        return resize(image, self.G.config.neural_rendering_resolution)


def pretrain_phases(
    game: DualGame, g_optimizer: torch.optim.Optimizer, d_optimizer: torch.optim.Optimizer
) -> list[Phase]:
    """Stage 1: the EG3D recipe on the 2D branch."""
    G, D = game.G, game.D
    return [
        Phase("G", G, g_optimizer, game.generator_loss),
        Phase("G_density", G, g_optimizer, game.density_loss, game.density.interval),
        Phase("D", D, d_optimizer, game.discriminator_loss, track_w=G.mapping.update_w_avg),
        Phase("D_r1", D, d_optimizer, game.real_penalty, game.adversarial.r1_interval),
    ]


class ImitationGame(DualGame):
    """The 2D game plus the 3D branch, which imitates it patch by patch (Mimic3D)."""

    def __init__(
        self, dual: DualGame, D_patch: PatchDiscriminator, perceptual: Perceptual,
        imitation: ImitationConfig, patch_adversarial: AdversarialConfig, patch_size: int,
    ):  # fmt: skip
        super().__init__(
            dual.G, dual.D, dual.table, dual.adversarial, dual.density, dual.swapping, dual.blur
        )
        self.D_patch, self.perceptual = D_patch, perceptual
        self.imitation, self.patch_adversarial = imitation, patch_adversarial
        self.patch_size = patch_size

    def windows(self, num: int, moment: Moment) -> Windows:
        """A random window of the image per sample."""
        side = self.G.config.image_resolution
        return random_windows(num, side, self.patch_size, moment.rng)

    def render_patch(self, fake: Fake, windows: Windows, moment: Moment) -> Tensor:
        """The window, rendered directly from all planes."""
        side, cameras = self.G.config.image_resolution, cameras_from_labels(fake.c)
        return self.G.render_3d(fake.planes, cameras, side, moment.rng, windows).image

    def generator_loss(self, real: Batch, moment: Moment) -> Outcome:
        """Phase G of `imitate`: everything is trained, nothing is frozen."""
        fake = self.fake(len(real.c), detail=True, moment=moment)
        generated = self.render_2d(fake, moment)
        adversarial = self.fool(generated, fake.c, moment)
        windows = self.windows(len(real.c), moment)
        patch_3d = self.render_patch(fake, windows, moment)
        imitation = imitation_loss(
            patch_3d, crop(generated.image, windows), self.perceptual, self.imitation
        )
        patch = fooling_loss(self.D_patch(patch_3d))
        loss = adversarial.loss + imitation + self.imitation.adversarial_weight * patch
        stats = {**adversarial.stats, "loss/imitation": imitation, "loss/G_patch": patch}
        return Outcome(loss, stats)

    def patch_discriminator_loss(self, real: Batch, moment: Moment) -> Outcome:
        """Phase D_patch: rendered patches against windows of real images."""
        num = len(real.c)
        with torch.no_grad():
            fake = self.fake(num, detail=True, moment=moment)
            patch_3d = self.render_patch(fake, self.windows(num, moment), moment)
        real_logits = self.D_patch(crop(real.image, self.windows(num, moment)))
        loss = discrimination_loss(real_logits, self.D_patch(patch_3d))
        return Outcome(loss, {"loss/D_patch": loss, "logits/real_patch": real_logits.mean()})

    def patch_real_penalty(self, real: Batch, moment: Moment) -> Outcome:
        """Phase D_patch_r1."""
        patch = crop(real.image, self.windows(len(real.c), moment)).detach().requires_grad_()
        loss = r1_penalty(self.D_patch(patch), (patch,), self.patch_adversarial)
        return Outcome(loss, {"loss/D_patch_r1": loss})


def imitate_phases(
    game: ImitationGame, g_optimizer: torch.optim.Optimizer,
    d_optimizer: torch.optim.Optimizer, d_patch_optimizer: torch.optim.Optimizer,
) -> list[Phase]:  # fmt: skip
    """Stage 2: the phases of stage 1, whose G now also imitates, and the patch discriminator."""
    D_patch, interval = game.D_patch, game.patch_adversarial.r1_interval
    return [
        *pretrain_phases(game, g_optimizer, d_optimizer),
        Phase("D_patch", D_patch, d_patch_optimizer, game.patch_discriminator_loss),
        Phase("D_patch_r1", D_patch, d_patch_optimizer, game.patch_real_penalty, interval),
    ]
