"""Objects: styles and planes of a batch of identities, made once, then seen from any camera.

All who render a generator do it here, so that a faster renderer has one place to be put in, and
nobody else needs to know what planes are or whether a generator has detail planes.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from mimic3d.cameras import Cameras
from mimic3d.metrics.features import resize
from mimic3d.metrics.views import Branch, PosedView
from mimic3d.networks.generator import Generated, Generator, View
from mimic3d.networks.layers import Noise
from mimic3d.rays import Windows, crop
from mimic3d.rendering.composite import DENSITY_BIAS
from mimic3d.rendering.depths import Sampling
from mimic3d.rendering.triplane import Planes

CHUNK_FLOATS = 2**24  # plane features held at once by a query: 64 MiB, little on any machine
MIN_FIRST_PASS = 4  # samples that the renderer needs at least (`RenderingConfig`)


@dataclass(frozen=True, eq=False)
class Objects:
    """A batch of identities of a generator; `synthesize_objects` makes it.

    A single object is seen from every camera it is given, several from one camera each. Nothing
    here draws random numbers unless `sampling` does.
    """

    G: Generator
    ws: Float[Tensor, "n l w_dim"]
    planes: Planes

    def __len__(self) -> int:
        return len(self.ws)

    def __getitem__(self, index: slice) -> "Objects":
        return Objects(self.G, self.ws[index], tuple(level[index] for level in self.planes))

    @property
    def has_detail(self) -> bool:
        """True if detail planes refine the coarse ones; only then is the 3D branch trained."""
        return len(self.planes) > 1

    @property
    def device(self) -> torch.device:
        """Device of styles and planes; cameras and points must be there as well."""
        return self.ws.device

    def render(
        self, cameras: Cameras, branch: Branch = "3d", resolution: int | None = None,
        sampling: Sampling | None = None,
    ) -> PosedView:  # fmt: skip
        """Images with depth and alpha of a side of `resolution` pixels; None is the generator's.

        The 3D branch renders all planes there are at any resolution. The 2D branch has one: its
        image is resized, and so are depth and alpha of the small rendering it starts from, since it
        has no others.
        """
        side = resolution or self.G.config.image_resolution
        if branch == "2d":
            small = self.render_2d(cameras, sampling)
            image, depth, alpha = small.image, small.depth, small.alpha
            return PosedView(resize(image, side), resize(depth, side), resize(alpha, side), cameras)
        view = self.G.render_3d(self._for(cameras).planes, cameras, side, sampling, None)
        return PosedView(view.image, view.depth, view.alpha, cameras)

    def render_windows(
        self, cameras: Cameras, windows: Windows, branch: Branch = "3d",
        resolution: int | None = None, sampling: Sampling | None = None,
    ) -> View:  # fmt: skip
        """One window per camera of the images that `render` makes at this resolution.

        The 3D branch casts the rays of the windows only; the 2D branch is cropped.
        """
        side = resolution or self.G.config.image_resolution
        if branch == "2d":
            whole = self.render(cameras, branch, side, sampling)
            return View(*(crop(x, windows) for x in (whole.image, whole.depth, whole.alpha)))
        return self.G.render_3d(self._for(cameras).planes, cameras, side, sampling, windows)

    def render_2d(self, cameras: Cameras, sampling: Sampling | None = None) -> Generated:
        """The 2D branch as it is: its image, and the small rendering before super-resolution."""
        objects = self._for(cameras)
        return self.G.render_2d(objects.planes, objects.ws, cameras, sampling)

    def density(
        self, points: Float[Tensor, "n m 3"], branch: Branch = "3d"
    ) -> Float[Tensor, "n m 1"]:
        """Raw densities (before softplus) at points in world units.

        The 2D branch sees the coarse planes alone.
        """
        return self.G.density(self._levels(branch), points)

    def query(
        self, points: Float[Tensor, "n m 3"], branch: Branch = "3d"
    ) -> tuple[Float[Tensor, "n m 1"], Float[Tensor, "n m 3"]]:
        """Densities (1 / world unit, not negative) and colours in 0..1 at points in world units.

        Points go in chunks of bounded memory.
        """
        levels, cfg = self._levels(branch), self.G.config.rendering
        features = len(self) * len(levels) * 3 * self.G.config.plane_channels
        densities, colors = [], []
        for chunk in points.split(max(1, CHUNK_FLOATS // features), dim=1):
            raw, color = self.G.backend.query(
                levels, self.G.decoder, chunk, self.G.scene, cfg, channels=3
            )
            densities.append(F.softplus(raw + DENSITY_BIAS) * cfg.density_gain)
            colors.append(color)
        return torch.cat(densities, dim=1), torch.cat(colors, dim=1)

    @property
    def samples_per_ray(self) -> int:
        """Samples of both passes along a ray."""
        return count_samples_per_ray(self.G)

    def with_samples_per_ray(self, num: int) -> "Objects":
        """Objects of the same styles and planes, rendered with `num` samples along a ray."""
        return replace(self, G=with_samples_per_ray(self.G, num))

    def _levels(self, branch: Branch) -> Planes:
        return self.planes[:1] if branch == "2d" else self.planes

    def _for(self, cameras: Cameras) -> "Objects":
        """One object per camera; a single one is repeated without being copied."""
        num = len(cameras)
        if len(self) == num or len(self) != 1:
            return self
        planes = tuple(level.expand(num, -1, -1, -1, -1) for level in self.planes)
        return Objects(self.G, self.ws.expand(num, -1, -1), planes)


def synthesize_objects(
    G: Generator, ws: Float[Tensor, "n l w_dim"], detail: bool | None = None, noise: Noise = "const"
) -> Objects:
    """The objects of styles; `G.mapping(z, c)` makes styles.

    `detail` False leaves the detail planes out, which only the 3D branch needs; None makes those
    that the generator has.

    Raises:
        ValueError: `detail` is asked of a generator of `pretrain`, which has none.
    """
    has_detail = G.config.detail if detail is None else detail
    return Objects(G, ws, G.synthesize_planes(ws, has_detail, noise))


def trained_branches(G: Generator) -> tuple[Branch, ...]:
    """The branches that show what a generator has learnt: the 3D branch needs detail planes."""
    return ("2d", "3d") if G.config.detail else ("2d",)


def count_samples_per_ray(G: Generator) -> int:
    """Samples of both passes along a ray."""
    return G.config.rendering.depth_resolution + G.config.rendering.depth_resolution_importance


def with_samples_per_ray(G: Generator, num: int) -> Generator:
    """Generator that shares the weights of this one and renders with `num` samples along a ray.

    They are split between the passes as the generator's own.
    """
    own = G.config.rendering
    first = round(num * own.depth_resolution / count_samples_per_ray(G))
    first = min(max(first, MIN_FIRST_PASS), num - 1)
    passes = {"depth_resolution": first, "depth_resolution_importance": num - first}
    return G.with_rendering(own.model_copy(update=passes))
