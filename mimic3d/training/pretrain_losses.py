"""G against D on the 2D branch: the losses that both stages share.

Every loss of a phase draws its random numbers and hands them to a method that draws none, so that
the same numbers give the same loss, whoever drew them.
"""

from dataclasses import dataclass, replace

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
from mimic3d.losses.density import DensityConfig, density_loss, draw_points
from mimic3d.networks.discriminator import DualDiscriminator
from mimic3d.networks.generator import Generated, Generator
from mimic3d.networks.layers import Noise
from mimic3d.networks.objects import Objects, synthesize_objects
from mimic3d.networks.resample import gaussian_blur, resize
from mimic3d.rendering.depths import Sampling, uniform_draws
from mimic3d.training.augment import Augment
from mimic3d.training.phases import Moment, Outcome
from mimic3d.training.schedules import BlurConfig, SwappingConfig, blur_sigma, swapping_prob


@dataclass(frozen=True)
class Table:
    """Camera labels of the dataset, from which the cameras of fakes are drawn."""

    labels: Float[Tensor, "m 25"]
    weights: Float[Tensor, " m"]

    def draw(self, num: int, rng: torch.Generator) -> Float[Tensor, "n 25"]:
        """Labels drawn in proportion to their weights."""
        index = torch.multinomial(self.weights, num, replacement=True, generator=rng)
        return self.labels[index]


@dataclass(frozen=True)
class Latents:
    """What fakes are made of; their styles may be told another camera than renders them."""

    z: Float[Tensor, "n z_dim"]
    c: Float[Tensor, "n 25"]
    c_mapping: Float[Tensor, "n 25"]


@dataclass(frozen=True)
class Fake:
    """Generated objects before they are rendered, and the cameras that will render them."""

    objects: Objects
    c: Float[Tensor, "n 25"]


@dataclass(frozen=True)
class Sight:
    """What D looks at: an image, its small version, and the camera they show."""

    image: Float[Tensor, "n 3 h w"]
    image_raw: Float[Tensor, "n 3 h2 w2"]
    c: Float[Tensor, "n 25"]

    def require_grad(self) -> "Sight":
        """The same pixels as leaves of a graph."""
        image, image_raw = self.image.detach(), self.image_raw.detach()
        return Sight(image.requires_grad_(), image_raw.requires_grad_(), self.c)


