"""Images to be inverted, with the cameras they are believed to be taken by."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mimic3d.cameras import Cameras
from mimic3d.metrics.features import resize


@dataclass(frozen=True)
class InversionTarget:
    """One or several images of the same object, in [-1, 1], and a camera for each."""

    images: Float[Tensor, "n 3 h w"]
    cameras: Cameras

    def __len__(self) -> int:
        return len(self.images)

    def resized(self, resolution: int) -> "InversionTarget":
        """The same images at another side, pixels."""
        return InversionTarget(resize(self.images, resolution), self.cameras)

    def to(self, device: torch.device) -> "InversionTarget":
        """Copy on another device."""
        return InversionTarget(self.images.to(device), self.cameras.to(device))
