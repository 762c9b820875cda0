"""What is needed of an object to take its surface from it."""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from mimic3d.cameras import Cameras
from mimic3d.metrics.views import Branch, PosedView
from mimic3d.networks.objects import Objects
from mimic3d.surfaces.absorption import Density


@runtime_checkable
class RenderedObject(Protocol):
    """Object that can be seen and asked for its density; `networks.objects.Objects` is one."""

    def render(
        self, cameras: Cameras, branch: Any = ..., resolution: int | None = ...
    ) -> PosedView:
        """Views of cameras with distances along their rays and alpha."""
        ...

    def query(
        self, points: Float[Tensor, "n m 3"]
    ) -> tuple[Float[Tensor, "n m 1"], Float[Tensor, "n m 3"]]:
        """Densities (1 / world unit) and colours in 0..1 at points in world units."""
        ...


def density_of(subject: RenderedObject) -> Density:
    """Density of a single object as a function of points."""

    def density(points: Float[Tensor, "m 3"]) -> Float[Tensor, " m"]:
        return subject.query(points[None])[0][0, :, 0]

    return density


@dataclass(frozen=True)
class OnCpu:
    """An object on any device that is asked, and answers, on the CPU."""

    objects: Objects

    def render(
        self, cameras: Cameras, branch: Branch = "3d", resolution: int | None = None
    ) -> PosedView:
        """`Objects.render`."""
        view = self.objects.render(cameras.to(self.objects.device), branch, resolution)
        return PosedView(view.image.cpu(), view.depth.cpu(), view.alpha.cpu(), cameras)

    def query(
        self, points: Float[Tensor, "n m 3"]
    ) -> tuple[Float[Tensor, "n m 1"], Float[Tensor, "n m 3"]]:
        """`Objects.query`."""
        densities, colors = self.objects.query(points.to(self.objects.device))
        return densities.cpu(), colors.cpu()