class DualGame:
    """G against D on the 2D branch: what both stages share (EG3D).

    Where G is `legacy`, three quirks of the reference are reproduced: real image_raw is blurred
    like image, but fake image_raw is not; R1 is taken by what is left after blur and augmentation,
    not by the images; and in the density phase poses are swapped for all samples or none.
    """

    def __init__(
        self, G: Generator, D: DualDiscriminator, table: Table,
        adversarial: AdversarialConfig, density: DensityConfig,
        swapping: SwappingConfig, blur: BlurConfig, augment: Augment | None = None,
    ):  # fmt: skip
        self.G, self.D, self.table = G, D, table
        self.adversarial, self.density = adversarial, density
        self.swapping, self.blur, self.augment = swapping, blur, augment
        self.legacy = G.config.legacy

    def draw(self, num: int, moment: Moment, together: bool = False) -> Latents:
        """Random latents and cameras; some styles see a neighbour's camera (EG3D Sec. 4.4).

        With `together`, the styles of all samples do or none.
        """
        rng = moment.rng
        z = torch.randn((num, self.G.config.z_dim), generator=rng, device=rng.device)
        c = self.table.draw(num, rng)
        shape = (1, 1) if together else (num, 1)
        chance = torch.rand(shape, generator=rng, device=rng.device)
        swapped = chance < swapping_prob(moment.kimg, self.swapping)
        return Latents(z, c, torch.where(swapped, c.roll(1, dims=0), c))

    def fake(self, latents: Latents, detail: bool | None, noise: Noise) -> Fake:
        """The objects of these latents."""
        ws = self.G.mapping(latents.z, latents.c_mapping)
        return Fake(synthesize_objects(self.G, ws, detail, noise), latents.c)

    def render_2d(self, fake: Fake, sampling: Sampling | None) -> Generated:
        """The 2D branch of fakes."""
        return fake.objects.render_2d(cameras_from_labels(fake.c), sampling)

    def draw_generated(self, num: int, moment: Moment) -> tuple[Fake, Generated]:
        """Random fakes without detail planes, and their 2D branch."""
        fake = self.fake(self.draw(num, moment), detail=False, noise=moment.rng)
        return fake, self.render_2d(fake, uniform_draws(moment.rng))

    def generator_loss(self, real: Batch, moment: Moment) -> Outcome:
        """Phase G of `pretrain`."""
        fake, generated = self.draw_generated(len(real.c), moment)
        return self.fool(generated, fake.c, moment)

    def fool(self, generated: Generated, c: Float[Tensor, "n 25"], moment: Moment) -> Outcome:
        """G's loss on the 2D branch."""
        logits = self.judge(self.show_fake(generated, c, moment))
        loss = fooling_loss(logits)
        return Outcome(loss, {"loss/G": loss, "logits/fake": logits.mean()})

    def density_loss(self, real: Batch, moment: Moment) -> Outcome:
        """Phase G_density: of all planes that G has."""
        num = len(real.c)
        latents = self.draw(num, moment, together=self.legacy)
        fake = self.fake(latents, None, moment.rng)
        box = self.G.scene.box_warp
        points = draw_points(num, box, self.density, moment.rng, self.legacy)
        return self.smoothness(fake, *points)

    def smoothness(
        self, fake: Fake, points: Float[Tensor, "n m 3"], neighbours: Float[Tensor, "n m 3"]
    ) -> Outcome:
        """The density loss at these points."""
        loss = density_loss(fake.objects.density, points, neighbours, self.density)
        return Outcome(loss, {"loss/density": loss})

    def discriminator_loss(self, real: Batch, moment: Moment) -> Outcome:
        """Phase D: the 2D branch only, so no detail planes are made."""
        with torch.no_grad():
            fake, generated = self.draw_generated(len(real.c), moment)
        outcome = self.discriminate(generated, fake.c, real, moment)
        sign = outcome.stats["sign/real"].detach()
        if self.augment is not None:
            outcome.stats["augment/p"] = self.augment.p.clone()
        return replace(outcome, tracked=torch.cat([fake.objects.ws[:, 0].mean(dim=0), sign[None]]))

    def discriminate(
        self, generated: Generated, c: Float[Tensor, "n 25"], real: Batch, moment: Moment
    ) -> Outcome:
        """D's loss."""
        fake_logits = self.judge(self.show_fake(generated, c, moment))
        real_logits = self.judge(self.show_real(self.real_sight(real), moment))
        loss = discrimination_loss(real_logits, fake_logits)
        stats = {
            "loss/D": loss,
            "logits/real": real_logits.mean(),
            "sign/real": real_logits.sign().mean(),
        }
        return Outcome(loss, stats)

    def track(self, tracked: Float[Tensor, " k"], batch: int) -> None:
        """Follows the mean style and the mean sign of D's verdict on a global batch of reals."""
        self.G.mapping.update_w_avg(tracked[:-1])
        if self.augment is not None:
            self.augment.observe(tracked[-1], batch)

    def real_penalty(self, real: Batch, moment: Moment) -> Outcome:
        """Phase D_r1."""
        sight = self.real_sight(real)
        if self.legacy:
            inputs = seen = self.show_real(sight, moment).require_grad()
        else:
            inputs = sight.require_grad()
            seen = self.show_real(inputs, moment)
        loss = r1_penalty(self.judge(seen), (inputs.image, inputs.image_raw), self.adversarial)
        return Outcome(loss, {"loss/D_r1": loss})

    def real_sight(self, real: Batch) -> Sight:
        """Real images beside themselves at the resolution of image_raw."""
        side = self.G.config.neural_rendering_resolution
        return Sight(real.image, resize(real.image, side), real.c)

    def judge(self, sight: Sight) -> Float[Tensor, " n"]:
        """D's logits."""
        return self.D(sight.image, sight.image_raw, sight.c)

    def show_fake(self, generated: Generated, c: Float[Tensor, "n 25"], moment: Moment) -> Sight:
        """How D sees fakes: `image` blurred at the start of a training, both augmented."""
        sigma = blur_sigma(moment.kimg, self.blur)
        image = gaussian_blur(generated.image, sigma)
        return self._augmented(Sight(image, generated.image_raw, c), moment)

    def show_real(self, sight: Sight, moment: Moment) -> Sight:
        """How D sees reals: as fakes."""
        sigma = blur_sigma(moment.kimg, self.blur)
        image_raw = gaussian_blur(sight.image_raw, sigma) if self.legacy else sight.image_raw
        return self._augmented(Sight(gaussian_blur(sight.image, sigma), image_raw, sight.c), moment)

    def _augmented(self, sight: Sight, moment: Moment) -> Sight:
        """Both images under one random transform (EG3D Sec. 4.3 with ADA)."""
        if self.augment is None or (self.augment.is_idle() and not self.legacy):
            return sight
        large, small = sight.image.shape[-1], sight.image_raw.shape[-1]
        both = torch.cat([sight.image, resize(sight.image_raw, large)], dim=1)
        image, image_raw = self.augment(both, moment.rng).split(3, dim=1)
        return Sight(image, resize(image_raw, small), sight.c)
