"""Fakes: generated objects and images on their way through the losses of a step."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from mimic3d.networks.generator import Generated
from mimic3d.networks.objects import Objects


@dataclass(frozen=True)
class Latents:
    """Latents of fakes and their cameras; styles may be told another camera than renders them."""

    z: Float[Tensor, "n z_dim"]
    c: Float[Tensor, "n 25"]
    c_mapping: Float[Tensor, "n 25"]


@dataclass(frozen=True)
class Fake:
    """Generated objects before they are rendered, and the cameras that will render them."""

    objects: Objects
    c: Float[Tensor, "n 25"]


@dataclass(frozen=True)
class FakeImages:
    """Images of the 2D branch without a graph, their cameras, and the mean of their styles."""

    generated: Generated
    c: Float[Tensor, "n 25"]
    mean_w: Float[Tensor, " w_dim"]


def detach_fakes(fake: Fake, generated: Generated) -> FakeImages:
    """The images as a discriminator is trained on them: no gradient reaches G."""
    images = Generated(**{name: value.detach() for name, value in vars(generated).items()})
    return FakeImages(images, fake.c, fake.objects.ws[:, 0].detach().mean(dim=0))
